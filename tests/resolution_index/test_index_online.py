"""The configured index, with real packages; only facts that cannot change are asserted."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from envctl.resolution.index.source import open_index_source
from envctl.resolution.names import package_name
from envctl.resolution.protocol import (
    IndexFailure,
    Listing,
    RequirementMetadata,
    Target,
    UnknownPackage,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envctl.resolution.index.source import IndexSource
    from envctl.resolution.protocol import Candidate

pytestmark = pytest.mark.online


@pytest.fixture(scope="module", autouse=True)
def reachable(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips this module where no index answers."""
    environment = {**os.environ, "ENVCTL_CACHE_DIR": str(tmp_path_factory.mktemp("cache")), "PIP_TIMEOUT": "5"}
    with open_index_source(environment=environment) as opened:
        answer = opened.listing(package_name("six"), Target("3.11.8", "24.0"))
    if isinstance(answer, IndexFailure):
        pytest.skip(f"no package index answers: {answer.cause}")


@pytest.fixture
def source(tmp_path: Path) -> Iterator[IndexSource]:
    with open_index_source(environment={**os.environ, "ENVCTL_CACHE_DIR": str(tmp_path)}) as opened:
        yield opened


def candidate(source: IndexSource, target: Target, name: str, version: str) -> Candidate:
    listing = source.listing(package_name(name), target)
    assert isinstance(listing, Listing)
    return next(one for one in listing.candidates if one.version == version)


def test_a_wheel_of_many_files_declares_what_it_always_did(source: IndexSource, target: Target) -> None:
    metadata = source.metadata(candidate(source, target, "google-ads", "21.0.0"))
    assert isinstance(metadata, RequirementMetadata)
    assert any(text.startswith("protobuf") for text in metadata.requires_dist)


@pytest.mark.parametrize(
    ("name", "version", "requires"),
    [
        ("antlr4-python3-runtime", "4.9.3", ['typing ; (python_version < "3.5")']),
        ("us", "3.1.1", ["jellyfish==0.11.2"]),
    ],
)
def test_an_old_sdist_is_believed_with_its_assumption(
    source: IndexSource, target: Target, name: str, version: str, requires: list[str]
) -> None:
    found = source.metadata(candidate(source, target, name, version))
    assert isinstance(found, RequirementMetadata)
    assert list(found.requires_dist) == requires
    assert "requires.txt" in found.assumed


def test_hashes_of_a_release(source: IndexSource, target: Target) -> None:
    found = source.hashes(candidate(source, target, "six", "1.16.0"))
    assert found == (
        "sha256:1e61c37477a1626458e36f7b1d82aa5c9b094fa4802892072e49de9c60c4c926",
        "sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254",
    )


def test_the_past_can_be_asked_for(tmp_path: Path, target: Target) -> None:
    environment = {**os.environ, "ENVCTL_CACHE_DIR": str(tmp_path)}
    with open_index_source(as_of=datetime(2022, 1, 1, tzinfo=UTC), environment=environment) as source:
        listing = source.listing(package_name("six"), target)
    assert isinstance(listing, Listing)
    if listing.upload_times_known:
        assert listing.candidates[0].version == "1.16.0"


def test_an_unknown_name(source: IndexSource, target: Target) -> None:
    name = package_name("envctl-no-such-package-exists")
    assert source.listing(name, target) == UnknownPackage(name)


def test_the_best_wheel_of_a_compiled_package(source: IndexSource, target: Target) -> None:
    chosen = candidate(source, target, "numpy", "1.26.4")
    assert chosen.filename == "numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
