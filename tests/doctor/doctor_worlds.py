"""Small worlds for tests: one project under a folder under an organization, everything readable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from envctl.doctor.policies import AllowPolicy, Boundary, DenyPolicies, parse_allow_policy, parse_deny_policies
from envctl.doctor.principals import Directory, Group
from envctl.doctor.roles import RoleCatalogue
from envctl.doctor.world import CallerTest, Gap, World

CRM = "//cloudresourcemanager.googleapis.com"
PROJECT = f"{CRM}/projects/acme"
FOLDER = f"{CRM}/folders/1"
ORGANIZATION = f"{CRM}/organizations/9"
ACCOUNT = "//iam.googleapis.com/projects/acme/serviceAccounts/env@acme.iam.gserviceaccount.com"
BUCKET = "//storage.googleapis.com/projects/_/buckets/b"
NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def policy(*bindings: tuple[Any, ...]) -> AllowPolicy:
    """An allow policy from (role, members[, condition expression])."""
    items: list[dict[str, Any]] = []
    for role, members, *condition in bindings:
        item: dict[str, Any] = {"role": role, "members": [members] if isinstance(members, str) else list(members)}
        if condition:
            item["condition"] = {"title": "c", "expression": condition[0]}
        items.append(item)
    return parse_allow_policy({"version": 3, "etag": "x", "bindings": items})


def deny(principals: Iterable[str], permissions: Iterable[str], **more: Any) -> DenyPolicies:
    rule = {"deniedPrincipals": list(principals), "deniedPermissions": list(permissions), **more}
    return parse_deny_policies([{"name": "policies/x/denypolicies/d", "rules": [{"denyRule": rule}]}])


def world(
    policies: Mapping[str, AllowPolicy | Gap] | None = None,
    *,
    custom: Mapping[str, Iterable[str] | None] | None = None,
    groups: Mapping[str, Group] | None = None,
    deny: Mapping[str, DenyPolicies | Gap] | None = None,
    boundaries: tuple[Boundary, ...] | Gap = (),
    tested: Mapping[tuple[str, str], CallerTest] | None = None,
    **directory: Any,
) -> World:
    empty = policy()
    places = dict.fromkeys((PROJECT, FOLDER, ORGANIZATION, ACCOUNT, BUCKET), empty)
    return World(
        policies={**places, **(policies or {})},
        roles=RoleCatalogue(custom),
        now=NOW,
        parents={PROJECT: FOLDER, FOLDER: ORGANIZATION, ORGANIZATION: None, BUCKET: PROJECT},
        directory=Directory(
            groups=groups or {},
            projects={"123": "acme"},
            ancestors={"acme": (FOLDER, ORGANIZATION)},
            **directory,
        ),
        deny=deny or {},
        boundaries=boundaries,
        tested=tested or {},
    )
