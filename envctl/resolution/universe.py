"""The image and the index as candidates with their requirements, shared by many searches.

Source of the rules: pypa/pip 23.2.1 and 24.0, `src/pip/_internal/resolution/resolvelib/` (`factory.py`,
`candidates.py`). The one liberty: pip reads the metadata of the best candidate as soon as a package is wanted,
envctl when the candidate is tried. Nothing else is read less, and no index is asked for a package that the
image satisfies.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from envctl.image_versions import version_numbers
from envctl.resolution.candidates import Applicable
from envctl.resolution.dependency import Declared, Dependency, declared
from envctl.resolution.graph import (
    BaseNode,
    Exactly,
    ExtrasNode,
    IndexNode,
    InstalledNode,
    Node,
    PythonNode,
    PythonWanted,
    Requirement,
    Wanted,
)
from envctl.resolution.image_paths import ImagePaths
from envctl.resolution.protocol import (
    Candidate,
    IndexFailure,
    Listing,
    PackageName,
    UnknownPackage,
    UnknownRequirements,
    Wish,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envctl.resolution.image import Image
    from envctl.resolution.protocol import PackageSource, RequirementMetadata
    from envctl.resolution.specifiers import Specifiers


class IndexUnavailableError(Exception):
    """An index did not answer a question that the verdict depends on; carries the failure."""

    def __init__(self, failure: IndexFailure) -> None:
        super().__init__(failure.cause)
        self.failure = failure


class Habits(NamedTuple):
    """In which ways pips with the strict resolver differ."""

    splits_extras: bool
    exact_extras: bool

    @staticmethod
    def of(pip: str) -> Habits:
        """The habits of a pip version. 23.3 began to treat `name[extra]>1` as two requirements."""
        recent = version_numbers(pip) >= (23, 3)
        return Habits(splits_extras=recent, exact_extras=not recent)


class Universe:
    """The image and the index as candidates; shared by many searches over the same image and index."""

    def __init__(self, image: Image, source: PackageSource, *, skip_unread: bool = False) -> None:
        """A universe; `skip_unread` leaves out candidates whose requirements only a build would tell."""
        self._skip_unread = skip_unread
        self.image = image
        self.source = source
        self.target = image.record.target
        self.habits = Habits.of(image.record.pip)
        self.python = PythonNode(PackageName("python"), image.record.python)
        self.unknown: dict[PackageName, UnknownPackage] = {}
        self.unreadable: dict[IndexNode, UnknownRequirements] = {}
        self.assumed: dict[IndexNode, str] = {}
        self.late_dates: set[PackageName] = set()
        self._installed: dict[PackageName, InstalledNode] = {}
        self._nodes: dict[tuple[PackageName, str], IndexNode] = {}
        self._extras: dict[tuple[BaseNode, frozenset[str]], ExtrasNode] = {}
        self._declared: dict[BaseNode, Declared | None] = {}
        self._asks: dict[Node, tuple[Requirement, ...]] = {}
        self._listings: dict[PackageName, Listing | UnknownPackage] = {}
        self._applicable: dict[tuple[PackageName, frozenset[Specifiers]], Applicable] = {}
        self._shared: dict[tuple[str, str], Wanted] = {}

    def installed(self, name: PackageName) -> InstalledNode | None:
        """The preinstalled package of that name."""
        node = self._installed.get(name)
        if node is None:
            package = self.image.packages.get(name)
            if package is None:
                return None
            node = self._installed[name] = InstalledNode(name, package.version)
        return node

    def fitting_installed(self, name: PackageName, sets: Iterable[Specifiers], extras: frozenset[str]) -> Node | None:
        """The preinstalled package, with extras where asked for, when its version fits."""
        base = self.installed(name)
        if base is None or not all(one.contains(base.version) for one in sets):
            return None
        return self.with_extras(base, extras) if extras else base

    def listing(self, name: PackageName) -> Listing | UnknownPackage:
        """What the index holds of a package.

        Raises:
            IndexUnavailableError: the index gave no answer.
        """
        known = self._listings.get(name)
        if known is None:
            answer = self.source.listing(name, self.target)
            if isinstance(answer, IndexFailure):
                raise IndexUnavailableError(answer)
            if isinstance(answer, UnknownPackage):
                self.unknown[name] = answer
            elif not answer.upload_times_known:
                self.late_dates.add(name)
            known = self._listings[name] = answer
        return known

    def known_listing(self, name: PackageName) -> Listing | None:
        """The listing of a package when it was asked for already; asks nothing."""
        listing = self._listings.get(name)
        return listing if isinstance(listing, Listing) else None

    def broken_files(self, name: PackageName, clauses: Specifiers) -> list[UnknownRequirements]:
        """Files of a package that were read, would satisfy the clauses, and that pip would refuse."""
        return [
            one
            for node, one in self.unreadable.items()
            if one.invalid and node.name == name and clauses.contains(node.version)
        ]

    def applicable(self, name: PackageName, sets: frozenset[Specifiers]) -> Applicable:
        """The index's candidates that pip would consider, newest first.

        Pre-releases count only when a clause names one, or when there is no clause and nothing else. Yanked
        files count only when a pin leaves nothing else (PEP 592).
        """
        key = (name, sets)
        known = self._applicable.get(key)
        if known is None:
            listing = self.listing(name)
            candidates = () if isinstance(listing, UnknownPackage) else listing.candidates
            known = self._applicable[key] = Applicable(candidates, sets)
        return known

    def node(self, candidate: Candidate) -> IndexNode:
        """The one node of an index candidate."""
        key = (candidate.name, candidate.version)
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = IndexNode(candidate)
        return node

    def with_extras(self, base: BaseNode, extras: frozenset[str]) -> ExtrasNode:
        """The one node of a candidate with extras."""
        key = (base, extras)
        node = self._extras.get(key)
        if node is None:
            node = self._extras[key] = ExtrasNode(base, extras)
        return node

    def declared(self, node: BaseNode) -> Declared | None:
        """What a candidate declares; None when its file is broken so that pip would skip or refuse it.

        Requirements that cannot be known without building count as none; `unreadable` remembers the candidate.
        """
        if node in self._declared:
            return self._declared[node]
        if isinstance(node, InstalledNode):
            answer: Declared | None = Declared((*self._satisfied(node.name), *self._violated.get(node.name, ())))
        else:
            answer = self._read(node)
        self._declared[node] = answer
        return answer

    def asks(self, node: Node) -> tuple[Requirement, ...]:
        """What a candidate requires, in pip's order; the same objects each time."""
        known = self._asks.get(node)
        if known is None:
            known = self._asks[node] = tuple(self._requirements_of(node))
            if isinstance(node, (IndexNode, ExtrasNode)):
                wanted = (one.dependency for one in known if isinstance(one, Wanted))
                self.source.prefetch(self.wishes(wanted), self.target, self.follow)
        return known

    def wishes(self, dependencies: Iterable[Dependency]) -> Iterator[Wish]:
        """What must be asked of the index: the dependencies that the image does not satisfy."""
        for one in dependencies:
            present = self.image.packages.get(one.name)
            if present is None or not one.specifiers.contains(present.version):
                yield Wish(one.name, one.specifiers.contains, frozenset(one.extras))

    def follow(self, metadata: RequirementMetadata, extras: frozenset[str]) -> tuple[Wish, ...]:
        """What a candidate with this metadata will make the search ask; called by threads of the source."""
        known = declared(metadata, self.target)
        return tuple(self.wishes((*known.base, *known.wanted(extras, exact=self.habits.exact_extras))))

    def wanted(self, dependency: Dependency) -> tuple[Wanted, ...]:
        """The requirement, split into base and extras where the image's pip does so."""
        whole = self._share(dependency, dependency.identifier)
        if self.habits.splits_extras and dependency.extras and dependency.specifiers:
            return (self._share(dependency, dependency.name), whole)
        return (whole,)

    def _share(self, dependency: Dependency, identifier: str) -> Wanted:
        key = (identifier, str(dependency))
        known = self._shared.get(key)
        if known is None:
            known = self._shared[key] = Wanted(dependency, identifier)
        return known

    def _read(self, node: IndexNode) -> Declared | None:
        package = self.image.packages.get(node.name)
        if package is not None and package.version == node.version and package.requires is not None:
            return Declared(package.dependencies(), self.image.extras_of(node.name))
        answer = self.source.metadata(node.candidate)
        if isinstance(answer, IndexFailure):
            raise IndexUnavailableError(answer)
        if isinstance(answer, UnknownRequirements):
            self.unreadable[node] = answer
            return None if answer.invalid or self._skip_unread else Declared()
        if answer.assumed:
            self.assumed[node] = answer.assumed
        return declared(answer, self.target)

    def _with_declared_extras(self, node: BaseNode) -> Declared | None:
        known = self.declared(node)
        if known is None or not isinstance(node, InstalledNode):
            return known
        return Declared(known.base, self.image.extras_of(node.name))

    def _satisfied(self, name: PackageName) -> tuple[Dependency, ...]:
        """What a preinstalled package requires and the image satisfies, which its file keeps apart from the rest."""
        dependencies = self.image.packages[name].dependencies()
        for dependency in dependencies:
            present = self.image.packages.get(dependency.name)
            if present is not None:
                dependency.specifiers.remember(present.version)
        return dependencies

    @cached_property
    def _violated(self) -> Mapping[PackageName, tuple[Dependency, ...]]:
        """Requirements that the image itself does not satisfy: pip meets them as soon as a list leads to the package.

        Those of packages that Airflow itself needs are left aside: with them no list at all would build, so there
        the image's list is wrong and not the requirement.
        """
        if not self.image.left_out:
            return {}
        paths = ImagePaths(self.image.packages)
        violated = self.image.violated()
        return {name: many for name, many in violated.items() if not paths.lead_to(name)}

    def _requirements_of(self, node: Node) -> Iterator[Requirement]:
        if isinstance(node, PythonNode):
            return
        if isinstance(node, ExtrasNode):
            yield Exactly(node.base)
            known = self._with_declared_extras(node.base)
            if known is None:
                return
            for dependency in known.base:
                yield from self.wanted(dependency)
            for dependency in known.wanted(node.extras, exact=self.habits.exact_extras):
                yield from self.wanted(dependency)
            return
        known = self.declared(node)
        if known is None:
            return
        if isinstance(node, IndexNode) and known.requires_python is not None:
            yield PythonWanted(known.requires_python)
        for dependency in known.base:
            yield from self.wanted(dependency)
