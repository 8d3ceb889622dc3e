"""What differs between the live outputs and the wanted inputs, the way Terraform's schema compares them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from envctl.plan.values import Opaque
from envctl.provider.mapping import coerce
from envctl.provider.protocol import DiffKind
from envctl.provider.schema import Field, Kind
from envctl.provider.spec import TypeSpec
from envctl.provider.values import fingerprint, has_unknown, is_zero, prune


@dataclass(frozen=True, slots=True)
class Difference:
    """One changed place: `path` as Pulumi writes it (`a.b[0].c`), `field` without indexes."""

    path: str
    field: str
    kind: DiffKind
    replaces: bool
    covers: tuple[str, ...] = ()
    """Fields below that come or go with a whole block."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compares the fields of one type; the methods yield nothing for values that mean the same."""

    spec: TypeSpec
    imported: bool = False
    """The live side comes from an import: switches and unreadable values are not known there."""

    def fields(
        self, fields: Mapping[str, Field], old: Mapping[str, Any], new: Mapping[str, Any], path: str = "", at: str = ""
    ) -> Iterator[Difference]:
        """Differences of all fields of an object."""
        for name, item in fields.items():
            if not item.settable or (not at and name == self.spec.labels):
                continue
            rule = self.spec.rule(f"{at}{name}")
            if self.imported and (rule.skip or rule.keep) and old.get(name) is None:
                continue
            yield from self._field(item, old.get(name), new.get(name), f"{path}{name}", f"{at}{name}")

    def _field(self, item: Field, old: Any, new: Any, path: str, at: str) -> Iterator[Difference]:
        if new is None:
            if item.computed:
                return
            if item.default is not None:
                new = item.default
            elif not is_zero(prune(old)):
                yield self._difference(item, path, at, DiffKind.DELETE, old)
                return
            else:
                return
        if new is Opaque.UNKNOWN:
            yield self._difference(item, path, at, DiffKind.ADD if old is None else DiffKind.UPDATE, old)
        elif item.kind is Kind.MAP and isinstance(new, Mapping):
            yield from self._map(item, _object(old), new, path, at)
        elif item.single and item.fields:
            yield from self._single(item, old, _object(new), path, at)
        elif item.kind in (Kind.LIST, Kind.SET):
            yield from self._collection(item, _elements(old), _elements(new), path, at)
        elif not self._same(item, old, new, at):
            kind = DiffKind.ADD if old is None or old == "" else DiffKind.UPDATE
            yield self._difference(item, path, at, kind, new)

    def _same(self, item: Field, old: Any, new: Any, at: str) -> bool:
        old, new = coerce(item, old), coerce(item, new)
        if old == new or (is_zero(old) and is_zero(new)):
            return True
        if item.computed and new == "":
            return True  # an empty text counts as not given
        same = self.spec.rule(at).same
        return same is not None and old is not None and not has_unknown(new) and same(old, new)

    def _single(self, item: Field, old: Any, new: Mapping[str, Any], path: str, at: str) -> Iterator[Difference]:
        assert item.fields is not None
        if isinstance(old, Mapping):
            yield from self.fields(item.fields, old, new, f"{path}.", f"{at}.")
            return
        inner = list(self.fields(item.fields, {}, new, f"{path}.", f"{at}."))
        if inner or (not new and not item.computed):
            replaces = item.force_new or any(entry.replaces for entry in inner)
            covers = tuple(entry.field for entry in inner) + tuple(name for entry in inner for name in entry.covers)
            yield Difference(path, at, _kind(DiffKind.ADD, replaces), replaces, covers)

    def _map(
        self, item: Field, old: Mapping[str, Any], new: Mapping[str, Any], path: str, at: str
    ) -> Iterator[Difference]:
        before, after = coerce(item, old), coerce(item, new)
        for key in {**before, **after}:
            spot = f"{path}.{key}" if key.replace("_", "a").replace("-", "a").isalnum() else f'{path}["{key}"]'
            if key not in after:
                yield self._difference(item, spot, at, DiffKind.DELETE, before[key])
            elif key not in before:
                yield self._difference(item, spot, at, DiffKind.ADD, after[key])
            elif before[key] != after[key]:
                yield self._difference(item, spot, at, DiffKind.UPDATE, after[key])

    def _collection(self, item: Field, old: list[Any], new: list[Any], path: str, at: str) -> Iterator[Difference]:
        if item.kind is Kind.SET:
            yield from self._set(item, old, new, path, at)
            return
        for index in range(max(len(old), len(new))):
            spot = f"{path}[{index}]"
            if index >= len(new):
                yield self._difference(item, spot, at, DiffKind.DELETE, old[index])
            elif index >= len(old):
                yield self._difference(item, spot, at, DiffKind.ADD, new[index])
            elif item.fields and isinstance(new[index], Mapping):
                yield from self.fields(item.fields, _object(old[index]), new[index], f"{spot}.", f"{at}.")
            elif new[index] is Opaque.UNKNOWN or not self._same_element(item, old[index], new[index], at):
                yield self._difference(item, spot, at, DiffKind.UPDATE, new[index])

    def _set(self, item: Field, old: list[Any], new: list[Any], path: str, at: str) -> Iterator[Difference]:
        waiting = {index: fingerprint(element) for index, element in enumerate(old)}
        by_text: dict[str, list[int]] = {}
        for index, text in waiting.items():
            by_text.setdefault(text, []).append(index)
        added: list[int] = []
        for index, element in enumerate(new):
            twins = by_text.get(fingerprint(element))
            if twins:
                waiting.pop(twins.pop(0))
            else:
                added.append(index)
        for index in list(added):
            twin = next((spot for spot in waiting if self._same_element(item, old[spot], new[index], at)), None)
            if twin is not None:
                waiting.pop(twin)
                added.remove(index)
        for index in added:
            kind = DiffKind.UPDATE if index in waiting else DiffKind.ADD
            waiting.pop(index, None)
            yield self._difference(item, f"{path}[{index}]", at, kind, new[index])
        for index in waiting:
            yield self._difference(item, f"{path}[{index}]", at, DiffKind.DELETE, old[index])

    def _same_element(self, item: Field, old: Any, new: Any, at: str) -> bool:
        if has_unknown(new):
            return False
        if item.fields:
            return not any(True for _ in self.fields(item.fields, _object(old), _object(new), "", f"{at}."))
        leaf = Field(item.name, item.element)
        return self._same(leaf, old, new, at)

    def _difference(self, item: Field, path: str, at: str, kind: DiffKind, value: Any) -> Difference:
        replaces = item.force_new or (item.fields is not None and _forces(item.fields, value))
        whole = item.single and isinstance(value, Mapping)
        return Difference(path, at, _kind(kind, replaces), replaces, tuple(_below(value, at)) if whole else ())


def _below(value: Mapping[str, Any], at: str) -> Iterator[str]:
    for name, inner in value.items():
        yield f"{at}.{name}"
        if isinstance(inner, Mapping):
            yield from _below(inner, f"{at}.{name}")


def _forces(fields: Mapping[str, Field], value: Any) -> bool:
    """Whether a whole block that comes or goes holds a value that forces a replacement."""
    elements = [value] if isinstance(value, Mapping) else _elements(value)
    return any(
        not is_zero(element.get(name))
        and (item.force_new or (item.fields is not None and _forces(item.fields, element[name])))
        for element in elements
        if isinstance(element, Mapping)
        for name, item in fields.items()
        if item.settable
    )


def _kind(kind: DiffKind, replaces: bool) -> DiffKind:
    if not replaces:
        return kind
    return {
        DiffKind.ADD: DiffKind.ADD_REPLACE,
        DiffKind.DELETE: DiffKind.DELETE_REPLACE,
        DiffKind.UPDATE: DiffKind.UPDATE_REPLACE,
    }[kind]


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _elements(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
