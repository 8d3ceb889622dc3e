"""Which table describes a type; a table is imported when the first resource of its service turns up."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module

from envctl.provider.spec import TypeSpec

_TABLES: Mapping[str, str] = {
    "artifactregistry": "artifacts",
    "composer": "composer",
    "compute": "network",
    "container": "clusters",
    "kms": "keys",
    "logging": "observability",
    "monitoring": "observability",
    "projects": "projects",
    "secretmanager": "secrets",
    "serviceaccount": "accounts",
    "storage": "storage",
}
"""Table module by the first part of a type token (`gcp:kms/...` → `keys`)."""


@cache
def find_spec(token: str) -> TypeSpec | None:
    """The row of a type token, or None when no table has it."""
    package, _, rest = token.partition(":")
    table = _TABLES.get(rest.split("/", 1)[0])
    if package != "gcp" or table is None:
        return None
    return load_table(table).get(token)


@cache
def load_table(name: str) -> dict[str, TypeSpec]:
    """All rows of one table module, by token."""
    module = import_module(f"envctl.provider.types.{name}")
    rows: tuple[TypeSpec, ...] = module.TYPES
    return {row.token: row for row in rows}


def all_specs() -> dict[str, TypeSpec]:
    """Every row of every table, by token."""
    return {token: row for name in sorted(set(_TABLES.values())) for token, row in load_table(name).items()}
