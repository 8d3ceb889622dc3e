"""The release series of a package: where to look for an older release when the newest do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envctl.resolution.specifiers import version_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def newest_of_series(versions: Sequence[str], most: int) -> tuple[str, ...]:
    """The newest version of each minor series, then of each major series that is left, at most `most` of them.

    `versions` come newest first. Half of the places are for minor series; where that is not enough, every major
    series that no place was left for gets one, newest first.
    """
    minors: dict[tuple[int, ...], str] = {}
    majors: dict[int, str] = {}
    for version in versions:
        release = version_of(version).release
        minors.setdefault((*release, 0)[:2], version)
        majors.setdefault(release[0], version)
    near = list(minors.values())[: most if len(minors) <= most else most // 2]
    return tuple(dict.fromkeys((*near, *majors.values())))[:most]
