from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envctl.engine.embedded.paths import PathError, contains, format_path, keep_old, parse_path
from envctl.engine.embedded.values import Secret


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("root", ("root",)),
        ("root.nested", ("root", "nested")),
        ('root["nested"]', ("root", "nested")),
        ("root.array[0].x", ("root", "array", 0, "x")),
        ('root["key with \\"escaped\\" quotes"].y', ("root", 'key with "escaped" quotes', "y")),
        ('["a.b"][*]', ("a.b", "*")),
        ("root.*.x", ("root", "*", "x")),
    ],
)
def test_paths_are_read_as_pulumi_reads_them(text: str, path: tuple[str | int, ...]) -> None:
    assert parse_path(text) == path


@pytest.mark.parametrize("text", ["", ".a", "a.", "a[", "a[x]", 'a["b', "a[]", "a[-1]"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        parse_path(text)


@given(st.lists(st.one_of(st.text(min_size=1), st.integers(min_value=0, max_value=99)), min_size=1, max_size=4))
def test_a_path_survives_writing_and_reading(parts: list[str | int]) -> None:
    path = (str(parts[0]), *parts[1:])
    assert parse_path(format_path(path)) == path


def test_a_path_contains_what_lies_below() -> None:
    assert contains(parse_path("a.b"), parse_path("a.b[0].c"))
    assert contains(parse_path("a[*].c"), parse_path("a[3].c"))
    assert not contains(parse_path("a.b.c"), parse_path("a.b"))
    assert not contains(parse_path("a.b"), parse_path("a.c"))


# the cases of `Reset` in Pulumi's sdk/go/common/resource/properties_path.go
@pytest.mark.parametrize(
    ("path", "old", "new", "expected", "possible"),
    [
        ("a", {"a": 1}, {"a": 2, "b": 3}, {"a": 1, "b": 3}, True),
        ("a", {}, {"a": 2}, {}, True),
        ("a", {"a": 1}, {}, {"a": 1}, True),
        ("a.b", {"a": {"b": 1}}, {"a": {"b": 2, "c": 3}}, {"a": {"b": 1, "c": 3}}, True),
        ("a.b", {"a": {"b": 1}}, {}, {}, False),
        ("a.b", {}, {"a": {"b": 2}}, {"a": {}}, True),
        ("a.b", {}, {}, {}, True),
        ("a[0]", {"a": [1, 2]}, {"a": [3, 4]}, {"a": [1, 4]}, True),
        ("a[1]", {"a": [1]}, {"a": [3, 4]}, {"a": [3, 4]}, False),
        ("a[5]", {"a": [1]}, {"a": [3]}, {"a": [3]}, True),
        ("a[*].x", {"a": [{"x": 1}]}, {"a": [{"x": 2, "y": 2}]}, {"a": [{"x": 1, "y": 2}]}, True),
        ("a[*].x", {"a": [{"x": 1}]}, {"a": [{"x": 2}, {"x": 3}]}, {"a": [{"x": 1}, {"x": 3}]}, False),
        ("a.*", {"a": {"x": 1}}, {"a": {"x": 2, "y": 3}}, {"a": {"x": 1}}, True),
        ("a[*]", {"a": [1, 2]}, {"a": [3, 4]}, {"a": [1, 2]}, True),
        ("a[*]", {"a": [1]}, {"a": [3, 4]}, {"a": [1, 4]}, False),
        ("a[*]", {"a": 1}, {"a": [3, 4]}, {"a": [3, 4]}, True),
        ("a[*]", {"a": [1]}, {"a": 3}, {"a": 3}, False),
        (
            "a.*.x",
            {"a": {"k": {"x": 1}}},
            {"a": {"k": {"x": 2}, "m": {"x": 3}}},
            {"a": {"k": {"x": 1}, "m": {"x": 3}}},
            True,
        ),
        ("a.*.x", {"a": {"k": {"x": 1}}}, {"a": {}}, {"a": {}}, False),
        ("a.*.x", {"a": 1}, {"a": 2}, {"a": 2}, False),
        ("a[0].x", {"a": 1}, {"a": 2}, {"a": 2}, True),
        ("a[0].x", {"a": [{"x": 1}]}, {"a": 2}, {"a": 2}, False),
        ("a[0].x", {"a": [{"x": 1}]}, {"a": [{"x": 2}]}, {"a": [{"x": 1}]}, True),
        ("a.b", {"a": {"b": 1}}, {"a": 2}, {"a": 2}, False),
        ("a.b.c", {"a": 1}, {"a": 2}, {"a": 2}, True),
    ],
)
def test_ignored_changes(path: str, old: Any, new: Any, expected: Any, possible: bool) -> None:
    kept, impossible = keep_old(new, old, [path])
    assert (kept == expected) or (not possible and kept == new)
    assert impossible == ([] if possible else [path])


def test_secrets_are_passed_through_and_stay_secret() -> None:
    kept, impossible = keep_old({"a": Secret({"b": 2, "c": 3})}, {"a": Secret({"b": 1})}, ["a.b"])
    assert kept == {"a": Secret({"b": 1, "c": 3})}
    assert impossible == []
    kept, _ = keep_old({"a": {"b": 2}}, {"a": Secret({"b": 1})}, ["a.b"])
    assert kept == {"a": {"b": Secret(1)}}
