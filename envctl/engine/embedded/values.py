"""Property values as the engine holds them: JSON with three marks.

`Secret` wraps a sensitive value, `Reference` stands for another resource, `Opaque.UNKNOWN` for what is known
only after apply. Containers are never changed in place: every function returns the very object it was given
when there is nothing to do, so that a thousand resources cost no copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from envctl.masking import is_secret, learn
from envctl.plan.hiding import FREE
from envctl.plan.values import Opaque

Value = Any
"""None, bool, int, float, str, list, dict with str keys, `Secret`, `Reference` or `Opaque.UNKNOWN`."""

Values = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Secret:
    """A sensitive value; `value` holds no further `Secret` at its top."""

    value: Value

    def __repr__(self) -> str:
        return "Secret(...)"


@dataclass(frozen=True, slots=True)
class Reference:
    """Another resource as a value: `id` is None for a component and `Opaque.UNKNOWN` before it is created."""

    urn: str
    id: Value = None


def secret(value: Value) -> Secret:
    """The value, marked once."""
    return value if isinstance(value, Secret) else Secret(value)


def rewrite(value: Value, leaf: Callable[[Value], Value]) -> Value:
    """The value with `leaf` applied to everything that is neither a dict nor a list; shares what did not change."""
    if isinstance(value, dict):
        changed: dict[str, Value] | None = None
        for key, item in value.items():
            new = rewrite(item, leaf)
            if new is not item:
                changed = dict(value) if changed is None else changed
                changed[key] = new
        return value if changed is None else changed
    if isinstance(value, list):
        changed_list: list[Value] | None = None
        for index, item in enumerate(value):
            new = rewrite(item, leaf)
            if new is not item:
                changed_list = list(value) if changed_list is None else changed_list
                changed_list[index] = new
        return value if changed_list is None else changed_list
    return leaf(value)


def _plain_leaf(value: Value) -> Value:
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, Reference):
        return value.urn if value.id is None else value.id
    return value


def plain(value: Value) -> Value:
    """The value as a provider sees it: secrets unwrapped, a resource as its id (a component as its URN)."""
    return rewrite(value, _plain_leaf)


def _mask_leaf(value: Value) -> Value:
    if isinstance(value, Secret):
        return Opaque.SECRET
    if isinstance(value, Reference):
        return value.urn if value.id is None else value.id
    return value


def mask(value: Value) -> Value:
    """The value as an event may carry it: `Opaque.SECRET` in place of every secret."""
    return rewrite(value, _mask_leaf)


def holds(value: Value, test: Callable[[Value], bool]) -> bool:
    """Whether any leaf, inside secrets too, passes the test; `Secret` itself is offered to it as well."""
    if isinstance(value, dict):
        return any(holds(item, test) for item in value.values())
    if isinstance(value, list):
        return any(holds(item, test) for item in value)
    if test(value):
        return True
    return isinstance(value, Secret) and holds(value.value, test)


def has_unknown(value: Value) -> bool:
    """Whether something in the value is known only after apply."""
    return holds(
        value, lambda leaf: leaf is Opaque.UNKNOWN or (isinstance(leaf, Reference) and leaf.id is Opaque.UNKNOWN)
    )


def has_secret(value: Value) -> bool:
    """Whether something in the value is sensitive."""
    return holds(value, lambda leaf: isinstance(leaf, Secret))


_DERIVED = frozenset({"effectiveLabels", "pulumiLabels", "effectiveAnnotations"})
"""Outputs that the provider marks as a whole, although nothing in them is secret."""


def learn_secrets(*trees: Values) -> None:
    """Lets no text show what is marked in these inputs or outputs."""
    for tree in trees:
        for key, value in tree.items():
            if key not in _DERIVED:
                holds(value, _learn)


def _learn(leaf: Value) -> bool:
    if isinstance(leaf, Secret):
        learn(plain(leaf.value))
    return False


def mark_literals(values: dict[str, Value]) -> dict[str, Value]:
    """Values that the cloud told, with every text marked that is a secret by its look or its key.

    Somebody may have put one where no file of ours would: an environment variable of an imported environment.
    """
    return {key: _marked(value, key, free=False) for key, value in values.items()}


def _marked(value: Value, key: str, *, free: bool) -> Value:
    """The value with its texts marked; itself when there was nothing to mark."""
    if isinstance(value, dict):
        new = {name: _marked(item, name, free=free or key in FREE) for name, item in value.items()}
        return new if any(new[name] is not item for name, item in value.items()) else value
    if isinstance(value, list):
        items = [_marked(item, key, free=free) for item in value]
        return items if any(one is not other for one, other in zip(items, value, strict=True)) else value
    if isinstance(value, str) and is_secret(value, key if free else ""):
        learn(value)
        return Secret(value)
    return value


def mark_like(values: dict[str, Value], source: Values) -> dict[str, Value]:
    """Values of a provider with the secrets of `source` marked again, by name and, in nested objects, by path.

    A list that held a secret anywhere becomes secret as a whole, as in Pulumi's own plugin layer.
    """
    result = values
    for key, marked in source.items():
        if key not in values:
            continue
        current = values[key]
        if isinstance(current, dict) and isinstance(marked, dict):
            new: Value = mark_like(current, marked)
        elif not isinstance(current, Secret) and has_secret(marked):
            new = Secret(_unmarked(current))
        else:
            continue
        if new is not current:
            result = dict(values) if result is values else result
            result[key] = new
    return result


def mark_keys(values: dict[str, Value], keys: Iterable[str]) -> dict[str, Value]:
    """Values with the named top-level entries marked secret."""
    wanted = [key for key in keys if key in values and not isinstance(values[key], Secret)]
    if not wanted:
        return values
    return {**values, **{key: Secret(_unmarked(values[key])) for key in wanted}}


def _unmarked(value: Value) -> Value:
    """The value without marks inside: what is secret as a whole is marked once, as Pulumi does."""
    return rewrite(value, lambda each: each.value if isinstance(each, Secret) else each)
