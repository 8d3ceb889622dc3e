"""One requirement text of a package or a file, taken apart."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from envctl.resolution.markers import InvalidMarkerError, marker_applies
from envctl.resolution.names import extra_name, package_name, safe_extra
from envctl.resolution.specifiers import InvalidSpecifierError, Specifiers, specifiers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envctl.resolution.protocol import PackageName, RequirementMetadata, Target

_REQUIREMENT = re.compile(
    r"\s*(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*"
    r"(?:\[(?P<extras>[^\]]*)\])?\s*"
    r"(?:@\s*(?P<url>\S+)|\((?P<bracketed>[^)]*)\)|(?P<plain>[^;@()\[\]]*))\s*"
    r"(?:;(?P<marker>.*))?",
    re.DOTALL,
)
_EXTRA = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


class InvalidRequirementError(ValueError):
    """The text is no requirement; the message says which part is wrong."""


class Dependency(NamedTuple):
    """A wanted package: name, extras, clauses; the marker has already been decided.

    `extras` keep the spelling that old pips compare (`safe_extra`). `url` is set for `name @ URL`: the clauses
    are then empty.
    """

    name: PackageName
    extras: tuple[str, ...]
    specifiers: Specifiers
    url: str | None = None

    @property
    def identifier(self) -> str:
        """The node of the dependency graph: `name`, or `name[extra,extra]`."""
        return node_name(self.name, self.extras)

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}{self.specifiers.text if self.url is None else f' @ {self.url}'}"


@cache
def parse_requirement(text: str) -> tuple[Dependency, str]:
    """The dependency and its marker (empty when there is none).

    Raises:
        InvalidRequirementError: PEP 508 does not allow the text, and no pip reads it either.
    """
    match = _REQUIREMENT.fullmatch(text)
    if match is None:
        raise InvalidRequirementError("expected a package name, extras in brackets, version specifiers, a marker")
    extras: list[str] = []
    for part in (match["extras"] or "").split(","):
        if not part.strip():
            continue
        if _EXTRA.fullmatch(part.strip()) is None:
            raise InvalidRequirementError(f"{part.strip()!r} is no name of an extra")
        extras.append(safe_extra(part.strip()))
    clauses = match["bracketed"] or match["plain"] or ""
    try:
        parsed = specifiers(normal_clauses(clauses))
    except InvalidSpecifierError as error:
        raise InvalidRequirementError(f"{str(error)!r} is no version specifier") from error
    name = package_name(match["name"])
    return Dependency(name, tuple(sorted(set(extras))), parsed, match["url"]), (match["marker"] or "").strip()


def node_name(name: PackageName, extras: Iterable[str]) -> str:
    """`name`, or `name[extra,extra]` with the extras normalised and sorted."""
    normal = sorted({extra_name(extra) for extra in extras})
    return f"{name}[{','.join(normal)}]" if normal else name


def normal_clauses(text: str) -> str:
    """The clauses without blanks and without empty parts: `>= 1.0, <2,` gives `>=1.0,<2`."""
    return ",".join("".join(part.split()) for part in text.split(",") if part.strip())


class Declared(NamedTuple):
    """The dependencies of one distribution for one target.

    Attributes:
        base: wanted without any extra.
        extras: wanted in addition when the extra is asked for, by extra (`safe_extra` spelling).
        requires_python: clauses, or None.
        invalid: requirement texts that cannot be read, with the reason.
    """

    base: tuple[Dependency, ...] = ()
    extras: tuple[tuple[str, tuple[Dependency, ...]], ...] = ()
    requires_python: Specifiers | None = None
    invalid: tuple[str, ...] = ()

    def wanted(self, extras: Iterable[str], *, exact: bool = False) -> tuple[Dependency, ...]:
        """What the named extras add; extras that the distribution does not provide add nothing.

        Args:
            extras: asked for.
            exact: compare spellings as pip before 23.3 does, which takes `gcp-api` and `gcp_api` for two extras.
        """
        asked = {safe_extra(one) if exact else extra_name(one) for one in extras}
        return tuple(
            one for name, many in self.extras if (name if exact else extra_name(name)) in asked for one in many
        )

    def missing(self, extras: Iterable[str], *, exact: bool = False) -> tuple[str, ...]:
        """The named extras that the distribution does not provide, by the same comparison as `wanted`."""
        provided = {name if exact else extra_name(name) for name, _ in self.extras}
        return tuple(one for one in extras if (safe_extra(one) if exact else extra_name(one)) not in provided)


def declared(metadata: RequirementMetadata, target: Target) -> Declared:
    """The metadata read for a target: markers decided, extras sorted out, unreadable lines set aside."""
    base: list[Dependency] = []
    by_extra: dict[str, list[Dependency]] = {safe_extra(extra): [] for extra in metadata.provides_extra}
    invalid: list[str] = []
    for text in metadata.requires_dist:
        try:
            dependency, marker = parse_requirement(text)
            if not marker or marker_applies(marker, target):
                base.append(dependency)
            elif "extra" in marker:
                for extra, many in by_extra.items():
                    if marker_applies(marker, target, extra):
                        many.append(dependency)
        except (InvalidRequirementError, InvalidMarkerError) as error:
            invalid.append(f"{text}: {error}")
    python: Specifiers | None = None
    if metadata.requires_python:
        try:
            python = specifiers(normal_clauses(metadata.requires_python))
        except InvalidSpecifierError:
            # pip ignores a Requires-Python that it cannot read
            python = None
    extras = tuple((extra, tuple(many)) for extra, many in by_extra.items())
    return Declared(tuple(base), extras, python, tuple(invalid))
