"""Listings: which versions and files a target gets to see."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from fake_index import Answer, FakeIndex, build_sdist, build_wheel

from envctl.resolution.names import package_name
from envctl.resolution.protocol import (
    Candidate,
    ExclusionReason,
    IndexFailure,
    Listing,
    RequirementMetadata,
    Target,
    UnknownPackage,
    UnknownRequirements,
)

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import OpenSource

    from envctl.resolution.index.source import IndexSource

DEMO = package_name("demo")


def listing(source: IndexSource, target: Target, name: str = "demo") -> Listing:
    found = source.listing(package_name(name), target)
    assert isinstance(found, Listing)
    return found


def chosen(source: IndexSource, target: Target) -> list[str]:
    return [candidate.filename for candidate in listing(source, target).candidates]


@pytest.mark.parametrize("style", ["json", "html"])
def test_every_field_arrives_in_both_styles(
    index: FakeIndex, open_source: OpenSource, target: Target, style: str
) -> None:
    index.style = style
    served = index.add_wheel("demo", "1.0", requires_python=">=3.8", yanked="bad", upload_time="2024-05-01T10:00:00Z")
    (candidate,) = listing(open_source(index), target).candidates
    assert candidate._replace(reference=None) == Candidate(
        name=DEMO,
        version="1.0",
        filename="demo-1.0-py3-none-any.whl",
        url=f"http://127.0.0.1:{index.port}/files/demo-1.0-py3-none-any.whl",
        is_wheel=True,
        requires_python=">=3.8",
        yanked=True,
        upload_time="2024-05-01T10:00:00.000000Z",
        sha256=served.digest,
    )


def test_versions_come_newest_first_with_pre_releases_and_yanked_ones(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    for version in ("1.9", "1.10", "2.0rc1", "1.10.post1", "1!0.1"):
        index.add_wheel("demo", version)
    index.add_wheel("demo", "1.11", yanked="")
    candidates = listing(open_source(index), target).candidates
    assert [c.version for c in candidates] == ["1!0.1", "2.0rc1", "1.11", "1.10.post1", "1.10", "1.9"]
    assert [c.version for c in candidates if c.yanked] == ["1.11"]


def test_the_best_wheel_is_chosen_and_an_sdist_only_without_one(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    index.add_sdist("demo", "1.0")
    index.add_wheel("demo", "1.0")
    index.add_wheel("demo", "1.0", tags="cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64")
    index.add_wheel("demo", "1.0", tags="cp312-cp312-manylinux_2_17_x86_64")
    index.add_wheel("demo", "2.0", tags="cp311-cp311-win_amd64")
    index.add_sdist("demo", "2.0")
    index.add_wheel("demo", "3.0", build="1")
    index.add_wheel("demo", "3.0", build="10")
    index.add_wheel("demo", "3.0", build="9")
    assert chosen(open_source(index), target) == [
        "demo-3.0-10-py3-none-any.whl",
        "demo-2.0.tar.gz",
        "demo-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    ]


def test_a_file_that_is_not_yanked_goes_before_a_better_one(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    index.add_wheel("demo", "1.0", yanked="bad build")
    index.add_sdist("demo", "1.0")
    (candidate,) = listing(open_source(index), target).candidates
    assert (candidate.filename, candidate.yanked) == ("demo-1.0.tar.gz", False)


def test_what_is_excluded_says_why(index: FakeIndex, open_source: OpenSource, target: Target) -> None:
    index.add_wheel("demo", "1.0", upload_time="2024-01-01T00:00:00Z")
    index.add_wheel("demo", "2.0", requires_python=">=3.12", upload_time="2024-01-01T00:00:00Z")
    index.add_wheel("demo", "3.0", tags="cp311-cp311-win_amd64", upload_time="2024-01-01T00:00:00Z")
    index.add_wheel("demo", "4.0", upload_time="2024-06-01T00:00:00Z")
    found = listing(open_source(index, as_of=datetime(2024, 3, 1, tzinfo=UTC)), target)
    assert [c.version for c in found.candidates] == ["1.0"]
    assert [(e.version, e.reason, e.detail) for e in found.excluded] == [
        ("4.0", ExclusionReason.AFTER_DATE, "2024-06-01T00:00:00.000000Z"),
        ("3.0", ExclusionReason.NO_COMPATIBLE_FILE, "cp311-cp311-win_amd64"),
        ("2.0", ExclusionReason.REQUIRES_PYTHON, ">=3.12"),
    ]
    assert found.upload_times_known


def test_requires_python_that_cannot_be_read_excludes_nothing(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    index.add_wheel("demo", "1.0", requires_python="whatever")
    assert len(listing(open_source(index), target).candidates) == 1


def test_a_date_limit_picks_the_files_of_its_day(index: FakeIndex, open_source: OpenSource, target: Target) -> None:
    index.add_sdist("demo", "1.0", upload_time="2024-01-01T00:00:00Z")
    index.add_wheel("demo", "1.0", upload_time="2024-06-01T00:00:00Z")
    assert chosen(open_source(index, as_of=datetime(2024, 3, 1, tzinfo=UTC)), target) == ["demo-1.0.tar.gz"]


def test_without_upload_times_a_date_limit_is_not_said_to_be_honoured(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    index.add_wheel("demo", "1.0")
    index.add_wheel("demo", "0.9", upload_time="2024-01-01T00:00:00Z")
    assert not listing(open_source(index, as_of=datetime(2024, 3, 1, tzinfo=UTC)), target).upload_times_known
    assert listing(open_source(index), target).upload_times_known


def test_two_targets_see_different_files_of_one_page(index: FakeIndex, open_source: OpenSource, target: Target) -> None:
    index.add_wheel("demo", "1.0", tags="cp38-cp38-manylinux2014_x86_64")
    index.add_wheel("demo", "1.0", tags="cp311-cp311-manylinux2014_x86_64")
    source = open_source(index)
    assert chosen(source, target) == ["demo-1.0-cp311-cp311-manylinux2014_x86_64.whl"]
    assert chosen(source, Target("3.8.12", "20.2.4")) == ["demo-1.0-cp38-cp38-manylinux2014_x86_64.whl"]
    assert index.counts()["/simple/demo/"] == 1


def test_the_same_listing_is_the_same_object(index: FakeIndex, open_source: OpenSource, target: Target) -> None:
    index.add_wheel("demo", "1.0")
    source = open_source(index)
    assert source.listing(DEMO, target) is source.listing(DEMO, target)


def test_candidates_behave_as_a_sequence(index: FakeIndex, open_source: OpenSource, target: Target) -> None:
    for version in ("1.0", "2.0", "3.0"):
        index.add_wheel("demo", version)
    index.add_wheel("demo", "4.0", tags="cp27-none-any")
    candidates = listing(open_source(index), target).candidates
    assert candidates[0].version == "3.0"
    assert bool(candidates)
    assert candidates[-1].version == "1.0"
    assert [c.version for c in candidates[:2]] == ["3.0", "2.0"]
    assert len(candidates) == 3
    assert list(candidates) == list(reversed(list(reversed(candidates))))
    with pytest.raises(IndexError):
        candidates[3]


def test_an_unknown_package_is_a_value(index: FakeIndex, open_source: OpenSource, target: Target) -> None:
    assert open_source(index).listing(DEMO, target) == UnknownPackage(DEMO)


def test_an_empty_project_is_known_but_has_nothing(index: FakeIndex, open_source: OpenSource, target: Target) -> None:
    index.files["demo"] = []
    found = listing(open_source(index), target)
    assert (list(found.candidates), list(found.excluded)) == ([], [])


def test_indexes_add_up_and_the_last_of_equal_files_wins_as_in_pip(
    index: FakeIndex, second_index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    index.add_wheel("demo", "1.0")
    index.add_wheel("demo", "2.0")
    second_index.add_wheel("demo", "2.0")
    second_index.add_wheel("demo", "1.5")
    second_index.add_wheel("only-here", "1.0")
    source = open_source(index, second_index)
    candidates = listing(source, target).candidates
    assert [c.version for c in candidates] == ["2.0", "1.5", "1.0"]
    assert f":{second_index.port}/" in candidates[0].url
    assert len(listing(source, target, "only-here").candidates) == 1


def test_one_failing_index_makes_the_answer_a_failure(
    index: FakeIndex, second_index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    index.add_wheel("demo", "1.0")
    second_index.answer("/simple/demo/", Answer(403))
    found = open_source(index, second_index).listing(DEMO, target)
    assert isinstance(found, IndexFailure)
    assert "403" in found.cause


def test_folders_of_find_links_count_beside_the_index(
    index: FakeIndex, open_source: OpenSource, target: Target, tmp_path: Path
) -> None:
    index.add_wheel("demo", "1.0")
    wheels = tmp_path / "wheels folder"
    wheels.mkdir()
    (wheels / "demo-2.0-py3-none-any.whl").write_bytes(build_wheel("demo", "2.0", ["a>1"]))
    (wheels / "notes.txt").write_text("no distribution")
    source = open_source(index, find_links=(str(wheels), str(tmp_path / "missing")))
    newest = listing(source, target).candidates[0]
    assert newest.version == "2.0"
    metadata = source.metadata(newest)
    assert getattr(metadata, "requires_dist", None) == ("a>1",)
    assert source.hashes(newest)


def test_a_page_of_links_may_be_a_file_or_an_address(
    index: FakeIndex, open_source: OpenSource, target: Target, tmp_path: Path
) -> None:
    index.add_wheel("demo", "1.0")
    index.add_wheel("other", "1.0")
    page = b'<a href="files/demo-1.0-py3-none-any.whl">x</a><a href="files/other-1.0-py3-none-any.whl">x</a>'
    index.answer("/links.html", Answer(200, page))
    address = f"http://127.0.0.1:{index.port}/links.html"
    for name in ("demo", "other"):
        assert len(listing(open_source(find_links=(address,)), target, name).candidates) == 1
    assert len(listing(open_source(find_links=(address,), offline=True), target).candidates) == 1
    local = tmp_path / "links.html"
    local.write_bytes(page.replace(b"files/", index.url.encode() + b"/../files/"))
    assert len(listing(open_source(find_links=(str(local),)), target).candidates) == 1
    source = open_source(find_links=(local.as_uri(),))
    assert source.listing(package_name("absent"), target) == UnknownPackage(package_name("absent"))


def test_local_files_that_are_broken_or_sdists(open_source: OpenSource, target: Target, tmp_path: Path) -> None:
    (tmp_path / "broken-1.0-py3-none-any.whl").write_bytes(b"broken")
    (tmp_path / "other-1.0-py3-none-any.whl").write_bytes(build_wheel("evil", "1.0"))
    (tmp_path / "static-1.0.tar.gz").write_bytes(build_sdist("static", "1.0", ["a"]))
    (tmp_path / "built-1.0.tar.gz").write_bytes(build_sdist("built", "1.0", metadata_version="2.1"))
    (tmp_path / "gone-1.0-py3-none-any.whl").write_bytes(build_wheel("gone", "1.0"))
    source = open_source(find_links=(str(tmp_path),))

    def metadata(name: str) -> object:
        return source.metadata(listing(source, target, name).candidates[0])

    assert isinstance(broken := metadata("broken"), UnknownRequirements)
    assert (broken.invalid, broken.reason) == (True, "it is truncated or no zip archive")
    assert isinstance(other := metadata("other"), UnknownRequirements)
    assert other.invalid
    assert metadata("static") == RequirementMetadata(("a",))
    assert isinstance(built := metadata("built"), UnknownRequirements)
    assert not built.invalid
    gone = listing(source, target, "gone").candidates[0]
    (tmp_path / gone.filename).unlink()
    assert isinstance(metadata("gone"), UnknownRequirements)
    assert isinstance(source.hashes(gone), IndexFailure)


def test_a_file_of_links_that_is_none_is_a_failure(open_source: OpenSource, target: Target, tmp_path: Path) -> None:
    (tmp_path / "links.html").write_text("no page")
    found = open_source(find_links=(str(tmp_path / "links.html"),)).listing(DEMO, target)
    assert isinstance(found, IndexFailure)
    assert "links.html" in found.cause
