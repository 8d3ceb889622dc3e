"""Compute Engine, v1: networks and what hangs on them, their operations, Shared VPC, regions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from envctl.sandbox.clock import milliseconds, parse_stamp
from envctl.sandbox.failures import ApiError, Envelope, Status
from envctl.sandbox.filters import selected
from envctl.sandbox.operations import OperationFailedError, OperationKind
from envctl.sandbox.paging import page
from envctl.sandbox.routing import Route, Service
from envctl.sandbox.services.compute_instance_groups import InstanceGroups
from envctl.sandbox.services.compute_kinds import KINDS, ROOT, Kind, missing, users_of
from envctl.sandbox.services.compute_places import REGIONS, Places, aggregated
from envctl.sandbox.services.compute_projects import ComputeProjects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from envctl.sandbox.backend import Backend, Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

_REQUESTS = "compute.requests"
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Resources:
    """The methods that all kinds of resources have."""

    cloud: Cloud
    kind: Kind

    def insert(self, call: Call) -> Json:
        """Start making a resource."""
        parent = _parent(call)
        name = call.body.get("name", "")
        if not _NAME.fullmatch(name):
            raise ApiError(
                Status.INVALID_ARGUMENT,
                f"Invalid value for field 'resource.name': '{name}'. Must be a match of regex '(?:{_NAME.pattern})'",
                reason="invalid",
            )
        path = f"{parent}/{self.kind.collection}/{name}"
        if call.store.get(self.kind.store, path) is not None:
            raise ApiError(Status.ALREADY_EXISTS, f"The resource '{path}' already exists")
        resource = self.kind.prepare(call.backend, parent, call.body)
        resource = {**resource, **self._identity(call, path)}
        return self._start(call, "insert", path, resource["id"], {"resource": resource})

    def _identity(self, call: Call, path: str) -> Json:
        identifier = call.backend.new_id("compute")
        identity: Json = {
            "kind": f"compute#{self.kind.word}",
            "id": identifier,
            "creationTimestamp": milliseconds(call.backend.clock.now()),
            "selfLink": ROOT + path,
        }
        if self.kind.collection in {"networks", "networkAttachments"}:
            identity["selfLinkWithId"] = ROOT + f"{path.rpartition('/')[0]}/{identifier}"
        return identity

    def get(self, call: Call) -> Json:
        """A resource."""
        return dict(self._find(call)[1])

    def list(self, call: Call) -> Json:
        """The resources of a scope."""
        prefix = f"{_parent(call)}/{self.kind.collection}"
        items = selected(call.store.values(self.kind.store, prefix + "/"), call.query("filter"))
        shown = page(call, "items", items, size_parameter="maxResults")
        return {
            "kind": f"compute#{self.kind.word}List",
            "id": prefix,
            "selfLink": ROOT + prefix,
            **shown,
        }

    def aggregated(self, call: Call) -> Json:
        """The resources of all scopes."""
        found = call.store.values(self.kind.store, f"projects/{call['project']}/")
        scopes = ["global"] if self.kind.collection == "addresses" else []
        scopes += [f"regions/{region}" for region in REGIONS]
        return aggregated(call, self.kind.word, self.kind.collection, found, scopes)

    def patch(self, call: Call) -> Json:
        """Start changing a resource; what is not named stays."""
        return self._change(call, "patch", {**self._find(call)[1], **call.body})

    def update(self, call: Call) -> Json:
        """Start replacing a resource."""
        return self._change(call, "update", {**call.body, "name": self._find(call)[1]["name"]})

    def _change(self, call: Call, operation: str, body: Mapping[str, Any]) -> Json:
        path, old = self._find(call)
        fingerprint = call.body.get("fingerprint")
        if fingerprint and fingerprint != old.get("fingerprint"):
            raise ApiError(
                Status.FAILED_PRECONDITION,
                "Supplied fingerprint does not match current fingerprint",
                http=412,
                reason="conditionNotMet",
            )
        prepared = self.kind.prepare(call.backend, _parent(call), body)
        fixed = {field: old[field] for field in _IDENTITY if field in old}
        operation_type = "updateNetwork" if self.kind.collection == "networks" else operation
        return self._start(call, operation_type, path, old["id"], {"resource": {**prepared, **fixed}})

    def change_field(self, call: Call) -> Json:
        """Start a change that has a method of its own; its fields are the request's."""
        path, old = self._find(call)
        operation = call.request.path.rpartition("/")[2]
        prepared = self.kind.prepare(call.backend, _parent(call), {**old, **call.body})
        fixed = {field: old[field] for field in _IDENTITY if field in old}
        return self._start(call, operation, path, old["id"], {"resource": {**prepared, **fixed}})

    def delete(self, call: Call) -> Json:
        """Start removing a resource."""
        path, old = self._find(call)
        return self._start(call, "delete", path, old["id"], {})

    def get_policy(self, call: Call) -> Json:
        """Who may use a resource."""
        path, _ = self._find(call)
        version = call.number("optionsRequestedPolicyVersion", 1)
        return self.cloud.policies.get(f"//compute.googleapis.com/{path}", version)

    def set_policy(self, call: Call) -> Json:
        """Replace who may use a resource."""
        path, _ = self._find(call)
        policy = call.body.get("policy") or call.body
        return self.cloud.policies.set(f"//compute.googleapis.com/{path}", policy)

    def test_permissions(self, call: Call) -> Json:
        """Which of the permissions asked the caller has on a resource."""
        path, _ = self._find(call)
        asked = call.body.get("permissions", [])
        held = self.cloud.access.allowed(call.principal, asked, f"//compute.googleapis.com/{path}")
        return {"permissions": held} if held else {}

    def _find(self, call: Call) -> tuple[str, Mapping[str, Any]]:
        path = f"{_parent(call)}/{self.kind.collection}/{call['name']}"
        resource = call.store.get(self.kind.store, path)
        if resource is None:
            raise missing(path)
        return path, resource

    def _start(self, call: Call, operation: str, path: str, target: str, arguments: Mapping[str, Any]) -> Json:
        return start_operation(
            self.cloud,
            call,
            operation,
            path,
            target,
            {"store": self.kind.store, "path": path, **arguments},
            timedelta(seconds=self.kind.seconds),
        )


_IDENTITY = ("kind", "id", "creationTimestamp", "selfLink", "selfLinkWithId")


@dataclass(frozen=True, slots=True)
class ComputeOperations:
    """Operations of Compute, and what they do when they end."""

    cloud: Cloud

    def get(self, call: Call) -> Json:
        """An operation, a poll later."""
        return self._shown(call, wait=False)

    def wait(self, call: Call) -> Json:
        """An operation after its end."""
        return self._shown(call, wait=True)

    def _shown(self, call: Call, *, wait: bool) -> Json:
        path = f"{_parent(call)}/operations/{call['operation']}"
        step = self.cloud.operations.finish if wait else self.cloud.operations.poll
        record = step(f"compute:{path}")
        if record is None:
            raise missing(path)
        return _operation(record)

    def list(self, call: Call) -> Json:
        """The operations of a scope."""
        prefix = f"{_parent(call)}/operations"
        records = call.store.values("operations", f"compute:{prefix}/")
        items = selected([_operation(record) for record in records], call.query("filter"))
        shown = page(call, "items", items, size_parameter="maxResults")
        return {"kind": "compute#operationList", "id": prefix, "selfLink": ROOT + prefix, **shown}

    def aggregated(self, call: Call) -> Json:
        """The operations of all scopes."""
        records = call.store.values("operations", f"compute:projects/{call['project']}/")
        scopes = ["global", *(f"regions/{region}" for region in REGIONS)]
        return aggregated(call, "operation", "operations", [_operation(record) for record in records], scopes)

    def keep(self, backend: Backend, arguments: Mapping[str, Any]) -> None:
        """A resource has its new values."""
        backend.store.put(arguments["store"], arguments["path"], arguments["resource"])

    def remove(self, backend: Backend, arguments: Mapping[str, Any]) -> None:
        """A resource is gone, unless something uses it."""
        path = arguments["path"]
        users = users_of(backend, path)
        if users:
            # Compute reports this at the end of the operation, not as a refusal of the request.
            word = next(kind.word for kind in KINDS if kind.store == arguments["store"])
            raise OperationFailedError(9, f"The {word} resource '{path}' is already being used by '{users[0]}'")
        backend.store.delete(arguments["store"], path)
        self.cloud.policies.forget(f"//compute.googleapis.com/{path}")


def start_operation(
    cloud: Cloud,
    call: Call,
    operation: str,
    path: str,
    target: str,
    arguments: Mapping[str, Any],
    duration: timedelta,
) -> Json:
    """Start an operation of Compute; the value is what it answers."""
    parent = _parent(call)
    name = f"operation-{int(call.backend.clock.now().timestamp() * 1000)}-{call.backend.unique('op').hex()[:12]}"
    kind = "compute.change" if "resource" in arguments else "compute.delete"
    if operation == "insert":
        kind = "compute.insert"
    record = cloud.operations.start(
        kind,
        f"compute:{parent}/operations/{name}",
        arguments,
        duration=duration,
        view={
            "name": name,
            "id": call.backend.new_id("operation"),
            "parent": parent,
            "operationType": operation,
            "target": path,
            "targetId": target,
            "user": call.principal.partition(":")[2],
        },
    )
    return _operation(record)


def _operation(record: Mapping[str, Any]) -> Json:
    view = record["view"]
    parent = view["parent"]
    shown: Json = {
        "kind": "compute#operation",
        "id": view["id"],
        "name": view["name"],
        "operationType": view["operationType"],
        "targetLink": ROOT + view["target"],
        "targetId": view["targetId"],
        "status": "DONE" if record["done"] else "RUNNING",
        "user": view["user"],
        "progress": 100 if record["done"] else 0,
        "insertTime": milliseconds(parse_stamp(record["start"])),
        "startTime": milliseconds(parse_stamp(record["start"])),
        "selfLink": ROOT + f"{parent}/operations/{view['name']}",
    }
    if "/regions/" in parent:
        shown["region"] = ROOT + parent
    if record["done"]:
        shown["endTime"] = milliseconds(parse_stamp(record["end"]))
        error = record.get("error")
        if error is not None:
            in_use = "already being used" in error["message"]
            code = "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE" if in_use else "INTERNAL_ERROR"
            shown["error"] = {"errors": [{"code": code, "message": error["message"]}]}
            shown["httpErrorStatusCode"] = 400 if in_use else 500
            shown["httpErrorMessage"] = "BAD REQUEST" if in_use else "INTERNAL SERVER ERROR"
    return shown


def _parent(call: Call) -> str:
    if "region" in call.parameters:
        return f"projects/{call['project']}/regions/{call['region']}"
    return f"projects/{call['project']}/global"


def _once(cloud: Cloud, handler: Callable[[Call], Json]) -> Callable[[Call], Json]:
    """A change that is carried out once for one `requestId`: the second time its operation is the answer."""

    def handle(call: Call) -> Json:
        request = call.query("requestId")
        known = call.store.get(_REQUESTS, request) if request else None
        record = cloud.operations.get(known["key"]) if known else None
        if record is not None:
            return _operation(record)
        answer = handler(call)
        if request:
            call.store.put(_REQUESTS, request, {"key": f"compute:{_parent(call)}/operations/{answer['name']}"})
        return answer

    return handle


def _routes_of(cloud: Cloud, kind: Kind) -> list[Route]:
    api = Resources(cloud, kind)
    many = f"projects/{{project}}/{'regions/{region}' if kind.regional else 'global'}/{kind.collection}"
    one = many + "/{name}"
    table = [
        ("insert", "POST", many, api.insert, "create"),
        ("list", "GET", many, api.list, "list"),
        ("get", "GET", one, api.get, "get"),
        ("delete", "DELETE", one, api.delete, "delete"),
    ]
    if kind.regional:
        everywhere = f"projects/{{project}}/aggregated/{kind.collection}"
        table.append(("aggregatedList", "GET", everywhere, api.aggregated, "list"))
    if kind.collection != "addresses":
        table.append(("patch", "PATCH", one, api.patch, "update"))
    if kind.collection in {"routers", "firewalls"}:
        table.append(("update", "PUT", one, api.update, "update"))
    if kind.collection == "subnetworks":
        table += [
            (method, "POST", f"{one}/{method}", api.change_field, method)
            for method in ("setPrivateIpGoogleAccess", "expandIpCidrRange")
        ]
    if kind.collection in {"subnetworks", "networkAttachments"}:
        table += [
            ("getIamPolicy", "GET", f"{one}/getIamPolicy", api.get_policy, "getIamPolicy"),
            ("setIamPolicy", "POST", f"{one}/setIamPolicy", api.set_policy, "setIamPolicy"),
            ("testIamPermissions", "POST", f"{one}/testIamPermissions", api.test_permissions, ""),
        ]
    return [
        Route(
            f"compute.{kind.api}.{method}",
            verb,
            template,
            handler if verb == "GET" or "Iam" in method else _once(cloud, handler),
            f"compute.{kind.api}.{right}" if right else "",
            one if "{name}" in template else many if method != "aggregatedList" else "projects/{project}",
        )
        for method, verb, template, handler, right in table
    ]


def declare(cloud: Cloud) -> Service:
    """Compute Engine on a cloud."""
    operations = ComputeOperations(cloud)
    scopes = (
        ("globalOperations", "projects/{project}/global/operations"),
        ("regionOperations", "projects/{project}/regions/{region}/operations"),
    )
    polls = [
        Route(f"compute.{scope}.{method}", verb, template + suffix, handler)
        for scope, template in scopes
        for method, verb, suffix, handler in (
            ("get", "GET", "/{operation}", operations.get),
            ("wait", "POST", "/{operation}/wait", operations.wait),
            ("list", "GET", "", operations.list),
        )
    ]
    return Service(
        name="compute",
        hosts=("compute.googleapis.com",),
        prefixes=("compute",),
        bases={"compute/v1": "v1", "compute/beta": "beta"},
        api="compute.googleapis.com",
        envelope=Envelope.COMPUTE,
        routes=(
            *(route for kind in KINDS for route in _routes_of(cloud, kind)),
            *polls,
            Route(
                "compute.globalOperations.aggregatedList",
                "GET",
                "projects/{project}/aggregated/operations",
                operations.aggregated,
            ),
            *Places().routes(),
            *ComputeProjects(cloud).routes(),
            *InstanceGroups().routes(),
        ),
        operations=(
            OperationKind("compute.insert", timedelta(seconds=10), operations.keep),
            OperationKind("compute.change", timedelta(seconds=10), operations.keep),
            OperationKind("compute.delete", timedelta(seconds=10), operations.remove),
        ),
    )
