"""The inputs that would give a live resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envctl.provider.checking import given_groups
from envctl.provider.diffing import Comparison
from envctl.provider.schema import Field
from envctl.provider.spec import Run
from envctl.provider.values import get_path, is_zero


def project_inputs(run: Run, live: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs after a read: the old ones with what changed outside, or (for an import) all that differ from defaults."""
    if run.inputs:
        return _refreshed(Comparison(run.spec), run.schema.fields, run.inputs, live, "")
    inputs = run.spec.behaviour.imported(_imported(run.schema.fields, live), live)
    for path, item in given_groups(run.schema.fields, inputs, ""):
        others = any(get_path(inputs, other) is not None for other in item.conflicts if other != path)
        if item.computed and others and get_path(inputs, path) is not None:
            _drop(inputs, path)  # the server filled one of two fields that a program may not give together
    return inputs


def _drop(inputs: dict[str, Any], path: str) -> None:
    *parents, last = path.split(".")
    target: Any = inputs
    for part in parents:
        target = target[part]
    del target[last]


def _refreshed(
    compare: Comparison, fields: Mapping[str, Field], inputs: Mapping[str, Any], live: Mapping[str, Any], prefix: str
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, given in inputs.items():
        item = fields.get(name)
        now = live.get(name)
        if item is None or not _differs(compare, item, name, given, live, prefix):
            result[name] = given
        elif item.single and item.fields and isinstance(given, Mapping) and isinstance(now, Mapping):
            result[name] = _refreshed(compare, item.fields, given, now, f"{prefix}{name}.")
        elif now is not None:
            result[name] = _settable(item, now)
    return result


def _differs(compare: Comparison, item: Field, name: str, given: Any, live: Mapping[str, Any], prefix: str) -> bool:
    if not prefix and name == compare.spec.labels:
        return dict(given or {}) != dict(live.get(name) or {})
    return any(True for _ in compare.fields({name: item}, live, {name: given}, prefix, prefix))


def _imported(fields: Mapping[str, Field], live: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, item in fields.items():
        value = live.get(name)
        if not item.settable or value is None:
            continue
        value = _settable(item, value)
        switched_off = item.default is not None and value != item.default
        chosen = item.single and value == {} and not item.computed  # that a block is there is a choice of its own
        if item.required or switched_off or chosen or not (is_zero(value) or value == item.default):
            result[name] = value
    return result


def _settable(item: Field, value: Any) -> Any:
    """A live value without the parts that are outputs only."""
    if not item.fields:
        return value
    if isinstance(value, Mapping):
        return _imported(item.fields, value)
    return [_imported(item.fields, element) for element in value if isinstance(element, Mapping)]
