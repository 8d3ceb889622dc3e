"""What Compute says of projects and Shared VPC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from envctl.sandbox.clock import milliseconds, parse_stamp
from envctl.sandbox.failures import ApiError, Status
from envctl.sandbox.routing import Route
from envctl.sandbox.services.compute_kinds import ROOT
from envctl.sandbox.services.compute_places import quotas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

_XPN = "compute.xpn"
# Default quotas of a new project; what a project really has differs.
_PROJECT_QUOTAS: Mapping[str, float] = {
    "NETWORKS": 15,
    "SUBNETWORKS": 275,
    "FIREWALLS": 500,
    "ROUTERS": 100,
    "CPUS_ALL_REGIONS": 32,
}


@dataclass(frozen=True, slots=True)
class ComputeProjects:
    """The methods on projects."""

    cloud: Cloud

    def get(self, call: Call) -> Json:
        """A project as Compute sees it."""
        project = self.cloud.projects.resolve(call["project"], call.principal)
        number = project["projectNumber"]
        shown: Json = {
            "kind": "compute#project",
            "id": number,
            "name": project["projectId"],
            "creationTimestamp": milliseconds(parse_stamp(project["createTime"])),
            "defaultServiceAccount": f"{number}-compute@developer.gserviceaccount.com",
            "defaultNetworkTier": "PREMIUM",
            "commonInstanceMetadata": {"kind": "compute#metadata"},
            "quotas": quotas(_PROJECT_QUOTAS),
            "selfLink": f"{ROOT}projects/{project['projectId']}",
        }
        if call.store.get(_XPN, project["projectId"]) is not None:
            shown["xpnProjectStatus"] = "HOST"
        return shown

    def enable_host(self, call: Call) -> Json:
        """Make a project a Shared VPC host."""
        value = call.store.get(_XPN, call["project"]) or {"resources": []}
        return self._change(call, "enableXpnHost", {"resource": value})

    def disable_host(self, call: Call) -> Json:
        """Make a project no host any more; it must have no service projects."""
        if self._host(call)["resources"]:
            raise ApiError(
                Status.INVALID_ARGUMENT,
                f"The project resource 'projects/{call['project']}' is already being used by its service projects",
                reason="resourceInUseByAnotherResource",
            )
        return self._change(call, "disableXpnHost", {})

    def enable_resource(self, call: Call) -> Json:
        """Attach a service project."""
        asked = (call.body.get("xpnResource") or {}).get("id", "")
        kept = [entry for entry in self._host(call)["resources"] if entry != asked]
        return self._change(call, "enableXpnResource", {"resource": {"resources": [*kept, asked]}})

    def disable_resource(self, call: Call) -> Json:
        """Detach a service project."""
        asked = (call.body.get("xpnResource") or {}).get("id", "")
        kept = [entry for entry in self._host(call)["resources"] if entry != asked]
        return self._change(call, "disableXpnResource", {"resource": {"resources": kept}})

    def host(self, call: Call) -> Json:
        """The host of a service project; nothing when it has none."""
        for name, value in call.store.items(_XPN):
            if call["project"] in value["resources"]:
                return {
                    "kind": "compute#project",
                    "id": self.cloud.projects.number(name),
                    "name": name,
                    "xpnProjectStatus": "HOST",
                    "selfLink": f"{ROOT}projects/{name}",
                }
        return {}

    def resources(self, call: Call) -> Json:
        """The service projects of a host."""
        host = call.store.get(_XPN, call["project"]) or {"resources": []}
        shown: Json = {"kind": "compute#projectsGetXpnResources"}
        if host["resources"]:
            shown["resources"] = [{"id": entry, "type": "PROJECT"} for entry in host["resources"]]
        return shown

    def _host(self, call: Call) -> Mapping[str, Any]:
        host = call.store.get(_XPN, call["project"])
        if host is None:
            raise ApiError(
                Status.INVALID_ARGUMENT,
                f"The project resource 'projects/{call['project']}' is not a shared VPC host project.",
                reason="invalid",
            )
        return host

    def _change(self, call: Call, operation: str, arguments: Mapping[str, Any]) -> Json:
        from envctl.sandbox.services.compute import start_operation

        project = call["project"]
        number = self.cloud.projects.number(project)
        where = {"store": _XPN, "path": project, **arguments}
        return start_operation(self.cloud, call, operation, f"projects/{project}", number, where, timedelta(seconds=10))

    def routes(self) -> tuple[Route, ...]:
        """The routes of these methods."""
        one = "projects/{project}"
        table = (
            ("projects.get", "GET", one, self.get, "projects.get"),
            ("projects.enableXpnHost", "POST", f"{one}/enableXpnHost", self.enable_host, ""),
            ("projects.disableXpnHost", "POST", f"{one}/disableXpnHost", self.disable_host, ""),
            ("projects.enableXpnResource", "POST", f"{one}/enableXpnResource", self.enable_resource, ""),
            ("projects.disableXpnResource", "POST", f"{one}/disableXpnResource", self.disable_resource, ""),
            ("projects.getXpnHost", "GET", f"{one}/getXpnHost", self.host, ""),
            ("projects.getXpnResources", "GET", f"{one}/getXpnResources", self.resources, ""),
        )
        return tuple(
            Route(f"compute.{method}", verb, template, handler, f"compute.{right}" if right else "", template)
            for method, verb, template, handler, right in table
        )
