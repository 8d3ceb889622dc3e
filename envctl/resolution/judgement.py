"""The bare verdict on a list: solve, look over the whole result, name it. Explanations come later."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from envctl.resolution.consistency import Broken, Dependents, find_broken
from envctl.resolution.findings import Verdict
from envctl.resolution.image import ResolverKind
from envctl.resolution.resolver import Limits, resolve
from envctl.resolution.solution import Impossible, Outcome, Solved, TooDeep
from envctl.resolution.universe import IndexUnavailableError, Universe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from envctl.resolution.dependency import Dependency
    from envctl.resolution.graph import IndexNode
    from envctl.resolution.protocol import IndexFailure, PackageName
    from envctl.resolution.specifiers import Specifiers

T = TypeVar("T")


class Judgement(NamedTuple):
    """A verdict with what it rests on.

    `unread` are packages of the solution whose requirements nobody can know without building them: a verdict
    that would be good is `unknown` then.
    """

    verdict: Verdict
    outcome: Outcome
    broken: tuple[Broken, ...] = ()
    moved: tuple[IndexNode, ...] = ()
    added: tuple[IndexNode, ...] = ()
    unread: tuple[IndexNode, ...] = ()

    @property
    def works(self) -> bool:
        """Whether the build would succeed."""
        return self.verdict in (Verdict.OK, Verdict.OVERRIDE)

    @property
    def fails(self) -> bool:
        """Whether the build would fail, or search for longer than it is given."""
        return self.verdict in (Verdict.CONFLICT, Verdict.TIMEOUT_RISK)


class Judge:
    """Judges lists for one image against one index, within one bound of time; remembers what it judged.

    Attributes:
        unreached: the last failure of the index in `reach`.
    """

    def __init__(
        self,
        universe: Universe,
        limits: Limits | None = None,
        *,
        deadline: float | None = None,
        dependents: Dependents | None = None,
        known: dict[tuple[str, ...], Judgement] | None = None,
    ) -> None:
        self.universe = universe
        self.limits = limits or Limits()
        self.deadline = self.limits.clock() + self.limits.seconds if deadline is None else deadline
        self._dependents = dependents
        self._known: dict[tuple[str, ...], Judgement] = known if known is not None else {}
        self._without_unread: Judge | None = None
        self.unreached: IndexFailure | None = None

    @property
    def dependents(self) -> Dependents:
        """Who of the image requires what."""
        if self._dependents is None:
            self._dependents = Dependents(self.universe.image)
        return self._dependents

    def judge(self, wanted: Sequence[Dependency]) -> Judgement:
        """The verdict on a list.

        Raises:
            IndexUnavailableError: the index gave no answer to a question that the verdict depends on.
        """
        key = tuple(str(one) for one in wanted)
        known = self._known.get(key)
        if known is None:
            known = self._judged(self._solve(wanted))
            if known.verdict is Verdict.CONFLICT and known.unread and self._careful().judge(wanted).works:
                # it fails with requirements that nobody knows taken as none, and works without those candidates
                known = known._replace(verdict=Verdict.UNKNOWN)
            self._known[key] = known
        return known

    def _careful(self) -> Judge:
        if self._without_unread is None:
            universe = Universe(self.universe.image, self.universe.source, skip_unread=True)
            self._without_unread = Judge(universe, self.limits, deadline=self.deadline, dependents=self.dependents)
        return self._without_unread

    def judge_within(self, wanted: Sequence[Dependency], constraints: Mapping[PackageName, Specifiers]) -> Judgement:
        """The verdict on a list under constraints: what a search for ways out asks, strict resolver only."""
        outcome = resolve(self.universe, wanted, constraints=constraints, limits=self.limits, deadline=self.deadline)
        return self._judged(outcome)

    def bounded(self, rounds: int, deadline: float) -> Judge:
        """A judge of the same image and index with tighter bounds: for the many small questions of explanations."""
        return Judge(
            self.universe,
            self.limits._replace(rounds=rounds),
            deadline=deadline,
            dependents=self.dependents,
            known={key: one for key, one in self._known.items() if not isinstance(one.outcome, TooDeep)},
        )

    def reach(self, ask: Callable[[], T]) -> T | None:
        """The answer; None where the index gives none.

        For questions that no verdict depends on: a way out less, a cause less, but what is known stands.
        """
        try:
            return ask()
        except IndexUnavailableError as error:
            self.unreached = error.failure
            return None

    def out_of_time(self) -> bool:
        """Whether the bound on time is used up."""
        return self.limits.clock() >= self.deadline

    def _solve(self, wanted: Sequence[Dependency]) -> Outcome:
        if self.universe.image.record.resolver is ResolverKind.LEGACY:
            from envctl.resolution.legacy import resolve_legacy

            return resolve_legacy(self.universe, wanted)
        return resolve(self.universe, wanted, limits=self.limits, deadline=self.deadline)

    def _judged(self, outcome: Outcome) -> Judgement:
        if isinstance(outcome, TooDeep):
            return Judgement(Verdict.TIMEOUT_RISK, outcome)
        if isinstance(outcome, Impossible):
            return Judgement(Verdict.CONFLICT, outcome)
        return self._of_solution(outcome)

    def _of_solution(self, outcome: Solved) -> Judgement:
        broken = find_broken(self.universe, self.dependents, outcome.installs) if outcome.installs else ()
        packages = self.universe.image.packages
        moved = tuple(node for node in outcome.installs if node.name in packages)
        added = tuple(node for node in outcome.installs if node.name not in packages)
        unread = tuple(node for node in outcome.installs if node in self.universe.unreadable)
        if broken:
            verdict = Verdict.CONFLICT
        elif unread:
            verdict = Verdict.UNKNOWN
        else:
            verdict = Verdict.OVERRIDE if moved else Verdict.OK
        return Judgement(verdict, outcome, broken, moved, added, unread)
