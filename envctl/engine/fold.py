"""Events of one run, folded into the changes of a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from envctl.diagnostics import SourceSpan
from envctl.engine.events import (
    EngineEvent,
    MessageEvent,
    Op,
    OutputsEvent,
    Phase,
    PropertyDiffKind,
    ResourceState,
    StepEvent,
    SummaryEvent,
)
from envctl.engine.urns import is_default_provider, name_of, type_of
from envctl.plan.impact import impact_of
from envctl.plan.model import (
    Action,
    Change,
    Drift,
    DriftKind,
    Impact,
    Mode,
    PropertyAction,
    PropertyChange,
    Reason,
)
from envctl.plan.property_diff import diff_properties, dropped_paths, same_property, value_at
from envctl.plan.values import JsonValue
from envctl.provider.mapping import UNMADE

SourceOf = Callable[[str, str], SourceSpan | None]
"""The YAML place that a URN (and a property path, "" for the resource) comes from."""

_REPLACEMENT = frozenset(
    {Op.REPLACE, Op.CREATE_REPLACEMENT, Op.DELETE_REPLACED, Op.IMPORT_REPLACEMENT, Op.READ_REPLACEMENT}
)
_OF_THE_PROVIDER = frozenset({"deletionPolicy"})
"""Inputs that no API holds: the real provider fills them in where it takes a resource over."""
_CREATIONS = frozenset({Op.CREATE, Op.CREATE_REPLACEMENT, Op.IMPORT_REPLACEMENT})
_IGNORED_TYPES = ("pulumi:providers:", "pulumi:pulumi:Stack")


@dataclass(frozen=True, slots=True)
class Folded:
    """What a run said: changes in the engine's order, drift, exports, warnings, and why it cannot be trusted."""

    changes: tuple[Change, ...]
    drift: tuple[Drift, ...]
    outputs: Mapping[str, JsonValue]
    warnings: tuple[str, ...]
    errors: tuple[str, ...]
    incomplete: tuple[str, ...]


def fold_events(events: Sequence[EngineEvent], mode: Mode, source_of: SourceOf) -> Folded:
    """The changes of one preview.

    A replacement arrives as up to three events on one URN and becomes one change whose action says the order.
    Counts are reconciled with the engine's own summary; a mismatch, or a missing summary, makes the result
    incomplete.
    """
    steps = [event for event in events if isinstance(event, StepEvent) and event.phase is Phase.PRE]
    planned = [step for step in steps if step.op is not Op.REFRESH]
    by_urn: dict[str, list[StepEvent]] = {}
    for step in planned:
        by_urn.setdefault(step.urn, []).append(step)
    changes = tuple(
        _fold_resource(group, mode, source_of)
        for urn, group in by_urn.items()
        if not type_of(urn).startswith(_IGNORED_TYPES)
    )
    messages = [event for event in events if isinstance(event, MessageEvent)]
    return Folded(
        changes=changes,
        drift=fold_drift(events),
        outputs=next((dict(e.outputs) for e in reversed(events) if isinstance(e, OutputsEvent)), {}),
        warnings=(*(_say(m) for m in messages if m.severity == "warning"), *_lingering(by_urn, changes)),
        errors=tuple(_say(m) for m in messages if m.severity == "error"),
        incomplete=(*_reconcile(planned, events), *(_say(m) for m in messages if m.severity == "error")),
    )


def _lingering(by_urn: Mapping[str, Sequence[StepEvent]], changes: Sequence[Change]) -> Iterable[str]:
    """Settings that the program no longer names and the provider leaves as they are: no diff would ever show them."""
    for change in changes:
        if change.action not in {Action.NO_OP, Action.UPDATE, Action.MOVE}:
            continue
        old, new = _before(by_urn[change.urn]), _after(by_urn[change.urn])
        if old is None or new is None or not new.custom:
            continue
        for path in dropped_paths(old.inputs, new.inputs):
            if value_at(old.outputs, path) in (None, {}, []):
                continue
            if path not in _OF_THE_PROVIDER and not any(same_property(path, p.path) for p in change.properties):
                yield f"{change.name}: `{path}` is no longer declared and stays as it is: the API keeps what nobody names."


def fold_drift(events: Iterable[EngineEvent]) -> tuple[Drift, ...]:
    """What the refresh saw: resources that somebody changed or deleted outside envctl."""
    found: list[Drift] = []
    for event in events:
        if not isinstance(event, StepEvent) or event.op is not Op.REFRESH or event.phase is not Phase.DONE:
            continue
        if event.old is None or event.type.startswith(_IGNORED_TYPES):
            continue
        if event.new is None:
            found.append(Drift(event.urn, event.type, name_of(event.urn), DriftKind.DELETED))
            continue
        if event.old.unfinished:
            continue  # a write of our own that did not end well differs from the cloud, but that is nobody's drift
        properties = _drifted(event.old, event.new, event)
        if properties:
            found.append(Drift(event.urn, event.type, name_of(event.urn), DriftKind.CHANGED, properties))
    return tuple(found)


def _drifted(old: ResourceState, new: ResourceState, event: StepEvent) -> tuple[PropertyChange, ...]:
    """What the provider calls a difference to what was declared.

    The inputs it read back may be spelled otherwise and mean the same (a bucket as `b/NAME`), and values that only
    the server knows may move: neither is drift.
    """
    paths = [path for path in (event.detailed_diff or event.diffs) if not path.startswith("__")]
    if not paths:
        return ()
    return diff_properties(old.inputs, new.inputs, changed_paths=paths, known=(old.outputs, new.outputs))


def _fold_resource(group: Sequence[StepEvent], mode: Mode, source_of: SourceOf) -> Change:
    step = next((s for s in group if s.logical and s.op is not Op.DELETE_REPLACED), group[0])
    action = _action(group)
    old, new = _before(group), _after(group)
    state = new or old
    guard = _protection(action, old, new)
    engine_action = action
    moved_from = name_of(old.urn) if old is not None and old.urn != step.urn else None
    if guard and action is Action.NO_OP:
        action = Action.UPDATE
    elif moved_from is not None and action is Action.NO_OP:
        action = Action.MOVE
    properties = (*_properties(group, engine_action, old, new), *guard)
    properties = tuple(
        PropertyChange(p.path, p.action, p.before, p.after, p.replaces, source_of(step.urn, p.path)) for p in properties
    )
    return Change(
        urn=step.urn,
        type=step.type,
        name=name_of(step.urn),
        action=action,
        reason=_reason(group, action, mode, properties),
        properties=properties,
        impact=_impact(step.type, engine_action, properties, old),
        group=state.parent if state and state.parent and "pulumi:pulumi:Stack" not in state.parent else None,
        id=old.id if old else None,
        component=bool(state and not state.custom),
        protected=bool(old and old.protect) or (action.replaces and bool(new and new.protect)),
        source=source_of(step.urn, ""),
        moved_from=moved_from,
    )


def _protection(action: Action, old: ResourceState | None, new: ResourceState | None) -> tuple[PropertyChange, ...]:
    """Protection that comes or goes.

    Engines call such a step `same`, yet the state must learn of it: a plan without it would be empty, and what the
    file no longer protects could never be deleted.
    """
    if action not in {Action.NO_OP, Action.UPDATE} or old is None or new is None or not new.custom:
        return ()
    if old.protect == new.protect:
        return ()
    return (PropertyChange("protect", PropertyAction.CHANGE, old.protect, new.protect),)


def _impact(type_: str, action: Action, properties: Sequence[PropertyChange], old: ResourceState | None) -> Impact:
    if action.replaces and old is not None and UNMADE in old.outputs:
        made = impact_of(type_, Action.CREATE)
        return replace(made, note="its creation failed: nothing is lost")
    return impact_of(type_, action, properties, old.inputs if old is not None else {})


def _before(group: Sequence[StepEvent]) -> ResourceState | None:
    return next((s.old for s in group if s.old is not None), None)


def _after(group: Sequence[StepEvent]) -> ResourceState | None:
    return next((s.new for s in group if s.new is not None and s.op is not Op.DELETE_REPLACED), None)


def _action(group: Sequence[StepEvent]) -> Action:
    ops = [step.op for step in group]
    abandoned = Op.REMOVE_PENDING_REPLACE in ops and not any(op in _CREATIONS for op in ops)
    if any(op in _REPLACEMENT for op in ops) and not abandoned:
        creation = next((i for i, op in enumerate(ops) if op in {Op.CREATE_REPLACEMENT, Op.IMPORT_REPLACEMENT}), None)
        deletion = next((i for i, op in enumerate(ops) if op is Op.DELETE_REPLACED), None)
        before_creation = deletion is not None and (creation is None or deletion < creation)
        return Action.DELETE_THEN_CREATE if before_creation else Action.CREATE_THEN_DELETE
    match ops[-1]:
        case Op.CREATE:
            return Action.CREATE
        case Op.UPDATE:
            return Action.UPDATE
        case Op.DELETE | Op.REMOVE_PENDING_REPLACE | Op.DELETE_REPLACED:
            old = _before(group)
            return Action.FORGET if old is not None and old.retain_on_delete and old.custom else Action.DELETE
        case Op.IMPORT:
            return Action.IMPORT
        case Op.READ | Op.READ_DISCARD | Op.DISCARD_REPLACED:
            return Action.READ
        case _:
            return Action.NO_OP


def _properties(
    group: Sequence[StepEvent], action: Action, old: ResourceState | None, new: ResourceState | None
) -> tuple[PropertyChange, ...]:
    match action:
        case Action.CREATE | Action.IMPORT:
            return diff_properties({}, new.inputs if new else {})
        case Action.UPDATE | Action.CREATE_THEN_DELETE | Action.DELETE_THEN_CREATE:
            detailed: dict[str, PropertyDiffKind] = {}
            for step in group:
                detailed.update(step.detailed_diff)
            diffs = tuple(dict.fromkeys(key for step in group for key in step.diffs))
            keys = tuple(dict.fromkeys(key for step in group for key in step.replace_keys))
            replacing = [path for path, kind in detailed.items() if kind.replaces] or list(keys)
            return diff_properties(
                old.inputs if old else {},
                new.inputs if new else {},
                changed_paths=list(detailed) or list(diffs),
                replace_paths=replacing,
                known=(old.outputs if old else {}, new.outputs if new else {}),
            )
        case Action.NO_OP | Action.READ | Action.DELETE | Action.FORGET | Action.MOVE:
            return ()


def _reason(group: Sequence[StepEvent], action: Action, mode: Mode, properties: Sequence[PropertyChange]) -> Reason:
    match action:
        case Action.CREATE:
            return Reason.NEW
        case Action.IMPORT:
            return Reason.ADOPTED
        case Action.DELETE:
            return Reason.DESTROY if mode is Mode.DESTROY else Reason.NO_LONGER_DECLARED
        case Action.FORGET:
            return Reason.SHARED
        case Action.CREATE_THEN_DELETE | Action.DELETE_THEN_CREATE:
            own = any(p.replaces for p in properties) or any(step.replace_keys for step in group)
            return Reason.CANNOT_UPDATE_IN_PLACE if own else Reason.REPLACED_WITH_DEPENDENCY
        case Action.MOVE:
            return Reason.RENAMED
        case Action.UPDATE if not properties and any(step.old is not None and step.old.unfinished for step in group):
            return Reason.UNFINISHED
        case Action.UPDATE | Action.NO_OP | Action.READ:
            return Reason.CHANGED


def _reconcile(planned: Sequence[StepEvent], events: Sequence[EngineEvent]) -> tuple[str, ...]:
    summary = next((e for e in reversed(events) if isinstance(e, SummaryEvent)), None)
    if summary is None:
        return ("The engine ended without a summary.",)
    counted: dict[Op, int] = {}
    for step in planned:
        if step.logical and not is_default_provider(step.urn):  # Pulumi does not count them either
            counted[step.op] = counted.get(step.op, 0) + 1
    compared = {Op.CREATE, Op.UPDATE, Op.DELETE, Op.REPLACE, Op.IMPORT}
    return tuple(
        f"The engine counts {summary.changes.get(op, 0)} x {op.value}, its events show {counted.get(op, 0)}."
        for op in sorted(compared)
        if summary.changes.get(op, 0) != counted.get(op, 0)
    )


def _say(message: MessageEvent) -> str:
    return f"{name_of(message.urn)}: {message.message}" if message.urn else message.message
