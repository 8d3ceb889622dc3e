"""Organization Policy, v2: the policy in effect on a project, what is set on each level, custom constraints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from envctl.sandbox.routing import Route, Service

if TYPE_CHECKING:
    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

COLLECTION = "orgpolicies"
CUSTOM = "customConstraints"


@dataclass(frozen=True, slots=True)
class OrgPolicy:
    """The methods of the API."""

    cloud: Cloud

    def effective(self, call: Call) -> Json:
        """The rules of a constraint on a project: those seeded for it or above it, else none."""
        project = self.cloud.projects.resolve(call["project"], call.principal)
        name = call["constraint"]
        places = [f"projects/{project['projectId']}"]
        parent = project.get("parent")
        while parent:
            places.append(f"{parent['type']}s/{parent['id']}")
            parent = (call.store.get("containers", places[-1]) or {}).get("parent")
        for place in places:
            policy = call.store.get(COLLECTION, f"{place}/policies/{name}")
            if policy is not None:
                rules = policy["rules"]
                break
        else:
            rules = [{"allowAll": True}] if "Location" in name or "restrict" in name else [{"enforce": False}]
        return {
            "name": f"projects/{project['projectNumber']}/policies/{name}",
            "spec": {"rules": rules},
        }

    def of_project(self, call: Call) -> Json:
        """What is set on a project itself."""
        project = self.cloud.projects.resolve(call["project"], call.principal)
        return self._list(call, f"projects/{project['projectId']}", f"projects/{project['projectNumber']}")

    def of_container(self, call: Call) -> Json:
        """What is set on a folder or an organization itself."""
        place = _container(call)
        self._require(call, "orgpolicy.policies.list", place)
        return self._list(call, place, place)

    def custom_constraints(self, call: Call) -> Json:
        """The custom constraints of an organization, enforced or not."""
        place = _container(call)
        self._require(call, "orgpolicy.customConstraints.list", place)
        found = [dict(item) for item in call.store.values(CUSTOM, f"{place}/customConstraints/")]
        return {CUSTOM: found} if found else {}

    def _require(self, call: Call, permission: str, place: str) -> None:
        resource = f"//cloudresourcemanager.googleapis.com/{place}"
        self.cloud.access.require("orgpolicy", call.principal, permission, resource)

    def _list(self, call: Call, place: str, shown: str) -> Json:
        """All at once: the API does not page these lists yet (reference of policies.list, 2026-08)."""
        prefix = f"{place}/policies/"
        policies = [
            {"name": f"{shown}/policies/{name.removeprefix(prefix)}", "spec": {"rules": policy["rules"]}}
            for name, policy in call.store.items(COLLECTION, prefix)
        ]
        return {"policies": policies} if policies else {}


def _container(call: Call) -> str:
    kind = "folder" if "folder" in call.parameters else "organization"
    return f"{kind}s/{call[kind]}"


def declare(cloud: Cloud) -> Service:
    """Organization Policy on a cloud."""
    api = OrgPolicy(cloud)
    organization = "organizations/{organization}"
    return Service(
        name="orgpolicy",
        hosts=("orgpolicy.googleapis.com",),
        prefixes=("orgpolicy",),
        bases={"v2": "v2"},
        api="orgpolicy.googleapis.com",
        routes=(
            Route(
                "orgpolicy.projects.policies.getEffectivePolicy",
                "GET",
                "projects/{project}/policies/{constraint}:getEffectivePolicy",
                api.effective,
                "orgpolicy.policy.get",
            ),
            Route(
                "orgpolicy.projects.policies.list",
                "GET",
                "projects/{project}/policies",
                api.of_project,
                "orgpolicy.policies.list",
            ),
            Route("orgpolicy.folders.policies.list", "GET", "folders/{folder}/policies", api.of_container),
            Route("orgpolicy.organizations.policies.list", "GET", f"{organization}/policies", api.of_container),
            Route(
                "orgpolicy.organizations.customConstraints.list",
                "GET",
                f"{organization}/customConstraints",
                api.custom_constraints,
            ),
        ),
    )
