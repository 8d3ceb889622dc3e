"""Organization Policy, v2: the policy in effect on a project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from envctl.sandbox.routing import Route, Service

if TYPE_CHECKING:
    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

COLLECTION = "orgpolicies"


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


def declare(cloud: Cloud) -> Service:
    """Organization Policy on a cloud."""
    api = OrgPolicy(cloud)
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
                "orgpolicy.policies.get",
            ),
        ),
    )
