"""Ways out of a clash, the one that keeps most of what was asked for first.

A pin beside the user's line, also of a package in the middle of the chain; a cap on the line; another version of it;
a lower demand; at last, and only where the image satisfies the line or the user said so, its deletion. Where none is
found the answer says so and carries an operator that runs the tasks apart. Every edit that is offered has been solved
with; what could not be is not offered.

The one exception is said: where a package of the list tells its requirements only when it is built, no list with
it can be proved to work. The first edit that removes the clash is then offered, marked as not verified.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envctl.resolution.beside import Beside
from envctl.resolution.dependency import Dependency, parse_requirement
from envctl.resolution.findings import Conflict, Edit, Fix, FixKind, Verdict
from envctl.resolution.image import ResolverKind
from envctl.resolution.list_edits import apply_edits, replacing
from envctl.resolution.protocol import PackageName
from envctl.resolution.requirements import place
from envctl.resolution.series import newest_of_series
from envctl.resolution.snippets import kubernetes_snippet, virtualenv_snippet
from envctl.resolution.solution import Impossible, Solved
from envctl.resolution.specifiers import specifiers, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envctl.resolution.explain import Explained
    from envctl.resolution.judgement import Judge, Judgement
    from envctl.resolution.protocol import Candidate
    from envctl.resolution.requirements import Requested

_MOST_TRIES = 12
_MOST_SERIES = 24
"""Older minor and major series of which the newest release is tried."""
_MOST_MIDDLE = 40
"""Releases of a package in the middle of a chain whose requirements are read."""
_MOST_PINS = 4
"""Pins that one way out may add: more of them is a list of another kind."""


class FixFinder:
    """Looks for ways out of the clashes of one list.

    Attributes:
        untried: what the bound on time left no room for, in words.
    """

    def __init__(self, judge: Judge, packages: Sequence[Requested], *, drop: bool = False) -> None:
        """A finder.

        Args:
            judge: with bounds of the search for ways out alone.
            packages: the whole list.
            drop: whether lines may be deleted that the image does not satisfy.
        """
        self._whole_judge = judge
        self._judge = judge
        self._all = list(packages)
        self._drop = drop
        self._packages = judge.universe.image.packages
        self._legacy = judge.universe.image.record.resolver is ResolverKind.LEGACY
        self._beside = Beside(judge)
        self._found: list[tuple[PackageName, str]] = []
        self._clashing: list[frozenset[str]] = []
        self._unproven: list[Fix] = []
        self._tried: dict[PackageName, int] = {}
        self._hopeless: set[PackageName] = set()
        self.untried: list[str] = []

    def conflicts(self, explained: Sequence[Explained]) -> tuple[Conflict, ...]:
        """The clashes with their ways out, each verified on the list without the lines of the other clashes.

        What one search learns to clash, no other tries again; each clash may take its share of the time that is left.
        """
        if not self._legacy:
            self._clashing += [frozenset(map(str, one.wanted)) for one in explained if one.certain]
        found: list[Conflict] = []
        for at, one in enumerate(explained):
            whole = self._whole_judge
            now = whole.limits.clock()
            share = (whole.deadline - now) / (len(explained) - at)
            self._judge = whole.bounded(whole.limits.rounds, now + share)
            self._unproven = []
            context = self._context(one, explained)
            fixes = self._ways(one, context)
            if not fixes:
                fixes = self._unproven[:1] or self._apart(one, context)
            if self._judge.unreached is not None:
                whole.unreached = self._judge.unreached
            found.append(one.conflict._replace(fixes=tuple(dict.fromkeys(fixes))))
        self._judge = self._whole_judge
        return tuple(found)

    def whole(self, conflicts: Sequence[Conflict]) -> Fix | None:
        """One fix for the whole list: the first edit of every clash together, verified; None when there is none."""
        edits: dict[Edit, None] = {}
        for conflict in conflicts:
            first = next((fix for fix in conflict.fixes if fix.edit and fix.verified), None)
            if first is None:
                return None
            edits.update(dict.fromkeys(first.edit))
        if not edits or not self._works(apply_edits(self._all, tuple(edits))):
            return None
        return Fix(FixKind.EDIT, tuple(edits), verified=True, why="The whole list fits with these edits.")

    def _context(self, one: Explained, explained: Sequence[Explained]) -> list[Requested]:
        others = {line.name for other in explained if other is not one for line in other.lines}
        return [package for package in self._all if package.name not in others]

    def _ways(self, one: Explained, context: Sequence[Requested]) -> list[Fix]:
        """Those of the first rank that has any."""
        about = ", ".join(line.name for line in one.lines) or "the list"
        ranks = (
            ("fewer lines", self._fewer),
            ("pins beside", self._pins),
            ("caps on", self._caps),
            ("other versions of", self._others),
            ("lower demands on", self._lower),
            ("deletion of", self._deleted),
        )
        for word, rank in ranks:
            if self._judge.out_of_time():
                self.untried.append(f"{word} {about}")
                continue
            ways = rank(one, context)
            if ways:
                return ways
        return []

    def _fewer(self, one: Explained, context: Sequence[Requested]) -> list[Fix]:
        """Where a package stands in several lines: without one of them, the last ones first."""
        return [fix for line in one.lines for fix in self._fewer_lines(line, context)]

    def _pins(self, one: Explained, context: Sequence[Requested]) -> list[Fix]:
        """Requirements to add where pip would not look for the version that fits by itself."""
        named = {line.name for line in context}
        for name, version in (*self._found, *self._in_the_middle(one, named)):
            fix = self._pinned({name: version}, context) if name not in named else None
            if fix is not None:
                self._found.append((name, version))
                return [fix]
        solution = self._beside.solution([line.dependency for line in context], self._judge)
        fitting: dict[PackageName, str] = {}
        if solution is not None:
            fitting = {node.name: node.version for node in solution.installs if node.name not in named}
        singles: dict[PackageName, list[str]] = {name: [fitting[name]] for name in self._near(one) if name in fitting}
        if one.package and one.package not in named and one.demand is not None and one.hold is not None:
            clauses = frozenset({one.demand, one.hold})
            both = self._judge.reach(lambda: self._judge.universe.applicable(one.package, clauses).first(3))
            singles.setdefault(one.package, []).extend(candidate.version for candidate in both or ())
        singles.update({name: [version] for name, version in fitting.items() if name not in singles})
        for name, versions in list(singles.items())[:_MOST_TRIES]:
            for version in dict.fromkeys(versions):
                fix = self._pinned({name: version}, context)
                if fix is not None:
                    self._found.append((name, version))
                    return [fix]
        together = self._pinned(fitting, context) if len(fitting) > 1 else None
        if together is None:
            return []
        for name in list(fitting):
            fewer = {one_: version for one_, version in fitting.items() if one_ != name}
            smaller = self._pinned(fewer, context)
            if smaller is not None:
                fitting, together = fewer, smaller
        return [together] if len(fitting) <= _MOST_PINS else []

    def _in_the_middle(self, one: Explained, named: set[PackageName]) -> Iterator[tuple[PackageName, str]]:
        """The newest release of who asks for too much that asks for less: cheap to find, as nothing is searched."""
        if one.hold is None or not one.package:
            return
        universe = self._judge.universe
        present = self._packages.get(one.package)
        for cause in one.conflict.causes:
            name = PackageName(cause.by.partition(" ")[0])
            if cause.preinstalled or cause.by == "list" or name in named or name in self._packages:
                continue
            for candidate in self._releases(name)[:_MOST_MIDDLE]:
                if self._judge.out_of_time():
                    return
                declared = self._judge.reach(lambda candidate=candidate: universe.declared(universe.node(candidate)))
                asked = [two.specifiers for two in declared.base if two.name == one.package] if declared else None
                if asked is None:
                    continue
                sets = frozenset({*asked, one.hold})
                fits = present is not None and all(two.contains(present.version) for two in sets)
                if fits or self._judge.reach(lambda sets=sets: bool(universe.applicable(one.package, sets))):
                    yield name, candidate.version
                    break

    def _near(self, one: Explained) -> list[PackageName]:
        """The packages of the clash, from what it is about up to the line."""
        names = [one.package] if one.package else []
        for cause in one.conflict.causes:
            if not cause.preinstalled:
                names += [PackageName(text.partition("==")[0]) for text in reversed(cause.chain)]
        return list(dict.fromkeys(names))

    def _pinned(self, pins: dict[PackageName, str], context: Sequence[Requested]) -> Fix | None:
        if self._judge.out_of_time():
            return None
        edits = tuple(Edit(add=f"{name}=={version}") for name, version in pins.items())
        listed = ", ".join(f"{name} {version}" for name, version in pins.items())
        why = f"{listed} {'satisfies' if len(pins) == 1 else 'satisfy'} everybody; pip does not look for it by itself."
        return self._proved(Fix(FixKind.PIN, edits, why=why), self._judged(apply_edits(context, edits)))

    def _caps(self, one: Explained, context: Sequence[Requested]) -> list[Fix]:
        """The user's line with an upper bound: first below the next minor version, then at the version itself."""
        solution = self._beside.solution([line.dependency for line in context], self._judge)
        if solution is None:
            return []
        capped = {
            line: list(_caps(line.dependency, solution.pins[line.name].version))
            for line in one.lines
            if line.name in solution.pins and not line.dependency.specifiers.is_pinned
        }
        for line, texts in capped.items():
            for text in texts:
                fix = self._replaced(FixKind.CAP, {line: text}, f"{line.name} fits below that bound.", context)
                if fix is not None:
                    return [fix]
        if len(capped) > 1:
            firsts = {line: texts[-1] for line, texts in capped.items()}
            fix = self._replaced(FixKind.CAP, firsts, "These versions fit together.", context)
            return [fix] if fix is not None else []
        return []

    def _replaced(
        self, kind: FixKind, texts: dict[Requested, str], why: str, context: Sequence[Requested]
    ) -> Fix | None:
        if self._judge.out_of_time():
            return None
        edits = tuple(edit for line, text in texts.items() for edit in replacing(line, text))
        return self._proved(Fix(kind, edits, why=why), self._judged(apply_edits(context, edits)))

    def _others(self, one: Explained, context: Sequence[Requested]) -> list[Fix]:
        """Another version of a line, or of several together."""
        ways = [fix for line in one.lines if (fix := self._newest(line, context)) is not None]
        if not ways and len(one.lines) > 1 and not self._judge.out_of_time():
            together = self._loosened(one.lines, context)
            ways = [together] if together is not None else []
        return ways

    def _lower(self, one: Explained, context: Sequence[Requested]) -> list[Fix]:
        """The line without its clauses, then without its extras too, where the image has the package."""
        for line in one.lines:
            present = self._packages.get(line.name)
            if present is None:
                continue
            extras = line.dependency.extras
            for kept in dict.fromkeys((extras, ())):
                bare = Dependency(line.name, kept, specifiers(""))
                if str(bare) == line.text:
                    continue
                lost = f", without what its extra {', '.join(extras)} brings" if extras and not kept else ""
                why = f"The image's own {line.name} {present.version} satisfies that{lost}."
                fix = self._replaced(FixKind.LOWER_DEMAND, {line: str(bare)}, why, context)
                if fix is not None:
                    return [fix]
        return []

    def _deleted(self, one: Explained, context: Sequence[Requested]) -> list[Fix]:
        """Without the line: only where the image satisfies it, or where the user allowed it."""
        for line in one.lines:
            present = self._packages.get(line.name)
            satisfied = (
                present is not None
                and not line.dependency.extras
                and line.dependency.specifiers.contains(present.version)
            )
            if not satisfied and not self._drop:
                continue
            why = (
                f"The image satisfies it with {line.name} {present.version}."
                if satisfied and present is not None
                else f"Without it the image keeps {line.name} {present.version}."
                if present is not None
                else f"{line.name} is then not there at all: run the tasks that need it apart."
            )
            edits = replacing(line, None)
            fix = self._proved(Fix(FixKind.DROP_PIN, edits, why=why), self._judged(apply_edits(context, edits)))
            if fix is not None:
                return [fix]
        return []

    def _fewer_lines(self, line: Requested, context: Sequence[Requested]) -> list[Fix]:
        """Where a package stands in several lines: without one of them, the last ones first."""
        ways: list[Fix] = []
        for gone in reversed(line.lines) if len(line.lines) > 1 else ():
            edits = (Edit(gone.text, None, place(gone.span)),)
            changed = apply_edits(context, edits)
            rest = next((one.text for one in changed if one.name == line.name), None)
            if rest is None or self._judge.out_of_time():
                continue
            why = f"Without it the list asks for {rest}."
            fix = self._proved(Fix(FixKind.EDIT, edits, why=why), self._judged(changed))
            if fix is not None:
                ways.append(fix)
        return ways

    def _newest(self, line: Requested, context: Sequence[Requested]) -> Fix | None:
        """The first release that fits: the newest where the newest are tried one by one, then series by series."""
        tried: set[str] = set()
        newest = True
        for version, one_by_one in self._versions(line, context):
            if version in tried or line.dependency.specifiers.text == f"=={version}":
                continue
            if self._judge.out_of_time():
                break
            tried.add(version)
            pinned = str(Dependency(line.name, line.dependency.extras, specifiers(f"=={version}")))
            present = self._packages.get(line.name)
            newest = newest and one_by_one and self._judge.unreached is None
            why = (
                f"The image holds {line.name} {version}."
                if present is not None and present.version == version
                else f"The newest {line.name} that fits is {version}."
                if newest
                else f"{line.name} {version} fits; of the newer releases none that was tried does."
            )
            edits = replacing(line, pinned)
            judgement = None if self._clashes_alone(pinned) else self._judged(apply_edits(context, edits))
            if judgement is not None or self._known_to_clash([parse_requirement(pinned)[0]]):
                self._tried[line.name] = self._tried.get(line.name, 0) + 1
            fix = self._proved(Fix(FixKind.NEWEST_FIT, edits, why=why), judgement)
            if fix is not None:
                return fix
        return None

    def _versions(self, line: Requested, context: Sequence[Requested]) -> Iterator[tuple[str, bool]]:
        """Versions worth trying, and whether all newer ones came before.

        First what fits beside everything preinstalled and what pip would take, then the newest one by one, then
        the newest of each older minor and major series, unless pip's own search over all releases found none.
        """
        free = Dependency(line.name, line.dependency.extras, specifiers(""))
        listed = [free if one.name == line.name else one.dependency for one in context]
        held = self._beside.solution(listed, self._judge)
        if held is not None and line.name in held.pins:
            yield held.pins[line.name].version, True
        unbound = self._judge.reach(lambda: self._judge.judge(listed))
        for version in _version_in(unbound, line.name):
            yield version, True
        candidates = self._releases(line.name)
        for one in candidates[:_MOST_TRIES]:
            yield one.version, True
        if unbound is not None and not self._legacy and isinstance(unbound.outcome, Impossible):
            self._hopeless.add(line.name)
            return
        older = [one.version for one in candidates[_MOST_TRIES:]]
        for version in newest_of_series(older, _MOST_SERIES):
            yield version, False

    def _releases(self, name: PackageName) -> tuple[Candidate, ...]:
        return self._judge.reach(lambda: tuple(self._judge.universe.applicable(name, frozenset()))) or ()

    def _loosened(self, lines: Sequence[Requested], context: Sequence[Requested]) -> Fix | None:
        named = {line.name for line in lines}
        listed = [
            Dependency(one.name, one.dependency.extras, specifiers("")) if one.name in named else one.dependency
            for one in context
        ]
        judgement = self._judge.reach(lambda: self._judge.judge(listed))
        if judgement is None or not judgement.works:
            return None
        edits: list[Edit] = []
        for line in lines:
            for version in _version_in(judgement, line.name):
                pinned = Dependency(line.name, line.dependency.extras, specifiers(f"=={version}"))
                edits.extend(replacing(line, str(pinned)))
        if not self._works(apply_edits(context, tuple(edits))):
            return None
        return Fix(FixKind.NEWEST_FIT, tuple(edits), verified=True, why="These versions fit together.")

    def _none_fits(self, line: Requested) -> str:
        """That no release was found; where not all were tried, that too."""
        name, apart = line.name, "run the tasks that need it apart"
        if name in self._hopeless:
            return f"No release of {name} fits (pip's search over all of them finds none): {apart}."
        tried, known = self._tried.get(name, 0), len(self._releases(name))
        if known > tried + 1:
            older = ", of older series the newest" if known > _MOST_TRIES else ""
            return (
                f"No release of {name} was found that fits ({tried} of {known} were tried{older}): try another one, "
                f"or {apart}."
            )
        return f"No release of {name} was found that fits: {apart}."

    def _clashes_alone(self, text: str) -> bool:
        """Whether a line has no solution by itself; then no list with it has one, and none is tried again."""
        dependency = parse_requirement(text)[0]
        if self._legacy or self._known_to_clash([dependency]):
            return not self._legacy
        judgement = self._judge.reach(lambda: self._judge.judge([dependency]))
        certain = judgement is not None and isinstance(judgement.outcome, Impossible)
        if certain:
            self._clashing.append(frozenset({str(dependency)}))
        return certain

    def _known_to_clash(self, listed: Sequence[Dependency]) -> bool:
        texts = frozenset(map(str, listed))
        return any(clashing <= texts for clashing in self._clashing)

    def _apart(self, one: Explained, context: Sequence[Requested]) -> list[Fix]:
        """No edit: operators that run what needs the package in an environment of its own."""
        movable = [line for line in one.lines if line.name not in self._packages] or list(one.lines)
        rest = {line: apply_edits(context, replacing(line, None)) for line in movable}
        line = next((line for line in movable if not self._judge.out_of_time() and self._works(rest[line])), None)
        chosen = line or next(iter(movable), None)
        if chosen is None:
            return []
        python = self._judge.universe.target.python_minor
        why = self._none_fits(chosen)
        return [
            Fix(FixKind.OPERATOR, (), verified=line is not None, why=why, snippet=snippet([chosen.text], python))
            for snippet in (virtualenv_snippet, kubernetes_snippet)
        ]

    def _proved(self, fix: Fix, judgement: Judgement | None) -> Fix | None:
        """The fix when the edited list works; kept as unproven when only unknown requirements stand against it."""
        if judgement is None:
            return None
        if judgement.works:
            return fix._replace(verified=True)
        outcome = judgement.outcome
        if judgement.verdict is Verdict.UNKNOWN and isinstance(outcome, Solved) and not judgement.broken:
            unread = ", ".join(f"{node.name} {node.version}" for node in judgement.unread)
            why = f"{fix.why} That removes this clash; what {unread} requires stays unknown, so it is not verified."
            self._unproven.append(fix._replace(why=why))
        return None

    def _works(self, packages: Sequence[Requested]) -> bool:
        judgement = self._judged(packages)
        return judgement is not None and judgement.works

    def _judged(self, packages: Sequence[Requested]) -> Judgement | None:
        if self._known_to_clash([one.dependency for one in packages]):
            return None
        return self._judge.reach(lambda: self._judge.judge([one.dependency for one in packages]))


def _version_in(judgement: Judgement | None, name: PackageName) -> list[str]:
    outcome = judgement.outcome if judgement is not None else None
    if not isinstance(outcome, Solved) or name not in outcome.pins:
        return []
    return [outcome.pins[name].version]


def _caps(dependency: Dependency, version: str) -> Iterator[str]:
    """The requirement with one bound more that keeps a version: the series, then the version alone."""
    clauses = dependency.specifiers.text
    release = (*version_of(version).release, 0)[:2]
    for bound in (f"<{release[0]}.{release[1] + 1}", f"<={version}"):
        text = f"{clauses},{bound}" if clauses else bound
        yield str(Dependency(dependency.name, dependency.extras, specifiers(text)))
