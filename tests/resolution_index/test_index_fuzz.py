"""Whatever an index sends, the answer is a value or a named refusal."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import suppress

from fake_index import build_sdist, build_wheel, metadata_text
from hypothesis import given
from hypothesis import strategies as st

from envctl.resolution.index.core_metadata import BadMetadataError, parse_core_metadata
from envctl.resolution.index.page import ListedFile, build_page, line_files
from envctl.resolution.index.sdist import NotStaticError, read_sdist_metadata
from envctl.resolution.index.simple_html import GarbageError, parse_simple_html
from envctl.resolution.index.simple_json import parse_simple_json
from envctl.resolution.index.zip_metadata import BrokenWheelError, FileWindow, directory_bytes, read_wheel_metadata
from envctl.resolution.names import package_name

PAGE = "https://index.example/simple/demo/"
DEMO = package_name("demo")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["url", "filename", "hashes", "sha256", "yanked", "core-metadata"]), inner)
    ),
    max_leaves=8,
)
EDITS = st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=6)), min_size=1, max_size=4)
MEMBER_NAMES = st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,2}", fullmatch=True)


def damaged(content: bytes, edits: list[tuple[int, bytes]]) -> bytes:
    for position, patch in edits:
        place = position % len(content)
        content = content[:place] + patch + content[place + len(patch) :]
    return content


@given(
    members=st.dictionaries(MEMBER_NAMES, st.binary(max_size=200), max_size=20),
    compression=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    prefix=st.binary(max_size=50),
    comment=st.binary(max_size=50).filter(lambda text: b"PK" not in text),
)
def test_any_wheel_that_zipfile_writes_is_read(
    members: dict[str, bytes], compression: int, prefix: bytes, comment: bytes
) -> None:
    text = metadata_text("demo", "1.0", ["a"]).encode()
    stream = io.BytesIO(build_wheel("demo", "1.0", ["a"], members=members, compression=compression))
    with zipfile.ZipFile(stream, "a") as archive:
        archive.comment = comment
    window = FileWindow(io.BytesIO(prefix + stream.getvalue()))
    assert read_wheel_metadata(window, "demo") == text


@given(EDITS, st.integers(0, 400))
def test_damaged_wheels_are_read_right_or_refused(edits: list[tuple[int, bytes]], cut: int) -> None:
    content = damaged(build_wheel("demo", "1.0", ["a"]), edits)
    window = FileWindow(io.BytesIO(content[: len(content) - cut]))
    with suppress(BrokenWheelError):
        assert directory_bytes(window) > 0
        assert read_wheel_metadata(window, "demo") == metadata_text("demo", "1.0", ["a"]).encode()


@given(st.binary(max_size=300))
def test_bytes_are_no_wheel(content: bytes) -> None:
    try:
        read_wheel_metadata(FileWindow(io.BytesIO(b"PK\x05\x06" + content)), "demo")
    except BrokenWheelError:
        return
    raise AssertionError(content)


@given(EDITS, st.sampled_from([".tar.gz", ".zip", ".tar.bz2"]))
def test_damaged_sdists_are_read_or_refused(edits: list[tuple[int, bytes]], ending: str) -> None:
    content = damaged(build_sdist("demo", "1.0", ["a"], ending=ending), edits)
    with suppress(BrokenWheelError, NotStaticError):
        assert read_sdist_metadata(io.BytesIO(content), f"demo-1.0{ending}", DEMO, "1.0").provides_extra == ()


@given(JSON)
def test_any_json_is_a_page_or_garbage(document: object) -> None:
    for value in (document, {"files": document}, {"files": [document], "meta": document}):
        try:
            files = parse_simple_json(json.dumps(value), PAGE)
        except GarbageError:
            continue
        assert all(isinstance(file, ListedFile) for file in files)


ATTRIBUTES = st.sampled_from(
    ["href", "data-yanked", "data-requires-python", "data-core-metadata", "data-upload-time", "x", "=", '"', "'", ">"]
)
VALUES = st.sampled_from(["demo-1.0.tar.gz", "http://[", "//", "?", "#sha256=", "&gt;=3", "%ff", "\x00", "\ud800", ""])


@given(st.lists(st.tuples(ATTRIBUTES, VALUES, st.sampled_from(['"', "'", ""])), max_size=6), st.text(max_size=20))
def test_any_html_is_a_page_or_garbage(attributes: list[tuple[str, str, str]], text: str) -> None:
    inner = " ".join(f"{name}={quote}{value}{quote}" for name, value, quote in attributes)
    try:
        files = parse_simple_html(f"<html><a {inner}>{text}</a>", PAGE)
    except GarbageError:
        return
    for line in build_page("demo", files).lines:
        line.encode()
        assert line_files(line)


@given(st.binary(max_size=200))
def test_any_bytes_are_metadata_or_refused(content: bytes) -> None:
    for whole in (content, b"Name: demo\nVersion: 1\n" + content):
        with suppress(BadMetadataError):
            assert parse_core_metadata(whole).name
