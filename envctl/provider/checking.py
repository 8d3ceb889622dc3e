"""Inputs with defaults filled in, and everything in them that the schema refuses."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from envctl.plan.values import Opaque
from envctl.provider.mapping import coerce
from envctl.provider.protocol import Checked, CheckFailure
from envctl.provider.schema import Field, Kind, ResourceSchema
from envctl.provider.spec import Behaviour
from envctl.provider.values import get_path

_TYPES: Mapping[Kind, tuple[type, ...]] = {
    Kind.BOOL: (bool,),
    Kind.INT: (int,),
    Kind.FLOAT: (int, float),
    Kind.STRING: (str,),
}
_NAMES = {Kind.BOOL: "a boolean", Kind.INT: "a whole number", Kind.FLOAT: "a number", Kind.STRING: "text"}


def check_inputs(schema: ResourceSchema, behaviour: Behaviour, new: Mapping[str, Any]) -> Checked:
    """All failures at once; the inputs come back without nulls and Pulumi's bookkeeping, with defaults."""
    failures: list[CheckFailure] = []
    inputs = _check_fields(schema.fields, new, "", failures)
    for path, item in given_groups(schema.fields, inputs, ""):
        failures.extend(_check_group(path, item, inputs))
    if not failures:
        failures.extend(behaviour.check(inputs))
    return Checked(inputs, tuple(failures))


def _check_fields(
    fields: Mapping[str, Field], values: Mapping[str, Any], prefix: str, failures: list[CheckFailure]
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in values.items():
        if value is None or name.startswith("__"):
            continue
        path = prefix + name
        item = fields.get(name)
        if item is None:
            near = difflib.get_close_matches(name, [other for other in fields if fields[other].settable], 1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            failures.append(CheckFailure(path, f"unknown property{hint}"))
        elif not item.settable:
            failures.append(CheckFailure(path, "is an output: it cannot be set"))
        else:
            result[name] = _check_value(item, value, path, failures)
    for name, item in fields.items():
        if name in result:
            continue
        if item.required:
            failures.append(CheckFailure(prefix + name, "is required"))
        elif item.optional and item.default is not None and not item.one_of:
            result[name] = item.default
    return result


def _check_value(item: Field, value: Any, path: str, failures: list[CheckFailure]) -> Any:
    if value is Opaque.UNKNOWN:
        return value
    value = coerce(item, value)
    if item.single and item.fields is not None:
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, Mapping):
            failures.append(CheckFailure(path, f"must be an object, not {_kind_of(value)}"))
            return value
        return _check_fields(item.fields, value, f"{path}.", failures)
    if item.kind in (Kind.LIST, Kind.SET):
        return _check_list(item, value, path, failures)
    if item.kind is Kind.MAP:
        if not isinstance(value, Mapping):
            failures.append(CheckFailure(path, f"must be a map, not {_kind_of(value)}"))
            return value
        for key, element in value.items():
            _check_scalar(item.element, element, f"{path}.{key}", failures)
        return value
    _check_scalar(item.kind, value, path, failures)
    return value


def _check_list(item: Field, value: Any, path: str, failures: list[CheckFailure]) -> Any:
    if not isinstance(value, list | tuple):
        failures.append(CheckFailure(path, f"must be a list, not {_kind_of(value)}"))
        return value
    result: list[Any] = []
    for index, element in enumerate(value):
        spot = f"{path}[{index}]"
        if item.fields is None:
            _check_scalar(item.element, element, spot, failures)
            result.append(element)
        elif element is Opaque.UNKNOWN:
            result.append(element)
        elif isinstance(element, Mapping):
            result.append(_check_fields(item.fields, element, f"{spot}.", failures))
        else:
            failures.append(CheckFailure(spot, f"must be an object, not {_kind_of(element)}"))
    return result


def _check_scalar(kind: Kind, value: Any, path: str, failures: list[CheckFailure]) -> None:
    if value is Opaque.UNKNOWN or value is None:
        return
    wrong = not isinstance(value, _TYPES.get(kind, (object,))) or (isinstance(value, bool) and kind is not Kind.BOOL)
    if wrong:
        failures.append(CheckFailure(path, f"must be {_NAMES[kind]}, not {_kind_of(value)}"))


def given_groups(fields: Mapping[str, Field], values: Mapping[str, Any], prefix: str) -> list[tuple[str, Field]]:
    """Fields that exclude or need each other, in objects that are given."""
    found: list[tuple[str, Field]] = []
    for name, item in fields.items():
        if item.conflicts or item.one_of:
            found.append((prefix + name, item))
        value = values.get(name)
        if item.single and item.fields and isinstance(value, Mapping):
            found.extend(given_groups(item.fields, value, f"{prefix}{name}."))
    return found


def _check_group(path: str, item: Field, inputs: Mapping[str, Any]) -> list[CheckFailure]:
    given = get_path(inputs, path) is not None
    failures: list[CheckFailure] = []
    if given:
        failures.extend(
            CheckFailure(path, f"conflicts with {other}")
            for other in item.conflicts
            if other != path and get_path(inputs, other) is not None
        )
    if item.one_of:
        group = sorted({path, *item.one_of})
        if path == group[0]:  # said once for the whole group
            present = [other for other in group if get_path(inputs, other) is not None]
            if len(present) != 1:
                found = f"; {' and '.join(present)} are" if present else "; none is"
                failures.append(CheckFailure(path, f"exactly one of {', '.join(group)} must be given{found}"))
    return failures


def _kind_of(value: Any) -> str:
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return f'the text "{value}"'
        case Mapping():
            return "an object"
        case _:
            return "a list"
