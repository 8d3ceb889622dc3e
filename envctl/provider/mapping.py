"""Between Pulumi's properties and the bodies of the API, both ways, by schema and rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envctl.plan.values import Opaque
from envctl.provider.schema import Field, Kind
from envctl.provider.spec import Rule, Run, TypeSpec
from envctl.provider.values import get_path, has_unknown, is_zero, merge, set_path

IMPORTED = "__imported"
"""Marks outputs of an import until the first write: what answers do not carry is not known, rather than not set."""

UNMADE = "__unmade"
"""Marks outputs of a resource that a failed create left unusable, as long as it is: the next apply makes it anew."""

UNWRITTEN = "__unwritten"
"""Marks outputs after a failed update until one succeeds: of what answers do not carry, the inputs say nothing then."""

ATTRIBUTION = "goog-pulumi-provisioned"
"""The label by which the real provider marks what it created."""

_MARKS = frozenset({IMPORTED, UNMADE, UNWRITTEN})


def expand(run: Run, *, creating: bool) -> dict[str, Any]:
    """The whole API body that the inputs ask for."""
    body = _expand_fields(run.spec, run.schema.fields, run.inputs, "")
    if run.spec.labels and run.labels:
        set_path(body, run.spec.labels_api or run.spec.labels, dict(run.labels))
    return merge(run.spec.base, body) if creating else body


def _expand_fields(
    spec: TypeSpec, fields: Mapping[str, Field], values: Mapping[str, Any], prefix: str
) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for name, item in fields.items():
        path = prefix + name
        rule = spec.rule(path)
        if name not in values or values[name] is None or rule.skip or not item.settable:
            continue
        if not prefix and ((name in spec.identity and rule.api is None) or name == spec.labels):
            continue
        value = _expand_value(spec, item, values[name], path, rule)
        if is_zero(value) and not (rule.send_zero or spec.zeros or (item.fields and value == {})):
            continue
        set_path(body, rule.api or name, value)
    return body


def _expand_value(spec: TypeSpec, item: Field, value: Any, path: str, rule: Rule) -> Any:
    if rule.encode is not None:
        return rule.encode(value)
    if not item.fields:
        return list(value) if isinstance(value, tuple) else value
    if item.single:
        return _expand_fields(spec, item.fields, value, path + ".")
    elements = [_expand_fields(spec, item.fields, element or {}, path + ".") for element in value]
    return (elements[0] if elements else None) if rule.first else elements


def flatten(run: Run, answer: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs that a live resource gives; what answers do not carry is taken from inputs and earlier outputs."""
    spec = run.spec
    outputs = _flatten_fields(spec, run.schema.fields, answer, run.inputs, run.outputs, "", UNWRITTEN in run.outputs)
    if _is_import(run):
        for path in [name for name in outputs if spec.rule(name).skip or spec.rule(name).keep]:
            del outputs[path]
    for name in spec.identity:
        if name in run.schema.fields and (name not in outputs or spec.rule(name).api is None):
            value = run.value(name)
            if value != "":
                outputs[name] = value
    if spec.labels:
        outputs.update(_label_outputs(run, get_path(answer, spec.labels_api or spec.labels) or {}))
    if _is_import(run):
        outputs[IMPORTED] = True
    return spec.behaviour.outputs(run, answer, outputs)


def after_failure(run: Run) -> dict[str, Any]:
    """Outputs to go on from when an update failed: where old and wanted differ, nobody knows what arrived."""
    outputs = {
        name: known
        for name, value in run.outputs.items()
        if (known := _agreed(value, run.inputs[name]) if name in run.inputs else value) is not None
    }
    return {**outputs, UNWRITTEN: True}


def _agreed(old: Any, new: Any) -> Any:
    """What both say; None when that is nothing."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return {key: known for key in old if key in new and (known := _agreed(old[key], new[key])) is not None}
    return old if old == new else None


def _flatten_fields(
    spec: TypeSpec,
    fields: Mapping[str, Field],
    answer: Mapping[str, Any],
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    prefix: str,
    unwritten: bool,
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, item in fields.items():
        path = prefix + name
        rule = spec.rule(path)
        if not prefix and name in _label_fields(spec):
            continue
        given = inputs.get(name)
        if rule.skip or rule.keep:
            kept = outputs.get(name) if given is None or (rule.keep and unwritten) else given
            if kept is None and item.settable:
                kept = item.default
            if kept is not None:
                result[name] = kept
            continue
        live = get_path(answer, rule.api or name)
        if live is None:
            if given is not None and is_zero(given):
                result[name] = given  # answers leave out false, 0 and empty
            elif item.kind is Kind.BOOL and item.default is True:
                result[name] = False  # on by default for the provider, so its absence says that it is off
            continue
        value = _flatten_value(spec, item, live, given, outputs.get(name), path, rule, unwritten)
        if value is not None:
            result[name] = value
    return result


def _flatten_value(
    spec: TypeSpec, item: Field, live: Any, given: Any, before: Any, path: str, rule: Rule, unwritten: bool
) -> Any:
    if rule.decode is not None:
        live = rule.decode(live)
        if live is None:
            return None
    if not item.fields:
        return coerce(item, live)
    known, earlier = _object(given), _object(before)
    if item.single:
        return _flatten_fields(spec, item.fields, _object(live), known, earlier, path + ".", unwritten)
    elements = [live] if rule.first else live
    if not isinstance(elements, list):
        return None
    past = _elements(given), _elements(before)
    return [
        _flatten_fields(
            spec, item.fields, _object(element), _nth(past[0], index), _nth(past[1], index), path + ".", unwritten
        )
        for index, element in enumerate(elements)
    ]


def coerce(item: Field, value: Any) -> Any:
    """A value in the type that the schema names, where that loses nothing (`"4"` → 4); else the value as it is."""
    if value is Opaque.UNKNOWN or value is None:
        return value
    if item.kind in (Kind.LIST, Kind.SET) and not item.fields and isinstance(value, list | tuple):
        return [_scalar(item.element, element) for element in value]
    if item.kind is Kind.MAP and isinstance(value, Mapping):
        return {str(key): _scalar(item.element, element) for key, element in value.items()}
    return _scalar(item.kind, value)


def _scalar(kind: Kind, value: Any) -> Any:
    if value is Opaque.UNKNOWN:
        return value
    if kind is Kind.STRING and isinstance(value, bool):
        return "true" if value else "false"
    if kind is Kind.STRING and isinstance(value, int | float):
        return str(int(value)) if float(value).is_integer() else str(value)
    if kind is Kind.BOOL and value in ("true", "false"):
        return value == "true"
    if kind in (Kind.INT, Kind.FLOAT) and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = float(value)
        except ValueError:
            return value
        return int(number) if number.is_integer() else (number if kind is Kind.FLOAT else value)
    return value


def planned_outputs(run: Run) -> dict[str, Any]:
    """Outputs of a resource that does not exist yet: inputs as given, the rest known after apply."""
    outputs = _planned(run.spec, run.schema.fields, run.inputs, "")
    for name in ("project", "region", "location"):
        if name in run.schema.fields and outputs.get(name) is Opaque.UNKNOWN and run.value(name):
            outputs[name] = run.value(name)
    if run.spec.labels:
        outputs.update(_label_outputs(run, run.labels))
    outputs.update(run.spec.behaviour.known(run))
    return outputs


def _planned(spec: TypeSpec, fields: Mapping[str, Field], inputs: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    outputs: dict[str, Any] = {}
    for name, item in fields.items():
        if not prefix and name in _label_fields(spec):
            continue
        value = inputs.get(name) if item.settable else None
        if value is None:
            if item.computed:
                rule = spec.rule(prefix + name)
                if not rule.skip:
                    outputs[name] = Opaque.UNKNOWN
        elif item.fields and item.single and isinstance(value, Mapping):
            outputs[name] = _planned(spec, item.fields, value, f"{prefix}{name}.")
        elif item.fields and isinstance(value, list | tuple):
            outputs[name] = [
                _planned(spec, item.fields, element, f"{prefix}{name}.") if isinstance(element, Mapping) else element
                for element in value
            ]
        else:
            outputs[name] = value
    return outputs


def merged_outputs(run: Run) -> dict[str, Any]:
    """Outputs that an update in place leads to: computed ones stay, inputs take their place."""
    outputs = _merged(run.schema.fields, run.outputs, run.inputs, _label_fields(run.spec))
    if run.spec.labels:
        outputs.update(_label_outputs(run, run.labels))
    return outputs


def _merged(
    fields: Mapping[str, Field], outputs: Mapping[str, Any], inputs: Mapping[str, Any], skipped: tuple[str, ...]
) -> dict[str, Any]:
    result: dict[str, Any] = {
        name: value for name, value in outputs.items() if name not in fields and name not in _MARKS
    }
    for name, item in fields.items():
        if name in skipped:
            continue
        value, before = (inputs.get(name) if item.settable else None), outputs.get(name)
        if value is None:
            if item.computed and before is not None:
                result[name] = before
        elif item.fields and item.single and isinstance(value, Mapping):
            result[name] = _merged(item.fields, _object(before), value, ())
        elif item.fields and item.kind is Kind.LIST and isinstance(value, list | tuple):
            past = _elements(before)
            result[name] = [
                _merged(item.fields, _nth(past, index), element, ()) if isinstance(element, Mapping) else element
                for index, element in enumerate(value)
            ]
        else:
            result[name] = value
    return result


def wanted_labels(run: Run, *, creating: bool) -> dict[str, Any]:
    """Every label that the live resource shall have after a create or update.

    Labels that others set stay; the attribution label is added at creation and kept where it is.
    """
    own = own_labels(run, creating=creating)
    if creating:
        return own
    before = _object(run.outputs.get("pulumiLabels"))
    foreign = {key: value for key, value in _object(run.outputs.get("effectiveLabels")).items() if key not in before}
    return {**foreign, **own}


def own_labels(run: Run, *, creating: bool) -> dict[str, Any]:
    """The labels that this program is answerable for (`pulumiLabels`)."""
    given = run.inputs.get(run.spec.labels) or {}
    if given is Opaque.UNKNOWN:
        return {}
    own = dict(given)
    marked = _object(run.outputs.get("pulumiLabels"))
    if (creating and run.settings.attribution) or ATTRIBUTION in marked:
        own.setdefault(ATTRIBUTION, "true")
    return own


def _label_fields(spec: TypeSpec) -> tuple[str, ...]:
    return (spec.labels, "pulumiLabels", "effectiveLabels") if spec.labels else ()


def _label_outputs(run: Run, live: Mapping[str, Any]) -> dict[str, Any]:
    if has_unknown(run.inputs.get(run.spec.labels)):
        given = run.inputs[run.spec.labels]
        return {run.spec.labels: given, "pulumiLabels": Opaque.UNKNOWN, "effectiveLabels": Opaque.UNKNOWN}
    if _is_import(run):  # every label is taken over, only the mark is not the user's
        own = {key: value for key, value in live.items() if not key.startswith("goog-")}
        result: dict[str, Any] = {"pulumiLabels": dict(live), "effectiveLabels": dict(live)}
        return {run.spec.labels: own, **result} if own else result
    given = _object(run.inputs.get(run.spec.labels))
    marked = {**given, ATTRIBUTION: ""} if ATTRIBUTION in live else given
    managed = {key: live[key] for key in marked if key in live}
    own = {key: live[key] for key in given if key in live}
    result = {"pulumiLabels": managed, "effectiveLabels": dict(live)}
    return {run.spec.labels: own, **result} if given else result


def _is_import(run: Run) -> bool:
    return not run.inputs and not run.outputs


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _elements(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _nth(values: list[Any], index: int) -> Mapping[str, Any]:
    return _object(values[index]) if index < len(values) else {}
