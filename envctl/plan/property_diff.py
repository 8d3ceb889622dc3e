"""The changed leaves between two property trees."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

from envctl.plan.model import PropertyAction, PropertyChange
from envctl.plan.values import JsonValue, Opaque


def join_path(base: str, key: str) -> str:
    """`base.key`, or `base["a.b"]` when the key would be read as two, as Pulumi writes property paths."""
    if not re.fullmatch(r"[A-Za-z_$][\w$-]*", key):
        return f'{base}["{key}"]'
    return f"{base}.{key}" if base else key


def same_property(left: str, right: str) -> bool:
    """Whether one of two property paths is the other or contains it, however their keys are quoted."""
    one, other = split_path(left), split_path(right)
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def diff_properties(
    before: Mapping[str, JsonValue],
    after: Mapping[str, JsonValue],
    *,
    changed_paths: Sequence[str] = (),
    replace_paths: Sequence[str] = (),
    known: tuple[Mapping[str, JsonValue], Mapping[str, JsonValue]] = ({}, {}),
) -> tuple[PropertyChange, ...]:
    """The changed leaves, in the order of the new tree and then what was removed.

    Args:
        before: inputs as the state has them.
        after: inputs as the program wants them.
        changed_paths: what the provider says differs; the answer keeps to these paths, because a provider
            knows equal spellings that a comparison of text does not. Empty means: every difference counts.
        replace_paths: of these, what replaces the resource.
        known: what the cloud said before and says after, for differences in what is no input.
    """
    leaves = list(_leaves("", before, after))
    if changed_paths:
        changed_paths = [_widened(path, leaves) for path in changed_paths]
        replace_paths = [_widened(path, leaves) for path in replace_paths]
        leaves = [leaf for leaf in leaves if any(same_property(leaf.path, path) for path in changed_paths)]
        leaves += _unseen(before, after, changed_paths, leaves, known)
    return tuple(
        PropertyChange(
            leaf.path,
            leaf.action,
            leaf.before,
            leaf.after,
            replaces=any(same_property(leaf.path, path) for path in replace_paths),
        )
        for leaf in leaves
    )


def _widened(path: str, leaves: Sequence[PropertyChange]) -> str:
    """The path itself, or the list that it points into when the element there has not changed.

    A provider counts the elements of a set in an order of its own.
    """
    if any(same_property(leaf.path, path) for leaf in leaves):
        return path
    parts = split_path(path)
    indexes = [at for at, part in enumerate(parts) if isinstance(part, int)]
    for at in reversed(indexes):
        listed = ""
        for part in parts[:at]:
            listed = f"{listed}[{part}]" if isinstance(part, int) else join_path(listed, part)
        if any(same_property(leaf.path, listed) for leaf in leaves):
            return listed
    return path


def _unseen(
    before: Mapping[str, JsonValue],
    after: Mapping[str, JsonValue],
    changed_paths: Sequence[str],
    leaves: Sequence[PropertyChange],
    known: tuple[Mapping[str, JsonValue], Mapping[str, JsonValue]],
) -> list[PropertyChange]:
    """Differences that only the provider sees: secrets, and values that the server filled in.

    What stands in neither tree is derived from what does (the real provider's `effectiveLabels`): it is shown only
    when there is nothing else to show.
    """
    result: list[PropertyChange] = []
    for path in changed_paths:
        if any(same_property(leaf.path, path) for leaf in leaves):
            continue
        old, new = value_at(before, path), value_at(after, path)
        result.append(PropertyChange(path, PropertyAction.CHANGE, old, new))
    declared = [one for one in result if one.before is not None or one.after is not None]
    if declared or leaves:
        return declared
    before_apply, after_apply = known
    return [
        replace(one, before=value_at(before_apply, one.path), after=value_at(after_apply, one.path)) for one in result
    ]


def dropped_paths(before: JsonValue, after: JsonValue, base: str = "") -> tuple[str, ...]:
    """Where the old tree has something and the new one nothing, at the highest place; lists count as a whole."""
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return ()
    found: list[str] = []
    for key, value in before.items():
        if key.startswith("__") or value in (None, {}, []):
            continue
        path = join_path(base, key)
        if after.get(key) is None:
            found.append(path)
        else:
            found += dropped_paths(value, after[key], path)
    return tuple(found)


def value_at(tree: JsonValue, path: str) -> JsonValue:
    """The value at a Pulumi property path, None where there is none."""
    node = tree
    for part in split_path(path):
        if isinstance(node, Mapping) and isinstance(part, str):
            node = node.get(part)
        elif isinstance(node, list) and isinstance(part, int):
            node = node[part] if part < len(node) else None
        else:
            return node if isinstance(node, Opaque) else None
    return node


@cache
def split_path(path: str) -> tuple[str | int, ...]:
    """The keys and indexes of a Pulumi property path."""
    parts: list[str | int] = []
    for match in re.finditer(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.\[\]]+)', path):
        quoted, index, plain = match.groups()
        if index is not None:
            parts.append(int(index))
        else:
            parts.append(quoted if quoted is not None else plain)
    return tuple(parts)


def _leaves(path: str, before: JsonValue, after: JsonValue) -> Iterator[PropertyChange]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _map_leaves(path, before, after)
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            old = before[index] if index < len(before) else None
            new = after[index] if index < len(after) else None
            yield from _leaves(f"{path}[{index}]", old, new)
    elif _same(before, after):
        return
    elif before is None:
        yield from _whole(path, after, PropertyAction.ADD)
    elif after is None:
        yield from _whole(path, before, PropertyAction.REMOVE)
    else:
        yield PropertyChange(path, PropertyAction.CHANGE, before, after)


def _map_leaves(path: str, before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]) -> Iterator[PropertyChange]:
    for key in [*after, *(key for key in before if key not in after)]:
        if not key.startswith("__"):
            yield from _leaves(join_path(path, key), before.get(key), after.get(key))


def _whole(path: str, value: JsonValue, action: PropertyAction) -> Iterator[PropertyChange]:
    """A tree that appears or vanishes, leaf by leaf; an empty container is a leaf."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            if not key.startswith("__"):
                yield from _whole(join_path(path, key), item, action)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _whole(f"{path}[{index}]", item, action)
    elif value is not None:
        added = action is PropertyAction.ADD
        yield PropertyChange(path, action, None if added else value, value if added else None)


def _same(before: JsonValue, after: JsonValue) -> bool:
    if before is Opaque.UNKNOWN or after is Opaque.UNKNOWN:
        return False
    if isinstance(before, bool) != isinstance(after, bool):
        return False
    return before == after
