"""What differs between two images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion

from envctl.resolution.specifiers import version_of

if TYPE_CHECKING:
    from envctl.resolution.image import Image


@dataclass(frozen=True, slots=True)
class Moved:
    """A package with another version in the second image; `down` when it is older there."""

    name: str
    before: str
    after: str
    down: bool


@dataclass(frozen=True, slots=True)
class ImageChanges:
    """Packages that only one of two images has, and those with other versions; by name."""

    before: str
    after: str
    added: tuple[tuple[str, str], ...]
    removed: tuple[tuple[str, str], ...]
    moved: tuple[Moved, ...]
    same: int


def image_changes(before: Image, after: Image) -> ImageChanges:
    """The difference between two lists."""
    old, new = before.packages, after.packages
    moved = tuple(
        Moved(name, old[name].version, new[name].version, _is_older(new[name].version, old[name].version))
        for name in sorted(old.keys() & new.keys())
        if old[name].version != new[name].version
    )
    return ImageChanges(
        before.name,
        after.name,
        tuple((name, new[name].version) for name in sorted(new.keys() - old.keys())),
        tuple((name, old[name].version) for name in sorted(old.keys() - new.keys())),
        moved,
        len(old.keys() & new.keys()) - len(moved),
    )


def _is_older(one: str, other: str) -> bool:
    try:
        return version_of(one) < version_of(other)
    except InvalidVersion:
        return one < other
