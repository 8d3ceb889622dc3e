"""Text of a file becomes a tree with places, or a diagnostic; never an exception."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envctl.spec.source import MAX_BYTES, load_source, parse_source
from envctl.spec.tree import Entries, Items, Leaf, plain, spans

FILE = Path("environments/dev.yaml")


def parse(text: str) -> object:
    source = parse_source(text, FILE)
    assert source.diagnostics == ()
    assert source.tree is not None
    return plain(source.tree)


# YAML 1.2.2, 10.3.2: tag resolution of the core schema.
@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("null", None),
        ("~", None),
        ("", None),
        ("true", True),
        ("FALSE", False),
        ("0", 0),
        ("-12", -12),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("yes", "yes"),
        ("No", "No"),
        ("on", "on"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2027-01-31", "2027-01-31"),
        ("0b11", "0b11"),
        ("1.2.3", "1.2.3"),
        ('"12"', "12"),
        ("'true'", "true"),
        ("!!str 12", "12"),
        ("=", "="),
        ("9" * 400, "9" * 400),
    ],
)
def test_scalars_follow_the_core_schema(written: str, value: object) -> None:
    assert parse(f"key: {written}\n") == {"key": value}


def test_keys_are_text_whatever_they_look_like() -> None:
    assert parse("1: a\ntrue: b\non: c\n") == {"1": "a", "true": "b", "on": "c"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "~\n", "null"])
def test_nothing_is_an_empty_mapping(text: str) -> None:
    assert parse(text) == {}


def test_byte_order_mark_and_foreign_line_ends_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "dev.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    source = load_source(path, FILE)
    assert source.tree is not None
    assert plain(source.tree) == {"a": 1, "b": 2}
    second = source.tree.entries["b"]
    assert (second.key_span.line, second.key_span.column, second.key_span.text) == (2, 1, "b: 2")


def test_every_value_knows_its_place() -> None:
    source = parse_source("a:\n  - x\n  - {b: 'two'}\nc: |\n  long\n  text\n", FILE)
    assert source.tree is not None
    found = {path: (span.line, span.column, span.end_column) for path, span in spans(source.tree)}
    assert found["a",] == (1, 1, 2)  # a block is shown at its key
    assert found["a", 0] == (2, 5, 6)
    assert found["a", 1] == (3, 5, 15)
    assert found["a", 1, "b"] == (3, 9, 14)
    assert found["c",] == (4, 4, 5)  # a long text at its first line
    leaf = source.tree.get("c")
    assert isinstance(leaf, Leaf)
    assert leaf.value == "long\ntext\n"


def test_aliases_stand_for_their_anchor() -> None:
    assert parse("a: &x {k: [1, 2]}\nb: *x\n") == {"a": {"k": [1, 2]}, "b": {"k": [1, 2]}}


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"a: 1\nb: \xff\n", "file-not-utf8", "Byte 9 (0xff) on line 2 is not UTF-8."),
        ("a: 1\n".encode("utf-16"), "file-not-utf8", "The file is UTF-16."),
        (b"a: \x00\n", "yaml-syntax", "Character U+0000 is not allowed in YAML."),
        (b"#" * (MAX_BYTES + 1), "file-too-large", "It has 1.0 MiB; up to 1 MiB are read."),
        (b"a: " + b"[" * 2000, "yaml-syntax", ""),
    ],
)
def test_bytes_that_are_no_yaml(tmp_path: Path, data: bytes, code: str, words: str) -> None:
    path = tmp_path / "dev.yaml"
    path.write_bytes(data)
    source = load_source(path, FILE)
    assert source.tree is None
    (diagnostic,) = source.diagnostics
    assert diagnostic.code == code
    assert words in diagnostic.detail


def test_ten_megabytes_are_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "dev.yaml"
    with path.open("wb") as stream:
        stream.truncate(10 * 1024 * 1024)
    (diagnostic,) = load_source(path, FILE).diagnostics
    assert (diagnostic.code, diagnostic.detail) == ("file-too-large", "It has 10.0 MiB; up to 1 MiB are read.")


@pytest.mark.parametrize("make", [Path.mkdir, lambda _: None], ids=["folder", "absent"])
def test_what_cannot_be_read(tmp_path: Path, make: object) -> None:
    path = tmp_path / "dev.yaml"
    assert callable(make)
    make(path)
    (diagnostic,) = load_source(path, FILE).diagnostics
    assert diagnostic.code == "file-unreadable"
    assert diagnostic.detail


YAML_LIKE = st.text(alphabet="ab:-[]{}&*!|>'\"#%@`,? \n\t0.~", max_size=60) | st.text(max_size=60)


@given(YAML_LIKE)
def test_any_text_gives_a_tree_or_diagnostics(text: str) -> None:
    source = parse_source(text, FILE)
    assert source.tree is not None or source.diagnostics
    lines = text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + text.count("\u2029") + 1
    for diagnostic in source.diagnostics:
        assert diagnostic.span is not None
        assert 1 <= diagnostic.span.line <= lines
    if source.tree is not None:
        for _, span in spans(source.tree):
            assert span.end_column is None or span.end_column > span.column


# Printable text only, and no line separators: JSON's escapes of the rest are not YAML's.
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | TEXTS
DOCUMENTS = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=4,
)


@given(DOCUMENTS)
def test_json_is_read_as_json(document: dict[str, object]) -> None:
    # YAML 1.2.2, 1.2: nearly every JSON document is a YAML document with the same meaning.
    import json

    assert parse(json.dumps(document, ensure_ascii=False)) == document


def test_nodes_are_what_they_look_like() -> None:
    source = parse_source("a: [1]\n", FILE)
    assert isinstance(source.tree, Entries)
    assert isinstance(source.tree.get("a"), Items)
