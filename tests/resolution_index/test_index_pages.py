"""What pages and file names say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from envctl.resolution.index.filenames import version_of, wheel_build, wheel_tags
from envctl.resolution.index.page import ListedFile, build_page, line_files, line_version, merge_pages
from envctl.resolution.index.simple_html import GarbageError, parse_simple_html
from envctl.resolution.index.simple_json import parse_simple_json
from envctl.resolution.index.times import normalised_time

PAGE = "https://index.example/simple/demo/"
DIGEST = "ab" * 32


def html(*anchors: str, head: str = "") -> str:
    return f"<!DOCTYPE html><html><head>{head}</head><body>{''.join(anchors)}</body></html>"


def test_html_attributes_become_fields() -> None:
    (file,) = parse_simple_html(
        html(
            f'<a href="../../f/demo-1.0-py3-none-any.whl#sha256={DIGEST}" data-requires-python="&gt;=3.8"'
            f' data-yanked="broken &amp; bad" data-upload-time="2024-05-01T10:00:00Z"'
            f' data-dist-info-metadata="sha256={DIGEST}">x</a>'
        ),
        PAGE,
    )
    assert file == ListedFile(
        filename="demo-1.0-py3-none-any.whl",
        url="https://index.example/f/demo-1.0-py3-none-any.whl",
        sha256=DIGEST,
        requires_python=">=3.8",
        yanked="broken & bad",
        upload_time="2024-05-01T10:00:00.000000Z",
        core_metadata=DIGEST,
    )


@pytest.mark.parametrize(
    ("anchor", "filename"),
    [
        ("<A HREF='demo-1.0.tar.gz'>", "demo-1.0.tar.gz"),
        ("<a\n  class=x\n  href=demo-1.0.tar.gz >", "demo-1.0.tar.gz"),
        ('<a title="a > b" href="demo-1.0.tar.gz">', "demo-1.0.tar.gz"),
        ('<a rel="internal" href="demo-1.0%2Blocal.tar.gz">', "demo-1.0+local.tar.gz"),
        ('<a href=" demo-1.0.tar.gz?token=a&amp;b=c#sha256=zz">', "demo-1.0.tar.gz"),
    ],
)
def test_html_is_read_as_browsers_do(anchor: str, filename: str) -> None:
    (file,) = parse_simple_html(html(anchor + "demo</a>"), PAGE)
    assert file.filename == filename


def test_anchors_in_comments_do_not_count() -> None:
    text = html('<!-- <a href="demo-1.0.tar.gz">x</a> -->', '<a href="demo-2.0.tar.gz">x</a>')
    assert [file.filename for file in parse_simple_html(text, PAGE)] == ["demo-2.0.tar.gz"]


def test_base_element_moves_relative_links() -> None:
    text = html('<a href="demo-1.0.tar.gz">x</a>', head='<base href="https://files.example/d/">')
    assert parse_simple_html(text, PAGE)[0].url == "https://files.example/d/demo-1.0.tar.gz"


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("data-core-metadata=true", ""),
        (f'data-core-metadata="sha256={DIGEST}"', DIGEST),
        (f'data-core-metadata="true" data-dist-info-metadata="sha256={DIGEST}"', ""),
        ("data-core-metadata=false", None),
        ("data-core-metadata", ""),
        ("", None),
    ],
)
def test_advertised_metadata_as_in_pep_714(attribute: str, expected: str | None) -> None:
    (file,) = parse_simple_html(html(f'<a href="demo-1-py3-none-any.whl" {attribute}>x</a>'), PAGE)
    assert file.core_metadata == expected


@pytest.mark.parametrize(
    ("attribute", "expected"), [("data-yanked", ""), ('data-yanked=""', ""), ("", None), ("data-yanked=x", "x")]
)
def test_yanked_may_have_no_reason(attribute: str, expected: str | None) -> None:
    (file,) = parse_simple_html(html(f'<a href="demo-1.tar.gz" {attribute}>x</a>'), PAGE)
    assert file.yanked == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("hello", "neither HTML nor JSON"),
        (html('<a href="/login">Sign in</a>'), "links lead to no wheel"),
        (html('<a href="d-1.tar.gz">', head='<meta name="pypi:repository-version" content="2.0">'), "version '2.0'"),
    ],
)
def test_html_garbage_is_named(text: str, reason: str) -> None:
    with pytest.raises(GarbageError, match=reason):
        parse_simple_html(text, PAGE)


def test_a_page_without_files_is_no_garbage() -> None:
    assert parse_simple_html(html("<h1>Links for demo</h1>"), PAGE) == []
    assert [f.filename for f in parse_simple_html(html('<a href="demo-1.0-py2.7.egg">x</a>'), PAGE)] != []


def test_json_fields() -> None:
    document = {
        "meta": {"api-version": "1.1"},
        "name": "demo",
        "files": [
            {
                "filename": "demo-1.0-py3-none-any.whl",
                "url": "/f/demo-1.0-py3-none-any.whl",
                "hashes": {"sha256": DIGEST.upper()},
                "requires-python": ">=3.8",
                "yanked": "broken",
                "upload-time": "2024-05-01T12:00:00.5+02:00",
                "core-metadata": {"sha256": DIGEST},
            },
            {"filename": "demo-1.1.tar.gz", "url": "demo-1.1.tar.gz", "hashes": {}, "yanked": True},
            {"filename": "demo-1.2.tar.gz", "url": "demo-1.2.tar.gz", "hashes": {"sha256": "short"}, "yanked": False},
            {"filename": "no-url.tar.gz"},
            "nonsense",
        ],
    }
    first, second, third = parse_simple_json(json.dumps(document), PAGE)
    assert first == ListedFile(
        "demo-1.0-py3-none-any.whl",
        "https://index.example/f/demo-1.0-py3-none-any.whl",
        DIGEST,
        ">=3.8",
        "broken",
        "2024-05-01T10:00:00.500000Z",
        DIGEST,
    )
    assert (second.yanked, second.core_metadata, second.url) == ("", None, PAGE + "demo-1.1.tar.gz")
    assert (third.yanked, third.sha256) == (None, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "cannot be read"),
        ("[]", "not an object"),
        ("{}", "no list of files"),
        ('{"files": {}}', "no list of files"),
        ('{"meta": {"api-version": "2.0"}, "files": []}', "version '2.0'"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_json_garbage_is_named(text: str, reason: str) -> None:
    with pytest.raises(GarbageError, match=reason):
        parse_simple_json(text, PAGE)


@pytest.mark.parametrize(
    ("filename", "version"),
    [
        ("my_demo-1.0-py3-none-any.whl", "1.0"),
        ("My.Demo-1.0.0-1-py3-none-any.whl", "1.0.0"),
        ("my_demo-1.0.tar.gz", "1.0"),
        ("my-demo-1.0-1.tar.gz", "1.0.post1"),
        ("my-demo-v01.0RC1.zip", "1.0rc1"),
        ("my-demo-1.0.tgz", "1.0"),
        ("my-demo-1.0+Ubuntu_1.tar.bz2", "1.0+ubuntu.1"),
        ("my-demo-extra-1.0.tar.gz", None),
        ("other-1.0.tar.gz", None),
        ("my_demo-nonsense-py3-none-any.whl", None),
        ("my_demo-1.0.whl", None),
        ("my-demo-1.0.win32.zip", None),
        ("my-demo-1.0.exe", None),
    ],
)
def test_versions_of_file_names(filename: str, version: str | None) -> None:
    assert version_of(filename, "my-demo") == version


@given(
    build=st.sampled_from(["", "1", "2abc", "007"]),
    tags=st.sampled_from(["py3-none-any", "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"]),
    version=st.sampled_from(["1.0", "2!1.0.post1", "1.0rc1", "1.0+local.1"]),
)
def test_wheel_names_agree_with_packaging(build: str, tags: str, version: str) -> None:
    filename = "-".join(part for part in ("demo", version, build, tags) if part) + ".whl"
    _, their_version, their_build, their_tags = parse_wheel_filename(filename)
    assert version_of(filename, "demo") == str(their_version)
    assert wheel_build(filename) == (their_build or (-1, ""))
    triples = [part.split(".") for part in wheel_tags(filename).split("-")]
    ours = {f"{a}-{b}-{c}" for a in triples[0] for b in triples[1] for c in triples[2]}
    assert ours == {str(tag) for tag in their_tags}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2018-08-03T20:53:13.381932Z", "2018-08-03T20:53:13.381932Z"),
        ("2018-08-03T20:53:13Z", "2018-08-03T20:53:13.000000Z"),
        ("2018-08-03T20:53:13.5+00:00", "2018-08-03T20:53:13.500000Z"),
        ("2018-08-03T20:53:13", "2018-08-03T20:53:13.000000Z"),
        ("2018-08-03T20:53:13.123456789Z", "2018-08-03T20:53:13.123456Z"),
        ("yesterday", None),
        ("", None),
        (None, None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_times_become_comparable(text: str | None, expected: str | None) -> None:
    assert normalised_time(text) == expected


VERSIONS = st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2}){0,2}((a|rc|\.post|\.dev)[0-9])?", fullmatch=True)


@given(st.lists(VERSIONS, max_size=15))
def test_pages_are_sorted_newest_first_and_group_equal_versions(texts: list[str]) -> None:
    files = [ListedFile(f"demo-{text}-py3-none-any.whl", f"{PAGE}{i}/x") for i, text in enumerate(texts)]
    page = build_page("demo", files)
    versions = [Version(line_version(line)) for line in page.lines]
    assert versions == sorted({Version(text) for text in texts}, reverse=True)
    assert sum(len(line_files(line)) for line in page.lines) == len(texts)


TEXT = st.none() | st.text(min_size=1)


@given(requires_python=TEXT, yanked=st.none() | st.text(), tail=st.text())
def test_no_text_of_an_index_breaks_the_line_format(requires_python: str | None, yanked: str | None, tail: str) -> None:
    file = ListedFile("demo-1.0.tar.gz", f"https://e.example/{tail}", None, requires_python, yanked)
    page = build_page("demo", [file, file])
    assert len(page.lines) == 1
    assert "\n" not in page.lines[0]
    first, second = line_files(page.lines[0])
    assert first == second
    assert (first.yanked is None) == (yanked is None)


def test_pages_of_several_indexes_become_one() -> None:
    one = build_page(
        "demo", [ListedFile("demo-1.0.tar.gz", "https://a/1"), ListedFile("demo-2.0.tar.gz", "https://a/2")]
    )
    two = build_page("demo", [ListedFile("demo-1.0.0-py3-none-any.whl", "https://b/1", upload_time="x")])
    merged = merge_pages([one, two])
    assert [line_version(line) for line in merged.lines] == ["2.0", "1.0"]
    assert [file.url for file in line_files(merged.lines[1])] == ["https://a/1", "https://b/1"]
    assert not merged.times_known
