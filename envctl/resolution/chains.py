"""Why a package is in an image after a build, and who holds it: the chains from the list and from Airflow."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from envctl.resolution.check import check_list
from envctl.resolution.cores import name_of, satisfied_by
from envctl.resolution.findings import Cause, Conflict, Result, Verdict
from envctl.resolution.graph import PYTHON, ExtrasNode
from envctl.resolution.image import AIRFLOW
from envctl.resolution.image_paths import ImagePaths
from envctl.resolution.judgement import Judge
from envctl.resolution.names import package_name
from envctl.resolution.requirements import requested
from envctl.resolution.solution import Solved
from envctl.resolution.universe import Universe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envctl.resolution.catalogue import ImageChoice
    from envctl.resolution.check import CheckOptions
    from envctl.resolution.graph import Node
    from envctl.resolution.image import Image
    from envctl.resolution.protocol import PackageName, PackageSource
    from envctl.resolution.requirements import Requested, RequirementsInput
    from envctl.resolution.solution import Edge


class Chains(NamedTuple):
    """Everything that asks for one package.

    Attributes:
        package: its normalised name.
        result: the answer for the whole list.
        before: the preinstalled version, None when the image lacks the package.
        after: the version after the build; None when the build fails, or brings none.
        asked: who of the list and of what it leads to asks for it: those in `moving` first, then those nearest to
            the list. Where the list clashes, the lines that do not.
        held: the preinstalled packages that require it, nearest to Airflow first.
        moving: those of `asked` that the preinstalled version does not satisfy.
        conflicts: the clashes that it takes part in.
    """

    package: PackageName
    result: Result
    before: str | None
    after: str | None
    asked: tuple[Cause, ...]
    held: tuple[Cause, ...]
    moving: tuple[Cause, ...]
    conflicts: tuple[Conflict, ...]

    @property
    def involved(self) -> bool:
        """Whether image, list or a clash knows the package at all."""
        return bool(self.before or self.after or self.asked or self.held or self.conflicts)


def explain_package(
    package: str,
    subject: str,
    given: RequirementsInput,
    choice: ImageChoice,
    source: PackageSource,
    options: CheckOptions,
) -> Chains:
    """Why a package is there, for one list on one image.

    A result that is invalid, or whose image is not known, comes without chains.

    Raises:
        IndexUnavailableError: the index answered for the verdict, and not for the chains.
    """
    name = package_name(package)
    result = check_list(subject, given, choice, source, options)
    image = choice.image
    if image is None or result.verdict is Verdict.INVALID:
        return Chains(name, result, None, None, (), (), (), ())
    listed = requested(given, image.record.target)
    judge = Judge(Universe(image, source), options.limits)
    clashing = {text for conflict in result.conflicts for text in conflict.lines}
    lines = [one for one in listed.packages if one.text not in clashing]
    outcome = judge.judge([one.dependency for one in lines]).outcome
    asked: Mapping[Cause, bool] = {}
    after: str | None = None
    before = image.packages[name].version if name in image.packages else None
    if isinstance(outcome, Solved):
        asked = _Lines(outcome, lines).asking(name, before)
        if not clashing and result.verdict not in (Verdict.CONFLICT, Verdict.TIMEOUT_RISK):
            pin = outcome.pins.get(name)
            after = pin.version if pin else before
    return Chains(
        name,
        result,
        before,
        after,
        tuple(asked),
        _held(image, judge, name),
        tuple(cause for cause, satisfied in asked.items() if not satisfied),
        tuple(one for one in result.conflicts if _takes_part(name, one, listed.packages)),
    )


class _Lines:
    """The shortest ways from the lines of a list through a solution.

    They end at Airflow, which leads to most of the image: what it asks for is the image's affair.
    """

    def __init__(self, solved: Solved, lines: Sequence[Requested]) -> None:
        self._solved = solved
        self._roots: dict[str, Requested] = {}
        self._previous: dict[str, Node | None] = {}
        by_name = {one.name: one for one in lines}
        children: dict[str, list[tuple[str, Node]]] = {}
        waiting: deque[str] = deque()
        for requirement, parent in solved.edges:
            if parent is not None:
                children.setdefault(parent.identifier, []).append((requirement.identifier, parent))
            elif name_of(requirement) in by_name:
                self._roots[requirement.identifier] = by_name[name_of(requirement)]
                self._previous[requirement.identifier] = None
                waiting.append(requirement.identifier)
        while waiting:
            at = waiting.popleft()
            for child, parent in children.get(at, ()) if at.partition("[")[0] != AIRFLOW else ():
                if child not in self._previous and child != PYTHON:
                    self._previous[child] = parent
                    waiting.append(child)

    def asking(self, name: PackageName, before: str | None) -> dict[Cause, bool]:
        """The requirements on a package that come from the lines, the shortest chain first.

        Each with whether the preinstalled version satisfies it; true where there is none.
        """
        found: dict[Cause, bool] = {}
        for edge in self._solved.asking(name):
            cause = self._cause(edge)
            if cause is not None:
                found[cause] = before is None or satisfied_by(edge.requirement, before)
        return dict(sorted(found.items(), key=lambda one: (one[1], len(one[0].chain), one[0].by, one[0].requirement)))

    def _cause(self, edge: Edge) -> Cause | None:
        text = str(edge.requirement)
        if edge.parent is None:
            root = self._roots.get(edge.requirement.identifier)
            return Cause(text, "list", source=root.source) if root is not None else None
        if edge.parent.identifier not in self._previous or edge.parent.name == AIRFLOW:
            return None
        nodes, root = self._chain(edge.parent)
        return Cause(text, f"{edge.parent.name} {edge.parent.version}", nodes, root.source)

    def _chain(self, node: Node) -> tuple[tuple[str, ...], Requested]:
        chain: list[str] = []
        at: Node | None = node
        identifier = node.identifier
        while at is not None:
            base = at.base if isinstance(at, ExtrasNode) else at
            text = f"{base.name}=={base.version}"
            if not chain or chain[-1] != text:
                chain.append(text)
            identifier = at.identifier
            at = self._previous[identifier]
        return tuple(reversed(chain)), self._roots[identifier]


def _held(image: Image, judge: Judge, name: PackageName) -> tuple[Cause, ...]:
    paths = ImagePaths(image.packages)
    found = [
        Cause(str(dependency), f"{package} {version}", paths.to(package), preinstalled=True)
        for package, version, dependency in judge.dependents.of(name)
    ]
    if name == AIRFLOW:
        found.append(Cause(f"{name}=={image.packages[name].version}", "image", preinstalled=True))
    return tuple(sorted(found, key=lambda one: (len(one.chain), one.by)))


def _takes_part(name: PackageName, conflict: Conflict, packages: Sequence[Requested]) -> bool:
    named: Mapping[str, PackageName] = {one.text: one.name for one in packages}
    links = {link.partition("==")[0] for cause in conflict.causes for link in cause.chain}
    # packages ask as `name version`; the bare words are the list and the image, which packages may be named like
    by = {package for package, _, version in (cause.by.partition(" ") for cause in conflict.causes) if version}
    return name in {conflict.package, *links, *by, *(named.get(text) for text in conflict.lines)}
