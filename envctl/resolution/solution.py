"""What a search found: a solution, a conflict, or that it takes too long."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from envctl.resolution.graph import Exactly, ExtrasNode, IndexNode, InstalledNode, Node, PythonNode, Requirement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envctl.resolution.protocol import Candidate, PackageName


class Edge(NamedTuple):
    """A requirement and who asks for it: a candidate, or None for the list itself."""

    requirement: Requirement
    parent: Node | None


class Links(NamedTuple):
    """Who led to whom: for every candidate that was pinned the edge that first asked for it."""

    first: Mapping[Node, Edge]

    def chain(self, node: Node | None) -> tuple[Node, ...]:
        """The candidates from the list's own requirement down to `node`, each package once."""
        nodes: list[Node] = []
        seen: set[str] = set()
        while node is not None and node.identifier not in seen:
            seen.add(node.identifier)
            base = node.base if isinstance(node, ExtrasNode) else node
            if not nodes or nodes[-1].name != base.name:
                nodes.append(base)
            edge = self.first.get(node)
            node = edge.parent if edge else None
        return tuple(reversed(nodes))

    def root(self, node: Node | None) -> Requirement | None:
        """The list's own requirement that led to `node`."""
        requirement: Requirement | None = None
        seen: set[str] = set()
        while node is not None and node.identifier not in seen:
            seen.add(node.identifier)
            edge = self.first.get(node)
            if edge is None:
                return requirement
            requirement, node = edge.requirement, edge.parent
        return requirement


class Solved(NamedTuple):
    """A solution.

    Attributes:
        pins: the version of every package in the solution.
        installs: index candidates that pip would install: new packages and other versions than the image's.
        edges: every requirement of the solution with who asks for it.
        links: who led to whom.
        rounds: decisions taken.
        straight: whether no candidate was given up and no package decided twice.
    """

    pins: Mapping[PackageName, InstalledNode | IndexNode]
    installs: tuple[IndexNode, ...]
    edges: tuple[Edge, ...]
    links: Links
    rounds: int
    straight: bool = False

    def asking(self, name: PackageName) -> Iterator[Edge]:
        """Who asks for a package in the solution, extras and exact pins of own extras aside."""
        for edge in self.edges:
            requirement = edge.requirement
            if isinstance(requirement, Exactly) or edge.requirement.identifier.partition("[")[0] != name:
                continue
            yield edge

    def candidates(self) -> tuple[Candidate, ...]:
        """The index candidates to install."""
        return tuple(node.candidate for node in self.installs)


class Impossible(NamedTuple):
    """No solution; `causes` are the requirements of the last conflict."""

    causes: tuple[Edge, ...]
    links: Links
    rounds: int


class TooDeep(NamedTuple):
    """The search reached a bound; `tried` counts the given-up candidates of each package, most first."""

    rounds: int
    seconds: float
    tried: tuple[tuple[str, int], ...]


Outcome = Solved | Impossible | TooDeep


def is_package(node: Node | None) -> bool:
    """Whether the node is a package rather than the list or the image's Python."""
    return node is not None and not isinstance(node, PythonNode)
