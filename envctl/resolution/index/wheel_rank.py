"""How well a wheel's tags fit a target, in the order of `packaging.tags` and pip.

`packaging.tags` describes the machine it runs on and makes a list of more than a thousand tags; here the
target is another machine (the image), and a rank is computed from the tags alone. A test compares the two.
Source: "Platform compatibility tags", packaging.python.org/specifications, PEP 425, 600; 2026-11.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envctl.resolution.protocol import Target

_CPYTHON = re.compile(r"cp3(\d{1,2})", re.ASCII)
_PYTHON = re.compile(r"py3(\d{0,2})", re.ASCII)
_MANYLINUX = re.compile(r"manylinux_2_(\d{1,3})_(.+)", re.ASCII)
_LEGACY_GLIBC_MINOR = {"manylinux2014": 17, "manylinux2010": 12, "manylinux1": 5}
_OLD_BASELINE_MACHINES = frozenset({"x86_64", "i686"})

Rank = tuple[int, int, int]
"""Smaller fits better."""


class WheelRanker:
    """Ranks tag triples for one target; answers are remembered."""

    def __init__(self, target: Target) -> None:
        self._minor = int(target.python.split(".")[1])
        self._machine = target.machine
        self._glibc_minor = target.glibc[1] if target.glibc[0] == 2 else 0
        self._numbered_manylinux = _release(target.pip) >= (20, 3)
        self._ranks: dict[str, Rank | None] = {}

    def rank(self, tags: str) -> Rank | None:
        """The best rank of `py2.py3-none-any` and its like, or None when the target cannot use the wheel."""
        if tags in self._ranks:
            return self._ranks[tags]
        pythons, abis, platforms = tags.lower().split("-")
        ranks = [
            rank
            for platform in platforms.split(".")
            if (platform_rank := self._platform_rank(platform)) is not None
            for python in pythons.split(".")
            for abi in abis.split(".")
            if (rank := self._tag_rank(python, abi, platform_rank)) is not None
        ]
        best = min(ranks) if ranks else None
        self._ranks[tags] = best
        return best

    def _tag_rank(self, python: str, abi: str, platform_rank: int) -> Rank | None:
        """Groups as `packaging.tags.cpython_tags` and then `compatible_tags` yield them."""
        anywhere = platform_rank < 0
        cpython = _CPYTHON.fullmatch(python)
        if cpython is not None:
            minor = int(cpython[1])
            if anywhere:
                return (5, 0, 0) if minor == self._minor and abi == "none" else None
            if minor == self._minor:
                group = {self._own_abi: 0, "abi3": 1, "none": 2}.get(abi)
                return None if group is None else (group, 0, platform_rank)
            if abi == "abi3" and 2 <= minor < self._minor:
                return (3, self._minor - minor, platform_rank)
            return None
        if abi != "none":
            return None
        age = self._python_age(python)
        if age is None:
            return None
        return (6, age, 0) if anywhere else (4, age, platform_rank)

    @property
    def _own_abi(self) -> str:
        """Before 3.8 the ABI tag had an `m` for pymalloc."""
        return f"cp3{self._minor}" + ("m" if self._minor < 8 else "")

    def _python_age(self, python: str) -> int | None:
        """Position in `py311, py3, py310, py39, ..., py30`."""
        match = _PYTHON.fullmatch(python)
        if match is None:
            return None
        if not match[1]:
            return 1
        minor = int(match[1])
        if minor > self._minor:
            return None
        return 0 if minor == self._minor else 1 + self._minor - minor

    def _platform_rank(self, platform: str) -> int | None:
        """-1 for `any`; newer C libraries first, the number before its legacy name, `linux_*` last."""
        if platform == "any":
            return -1
        if platform == f"linux_{self._machine}":
            return 10_000
        match = _MANYLINUX.fullmatch(platform)
        if match is not None:
            if not self._numbered_manylinux or match[2] != self._machine:
                return None
            return self._glibc_rank(int(match[1]), legacy=0)
        family, _, machine = platform.partition("_")
        minor = _LEGACY_GLIBC_MINOR.get(family)
        if minor is None or machine != self._machine:
            return None
        return self._glibc_rank(minor, legacy=1)

    def _glibc_rank(self, minor: int, *, legacy: int) -> int | None:
        oldest = 5 if self._machine in _OLD_BASELINE_MACHINES else 17
        if not oldest <= minor <= self._glibc_minor:
            return None
        return 2 * (self._glibc_minor - minor) + legacy


def _release(version: str) -> tuple[int, ...]:
    numbers = re.findall(r"\d+", version, re.ASCII)
    return tuple(int(number) for number in numbers[:2])
