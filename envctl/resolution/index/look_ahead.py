"""Which versions will be asked next: a resolver that rejects versions walks down a package's list."""

from __future__ import annotations

from itertools import dropwhile, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envctl.resolution.protocol import Candidate

_MOST_AHEAD = 24
"""Two rounds of all threads."""


class Walk:
    """Follows the questions for one package; the first one predicts nothing, each further one more."""

    __slots__ = ("_asked", "_given", "_next")

    def __init__(self) -> None:
        self._asked = 0
        self._given: set[str] = set()
        self._next: Iterator[Candidate] = iter(())

    def expect(self, asked: Candidate, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates to read now because they will be asked soon.

        Args:
            asked: the candidate whose metadata is asked at this moment.
            candidates: all of the package, newest first.
        """
        self._asked += 1
        if self._asked == 1:
            return []
        if asked.url in self._given:
            self._given.discard(asked.url)
        else:
            self._given.clear()
            self._next = islice(dropwhile(lambda one: one.url != asked.url, candidates), 1, None)
        wanted = min(2**self._asked, _MOST_AHEAD) - len(self._given)
        found = list(islice(self._next, max(0, wanted)))
        self._given.update(one.url for one in found)
        return found
