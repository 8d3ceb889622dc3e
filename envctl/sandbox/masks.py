"""Field masks and proto3's habits in JSON: apply a mask, drop zero values, merge defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envctl.sandbox.messages import Json


# Fields that are maps: their keys are user data, and their values are kept even when they are empty.
_MAPS = frozenset(
    {
        "airflowConfigOverrides",
        "annotations",
        "envVariables",
        "labels",
        "metadata",
        "pypiPackages",
        "resourceLabels",
        "resourceManagerTags",
    }
)


def split_mask(text: str) -> list[str]:
    """The paths of an `updateMask`, in camelCase whatever the client wrote."""
    return [camel_path(path.strip()) for path in text.split(",") if path.strip()]


def camel_path(path: str) -> str:
    """A path of field names in camelCase, as answers spell them; keys of maps stay as they are."""
    head, dot, tail = path.partition(".")
    head = _camel(head)
    if head in _MAPS or not tail:
        return head + dot + tail
    return head + dot + camel_path(tail)


def _camel(name: str) -> str:
    # Terraform's provider writes some paths with a capital (`config.WorkloadsConfig`), which the API accepts.
    head, *rest = name.split("_")
    return head[:1].lower() + head[1:] + "".join(word[:1].upper() + word[1:] for word in rest)


def at(value: Mapping[str, Any], path: Sequence[str]) -> Any:
    """The value at a path; None when a part of it is not there."""
    node: Any = value
    for name in path:
        if not isinstance(node, dict) or name not in node:
            return None
        node = node[name]
    return node


def with_path(value: Mapping[str, Any], path: Sequence[str], new: Any) -> Json:
    """A copy with another value at a path; None removes it, and what it leaves empty."""
    head, *rest = path
    copy: Json = dict(value)
    if rest:
        inner = copy.get(head)
        copy[head] = with_path(inner if isinstance(inner, dict) else {}, rest, new)
        if new is None and not copy[head]:
            del copy[head]
    elif new is None:
        copy.pop(head, None)
    else:
        copy[head] = new
    return copy


def masked(old: Mapping[str, Any], new: Mapping[str, Any], paths: Iterable[str]) -> Json:
    """`old` with the values that `new` has at these paths; absent in `new` means removed.

    A last segment may be the key of a map and contain dots (`labels.a.b` never occurs, package names may).
    """
    result: Json = dict(old)
    for path in paths:
        segments = path_of(path)
        result = with_path(result, segments, at(new, segments))
    return result


def path_of(text: str) -> list[str]:
    """The segments of one mask path."""
    segments = text.split(".")
    for index, name in enumerate(segments):
        if name in _MAPS:
            rest = ".".join(segments[index + 1 :])
            return [*segments[: index + 1], *([rest] if rest else [])]
    return segments


def without_zeros(value: Mapping[str, Any]) -> Json:
    """A message as proto3 prints it: no zero scalars, no empty lists; messages stay even when empty."""
    kept: Json = {}
    for key, item in value.items():
        if key in _MAPS and isinstance(item, dict):
            if item:
                kept[key] = item
        elif isinstance(item, dict):
            kept[key] = without_zeros(item)
        elif isinstance(item, list):
            if item:
                kept[key] = [without_zeros(part) if isinstance(part, dict) else part for part in item]
        elif item:
            kept[key] = item
    return kept


def merged(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> Json:
    """What was given, completed by defaults, message by message."""
    result: Json = dict(defaults)
    for key, value in given.items():
        default = result.get(key)
        if isinstance(value, dict) and isinstance(default, dict):
            result[key] = merged(default, value)
        else:
            result[key] = value
    return result
