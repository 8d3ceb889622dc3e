"""Lines of a list that change nothing, told from the one solution instead of solving the list without each.

A line names a preinstalled package at a version that satisfies it. Everything that the package leads to in the
solution is its reach. Where the search went straight (nothing was given up or decided twice) and nothing in the
reach is installed anew, the rest of the search never saw the line: packages outside the reach are asked for from
outside it only, in the same order, and those inside it stay as they are with fewer requirements just as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envctl.resolution.graph import PYTHON

if TYPE_CHECKING:
    from envctl.resolution.protocol import PackageName
    from envctl.resolution.solution import Solved


class Reach:
    """Who leads to whom in a solution."""

    def __init__(self, solved: Solved) -> None:
        self._straight = solved.straight
        self._installs = {str(node.name) for node in solved.installs}
        self._asked: dict[str, set[str]] = {}
        for requirement, parent in solved.edges:
            if parent is not None:
                child = requirement.identifier.partition("[")[0]
                self._asked.setdefault(parent.identifier.partition("[")[0], set()).add(child)

    def changes_nothing(self, name: PackageName) -> bool:
        """Whether a line that the image satisfies certainly changes nothing; false where only solving tells."""
        if not self._straight:
            return False
        seen: set[str] = {PYTHON}
        waiting: list[str] = [name]
        while waiting:
            one = waiting.pop()
            if one in self._installs:
                return False
            if one not in seen:
                seen.add(one)
                waiting.extend(self._asked.get(one, ()))
        return True
