"""Who may do what: callers, denials, enforced policies, and the words in which services refuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from envctl.sandbox.failures import ApiError, Status
from envctl.sandbox.projects import full_name
from envctl.sandbox.roles import predefined_role

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envctl.sandbox.backend import Backend
    from envctl.sandbox.faults import Faults
    from envctl.sandbox.messages import Request
    from envctl.sandbox.policies import Policies


@dataclass(frozen=True, slots=True)
class Access:
    """Answers whether a principal may do something."""

    backend: Backend
    policies: Policies
    faults: Faults

    def principal(self, request: Request) -> str:
        """Who calls, after the access token."""
        scheme, _, token = request.header("authorization").partition(" ")
        if scheme.lower() != "bearer":
            token = request.parameter("access_token")
        if token:
            known = self.backend.store.get("tokens", token)
            if known is not None:
                return known["principal"]
        return self.backend.settings.caller

    def allows(self, principal: str, permission: str, resource: str) -> bool:
        """Whether a principal has a permission on a full resource name."""
        if self.faults.is_denied(permission, principal, resource):
            return False
        if not self.backend.settings.enforce or self._is_free_bucket(resource):
            return True
        if self._deny_policy_hits(principal, permission, resource):
            return False
        return any(
            permission in self._role(role) for name in self._chain(resource) for role in self._roles_of(principal, name)
        )

    def _is_free_bucket(self, resource: str) -> bool:
        """Whether a bucket is asked about that nobody has: Cloud Storage says 404 of it to everybody (2026-08)."""
        service, _, path = resource.removeprefix("//").partition("/")
        kind, _, name = path.partition("/")
        return service == "storage.googleapis.com" and kind == "b" and not self.backend.store.get("buckets", name)

    def allowed(self, principal: str, permissions: Iterable[str], resource: str) -> list[str]:
        """Those of the permissions that a principal has, in the order asked."""
        return [name for name in permissions if self.allows(principal, name, resource)]

    def require(self, service: str, principal: str, permission: str, resource: str) -> None:
        """Refuse when a permission is missing.

        Raises:
            ApiError: 403 in the words of the service.
        """
        if not self.allows(principal, permission, resource):
            raise _refusal(service, principal, permission, resource)

    def _deny_policy_hits(self, principal: str, permission: str, resource: str) -> bool:
        """Whether a deny policy of the resource's project or above takes a permission away.

        Conditions of rules are not evaluated: a conditional rule counts.
        """
        service, _, rest = permission.partition(".")
        api = {"resourcemanager": "cloudresourcemanager"}.get(service, service)
        name = f"{api}.googleapis.com/{rest}"
        identities = _deny_identities([principal, *self._groups_of(principal)])
        for place in self._chain(resource):
            prefix = f"policies/{place.removeprefix('//')}/denypolicies/"
            for policy in self.backend.store.values("denyPolicies", prefix):
                for entry in policy.get("rules", ()):
                    rule = entry.get("denyRule") or {}
                    denied = name in rule.get("deniedPermissions", ())
                    spared = name in rule.get("exceptionPermissions", ())
                    hit = identities.intersection(rule.get("deniedPrincipals", ()))
                    excepted = identities.intersection(rule.get("exceptionPrincipals", ()))
                    if denied and not spared and hit and not excepted:
                        return True
        return False

    def _groups_of(self, principal: str) -> list[str]:
        groups = self.backend.store.items("groups")
        return [f"group:{name}" for name, group in groups if principal in group["members"]]

    def _roles_of(self, principal: str, resource: str) -> list[str]:
        policy = self.policies.stored(resource) or {}
        wanted = {principal, "allUsers", "allAuthenticatedUsers", *self._groups_of(principal)}
        # A condition is not evaluated here: a conditional binding grants nothing for certain.
        return [
            binding["role"]
            for binding in policy.get("bindings", [])
            if "condition" not in binding and wanted.intersection(binding["members"])
        ]

    def _role(self, role: str) -> frozenset[str]:
        custom = self.backend.store.get("roles", role)
        if custom is not None:
            return frozenset() if custom.get("deleted") else frozenset(custom.get("includedPermissions", ()))
        known = predefined_role(role)
        return known.permissions if known else frozenset()

    def _chain(self, resource: str) -> list[str]:
        """The resource and what it inherits from, the nearest first."""
        service, _, path = resource.removeprefix("//").partition("/")
        segments = path.split("/")
        above = (f"//{service}/{'/'.join(segments[:end])}" for end in range(len(segments) - 2, 1, -2))
        chain = [resource, *above]
        project = self._project_of(segments)
        if project:
            chain.append(full_name(project))
            record = self.backend.store.get("projects", project) or {}
            parent = record.get("parent")
            while parent:
                name = f"{parent['type']}s/{parent['id']}"
                chain.append(f"//cloudresourcemanager.googleapis.com/{name}")
                container = self.backend.store.get("containers", name) or {}
                parent = container.get("parent")
        return list(dict.fromkeys(chain))

    def _project_of(self, segments: list[str]) -> str:
        if segments[0] == "projects" and len(segments) > 1:
            return segments[1]
        if segments[0] in {"b", "buckets"} and len(segments) > 1:
            bucket = self.backend.store.get("buckets", segments[1])
            return bucket["project"] if bucket else ""
        return ""


def _deny_identities(members: Iterable[str]) -> set[str]:
    """Members of allow policies as deny policies spell them."""
    found = {"principalSet://goog/public:all"}
    for member in members:
        kind, _, email = member.partition(":")
        match kind:
            case "user":
                found.add(f"principal://goog/subject/{email}")
            case "group":
                found.add(f"principalSet://goog/group/{email}")
            case "serviceAccount":
                found.add(f"principal://iam.googleapis.com/projects/-/serviceAccounts/{email}")
            case _:
                found.add(member)
    return found


def _refusal(service: str, principal: str, permission: str, resource: str) -> ApiError:
    """403 as the service words it (texts seen in public issue threads and Google's documentation)."""
    path = resource.removeprefix("//").partition("/")[2]
    details = (
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "IAM_PERMISSION_DENIED",
            "domain": resource.removeprefix("//").partition("/")[0],
            "metadata": {"permission": permission, "resource": path},
        },
    )
    email = principal.partition(":")[2]
    match service:
        case "composer" | "cloudresourcemanager":
            message, details = "The caller does not have permission", ()
        case "storage":
            where = "the Google Cloud project" if path.startswith("projects/") else "the Google Cloud Storage"
            kind = "" if path.startswith("projects/") else (" object" if "/o/" in path else " bucket")
            message = (
                f"{email} does not have {permission} access to {where}{kind}. "
                f"Permission '{permission}' denied on resource (or it may not exist)."
            )
            details = ()
        case "compute":
            message, details = f"Required '{permission}' permission for '{path}'", ()
        case "container":
            message, details = f'Required "{permission}" permission(s) for "{path}".', ()
        case "secretmanager":
            message = f"Permission '{permission}' denied for resource '{path}' (or it may not exist)."
        case "iam":
            message = f"Permission '{permission}' denied on resource (or it may not exist)."
        case "artifactregistry":
            message = f"Permission '{permission}' denied on resource '{resource}' (or it may not exist)."
        case _:
            message = f"Permission '{permission}' denied on resource '{path}' (or it may not exist)."
    return ApiError(Status.PERMISSION_DENIED, message, details=details)
