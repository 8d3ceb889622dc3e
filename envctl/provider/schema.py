"""What the real provider declares of each resource type: fields, their types, and which of them force a replacement.

The table is shipped as `envctl/data/provider/schemas.json`; its header names source, date and the letters of the code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any, cast


class Kind(StrEnum):
    """How Terraform stores a field; `LIST` with `single` is one object in Pulumi."""

    BOOL = "b"
    INT = "i"
    FLOAT = "f"
    STRING = "s"
    LIST = "L"
    SET = "S"
    MAP = "M"


@dataclass(frozen=True, slots=True)
class Field:
    """One input or output. `conflicts` and `one_of` are dotted paths from the root of the resource."""

    name: str
    kind: Kind
    required: bool = False
    optional: bool = False
    computed: bool = False
    force_new: bool = False
    sensitive: bool = False
    single: bool = False
    element: Kind = Kind.STRING
    fields: Mapping[str, Field] | None = None
    default: Any = None
    conflicts: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()

    @property
    def settable(self) -> bool:
        """Whether a program may give it; otherwise it is an output only."""
        return self.required or self.optional


@dataclass(frozen=True, slots=True)
class ResourceSchema:
    """All fields of one resource type, by Pulumi name."""

    token: str
    fields: Mapping[str, Field]
    sensitive: frozenset[str] = field(default_factory=frozenset[str])


def field_at(schema: ResourceSchema, path: str) -> Field | None:
    """The field at a dotted path without indexes, or None."""
    fields: Mapping[str, Field] = schema.fields
    found: Field | None = None
    for part in path.split("."):
        found = fields.get(part)
        if found is None:
            return None
        fields = found.fields or {}
    return found


def walk_fields(fields: Mapping[str, Field], prefix: str = "") -> Iterator[tuple[str, Field]]:
    """Every field with its dotted path, parents first."""
    for name, item in fields.items():
        yield prefix + name, item
        if item.fields:
            yield from walk_fields(item.fields, f"{prefix}{name}.")


@cache
def known_types() -> tuple[str, ...]:
    """The type tokens in the table, sorted."""
    return tuple(sorted(_table()))


@cache
def load_schema(token: str) -> ResourceSchema:
    """The schema of a type token such as `gcp:storage/bucket:Bucket`. Raises `KeyError` when the table lacks it."""
    fields = _decode_fields(_table()[token])
    hidden = frozenset(name for name, item in fields.items() if _holds_sensitive(item))
    return ResourceSchema(token, fields, hidden)


def _holds_sensitive(item: Field) -> bool:
    return item.sensitive or any(_holds_sensitive(nested) for nested in (item.fields or {}).values())


@cache
def _table() -> dict[str, dict[str, Any]]:
    text = resources.files("envctl.data").joinpath("provider/schemas.json").read_text(encoding="utf-8")
    return cast("dict[str, dict[str, Any]]", json.loads(text)["types"])


def _decode_fields(raw: Mapping[str, Any]) -> dict[str, Field]:
    return {name: _decode_field(name, value) for name, value in raw.items()}


def _decode_field(name: str, raw: str | list[Any]) -> Field:
    code, extra = (raw, {}) if isinstance(raw, str) else (raw[0], raw[1])
    flags = code[1:]
    return Field(
        name=name,
        kind=Kind(code[0]),
        required="r" in flags,
        optional="o" in flags,
        computed="c" in flags,
        force_new="n" in flags,
        sensitive="x" in flags,
        single="1" in flags,
        element=Kind(extra.get("of", "s")),
        fields=_decode_fields(extra["in"]) if "in" in extra else None,
        default=extra.get("default"),
        conflicts=tuple(extra.get("conflicts", ())),
        one_of=tuple(extra.get("one_of", ())),
    )
