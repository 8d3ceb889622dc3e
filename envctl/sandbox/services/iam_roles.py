"""The methods of IAM on roles, and deny policies of its version 2."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from envctl.sandbox import roles as predefined
from envctl.sandbox.failures import (
    already_exists,
    failed_precondition,
    invalid,
    not_found,
)
from envctl.sandbox.masks import masked, split_mask
from envctl.sandbox.operations import OperationKind, outcome
from envctl.sandbox.paging import page
from envctl.sandbox.policies import concurrent_change
from envctl.sandbox.routing import Route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Backend, Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

COLLECTION = "roles"
DENY = "denyPolicies"
_IDENTIFIER = re.compile(r"[a-zA-Z0-9_.]{3,64}")
_V2_TYPE = "type.googleapis.com/google.iam.v2"


@dataclass(frozen=True, slots=True)
class Roles:
    """Predefined and custom roles."""

    cloud: Cloud

    def get_predefined(self, call: Call) -> Json:
        """One of Google's roles, with its permissions."""
        role = predefined.predefined_role(f"roles/{call['role']}")
        if role is None:
            raise not_found(f"The role named roles/{call['role']} was not found.")
        return {
            "name": role.name,
            "title": role.title,
            "stage": role.stage,
            "etag": "AA==",
            "includedPermissions": sorted(role.permissions),
        }

    def list_predefined(self, call: Call) -> Json:
        """Google's roles, with permissions only in the full view."""
        shown: list[Json] = []
        for name in predefined.predefined_role_names():
            role = predefined.predefined_role(name)
            assert role is not None, "the names come from the same table"
            entry: Json = {"name": name, "title": role.title, "stage": role.stage, "etag": "AA=="}
            if call.query("view") == "FULL":
                entry["includedPermissions"] = sorted(role.permissions)
            shown.append(entry)
        return page(call, "roles", shown, default_size=300)

    def testable(self, call: Call) -> Json:
        """The permissions that custom roles of a project may hold."""
        names = [{"name": name, "stage": "GA"} for name in predefined.known_permissions()]
        asked = int(call.body.get("pageSize") or 100)
        token = call.body.get("pageToken") or "0"
        if not token.isdigit():
            raise invalid("Request contains an invalid argument: page token.")
        start = int(token)
        shown: Json = {"permissions": names[start : start + asked]}
        if start + asked < len(names):
            shown["nextPageToken"] = str(start + asked)
        return shown

    def create(self, call: Call) -> Json:
        """Make a custom role."""
        identifier = call.body.get("roleId", "")
        if not _IDENTIFIER.fullmatch(identifier):
            raise invalid(f"The role_id {identifier} must match {_IDENTIFIER.pattern}.")
        name = f"projects/{call['project']}/roles/{identifier}"
        if call.store.get(COLLECTION, name) is not None:
            raise already_exists(f"A role named {identifier} in projects/{call['project']} already exists.")
        given: Mapping[str, Any] = call.body.get("role") or {}
        self._check(given)
        role: Json = {
            "stage": "ALPHA",
            **{key: value for key, value in given.items() if key not in {"name", "deleted"}},
            "name": name,
            "etag": call.backend.new_etag(),
        }
        call.store.put(COLLECTION, name, role)
        return role

    def _check(self, role: Mapping[str, Any]) -> None:
        known = set(predefined.known_permissions())
        services = {permission.partition(".")[0] for permission in known}
        for permission in role.get("includedPermissions", ()):
            # The table does not hold every permission of Google, but all of the services it knows.
            if permission not in known and permission.partition(".")[0] in services:
                raise invalid(f"Permission {permission} is not valid.")

    def _find(self, call: Call) -> Mapping[str, Any]:
        role = call.store.get(COLLECTION, f"projects/{call['project']}/roles/{call['role']}")
        if role is None:
            raise not_found(f"The role named projects/{call['project']}/roles/{call['role']} was not found.")
        return role

    def get(self, call: Call) -> Json:
        """A custom role; a deleted one says so."""
        return dict(self._find(call))

    def list(self, call: Call) -> Json:
        """The custom roles of a project."""
        deleted = call.query("showDeleted") == "true"
        found = [
            {key: value for key, value in role.items() if key != "includedPermissions" or call.query("view") == "FULL"}
            for role in call.store.values(COLLECTION, f"projects/{call['project']}/roles/")
            if deleted or not role.get("deleted")
        ]
        return page(call, "roles", found, default_size=300)

    def patch(self, call: Call) -> Json:
        """Change a custom role."""
        old = self._find(call)
        if old.get("deleted"):
            raise failed_precondition(f"The role {old['name']} is deleted.")
        _check_etag(old, call.body.get("etag", ""))
        paths = split_mask(call.query("updateMask")) or [key for key in call.body if key not in {"name", "etag"}]
        new = masked(old, call.body, paths)
        self._check(new)
        new["etag"] = call.backend.new_etag()
        call.store.put(COLLECTION, old["name"], new)
        return new

    def delete(self, call: Call) -> Json:
        """Delete a custom role; it can be taken back for seven days."""
        old = self._find(call)
        _check_etag(old, call.query("etag"))
        if old.get("deleted"):
            raise failed_precondition(f"You can't delete role_id ({call['role']}) because it is already deleted.")
        return self._keep(call, {**old, "deleted": True})

    def undelete(self, call: Call) -> Json:
        """Take the deletion of a custom role back."""
        old = self._find(call)
        _check_etag(old, call.body.get("etag", ""))
        if not old.get("deleted"):
            raise failed_precondition(f"The role {old['name']} is not deleted.")
        return self._keep(call, {key: value for key, value in old.items() if key != "deleted"})

    def _keep(self, call: Call, role: Json) -> Json:
        role["etag"] = call.backend.new_etag()
        call.store.put(COLLECTION, role["name"], role)
        return role


@dataclass(frozen=True, slots=True)
class DenyPolicies:
    """Deny policies (version 2 of the API)."""

    cloud: Cloud

    def _prefix(self, call: Call) -> str:
        return f"policies/{unquote(call['attachment'])}/denypolicies"

    def create(self, call: Call) -> Json:
        """Start making a deny policy."""
        identifier = call.query("policyId")
        if not identifier:
            raise invalid("The policy id is required.")
        name = f"{self._prefix(call)}/{identifier}"
        if call.store.get(DENY, name) is not None:
            raise already_exists(f"Policy {name} already exists.")
        policy: Json = {
            **call.body,
            "name": name,
            "uid": call.backend.new_uuid("deny"),
            "kind": "DenyPolicy",
            "etag": call.backend.new_etag(),
            "createTime": call.now,
            "updateTime": call.now,
        }
        return self._start(call, "create", {"name": name, "policy": policy})

    def get(self, call: Call) -> Json:
        """A deny policy."""
        return dict(self._find(call))

    def _find(self, call: Call) -> Mapping[str, Any]:
        name = f"{self._prefix(call)}/{call['policy']}"
        policy = call.store.get(DENY, name)
        if policy is None:
            raise not_found(f"Policy {name} does not exist.")
        return policy

    def list(self, call: Call) -> Json:
        """The deny policies of an attachment point, without their rules."""
        found = [
            {key: value for key, value in policy.items() if key != "rules"}
            for policy in call.store.values(DENY, f"{self._prefix(call)}/")
        ]
        return page(call, "policies", found)

    def delete(self, call: Call) -> Json:
        """Start removing a deny policy."""
        policy = self._find(call)
        _check_etag(policy, call.query("etag"))
        return self._start(call, "delete", {"name": policy["name"]})

    def operation(self, call: Call) -> Json:
        """An operation, a poll later."""
        name = f"{self._prefix(call)}/{call['policy']}/operations/{call['operation']}"
        record = self.cloud.operations.poll(f"iam:{name}")
        if record is None:
            raise not_found(f"Operation {name} does not exist.")
        return _operation(record)

    def _start(self, call: Call, action: str, arguments: Mapping[str, Any]) -> Json:
        name = f"{arguments['name']}/operations/{call.backend.new_id('deny')}"
        record = self.cloud.operations.start(f"iam.policies.{action}", f"iam:{name}", arguments, view={"name": name})
        return _operation(record)

    def finish_create(self, backend: Backend, arguments: Mapping[str, Any]) -> Json:
        """A deny policy is in force."""
        backend.store.put(DENY, arguments["name"], arguments["policy"])
        return {"@type": f"{_V2_TYPE}.Policy", **arguments["policy"]}

    def finish_delete(self, backend: Backend, arguments: Mapping[str, Any]) -> Json:
        """A deny policy is gone; the answer is what it was."""
        policy = backend.store.get(DENY, arguments["name"]) or {}
        backend.store.delete(DENY, arguments["name"])
        return {"@type": f"{_V2_TYPE}.Policy", **policy}


def _check_etag(record: Mapping[str, Any], etag: str) -> None:
    if etag and etag != record["etag"]:
        raise concurrent_change()


def _operation(record: Mapping[str, Any]) -> Json:
    metadata = {"@type": f"{_V2_TYPE}.PolicyOperationMetadata", "createTime": record["start"]}
    return {"name": record["view"]["name"], "metadata": metadata, **outcome(record)}


def role_routes(cloud: Cloud) -> tuple[Route, ...]:
    """Routes on roles and deny policies."""
    roles = Roles(cloud)
    deny = DenyPolicies(cloud)
    many = "projects/{project}/roles"
    one = many + "/{role}"
    policies = "policies/{attachment}/denypolicies"
    policy = policies + "/{policy}"
    table = (
        ("roles.get", "GET", "roles/{role}", roles.get_predefined, "", "v1"),
        ("roles.list", "GET", "roles", roles.list_predefined, "", "v1"),
        (
            "permissions.queryTestablePermissions",
            "POST",
            "permissions:queryTestablePermissions",
            roles.testable,
            "",
            "v1",
        ),
        ("projects.roles.create", "POST", many, roles.create, "iam.roles.create", "v1"),
        ("projects.roles.list", "GET", many, roles.list, "iam.roles.list", "v1"),
        ("projects.roles.get", "GET", one, roles.get, "iam.roles.get", "v1"),
        ("projects.roles.patch", "PATCH", one, roles.patch, "iam.roles.update", "v1"),
        ("projects.roles.delete", "DELETE", one, roles.delete, "iam.roles.delete", "v1"),
        ("projects.roles.undelete", "POST", one + ":undelete", roles.undelete, "iam.roles.undelete", "v1"),
        ("policies.createPolicy", "POST", policies, deny.create, "", "v2"),
        ("policies.listPolicies", "GET", policies, deny.list, "", "v2"),
        ("policies.get", "GET", policy, deny.get, "", "v2"),
        ("policies.delete", "DELETE", policy, deny.delete, "", "v2"),
        ("policies.operations.get", "GET", policy + "/operations/{operation}", deny.operation, "", "v2"),
    )
    return tuple(
        Route(f"iam.{method}", verb, template, handler, right, "", (version,))
        for method, verb, template, handler, right, version in table
    )


def deny_operations(cloud: Cloud) -> tuple[OperationKind, ...]:
    """Operations on deny policies."""
    deny = DenyPolicies(cloud)
    return (
        OperationKind("iam.policies.create", timedelta(seconds=10), deny.finish_create),
        OperationKind("iam.policies.delete", timedelta(seconds=10), deny.finish_delete),
    )
