"""What the packages of lists require: asked once per package, whatever number of images holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envctl.resolution.catalogue import SHIPPED
from envctl.resolution.image_files import load_image, load_index
from envctl.resolution.names import package_name
from envctl.resolution.protocol import (
    Candidate,
    FailureKind,
    IndexFailure,
    Listing,
    PackageName,
    PackageSource,
    RequirementMetadata,
    Target,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from envctl.resolution.parsed_list import ParsedList

_Key = tuple[PackageName, str]


class PackageMetadata:
    """What packages require, from the first place that knows: the list itself, the shipped catalogue, the index.

    Attributes:
        failure: the first time the index gave no answer; it is not asked again once it cannot be reached.
    """

    def __init__(self, source: PackageSource | None) -> None:
        self.failure: IndexFailure | None = None
        self._source = source
        self._shipped: dict[str, Mapping[_Key, RequirementMetadata]] = {}
        self._found: dict[tuple[PackageName, str, str], RequirementMetadata | None] = {}

    def of_list(self, parsed: ParsedList, target: Target) -> Callable[[PackageName, str], RequirementMetadata | None]:
        """The requirements of a list's packages; None for those that nobody knows."""
        given = {package_name(name): metadata for name, metadata in parsed.requires}

        def declared(name: PackageName, version: str) -> RequirementMetadata | None:
            if name in given:
                return given[name]
            return self._of(name, version, target)

        return declared

    def ask_ahead(self, pins: Iterable[tuple[str, str]], target: Target) -> None:
        """Begins to read what the index will be asked about these packages."""
        known = self._known(target)
        wanted = {package_name(name): version for name, version in pins}
        missing = [name for name, version in wanted.items() if (name, version) not in known]
        if self._source is not None:
            self._source.prefetch_listings(missing, target)

    def _of(self, name: PackageName, version: str, target: Target) -> RequirementMetadata | None:
        known = self._known(target).get((name, version))
        if known is not None:
            return known
        key = (name, version, target.python_minor)
        if key not in self._found:
            self._found[key] = self._asked(name, version, target)
        return self._found[key]

    def _asked(self, name: PackageName, version: str, target: Target) -> RequirementMetadata | None:
        if self._source is None or self._gone():
            return None
        listing = self._source.listing(name, target)
        if not isinstance(listing, Listing):
            self._note(listing)
            return None
        candidate = _candidate(listing, version)
        answer = None if candidate is None else self._source.metadata(candidate)
        self._note(answer)
        return answer if isinstance(answer, RequirementMetadata) else None

    def _note(self, answer: object) -> None:
        if isinstance(answer, IndexFailure) and answer.kind is not FailureKind.OFFLINE:
            self.failure = self.failure or answer

    def _gone(self) -> bool:
        return self.failure is not None and self.failure.kind in (FailureKind.UNREACHABLE, FailureKind.TIMEOUT)

    def _known(self, target: Target) -> Mapping[_Key, RequirementMetadata]:
        minor = target.python_minor
        if minor not in self._shipped:
            self._shipped[minor] = _shipped_metadata(minor)
        return self._shipped[minor]


def _candidate(listing: Listing, version: str) -> Candidate | None:
    public = version.partition("+")[0]
    return next((one for one in listing.candidates if one.version in (version, public)), None)


def _shipped_metadata(python_minor: str) -> dict[_Key, RequirementMetadata]:
    """Requirements of every package of the shipped whole lists, from images with that minor version of Python.

    What an image's own list does not satisfy is required all the same, of another image.
    """
    known: dict[_Key, RequirementMetadata] = {}
    for record in load_index(SHIPPED):
        if record.target.python_minor != python_minor or not record.complete:
            continue
        image = load_image(SHIPPED, record.name)
        extras = image.load_extras()
        violated: dict[str, list[str]] = {}
        for text in image.left_out:
            by, _, requirement = text.partition(": ")
            violated.setdefault(by, []).append(requirement)
        for name, package in image.packages.items():
            if package.requires is None or (name, package.version) in known:
                continue
            texts = [*package.requires, *violated.get(name, ())]
            for extra, many in extras.get(name, {}).items():
                texts.extend(f'{text} ; extra == "{extra}"' for text in many)
            known[name, package.version] = RequirementMetadata(tuple(texts), None, tuple(extras.get(name, {})))
    return known
