"""A plan without secrets: made before it is sealed, so that what is shown, saved and sealed is one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from envctl.masking import is_secret, learn, mask
from envctl.plan.model import Change, Drift, GateResult, OperationStep, Plan, PropertyChange
from envctl.plan.property_diff import split_path
from envctl.plan.values import JsonValue, Opaque

FREE = frozenset({"env", "envVariables", "airflowConfigOverrides", "variables", "data"})
"""Properties whose keys people choose: there a key says what its value is."""


def without_secrets(plan: Plan) -> Plan:
    """The plan with every text in it masked; a value whose key says that it is a secret is `Opaque.SECRET`."""
    return replace(
        plan,
        changes=tuple(_change(each) for each in plan.changes),
        steps=tuple(_step(each) for each in plan.steps),
        drift=without_secrets_in_drift(plan.drift),
        gates=tuple(_gate(each) for each in plan.gates),
        warnings=tuple(map(mask, plan.warnings)),
        incomplete=tuple(map(mask, plan.incomplete)),
        outputs=hidden(dict(plan.outputs)),
    )


def without_secrets_in_drift(drift: tuple[Drift, ...]) -> tuple[Drift, ...]:
    """What somebody changed outside, without secrets."""
    return tuple(replace(each, properties=_properties(each.properties)) for each in drift)


def hidden(value: JsonValue, path: tuple[str | int, ...] = ()) -> Any:
    """A value at a path of keys with its secrets taken out."""
    if isinstance(value, Mapping):
        return {key: hidden(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [hidden(item, path) for item in value]
    if not isinstance(value, str):
        return value
    keys = [each for each in path if isinstance(each, str)]
    free = any(each in FREE for each in keys[:-1])
    return Opaque.SECRET if free and is_secret(value, keys[-1]) else mask(value)


def learn_literals(tree: JsonValue, path: tuple[str, ...] = ()) -> None:
    """Lets no text show what is a secret among values that the cloud told."""
    if isinstance(tree, Mapping):
        for key, item in tree.items():
            learn_literals(item, (*path, key))
    elif isinstance(tree, list | tuple):
        for item in tree:
            learn_literals(item, path)
    elif isinstance(tree, str) and is_secret(tree, path[-1] if any(key in FREE for key in path[:-1]) else ""):
        learn(tree)


def _change(change: Change) -> Change:
    return replace(change, properties=_properties(change.properties)) if change.properties else change


def _step(step: OperationStep) -> OperationStep:
    return replace(step, title=mask(step.title), properties=_properties(step.properties))


def _gate(gate: GateResult) -> GateResult:
    return replace(
        gate, summary=mask(gate.summary), detail=mask(gate.detail), hints=tuple(mask(hint) for hint in gate.hints)
    )


def _properties(properties: tuple[PropertyChange, ...]) -> tuple[PropertyChange, ...]:
    found: list[PropertyChange] = []
    for each in properties:
        path = tuple(split_path(each.path))
        found.append(replace(each, before=hidden(each.before, path), after=hidden(each.after, path)))
    return tuple(found)
