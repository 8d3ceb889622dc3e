"""Service Usage, v1 and v1beta1: which APIs are on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import ApiError, Status, invalid, not_found
from envctl.sandbox.operations import OperationKind, outcome
from envctl.sandbox.paging import page
from envctl.sandbox.projects import AGENTS, TITLES
from envctl.sandbox.routing import Route, Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Backend, Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

# Limits of batch calls, Service Usage reference (batchEnable: 20, batchGet: 30).
_BATCH_ENABLE = 20
_BATCH_GET = 30
_EMPTY = {"@type": "type.googleapis.com/google.protobuf.Empty"}


@dataclass(frozen=True, slots=True)
class ServiceUsage:
    """The methods of the API."""

    cloud: Cloud

    def get(self, call: Call) -> Json:
        """One API of a project."""
        return self._shown(call["project"], call["service"])

    def list(self, call: Call) -> Json:
        """The APIs of a project, on and off, or only one sort by `filter=state:ENABLED`."""
        project = call["project"]
        enabled = self.cloud.projects.enabled(project)
        match call.query("filter").replace(" ", ""):
            case "":
                names = sorted({*enabled, *TITLES})
            case "state:ENABLED":
                names = enabled
            case "state:DISABLED":
                names = sorted(set(TITLES) - set(enabled))
            case other:
                raise invalid(f"Invalid filter: {other}")
        return page(call, "services", [self._shown(project, name) for name in names], default_size=50)

    def batch_get(self, call: Call) -> Json:
        """Several APIs of a project."""
        names = [name.rpartition("/")[2] for name in call.request.query.get("names", ())]
        if len(names) > _BATCH_GET:
            raise invalid(f"Too many services: {len(names)}. The maximum is {_BATCH_GET}.")
        return {"services": [self._shown(call["project"], name) for name in names]}

    def enable(self, call: Call) -> Mapping[str, Any]:
        """Switch one API on."""
        return self._start(call, "enable", [_known(call["service"])])

    def batch_enable(self, call: Call) -> Mapping[str, Any]:
        """Switch up to 20 APIs on."""
        names = [_known(name) for name in call.body.get("serviceIds", [])]
        if not names or len(names) > _BATCH_ENABLE:
            raise invalid(f"Between 1 and {_BATCH_ENABLE} services are enabled at once; {len(names)} were given.")
        return self._start(call, "batchEnable", names)

    def disable(self, call: Call) -> Mapping[str, Any]:
        """Switch one API off."""
        return self._start(call, "disable", [_known(call["service"])])

    def generate_identity(self, call: Call) -> Mapping[str, Any]:
        """Make the agent of an API, at once."""
        api = _known(call["service"])
        if api not in AGENTS:
            raise invalid(f"Service {api} does not support generating a service identity.")
        email = self.cloud.projects.provision_agent(call["project"], api)
        return {
            "name": f"operations/finished.DONE_OPERATION.{call.backend.new_uuid('identity')}",
            "done": True,
            "response": {
                "@type": "type.googleapis.com/google.api.serviceusage.v1beta1.ServiceIdentity",
                "email": email,
                "uniqueId": call.backend.new_account_id("identity"),
            },
        }

    def operation(self, call: Call) -> Json:
        """An operation, a poll later."""
        record = self.cloud.operations.poll(f"serviceusage:operations/{call['operation']}")
        if record is None:
            raise not_found(f"Operation not found: operations/{call['operation']}")
        return _operation(record)

    def complete(self, backend: Backend, arguments: Mapping[str, Any]) -> Json:
        """What is so when an operation has ended."""
        del backend
        project, names = arguments["project"], arguments["services"]
        for name in names:
            if arguments["action"] == "disable":
                self.cloud.projects.disable(project, name)
            else:
                self.cloud.projects.enable(project, name)
        shown = [self._shown(project, name) for name in names]
        package = "type.googleapis.com/google.api.serviceusage.v1"
        match arguments["action"]:
            case "batchEnable":
                return {"@type": f"{package}.BatchEnableServicesResponse", "services": shown}
            case "enable":
                return {"@type": f"{package}.EnableServiceResponse", "service": shown[0]}
            case _:
                return {"@type": f"{package}.DisableServiceResponse", "service": shown[0]}

    def _start(self, call: Call, action: str, names: list[str]) -> Mapping[str, Any]:
        project = call["project"]
        number = self.cloud.projects.number(project)
        name = f"operations/acat.p2-{number}-{call.backend.new_uuid('serviceusage')}"
        arguments = {"project": project, "services": names, "action": action}
        changed = [entry for entry in names if self.cloud.projects.is_enabled(project, entry) == (action == "disable")]
        record = self.cloud.operations.start(
            f"serviceusage.{action}",
            f"serviceusage:{name}",
            arguments,
            duration=None if changed else timedelta(0),
            view={"name": name},
        )
        if not changed:
            self.cloud.operations.settle()
            record = self.cloud.operations.get(f"serviceusage:{name}") or record
        return _operation(record)

    def _shown(self, project: str, api: str) -> Json:
        number = self.cloud.projects.number(project)
        return {
            "name": f"projects/{number}/services/{api}",
            "config": {
                "name": api,
                "title": TITLES.get(api, api),
                "documentation": {},
                "quota": {},
                "authentication": {},
                "usage": {"requirements": ["serviceusage.googleapis.com/tos/cloud"]},
                "monitoring": {},
            },
            "state": "ENABLED" if self.cloud.projects.is_enabled(project, api) else "DISABLED",
            "parent": f"projects/{number}",
        }


def _known(api: str) -> str:
    """The name of an API, if it could be one.

    Raises:
        ApiError: it could not; Google answers alike for APIs that are not there and not visible.
    """
    if not api.endswith(".googleapis.com"):
        raise ApiError(
            Status.PERMISSION_DENIED,
            f"Not found or permission denied for service(s): {api}.",
        )
    return api


def _operation(record: Mapping[str, Any]) -> Json:
    metadata = {"metadata": _EMPTY} if record["done"] else {}
    return {"name": record["view"]["name"], **metadata, **outcome(record)}


def declare(cloud: Cloud) -> Service:
    """Service Usage on a cloud."""
    api = ServiceUsage(cloud)
    services = "projects/{project}/services"
    name = "serviceusage.services"
    seconds = {"enable": 20, "batchEnable": 30, "disable": 15}
    return Service(
        name="serviceusage",
        hosts=("serviceusage.googleapis.com",),
        prefixes=("serviceusage",),
        bases={"v1": "v1", "v1beta1": "v1beta1"},
        api="serviceusage.googleapis.com",
        routes=(
            Route(f"{name}.get", "GET", services + "/{service}", api.get, "serviceusage.services.get"),
            Route(f"{name}.list", "GET", services, api.list, "serviceusage.services.list"),
            Route(
                f"{name}.batchGet",
                "GET",
                services + ":batchGet",
                api.batch_get,
                "serviceusage.services.get",
                versions=("v1",),
            ),
            Route(f"{name}.enable", "POST", services + "/{service}:enable", api.enable, "serviceusage.services.enable"),
            Route(
                f"{name}.batchEnable",
                "POST",
                services + ":batchEnable",
                api.batch_enable,
                "serviceusage.services.enable",
            ),
            Route(
                f"{name}.disable",
                "POST",
                services + "/{service}:disable",
                api.disable,
                "serviceusage.services.disable",
            ),
            Route(
                f"{name}.generateServiceIdentity",  # Google has it in v1beta1 only; the provider asks its one endpoint
                "POST",
                services + "/{service}:generateServiceIdentity",
                api.generate_identity,
                "serviceusage.services.enable",
            ),
            Route("serviceusage.operations.get", "GET", "operations/{operation}", api.operation),
        ),
        operations=tuple(
            OperationKind(f"serviceusage.{action}", timedelta(seconds=length), api.complete)
            for action, length in seconds.items()
        ),
    )
