"""Moves in a plan: what a moved resource may not do, and which delete and create look like a forgotten move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from envctl.engine.events import EngineEvent, Op, Phase, StepEvent
from envctl.engine.urns import name_of
from envctl.plan.model import Action, Change
from envctl.plan.property_diff import diff_properties
from envctl.plan.values import JsonValue, Opaque
from envctl.spec.moved import movable
from envctl.spec.tree import show
from envctl.stacks import StackProgram
from envctl.stacks.moves import entry_of

_NAMES = frozenset({"name", "secretId"})
_ALIKE = 0.75
"""Part of their settings that two entries share when one is taken for the other, renamed."""


def refused_moves(declared: StackProgram, changes: Sequence[Change]) -> tuple[str, ...]:
    """Why a plan with moves cannot be applied: a move deletes nothing and makes nothing."""
    found = [
        f"{change.name} was {change.moved_from} and would be replaced ({', '.join(_replacing(change))}): "
        "a move replaces nothing. Move it first, with an `up` of its own."
        for change in changes
        if change.moved_from is not None and change.action.replaces
    ]
    going = {(c.type, c.name) for c in changes if c.action in {Action.DELETE, Action.FORGET} and not c.component}
    for resource in declared.resources:
        found += [
            f"The file says that {resource.name} was {earlier}, and the state holds both: {earlier} would go. "
            "Take `moved` out if they are two things."
            for earlier in resource.options.aliases
            if (resource.type, earlier) in going
        ]
    return tuple(found)


def _replacing(change: Change) -> list[str]:
    return [p.path for p in change.properties if p.replaces] or ["its provider"]


def forgotten_moves(events: Sequence[EngineEvent]) -> tuple[str, ...]:
    """Hints for entries that look like ones that the plan lets go: a key was renamed, and `moved` is missing."""
    begun = [event for event in events if isinstance(event, StepEvent) and event.phase is Phase.PRE]
    going = {
        event.urn: event for event in begun if event.op is Op.DELETE and event.old is not None and _keyed(event.urn)
    }
    coming = [event for event in begun if event.op in {Op.CREATE, Op.IMPORT} and _keyed(event.urn)]
    told: list[str] = []
    for event in coming:
        assert event.new is not None
        likeness = {
            urn: _likeness(each.old.inputs, event.new.inputs)
            for urn, each in going.items()
            if each.type == event.type and each.old is not None
        }
        best = max(likeness, key=lambda urn: likeness[urn], default=None)
        if best is None or likeness[best] < _ALIKE:
            continue
        del going[best]
        told += _hint(best, event.urn)
    return tuple(told)


def _hint(gone: str, made: str) -> Iterator[str]:
    before, now = entry_of(name_of(gone)), entry_of(name_of(made))
    if before is not None and now is not None:
        path, earlier = show((*now[0], now[1])), before[1]
        yield (
            f"Was `{earlier}` renamed to `{now[1]}`? Then write `moved: {{from: {earlier}}}` beside `{path}`: "
            "nothing is deleted or made."
        )


def _keyed(urn: str) -> bool:
    """Whether `moved` can be written for it."""
    entry = entry_of(name_of(urn))
    return entry is not None and movable(*entry)


def _likeness(before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]) -> float:
    """How much of two resources is equal, from 0 to 1; names apart, unless they are the same: then all of it."""
    if any(before.get(key) == after[key] for key in _NAMES & after.keys()):
        return 1.0
    ours, theirs = _settings(before), _settings(after)
    paths = {leaf.path for tree in (ours, theirs) for leaf in diff_properties({}, tree)}
    differing = {leaf.path for leaf in diff_properties(ours, theirs) if leaf.after is not Opaque.UNKNOWN}
    return 1.0 - len(differing & paths) / len(paths) if paths else 1.0


def _settings(inputs: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {key: value for key, value in inputs.items() if key not in _NAMES}
