"""The resolver of pip before 20.3: the first requirement of a package wins, nothing is reconsidered.

Every package is decided by the first requirement that names it: the list's own lines before anything they lead
to, then breadth first. Later requirements on it are not looked at, so the order of the list can decide the
verdict; what does not fit shows only in the check of the whole environment afterwards.
Source: pypa/pip 20.2.4, `src/pip/_internal/resolution/legacy/resolver.py` and `req/req_set.py`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from envctl.resolution.graph import ExtrasNode, IndexNode, InstalledNode, Node, PythonWanted, Wanted
from envctl.resolution.protocol import Listing
from envctl.resolution.resolver import airflow_pin
from envctl.resolution.solution import Edge, Impossible, Links, Solved
from envctl.resolution.specifiers import any_allows_prereleases, is_prerelease

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envctl.resolution.dependency import Dependency
    from envctl.resolution.protocol import Candidate, PackageName
    from envctl.resolution.universe import Universe


def resolve_legacy(universe: Universe, wanted: Sequence[Dependency]) -> Solved | Impossible:
    """What an old pip would install for a list, in the order of the list, after Composer's pin of Airflow.

    Raises:
        IndexUnavailableError: the index gave no answer to a question that the verdict depends on.
    """
    first: dict[PackageName, tuple[Dependency, Edge]] = {}
    edges: list[Edge] = []
    links: dict[Node, Edge] = {}
    waiting: deque[PackageName] = deque()
    pin = airflow_pin(universe.image)
    for dependency in ([pin] if pin else []) + list(wanted):
        edge = Edge(Wanted(dependency), None)
        edges.append(edge)
        known = first.get(dependency.name)
        if known is None:
            first[dependency.name] = (dependency, edge)
            waiting.append(dependency.name)
        elif known[0].extras == dependency.extras and known[0].specifiers.text != dependency.specifiers.text:
            # "Double requirement given"
            return Impossible((known[1], edge), Links(links), len(first))
    pins: dict[PackageName, InstalledNode | IndexNode] = {}
    while waiting:
        name = waiting.popleft()
        dependency, edge = first[name]
        node = _take(universe, dependency)
        if node is None:
            return Impossible((edge,), Links(links), len(pins))
        pins[name] = node
        links[node] = edge
        for requirement in _asks(universe, node, dependency):
            asked = Edge(requirement, node)
            if isinstance(requirement, PythonWanted):
                if not requirement.accepts(universe.python):
                    return Impossible((asked,), Links(links), len(pins))
                continue
            edges.append(asked)
            if requirement.dependency.name not in first:
                first[requirement.dependency.name] = (requirement.dependency, asked)
                waiting.append(requirement.dependency.name)
    installs = tuple(one for one in pins.values() if isinstance(one, IndexNode))
    return Solved(pins, installs, tuple(edges), Links(links), len(pins))


def _take(universe: Universe, dependency: Dependency) -> InstalledNode | IndexNode | None:
    present = universe.installed(dependency.name)
    if present is not None and dependency.specifiers.contains(present.version):
        return present
    best = _best(universe, dependency)
    if best is None:
        return None
    node = universe.node(best)
    return node if universe.declared(node) is not None else None


def _best(universe: Universe, dependency: Dependency) -> Candidate | None:
    """The newest version that fits; a yanked one only when there is no other, whatever the clauses."""
    listing = universe.listing(dependency.name)
    if not isinstance(listing, Listing):
        return None
    fitting = [one for one in listing.candidates if dependency.specifiers.contains(one.version)]
    if not any_allows_prereleases((dependency.specifiers,)):
        final = [one for one in fitting if not is_prerelease(one.version)]
        fitting = final if final or dependency.specifiers else fitting
    return next((one for one in fitting if not one.yanked), fitting[0] if fitting else None)


def _asks(universe: Universe, node: InstalledNode | IndexNode, dependency: Dependency) -> list[Wanted | PythonWanted]:
    """Requirements of the base, then of each extra."""
    source: Node = node
    if dependency.extras:
        source = universe.with_extras(node, frozenset(dependency.extras))
    found: list[Wanted | PythonWanted] = []
    if isinstance(source, ExtrasNode):
        found.extend(one for one in universe.asks(node) if isinstance(one, PythonWanted))
    found.extend(one for one in universe.asks(source) if isinstance(one, (Wanted, PythonWanted)))
    return found
