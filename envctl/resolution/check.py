"""The clash check of one list on one image: verdict, causes, ways out, what moves, what is new."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from envctl.diagnostics import Diagnostic, Hint
from envctl.resolution.findings import (
    Acceptance,
    Change,
    Conflict,
    Install,
    Notice,
    Result,
    Verdict,
)
from envctl.resolution.graph import Exactly, IndexNode, Node
from envctl.resolution.image import Basis, ResolverKind
from envctl.resolution.judgement import Judge, Judgement
from envctl.resolution.package_map import package_map
from envctl.resolution.requirements import RequestedList, place, requested
from envctl.resolution.resolver import Limits
from envctl.resolution.solution import Impossible, Solved, TooDeep
from envctl.resolution.specifiers import version_of
from envctl.resolution.universe import IndexUnavailableError, Universe
from envctl.resolution.unneeded import Reach

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from envctl.resolution.catalogue import ImageChoice
    from envctl.resolution.dependency import Dependency
    from envctl.resolution.protocol import Candidate, Listing, PackageSource
    from envctl.resolution.requirements import Requested, RequirementsInput

_MOST_ORDERS = 8
_ABANDONED_YEARS = 6
_MOST_ASSUMPTIONS = 6
_SMALL_ROUNDS = 400
"""Bound on each of the small searches behind explanations and fixes."""
_EXPLAIN_SHARE = 0.4
"""Part of the time bound that explanations may take; the verdict itself gets the rest."""
_FIX_ROUNDS = 1000
_FIX_SHARE = 0.6
"""What the search for ways out may take beyond the time bound, as a part of it."""


class CheckOptions(NamedTuple):
    """How to check.

    Attributes:
        explain: whether to look for causes and ways out (the bare verdict is several times faster).
        drop: whether ways out may delete lines that the image does not satisfy.
        accept: clashes that the user knows and accepts.
        today: the day on which acceptances are judged; None accepts none.
        as_of: the date limit that the source was given, for the report only.
        limits: bounds on the search.
    """

    explain: bool = True
    drop: bool = False
    accept: tuple[Acceptance, ...] = ()
    today: date | None = None
    as_of: date | None = None
    limits: Limits = Limits()


def check_list(
    subject: str, given: RequirementsInput, choice: ImageChoice, source: PackageSource, options: CheckOptions
) -> Result:
    """The answer for one list on one image; never raises for what the index does or says."""
    started = time.perf_counter()
    if choice.image is None:
        notice = Notice("image-not-in-catalogue", choice.note)
        return Result(subject, choice.name, Verdict.UNKNOWN, None, warnings=(notice,), as_of=options.as_of)
    listed = requested(given, choice.image.record.target)
    empty = Result(
        subject,
        choice.name,
        Verdict.INVALID,
        choice.basis,
        choice.image.record,
        options.as_of,
        diagnostics=listed.diagnostics,
        package_map=tuple(package_map(listed.packages).items()),
        warnings=(Notice("image-basis", choice.note),) if choice.note else (),
    )
    if listed.invalid:
        return empty
    universe = Universe(choice.image, source)
    wishes = universe.wishes(one.dependency for one in listed.packages)
    source.prefetch(wishes, universe.target, universe.follow)
    try:
        limits = options.limits._replace(seconds=options.limits.seconds * (1 - _EXPLAIN_SHARE))
        result = _Check(Judge(universe, limits), listed, options).result(empty)
    except IndexUnavailableError as error:
        text = f"The index {error.failure.host} gave no answer: {error.failure.cause}."
        notice = Notice("index-unavailable", text)
        result = empty._replace(
            verdict=Verdict.UNKNOWN,
            index_failure=error.failure,
            warnings=(*empty.warnings, notice),
        )
    return result._replace(seconds=time.perf_counter() - started)


class _Check:
    def __init__(self, judge: Judge, listed: RequestedList, options: CheckOptions) -> None:
        self._judge = judge
        self._universe = judge.universe
        self._image = judge.universe.image
        self._packages = listed.packages
        self._wanted: list[Dependency] = [one.dependency for one in listed.packages]
        self._options = options

    def result(self, empty: Result) -> Result:
        judgement = self._judge.judge(self._wanted)
        unknown = self._unknown_packages()
        if unknown and judgement.verdict is Verdict.CONFLICT:
            return empty._replace(diagnostics=(*empty.diagnostics, *unknown))
        notices = [*empty.warnings, *self._notices(judgement)]
        if self._image.record.reconstructed and judgement.verdict is not Verdict.UNKNOWN:
            from envctl.resolution.doubtful import dissent, hinges

            found = dissent(self._judge, self._wanted, judgement)
            if found is not None:
                notices.append(hinges(empty.image, judgement, self._judge, found))
                return empty._replace(verdict=Verdict.UNKNOWN, warnings=tuple(notices))
        verdict = judgement.verdict
        conflicts: tuple[Conflict, ...] = ()
        fix = None
        order_matters = False
        if judgement.fails and self._options.explain:
            from envctl.resolution.explain import explain
            from envctl.resolution.fixes import FixFinder

            limits = self._options.limits
            judge = self._judge.bounded(_SMALL_ROUNDS, limits.clock() + limits.seconds * _EXPLAIN_SHARE)
            explained = explain(judge, self._packages)
            # ways out have a bound of their own: a slow explanation must not end in a worse edit
            judge = judge.bounded(_FIX_ROUNDS, limits.clock() + limits.seconds * _FIX_SHARE)
            finder = FixFinder(judge, self._packages, drop=self._options.drop)
            conflicts = tuple(self._accepted(one) for one in finder.conflicts(explained))
            fix = finder.whole(conflicts)
            if any(one.certain for one in explained):
                # a part of the list has no solution, so the whole has none, however long pip would look for it
                verdict = Verdict.CONFLICT
            if conflicts and all(one.accepted for one in conflicts):
                verdict = Verdict.OVERRIDE
            if finder.untried:
                text = f"Out of time: not tried were {'; '.join(finder.untried)}."
                notices.append(Notice("fixes-incomplete", text))
            if judge.unreached is not None:
                text = (
                    f"The clash is certain, but not every way out could be tried: the index {judge.unreached.host} "
                    f"gave no answer: {judge.unreached.cause}."
                )
                notices.append(Notice("fixes-incomplete", text))
        if self._image.record.resolver is ResolverKind.LEGACY and len(self._wanted) > 1:
            other = self._other_order(judgement)
            if other is not None:
                order_matters = True
                notices.append(other)
        if verdict.value in ("ok", "override"):
            verdict = self._limited(verdict, empty.basis, notices)
        return empty._replace(
            verdict=verdict,
            conflicts=conflicts,
            fix=fix,
            order_matters=order_matters,
            changes=self._changes(judgement) if judgement.verdict is not Verdict.CONFLICT else (),
            installs=tuple(Install(node.name, node.version) for node in judgement.added)
            if judgement.verdict is not Verdict.CONFLICT
            else (),
            unneeded=self._unneeded(judgement) if judgement.works else (),
            warnings=tuple(notices),
        )

    def _limited(self, verdict: Verdict, basis: Basis | None, notices: list[Notice]) -> Verdict:
        """A good verdict needs the whole list of the image, with the requirements of every package."""
        if basis is Basis.PARTIAL:
            notices.append(
                Notice(
                    "image-partial",
                    "Nothing known of the image stands against the list; what is shown as new may be there already.",
                )
            )
            return Verdict.UNKNOWN
        return verdict

    def _notices(self, judgement: Judgement) -> list[Notice]:
        notices: list[Notice] = []
        outcome = judgement.outcome
        for node in judgement.unread:
            reason = self._universe.unreadable[node].reason
            text = f"What {node.name} {node.version} requires cannot be known without building it: {reason}."
            notices.append(Notice("requirements-unknown", text))
        notices.extend(self._assumptions(judgement))
        broken = [one for one in self._universe.unreadable.values() if one.invalid]
        notices.extend(
            Notice(
                "file-broken",
                f"{one.candidate.filename or one.candidate.name} cannot be used, and pip would refuse it too: {one.reason}.",
            )
            for one in broken[:_MOST_ASSUMPTIONS]
        )
        if isinstance(outcome, TooDeep):
            names = ", ".join(
                f"{name} (given up {count} {'times' if count > 1 else 'time'})" for name, count in outcome.tried[:4]
            )
            text = (
                f"No answer after {outcome.rounds} rounds in {outcome.seconds:.1f} s; a build would likely time "
                f"out. Pin what was tried most: {names or 'more packages of the list'}."
            )
            notices.append(Notice("timeout-risk", text))
        if self._options.as_of is not None:
            notices.extend(
                Notice("as-of-not-honoured", f"The index does not say when files of {name} were uploaded.")
                for name in sorted(self._universe.late_dates)
            )
        notices.extend(self._abandoned())
        if isinstance(outcome, Solved):
            notices.extend(
                Notice("yanked", f"{node.name} {node.version} was yanked by its authors.")
                for node in outcome.installs
                if node.candidate.yanked
            )
        return notices

    def _assumptions(self, judgement: Judgement) -> list[Notice]:
        """For packages of the answer that a build could give other requirements: what was believed."""
        outcome, assumed = judgement.outcome, self._universe.assumed
        taking_part: Iterable[Node] = outcome.installs if isinstance(outcome, Solved) else ()
        if isinstance(outcome, Impossible):
            chains = (outcome.links.chain(edge.parent) for edge in outcome.causes)
            taking_part = dict.fromkeys(node for chain in chains for node in chain)
        found = [
            Notice(
                "requirements-assumed",
                f"{node.name} {node.version} is an sdist: its requirements are taken from {assumed[node]}. "
                "A build may compute others; `--certify` lets pip build it and decide.",
            )
            for node in taking_part
            if isinstance(node, IndexNode) and node in assumed
        ]
        return found[:_MOST_ASSUMPTIONS]

    def _abandoned(self) -> list[Notice]:
        """Packages of the list whose last release is years old, as far as the index was asked about them."""
        today = self._options.today
        found: list[Notice] = []
        for one in self._packages if today is not None else ():
            listing = self._universe.known_listing(one.name)
            last = _last_of(listing, today.year - _ABANDONED_YEARS) if listing and today else None
            if last is not None and last.upload_time:
                day = last.upload_time[:10]
                text = f"The last release of {one.name}, {last.version}, is of {day}: it looks abandoned."
                found.append(Notice("package-abandoned", text, one.source))
        return found

    def _unknown_packages(self) -> list[Diagnostic]:
        """Diagnostics for packages of the list that no index knows, with names of the image that are near."""
        found: list[Diagnostic] = []
        for one in self._packages:
            if one.name not in self._universe.unknown:
                continue
            import difflib

            near = difflib.get_close_matches(one.name, self._image.packages, n=3, cutoff=0.75)
            hints = tuple(Hint(f"did you mean `{name}`?", replacement=name) for name in near)
            text = f"No index knows a package named `{one.name}`."
            found.append(Diagnostic("package-unknown", "A package does not exist", text, one.span, hints))
        return found

    def _accepted(self, conflict: Conflict) -> Conflict:
        today = self._options.today
        named = {conflict.package, *(line.partition("=")[0] for line in conflict.lines)}
        for one in self._options.accept:
            if today is not None and one.until >= today and one.package in named:
                return conflict._replace(accepted=one)
        return conflict

    def _other_order(self, judgement: Judgement) -> Notice | None:
        """Another order of the list that gives another verdict: the legacy resolver lets the first one win."""
        orders = [list(reversed(self._wanted))]
        orders.extend([one, *(two for two in self._wanted if two is not one)] for one in self._wanted[1:_MOST_ORDERS])
        for order in orders:
            other = self._judge.reach(lambda order=order: self._judge.judge(order))
            if other is not None and other.works != judgement.works:
                text = (
                    "The verdict depends on the order of the list: this image's pip lets the first requirement "
                    f"win. With {order[0]} first it is `{other.verdict}`."
                )
                return Notice("order-matters", text)
        return None

    def _changes(self, judgement: Judgement) -> tuple[Change, ...]:
        outcome = judgement.outcome
        if not isinstance(outcome, Solved):
            return ()
        changes: list[Change] = []
        for node in judgement.moved:
            before = self._image.packages[node.name].version
            because: dict[str, None] = {}
            for edge in outcome.asking(node.name):
                requirement = edge.requirement
                if isinstance(requirement, Exactly) or requirement.specifiers.contains(before):
                    continue
                because[f"{edge.parent.name}=={edge.parent.version}" if edge.parent else str(requirement)] = None
            changes.append(Change(node.name, before, node.version, tuple(because)))
        return tuple(sorted(changes, key=lambda one: one.name))

    def _unneeded(self, judgement: Judgement) -> tuple[str, ...]:
        """Lines without which exactly the same would be installed."""
        found: list[str] = []
        reach = Reach(judgement.outcome) if isinstance(judgement.outcome, Solved) else None
        for one in self._packages:
            present = self._image.packages.get(one.name)
            if present is None or one.dependency.extras:
                continue
            if not one.dependency.specifiers or not one.dependency.specifiers.contains(present.version):
                continue
            if reach is not None and reach.changes_nothing(one.name):
                found.append(_placed(one))
                continue
            rest = [two for two in self._wanted if two.name != one.name]
            without = self._judge.reach(lambda rest=rest: self._judge.judge(rest))
            if without is not None and without.works and _installed(without) == _installed(judgement):
                found.append(_placed(one))
        return tuple(found)


def _last_of(listing: Listing, year: int) -> Candidate | None:
    """What was uploaded last when that was not after a year; None where a release is younger or may be.

    The highest version is not it: a pre-release of a major version that never came may stand above years of releases.
    """
    last: Candidate | None = None
    for one in listing.candidates:
        if not one.upload_time or int(one.upload_time[:4]) > year:
            return None
        if last is None or one.upload_time > (last.upload_time or ""):
            last = one
    newer = next(iter(listing.excluded), None)
    if last is not None and newer is not None and version_of(newer.version) > version_of(last.version):
        return None  # a release that this image cannot use tells no time, and it may be young
    return last


def _placed(one: Requested) -> str:
    return f"{one.text} ({place(one.span)})" if one.span else one.text


def _installed(judgement: Judgement) -> set[tuple[str, str]]:
    return {(node.name, node.version) for node in (*judgement.moved, *judgement.added)}
