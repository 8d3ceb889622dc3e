"""An image of Composer: its Python, its pip, and every preinstalled package with what it requires."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from envctl.image_versions import version_numbers
from envctl.resolution.dependency import Dependency, InvalidRequirementError, parse_requirement
from envctl.resolution.protocol import PackageName, Target
from envctl.resolution.specifiers import known_specifiers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from envctl.resolution.alternatives import Alternative

AIRFLOW = PackageName("apache-airflow")


class ResolverKind(StrEnum):
    """Which algorithm the image's pip runs: `legacy` before pip 20.3."""

    STRICT = "strict"
    LEGACY = "legacy"


class Basis(StrEnum):
    """How well the preinstalled packages of an image are known."""

    EXACT = "exact"
    PAIRED = "paired"
    RECONSTRUCTED = "reconstructed"
    NEAREST = "nearest"
    PARTIAL = "partial"


def resolver_of_pip(pip: str) -> ResolverKind:
    """The algorithm of a pip version; 20.3 made the strict one the default."""
    return ResolverKind.LEGACY if version_numbers(pip) < (20, 3) else ResolverKind.STRICT


_TEXT = re.compile(r"([a-z0-9-]+)(?:\[([^\]]*)\])?(.*)", re.DOTALL)


def _read(text: str) -> Dependency:
    match = _TEXT.fullmatch(text)
    assert match is not None, text
    extras = tuple(match[2].split(",")) if match[2] else ()
    return Dependency(PackageName(match[1]), extras, known_specifiers(match[3]))


class Preinstalled(NamedTuple):
    """A package of an image.

    `requires` holds the requirement texts that apply to the image's Python without extras, and is None when the
    metadata is not known.
    """

    name: PackageName
    spelling: str
    version: str
    requires: tuple[str, ...] | None

    def dependencies(self) -> tuple[Dependency, ...]:
        """The requirements. Their texts were written by `image_assembly`, in one form that is quick to read."""
        return tuple(_read(text) for text in self.requires or ())


class ImageRecord(NamedTuple):
    """What the catalogue knows of an image without opening its package list.

    Attributes:
        name: `composer-2.13.8-airflow-2.10.5`.
        airflow: version without `+composer`.
        python: full version; `python_stated` is false when it was inferred from neighbours.
        pip: version; `pip_stated` is false when the list does not hold it.
        complete: whether the list holds every package.
        packages: how many the list holds.
        source: where the list comes from.
        date: of the source, ISO.
        pairs: images of another generation that were released together with this one and share its list.
        added: whether a user added it to the catalogue.
        doubt: what speaks against the list, as whole sentences: why it is a part, or what in it is doubtful.
        reconstructed: whether nobody read the list: Google's build was repeated.
    """

    name: str
    airflow: str
    python: str
    python_stated: bool
    pip: str
    pip_stated: bool
    complete: bool
    packages: int
    source: str
    date: str
    pairs: tuple[str, ...] = ()
    added: bool = False
    doubt: str = ""
    reconstructed: bool = False

    @property
    def basis(self) -> Basis:
        """How well the list answers for the image that it is named after."""
        if not self.complete:
            return Basis.PARTIAL
        return Basis.RECONSTRUCTED if self.reconstructed else Basis.EXACT

    @property
    def resolver(self) -> ResolverKind:
        """The algorithm of the image's pip."""
        return resolver_of_pip(self.pip)

    @property
    def target(self) -> Target:
        """The machine that packages are chosen for."""
        return Target(python=self.python, pip=self.pip)

    @property
    def generation(self) -> str:
        """`1`, `2` or `3`."""
        return self.name.removeprefix("composer-")[:1]


class Image(NamedTuple):
    """A loaded image.

    Attributes:
        record: the facts about it.
        packages: by normalised name.
        left_out: requirements between preinstalled packages that the list itself does not satisfy, as
            `package: requirement`. No list is held to them unless it leads to the package: pip meets them then.
        load_extras: reads what the extras of the preinstalled packages require, by package and extra.
        load_alternatives: reads the other lists that a reconstructed image may have; none for any other image.
    """

    record: ImageRecord
    packages: Mapping[PackageName, Preinstalled]
    left_out: tuple[str, ...] = ()
    load_extras: Callable[[], Mapping[str, Mapping[str, list[str]]]] = dict
    load_alternatives: Callable[[], tuple[Alternative, ...]] = tuple

    @property
    def name(self) -> str:
        """The image version."""
        return self.record.name

    def violated(self) -> dict[PackageName, tuple[Dependency, ...]]:
        """The requirements of `left_out` by the package that has them."""
        found: dict[PackageName, tuple[Dependency, ...]] = {}
        for text in self.left_out:
            by, _, requirement = text.partition(": ")
            name = PackageName(by)
            found[name] = (*found.get(name, ()), parse_requirement(requirement)[0])
        return found

    def extras_of(self, name: PackageName) -> tuple[tuple[str, tuple[Dependency, ...]], ...]:
        """What the extras of a preinstalled package require; reads the extras file the first time."""
        extras: list[tuple[str, tuple[Dependency, ...]]] = []
        for extra, texts in self.load_extras().get(name, {}).items():
            many: list[Dependency] = []
            for text in texts:
                try:
                    many.append(parse_requirement(text)[0])
                except InvalidRequirementError:
                    continue
            extras.append((extra, tuple(many)))
        return tuple(extras)
