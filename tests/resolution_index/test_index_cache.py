"""The disk cache: revalidation, offline runs, damage."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import platformdirs
import pytest
from fake_index import FakeIndex

from envctl.errors import ExitCode
from envctl.resolution.index.cache import DiskCache, default_cache_directory
from envctl.resolution.index.page import ListedFile
from envctl.resolution.index.source import outside_error
from envctl.resolution.names import package_name
from envctl.resolution.protocol import FailureKind, IndexFailure, Listing, RequirementMetadata, Target, UnknownPackage

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import OpenSource

    from envctl.resolution.index.source import IndexSource

DEMO = package_name("demo")


def versions(source: IndexSource, target: Target, name: str = "demo") -> Any:
    found = source.listing(package_name(name), target)
    return [c.version for c in found.candidates] if isinstance(found, Listing) else found


def first_metadata(source: IndexSource, target: Target) -> Any:
    found = source.listing(DEMO, target)
    assert isinstance(found, Listing)
    return source.metadata(found.candidates[0])


def test_offline_answers_what_was_asked_before(index: FakeIndex, open_source: OpenSource, target: Target) -> None:
    index.add_wheel("demo", "1.0", ["a"], requires_python=">=3.8", extras=["x"], upload_time="2024-01-01T00:00:00Z")
    online = open_source(index)
    listing = online.listing(DEMO, target)
    assert isinstance(listing, Listing)
    metadata = online.metadata(listing.candidates[0])
    versions(online, target, "absent")
    asked = len(index.requests)

    offline = open_source(index, offline=True)
    offline.prefetch_listings([DEMO], target)
    again = offline.listing(DEMO, target)
    assert isinstance(again, Listing)
    assert list(again.candidates) == list(listing.candidates)
    offline.prefetch_metadata(again.candidates)
    assert offline.metadata(again.candidates[0]) == metadata
    assert offline.hashes(again.candidates[0]) == online.hashes(listing.candidates[0])
    assert versions(offline, target, "absent") == UnknownPackage(package_name("absent"))
    assert len(index.requests) == asked


def test_offline_without_a_page_is_a_failure_that_names_it(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    failure = open_source(index, offline=True).listing(DEMO, target)
    assert failure == IndexFailure("127.0.0.1", FailureKind.OFFLINE, "the page of demo is not in the cache")
    error = outside_error(failure)
    assert error.exit_code is ExitCode.OUTSIDE
    assert "--offline" in error.hints[0]


def test_offline_without_metadata_is_a_failure_that_names_the_file(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    index.add_wheel("demo", "1.0", tell_hash=False)
    versions(open_source(index), target)
    offline = open_source(index, offline=True)
    failure = first_metadata(offline, target)
    assert isinstance(failure, IndexFailure)
    assert "demo-1.0-py3-none-any.whl" in failure.cause
    listing = offline.listing(DEMO, target)
    assert isinstance(listing, Listing)
    assert isinstance(offline.hashes(listing.candidates[0]), IndexFailure)


def test_offline_with_several_indexes_needs_the_page_of_each(
    index: FakeIndex, second_index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    index.add_wheel("demo", "1.0")
    versions(open_source(index), target)
    assert isinstance(versions(open_source(index, second_index, offline=True), target), IndexFailure)
    versions(open_source(index, second_index), target)
    assert versions(open_source(index, second_index, offline=True), target) == ["1.0"]


def test_an_etag_saves_the_page(index: FakeIndex, open_source: OpenSource, target: Target) -> None:
    index.etags = True
    index.add_wheel("demo", "1.0")
    for _ in range(2):
        assert versions(open_source(index), target) == ["1.0"]
    assert [request.status for request in index.asked("/simple/")] == [200, 304]
    index.add_wheel("demo", "2.0")
    assert versions(open_source(index), target) == ["2.0", "1.0"]


def test_max_age_saves_the_question(index: FakeIndex, open_source: OpenSource, target: Target) -> None:
    index.max_age = 600
    index.add_wheel("demo", "1.0")
    versions(open_source(index), target)
    index.add_wheel("demo", "2.0")
    assert versions(open_source(index), target) == ["1.0"]
    assert len(index.requests) == 1


def test_without_validators_the_page_is_asked_again_and_news_are_seen(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    index.add_wheel("demo", "1.0")
    assert versions(open_source(index), target) == ["1.0"]
    assert versions(open_source(index), target) == ["1.0"]
    index.add_wheel("demo", "2.0")
    assert versions(open_source(index), target) == ["2.0", "1.0"]
    del index.files["demo"]
    assert versions(open_source(index), target) == UnknownPackage(DEMO)
    index.add_wheel("demo", "3.0")
    assert versions(open_source(index), target) == ["3.0"]


def test_metadata_is_asked_once_for_ever(index: FakeIndex, open_source: OpenSource, target: Target) -> None:
    index.add_wheel("demo", "1.0", ["a"])
    for _ in range(3):
        assert first_metadata(open_source(index), target).requires_dist == ("a",)
    assert len(index.asked("/files/")) == 1


def test_a_replaced_file_with_another_hash_is_read_again(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    index.add_wheel("demo", "1.0", ["a"])
    assert first_metadata(open_source(index), target).requires_dist == ("a",)
    index.files.clear()
    index.add_wheel("demo", "1.0", ["b"])
    assert first_metadata(open_source(index), target).requires_dist == ("b",)


def test_broken_files_are_not_remembered(index: FakeIndex, open_source: OpenSource, target: Target) -> None:
    served = index.add_wheel("demo", "1.0", ["a"], tell_hash=False)
    whole, served.content = served.content, b"broken"
    assert first_metadata(open_source(index), target).invalid
    served.content = whole
    assert first_metadata(open_source(index), target).requires_dist == ("a",)


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"{}\n", b'{"name": "demo"', b"[" * 5000, b"null\nx", b"1.0\tx"])
def test_a_damaged_cache_is_a_cold_cache(
    index: FakeIndex, open_source: OpenSource, target: Target, tmp_path: Path, damage: bytes
) -> None:
    index.add_wheel("demo", "1.0", ["a"])
    first_metadata(open_source(index), target)
    damaged = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert len(damaged) == 2
    for path in damaged:
        path.write_bytes(damage)
    assert first_metadata(open_source(index), target).requires_dist == ("a",)
    assert first_metadata(open_source(index, offline=True), target).requires_dist == ("a",)


def test_half_a_page_is_noticed(index: FakeIndex, open_source: OpenSource, target: Target, tmp_path: Path) -> None:
    for version in ("1.0", "2.0", "3.0"):
        index.add_wheel("demo", version)
    versions(open_source(index), target)
    (page,) = (tmp_path / "cache").rglob("*.page")
    page.write_bytes(b"\n".join(page.read_bytes().split(b"\n")[:-1]))
    assert isinstance(versions(open_source(index, offline=True), target), IndexFailure)


def test_files_are_private_and_nothing_temporary_stays(
    index: FakeIndex, open_source: OpenSource, target: Target, tmp_path: Path
) -> None:
    index.add_wheel("demo", "1.0")
    first_metadata(open_source(index), target)
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".page", ".json"}
    assert {path.stat().st_mode & 0o077 for path in files} == {0}


def test_a_cache_that_cannot_be_written_is_a_warning(
    index: FakeIndex, open_source: OpenSource, target: Target, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    index.add_wheel("demo", "1.0", ["a"])
    source = open_source(index)
    assert first_metadata(source, target).requires_dist == ("a",)
    assert source.cache_problem is not None
    assert str(tmp_path / "cache") in source.cache_problem


def test_credentials_and_odd_names_do_not_reach_file_names(tmp_path: Path) -> None:
    cache = DiskCache(str(tmp_path))
    file = ListedFile("../../evil-1.0.tar.gz", "https://host/../../evil-1.0.tar.gz")
    cache.write_metadata("..", file, RequirementMetadata(("a",)))
    assert cache.read_metadata("..", file) == RequirementMetadata(("a",))
    assert all(tmp_path in path.resolve().parents for path in tmp_path.rglob("*"))
    assert len(list(tmp_path.rglob("*.json"))) == 1


def test_the_cache_is_where_the_user_or_the_platform_says(tmp_path: Path) -> None:
    assert default_cache_directory({"ENVCTL_CACHE_DIR": "/somewhere"}) == "/somewhere"
    assert default_cache_directory({}).rstrip("/").endswith("envctl")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere platformdirs itself answers")
@pytest.mark.parametrize("named", [None, "/elsewhere/cache", "relative", ""])
def test_the_shortcut_past_platformdirs_says_the_same(monkeypatch: pytest.MonkeyPatch, named: str | None) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if named is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", named)
    assert default_cache_directory(os.environ) == platformdirs.user_cache_dir("envctl", appauthor=False)


def test_offline_imports_no_http_client(
    index: FakeIndex, open_source: OpenSource, target: Target, tmp_path: Path
) -> None:
    index.add_wheel("demo", "1.0", ["a"])
    first_metadata(open_source(index), target)
    code = f"""
import sys
from envctl.resolution.index.source import open_index_source
from envctl.resolution.index.settings import IndexOptions
from envctl.resolution.protocol import Target
source = open_index_source(IndexOptions(index_url={index.url!r}), offline=True)
listing = source.listing("demo", Target("3.11.8", "24.0"))
print(source.metadata(listing.candidates[0]).requires_dist)
print(sorted({{"ssl", "http.client", "socket", "httpx", "urllib3", "hashlib", "email", "zipfile"}} & set(sys.modules)))
"""
    environment = {"ENVCTL_CACHE_DIR": str(tmp_path / "cache"), "PIP_CONFIG_FILE": os.devnull, "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == ["('a',)", "[]"]
