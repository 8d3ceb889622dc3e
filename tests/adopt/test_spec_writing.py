"""What is written is read back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envctl.spec.source import parse_source
from envctl.spec.tree import plain
from envctl.spec.writing import write_document

TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="$\ufeff"), max_size=20
) | st.sampled_from(
    [
        "yes",
        "010",
        "1:30",
        "null",
        "~",
        "- a",
        "a: b",
        "# no",
        "true",
        "",
        " ",
        "2026-01-01",
        "a,b",
        "{x}",
        "line\nbreak",
    ]
)
SCALARS = TEXTS | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXTS, v, max_size=3), max_leaves=12)


@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_any_document_comes_back(document):
    text = write_document(document)
    source = parse_source(text, Path("x.yaml"))
    assert source.diagnostics == ()
    assert plain(source.tree) == document


def test_a_document_is_written_to_be_read():
    document = {
        "region": "europe-west1",
        "labels": {"team": "data", "no": "1"},
        "l": ["a b", "c"],
        "x": {"y": {"z": 1}},
    }
    assert write_document(document, {("l",): "why"}, "head") == (
        '# head\nregion: europe-west1\nlabels:\n  team: data\n  no: "1"\n# why\nl:\n  - "a b"\n  - c\nx:\n  y: {z: 1}\n'
    )


def test_references_are_not_made_by_accident():
    assert write_document({"a": "${name}"}) == 'a: "$${name}"\n'


def test_other_things_are_refused():
    with pytest.raises(TypeError, match="set cannot stand"):
        write_document({"a": {1}})


def test_an_empty_line_of_a_head_ends_without_a_blank():
    assert write_document({"a": 1}, head="one\n\ntwo").splitlines()[:3] == ["# one", "#", "# two"]
