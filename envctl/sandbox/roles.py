"""Predefined roles with title, stage and permissions, from the table that envctl ships."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from envctl.sandbox.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


# Services whose roles the table has all of (its source selects by service), and the basic roles, of which three are newer
# than the table (IAM documentation, "Basic roles", read 2026-11).
_COMPLETE = frozenset(
    {
        *("artifactregistry", "bigquery", "cloudbuild", "cloudkms", "cloudsql", "composer", "container"),
        *("containerregistry", "dataflow", "datalineage", "deploymentmanager", "dns", "iam", "logging", "monitoring"),
        *("orgpolicy", "pubsub", "secretmanager", "servicedirectory", "serviceusage", "storage"),
    }
)
_BASIC = frozenset({"owner", "editor", "viewer", "browser", "admin", "writer", "reader"})


@dataclass(frozen=True, slots=True)
class PredefinedRole:
    """One of Google's roles."""

    name: str
    title: str
    stage: str
    permissions: frozenset[str]


@cache
def _document() -> Mapping[str, Any]:
    packed = read_table("iam/roles.json.z")
    return json.loads(zlib.decompress(packed))


@cache
def predefined_role(name: str) -> PredefinedRole | None:
    """A role by its name `roles/...`; None when the table does not have it."""
    row = _document()["roles"].get(name)
    if row is None:
        return None
    title, stage, bits = row
    permissions: Sequence[str] = _document()["permissions"]
    mask = int(bits, 16)
    held = frozenset(permission for index, permission in enumerate(permissions) if mask >> index & 1)
    return PredefinedRole(name, title, stage, held)


def may_exist(name: str) -> bool:
    """Whether Google may have a predefined role of this name: the table has it, or knows only some of the service's roles."""
    if name in _document()["roles"]:
        return True
    service, dot, rest = name.removeprefix("roles/").partition(".")
    if not dot:
        return service in _BASIC
    return bool(rest) and service not in _COMPLETE and not f"{service}.{rest}".startswith("compute.network")


def predefined_role_names() -> list[str]:
    """The names of all roles of the table."""
    return sorted(_document()["roles"])


def known_permissions() -> Sequence[str]:
    """All permissions that a role of the table holds, sorted."""
    return _document()["permissions"]
