"""What Kubernetes Engine fills in for clusters and node pools, and how changes are worded."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import ApiError, Status, invalid
from envctl.sandbox.masks import merged, without_zeros
from envctl.sandbox.services.compute_places import zones_of
from envctl.sandbox.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envctl.sandbox.backend import Call
    from envctl.sandbox.messages import Json

# Fields of a cluster that only v1beta1 has.
_BETA_ONLY = frozenset({"clusterTelemetry", "master", "privateCluster", "protectConfig"})
# Not a certificate: nothing answers at the endpoint.
_NO_CERTIFICATE = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCnNhbmRib3gKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="


@cache
def _defaults() -> Mapping[str, Any]:
    text = read_table("sandbox/container-defaults.json")
    return json.loads(text)


def is_zone(location: str) -> bool:
    """Whether a location is a zone, else a region."""
    return re.fullmatch(r"[a-z]+-[a-z]+\d+-[a-z]", location) is not None


def scope(project: str, location: str) -> str:
    """The path of a location as answers spell it: zones have a word of their own."""
    return f"projects/{project}/{'zones' if is_zone(location) else 'locations'}/{location}"


def _short(reference: str) -> str:
    return reference.rpartition("/")[2]


def _full(reference: str, project: str, middle: str) -> str:
    if "/projects/" in reference:
        return "projects/" + reference.partition("/projects/")[2]
    return reference if reference.startswith("projects/") else f"projects/{project}/{middle}/{reference}"


def new_cluster(call: Call, number: str, path: str, given: Mapping[str, Any]) -> tuple[Json, list[Json]]:
    """A cluster as it is kept, and its first node pools.

    Args:
        call: the request.
        number: number of the project.
        path: full name of the cluster.
        given: the cluster of the request.
    """
    project, location = call["project"], call["location"]
    region = location.rpartition("-")[0] if is_zone(location) else location
    digits = call.backend.unique("cluster")
    public, private = f"34.{digits[0]}.{digits[1]}.{digits[2] or 1}", f"10.{digits[3]}.{digits[4]}.2"
    network = _full(given.get("network") or "default", project, "global/networks")
    subnetwork = _full(given.get("subnetwork") or "default", project, f"regions/{region}/subnetworks")
    pods = f"gke-{given['name']}-pods-{digits.hex()[:8]}"
    computed: Json = {
        "name": given["name"],
        "id": digits.hex(),
        "selfLink": f"https://container.googleapis.com/v1beta1/{scope(project, location)}/clusters/{given['name']}",
        "status": "PROVISIONING",
        "createTime": call.now,
        "etag": call.backend.new_etag(),
        "labelFingerprint": call.backend.new_etag(),
        "location": location,
        "zone": location,
        "endpoint": public,
        "network": _short(network),
        "subnetwork": _short(subnetwork),
    }
    defaults: Json = {
        **_defaults()["cluster"],
        "locations": [location] if is_zone(location) else list(zones_of(region)[:3]),
        "clusterIpv4Cidr": "10.112.0.0/14",
        "servicesIpv4Cidr": "34.118.224.0/20",
        "ipAllocationPolicy": {
            "clusterIpv4Cidr": "10.112.0.0/14",
            "clusterIpv4CidrBlock": "10.112.0.0/14",
            "clusterSecondaryRangeName": pods,
            "networkTierConfig": {"networkTier": "NETWORK_TIER_DEFAULT"},
            "podCidrOverprovisionConfig": {},
            "servicesIpv4Cidr": "34.118.224.0/20",
            "servicesIpv4CidrBlock": "34.118.224.0/20",
            "stackType": "IPV4",
            "useIpAliases": True,
        },
        "controlPlaneEndpointsConfig": {
            "dnsEndpointConfig": {
                "allowExternalTraffic": False,
                "enableK8sCertsViaDns": False,
                "enableK8sTokensViaDns": False,
                "endpoint": f"gke-{digits.hex()[:36]}-{number}.{location}.gke.goog",
            },
            "ipEndpointsConfig": {
                "authorizedNetworksConfig": {"gcpPublicCidrsAccessEnabled": True},
                "enablePublicEndpoint": True,
                "enabled": True,
                "privateEndpoint": private,
                "publicEndpoint": public,
            },
        },
        "privateClusterConfig": {"privateEndpoint": private, "publicEndpoint": public},
        "privateCluster": True,
        "masterAuth": {"clientCertificateConfig": {}, "clusterCaCertificate": _NO_CERTIFICATE},
        "networkConfig": {
            "defaultSnatStatus": {},
            "network": network,
            "serviceExternalIpsConfig": {},
            "subnetwork": subnetwork,
        },
    }
    plain = {key: value for key, value in given.items() if key not in {"nodePools", "nodeConfig", "maintenancePolicy"}}
    # The server uses VPC-native addresses even for clients that send `useIpAliases: false` (recorded).
    plain.pop("ipAllocationPolicy", None)
    allocation = without_zeros(given.get("ipAllocationPolicy") or {})
    policy = without_zeros(given.get("maintenancePolicy") or {})
    cluster = merged(defaults, without_zeros(plain))
    cluster["ipAllocationPolicy"] = merged(defaults["ipAllocationPolicy"], allocation)
    cluster.update(computed)
    if not cluster.get("networkPolicy"):
        cluster.pop("networkPolicy", None)
    if policy.get("window"):
        cluster["maintenancePolicy"] = merged(defaults["maintenancePolicy"], policy)
    asked: Sequence[Mapping[str, Any]] = given.get("nodePools") or [
        {
            "name": "default-pool",
            "config": given.get("nodeConfig") or {},
            "initialNodeCount": given.get("initialNodeCount", 0),
        }
    ]
    if (given.get("autopilot") or {}).get("enabled"):
        asked = []
    pools = [new_pool(call, cluster, path, pool) for pool in asked]
    if given.get("initialNodeCount"):
        cluster["initialNodeCount"] = given["initialNodeCount"]
    if pools:
        cluster["nodeConfig"] = pools[0]["config"]
    return cluster, pools


def new_pool(call: Call, cluster: Mapping[str, Any], path: str, given: Mapping[str, Any]) -> Json:
    """A node pool as it is kept."""
    location = cluster["location"]
    project = path.split("/")[1]
    defaults: Json = {
        **_defaults()["nodePool"],
        "locations": cluster["locations"],
        "networkConfig": {
            "networkTierConfig": {"networkTier": "NETWORK_TIER_DEFAULT"},
            "podIpv4CidrBlock": cluster["ipAllocationPolicy"]["clusterIpv4CidrBlock"],
            "podRange": cluster["ipAllocationPolicy"]["clusterSecondaryRangeName"],
            "subnetwork": cluster["networkConfig"]["subnetwork"],
        },
    }
    pool = merged(defaults, without_zeros(given))
    config: Json = pool["config"]
    if (given.get("config") or {}).get("spot"):
        labels = {**config["resourceLabels"], "goog-gke-node-pool-provisioning-model": "spot"}
        config["resourceLabels"] = labels
    disk = (given.get("config") or {}).get("diskSizeGb")
    if disk:
        config["bootDisk"] = {**config["bootDisk"], "sizeGb": str(disk)}
    kind = (given.get("config") or {}).get("diskType")
    if kind:
        config["bootDisk"] = {**config["bootDisk"], "diskType": kind}
    if (pool.get("autoscaling") or {}).get("enabled"):
        pool["autoscaling"] = {"locationPolicy": "BALANCED", **pool["autoscaling"]}
    digits = call.backend.unique("pool").hex()
    stem = f"gke-{cluster['name'][:16]}-{pool['name'][:16]}-{digits[:8]}-grp"
    pool.update(
        {
            "etag": call.backend.new_etag(),
            "status": "PROVISIONING",
            "instanceGroupUrls": [
                f"https://www.googleapis.com/compute/v1/projects/{project}/zones/{zone}/instanceGroupManagers/{stem}"
                for zone in pool["locations"]
            ],
            "selfLink": (
                f"https://container.googleapis.com/v1beta1/{scope(project, location)}"
                f"/clusters/{cluster['name']}/nodePools/{pool['name']}"
            ),
        }
    )
    return pool


def shown(cluster: Mapping[str, Any], pools: Sequence[Mapping[str, Any]], version: str) -> Json:
    """A cluster as a version of the API shows it."""
    nodes = sum(pool.get("initialNodeCount", 0) * len(pool["locations"]) for pool in pools)
    result: Json = {key: value for key, value in cluster.items() if version != "v1" or key not in _BETA_ONLY}
    if pools:
        result["nodePools"] = list(pools)
        result["instanceGroupUrls"] = [url for pool in pools for url in pool["instanceGroupUrls"]]
    if nodes:
        result["currentNodeCount"] = nodes
    return result


# `update.desiredX` -> field of the cluster, where it is not just X.
_RENAMED: Mapping[str, str] = {
    "desiredClusterAutoscaling": "autoscaling",
    "desiredMasterVersion": "currentMasterVersion",
    "desiredNodeVersion": "currentNodeVersion",
}
_SAME_NAME = frozenset(
    {
        "AddonsConfig",
        "BinaryAuthorization",
        "ControlPlaneEndpointsConfig",
        "CostManagementConfig",
        "DatabaseEncryption",
        "Locations",
        "LoggingConfig",
        "LoggingService",
        "MasterAuthorizedNetworksConfig",
        "MonitoringConfig",
        "MonitoringService",
        "NotificationConfig",
        "PrivateClusterConfig",
        "ReleaseChannel",
        "SecurityPostureConfig",
        "ShieldedNodes",
        "VerticalPodAutoscaling",
        "WorkloadIdentityConfig",
    }
)


def desired_changes(cluster: Mapping[str, Any], desired: Mapping[str, Any]) -> Json:
    """The fields of a cluster that an update changes.

    Raises:
        ApiError: the update names nothing, or something that the emulator does not know.
    """
    changes: Json = {}
    for name, value in desired.items():
        if name == "desiredDefaultEnablePrivateNodes":
            changes["networkConfig"] = {**(cluster.get("networkConfig") or {}), "defaultEnablePrivateNodes": value}
            continue
        bare = name.removeprefix("desired")
        field = _RENAMED.get(name, bare[:1].lower() + bare[1:])
        if name not in _RENAMED and bare not in _SAME_NAME:
            raise _unimplemented(f"the cluster update '{name}'")
        old = cluster.get(field)
        if isinstance(value, dict) and isinstance(old, dict):
            changes[field] = without_zeros(merged(old, value))
        else:
            changes[field] = value
    if not changes:
        raise invalid("Must specify a field to update.")
    return changes


def _unimplemented(what: str) -> ApiError:
    return ApiError(Status.UNIMPLEMENTED, f"The sandbox does not implement {what}.")


_WRAPPED: Mapping[str, str] = {"taints": "taints", "labels": "labels", "tags": "tags", "resourceLabels": "labels"}
_NODE_FIELDS = frozenset(
    {
        "machineType",
        "imageType",
        "diskType",
        "diskSizeGb",
        "workloadMetadataConfig",
        "kubeletConfig",
        "linuxNodeConfig",
        "loggingConfig",
        "gvnic",
        "confidentialNodes",
    }
)


def node_changes(pool: Mapping[str, Any], body: Mapping[str, Any]) -> Json:
    """The fields of a pool that an update of its nodes changes.

    Raises:
        ApiError: the update names something that the emulator does not know.
    """
    config: Json = dict(pool["config"])
    changes: Json = {}
    for name, value in body.items():
        if name in _WRAPPED:
            inner = value.get(_WRAPPED[name])
            if inner:
                config[name] = inner
            else:
                config.pop(name, None)
        elif name in _NODE_FIELDS:
            config[name] = value
        elif name in {"locations", "upgradeSettings"}:
            changes[name] = value
        elif name == "nodeVersion":
            changes["version"] = value
        elif name not in {"name", "etag", "clusterId", "nodePoolId", "projectId", "zone"}:
            raise _unimplemented(f"the node pool update '{name}'")
    return {**changes, "config": config}
