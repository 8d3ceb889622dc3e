"""Ways out of a clash. Every edit that is offered has been solved with; what could not be is not offered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envctl.resolution.dependency import Dependency
from envctl.resolution.findings import Conflict, Edit, Fix, FixKind
from envctl.resolution.image import ResolverKind
from envctl.resolution.requirements import Requested
from envctl.resolution.snippets import kubernetes_snippet, virtualenv_snippet
from envctl.resolution.solution import Solved
from envctl.resolution.specifiers import specifiers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envctl.resolution.explain import Explained
    from envctl.resolution.judgement import Judge
    from envctl.resolution.protocol import PackageName

_MOST_TRIES = 12


class FixFinder:
    """Looks for ways out of the clashes of one list."""

    def __init__(self, judge: Judge, packages: Sequence[Requested]) -> None:
        self._judge = judge
        self._all = list(packages)
        self._packages = judge.universe.image.packages
        self._legacy = judge.universe.image.record.resolver is ResolverKind.LEGACY

    def conflicts(self, explained: Sequence[Explained]) -> tuple[Conflict, ...]:
        """The clashes with their ways out, each verified on the list without the lines of the other clashes."""
        contexts = [self._context(one, explained) for one in explained]
        # what the image already satisfies is found at once: for every clash before anything that searches
        quick = [self._dropped(one, context) for one, context in zip(explained, contexts, strict=True)]
        found: list[Conflict] = []
        for one, context, ways in zip(explained, contexts, quick, strict=True):
            fixes = ways if ways and len(one.lines) == 1 else [*ways, *self._searched(one, context)]
            if not any(fix.edit for fix in fixes):
                fixes = self._last_resorts(one, context)
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

    def _drop_pin(self, line: Requested, version: str, context: Sequence[Requested]) -> Fix | None:
        bare = Dependency(line.name, line.dependency.extras, specifiers("")) if line.dependency.extras else None
        edits = _edits(line, None if bare is None else str(bare))
        if not self._works(apply_edits(context, edits)):
            return None
        why = f"Without {'the pin' if bare else 'it'} the image keeps {line.name} {version}."
        return Fix(FixKind.DROP_PIN, edits, verified=True, why=why)

    def _newest(self, line: Requested, context: Sequence[Requested]) -> Fix | None:
        free = Dependency(line.name, line.dependency.extras, specifiers(""))
        tried: list[str] = []
        for version in self._versions(free, line, context):
            if version in tried or line.dependency.specifiers.text == f"=={version}":
                continue
            tried.append(version)
            pinned = str(Dependency(line.name, line.dependency.extras, specifiers(f"=={version}")))
            edits = _edits(line, pinned)
            if self._works(apply_edits(context, edits)):
                return Fix(
                    FixKind.NEWEST_FIT, edits, verified=True, why=f"The newest {line.name} that fits is {version}."
                )
        return None

    def _versions(self, free: Dependency, line: Requested, context: Sequence[Requested]) -> list[str]:
        """Versions worth trying: what fits beside everything preinstalled, what pip would take, then the newest."""
        listed = [free if one.name == line.name else one.dependency for one in context]
        found: list[str] = []
        if not self._legacy:
            named = {one.name for one in context}
            pins = {name: specifiers(f"=={one.version}") for name, one in self._packages.items() if name not in named}
            held = self._judge.judge_within(listed, pins)
            found.extend(_version_in(held.outcome, line.name))
        found.extend(_version_in(self._judge.judge(listed).outcome, line.name))
        candidates = self._judge.universe.applicable(line.name, frozenset())
        found.extend(one.version for one in candidates.first(_MOST_TRIES))
        return found

    def _pin(self, one: Explained, context: Sequence[Requested]) -> Fix | None:
        """A pin to add where a version satisfies everybody and pip would not look for it by itself."""
        if one.demand is None or one.hold is None or not one.package:
            return None
        if any(line.name == one.package for line in one.lines):
            return None
        candidates = self._judge.universe.applicable(one.package, frozenset({one.demand, one.hold}))
        for candidate in candidates.first(3):
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
        judgement = self._judge.judge(listed)
        if not judgement.works or not isinstance(judgement.outcome, Solved):
            return None
        edits: list[Edit] = []
        for line in lines:
            for version in _version_in(judgement.outcome, line.name):
                pinned = Dependency(line.name, line.dependency.extras, specifiers(f"=={version}"))
                edits.extend(_edits(line, str(pinned)))
        if not self._works(apply_edits(context, tuple(edits))):
            return None
        return Fix(FixKind.NEWEST_FIT, tuple(edits), verified=True, why="These versions fit together.")

    def _none_fits(self, line: Requested) -> str:
        """That no release was found; where not all were tried, that too."""
        tried = self._judge.universe.applicable(line.name, frozenset()).first(_MOST_TRIES + 1)
        if len(tuple(tried)) > _MOST_TRIES:
            return (
                f"No release of {line.name} was found that fits (the {_MOST_TRIES} newest were tried one by one): "
                "try an older one, or run the tasks that need it apart."
            )
        return f"No release of {line.name} was found that fits: run the tasks that need it apart."

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

    def _works(self, packages: Sequence[Requested]) -> bool:
        return self._judge.judge([one.dependency for one in packages]).works


def apply_edits(packages: Sequence[Requested], edits: Sequence[Edit]) -> list[Requested]:
    """The list after the edits; an edit that replaces a line keeps its place."""
    from envctl.resolution.dependency import parse_requirement

    changed: list[Requested] = []
    removed = {edit.remove for edit in edits if edit.remove is not None}
    added = [edit for edit in edits if edit.add is not None]
    used: set[Edit] = set()
    for one in packages:
        texts = {line.text for line in one.lines} | {one.text}
        if not texts & removed:
            changed.append(one)
            continue
        for edit in added:
            if edit.remove in texts and edit.add is not None:
                used.add(edit)
                changed.append(Requested(parse_requirement(edit.add)[0], one.lines))
    changed.extend(
        Requested(parse_requirement(edit.add)[0], ()) for edit in added if edit not in used and edit.add is not None
    )
    return changed


def _edits(line: Requested, add: str | None) -> tuple[Edit, ...]:
    """Every line of the package goes; the first makes place for the new one."""
    if not line.lines:
        return (Edit(line.text, add, line.source),)
    first, *others = line.lines
    from envctl.resolution.requirements import place

    return (
        Edit(first.text, add, place(first.span)),
        *(Edit(one.text, None, place(one.span)) for one in others),
    )


def _version_in(outcome: object, name: PackageName) -> list[str]:
    if not isinstance(outcome, Solved) or name not in outcome.pins:
        return []
    return [outcome.pins[name].version]
