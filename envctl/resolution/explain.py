"""Why a list clashes: which requirements of which packages disagree, and who leads to each.

pip's own last conflict is often far from the reason: it has by then tried dozens of older versions. The reason
is looked for where a person would look: with everything preinstalled held at its version, what does the list
ask that the image refuses, and which preinstalled package needs it the way it is?
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from envctl.resolution.cores import demanding, minimal, minimal_lines, name_of, satisfied_by
from envctl.resolution.findings import Cause, Conflict
from envctl.resolution.graph import Exactly, InstalledNode, Node, PythonWanted, Requirement
from envctl.resolution.image import ResolverKind
from envctl.resolution.image_paths import ImagePaths
from envctl.resolution.protocol import ExclusionReason, Listing, PackageName
from envctl.resolution.requirements import place
from envctl.resolution.resolver import airflow_pin
from envctl.resolution.solution import Edge, Impossible, Links, Solved
from envctl.resolution.specifiers import specifiers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envctl.resolution.consistency import Broken
    from envctl.resolution.dependency import Dependency
    from envctl.resolution.judgement import Judge
    from envctl.resolution.requirements import Requested
    from envctl.resolution.specifiers import Specifiers

_MOST_CONFLICTS = 8
_MOST_STEPS = 8


class Explained(NamedTuple):
    """A clash with the packages of the list that make it; `package` is the one they disagree about.

    `certain` tells that these lines together have no solution at all, rather than one that takes too long to find or
    that breaks what is preinstalled.
    """

    conflict: Conflict
    lines: tuple[Requested, ...]
    package: PackageName
    demand: Specifiers | None
    hold: Specifiers | None
    certain: bool = False

    @property
    def wanted(self) -> list[Dependency]:
        """The requirements of the lines."""
        return [one.dependency for one in self.lines]


def explain(judge: Judge, packages: Sequence[Requested]) -> tuple[Explained, ...]:
    """Every separate clash of a list: after each, its lines are set aside and the rest is judged again."""
    remaining = list(packages)
    found: list[Explained] = []
    while len(found) < _MOST_CONFLICTS and not judge.out_of_time():
        wanted = [one.dependency for one in remaining]
        judgement = judge.reach(lambda wanted=wanted: judge.judge(wanted))
        if judgement is None or not judgement.fails:
            break
        core = minimal_lines(judge, remaining)
        explainer = _Explainer(judge, core)
        one = judge.reach(explainer.explained) or explainer.unexplained()
        found.append(one._replace(certain=_impossible(judge, core)))
        if not core:
            break
        remaining = [one for one in remaining if one not in core]
    return tuple(found)


def _impossible(judge: Judge, core: Sequence[Requested]) -> bool:
    judgement = judge.reach(lambda: judge.judge([one.dependency for one in core]))
    return judgement is not None and isinstance(judgement.outcome, Impossible)


class _Explainer:
    def __init__(self, judge: Judge, core: Sequence[Requested]) -> None:
        self._judge = judge
        self._universe = judge.universe
        self._packages = judge.universe.image.packages
        self._paths = ImagePaths(self._packages)
        self._core = {one.name: one for one in core}
        self._pin = airflow_pin(judge.universe.image)
        self._wanted = [one.dependency for one in core]

    def explained(self) -> Explained:
        alone = self._without_release()
        if alone is not None:
            return alone
        judgement = self._judge.judge(self._wanted)
        outcome = judgement.outcome
        if isinstance(outcome, Solved):
            return self._from_broken(outcome, judgement.broken)
        if self._universe.image.record.resolver is ResolverKind.STRICT:
            held = self._against_image()
            if held is not None:
                return held
        if not isinstance(outcome, Impossible):
            return self._answer(PackageName(""), [], None, None, "The search for versions that fit does not end.")
        return self._from_causes(outcome.causes, outcome.links)

    def unexplained(self) -> Explained:
        """The answer where the index does not tell what the reason rests on."""
        return self._answer(PackageName(""), [], None, None, "The index does not tell what the reason rests on.")

    def _without_release(self) -> Explained | None:
        """The reason where lines of one package leave no release by themselves, whatever the image holds."""
        if len(self._core) != 1:
            return None
        (one,) = self._core.values()
        name = one.name
        if self._possible(name, [one.dependency.specifiers]):
            return None

        def refused(some: Sequence[tuple[Dependency, str | None]]) -> bool:
            return not self._possible(name, [dependency.specifiers for dependency, _ in some])

        asked = [(line.dependency, place(line.span)) for line in one.lines]
        if not refused(asked):
            # only with the constraints of other files, which are sent as part of the line
            asked = [(one.dependency, one.source)]
        # where no release is usable at all, no line is needed for the failure: the first one tells it
        asked = list(minimal(asked, refused)) or asked[:1]
        causes = [Cause(str(dependency), "list", source=source) for dependency, source in asked]
        first, last = asked[0][0], asked[-1][0]
        if len(asked) == 1:
            summary = self._nothing_fits(name, Edge(self._universe.wanted(first)[0], None), causes[0])
            return self._answer(name, causes, first.specifiers, None, summary)
        parts = [f"{one.requirement} ({one.source})" if one.source else one.requirement for one in causes]
        listed = f"{', '.join(parts[:-1])} and {parts[-1]}"
        summary = f"The list asks for {listed}: no release of {name} satisfies {'both' if len(parts) == 2 else 'all'}."
        return self._answer(name, causes, first.specifiers, last.specifiers, summary)

    def _against_image(self) -> Explained | None:
        """The reason with preinstalled packages held; packages that may move are let go one after another."""
        free: set[PackageName] = set()
        for _ in range(_MOST_STEPS):
            pins = {name: specifiers(f"=={one.version}") for name, one in self._packages.items() if name not in free}
            judgement = self._judge.judge_within(self._wanted, pins)
            outcome = judgement.outcome
            if isinstance(outcome, Solved):
                return self._from_broken(outcome, judgement.broken) if judgement.broken else None
            if not isinstance(outcome, Impossible):
                return None
            moved = False
            for name, edges in _by_package(outcome.causes).items():
                present = self._packages.get(name)
                if present is None or name in free:
                    if any(isinstance(one.requirement, PythonWanted) for one in edges) or not self._satisfiable(
                        name, [one.requirement for one in edges]
                    ):
                        return self._from_causes(edges, outcome.links)
                    continue
                for edge in edges:
                    if satisfied_by(edge.requirement, present.version):
                        continue
                    holders = self._holders(name, edge)
                    if holders:
                        return self._held(name, edge, holders, outcome.links)
                    if not self._satisfiable(name, [edge.requirement]):
                        return self._from_causes([edge], outcome.links)
                    free.add(name)
                    moved = True
            if not moved:
                return None
        return None

    def _holders(self, name: PackageName, edge: Edge) -> list[tuple[PackageName, str, Dependency]]:
        return [
            one
            for one in self._judge.dependents.of(name)
            if one[0] not in self._core and not self._possible(name, [_clauses(edge), one[2].specifiers])
        ]

    def _held(
        self,
        name: PackageName,
        edge: Edge,
        holders: Sequence[tuple[PackageName, str, Dependency]],
        links: Links,
    ) -> Explained:
        package, version, dependency = min(holders, key=lambda one: (len(self._paths.to(one[0])), one[0]))
        causes = [self._cause(edge, links), self._image_cause(package, version, dependency)]
        asked = self._said(edge, causes[0])
        others = len(holders) - 1
        also = f" ({others} more preinstalled {'packages need' if others > 1 else 'package needs'} the same)"
        summary = (
            f"{asked}, but the image holds {name} {self._packages[name].version}, "
            f"and {package} {version} of the image requires {dependency}{also if others else ''}."
        )
        return self._answer(name, causes, _clauses(edge), dependency.specifiers, summary)

    def _from_broken(self, outcome: Solved, broken: Sequence[Broken]) -> Explained:
        groups: dict[PackageName, list[Broken]] = {}
        for one in broken:
            groups.setdefault(one.dependency.name, []).append(one)
        name = min(groups, key=lambda one: (one not in self._core, -len(groups[one]), one))
        first = min(groups[name], key=lambda one: (not one.preinstalled, len(self._paths.to(one.package)), one.package))
        demands = demanding(self._judge, outcome, name)
        version = first.found
        if version is not None and demands:
            kept = self._kept_by_first(outcome, first, demands)
            if kept is not None:
                return kept
            # who brought the version, not who objects to it
            demands.sort(key=lambda one: not satisfied_by(one.requirement, version))
        causes: list[Cause] = []
        edge = demands[0] if demands else None
        if edge is not None:
            causes.append(self._cause(edge, outcome.links))
        if first.preinstalled:
            causes.append(self._image_cause(first.package, first.version, first.dependency))
        else:
            node = outcome.pins.get(first.package)
            causes.append(self._package_cause(first, node, outcome.links))
        others = len(groups[name]) - 1
        also = f" ({others} more like it)" if others else ""
        found = f"{name} {first.found}" if first.found else f"no {name}"
        who = f"{first.package} {first.version}{' of the image' if first.preinstalled else ''}"
        asked = self._said(edge, causes[0]) if edge else f"The list leads to {found}"
        summary = (
            f"{asked}; that brings {found} into the image, but {who} requires {first.dependency}{also}."
            if edge
            else f"{asked}, but {who} requires {first.dependency}{also}."
        )
        demand = _clauses(edge) if edge else None
        return self._answer(name, causes, demand, first.dependency.specifiers, summary)

    def _kept_by_first(self, outcome: Solved, first: Broken, demands: Sequence[Edge]) -> Explained | None:
        """The legacy resolver keeps what satisfies the first requirement, whatever later ones ask."""
        node = outcome.pins.get(first.dependency.name)
        if node is None or any(satisfied_by(one.requirement, node.version) for one in demands):
            return None
        edge = next((one for one in demands if str(one.requirement) == str(first.dependency)), demands[0])
        winner = outcome.links.first.get(node)
        causes = [self._cause(edge, outcome.links)]
        because = ""
        if winner is not None:
            causes.append(self._cause(winner, outcome.links))
            because = f": the first requirement on it decides, and {causes[1].by} asks for {causes[1].requirement}"
        summary = f"{self._said(edge, causes[0])}, but {node.name} stays at {node.version}{because}."
        return self._answer(first.dependency.name, causes, _clauses(edge), first.dependency.specifiers, summary)

    def _from_causes(self, edges: Iterable[Edge], links: Links) -> Explained:
        groups = _by_package(edges)
        if not groups:
            return self._answer(PackageName(""), [], None, None, "The image itself cannot be resolved.")
        name, group = next(
            ((name, group) for name, group in groups.items() if not self._fits(name, group)), next(iter(groups.items()))
        )
        if any(isinstance(one.requirement, PythonWanted) for one in group):
            edge = next(one for one in group if isinstance(one.requirement, PythonWanted))
            cause = self._cause(edge, links)
            version = self._universe.image.record.python
            clauses = _clauses(edge).text
            summary = f"{cause.by} needs Python {clauses}, but the image has Python {version}."
            return self._answer(PackageName("python"), [cause], _clauses(edge), None, summary)
        disagreeing = (
            group if self._fits(name, group) else list(minimal(group, lambda some: not self._fits(name, some)))
        )
        # where no release is usable at all, no requirement is needed for the failure: the first one tells it
        disagreeing = disagreeing or group[:1]
        causes = [self._cause(one, links) for one in disagreeing]
        if len(disagreeing) == 1:
            summary = self._nothing_fits(name, disagreeing[0], causes[0])
            return self._answer(name, causes, _clauses(disagreeing[0]), None, summary)
        parts = [self._said(one, cause) for one, cause in zip(disagreeing, causes, strict=True)]
        parts = [parts[0], *(f"the {one[4:]}" if one.startswith("The ") else one for one in parts[1:])]
        summary = "; ".join(parts[:3]) + f": no version of {name} satisfies {'both' if len(parts) == 2 else 'all'}."
        return self._answer(name, causes, _clauses(disagreeing[0]), _clauses(disagreeing[-1]), summary)

    def _nothing_fits(self, name: PackageName, edge: Edge, cause: Cause) -> str:
        asked = self._said(edge, cause)
        listing = self._universe.listing(name)
        if not isinstance(listing, Listing):
            return f"{asked}, but no index knows a package named {name}."
        python = self._universe.image.record.python
        barred = [
            one
            for one in listing.excluded
            if one.reason is ExclusionReason.REQUIRES_PYTHON and _clauses(edge).contains(one.version)
        ]
        if barred:
            return (
                f"{asked}, but {name} {barred[0].version} needs Python {barred[0].detail} "
                f"and the image has Python {python}."
            )
        broken = self._universe.broken_files(name, _clauses(edge))
        if broken:
            return f"{asked}, but {broken[0].candidate.filename} cannot be used: {broken[0].reason}."
        newest = self._universe.applicable(name, frozenset()).first(1)
        known = f"the newest for Python {python} is {newest[0].version}" if newest else "it has no usable release"
        return f"{asked}, but no release of {name} satisfies that: {known}."

    def _said(self, edge: Edge | None, cause: Cause) -> str:
        if edge is None:
            return ""
        where = f" ({cause.source})" if cause.source else ""
        if cause.by == "list":
            return f"The list asks for {cause.requirement}{where}"
        if cause.by == "image":
            return f"The image pins {cause.requirement}"
        via = ""
        if len(cause.chain) > 1:
            via = f", which {cause.chain[0]} leads to"
        return f"{cause.by}{where if not via else ''} requires {cause.requirement}{via}{where if via else ''}"

    def _cause(self, edge: Edge, links: Links) -> Cause:
        text = str(edge.requirement)
        if edge.parent is None:
            requested = self._asked_by(edge.requirement)
            if requested is None:
                return Cause(text, "image", preinstalled=True)
            return Cause(text, "list", source=self._line(requested))
        chain = links.chain(edge.parent)
        requested = self._asked_by(links.root(edge.parent))
        parent = edge.parent
        return Cause(
            text,
            f"{parent.name} {parent.version}",
            tuple(f"{node.name}=={node.version}" for node in chain),
            self._line(requested) if requested else None,
            preinstalled=_is_preinstalled(parent),
        )

    def _package_cause(self, broken: Broken, node: Node | None, links: Links) -> Cause:
        chain = tuple(f"{one.name}=={one.version}" for one in links.chain(node))
        root = links.root(node)
        requested = self._asked_by(root) if root is not None else self._core.get(broken.package)
        return Cause(
            str(broken.dependency),
            f"{broken.package} {broken.version}",
            chain or (f"{broken.package}=={broken.version}",),
            self._line(requested) if requested else None,
        )

    def _image_cause(self, package: PackageName, version: str, dependency: Dependency) -> Cause:
        return Cause(str(dependency), f"{package} {version}", self._paths.to(package), preinstalled=True)

    def _asked_by(self, root: Requirement | None) -> Requested | None:
        """The line of the list that a requirement without a parent is; None for the pin that Composer itself adds."""
        requested = None if root is None else self._core.get(name_of(root))
        if requested is not None and str(root) == str(self._pin) and requested.text != str(self._pin):
            return None
        return requested

    def _line(self, requested: Requested) -> str | None:
        """The place of the line that excludes what the image holds; else of the first."""
        present = self._packages.get(requested.name)
        for line in requested.lines:
            if present is not None and not line.dependency.specifiers.contains(present.version):
                return place(line.span)
        return requested.source

    def _fits(self, name: PackageName, edges: Sequence[Edge]) -> bool:
        return self._satisfiable(name, [one.requirement for one in edges])

    def _satisfiable(self, name: PackageName, requirements: Iterable[object]) -> bool:
        sets: list[Specifiers] = []
        for one in requirements:
            if isinstance(one, PythonWanted):
                if not one.specifiers.contains(self._universe.image.record.python):
                    return False
            elif isinstance(one, Exactly):
                sets.append(specifiers(f"=={one.node.version}"))
            else:
                sets.append(one.specifiers)  # type: ignore[attr-defined]
        return self._possible(name, sets)

    def _possible(self, name: PackageName, sets: Sequence[Specifiers]) -> bool:
        present = self._packages.get(name)
        if present is not None and all(one.contains(present.version) for one in sets):
            return True
        return bool(self._universe.applicable(name, frozenset(sets)))

    def _answer(
        self,
        name: PackageName,
        causes: Sequence[Cause],
        demand: Specifiers | None,
        hold: Specifiers | None,
        summary: str,
    ) -> Explained:
        core = tuple(self._core.values())
        conflict = Conflict(str(name), summary, tuple(causes), lines=tuple(one.text for one in core))
        return Explained(conflict, core, name, demand, hold)


def _by_package(edges: Iterable[Edge]) -> Mapping[PackageName, list[Edge]]:
    groups: dict[PackageName, list[Edge]] = {}
    for edge in edges:
        groups.setdefault(name_of(edge.requirement), []).append(edge)
    return groups


def _clauses(edge: Edge) -> Specifiers:
    requirement = edge.requirement
    if isinstance(requirement, Exactly):
        return specifiers(f"=={requirement.node.version}")
    return requirement.specifiers


def _is_preinstalled(node: Node) -> bool:
    base = getattr(node, "base", node)
    return isinstance(base, InstalledNode)
