"""Kubernetes Engine, v1 and v1beta1: clusters, node pools and their operations."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import (
    ApiError,
    Status,
    already_exists,
    failed_precondition,
    invalid,
    not_found,
    status_of_rpc_code,
)
from envctl.sandbox.masks import without_zeros
from envctl.sandbox.operations import OperationKind
from envctl.sandbox.routing import Route, Service
from envctl.sandbox.services import container_resources as resources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from envctl.sandbox.backend import Backend, Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

CLUSTERS = "container.clusters"
POOLS = "container.nodePools"
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Clusters:
    """The methods of the API."""

    cloud: Cloud

    # -- clusters -------------------------------------------------------------------------------------

    def create(self, call: Call) -> Json:
        """Start making a cluster."""
        given: Mapping[str, Any] = call.body.get("cluster") or {}
        name = given.get("name", "")
        path = f"{_location(call)}/clusters/{name}"
        if not _NAME.fullmatch(name):
            raise invalid(f"Cluster.name must match {_NAME.pattern}: '{name}'.")
        if call.store.get(CLUSTERS, path) is not None:
            raise already_exists(f"Already exists: {path}.")
        cluster, pools = resources.new_cluster(call, self.cloud.projects.number(call["project"]), path, given)
        call.store.put(CLUSTERS, path, cluster)
        for pool in pools:
            call.store.put(POOLS, f"{path}/nodePools/{pool['name']}", pool)
        return self._start(call, "CREATE_CLUSTER", path, path, {})

    def get(self, call: Call) -> Json:
        """A cluster with its node pools; one that is being made is a poll further on."""
        path = _cluster(call)
        if self._find(call.backend, path)["status"] != "RUNNING":
            for record in self._running(path):
                self.cloud.operations.poll(record["key"])
        return self._shown(call, path)

    def list(self, call: Call) -> Json:
        """The clusters of a location, or of all with `-`."""
        prefix = f"{_location(call)}/clusters/"
        if call["location"] == "-":
            prefix = f"projects/{call['project']}/locations/"
        found = [self._shown(call, path) for path, _ in call.store.items(CLUSTERS, prefix)]
        return {"clusters": found} if found else {}

    def update(self, call: Call) -> Json:
        """Start one change of a cluster."""
        path = _cluster(call)
        cluster = self._find(call.backend, path)
        desired: Mapping[str, Any] = call.body.get("update") or {}
        pool = desired.get("desiredNodePoolId")
        if pool and "desiredNodePoolAutoscaling" in desired:
            target = f"{path}/nodePools/{pool}"
            self._pool(call.backend, target)
            changes = {"autoscaling": without_zeros(desired["desiredNodePoolAutoscaling"])}
            return self._start(call, "UPDATE_CLUSTER", path, target, {"pool": changes})
        return self._start(call, "UPDATE_CLUSTER", path, path, {"cluster": resources.desired_changes(cluster, desired)})

    def set_labels(self, call: Call) -> Json:
        """Start replacing the labels of a cluster."""
        path = _cluster(call)
        cluster = self._find(call.backend, path)
        if call.body.get("labelFingerprint", cluster["labelFingerprint"]) != cluster["labelFingerprint"]:
            raise failed_precondition("Labels could not be set due to fingerprint mismatch.")
        changes = {"resourceLabels": call.body.get("resourceLabels", {}), "labelFingerprint": call.backend.new_etag()}
        return self._start(call, "UPDATE_CLUSTER", path, path, {"cluster": changes})

    def set_maintenance(self, call: Call) -> Json:
        """Start replacing the maintenance policy of a cluster."""
        path = _cluster(call)
        self._find(call.backend, path)
        policy = call.body.get("maintenancePolicy", {})
        return self._start(call, "UPDATE_CLUSTER", path, path, {"cluster": {"maintenancePolicy": policy}})

    def delete(self, call: Call) -> Json:
        """Start removing a cluster with its node pools."""
        path = _cluster(call)
        self._find(call.backend, path)
        return self._start(call, "DELETE_CLUSTER", path, path, {})

    # -- node pools -----------------------------------------------------------------------------------

    def create_pool(self, call: Call) -> Json:
        """Start making a node pool."""
        path = _cluster(call)
        cluster = self._find(call.backend, path)
        given: Mapping[str, Any] = call.body.get("nodePool") or {}
        name = given.get("name", "")
        if not _NAME.fullmatch(name):
            raise invalid(f"NodePool.name must match {_NAME.pattern}: '{name}'.")
        target = f"{path}/nodePools/{name}"
        if call.store.get(POOLS, target) is not None:
            raise already_exists(f"Already exists: {target}.")
        self._require_idle(path)
        call.store.put(POOLS, target, resources.new_pool(call, cluster, path, given))
        return self._start(call, "CREATE_NODE_POOL", path, target, {})

    def get_pool(self, call: Call) -> Json:
        """A node pool."""
        path = _cluster(call)
        target = f"{path}/nodePools/{call['pool']}"
        if self._pool(call.backend, target)["status"] != "RUNNING":
            for record in self._running(path):
                self.cloud.operations.poll(record["key"])
        return dict(self._pool(call.backend, target))

    def list_pools(self, call: Call) -> Json:
        """The node pools of a cluster."""
        path = _cluster(call)
        self._find(call.backend, path)
        found = [dict(pool) for pool in call.store.values(POOLS, f"{path}/nodePools/")]
        return {"nodePools": found} if found else {}

    def update_pool(self, call: Call) -> Json:
        """Start changing the nodes of a pool."""
        return self._change_pool(call, "UPGRADE_NODES", lambda pool: resources.node_changes(pool, call.body))

    def set_size(self, call: Call) -> Json:
        """Start resizing a pool."""
        count = call.body.get("nodeCount", 0)
        return self._change_pool(call, "SET_NODE_POOL_SIZE", lambda _: {"initialNodeCount": count})

    def set_autoscaling(self, call: Call) -> Json:
        """Start changing the autoscaling of a pool."""
        value = without_zeros(call.body.get("autoscaling", {}))
        return self._change_pool(call, "UPDATE_CLUSTER", lambda _: {"autoscaling": value})

    def set_management(self, call: Call) -> Json:
        """Start changing repair and upgrade of a pool."""
        value = without_zeros(call.body.get("management", {}))
        return self._change_pool(call, "SET_NODE_POOL_MANAGEMENT", lambda _: {"management": value})

    def delete_pool(self, call: Call) -> Json:
        """Start removing a node pool."""
        return self._change_pool(call, "DELETE_NODE_POOL", lambda _: {})

    def _change_pool(self, call: Call, operation: str, changes: Callable[[Mapping[str, Any]], Json]) -> Json:
        path = _cluster(call)
        target = f"{path}/nodePools/{call['pool']}"
        self._find(call.backend, path)
        pool = self._pool(call.backend, target)
        return self._start(call, operation, path, target, {"pool": changes(pool)})

    # -- operations -----------------------------------------------------------------------------------

    def operation(self, call: Call) -> Json:
        """An operation, a poll later."""
        path = f"{_location(call)}/operations/{call['operation']}"
        record = self.cloud.operations.poll(f"container:{path}")
        if record is None:
            raise not_found(f"Not found: {path}.")
        return self._operation(record)

    def list_operations(self, call: Call) -> Json:
        """The operations of a location."""
        records = call.store.values("operations", f"container:{_location(call)}/operations/")
        shown = [self._operation(record) for record in records]
        return {"operations": shown} if shown else {}

    def finish(self, backend: Backend, arguments: Mapping[str, Any]) -> None:
        """What is so when an operation has ended."""
        cluster, target = arguments["cluster"], arguments["target"]
        match arguments["type"]:
            case "DELETE_CLUSTER":
                backend.store.delete(CLUSTERS, cluster)
                for name, _ in backend.store.items(POOLS, f"{cluster}/nodePools/"):
                    backend.store.delete(POOLS, name)
                return
            case "DELETE_NODE_POOL":
                backend.store.delete(POOLS, target)
            case _ if target != cluster:
                old = self._pool(backend, target)
                new: Json = {**old, **arguments["changes"].get("pool", {}), "status": "RUNNING"}
                backend.store.put(POOLS, target, new)
            case "CREATE_CLUSTER":
                for name, pool in backend.store.items(POOLS, f"{cluster}/nodePools/"):
                    backend.store.put(POOLS, name, {**pool, "status": "RUNNING"})
            case _:
                pass
        changed: Json = {**self._find(backend, cluster), **arguments["changes"].get("cluster", {}), "status": "RUNNING"}
        backend.store.put(CLUSTERS, cluster, changed)

    def abandon(self, backend: Backend, arguments: Mapping[str, Any]) -> None:
        """An operation ended in an error: what was to be made is broken, the rest runs on."""
        created = arguments["type"] == "CREATE_CLUSTER"
        cluster = self._find(backend, arguments["cluster"])
        backend.store.put(CLUSTERS, arguments["cluster"], {**cluster, "status": "ERROR" if created else "RUNNING"})
        pool = backend.store.get(POOLS, arguments["target"])
        if pool is not None:
            broken = arguments["type"] == "CREATE_NODE_POOL"
            backend.store.put(POOLS, arguments["target"], {**pool, "status": "ERROR" if broken else "RUNNING"})

    def _start(self, call: Call, operation: str, cluster: str, target: str, changes: Mapping[str, Any]) -> Json:
        self._require_idle(cluster)
        if operation != "CREATE_CLUSTER":
            status = "STOPPING" if operation == "DELETE_CLUSTER" else "RECONCILING"
            old = self._find(call.backend, cluster)
            call.store.put(CLUSTERS, cluster, {**old, "status": status})
        stem = int(call.backend.clock.now().timestamp() * 1000)
        name = f"operation-{stem}-{call.backend.new_uuid('container')}"
        record = self.cloud.operations.start(
            f"container.{operation}",
            f"container:{_location(call)}/operations/{name}",
            {"cluster": cluster, "target": target, "type": operation, "changes": dict(changes)},
            view={"name": name, "project": call["project"], "location": call["location"], "version": call.version},
        )
        return self._operation(record)

    def _require_idle(self, cluster: str) -> None:
        for record in self._running(cluster):
            raise failed_precondition(f"Cluster is running incompatible operation {record['view']['name']}.")

    def _running(self, cluster: str) -> list[Mapping[str, Any]]:
        prefix = f"container:{cluster.partition('/clusters/')[0]}/"
        records = self.cloud.operations.pending(prefix)
        return [record for record in records if record["arguments"]["cluster"] == cluster]

    def _operation(self, record: Mapping[str, Any]) -> Json:
        view, arguments = record["view"], record["arguments"]
        number = self.cloud.projects.number(view["project"])
        root = f"https://container.googleapis.com/{view['version']}"
        scope = resources.scope(number, view["location"])
        target = resources.scope(number, view["location"]) + arguments["target"].partition(view["location"])[2]
        on_cluster = arguments["target"] == arguments["cluster"]
        status = "RUNNING" if record["polls"] or on_cluster else "PENDING"
        shown: Json = {
            "name": view["name"],
            "operationType": arguments["type"],
            "selfLink": f"{root}/{scope}/operations/{view['name']}",
            "startTime": record["start"],
            "status": "DONE" if record["done"] else status,
            "targetLink": f"{root}/{target}",
            "zone": view["location"],
        }
        if record["done"]:
            shown["endTime"] = record["end"]
            error = record.get("error")
            if error is not None:
                shown["error"] = error
                shown["statusMessage"] = f"{status_of_rpc_code(error['code'])}: {error['message']}"
        return shown

    def _find(self, backend: Backend, path: str) -> Mapping[str, Any]:
        cluster = backend.store.get(CLUSTERS, path)
        if cluster is None:
            location = path.split("/")[3]
            shown = path.replace("/locations/", "/zones/", 1) if resources.is_zone(location) else path
            raise ApiError(Status.NOT_FOUND, f"Not found: {shown}.")
        return cluster

    def _pool(self, backend: Backend, path: str) -> Mapping[str, Any]:
        pool = backend.store.get(POOLS, path)
        if pool is None:
            raise not_found(f'Not found: node pool "{path.rpartition("/")[2]}" not found.')
        return pool

    def _shown(self, call: Call, path: str) -> Json:
        pools = [dict(pool) for pool in call.store.values(POOLS, f"{path}/nodePools/")]
        return resources.shown(self._find(call.backend, path), pools, call.version)


def _location(call: Call) -> str:
    return f"projects/{call['project']}/locations/{call['location']}"


def _cluster(call: Call) -> str:
    return f"{_location(call)}/clusters/{call['cluster']}"


_DURATIONS: Mapping[str, timedelta] = {
    "CREATE_CLUSTER": timedelta(minutes=6),
    "UPDATE_CLUSTER": timedelta(minutes=3),
    "DELETE_CLUSTER": timedelta(minutes=5),
    "CREATE_NODE_POOL": timedelta(minutes=2),
    "UPGRADE_NODES": timedelta(minutes=4),
    "SET_NODE_POOL_SIZE": timedelta(minutes=2),
    "SET_NODE_POOL_MANAGEMENT": timedelta(seconds=30),
    "DELETE_NODE_POOL": timedelta(minutes=3),
}


def declare(cloud: Cloud) -> Service:
    """Kubernetes Engine on a cloud."""
    api = Clusters(cloud)
    location = "projects/{project}/locations/{location}"
    many = f"{location}/clusters"
    one = many + "/{cluster}"
    pools = one + "/nodePools"
    pool = pools + "/{pool}"
    operations = f"{location}/operations"
    table = (
        ("clusters.create", "POST", many, api.create, "clusters.create"),
        ("clusters.list", "GET", many, api.list, "clusters.list"),
        ("clusters.get", "GET", one, api.get, "clusters.get"),
        ("clusters.update", "PUT", one, api.update, "clusters.update"),
        ("clusters.delete", "DELETE", one, api.delete, "clusters.delete"),
        ("clusters.setResourceLabels", "POST", one + ":setResourceLabels", api.set_labels, "clusters.update"),
        (
            "clusters.setMaintenancePolicy",
            "POST",
            one + ":setMaintenancePolicy",
            api.set_maintenance,
            "clusters.update",
        ),
        ("clusters.nodePools.create", "POST", pools, api.create_pool, "clusters.update"),
        ("clusters.nodePools.list", "GET", pools, api.list_pools, "clusters.get"),
        ("clusters.nodePools.get", "GET", pool, api.get_pool, "clusters.get"),
        ("clusters.nodePools.update", "PUT", pool, api.update_pool, "clusters.update"),
        ("clusters.nodePools.delete", "DELETE", pool, api.delete_pool, "clusters.update"),
        ("clusters.nodePools.setSize", "POST", pool + ":setSize", api.set_size, "clusters.update"),
        (
            "clusters.nodePools.setAutoscaling",
            "POST",
            pool + ":setAutoscaling",
            api.set_autoscaling,
            "clusters.update",
        ),
        (
            "clusters.nodePools.setManagement",
            "POST",
            pool + ":setManagement",
            api.set_management,
            "clusters.update",
        ),
        ("operations.get", "GET", operations + "/{operation}", api.operation, "operations.get"),
        ("operations.list", "GET", operations, api.list_operations, "operations.list"),
    )
    return Service(
        name="container",
        hosts=("container.googleapis.com",),
        prefixes=("container",),
        bases={"v1": "v1", "v1beta1": "v1beta1"},
        api="container.googleapis.com",
        routes=tuple(
            Route(
                f"container.projects.locations.{method}",
                verb,
                template,
                handler,
                f"container.{right}",
                "projects/{project}" if right.endswith(("create", "list")) else template.partition(":")[0],
            )
            for method, verb, template, handler, right in table
        ),
        operations=tuple(
            OperationKind(f"container.{name}", length, api.finish, api.abandon) for name, length in _DURATIONS.items()
        ),
    )
