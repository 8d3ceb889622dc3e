"""`diff`: what separates two environments, by their files and in the cloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from envctl.actions.adopt_looking import look_at_cloud
from envctl.actions.program import build_program
from envctl.masking import MASK
from envctl.plan.hiding import hidden
from envctl.plan.property_diff import split_path
from envctl.plan.values import Opaque
from envctl.spec.origins import rows
from envctl.spec.tree import show

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace
    from envctl.spec.loader import Loaded

_OWN = frozenset({"name", "project"})
"""Inputs in which two environments always differ."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a difference: a value and where it comes from; both None where there is nothing."""

    value: Any = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One value in which two environments differ; `path` as files or plans write it."""

    path: str
    a: Side
    b: Side


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two environments; `live` is None when the cloud was not asked."""

    a: str
    b: str
    files: tuple[Difference, ...]
    live: tuple[Difference, ...] | None = None

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.files and not self.live


def compare(workspace: Workspace, a: str, b: str, *, live: bool = False) -> Comparison:
    """What differs between two files, with the defaults of their profiles; with `live` also in the cloud.

    Raises:
        InvalidInputError: a file has problems.
        OutsideError: the cloud cannot be read.
    """
    first, second = workspace.load(a), workspace.load(b)
    files = tuple(_differences(_spec_sides(first), _spec_sides(second)))
    if not live:
        return Comparison(a, b, files)
    sides = [_live_sides(workspace, loaded) for loaded in (first, second)]
    return Comparison(a, b, files, tuple(_differences(*sides)))


def _differences(a: Mapping[str, Side], b: Mapping[str, Side]) -> Iterator[Difference]:
    nothing = Side()
    for path in {**a, **b}:
        left, right = a.get(path, nothing), b.get(path, nothing)
        if left.value != right.value or (path in a) != (path in b):
            yield Difference(path, _shown(path, left), _shown(path, right))


def _shown(path: str, side: Side) -> Side:
    """One side without a secret; whether both are the same was asked before."""
    value = hidden(side.value, split_path(path))
    return replace(side, value=MASK if value is Opaque.SECRET else value)


def _spec_sides(loaded: Loaded) -> dict[str, Side]:
    return {show(row.path): Side(row.value, row.source) for row in rows(loaded)}


def _live_sides(workspace: Workspace, loaded: Loaded) -> dict[str, Side]:
    """Every value of what the file declares and the cloud has, by logical name and property."""
    program = build_program(workspace, loaded)
    found = look_at_cloud(workspace, program)
    sides: dict[str, Side] = {}
    for resource in program.declared.resources:
        live = found.live.get(resource.name)
        if live is None:
            continue
        sides[resource.name] = Side("exists", live.id)
        values = {key: value for key, value in live.inputs.items() if key not in _OWN}
        for path, value in _leaves(values, resource.name):
            sides[path] = Side(value, live.id)
    return sides


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key in sorted(value):
            yield from _leaves(value[key], f"{path}.{key}")
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        yield path, value
