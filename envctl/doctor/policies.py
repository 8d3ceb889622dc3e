"""Allow policies, deny policies and principal access boundaries, parsed from the JSON of Google's APIs.

Nothing is dropped silently: what a parser cannot understand is named in `oddities`, and a policy with oddities
is not `complete`, so absence from it proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class MalformedPolicy(ValueError):
    """The document is no policy at all; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A CEL condition; `expression` None when the policy was read in a version that hides it."""

    expression: str | None
    title: str = ""


@dataclass(frozen=True, slots=True)
class PolicyBinding:
    """One role for some members, perhaps under a condition."""

    role: str
    members: tuple[str, ...]
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class AllowPolicy:
    """The allow policy of one resource."""

    bindings: tuple[PolicyBinding, ...]
    etag: str = ""
    version: int = 1
    oddities: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """False when a part of the policy could not be understood."""
        return not self.oddities


@dataclass(frozen=True, slots=True)
class DenyRule:
    """Principals that are denied permissions (`service.googleapis.com/resource.verb`), with exceptions of both."""

    policy: str
    principals: tuple[str, ...]
    permissions: tuple[str, ...]
    except_principals: tuple[str, ...] = ()
    except_permissions: tuple[str, ...] = ()
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class DenyPolicies:
    """All deny rules attached to one project, folder or organization."""

    rules: tuple[DenyRule, ...] = ()
    oddities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Boundary:
    """A principal access boundary: members of `principal_set` reach nothing outside `resources`.

    `permissions` are those that its enforcement version blocks, when facts name them; None when they do not.
    """

    policy: str
    principal_set: str
    resources: tuple[str, ...]
    permissions: frozenset[str] | None = None
    condition: Condition | None = None


_HIDDEN_CONDITION = re.compile(r"^(?P<role>.+?)_withcond_[0-9a-f]+$")


def parse_allow_policy(document: Any) -> AllowPolicy:
    """The policy in the JSON of a `getIamPolicy` answer, of version 1, 2 or 3.

    Raises:
        MalformedPolicy: the document is not a policy.
    """
    if not isinstance(document, Mapping):
        raise MalformedPolicy(f"a policy is a JSON object, this is {_kind(document)}")
    bindings = document.get("bindings", [])
    if not isinstance(bindings, list):
        raise MalformedPolicy(f"`bindings` is a list, this is {_kind(bindings)}")
    if not document.keys() & {"bindings", "etag", "version", "auditConfigs"} and document:
        raise MalformedPolicy("no `bindings`, `etag` or `version`")
    oddities: list[str] = []
    version = document.get("version", 1)
    if not isinstance(version, int) or not 0 <= version <= 3:
        oddities.append(f"policy version {version!r} is not known")
    parsed: list[PolicyBinding] = []
    for place, item in enumerate(bindings):
        binding = _parse_binding(item)
        if isinstance(binding, str):
            oddities.append(f"binding {place + 1}: {binding}")
        else:
            parsed.append(binding)
    return AllowPolicy(
        bindings=tuple(parsed),
        etag=str(document.get("etag", "")),
        version=version if isinstance(version, int) else 0,
        oddities=tuple(oddities),
    )


def _parse_binding(item: Any) -> PolicyBinding | str:
    if not isinstance(item, Mapping):
        return f"an object is expected, this is {_kind(item)}"
    role, members = item.get("role"), item.get("members", [])
    if not isinstance(role, str) or not role:
        return "no role"
    if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
        return "members are not a list of texts"
    condition = _parse_condition(item.get("condition"))
    if hidden := _HIDDEN_CONDITION.match(role):
        # A read with requestedPolicyVersion below 3 renames conditional bindings and hides their conditions
        # (IAM documentation, "Policy versions").
        role, condition = hidden["role"], Condition(None)
    return PolicyBinding(role, tuple(members), condition)


def _parse_condition(item: Any) -> Condition | None:
    if item is None:
        return None
    if not isinstance(item, Mapping) or not isinstance(item.get("expression"), str):
        return Condition(None)
    return Condition(item["expression"], str(item.get("title", "")))


def parse_deny_policies(document: Any) -> DenyPolicies:
    """The rules in a list of deny policies (v2 `policies` API), or in its answer `{"policies": [...]}`.

    Raises:
        MalformedPolicy: the document is neither.
    """
    items = document.get("policies", []) if isinstance(document, Mapping) else document
    if not isinstance(items, list):
        raise MalformedPolicy(f"deny policies are a list, this is {_kind(items)}")
    rules: list[DenyRule] = []
    oddities: list[str] = []
    for item in items:
        name = str(item.get("name", "?")) if isinstance(item, Mapping) else "?"
        entries = item.get("rules") if isinstance(item, Mapping) else None
        if not isinstance(entries, list):
            oddities.append(f"deny policy {name} has no list of rules; read it with policies.get")
            continue
        for entry in entries:
            rule = _parse_deny_rule(name, entry)
            if isinstance(rule, str):
                oddities.append(f"deny policy {name}: {rule}")
            else:
                rules.append(rule)
    return DenyPolicies(tuple(rules), tuple(oddities))


def _parse_deny_rule(policy: str, entry: Any) -> DenyRule | str:
    rule = entry.get("denyRule") if isinstance(entry, Mapping) else None
    if not isinstance(rule, Mapping):
        return "a rule without denyRule"
    lists: list[tuple[str, ...]] = []
    for key in ("deniedPrincipals", "deniedPermissions", "exceptionPrincipals", "exceptionPermissions"):
        value = rule.get(key, [])
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            return f"{key} is not a list of texts"
        lists.append(tuple(value))
    return DenyRule(policy.rpartition("/")[2], *lists, condition=_parse_condition(rule.get("denialCondition")))


def parse_boundary(document: Any) -> Boundary:
    """One boundary of a fact: `{policy, principalSet, rules: [{resources}], blockedPermissions?, condition?}`.

    Raises:
        MalformedPolicy: a part is missing or of another kind.
    """
    if not isinstance(document, Mapping):
        raise MalformedPolicy(f"a boundary is a JSON object, this is {_kind(document)}")
    rules = document.get("rules", [])
    target = document.get("principalSet")
    if not isinstance(rules, list) or not isinstance(target, str):
        raise MalformedPolicy("a boundary has `principalSet` and a list of `rules`")
    resources: list[str] = []
    for rule in rules:
        values = rule.get("resources") if isinstance(rule, Mapping) else None
        if not isinstance(values, list):
            raise MalformedPolicy("a rule of a boundary has a list of `resources`")
        resources += [str(value) for value in values]
    blocked = document.get("blockedPermissions")
    return Boundary(
        policy=str(document.get("policy", "?")),
        principal_set=target,
        resources=tuple(resources),
        permissions=frozenset(map(str, blocked)) if isinstance(blocked, list) else None,
        condition=_parse_condition(document.get("condition")),
    )


def _kind(value: Any) -> str:
    names: Mapping[type, str] = {
        list: "a list",
        str: "a text",
        int: "a number",
        type(None): "nothing",
        bool: "true or false",
    }
    return names.get(type(value), f"a {type(value).__name__}")
