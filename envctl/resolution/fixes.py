"""Ways out of a clash. Every edit that is offered has been solved with; what could not be is not offered.

The one exception is said: where a package of the list tells its requirements only when it is built, no list with
it can be proved to work. The first edit that removes the clash is then offered, marked as not verified.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envctl.resolution.dependency import Dependency
from envctl.resolution.findings import Conflict, Edit, Fix, FixKind, Verdict
from envctl.resolution.image import ResolverKind
from envctl.resolution.requirements import Requested, merge, place
from envctl.resolution.series import newest_of_series
from envctl.resolution.snippets import kubernetes_snippet, virtualenv_snippet
from envctl.resolution.solution import Impossible, Solved
from envctl.resolution.specifiers import specifiers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envctl.resolution.explain import Explained
    from envctl.resolution.judgement import Judge, Judgement
    from envctl.resolution.protocol import Candidate, PackageName

_MOST_TRIES = 12
_MOST_SERIES = 24
"""Older minor and major series of which the newest release is tried."""


class FixFinder:
    """Looks for ways out of the clashes of one list."""

    def __init__(self, judge: Judge, packages: Sequence[Requested]) -> None:
        self._judge = judge
        self._all = list(packages)
        self._packages = judge.universe.image.packages
        self._legacy = judge.universe.image.record.resolver is ResolverKind.LEGACY
        self._unproven: list[Fix] = []
        self._tried: dict[PackageName, int] = {}
        self._hopeless: set[PackageName] = set()

    def conflicts(self, explained: Sequence[Explained]) -> tuple[Conflict, ...]:
        """The clashes with their ways out, each verified on the list without the lines of the other clashes."""
        contexts = [self._context(one, explained) for one in explained]
        # what the image already satisfies is found at once: for every clash before anything that searches
        quick: list[tuple[list[Fix], list[Fix]]] = []
        for one, context in zip(explained, contexts, strict=True):
            self._unproven = []
            quick.append((self._dropped(one, context), self._unproven))
        found: list[Conflict] = []
        for one, context, (ways, unproven) in zip(explained, contexts, quick, strict=True):
            self._unproven = unproven
            fixes = ways if ways and len(one.lines) == 1 else [*ways, *self._searched(one, context)]
            if not any(fix.edit for fix in fixes):
                fixes = [*self._unproven[:1], *self._last_resorts(one, context)]
            found.append(one.conflict._replace(fixes=tuple(dict.fromkeys(fixes))))
        return tuple(found)

    def _context(self, one: Explained, explained: Sequence[Explained]) -> list[Requested]:
        others = {line.name for other in explained if other is not one for line in other.lines}
        return [package for package in self._all if package.name not in others]

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

    def _dropped(self, one: Explained, context: Sequence[Requested]) -> list[Fix]:
        ways: list[Fix] = []
        for line in one.lines:
            fewer = self._fewer_lines(line, context)
            if fewer:
                ways.extend(fewer)
                continue
            present = self._packages.get(line.name)
            if present is not None and not line.dependency.specifiers.contains(present.version):
                drop = self._drop_pin(line, present.version, context)
                if drop is not None:
                    ways.append(drop)
        return ways

    def _searched(self, one: Explained, context: Sequence[Requested]) -> list[Fix]:
        ways: list[Fix] = []
        pin = None if self._judge.out_of_time() else self._pin(one, context)
        if pin is not None:
            ways.append(pin)
        for line in one.lines:
            if self._judge.out_of_time():
                break
            newest = self._newest(line, context)
            if newest is not None:
                ways.append(newest)
        if not ways and len(one.lines) > 1 and not self._judge.out_of_time():
            together = self._loosened(one.lines, context)
            if together is not None:
                ways.append(together)
        return ways

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

    def _drop_pin(self, line: Requested, version: str, context: Sequence[Requested]) -> Fix | None:
        bare = Dependency(line.name, line.dependency.extras, specifiers("")) if line.dependency.extras else None
        edits = _edits(line, None if bare is None else str(bare))
        why = f"Without {'the pin' if bare else 'it'} the image keeps {line.name} {version}."
        return self._proved(Fix(FixKind.DROP_PIN, edits, why=why), self._judged(apply_edits(context, edits)))

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
            newest = newest and one_by_one and self._judge.unreached is None
            why = (
                f"The newest {line.name} that fits is {version}."
                if newest
                else f"{line.name} {version} fits; of the newer releases none that was tried does."
            )
            edits = _edits(line, pinned)
            judgement = self._judged(apply_edits(context, edits))
            if judgement is not None:
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
        if not self._legacy:
            named = {one.name for one in context}
            pins = {name: specifiers(f"=={one.version}") for name, one in self._packages.items() if name not in named}
            held = self._judge.reach(lambda: self._judge.judge_within(listed, pins))
            for version in _version_in(held, line.name):
                yield version, True
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

    def _pin(self, one: Explained, context: Sequence[Requested]) -> Fix | None:
        """A pin to add where a version satisfies everybody and pip would not look for it by itself."""
        if one.demand is None or one.hold is None or not one.package:
            return None
        if any(line.name == one.package for line in one.lines):
            return None
        package, clauses = one.package, frozenset({one.demand, one.hold})
        found = self._judge.reach(lambda: self._judge.universe.applicable(package, clauses).first(3))
        for candidate in found or ():
            edits = (Edit(add=f"{one.package}=={candidate.version}"),)
            if self._works(apply_edits(context, edits)):
                why = f"{one.package} {candidate.version} satisfies everybody; pip does not look for it by itself."
                return Fix(FixKind.PIN, edits, verified=True, why=why)
        return None

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
                edits.extend(_edits(line, str(pinned)))
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

    def _last_resorts(self, one: Explained, context: Sequence[Requested]) -> list[Fix]:
        fixes: list[Fix] = []
        movable = [line for line in one.lines if line.name not in self._packages] or list(one.lines)
        for line in movable:
            edits = _edits(line, None)
            if self._works(apply_edits(context, edits)):
                present = self._packages.get(line.name)
                if present is not None:
                    extras = ", ".join(line.dependency.extras)
                    without = f", without what its extra {extras} brings" if extras else ""
                    why = (
                        f"The image holds {line.name} {present.version}{without}; no other version was found that fits."
                    )
                    fixes.append(Fix(FixKind.DROP_PIN, edits, verified=True, why=why))
                    break
                python = self._judge.universe.target.python_minor
                why = self._none_fits(line)
                snippet = virtualenv_snippet([line.text], python)
                fixes.append(Fix(FixKind.OPERATOR, edits, verified=True, why=why, snippet=snippet))
                pod = kubernetes_snippet([line.text], python)
                fixes.append(Fix(FixKind.OPERATOR, edits, verified=True, why=why, snippet=pod))
                break
        return fixes

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
        return self._judge.reach(lambda: self._judge.judge([one.dependency for one in packages]))


def apply_edits(packages: Sequence[Requested], edits: Sequence[Edit]) -> list[Requested]:
    """The list after the edits; an edit that replaces a line keeps its place."""
    from envctl.resolution.dependency import parse_requirement

    changed: list[Requested] = []
    removed = {edit.remove for edit in edits if edit.remove is not None}
    gone = {(edit.remove, edit.source) for edit in edits}
    added = [edit for edit in edits if edit.add is not None]
    used: set[Edit] = set()
    for one in packages:
        texts = {line.text for line in one.lines} | {one.text}
        if not texts & removed:
            changed.append(one)
            continue
        replaced = False
        for edit in added:
            if edit.remove in texts and edit.add is not None:
                used.add(edit)
                replaced = True
                changed.append(Requested(parse_requirement(edit.add)[0], one.lines))
        kept = tuple(line for line in one.lines if (line.text, place(line.span)) not in gone)
        if kept and not replaced:
            whole = merge(line.dependency for line in (*kept, *one.constraints))
            changed.append(Requested(whole, kept, one.constraints))
    changed.extend(
        Requested(parse_requirement(edit.add)[0], ()) for edit in added if edit not in used and edit.add is not None
    )
    return changed


def _edits(line: Requested, add: str | None) -> tuple[Edit, ...]:
    """Every line of the package goes; the first makes place for the new one."""
    if not line.lines:
        return (Edit(line.text, add, line.source),)
    first, *others = line.lines
    return (
        Edit(first.text, add, place(first.span)),
        *(Edit(one.text, None, place(one.span)) for one in others),
    )


def _version_in(judgement: Judgement | None, name: PackageName) -> list[str]:
    outcome = judgement.outcome if judgement is not None else None
    if not isinstance(outcome, Solved) or name not in outcome.pins:
        return []
    return [outcome.pins[name].version]
