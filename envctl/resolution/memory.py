"""A package index that lives in memory: for tests, and for planning against a fixed universe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envctl.resolution.dependency import normal_clauses
from envctl.resolution.names import package_name
from envctl.resolution.protocol import (
    Candidate,
    Excluded,
    ExclusionReason,
    FailureKind,
    IndexFailure,
    Listing,
    RequirementMetadata,
    UnknownPackage,
    UnknownRequirements,
)
from envctl.resolution.specifiers import specifiers, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envctl.resolution.protocol import Follow, PackageName, Target, Wish


class MemorySource:
    """A `PackageSource` over `{name: {version: requirement texts, metadata, or None for unknown}}`.

    Attributes:
        asked: names whose listing was asked for, in order.
        read: `name==version` of every candidate whose metadata was asked for, in order.
    """

    def __init__(
        self,
        universe: Mapping[str, Mapping[str, Iterable[str] | RequirementMetadata | None]],
        yanked: Iterable[str] = (),
        dead: Iterable[str] = (),
    ) -> None:
        """A source of the universe; `yanked` holds `name==version`, `dead` names that the index fails on."""
        self._universe: dict[PackageName, dict[str, RequirementMetadata | None]] = {
            package_name(name): {
                version: declared
                if declared is None or isinstance(declared, RequirementMetadata)
                else RequirementMetadata(tuple(declared))
                for version, declared in versions.items()
            }
            for name, versions in universe.items()
        }
        self._yanked = frozenset(yanked)
        self._dead = frozenset(package_name(name) for name in dead)
        self._listings: dict[tuple[PackageName, Target], Listing] = {}
        self.asked: list[PackageName] = []
        self.read: list[str] = []

    def listing(self, name: PackageName, target: Target) -> Listing | UnknownPackage | IndexFailure:
        """Every version of the package."""
        self.asked.append(name)
        if name in self._dead:
            return IndexFailure("index.test", FailureKind.UNREACHABLE, "connection refused")
        if name not in self._universe:
            return UnknownPackage(name)
        known = self._listings.get((name, target))
        if known is None:
            known = self._listings[name, target] = self._build_listing(name, target)
        return known

    def metadata(self, candidate: Candidate) -> RequirementMetadata | UnknownRequirements | IndexFailure:
        """What the candidate declares."""
        self.read.append(f"{candidate.name}=={candidate.version}")
        declared = self._universe[candidate.name][candidate.version]
        if declared is None:
            return UnknownRequirements(candidate, "the source distribution would have to be built")
        return declared

    def hashes(self, candidate: Candidate) -> tuple[str, ...] | IndexFailure:
        """One made-up digest per version."""
        digest = f"{candidate.name}{candidate.version}".encode().hex()
        return (f"sha256:{digest[:64]:0<64}",)

    def prefetch_listings(self, names: Iterable[PackageName], target: Target) -> None:
        """Nothing to do: everything is here."""

    def prefetch_metadata(self, candidates: Iterable[Candidate]) -> None:
        """Nothing to do: everything is here."""

    def prefetch(self, wishes: Iterable[Wish], target: Target, follow: Follow) -> None:
        """Nothing to do: everything is here."""

    def _build_listing(self, name: PackageName, target: Target) -> Listing:
        candidates: list[Candidate] = []
        excluded: list[Excluded] = []
        for version in sorted(self._universe[name], key=version_of, reverse=True):
            declared = self._universe[name][version]
            python = declared.requires_python if declared else None
            if python and not specifiers(normal_clauses(python)).contains(target.python):
                excluded.append(Excluded(version, ExclusionReason.REQUIRES_PYTHON, python))
                continue
            candidates.append(
                Candidate(
                    name,
                    version,
                    filename=f"{name}-{version}-py3-none-any.whl",
                    is_wheel=declared is not None,
                    requires_python=python,
                    yanked=f"{name}=={version}" in self._yanked,
                )
            )
        return Listing(name, tuple(candidates), tuple(excluded))
