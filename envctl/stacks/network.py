"""The VPC of a stack, or the names of one that exists."""

from __future__ import annotations

from dataclasses import dataclass

from envctl.spec.model import Network, Vpc
from envctl.stacks.components import Group
from envctl.stacks.declaration import Input, Options, Ref, Resource, SpecPath
from envctl.stacks.scope import Scope

NETWORK = "network"
SUBNETWORK = "subnetwork"
FIREWALL_INTERNAL = "firewall-internal"
FIREWALL_HEALTH_CHECKS = "firewall-health-checks"
ROUTER = "router"
NAT = "nat"

PODS_RANGE = "pods"
SERVICES_RANGE = "services"

# Sources of Google's health checks ("Health checks overview", cloud.google.com/load-balancing/docs, read 2026-11).
_HEALTH_CHECK_RANGES = ["130.211.0.0/22", "35.191.0.0/16"]

# The provider replaces a network or a subnet for another description: a new `id`, or an older stack, must not cost that.
_WRITTEN_ONCE = ("description",)


@dataclass(frozen=True, slots=True)
class NetworkLinks:
    """Network and subnetwork as the environment names them, and secondary ranges by name."""

    network: Input = None
    subnetwork: Input = None
    pods_range: str | None = None
    services_range: str | None = None


def network_resources(scope: Scope, vpc: Vpc, origin: SpecPath) -> list[Resource]:
    """Network, subnet with its secondary ranges, firewall, and the way out (router and NAT) when asked for."""
    replaced = Options(delete_before_replace=True)
    network = Ref(NETWORK)
    ranges = {PODS_RANGE: vpc.pods, SERVICES_RANGE: vpc.services}
    secondary = [{"rangeName": name, "ipCidrRange": cidr} for name, cidr in ranges.items() if cidr is not None]
    subnetwork: dict[str, Input] = {
        "name": f"{scope.name}-subnet",
        "project": scope.project,
        "region": scope.region,
        "network": network,
        **scope.description,
        "ipCidrRange": vpc.subnet,
        "privateIpGoogleAccess": True,
    }
    if secondary:
        subnetwork["secondaryIpRanges"] = secondary
    if vpc.flow_logs:
        subnetwork["logConfig"] = {
            "aggregationInterval": "INTERVAL_5_SEC",
            "flowSampling": 0.5,
            "metadata": "INCLUDE_ALL_METADATA",
        }
    resources = [
        Resource(
            name=NETWORK,
            type="gcp:compute/network:Network",
            parent=Group.NETWORK,
            inputs={
                "name": f"{scope.name}-network",
                "project": scope.project,
                **scope.description,
                "autoCreateSubnetworks": False,
            },
            origin=origin,
            options=Options(delete_before_replace=True, protect=scope.protect, ignore_changes=_WRITTEN_ONCE),
        ),
        Resource(
            name=SUBNETWORK,
            type="gcp:compute/subnetwork:Subnetwork",
            parent=Group.NETWORK,
            inputs=subnetwork,
            origin=origin,
            fields={
                "ipCidrRange": (*origin, "subnet"),
                "secondaryIpRanges": (*origin, "pods" if vpc.pods else "services"),
                "logConfig": (*origin, "flowLogs"),
            },
            options=Options(delete_before_replace=True, protect=scope.protect, ignore_changes=_WRITTEN_ONCE),
        ),
        Resource(
            name=FIREWALL_INTERNAL,
            type="gcp:compute/firewall:Firewall",
            parent=Group.NETWORK,
            inputs={
                "name": f"{scope.name}-allow-internal",
                "project": scope.project,
                **scope.description,
                "network": network,
                "direction": "INGRESS",
                "sourceRanges": [vpc.subnet, *(cidr for cidr in ranges.values() if cidr is not None)],
                "allows": [{"protocol": "tcp"}, {"protocol": "udp"}, {"protocol": "icmp"}],
            },
            origin=origin,
            fields={"sourceRanges": (*origin, "subnet")},
            options=replaced,
        ),
        Resource(
            name=FIREWALL_HEALTH_CHECKS,
            type="gcp:compute/firewall:Firewall",
            parent=Group.NETWORK,
            inputs={
                "name": f"{scope.name}-allow-health-checks",
                "project": scope.project,
                **scope.description,
                "network": network,
                "direction": "INGRESS",
                "sourceRanges": _HEALTH_CHECK_RANGES,
                "allows": [{"protocol": "tcp", "ports": ["80", "443"]}],
            },
            origin=origin,
            options=replaced,
        ),
    ]
    if vpc.nat:
        resources += _way_out(scope, network, (*origin, "nat"))
    return resources


def _way_out(scope: Scope, network: Ref, origin: SpecPath) -> list[Resource]:
    """Router and NAT: how private nodes reach package indexes and APIs outside Google."""
    return [
        Resource(
            name=ROUTER,
            type="gcp:compute/router:Router",
            parent=Group.NETWORK,
            inputs={
                "name": f"{scope.name}-router",
                "project": scope.project,
                **scope.description,
                "region": scope.region,
                "network": network,
            },
            origin=origin,
            options=Options(delete_before_replace=True),
        ),
        Resource(
            name=NAT,
            type="gcp:compute/routerNat:RouterNat",
            parent=Group.NETWORK,
            inputs={
                "name": f"{scope.name}-nat",
                "project": scope.project,
                "region": scope.region,
                "router": Ref(ROUTER, "name"),
                "natIpAllocateOption": "AUTO_ONLY",
                "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
            },
            origin=origin,
            options=Options(delete_before_replace=True),
        ),
    ]


def own_links(vpc: Vpc) -> NetworkLinks:
    """Links into the VPC that the same stack declares."""
    return NetworkLinks(
        network=Ref(NETWORK),
        subnetwork=Ref(SUBNETWORK),
        pods_range=PODS_RANGE if vpc.pods else None,
        services_range=SERVICES_RANGE if vpc.services else None,
    )


def foundation_links(name: str, project: str, region: str, vpc: Vpc) -> NetworkLinks:
    """Links into the VPC of a foundation, by the names that its program gives."""
    return NetworkLinks(
        network=f"projects/{project}/global/networks/{name}-network",
        subnetwork=f"projects/{project}/regions/{region}/subnetworks/{name}-subnet",
        pods_range=PODS_RANGE if vpc.pods else None,
        services_range=SERVICES_RANGE if vpc.services else None,
    )


def existing_links(network: Network, project: str, region: str) -> NetworkLinks:
    """Links into a VPC that exists, in the host project of a Shared VPC or in the environment's own."""
    home = network.host_project or project
    allocation = network.ip_allocation
    return NetworkLinks(
        network=_full(network.network, f"projects/{home}/global/networks"),
        subnetwork=_full(network.subnetwork, f"projects/{home}/regions/{region}/subnetworks"),
        pods_range=allocation.pods_range_name if allocation else None,
        services_range=allocation.services_range_name if allocation else None,
    )


def _full(name: str | None, parent: str) -> str | None:
    if name is None or "/" in name:
        return name
    return f"{parent}/{name}"
