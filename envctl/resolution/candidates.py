"""Candidates of one package in pip's order, found one after another.

Source: pypa/pip 23.2.1, `src/pip/_internal/resolution/resolvelib/found_candidates.py`, and the rules for
pre-releases and yanked files of `factory.py` and `index/package_finder.py`.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from envctl.resolution.graph import ExtrasNode, Node, PythonNode
from envctl.resolution.specifiers import any_allows_prereleases, is_prerelease

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envctl.resolution.protocol import Candidate, PackageName
    from envctl.resolution.specifiers import Specifiers
    from envctl.resolution.universe import Universe


class Applicable:
    """Candidates that fit, found one after another: most of a long listing is never looked at."""

    __slots__ = ("_found", "_rest")

    def __init__(self, candidates: Iterable[Candidate], sets: frozenset[Specifiers]) -> None:
        self._found: list[Candidate] = []
        pinned = any(one.is_pinned for one in sets)
        self._rest = _fitting_pinned(candidates, sets) if pinned else _fitting(candidates, sets)

    def __iter__(self) -> Iterator[Candidate]:
        at = 0
        while True:
            if at == len(self._found):
                candidate = next(self._rest, None)
                if candidate is None:
                    return
                self._found.append(candidate)
            yield self._found[at]
            at += 1

    def __bool__(self) -> bool:
        return any(True for _ in self)

    def first(self, count: int) -> tuple[Candidate, ...]:
        """At most so many, newest first."""
        return tuple(islice(self, count))


def _fitting(candidates: Iterable[Candidate], sets: frozenset[Specifiers]) -> Iterator[Candidate]:
    allowed = any_allows_prereleases(sets)
    last_resort: list[Candidate] = []
    found = False
    for one in candidates:
        early = not allowed and is_prerelease(one.version)
        if early and (allowed is False or found):
            continue
        if not all(clauses.contains(one.version) for clauses in sets):
            continue
        if early:
            last_resort.append(one)
            continue
        found = True
        if not one.yanked:
            yield one
    if not found:
        yield from (one for one in last_resort if not one.yanked)


def _fitting_pinned(candidates: Iterable[Candidate], sets: frozenset[Specifiers]) -> Iterator[Candidate]:
    allowed = any_allows_prereleases(sets)
    pins_first = sorted(sets, key=lambda one: not one.is_pinned)  # a pin leaves hardly anything for the others to judge
    fitting = [
        one
        for one in candidates
        if all(clauses.contains(one.version) for clauses in pins_first) and (allowed or not is_prerelease(one.version))
    ]
    only_yanked = all(one.yanked for one in fitting)
    yield from (one for one in fitting if only_yanked or not one.yanked)


class NodeMatches:
    """The candidates of one node: the preinstalled one first, then the index's, newest first."""

    __slots__ = ("_extras", "_incompatible", "_installed", "_name", "_sets", "_universe")

    def __init__(
        self,
        universe: Universe,
        name: PackageName,
        sets: frozenset[Specifiers],
        extras: frozenset[str],
        incompatible: frozenset[Node],
        installed: Node | None,
    ) -> None:
        self._universe = universe
        self._name = name
        self._sets = sets
        self._extras = extras
        self._incompatible = incompatible
        self._installed = installed

    def narrowed(self, clauses: Specifiers) -> NodeMatches:
        """The same candidates under one more requirement."""
        installed = self._installed
        if installed is not None and not clauses.contains(installed.version):
            installed = None
        return NodeMatches(
            self._universe, self._name, self._sets | {clauses}, self._extras, self._incompatible, installed
        )

    def __bool__(self) -> bool:
        return self._installed is not None or any(True for _ in self._from_index())

    def __iter__(self) -> Iterator[Node]:
        installed = self._installed
        if installed is not None:
            yield installed
        for node in self._from_index():
            if installed is not None and node.version == installed.version:
                continue
            base = node.base if isinstance(node, ExtrasNode) else node
            if not isinstance(base, PythonNode) and self._universe.declared(base) is None:
                continue
            yield node

    def _from_index(self) -> Iterator[Node]:
        for candidate in self._universe.applicable(self._name, self._sets):
            base = self._universe.node(candidate)
            node = self._universe.with_extras(base, self._extras) if self._extras else base
            if node not in self._incompatible:
                yield node
