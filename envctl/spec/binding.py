"""Tree -> model: types and unknown keys, every problem at once, each at its place."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from envctl.diagnostics import Diagnostic
from envctl.spec.mistakes import Mistake, mistakes
from envctl.spec.tree import Entries, Entry, KeyPath, Node, plain, without

M = TypeVar("M", bound=BaseModel)
_ROUNDS = 6


@dataclass(frozen=True, slots=True)
class Bound(Generic[M]):
    """A model, or what stands in its way.

    Attributes:
        value: the model; None when not even the sound parts make one.
        diagnostics: everything that is wrong with the tree's shape.
        missing: paths that were left out of `value` because they are wrong; rules must not judge them.
    """

    value: M | None
    diagnostics: tuple[Diagnostic, ...]
    missing: frozenset[KeyPath] = frozenset()


def bind(
    tree: Entries, model: type[M], stand_ins: Entries | None = None, undecided: Iterable[KeyPath] = ()
) -> Bound[M]:
    """The tree as a `model`.

    When parts are wrong they are left out and the rest is tried again, so that rules can judge the rest in the same
    run.

    Args:
        tree: after merging and interpolation.
        model: what the tree should be.
        stand_ins: values for required keys that are wrong or absent; they are listed in `missing`.
        undecided: values whose references failed; they were complained about already and count as left out.
    """
    left_out: set[KeyPath] = set()
    rest: Entries = tree
    for path in undecided:
        rest = _cut(rest, _outside_lists(path), left_out)
    diagnostics: list[Diagnostic] = []
    for turn in range(_ROUNDS):
        try:
            value = model.model_validate_json(json.dumps(plain(rest)), by_alias=True, by_name=False)
        except ValidationError as error:
            found = mistakes(error, rest, model)
        else:
            return Bound(value, tuple(diagnostics), frozenset(left_out))
        if turn == 0:
            diagnostics += [each.diagnostic for each in found if not (each.absent and each.path in left_out)]
        for each in found:
            rest = _leave_out(rest, each, stand_ins, left_out)
    return Bound(None, tuple(diagnostics), frozenset(left_out))


def _leave_out(rest: Entries, mistake: Mistake, stand_ins: Entries | None, left_out: set[KeyPath]) -> Entries:
    path = mistake.path
    if not mistake.absent:
        return _cut(rest, _outside_lists(path), left_out)
    *parent, key = path
    if parent:
        return _cut(rest, _outside_lists(tuple(parent)), left_out)
    stand_in = stand_ins.entries.get(str(key)) if stand_ins else None
    if stand_in is None:
        return rest
    left_out.add(path)
    entries: dict[str, Entry] = dict(rest.entries) | {str(key): stand_in}
    return Entries(entries, rest.span)


def _cut(rest: Entries, path: KeyPath, left_out: set[KeyPath]) -> Entries:
    if not path:
        return rest
    left_out.add(path)
    node: Node = without(rest, path)
    assert isinstance(node, Entries)
    return node


def _outside_lists(path: KeyPath) -> KeyPath:
    """`path` cut before its first index: a list is left out whole, so that the places of its items stay true."""
    for depth, segment in enumerate(path):
        if isinstance(segment, int):
            return path[:depth]
    return path
