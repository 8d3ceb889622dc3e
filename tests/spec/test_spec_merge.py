"""How a file lies on its base."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from envctl.spec.merge import merge, without_nulls
from envctl.spec.source import parse_source
from envctl.spec.tree import Entries, Node, at, plain, spans

KEYS = st.text("abc", min_size=1, max_size=1)
LEAVES = st.none() | st.booleans() | st.integers(0, 3) | st.lists(st.integers(0, 2), max_size=2)
MAPPINGS = st.recursive(
    st.dictionaries(KEYS, LEAVES, max_size=3),
    lambda inner: st.dictionaries(KEYS, LEAVES | inner, max_size=3),
    max_leaves=8,
)


def tree(value: object, file: str = "dev.yaml") -> Entries:
    parsed = parse_source(json.dumps(value), Path(file)).tree
    assert parsed is not None
    return parsed


def merged(base: object, over: object) -> object:
    return plain(without_nulls(merge(tree(base), tree(over))))


def model(base: object, over: object) -> object:
    """The rule in three lines, on plain values; nulls still in."""
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {key: model(base[key], value) if key in base else value for key, value in over.items()}
    return over


def strip(value: object) -> object:
    if isinstance(value, dict):
        return {key: strip(each) for key, each in value.items() if each is not None}
    return value


@given(MAPPINGS, MAPPINGS)
def test_merge_follows_the_rule(base: object, over: object) -> None:
    assert merged(base, over) == strip(model(base, over))


@given(MAPPINGS)
def test_empty_files_change_nothing(value: object) -> None:
    assert merged({}, value) == merged(value, {}) == strip(value)


@given(MAPPINGS)
def test_a_file_on_itself_is_itself(value: object) -> None:
    assert merged(value, value) == strip(value)


@given(MAPPINGS, MAPPINGS, MAPPINGS)
def test_the_last_file_of_a_chain_wins(first: object, second: object, third: object) -> None:
    chain = merge(merge(tree(first), tree(second)), tree(third))
    result = without_nulls(chain)
    assert isinstance(result, Entries)
    assert isinstance(third, dict)
    for key, value in third.items():
        if value is None:
            assert key not in result.entries
        elif not isinstance(value, dict):
            assert plain(result.entries[key].node) == value


@given(MAPPINGS, MAPPINGS)
def test_every_value_keeps_the_place_it_was_written_at(base: object, over: object) -> None:
    below, above = tree(base, "base.yaml"), tree(over, "dev.yaml")
    origins: dict[str, Node] = {"base.yaml": below, "dev.yaml": above}
    for path, span in spans(merge(below, above)):
        written = at(origins[str(span.file)], path)
        assert written is not None
        assert written.span == span


def test_null_takes_away_and_lists_replace() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert merged(base, {"a": {"b": None, "c": [3]}, "d": None}) == {"a": {"c": [3]}}


def test_null_inside_a_list_stays_to_be_complained_about() -> None:
    assert merged({}, {"a": [1, None]}) == {"a": [1, None]}
