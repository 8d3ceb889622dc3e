"""The strict resolver: what pip 20.3 and later would install into an image."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from envctl.resolution.dependency import Dependency
from envctl.resolution.graph import PYTHON, IndexNode, InstalledNode, Node
from envctl.resolution.image import AIRFLOW
from envctl.resolution.kernel import ImpossibleError, Search, State, TooDeepError, Watch
from envctl.resolution.protocol import PackageName
from envctl.resolution.provider import PipProvider
from envctl.resolution.solution import Edge, Impossible, Links, Outcome, Solved, TooDeep
from envctl.resolution.specifiers import specifiers
from envctl.resolution.universe import Universe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from envctl.resolution.image import Image
    from envctl.resolution.specifiers import Specifiers


class Limits(NamedTuple):
    """Bounds of a search: pip itself gives up only after 200,000 rounds, a package build much earlier."""

    rounds: int = 4000
    seconds: float = 20.0
    clock: Callable[[], float] = time.monotonic


def airflow_pin(image: Image) -> Dependency | None:
    """The requirement that Composer adds to every list; None when the image's list does not hold Airflow."""
    package = image.packages.get(AIRFLOW)
    if package is None:
        return None
    return Dependency(AIRFLOW, (), specifiers(f"=={package.version}"))


def resolve(
    universe: Universe,
    wanted: Sequence[Dependency],
    *,
    constraints: Mapping[PackageName, Specifiers] | None = None,
    limits: Limits | None = None,
    deadline: float | None = None,
) -> Outcome:
    """What pip would do with a list in the universe's image.

    Args:
        universe: image and index.
        wanted: the list in its order; Composer's pin of Airflow is put before it.
        constraints: further clauses per package, as a constraints file would give them.
        limits: bounds.
        deadline: reading of the limits' clock at which to stop, where several searches share one bound.

    Raises:
        IndexUnavailableError: the index gave no answer to a question that the verdict depends on.
    """
    bounds = limits or Limits()
    started = bounds.clock()
    end = started + bounds.seconds if deadline is None else min(deadline, started + bounds.seconds)
    pin = airflow_pin(universe.image)
    roots = [one for dependency in ([pin] if pin else []) + list(wanted) for one in universe.wanted(dependency)]
    order: dict[str, int] = {}
    for position, requirement in enumerate(roots):
        order.setdefault(requirement.identifier, position)
    if universe.habits.splits_extras:
        roots.sort(key=lambda one: "[" in one.identifier)
    search = Search(PipProvider(universe, order, constraints or {}), lambda: bounds.clock() >= end)
    try:
        state = search.run(roots, bounds.rounds)
    except ImpossibleError as error:
        causes = tuple(Edge(requirement, parent) for requirement, parent in dict.fromkeys(error.causes))
        return Impossible(causes, _links(search.watch), search.watch.rounds)
    except TooDeepError as error:
        tried = sorted(search.watch.rejected.items(), key=lambda one: (-one[1], one[0]))
        return TooDeep(error.rounds, bounds.clock() - started, tuple(tried))
    return _solved(universe, state, search.watch)


def _links(watch: Watch) -> Links:
    return Links({node: Edge(*information) for node, information in watch.first_parent.items()})


def _solved(universe: Universe, state: State, watch: Watch) -> Solved:
    reached = _reached(state)
    pins: dict[PackageName, InstalledNode | IndexNode] = {}
    installs: list[IndexNode] = []
    for identifier, node in state.pins.items():
        if identifier not in reached:
            continue
        if isinstance(node, (InstalledNode, IndexNode)):
            pins[node.name] = node
        if isinstance(node, IndexNode):
            present = universe.installed(node.name)
            if present is None or present.version != node.version:
                installs.append(node)
    edges = tuple(
        Edge(requirement, parent)
        for identifier, criterion in state.criteria.items()
        if identifier in reached and identifier != PYTHON
        for requirement, parent in criterion.information
    )
    straight = not watch.rejected and watch.rounds == len(state.pins)
    return Solved(pins, tuple(installs), edges, _links(watch), watch.rounds, straight)


def _reached(state: State) -> set[str]:
    """The nodes that the list still leads to: candidates left over from given-up branches are not installed."""
    pinned: dict[Node, str] = {node: identifier for identifier, node in state.pins.items()}
    children: dict[str | None, list[str]] = {}
    for identifier, criterion in state.criteria.items():
        for _, parent in criterion.information:
            if parent is None:
                children.setdefault(None, []).append(identifier)
            elif parent in pinned:
                children.setdefault(pinned[parent], []).append(identifier)
    reached: set[str] = set()
    waiting = list(children.get(None, ()))
    while waiting:
        identifier = waiting.pop()
        if identifier not in reached:
            reached.add(identifier)
            waiting.extend(children.get(identifier, ()))
    return reached
