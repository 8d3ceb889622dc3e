"""The companion GKE cluster and its node pools, as far as the programs use them.

The type has some 700 fields. What this table does not map is refused by name in `check`, never dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from envctl.google.operations import OperationStyle, Polling
from envctl.provider.protocol import CheckFailure, ProviderError
from envctl.provider.schema import load_schema
from envctl.provider.session import suppress_missing
from envctl.provider.spec import Behaviour, Change, Rule, Run, TypeSpec
from envctl.provider.types.links import same_link
from envctl.provider.types.network import full_name
from envctl.provider.values import get_path, set_path

_CLUSTER = "gcp:container/cluster:Cluster"
_NODE_POOL = "gcp:container/nodePool:NodePool"
_LOCATION = "projects/{project}/locations/{location|base}"

_DEFAULT_SCOPES = [
    "https://www.googleapis.com/auth/devstorage.read_only",
    "https://www.googleapis.com/auth/logging.write",
    "https://www.googleapis.com/auth/monitoring",
    "https://www.googleapis.com/auth/service.management.readonly",
    "https://www.googleapis.com/auth/servicecontrol",
    "https://www.googleapis.com/auth/trace.append",
]
"""What the real provider sends for a cluster without `nodeConfig` (recorded)."""

_CLUSTER_INPUTS = frozenset(
    [
        "name",
        "project",
        "location",
        "description",
        "network",
        "subnetwork",
        "initialNodeCount",
        "removeDefaultNodePool",
        "nodeConfig",
        "networkingMode",
        "ipAllocationPolicy",
        "workloadIdentityConfig",
        "releaseChannel",
        "privateClusterConfig",
        "masterAuthorizedNetworksConfig",
        "deletionProtection",
        "deletionPolicy",
        "resourceLabels",
        "minMasterVersion",
        "nodeLocations",
        "datapathProvider",
        "enableShieldedNodes",
        "enableAutopilot",
        "enableLegacyAbac",
        "loggingConfig",
        "monitoringConfig",
        "loggingService",
        "monitoringService",
        "verticalPodAutoscaling",
        "databaseEncryption",
        "addonsConfig",
        "costManagementConfig",
        "clusterIpv4Cidr",
    ]
)
_POOL_INPUTS = frozenset(
    [
        "name",
        "project",
        "location",
        "cluster",
        "initialNodeCount",
        "nodeCount",
        "nodeConfig",
        "autoscaling",
        "management",
        "maxPodsPerNode",
        "nodeLocations",
        "upgradeSettings",
        "version",
        "deletionPolicy",
    ]
)
_NODE_INPUTS = frozenset(
    [
        "machineType",
        "diskSizeGb",
        "diskType",
        "imageType",
        "spot",
        "preemptible",
        "serviceAccount",
        "oauthScopes",
        "labels",
        "resourceLabels",
        "tags",
        "taints",
        "metadata",
        "workloadMetadataConfig",
        "shieldedInstanceConfig",
        "minCpuPlatform",
        "localSsdCount",
        "guestAccelerators",
        "loggingVariant",
    ]
)

_UPDATES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("masterAuthorizedNetworksConfig", "privateClusterConfig.enablePrivateEndpoint"),
        "desiredControlPlaneEndpointsConfig",
        "controlPlaneEndpointsConfig",
    ),
    (
        ("privateClusterConfig.enablePrivateNodes",),
        "desiredDefaultEnablePrivateNodes",
        "networkConfig.defaultEnablePrivateNodes",
    ),
    (("addonsConfig",), "desiredAddonsConfig", "addonsConfig"),
    (("enableShieldedNodes",), "desiredShieldedNodes", "shieldedNodes"),
    (("releaseChannel",), "desiredReleaseChannel", "releaseChannel"),
    (("costManagementConfig",), "desiredCostManagementConfig", "costManagementConfig"),
    (("nodeLocations",), "desiredLocations", "locations"),
    (("monitoringService",), "desiredMonitoringService", "monitoringService"),
    (("loggingService",), "desiredLoggingService", "loggingService"),
    (("minMasterVersion",), "desiredMasterVersion", "initialClusterVersion"),
    (("verticalPodAutoscaling",), "desiredVerticalPodAutoscaling", "verticalPodAutoscaling"),
    (("databaseEncryption",), "desiredDatabaseEncryption", "databaseEncryption"),
    (("workloadIdentityConfig",), "desiredWorkloadIdentityConfig", "workloadIdentityConfig"),
    (("loggingConfig",), "desiredLoggingConfig", "loggingConfig"),
    (("monitoringConfig",), "desiredMonitoringConfig", "monitoringConfig"),
)
"""Fields, key of `ClusterUpdate`, and where its value stands in a cluster; one request each, in the real order."""


@dataclass(frozen=True, slots=True)
class Cluster(Behaviour):
    """A GKE cluster."""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Creates; the default pool is removed afterwards when that is wanted."""
        self.read(run)  # the real provider looks for a fingerprint of the maintenance policy first
        sent = {"cluster": {"name": run.fill("{name}"), **_shape(run, body)}}
        run.made(run.spec.collection, None, sent)
        if run.inputs.get("removeDefaultNodePool"):
            with suppress_missing():
                run.finish(run.call("DELETE", f"{run.spec.path}/nodePools/default-pool"))
        return self.settled(run)

    def locate(self, run: Run) -> tuple[str, Mapping[str, Any]] | None:
        """The cluster; waits while an operation still creates it, however that ends."""
        found = self.read(run)
        if found is not None and found.get("status") == "PROVISIONING":
            target = run.fill("/clusters/{name}")
            for operation in run.call("GET", f"{_LOCATION}/operations").get("operations", ()):
                if operation.get("status") != "DONE" and str(operation.get("targetLink", "")).endswith(target):
                    with suppress(ProviderError):  # a failed create leaves a cluster in status ERROR, or none
                        run.finish(operation)
            found = self.read(run)
        return None if found is None else (self.id_of(run, found), found)

    def update(self, run: Run, change: Change, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """One request and one operation per field."""
        wanted = _shape(run, body)
        for fields, key, path in _UPDATES:
            if change.touches(*fields):
                value = get_path(wanted, path)
                value = {} if value is None else value
                run.finish(run.call("PUT", run.spec.path, None, {"update": {key: value}}))
        if change.touches("enableLegacyAbac"):
            sent = {"enabled": bool(run.inputs.get("enableLegacyAbac"))}
            run.finish(run.call("POST", f"{run.spec.path}:setLegacyAbac", None, sent))
        if change.labels:
            now = self.settled(run)
            labels = {"resourceLabels": dict(run.labels), "labelFingerprint": now.get("labelFingerprint", "")}
            run.finish(run.call("POST", f"{run.spec.path}:setResourceLabels", None, labels))
        return self.settled(run)

    def delete(self, run: Run) -> None:
        """Refuses while `deletionProtection` is on, as the real provider does."""
        if run.value("deletionProtection") is not False:
            raise ProviderError(
                f"Cannot destroy cluster {run.fill('{name}')} because deletionProtection is set to true. Set it to false to "
                "proceed with cluster deletion",
                status="FAILED_PRECONDITION",
                method="DELETE",
            )
        if self.read(run) is not None:
            Behaviour.delete(self, run)

    def outputs(self, run: Run, answer: Mapping[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        """Private nodes stand in one of two places in answers."""
        private = outputs.get("privateClusterConfig")
        nodes = get_path(answer, "networkConfig.defaultEnablePrivateNodes")
        if isinstance(private, dict) and nodes is not None:
            private["enablePrivateNodes"] = nodes
        if not run.inputs and not run.outputs:
            pools = {pool.get("name") for pool in answer.get("nodePools", ())}
            outputs["removeDefaultNodePool"] = "default-pool" not in pools
        return outputs

    def unmade(self, answer: Mapping[str, Any]) -> bool:
        """ERROR: "may be unusable", says the API."""
        return answer.get("status") == "ERROR"

    def imported(self, inputs: dict[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Only what the table maps; a live cluster has much more."""
        return _mapped(inputs, _CLUSTER_INPUTS)

    def check(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        """What the table does not map."""
        return [*_unmapped(_CLUSTER, inputs, _CLUSTER_INPUTS), *_unmapped_nodes(_CLUSTER, inputs)]


@dataclass(frozen=True, slots=True)
class NodePool(Behaviour):
    """A node pool of a cluster."""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Creates."""
        if run.session.find(run.spec.service, run.fill(run.spec.path)) is not None:
            raise ProviderError(f"resource - {run.fill(run.spec.path)} - already exists", status="ALREADY_EXISTS")
        pool = {"name": run.fill("{name}"), **body}
        if "nodeCount" in run.inputs:
            pool["initialNodeCount"] = run.inputs["nodeCount"]
        run.made(run.spec.collection, None, {"nodePool": pool})
        self.read(run)
        return self.settled(run)

    def read(self, run: Run) -> Mapping[str, Any] | None:
        """The pool in the list of its cluster, which is one request for all pools in the real provider."""
        listed = run.session.find(run.spec.service, run.fill(run.spec.collection))
        name = run.fill("{name}")
        return next((item for item in (listed or {}).get("nodePools", ()) if item.get("name") == name), None)

    def update(self, run: Run, change: Change, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """One request per group of fields."""
        path, name = run.spec.path, run.fill("{name}")
        if change.touches("autoscaling"):
            wanted = body.get("autoscaling") or {"enabled": False}
            update = {"desiredNodePoolId": name, "desiredNodePoolAutoscaling": wanted}
            cluster = f"{_LOCATION}/clusters/{{cluster|base}}"
            run.finish(run.call("PUT", cluster, None, {"update": update}))
        if change.touches("nodeConfig"):
            self._update_nodes(run, change, body)
        if change.touches("nodeCount"):
            count = {"nodeCount": run.inputs.get("nodeCount", 0)}
            run.finish(run.call("POST", f"{path}:setSize", None, count))
        if change.touches("management"):
            sent = {"management": body.get("management", {})}
            run.finish(run.call("POST", f"{path}:setManagement", None, sent))
        for field_, key, api in (("version", "nodeVersion", "version"), ("nodeLocations", "locations", "locations")):
            if change.touches(field_):
                single = {key: body.get(api)}
                run.finish(run.call("PUT", path, None, single))
        if change.touches("upgradeSettings"):
            settings = {"upgradeSettings": body.get("upgradeSettings", {})}
            run.finish(run.call("PUT", path, None, settings))
        return self.settled(run)

    def delete(self, run: Run) -> None:
        """Looks first, as the real provider does."""
        if run.session.find(run.spec.service, run.fill(run.spec.path)) is None:
            return
        with suppress_missing():
            run.finish(run.call("DELETE", run.spec.path))

    def unmade(self, answer: Mapping[str, Any]) -> bool:
        """ERROR: "may be unusable", says the API."""
        return answer.get("status") == "ERROR"

    def imported(self, inputs: dict[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Only what the table maps."""
        return _mapped(inputs, _POOL_INPUTS)

    def check(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        """What the table does not map."""
        return [*_unmapped(_NODE_POOL, inputs, _POOL_INPUTS), *_unmapped_nodes(_NODE_POOL, inputs)]

    def _update_nodes(self, run: Run, change: Change, body: Mapping[str, Any]) -> None:
        config = body.get("config") or {}
        sent: dict[str, Any] = {}
        for name in ("machineType", "diskSizeGb", "diskType", "imageType", "workloadMetadataConfig", "resourceLabels"):
            if change.touches(f"nodeConfig.{name}"):
                sent[name] = config.get(name)
        for name, key in (("labels", "labels"), ("tags", "tags"), ("taints", "taints")):
            if change.touches(f"nodeConfig.{name}"):
                sent[key] = {key: config.get(key, {} if key == "labels" else [])}
        for key, value in sent.items():
            single = {key: value}
            run.finish(run.call("PUT", run.spec.path, None, single))


def _shape(run: Run, body: Mapping[str, Any]) -> dict[str, Any]:
    """The cluster with what one input spreads over several places of the API."""
    shaped: dict[str, Any] = {
        **body,
        "network": full_name(run, run.inputs.get("network", "default"), "global/networks"),
    }
    if body.get("subnetwork"):
        region = str(run.value("location"))
        shaped["subnetwork"] = full_name(run, body["subnetwork"], f"regions/{region}/subnetworks")
    if "ipAllocationPolicy" in shaped:
        shaped["ipAllocationPolicy"] = {"useIpAliases": True, **shaped["ipAllocationPolicy"]}
    private = run.inputs.get("privateClusterConfig") or {}
    ip: dict[str, Any] = {
        "authorizedNetworksConfig": {},
        "enablePublicEndpoint": not private.get("enablePrivateEndpoint", False),
        "enabled": True,
        "globalAccess": bool(get_path(private, "masterGlobalAccessConfig.enabled")),
        "privateEndpointSubnetwork": private.get("privateEndpointSubnetwork", ""),
    }
    networks = run.inputs.get("masterAuthorizedNetworksConfig")
    if networks is not None:
        ip["authorizedNetworksConfig"] = {"enabled": True, "cidrBlocks": list(networks.get("cidrBlocks", ()))}
    dns = {"allowExternalTraffic": False, "enableK8sCertsViaDns": False, "enableK8sTokensViaDns": False}
    shaped["controlPlaneEndpointsConfig"] = {"dnsEndpointConfig": dns, "ipEndpointsConfig": ip}
    if private.get("enablePrivateNodes") is not None:
        shaped["networkConfig"] = dict(shaped.get("networkConfig") or {})
        set_path(shaped, "networkConfig.defaultEnablePrivateNodes", bool(private["enablePrivateNodes"]))
    return shaped


def _mapped(inputs: Mapping[str, Any], mapped: frozenset[str]) -> dict[str, Any]:
    kept = {name: value for name, value in inputs.items() if name in mapped}
    node = kept.get("nodeConfig")
    if isinstance(node, Mapping):
        kept["nodeConfig"] = {name: value for name, value in node.items() if name in _NODE_INPUTS}
    return kept


def _unmapped(token: str, inputs: Mapping[str, Any], mapped: frozenset[str]) -> list[CheckFailure]:
    fields = load_schema(token).fields
    return [
        CheckFailure(name, "is not mapped by envctl's sandbox provider")
        for name, value in inputs.items()
        if name not in mapped and value != fields[name].default
    ]


def _unmapped_nodes(token: str, inputs: Mapping[str, Any]) -> list[CheckFailure]:
    node = load_schema(token).fields["nodeConfig"].fields or {}
    given = inputs.get("nodeConfig")
    if not isinstance(given, Mapping):
        return []
    return [
        CheckFailure(f"nodeConfig.{name}", "is not mapped by envctl's sandbox provider")
        for name, value in given.items()
        if name not in _NODE_INPUTS and value != node[name].default
    ]


def _own_labels(labels: Any) -> Any:
    """Without what GKE adds (the real provider suppresses the same)."""
    return {key: value for key, value in labels.items() if not key.startswith("goog-")} or None


def _autoscaling_in(value: Any) -> dict[str, Any]:
    return {"enabled": True, **value}


def _autoscaling_out(value: Any) -> Any:
    if not value.get("enabled"):
        return None
    return {key: item for key, item in value.items() if key != "enabled"}


def _node_rules() -> dict[str, Rule]:
    return {
        "nodeConfig.loggingVariant": Rule(api="loggingConfig.variantConfig.variant"),
        "nodeConfig.effectiveTaints": Rule(skip=True),
        "nodeConfig.guestAccelerators": Rule(api="accelerators"),
        "nodeConfig.guestAccelerators.type": Rule(api="acceleratorType"),
        "nodeConfig.guestAccelerators.count": Rule(api="acceleratorCount"),
        "nodeConfig.resourceLabels": Rule(decode=_own_labels),
    }


TYPES = (
    TypeSpec(
        _CLUSTER,
        service="container/v1beta1",
        path=f"{_LOCATION}/clusters/{{name}}",
        collection=f"{_LOCATION}/clusters",
        imports=("{project}/{location}/{name}", "{location}/{name}"),
        identity=("project", "location", "name"),
        labels="resourceLabels",
        base={
            "autopilot": {"enabled": False},
            "autoscaling": {"enableNodeAutoprovisioning": False},
            "binaryAuthorization": {"enabled": False},
            "legacyAbac": {"enabled": False},
            "maintenancePolicy": {"window": {}},
            "networkConfig": {},
            "networkPolicy": {},
            "nodeConfig": {"oauthScopes": _DEFAULT_SCOPES},
            "notificationConfig": {"pubsub": {}},
        },
        style=OperationStyle.CONTAINER,
        operations=_LOCATION,
        turn=f"{_LOCATION}/clusters/{{name}}",
        polling=Polling(first=5.0, longest=20.0),
        rules={
            "network": Rule(same=same_link),
            "subnetwork": Rule(same=same_link),
            "initialNodeCount": Rule(keep=True),
            "minMasterVersion": Rule(api="initialClusterVersion", keep=True),
            "masterVersion": Rule(api="currentMasterVersion"),
            "nodeVersion": Rule(api="currentNodeVersion"),
            "nodeLocations": Rule(api="locations"),
            "networkingMode": Rule(skip=True),
            "nodePools": Rule(skip=True),
            "operation": Rule(skip=True),
            "datapathProvider": Rule(api="networkConfig.datapathProvider"),
            "enableShieldedNodes": Rule(api="shieldedNodes.enabled", send_zero=True),
            "enableAutopilot": Rule(api="autopilot.enabled"),
            "enableLegacyAbac": Rule(api="legacyAbac.enabled", send_zero=True),
            "loggingConfig.enableComponents": Rule(api="componentConfig.enableComponents"),
            "monitoringConfig.enableComponents": Rule(api="componentConfig.enableComponents"),
            "servicesIpv4Cidr": Rule(api="servicesIpv4Cidr"),
            "masterAuthorizedNetworksConfig": Rule(keep=True, encode=lambda _: None),
            "privateClusterConfig.enablePrivateNodes": Rule(send_zero=True),
            "privateClusterConfig.enablePrivateEndpoint": Rule(send_zero=True),
            **{
                name: Rule(skip=True)
                for name in ("removeDefaultNodePool", "deletionProtection", "deletionPolicy", "allowNetAdmin")
            },
            **_node_rules(),
        },
        behaviour=Cluster(),
    ),
    TypeSpec(
        _NODE_POOL,
        service="container/v1beta1",
        path=f"{_LOCATION}/clusters/{{cluster|base}}/nodePools/{{name}}",
        collection=f"{_LOCATION}/clusters/{{cluster|base}}/nodePools",
        imports=("{project}/{location}/{cluster}/{name}", "{location}/{cluster}/{name}"),
        identity=("project", "location", "cluster", "name"),
        base={"config": {"loggingConfig": {"variantConfig": {}}}, "networkConfig": {}},
        style=OperationStyle.CONTAINER,
        operations=_LOCATION,
        turn=f"{_LOCATION}/clusters/{{cluster|base}}",
        polling=Polling(first=5.0, longest=20.0),
        rules={
            "cluster": Rule(same=same_link),
            "nodeConfig": Rule(api="config"),
            "nodeCount": Rule(keep=True, encode=lambda _: None),
            "autoscaling": Rule(encode=_autoscaling_in, decode=_autoscaling_out),
            "maxPodsPerNode": Rule(api="maxPodsConstraint.maxPodsPerNode"),
            "nodeLocations": Rule(api="locations"),
            "managedInstanceGroupUrls": Rule(api="instanceGroupUrls"),
            "operation": Rule(skip=True),
            "deletionPolicy": Rule(skip=True),
            **_node_rules(),
        },
        behaviour=NodePool(),
    ),
)
