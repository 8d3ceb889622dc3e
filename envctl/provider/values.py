"""Small questions about property values: is anything unknown in it, does it count as not given, is it the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from envctl.plan.values import Opaque


def has_unknown(value: Any) -> bool:
    """Whether the value, or anything inside it, is known only after apply."""
    if value is Opaque.UNKNOWN:
        return True
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(has_unknown(item) for item in value)
    return False


def is_zero(value: Any) -> bool:
    """Whether Terraform treats the value as not given: None, false, 0, "", and empty collections."""
    if value is Opaque.UNKNOWN:
        return False
    return value is None or value is False or value in (0, "", [], {}, ())


def prune(value: Any) -> Any:
    """The value without zero values inside objects: the form in which elements of a set are compared."""
    if isinstance(value, Mapping):
        return {key: prune(item) for key, item in value.items() if not is_zero(prune(item))}
    if isinstance(value, list | tuple):
        return [prune(item) for item in value]
    return value


def fingerprint(value: Any) -> str:
    """A text that is equal for equal values, whatever the order of keys; unknowns get a mark of their own."""
    return json.dumps(prune(value), sort_keys=True, default=lambda item: f"<{item}>")


def get_path(value: Any, path: str) -> Any:
    """What stands at a dotted path of nested objects (the first element of lists on the way), or None."""
    for part in path.split("."):
        if isinstance(value, list | tuple):
            value = value[0] if value else None
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def set_path(target: dict[str, Any], path: str, value: Any) -> None:
    """Puts a value at a dotted path, making the objects on the way."""
    *parents, last = path.split(".")
    for part in parents:
        target = target.setdefault(part, {})
    target[last] = value


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both objects together, deeply; where both have a value that is not an object, `over` wins."""
    result: dict[str, Any] = dict(base)
    for key, value in over.items():
        current = result.get(key)
        if isinstance(current, Mapping) and isinstance(value, Mapping):
            result[key] = merge(current, value)
        else:
            result[key] = value
    return result


def basename(value: Any) -> Any:
    """The last segment of a resource name or link; other values unchanged."""
    return value.rsplit("/", 1)[-1] if isinstance(value, str) else value
