"""Allow policies of any resource: etags, versions, conditions, and members that are gone.

Behaviour after Google's IAM documentation ("Policy versions", "Concurrency control with etags",
https://cloud.google.com/iam/docs/policies, read 2026-08) and the recordings of project, key and topic policies.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import ApiError, Status, invalid
from envctl.sandbox.roles import may_exist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from envctl.sandbox.backend import Backend
    from envctl.sandbox.messages import Json

COLLECTION = "policies"

# The etag that IAM shows for a policy that was never set.
_NEVER_SET = "ACAB"

_CUSTOM_ROLE = re.compile(r"(?:projects/(?P<project>[^/]+)|organizations/[^/]+)/roles/[A-Za-z0-9_.]+")
_MEMBER_KINDS = (
    "user:",
    "group:",
    "serviceAccount:",
    "domain:",
    "deleted:",
    "projectOwner:",
    "projectEditor:",
    "projectViewer:",
    "principal:",
    "principalSet:",
    "principalHierarchy:",
)


@dataclass(frozen=True, slots=True)
class Policies:
    """The allow policies of a cloud; a resource is its full name, `//SERVICE/...`."""

    backend: Backend

    def stored(self, resource: str) -> Mapping[str, Any] | None:
        """The policy as kept, or None when it was never set."""
        return self.backend.store.get(COLLECTION, resource)

    def get(self, resource: str, requested_version: int = 1) -> Json:
        """The policy as an API shows it.

        Args:
            resource: full resource name.
            requested_version: what the caller can read; below 3, conditions are hidden in the role's name.
        """
        policy = self.stored(resource)
        if policy is None:
            return {"etag": _NEVER_SET}
        bindings = policy.get("bindings", [])
        conditional = any("condition" in binding for binding in bindings)
        if conditional and requested_version < 3:
            bindings = [_without_condition(binding) for binding in bindings]
        shown: Json = {"version": 3 if conditional and requested_version >= 3 else 1}
        if policy.get("auditConfigs"):
            shown["auditConfigs"] = policy["auditConfigs"]
        if bindings:
            shown["bindings"] = bindings
        shown["etag"] = policy["etag"]
        return shown

    def set(
        self,
        resource: str,
        policy: Mapping[str, Any],
        *,
        mask: str = "",
        conflict: Callable[[], ApiError] | None = None,
    ) -> Json:
        """Replace the policy of a resource.

        Args:
            resource: full resource name.
            policy: as sent.
            mask: `updateMask` of the request; audit configurations change only when it names them.
            conflict: makes the refusal of a stale etag, where a service has its own.

        Raises:
            ApiError: stale etag, conditions without version 3, malformed or unknown members.
        """
        old = self.stored(resource)
        etag = policy.get("etag")
        if etag and etag != (old["etag"] if old else _NEVER_SET):
            raise conflict() if conflict else concurrent_change()
        if not all(binding.get("role") for binding in policy.get("bindings", [])):
            raise invalid("Every binding of a policy needs a role.")
        for binding in policy.get("bindings", []):
            self._check_role(binding["role"])
        bindings = _normalised(policy.get("bindings", []))
        version = policy.get("version", 0)
        if version not in {0, 1, 3}:
            raise invalid(f"Invalid policy version {version}; allowed are 0, 1 and 3.")
        if any("condition" in binding for binding in bindings) and version != 3:
            raise invalid(
                "Specified policy version 1 is not sufficient for conditional bindings; set the version to 3."
            )
        self.check_members(policy)
        self._keep(resource, policy, bindings, audits="auditConfigs" in mask)
        return self.get(resource, 3)

    def seed(self, resource: str, policy: Mapping[str, Any]) -> None:
        """Put a policy in place as `gcloud` prints one, whatever was there: etag and audit configurations included.

        Members are not looked at: the seed that a policy comes from may make them later, see `check_members`.

        Raises:
            ApiError: a role is not known, or bindings have wrong types.
        """
        check_shape(policy)
        for binding in policy.get("bindings", []):
            self._check_role(binding.get("role", ""))
        self._keep(resource, policy, _normalised(policy.get("bindings", [])), audits=True)
        if policy.get("etag"):
            stored = self.stored(resource)
            assert stored is not None, "kept above"
            self.backend.store.put(COLLECTION, resource, {**stored, "etag": policy["etag"]})

    def check_members(self, policy: Mapping[str, Any]) -> None:
        """Refuse members that cannot be.

        Raises:
            ApiError: a member is of an unknown type, or a service account of a project of this cloud that is not there.
        """
        for member in {member for binding in policy.get("bindings", []) for member in binding.get("members", [])}:
            self._check_member(member)

    def _keep(self, resource: str, policy: Mapping[str, Any], bindings: list[Json], *, audits: bool) -> None:
        new: Json = {"bindings": bindings, "etag": self._new_etag()}
        audit = (policy if audits else self.stored(resource) or {}).get("auditConfigs")
        if audit:
            new["auditConfigs"] = audit
        self.backend.store.put(COLLECTION, resource, new)

    def grant(self, resource: str, role: str, member: str) -> None:
        """Add one unconditional binding, as Google does for its own agents."""
        old = self.stored(resource) or {}
        bindings = [*old.get("bindings", []), {"role": role, "members": [member]}]
        new: Json = {**old, "bindings": _normalised(bindings), "etag": self._new_etag()}
        self.backend.store.put(COLLECTION, resource, new)

    def forget(self, resource: str) -> None:
        """Remove the policies of a resource and of everything below it."""
        for name, _ in self.backend.store.items(COLLECTION, resource):
            if name == resource or name.startswith(resource + "/"):
                self.backend.store.delete(COLLECTION, name)

    def rename_member(self, old: str, new: str) -> None:
        """Write a member differently everywhere, as IAM does when an account is deleted or comes back."""
        for resource, policy in self.backend.store.items(COLLECTION):
            bindings = policy.get("bindings", [])
            if not any(old in binding["members"] for binding in bindings):
                continue
            renamed = [
                {**binding, "members": [new if member == old else member for member in binding["members"]]}
                for binding in bindings
            ]
            changed: Json = {**policy, "bindings": _normalised(renamed), "etag": self._new_etag()}
            self.backend.store.put(COLLECTION, resource, changed)

    def _new_etag(self) -> str:
        return base64.b64encode(b"\x07" + self.backend.unique("policy")[:7]).decode()

    def _check_role(self, role: str) -> None:
        if role.startswith("roles/"):
            if not may_exist(role):
                raise invalid(f"Role {role} is not supported for this resource.")
            return
        match = _CUSTOM_ROLE.fullmatch(role)
        if match is None:
            raise invalid(f"Role {role} must be in the format roles/ROLE or projects/PROJECT/roles/ROLE.")
        is_known = self.backend.store.get("projects", match["project"] or "") is not None
        if is_known and self.backend.store.get("roles", role) is None:
            raise invalid(f"Role {role} does not exist in the resource's hierarchy.")

    def _check_member(self, member: str) -> None:
        if member in {"allUsers", "allAuthenticatedUsers"}:
            return
        if not member.startswith(_MEMBER_KINDS):
            kind = member.partition(":")[0]
            raise invalid(f"The member {member} is of an unknown type ({kind}).")
        if not member.startswith("serviceAccount:"):
            return
        email = member.removeprefix("serviceAccount:")
        name, _, domain = email.partition("@")
        project = domain.removesuffix(".iam.gserviceaccount.com")
        if project == domain or not self.backend.store.get("projects", project):
            # Google's agents, and accounts of projects that this cloud does not know.
            return
        if not self.backend.store.get("serviceAccounts", email):
            raise ApiError(Status.INVALID_ARGUMENT, f"Service account {name}@{domain} does not exist.")


def concurrent_change() -> ApiError:
    """409 for an etag that is no longer the current one."""
    return ApiError(
        Status.ABORTED,
        "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.",
    )


def check_shape(policy: Mapping[str, Any]) -> None:
    """Refuse a policy that did not come through a checked request body and has wrong types.

    Raises:
        ApiError: bindings are no list of objects with lists of texts.
    """
    bindings = policy.get("bindings", [])
    if not isinstance(bindings, list) or not all(isinstance(binding, dict) for binding in bindings):
        raise invalid("Invalid value at 'policy.bindings'.")
    for index, binding in enumerate(bindings):
        members = binding.get("members", [])
        if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
            raise invalid(f"Invalid value at 'policy.bindings[{index}].members'.")


def _condition_key(binding: Mapping[str, Any]) -> str:
    condition = binding.get("condition")
    return json.dumps(condition, sort_keys=True) if condition else ""


def _normalised(bindings: Iterable[Mapping[str, Any]]) -> list[Json]:
    """Bindings as IAM keeps them: one per role and condition, sorted, without empty ones."""
    merged: dict[tuple[str, str], tuple[Mapping[str, Any], set[str]]] = {}
    for given in bindings:
        key = (given["role"], _condition_key(given))
        first, members = merged.setdefault(key, (given, set()))
        members.update(given.get("members", []))
        merged[key] = (first, members)
    kept: list[Json] = []
    for key in sorted(merged):
        first, members = merged[key]
        if not members:
            continue
        binding: Json = {"role": first["role"], "members": sorted(members)}
        if first.get("condition"):
            binding["condition"] = first["condition"]
        kept.append(binding)
    return kept


def _without_condition(binding: Mapping[str, Any]) -> Json:
    """A conditional binding as callers see it that can read version 1 only."""
    if "condition" not in binding:
        return dict(binding)
    digest = hashlib.sha256(_condition_key(binding).encode()).hexdigest()[:20]
    return {"role": f"{binding['role']}_withcond_{digest}", "members": binding["members"]}
