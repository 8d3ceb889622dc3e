"""The search: the loop of the resolvelib release that the images' pips carry.

pip 21.2 to 25.0 vendor resolvelib 1.0.1 and older. Its backjumping differs from that of today's resolvelib: it
leaves every state whose dependencies do not touch the conflict, also where that skips a solution, and pip then
says that there is none. A verdict must be that pip's verdict, so the loop is written here, step for step, with
two additions that change no result: satisfied nodes are remembered instead of being checked anew each round,
and so are preferences. Source: pypa/pip 23.2.1, `src/pip/_vendor/resolvelib/resolvers.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envctl.resolution.graph import Node, Requirement


class OutOfTime(Protocol):
    """Whether the search must end now."""

    def __call__(self) -> bool:
        """True to end the search."""
        ...


Information = tuple["Requirement", "Node | None"]

Matches = Iterable["Node"]
"""Candidates of one node, best first; an object that is false when there is none, cheap to ask."""


class Criterion:
    """Everything known about one node: who asks what of it, what is left, what was ruled out.

    `loosened` says that a requirement was taken back and `matches` are still those from before. `preference` is
    the sort key among open nodes, remembered for the stretch of the search between two conflicts (`epoch`).
    """

    __slots__ = ("epoch", "incompatibilities", "information", "loosened", "matches", "preference")

    def __init__(
        self,
        matches: Matches,
        information: list[Information],
        incompatibilities: list[Node],
        *,
        loosened: bool = False,
    ) -> None:
        self.matches = matches
        self.information = information
        self.incompatibilities = incompatibilities
        self.loosened = loosened
        self.epoch = -1
        self.preference: tuple[Any, ...] = ()


class Provider(Protocol):
    """What the search asks about packages."""

    def find_matches(
        self,
        identifier: str,
        criteria: dict[str, Criterion],
        added: Requirement | None,
        incompatibilities: Sequence[Node],
    ) -> Matches:
        """The candidates of a node under everything asked of it so far, plus `added`."""
        ...

    def dependencies(self, node: Node) -> Sequence[Requirement]:
        """What a candidate asks for; the same objects when asked again."""
        ...

    def preference(self, identifier: str, information: Sequence[Information]) -> tuple[object, ...]:
        """The sort key of a node among those to decide next, without the share of the last conflict."""
        ...


class ImpossibleError(Exception):
    """No solution, as far as this search looks; `causes` are the requirements of the last conflict."""

    def __init__(self, causes: list[Information]) -> None:
        super().__init__()
        self.causes = causes


class TooDeepError(Exception):
    """The bound on rounds or on time was reached."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self.rounds = rounds


class State:
    """One level of the search."""

    __slots__ = ("causes", "criteria", "open", "pins")

    def __init__(
        self,
        pins: dict[str, Node],
        criteria: dict[str, Criterion],
        open_: dict[str, None],
        causes: frozenset[str] = frozenset(),
    ) -> None:
        self.pins = pins
        self.criteria = criteria
        self.open = open_
        self.causes = causes


class Watch:
    """What happened during a search.

    Attributes:
        rounds: decisions taken.
        rejected: how many candidates of each package were tried and given up.
        first_parent: for each candidate that was tried the requirement and parent that first led to it.
    """

    __slots__ = ("first_parent", "rejected", "rounds")

    def __init__(self) -> None:
        self.rounds = 0
        self.rejected: dict[str, int] = {}
        self.first_parent: dict[Node, Information] = {}


class _ConflictError(Exception):
    def __init__(self, criterion: Criterion) -> None:
        super().__init__()
        self.criterion = criterion


class Search:
    """One search; `run` may be called once."""

    def __init__(self, provider: Provider, out_of_time: OutOfTime) -> None:
        """A search; `out_of_time` is asked once per round and ends it with `TooDeepError`."""
        self._provider = provider
        self._out_of_time = out_of_time
        self._states: list[State] = []
        self._epoch = 0
        self.watch = Watch()

    def run(self, requirements: Iterable[Requirement], max_rounds: int) -> State:
        """The final state.

        Raises:
            ImpossibleError: nothing fits.
            TooDeepError: a bound was reached.
        """
        root = State({}, {}, {})
        self._states = [root]
        for requirement in requirements:
            try:
                self._add(root.criteria, requirement, None)
            except _ConflictError as error:
                raise ImpossibleError(error.criterion.information) from error
        root.open = dict.fromkeys(root.criteria)
        self._push()
        for _ in range(max_rounds):
            state = self._states[-1]
            if not state.open:
                return state
            if self._out_of_time():
                break
            self.watch.rounds += 1
            name = self._most_preferred(state)
            conflicts = self._pin(name)
            if conflicts:
                causes = [one for criterion in conflicts for one in criterion.information]
                self._backjump(causes)
                self._epoch += 1
                self._states[-1].causes = _names(causes)
            else:
                self._push()
        raise TooDeepError(self.watch.rounds)

    def _push(self) -> None:
        base = self._states[-1]
        self._states.append(State(base.pins.copy(), base.criteria.copy(), base.open.copy(), base.causes))

    def _most_preferred(self, state: State) -> str:
        """The open node to decide next; the parts of a preference that rounds do not change are remembered."""
        criteria, causes, epoch = state.criteria, state.causes, self._epoch
        best, best_key = "", None
        for name in state.open:
            criterion = criteria[name]
            key = criterion.preference
            if criterion.epoch != epoch:
                first, *rest = self._provider.preference(name, criterion.information)
                # the causes of the last conflict stay the same within an epoch
                key = criterion.preference = (first, name not in causes, *rest)
                criterion.epoch = epoch
            if best_key is None or key < best_key:
                best, best_key = name, key
        return best

    def _add(self, criteria: dict[str, Criterion], requirement: Requirement, parent: Node | None) -> None:
        identifier = requirement.identifier
        criterion = criteria.get(identifier)
        incompatibilities = criterion.incompatibilities if criterion else []
        matches = self._provider.find_matches(identifier, criteria, requirement, incompatibilities)
        information = [*criterion.information, (requirement, parent)] if criterion else [(requirement, parent)]
        criterion = Criterion(matches, information, incompatibilities)
        if not matches:
            raise _ConflictError(criterion)
        criteria[identifier] = criterion

    def _pin(self, name: str) -> list[Criterion]:
        state = self._states[-1]
        criterion = state.criteria[name]
        conflicts: list[Criterion] = []
        for node in criterion.matches:
            if criterion.information:
                self.watch.first_parent.setdefault(node, criterion.information[0])
            changed: dict[str, Criterion] = {}
            criteria = state.criteria.copy()
            try:
                for requirement in self._provider.dependencies(node):
                    self._add(criteria, requirement, node)
                    changed[requirement.identifier] = criteria[requirement.identifier]
            except _ConflictError as error:
                conflicts.append(error.criterion)
                self.watch.rejected[node.name] = self.watch.rejected.get(node.name, 0) + 1
                continue
            self._accept(state, name, node, criteria, changed)
            return []
        return conflicts or [criterion]

    def _accept(
        self,
        state: State,
        name: str,
        node: Node,
        criteria: dict[str, Criterion],
        changed: dict[str, Criterion],
    ) -> None:
        """Pins the candidate at the end of the pins: backjumping takes the last one first."""
        state.criteria = criteria
        state.pins.pop(name, None)
        state.pins[name] = node
        reopened: set[str] = set()
        for key, criterion in changed.items():
            pinned = state.pins.get(key)
            if pinned is None:
                state.open[key] = None
            elif not all(requirement.accepts(pinned) for requirement, _ in criterion.information):
                if key not in state.open and key != name:
                    reopened.add(key)
                state.open[key] = None
        if name not in changed or all(r.accepts(node) for r, _ in criteria[name].information):
            state.open.pop(name, None)
        if reopened:
            self._forget_parents(state, reopened)

    def _forget_parents(self, state: State, parents: set[str]) -> None:
        """Drops what reopened nodes had asked for: their pins no longer stand."""
        for key, criterion in state.criteria.items():
            kept = [one for one in criterion.information if one[1] is None or one[1].identifier not in parents]
            if len(kept) == len(criterion.information):
                continue
            state.criteria[key] = Criterion(criterion.matches, kept, criterion.incompatibilities, loosened=True)
            pinned = state.pins.get(key)
            if pinned is not None and all(requirement.accepts(pinned) for requirement, _ in kept):
                state.open.pop(key, None)

    def _backjump(self, causes: list[Information]) -> None:
        conflict = _names(causes)
        states = self._states
        while len(states) >= 3:
            del states[-1]
            while True:
                broken = states.pop()
                if not broken.pins or not states:
                    raise ImpossibleError(causes)
                name, node = broken.pins.popitem()
                asked = {requirement.identifier for requirement in self._provider.dependencies(node)}
                if not asked.isdisjoint(conflict):
                    break
            self.watch.rejected[node.name] = self.watch.rejected.get(node.name, 0) + 1
            ruled_out = [(key, one.incompatibilities) for key, one in broken.criteria.items()]
            ruled_out.append((name, [node]))
            self._push()
            if self._rule_out(self._states[-1], ruled_out):
                return
        raise ImpossibleError(causes)

    def _rule_out(self, state: State, ruled_out: list[tuple[str, list[Node]]]) -> bool:
        for key, nodes in ruled_out:
            criterion = state.criteria.get(key)
            if not nodes or criterion is None:
                continue
            incompatible = list(dict.fromkeys((*nodes, *criterion.incompatibilities)))
            matches = self._provider.find_matches(key, state.criteria, None, incompatible)
            if not matches:
                return False
            state.criteria[key] = Criterion(matches, criterion.information, incompatible)
        return True


def _names(causes: list[Information]) -> frozenset[str]:
    named = {requirement.identifier for requirement, _ in causes}
    named.update(parent.identifier for _, parent in causes if parent is not None)
    return frozenset(named)
