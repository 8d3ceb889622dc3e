"""What differs between two images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion

from envctl.resolution.specifiers import version_of

if TYPE_CHECKING:
    from envctl.resolution.catalogue import ImageChoice


@dataclass(frozen=True, slots=True)
class Moved:
    """A package with another version in the second image; `down` when it is older there."""

    name: str
    before: str
    after: str
    down: bool


@dataclass(frozen=True, slots=True)
class ImageChanges:
    """Packages that only one of two images has, and those with other versions; by name.

    Of an image that is known in part, what is missing from the part is neither added nor removed: it is `unknown`.

    Attributes:
        before: image version.
        after: image version.
        added: packages that only the second image has.
        removed: packages that only the first one has.
        moved: packages with another version.
        same: how many have the same version.
        unknown: how many packages of one image may or may not be in the other.
        doubts: why the lists may not be those of the images, one sentence or more for each such image.
    """

    before: str
    after: str
    added: tuple[tuple[str, str], ...]
    removed: tuple[tuple[str, str], ...]
    moved: tuple[Moved, ...]
    same: int
    unknown: int = 0
    doubts: tuple[str, ...] = ()


def image_changes(before: ImageChoice, after: ImageChoice) -> ImageChanges:
    """The difference between two images, both with a list."""
    assert before.image is not None
    assert after.image is not None
    old, new = before.image.packages, after.image.packages
    only_old = () if not after.image.record.complete else sorted(old.keys() - new.keys())
    only_new = () if not before.image.record.complete else sorted(new.keys() - old.keys())
    moved = tuple(
        Moved(name, old[name].version, new[name].version, _is_older(new[name].version, old[name].version))
        for name in sorted(old.keys() & new.keys())
        if old[name].version != new[name].version
    )
    return ImageChanges(
        before.name,
        after.name,
        tuple((name, new[name].version) for name in only_new),
        tuple((name, old[name].version) for name in only_old),
        moved,
        len(old.keys() & new.keys()) - len(moved),
        len(old.keys() ^ new.keys()) - len(only_old) - len(only_new),
        tuple(f"{one.name}: {one.note}" for one in (before, after) if one.note),
    )


def _is_older(one: str, other: str) -> bool:
    try:
        return version_of(one) < version_of(other)
    except InvalidVersion:
        return one < other
