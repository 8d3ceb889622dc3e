"""The companion GKE cluster, where pod operators run what does not fit into the environment."""

from __future__ import annotations

from typing import Any

from envctl.composer import generation
from envctl.spec.model import Environment, NetworkMode, NodePool
from envctl.stacks.components import Group
from envctl.stacks.declaration import Input, Options, Ref, Resource
from envctl.stacks.network import NetworkLinks
from envctl.stacks.scope import Scope

CLUSTER = "cluster"

# Rights come from the account's roles; scopes are the older, coarser lock in front of them.
_SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]


def pool_resource_name(key: str) -> str:
    """Logical name of the node pool under `nodePools.<key>`."""
    return f"node-pool-{key}"


def node_pool_resources(scope: Scope, spec: Environment, links: NetworkLinks, account: str) -> list[Resource]:
    """A private regional cluster without a default pool, and one autoscaled pool per entry, in order of their keys.

    Pods get rights through Workload Identity; nodes run as the environment's service account.
    """
    if not spec.node_pools:
        return []
    cluster: dict[str, Input] = {
        "name": f"{scope.name}-tasks",
        "project": scope.project,
        "location": scope.region,
        "networkingMode": "VPC_NATIVE",
        "ipAllocationPolicy": _ranges(spec, links),
        "removeDefaultNodePool": True,
        "initialNodeCount": 1,
        "nodeConfig": {"serviceAccount": account, "oauthScopes": _SCOPES},
        "workloadIdentityConfig": {"workloadPool": f"{scope.project}.svc.id.goog"},
        "releaseChannel": {"channel": "REGULAR"},
        "privateClusterConfig": {
            "enablePrivateNodes": spec.network.mode is NetworkMode.PRIVATE,
            "enablePrivateEndpoint": False,
        },
        "deletionProtection": scope.protect,
        "resourceLabels": scope.labels,
    }
    if links.network is not None:
        cluster["network"] = links.network
    if links.subnetwork is not None:
        cluster["subnetwork"] = links.subnetwork
    return [
        Resource(
            name=CLUSTER,
            type="gcp:container/cluster:Cluster",
            parent=Group.NODE_POOLS,
            inputs=cluster,
            origin=("nodePools",),
            fields={
                "network": ("network",),
                "ipAllocationPolicy": ("network", "vpc"),
                "subnetwork": ("network",),
                "privateClusterConfig": ("network", "mode"),
                "deletionProtection": ("protect",),
                "resourceLabels": ("labels",),
                "nodeConfig.serviceAccount": ("serviceAccount",),
            },
            # The default pool that `nodeConfig` speaks of is removed right after the create.
            options=Options(delete_before_replace=True, protect=scope.protect, ignore_changes=("nodeConfig",)),
        ),
        *(_pool(scope, key, spec.node_pools[key], account) for key in sorted(spec.node_pools)),
    ]


def _ranges(spec: Environment, links: NetworkLinks) -> dict[str, Input]:
    """The subnet's secondary ranges, unless the environment's own cluster (generation 2) has them.

    Two clusters cannot share a range for services: GKE then makes its own.
    """
    if generation(spec.image_version) == 2 or links.pods_range is None or links.services_range is None:
        return {}
    return {"clusterSecondaryRangeName": links.pods_range, "servicesSecondaryRangeName": links.services_range}


def _pool(scope: Scope, key: str, pool: NodePool, account: str) -> Resource:
    origin = ("nodePools", key)
    node: dict[str, Any] = {
        "machineType": pool.machine_type,
        "diskSizeGb": pool.disk_gb,
        "spot": pool.spot,
        "serviceAccount": account,
        "oauthScopes": _SCOPES,
        # One label always stays: the provider sends nothing when the last one goes, and finds it again each time.
        "labels": dict(sorted({**pool.labels, "managed-by": "envctl"}.items())),
        "workloadMetadataConfig": {"mode": "GKE_METADATA"},
        "shieldedInstanceConfig": {"enableSecureBoot": True, "enableIntegrityMonitoring": True},
    }
    if pool.taints:
        node["taints"] = [{"key": taint.key, "value": taint.value, "effect": taint.effect} for taint in pool.taints]
    return Resource(
        name=pool_resource_name(key),
        type="gcp:container/nodePool:NodePool",
        parent=Group.NODE_POOLS,
        inputs={
            "name": pool.name or key,
            "project": scope.project,
            "location": scope.region,
            "cluster": Ref(CLUSTER),
            # Counts over all zones; `minNodeCount` would be per zone.
            "autoscaling": {"totalMinNodeCount": pool.min, "totalMaxNodeCount": pool.max, "locationPolicy": "ANY"},
            # Fixed at creation and therefore never derived from `min`: the autoscaler takes over at once.
            "initialNodeCount": 0,
            "management": {"autoRepair": True, "autoUpgrade": True},
            "nodeConfig": node,
        },
        origin=origin,
        fields={
            "autoscaling.totalMinNodeCount": (*origin, "min"),
            "autoscaling.totalMaxNodeCount": (*origin, "max"),
            "nodeConfig.machineType": (*origin, "machineType"),
            "nodeConfig.diskSizeGb": (*origin, "diskGb"),
            "nodeConfig.spot": (*origin, "spot"),
            "nodeConfig.labels": (*origin, "labels"),
            "nodeConfig.taints": (*origin, "taints"),
            "name": (*origin, "name"),
            "nodeConfig.serviceAccount": ("serviceAccount",),
        },
        options=Options(delete_before_replace=True),
    )
