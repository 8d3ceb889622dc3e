"""Our header reader against Python's email parser, which pip uses."""

from __future__ import annotations

import email
import email.policy

import pytest
from fake_index import metadata_text
from hypothesis import given
from hypothesis import strategies as st

from envctl.resolution.index.core_metadata import BadMetadataError, check_identity, parse_core_metadata
from envctl.resolution.names import package_name

LINES = st.sampled_from(
    [
        "Name: demo", "name:other", "Version: 1.0", "Requires-Dist: a>=1", "Requires-Dist: b ; extra == 'x'",
        "REQUIRES-DIST:c", "Provides-Extra: x", "Requires-Python: >=3.8", "License: some", "        ", "\t", "",
        "  folded, text", "no header at all", "Description: é", "Weird Name: x", ":empty name", "Dynamic: Requires-Dist",
        "Requires-Dist: ", "From: me", "Metadata-Version: 2.1",
    ]
)  # fmt: skip


@given(st.lists(LINES, max_size=12), st.sampled_from(["\n", "\r\n", "\r"]))
def test_headers_are_those_of_the_email_parser(lines: list[str], newline: str) -> None:
    content = newline.join(["Name: first", "Version: 0", *lines, "", "body: x"]).encode()
    ours = parse_core_metadata(content)
    theirs = email.message_from_string(content.decode(), policy=email.policy.compat32)

    def expected(key: str) -> tuple[str, ...]:
        return tuple(" ".join(value.split()) for value in theirs.get_all(key, []))

    assert ours.requirements.requires_dist == expected("Requires-Dist")
    assert ours.requirements.provides_extra == expected("Provides-Extra")
    assert (ours.requirements.requires_python or "") == (expected("Requires-Python") or ("",))[0]
    assert ours.dynamic == frozenset(value.lower() for value in expected("Dynamic"))


def test_a_folded_licence_with_blank_lines_does_not_end_the_headers() -> None:
    text = metadata_text("demo", "1.0", ["a"]).replace("Requires-Dist", "License: x\n        \n  y\nRequires-Dist")
    assert parse_core_metadata(text.encode()).requirements.requires_dist == ("a",)


@pytest.mark.parametrize("content", [b"", b"<html>", b"Name: demo\n", b"Version: 1\n", b"\x00\xff"])
def test_what_is_no_metadata_is_refused(content: bytes) -> None:
    with pytest.raises(BadMetadataError, match="no name or no version"):
        parse_core_metadata(content)


@pytest.mark.parametrize(
    ("name", "version", "reason"),
    [("other", "1.0", "another package"), ("demo", "2.0", "another version"), ("demo", "dev", "invalid version")],
)
def test_metadata_of_something_else_is_refused(name: str, version: str, reason: str) -> None:
    metadata = parse_core_metadata(metadata_text(name, version).encode())
    with pytest.raises(BadMetadataError, match=reason):
        check_identity(metadata, package_name("demo"), "1.0")


def test_spelling_of_name_and_version_does_not_matter() -> None:
    metadata = parse_core_metadata(metadata_text("My_Demo", "1.0.0").encode())
    check_identity(metadata, package_name("my.demo"), "1.0")
