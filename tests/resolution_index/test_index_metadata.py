"""Metadata of wheels with few bytes, and of sdists without running them."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fake_index import Answer, FakeIndex, build_sdist, build_wheel, metadata_text

from envctl.dependencies import check, parse_requirements
from envctl.resolution.index.look_ahead import Walk
from envctl.resolution.names import package_name
from envctl.resolution.protocol import (
    Candidate,
    FailureKind,
    IndexFailure,
    Listing,
    RequirementMetadata,
    Target,
    UnknownRequirements,
    Wish,
)

if TYPE_CHECKING:
    from conftest import OpenSource

    from envctl.resolution.index.source import IndexSource

WHEEL = "/files/demo-1.0-py3-none-any.whl"


def read(source: IndexSource, target: Target, name: str = "demo") -> Any:
    listing = source.listing(package_name(name), target)
    assert isinstance(listing, Listing)
    return source.metadata(listing.candidates[0])


def bulk(count: int, size: int = 10) -> dict[str, bytes]:
    return {f"demo/module_{number:05}.py": bytes(size) for number in range(count)}


def test_all_fields_are_read(index: FakeIndex, open_source: OpenSource, target: Target) -> None:
    index.add_wheel("demo", "1.0", ["a>=1", "b ; extra == 'x'"], requires_python=">=3.8", extras=["x"])
    assert read(open_source(index), target) == RequirementMetadata(("a>=1", "b ; extra == 'x'"), ">=3.8", ("x",))


@pytest.mark.parametrize("style", ["json", "html"])
@pytest.mark.parametrize("digest", [True, False])
def test_advertised_metadata_is_the_only_request(
    index: FakeIndex, open_source: OpenSource, target: Target, style: str, digest: bool
) -> None:
    index.style = style
    served = index.add_wheel("demo", "1.0", ["a"], advertise_metadata=True)
    if not digest:
        served.advertise_metadata, served.metadata = True, served.metadata
    assert read(open_source(index), target).requires_dist == ("a",)
    assert [request.path for request in index.asked("/files/")] == [f"{WHEEL}.metadata"]


def test_advertised_metadata_with_another_hash_is_not_believed(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    served = index.add_wheel("demo", "1.0", ["true-one"], advertise_metadata="00" * 32)
    served.metadata = metadata_text("demo", "1.0", ["forged"]).encode()
    assert read(open_source(index), target).requires_dist == ("true-one",)


def test_advertised_metadata_that_is_missing_falls_back_to_the_wheel(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    served = index.add_wheel("demo", "1.0", ["a"], advertise_metadata=True)
    served.metadata = None
    assert read(open_source(index), target).requires_dist == ("a",)


def test_one_ranged_request_is_enough_for_usual_wheels(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    incompressible = b"".join(hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(20_000))
    index.add_wheel("demo", "1.0", ["a"], members={"demo/data.bin": incompressible})
    assert read(open_source(index), target).requires_dist == ("a",)
    (request,) = index.asked("/files/")
    assert request.status == 206
    assert request.sent <= 32 << 10


def test_a_long_directory_takes_more_ranges_but_not_the_wheel(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    served = index.add_wheel("demo", "1.0", ["a"], members=bulk(1500, 20_000), compression=zipfile.ZIP_STORED)
    assert read(open_source(index), target).requires_dist == ("a",)
    assert {request.status for request in index.asked("/files/")} == {206}
    assert sum(request.sent for request in index.asked("/files/")) < len(served.content) / 50


def test_metadata_that_stands_first_in_the_wheel_is_found(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    members = {"demo-1.0.dist-info/METADATA": metadata_text("demo", "1.0", ["a"]).encode(), **bulk(500, 500)}
    content = build_wheel("demo", "1.0", dist_info="zz", members=members, compression=zipfile.ZIP_STORED)
    index.add_wheel("demo", "1.0", content=content)
    assert read(open_source(index), target).requires_dist == ("a",)
    assert sum(request.sent for request in index.asked("/files/")) < len(content) / 2


def test_a_huge_directory_is_avoided_by_metadata_that_is_not_advertised(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    index.add_wheel("demo", "1.0", ["a"], members=bulk(4500), serve_metadata=True)
    assert read(open_source(index), target).requires_dist == ("a",)
    assert [request.path for request in index.asked("/files/")] == [WHEEL, f"{WHEEL}.metadata"]


@pytest.mark.parametrize("ranges", ["ignore", "refuse"])
def test_without_ranges_unadvertised_metadata_is_tried_before_the_wheel(
    index: FakeIndex, open_source: OpenSource, target: Target, ranges: str
) -> None:
    index.ranges = ranges
    data = {"demo/data.bin": bytes(100_000)}
    index.add_wheel("demo", "1.0", ["a"], members=data, compression=zipfile.ZIP_STORED, serve_metadata=True)
    index.add_wheel("other", "1.0", ["b"], members=data, compression=zipfile.ZIP_STORED)
    source = open_source(index)
    assert read(source, target).requires_dist == ("a",)
    assert [request.path for request in index.asked("/files/demo")] == [WHEEL, f"{WHEEL}.metadata"]
    assert read(source, target, "other").requires_dist == ("b",)
    statuses = [(request.path.rpartition(".")[2], request.status) for request in index.asked("/files/other")]
    assert statuses == [("metadata", 404), ("whl", 200)], "the host is known not to serve ranges"


def test_a_small_wheel_that_comes_whole_is_used_as_it_is(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    index.ranges = "ignore"
    index.add_wheel("demo", "1.0", ["a"])
    assert read(open_source(index), target).requires_dist == ("a",)
    assert len(index.asked("/files/")) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (build_wheel("demo", "1.0")[:-30], "truncated"),
        (build_wheel("demo", "1.0")[:20], "truncated"),
        (b"", "truncated"),
        (b"<html>not found</html>", "truncated"),
        (build_wheel("demo", "1.0", dist_info="demo"), "no .dist-info folder"),
        (build_wheel("demo", "1.0", members={"other-1.dist-info/METADATA": b""}), "several .dist-info"),
        (build_wheel("demo", "1.0", dist_info="other-1.0.dist-info"), "of another package"),
        (build_wheel("demo", "1.0", metadata=metadata_text("evil", "1.0")), "another package"),
        (build_wheel("demo", "1.0", metadata=metadata_text("demo", "6.6")), "another version"),
        (build_wheel("demo", "1.0", metadata=b"\x00\x01"), "no name or no version"),
        (build_wheel("demo", "1.0", compression=zipfile.ZIP_LZMA), "method"),
        (build_wheel("demo", "1.0", metadata=bytes(17 << 20)), "too large"),
    ],
    # A wheel holds the time at which it was built: no name for a test.
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "wheel",
)
@pytest.mark.parametrize("ranges", ["yes", "ignore"])
def test_a_broken_wheel_is_invalid_and_says_how(
    index: FakeIndex, open_source: OpenSource, target: Target, content: bytes, reason: str, ranges: str
) -> None:
    index.ranges = ranges
    index.add_wheel("demo", "1.0", content=content)
    found = read(open_source(index), target)
    assert isinstance(found, UnknownRequirements)
    assert found.invalid
    assert reason in found.reason


def test_sizes_that_lie_are_not_believed(index: FakeIndex, open_source: OpenSource, target: Target) -> None:
    """A bomb that says it is small unpacks to what it says and not a byte more."""
    honest = build_wheel("demo", "1.0", metadata=b"x" * 5_000_000)
    size = (5_000_000).to_bytes(4, "little")
    index.add_wheel("demo", "1.0", content=honest.replace(size, (100).to_bytes(4, "little")))
    found = read(open_source(index), target)
    assert isinstance(found, UnknownRequirements)
    assert "damaged" in found.reason


def test_a_wheel_that_is_not_the_announced_file_is_invalid(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    index.ranges = "refuse"
    served = index.add_wheel("demo", "1.0", ["a"])
    served.sha256 = "11" * 32
    found = read(open_source(index), target)
    assert isinstance(found, UnknownRequirements)
    assert "sha256" in found.reason


def test_a_listed_file_that_is_gone_is_a_failure_of_the_index(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    index.add_wheel("demo", "1.0")
    index.answer(WHEEL, Answer(404))
    found = read(open_source(index), target)
    assert found == IndexFailure("127.0.0.1", FailureKind.GARBAGE, "it answers a listed file with status 404")


@pytest.mark.parametrize("ending", [".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tar.xz"])
def test_static_pkg_info_of_an_sdist_is_enough(
    index: FakeIndex, open_source: OpenSource, target: Target, ending: str
) -> None:
    index.add_sdist("demo", "1.0", ["a>=1"], ending=ending, requires_python=">=3.8")
    assert read(open_source(index), target).requires_dist == ("a>=1",)


PYPROJECT = """
[project]
name = "demo"
dependencies = ["a>=1"]
requires-python = ">=3.9"
[project.optional-dependencies]
x = ["b ; python_version < '3.9'", "c", "d @ https://host/d;v=1.whl"]
"""


def test_static_pyproject_counts_when_pkg_info_is_old(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    index.add_sdist("demo", "1.0", metadata_version="2.1", pyproject=PYPROJECT)
    assert read(open_source(index), target) == RequirementMetadata(
        (
            "a>=1",
            "b ; (python_version < '3.9') and extra == \"x\"",
            'c ; extra == "x"',
            'd @ https://host/d;v=1.whl ; extra == "x"',
        ),
        ">=3.9",
        ("x",),
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"metadata_version": "2.1"},
        {"metadata_version": "2.2", "dynamic": ["Requires-Dist"]},
        {"metadata_version": "2.2", "dynamic": ["provides-extra"]},
        {"metadata_version": "2.1", "pyproject": "[project]\nname='demo'\ndynamic=['dependencies']"},
        {"metadata_version": "2.1", "pyproject": "[project]\nname='demo'\ndependencies='a'"},
        {"metadata_version": "2.1", "pyproject": "[tool.poetry.dependencies]\na='1'"},
        {"metadata_version": "2.1", "pyproject": "not toml"},
    ],
)
def test_an_sdist_that_would_have_to_be_built_is_unknown_not_invalid(
    index: FakeIndex, open_source: OpenSource, target: Target, fields: dict[str, Any]
) -> None:
    index.add_sdist("demo", "1.0", **fields)
    for offline in (False, True):
        found = read(open_source(index, offline=offline), target)
        assert isinstance(found, UnknownRequirements)
        assert not found.invalid
        assert "only its build would tell" in found.reason


OLD = {"metadata_version": "2.1"}
EGG = "demo-1.0/src/demo.egg-info"


@pytest.mark.parametrize(
    ("more", "expected", "provides", "where"),
    [
        (
            {
                f"{EGG}/requires.txt": b"a>=1\nb; python_version < '3.9'\n\n"
                b"[:sys_platform == 'win32']\nw\n\n[x]\nc[y]\n\n[x:python_version < '3']\nd\n"
            },
            (
                "a>=1",
                "b ; (python_version < '3.9')",
                "w ; (sys_platform == 'win32')",
                'c[y] ; extra == "x"',
                "d ; (python_version < '3') and extra == \"x\"",
            ),
            ("x",),
            "requires.txt",
        ),
        ({f"{EGG}/PKG-INFO": b"Name: demo\n"}, (), (), "holds no requires.txt"),
        (
            {
                "demo-1.0/other.egg-info/requires.txt": b"wrong\n",
                "demo-1.0/Demo.egg-info/requires.txt": b"right\n",
            },
            ("right",),
            (),
            "Demo.egg-info",
        ),
        (
            {
                "demo-1.0/setup.py": b"from setuptools import setup\nsetup()\n",
                "demo-1.0/setup.cfg": b"[options]\ninstall_requires =\n  a>=1\n  # why\n  b\n[options.extras_require]\nx = c;d\n",
            },
            ("a>=1", "b", 'c ; extra == "x"', 'd ; extra == "x"'),
            ("x",),
            "setup.cfg",
        ),
        (
            {
                "demo-1.0/setup.py": b"import setuptools\nNEEDS = ['a>=1', 'b']\n"
                b"setuptools.setup(name=f(), install_requires=NEEDS, extras_require={'x': ['c'], ':os_name==\"nt\"': ['d']})\n"
            },
            ("a>=1", "b", 'c ; extra == "x"', 'd ; (os_name=="nt")'),
            ("x",),
            "setup.py",
        ),
        ({"demo-1.0/setup.py": b"from setuptools import setup\nsetup(name='demo')\n"}, (), (), "setup.py"),
    ],
)
def test_what_the_files_of_an_old_sdist_show_is_assumed_and_said(
    index: FakeIndex,
    open_source: OpenSource,
    target: Target,
    more: dict[str, bytes],
    expected: tuple[str, ...],
    provides: tuple[str, ...],
    where: str,
) -> None:
    index.add_sdist("demo", "1.0", more=more, **OLD)
    for offline in (False, True):
        found = read(open_source(index, offline=offline), target)
        assert (found.requires_dist, found.provides_extra) == (expected, provides)
        assert where in found.assumed


@pytest.mark.parametrize(
    "code",
    [
        b"from setuptools import setup\nNEEDS = ['a']\nNEEDS.append('b')\nsetup(install_requires=NEEDS)\n",
        b"from setuptools import setup\nNEEDS = ['a']\nif True:\n    NEEDS += ['b']\nsetup(install_requires=NEEDS)\n",
        b"from setuptools import setup\nsetup(install_requires=open('r.txt').readlines())\n",
        b"from setuptools import setup\nsetup(**more)\n",
        b"from setuptools import setup\nif a:\n    setup(install_requires=['a'])\nelse:\n    setup()\n",
        b"from setuptools import setup\nsetup(install_requires=['a', B])\n",
        b"print 'two'\nsetup(install_requires=['a'])\n",
        b"from setuptools import setup\nsetup(install_requires=['a'], extras_require=dict(x=['b']))\n",
        b"(" * 5000,
        b"\x00",
    ],
)
def test_what_setup_py_computes_is_not_believed(
    index: FakeIndex, open_source: OpenSource, target: Target, code: bytes
) -> None:
    index.add_sdist("demo", "1.0", more={"demo-1.0/setup.py": code}, **OLD)
    assert isinstance(read(open_source(index), target), UnknownRequirements)


def test_requirements_that_only_another_file_holds_are_not_believed_to_be_none(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    cfg = b"[options]\ninstall_requires = file: requirements.txt\n"
    index.add_sdist("demo", "1.0", more={"demo-1.0/setup.py": b"setup()\n", "demo-1.0/setup.cfg": cfg}, **OLD)
    assert isinstance(read(open_source(index), target), UnknownRequirements)


def test_the_pkg_info_of_another_backend_or_one_with_requirements_is_assumed(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    index.add_sdist("demo", "1.0", ["a"], **OLD)
    index.add_sdist("demo", "2.0", pyproject="[build-system]\nbuild-backend='poetry.core.masonry.api'", **OLD)
    source = open_source(index)
    listing = source.listing(package_name("demo"), target)
    assert isinstance(listing, Listing)
    found = [source.metadata(one) for one in listing.candidates]
    assert [one.requires_dist for one in found if isinstance(one, RequirementMetadata)] == [(), ("a",)]
    assert all("PKG-INFO" in one.assumed for one in found if isinstance(one, RequirementMetadata))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"not an archive", "truncated or no archive"),
        (build_sdist("demo", "1.0", pkg_info=bytes(50_000), metadata_version="2.1")[:120], "truncated or no archive"),
        (build_sdist("demo", "1.0", pkg_info=metadata_text("evil", "1.0")), "another package"),
    ],
)
def test_a_broken_sdist_is_invalid(
    index: FakeIndex, open_source: OpenSource, target: Target, content: bytes, reason: str
) -> None:
    index.add_sdist("demo", "1.0", content=content)
    found = read(open_source(index), target)
    assert isinstance(found, UnknownRequirements)
    assert found.invalid
    assert reason in found.reason


def test_hashes_of_all_files_of_a_version(index: FakeIndex, open_source: OpenSource, target: Target) -> None:
    wheel = index.add_wheel("demo", "1.0")
    other = index.add_wheel("demo", "1.0", tags="cp27-none-win32", tell_hash=False)
    sdist = index.add_sdist("demo", "1.0.0")
    source = open_source(index)
    listing = source.listing(package_name("demo"), target)
    assert isinstance(listing, Listing)
    expected = {f"sha256:{hashlib.sha256(file.content).hexdigest()}" for file in (wheel, other, sdist)}
    assert source.hashes(listing.candidates[0]) == tuple(sorted(expected))


def test_reading_ahead_leaves_nothing_to_ask(index: FakeIndex, open_source: OpenSource, target: Target) -> None:
    names = [package_name(f"demo-{number}") for number in range(30)]
    for name in names:
        index.add_wheel(name, "1.0", [f"needs-{name}"])
        index.add_wheel(name, "2.0rc1", [f"wants-{name}"])
    source = open_source(index)
    source.prefetch_listings(names, target)
    for name in names:
        listing = source.listing(name, target)
        assert isinstance(listing, Listing)
        source.prefetch_metadata(listing.candidates)
        found = [source.metadata(candidate) for candidate in listing.candidates]
        assert [getattr(one, "requires_dist", None) for one in found] == [(f"wants-{name}",), (f"needs-{name}",)]
    assert set(index.counts().values()) == {1}
    assert index.connections <= 13


def test_walking_down_a_list_reads_ahead_but_one_question_does_not(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    for number in range(60):
        index.add_wheel("demo", f"1.{number}", [f"needs-{number}"])
    source = open_source(index)
    listing = source.listing(package_name("demo"), target)
    assert isinstance(listing, Listing)
    source.metadata(listing.candidates[0])
    assert len(index.asked("/files/")) == 1
    found = [source.metadata(candidate) for candidate in listing.candidates[1:30]]
    assert [getattr(one, "requires_dist", None) for one in found] == [(f"needs-{n}",) for n in range(58, 29, -1)]
    source.close()
    assert 30 <= len(index.asked("/files/")) <= 54
    assert set(index.counts().values()) == {1}
    assert index.connections > 2


def candidates(*versions: str) -> list[Candidate]:
    return [Candidate(package_name("demo"), version, url=f"https://files.example/{version}") for version in versions]


def test_expectations_double_and_follow_a_jump() -> None:
    listed = candidates(*(f"{number}.0" for number in range(100, 0, -1)))
    walk = Walk()
    assert walk.expect(listed[0], listed) == []
    assert walk.expect(listed[1], listed) == listed[2:6]
    assert walk.expect(listed[2], listed) == listed[6:11]
    assert walk.expect(listed[70], listed) == listed[71:87]
    assert walk.expect(listed[99], listed) == []
    assert walk.expect(candidates("elsewhere")[0], listed) == []


def test_directories_of_earlier_versions_teach_how_much_to_ask(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    for version in ("1.0", "2.0", "3.0"):
        index.add_wheel("demo", version, ["a"], members=bulk(1500, 20_000), compression=zipfile.ZIP_STORED)
    source = open_source(index)
    listing = source.listing(package_name("demo"), target)
    assert isinstance(listing, Listing)
    for candidate in listing.candidates:
        assert getattr(source.metadata(candidate), "requires_dist", None) == ("a",)
    assert [len(index.asked(f"/files/demo-{v}")) for v in ("3.0", "2.0", "1.0")] == [2, 1, 1]


def test_what_a_likely_version_requires_is_read_before_anybody_asks(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    index.add_wheel("demo", "1.0", ["middle<2 ; extra == 'x'"], extras=["x"])
    index.add_wheel("demo", "2.0", ["wrong"])
    index.add_wheel("middle", "1.0", ["last"])
    index.add_wheel("middle", "2.0", ["wrong"])
    index.add_wheel("last", "1.0", ["demo"])

    def follow(metadata: RequirementMetadata, extras: frozenset[str]) -> list[Wish]:
        return [
            Wish(package_name(text.partition("<")[0].partition(" ")[0]), lambda version: version == "1.0")
            for text in metadata.requires_dist
            if "extra" not in text or extras
        ]

    source = open_source(index)
    wish = Wish(package_name("demo"), lambda version: version == "1.0", frozenset({"x"}))
    source.prefetch([wish], target, follow)
    for name in ("demo", "middle", "last"):
        listing = source.listing(package_name(name), target)
        assert isinstance(listing, Listing)
        source.metadata(listing.candidates[-1])
    assert set(index.counts().values()) == {1}
    assert not index.asked("wrong")
    assert not index.asked("-2.0-")
    open_source(index, offline=True).prefetch([wish], target, follow)
    assert len(index.requests) == 6


def test_a_long_sdist_is_read_from_its_start(index: FakeIndex, open_source: OpenSource, target: Target) -> None:
    noise = b"".join(hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(10_000))
    index.add_sdist("demo", "1.0", ["a"], more={"demo-1.0/data.bin": noise})
    index.add_sdist("late", "1.0", metadata_version="2.1", more={"late-1.0/data.bin": noise}, pyproject=PYPROJECT)
    index.add_sdist("never", "1.0", metadata_version="2.1", more={"never-1.0/data.bin": noise})
    source = open_source(index)
    assert read(source, target).requires_dist == ("a",)
    assert [(request.status, request.sent) for request in index.asked("/files/demo")] == [(206, 64 << 10)]
    assert read(source, target, "late").requires_dist[0] == "a>=1"
    assert not read(source, target, "never").invalid
    assert [request.status for request in index.asked("/files/never")] == [206, 200]


def test_a_huge_sdist_that_hides_its_requirements_is_not_downloaded(
    index: FakeIndex, open_source: OpenSource, target: Target
) -> None:
    content = build_sdist("demo", "1.0", metadata_version="2.1")
    served = index.add_sdist("demo", "1.0", content=content + bytes(33 << 20))
    found = read(open_source(index), target)
    assert isinstance(found, UnknownRequirements)
    assert "large sdist" in found.reason
    assert sum(request.sent for request in index.asked("/files/")) < len(served.content) / 100


@pytest.mark.parametrize(("asked", "verdict"), [("demo", "ok"), ("demo>=2", "conflict")])
def test_a_truncated_wheel_is_named_with_its_fault(
    index: FakeIndex, open_source: OpenSource, asked: str, verdict: str
) -> None:
    index.add_wheel("demo", "1.0")
    index.add_wheel("demo", "2.0", content=build_wheel("demo", "2.0")[:150])
    given = parse_requirements(f"{asked}\n", Path("r.txt"), {})
    image = "composer-2.13.8-airflow-2.10.5"
    result = check(given, image, source=open_source(index)).results[0]
    assert result.verdict.value == verdict
    [notice] = [one.text for one in result.warnings if one.code == "file-broken"]
    assert "demo-2.0-py3-none-any.whl" in notice
    assert "truncated" in notice
    for conflict in result.conflicts:
        assert "demo-2.0-py3-none-any.whl cannot be used: it is truncated" in conflict.summary
        assert "the newest" not in conflict.summary
