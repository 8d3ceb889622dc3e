"""What the search asks about packages, answered as the image's pip would answer.

Source: pypa/pip 23.2.1 and 24.0, `src/pip/_internal/resolution/resolvelib/provider.py` and `factory.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from envctl.resolution.candidates import NodeMatches
from envctl.resolution.graph import PYTHON, Exactly, Node, Requirement, Wanted
from envctl.resolution.protocol import PackageName

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envctl.resolution.kernel import Criterion, Information, Matches
    from envctl.resolution.specifiers import Specifiers
    from envctl.resolution.universe import Universe


class PipProvider:
    """Answers the search for one list of requirements."""

    def __init__(
        self,
        universe: Universe,
        order: Mapping[str, int],
        constraints: Mapping[PackageName, Specifiers],
    ) -> None:
        """Answers over a universe.

        Args:
            universe: candidates.
            order: position of each requirement that the user asked for, by node.
            constraints: clauses that hold for a package wherever it comes from.
        """
        self._universe = universe
        self._order = order
        self._constraints = constraints
        self._depths: dict[str, float] = {}

    def dependencies(self, node: Node) -> Sequence[Requirement]:
        """What a candidate asks for."""
        return self._universe.asks(node)

    def find_matches(
        self,
        identifier: str,
        criteria: dict[str, Criterion],
        added: Requirement | None,
        incompatibilities: Sequence[Node],
    ) -> Matches:
        """The candidates of a node."""
        known = criteria.get(identifier)
        if (
            known is not None
            and not known.loosened
            and isinstance(added, Wanted)
            and isinstance(known.matches, NodeMatches)
            and not identifier.endswith("]")
        ):
            return known.matches.narrowed(added.specifiers)
        asked = [one for one, _ in known.information] if known is not None else []
        if added is not None:
            asked.append(added)
        name = PackageName(identifier.partition("[")[0])
        explicit: list[Node] = []
        wanted: list[Wanted] = []
        for requirement in asked:
            if isinstance(requirement, Wanted):
                wanted.append(requirement)
            elif isinstance(requirement, Exactly):
                explicit.append(requirement.node)
        if identifier == PYTHON:
            explicit.append(self._universe.python)
        elif name != identifier and name in criteria:
            # pip takes these extras from the normalised spelling of the node
            extras = frozenset(identifier[len(name) + 1 : -1].split(","))
            for requirement, _ in criteria[name].information:
                if isinstance(requirement, Exactly):
                    explicit.append(self._universe.with_extras(requirement.node, extras))
                elif isinstance(requirement, Wanted) and self._universe.habits.splits_extras:
                    wanted.append(requirement)
        constraint = self._constraints.get(name)
        if explicit:
            return [
                node
                for node in dict.fromkeys(explicit)
                if node not in incompatibilities
                and (constraint is None or constraint.contains(node.version))
                and all(requirement.accepts(node) for requirement in asked)
            ]
        if not wanted:
            return []
        sets = {one.specifiers for one in wanted}
        if constraint is not None:
            sets.add(constraint)
        extras, incompatible = _extras_of(asked), frozenset(incompatibilities)
        installed = self._universe.fitting_installed(name, sets, extras)
        if installed in incompatible:
            installed = None
        return NodeMatches(self._universe, name, frozenset(sets), extras, incompatible, installed)

    def preference(self, identifier: str, information: Sequence[Information]) -> tuple[object, ...]:
        """The sort key of a node: the image's Python, pins, then depth, the user's order, clauses, name."""
        clauses = [one.specifiers for one, _ in information if isinstance(one, Wanted)]
        order = self._order.get(identifier, math.inf)
        if order != math.inf:
            depth = 1.0
        elif information:
            depth = 1.0 + min(
                0.0 if parent is None else self._depths.get(parent.identifier, math.inf) for _, parent in information
            )
        else:
            depth = math.inf
        self._depths[identifier] = depth
        pinned = any(one.has_equals for one in clauses)
        return (identifier != PYTHON, not information, not pinned), depth, order, not any(clauses), identifier


def _extras_of(asked: Sequence[Requirement]) -> frozenset[str]:
    return frozenset(extra for one in asked if isinstance(one, Wanted) for extra in one.dependency.extras)
