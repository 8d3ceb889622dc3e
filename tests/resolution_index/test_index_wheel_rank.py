"""Ranks of tags against `packaging.tags`, which pip uses."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from packaging import tags as packaging_tags

from envctl.resolution.index.wheel_rank import WheelRanker
from envctl.resolution.protocol import Target

if TYPE_CHECKING:
    from collections.abc import Iterator


def platforms(glibc_minor: int, machine: str) -> Iterator[str]:
    """As `packaging.tags` lists them for a Linux machine, newest C library first."""
    legacy = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    for minor in range(glibc_minor, 4 if machine == "x86_64" else 16, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if minor in legacy:
            yield f"{legacy[minor]}_{machine}"
    yield f"linux_{machine}"


def supported(minor: int, glibc_minor: int, machine: str = "x86_64") -> list[str]:
    known = list(platforms(glibc_minor, machine))
    abi = f"cp3{minor}" + ("m" if minor < 8 else "")
    first = packaging_tags.cpython_tags((3, minor), abis=[abi], platforms=known)
    then = packaging_tags.compatible_tags((3, minor), f"cp3{minor}", known)
    return [str(tag) for tag in itertools.chain(first, then)]


@pytest.mark.parametrize(
    ("minor", "glibc_minor", "machine"), [(11, 35, "x86_64"), (8, 31, "x86_64"), (6, 24, "x86_64"), (12, 39, "aarch64")]
)
def test_order_is_that_of_packaging(minor: int, glibc_minor: int, machine: str) -> None:
    ranker = WheelRanker(Target(f"3.{minor}.1", "24.0", machine, (2, glibc_minor)))
    ranks = [ranker.rank(tag) for tag in supported(minor, glibc_minor, machine)]
    assert None not in ranks
    assert ranks == sorted(set(ranks))  # type: ignore[type-var]


@pytest.mark.parametrize(("minor", "glibc_minor"), [(11, 35), (8, 31)])
def test_nothing_else_is_accepted(minor: int, glibc_minor: int) -> None:
    ranker = WheelRanker(Target(f"3.{minor}.1", "24.0", "x86_64", (2, glibc_minor)))
    known = set(supported(minor, glibc_minor))
    pythons = ["py2", "py3", "py4", "py39", "py311", "py312", "cp3", "cp32", "cp38", "cp39", "cp311", "cp312", "pp39"]
    abis = ["none", "abi3", "abi3t", "cp38", "cp311", "cp311t", "cp312", "cp38m", "pypy39_pp73"]
    machines = [
        *platforms(40, "x86_64"), "any", "manylinux_2_17_aarch64", "win_amd64", "macosx_11_0_arm64", "linux_i686",
        "musllinux_1_1_x86_64", "manylinux_2_4_x86_64", "manylinux_3_1_x86_64", "manylinux2014_i686",
    ]  # fmt: skip
    for python, abi, platform in itertools.product(pythons, abis, machines):
        tag = f"{python}-{abi}-{platform}"
        assert (ranker.rank(tag) is not None) == (tag in known), tag


def test_compressed_sets_have_the_best_rank_of_their_parts() -> None:
    ranker = WheelRanker(Target("3.11.8", "24.0", "x86_64", (2, 35)))
    both = "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"
    assert ranker.rank(both) == ranker.rank("cp311-cp311-manylinux_2_17_x86_64")
    assert ranker.rank("py2.py3-none-any") == ranker.rank("py3-none-any")
    assert ranker.rank("py2-none-any") is None


def test_pip_before_20_3_knows_no_numbered_manylinux() -> None:
    ranker = WheelRanker(Target("3.8.12", "20.2.4", "x86_64", (2, 35)))
    assert ranker.rank("cp38-cp38-manylinux_2_17_x86_64") is None
    assert ranker.rank("cp38-cp38-manylinux_2_17_x86_64.manylinux2014_x86_64") is not None
