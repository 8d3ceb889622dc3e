"""Who depends on whom among the rows of a state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from envctl.engine.embedded.resource import Resource
from envctl.engine.embedded.values import Reference, holds, rewrite
from envctl.engine.urns import provider_id, provider_urn


def dependents_of(rows: Sequence[Resource], root: Resource, ignore: AbstractSet[str]) -> list[Resource]:
    """Rows that depend on `root`, directly or not, in the order of the state.

    Children do not count by being children. Rows stand after what they need, so one pass is enough.
    """
    try:
        start = next(index for index, row in enumerate(rows) if row is root)
    except StopIteration:
        return []
    reached = {root.urn}
    found: list[Resource] = []
    for row in rows[start + 1 :]:
        if row.urn in ignore:
            continue
        needed = row.needs()
        if row.parent not in row.dependencies:
            needed.discard(row.parent)
        if needed & reached:
            found.append(row)
            reached.add(row.urn)
    return found


def without_needs(row: Resource, there: AbstractSet[str], parent: str) -> Resource:
    """The row without its dependencies on URNs that are not there; a lost parent gives way to `parent`."""
    return replace(
        row,
        parent=row.parent if row.parent in there or not row.parent else parent,
        deleted_with=row.deleted_with if row.deleted_with in there else "",
        dependencies=tuple(urn for urn in row.dependencies if urn in there),
        replace_with=tuple(urn for urn in row.replace_with if urn in there),
        property_dependencies={
            key: tuple(urn for urn in urns if urn in there) for key, urns in row.property_dependencies.items()
        },
    )


def renaming(names: Mapping[str, str]) -> Callable[[Resource], Resource]:
    """Gives rows with every mention of some URNs changed; rows that mention none are the very same."""

    def name(urn: str) -> str:
        return names.get(urn, urn)

    def mentioned(value: object) -> bool:
        return isinstance(value, Reference) and value.urn in names

    def leaf(value: object) -> object:
        return replace(value, urn=name(value.urn)) if isinstance(value, Reference) else value

    def renamed(row: Resource) -> Resource:
        if names.keys().isdisjoint({row.urn, *row.needs()}) and not holds([row.inputs, row.outputs], mentioned):
            return row
        provider = row.provider
        if provider:
            provider = f"{name(provider_urn(provider))}::{provider_id(provider)}"
        return replace(
            row,
            urn=name(row.urn),
            parent=name(row.parent),
            provider=provider,
            deleted_with=name(row.deleted_with),
            dependencies=tuple(name(urn) for urn in row.dependencies),
            replace_with=tuple(name(urn) for urn in row.replace_with),
            property_dependencies={
                key: tuple(name(urn) for urn in urns) for key, urns in row.property_dependencies.items()
            },
            inputs=rewrite(row.inputs, leaf),
            outputs=rewrite(row.outputs, leaf),
        )

    return renamed


def detached(rows: Sequence[tuple[int, Resource]], gone: AbstractSet[int]) -> dict[int, Resource]:
    """Rows that must change when the numbered ones are dropped, no longer naming them."""
    kept = [(number, row) for number, row in rows if number not in gone]
    there = {row.urn for _, row in kept}
    lost = {row.urn for number, row in rows if number in gone} - there
    return {number: without_needs(row, there, "") for number, row in kept if row.needs() & lost}


@dataclass(slots=True)
class _Node:
    row: Resource
    waits_for: int
    frees: list[int]


class Deletions:
    """Rows to delete, handed out as soon as nothing that needs them is left.

    `take` gives those that may go now; `done` is told of every one that is gone.
    """

    def __init__(self, rows: Iterable[tuple[int, Resource]]) -> None:
        ordered = list(rows)
        self._nodes = {number: _Node(row, 0, []) for number, row in ordered}
        by_urn: dict[str, list[int]] = {}
        for number, row in ordered:
            for urn in row.needs():
                for needed in by_urn.get(urn, ()):
                    self._nodes[number].frees.append(needed)
                    self._nodes[needed].waits_for += 1
            by_urn.setdefault(row.urn, []).append(number)
        self._ready = [number for number, node in self._nodes.items() if node.waits_for == 0]

    def take(self) -> list[tuple[int, Resource]]:
        """Rows that nothing needs any more, each given once, last created first."""
        ready, self._ready = self._ready, []
        return [(number, self._nodes[number].row) for number in reversed(ready)]

    def done(self, number: int) -> None:
        """The row is gone."""
        for needed in self._nodes[number].frees:
            self._nodes[needed].waits_for -= 1
            if self._nodes[needed].waits_for == 0:
                self._ready.append(needed)
