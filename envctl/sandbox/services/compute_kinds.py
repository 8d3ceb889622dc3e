"""The compute resources that the emulator knows: what the server fills in, and what keeps them in use."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import ApiError, Status, invalid, not_found

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from envctl.sandbox.backend import Backend
    from envctl.sandbox.messages import Json

    Prepare = Callable[[Backend, str, Mapping[str, Any]], Json]

ROOT = "https://www.googleapis.com/compute/v1/"


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of compute resource.

    Args:
        collection: as in paths.
        api: name in method ids, where it differs (global addresses).
        word: as in `kind`, after `compute#`.
        regional: lives in a region, else globally.
        seconds: how long an insertion takes.
        prepare: makes the resource that is kept, from backend, parent path and request body.
        references: fields that name other resources and keep them in use.
    """

    collection: str
    api: str
    word: str
    regional: bool
    seconds: int
    prepare: Prepare
    references: tuple[str, ...] = ()

    @property
    def store(self) -> str:
        """Name of the collection in the store."""
        return f"compute.{self.collection}"


def path_of(reference: str) -> str:
    """A reference in any of its spellings, as the path `projects/...`."""
    path = reference.partition("/projects/")[2] if "/projects/" in reference else ""
    return f"projects/{path}" if path else reference.removeprefix("https://").lstrip("/")


def link(reference: str, parent: str) -> str:
    """The full link of a reference; a bare path below a project gets the project of `parent`."""
    path = path_of(reference)
    if not path.startswith("projects/"):
        path = f"{'/'.join(parent.split('/')[:2])}/{path}"
    # The Terraform provider writes `projects/P/global/regions/R` for a region.
    return ROOT + path.replace("/global/regions/", "/regions/")


def missing(path: str) -> ApiError:
    """404 in Compute's words."""
    return not_found(f"The resource '{path}' was not found")


def require(backend: Backend, kind: str, reference: str) -> None:
    """Refuse a reference to a resource of a known project that is not there.

    Raises:
        ApiError: 404.
    """
    path = path_of(reference)
    project = path.split("/")[1]
    if backend.store.get("projects", project) and backend.store.get(f"compute.{kind}", path) is None:
        raise missing(path)


def _given(body: Mapping[str, Any]) -> Json:
    """A body without what Compute never echoes: nulls and empty lists."""
    return {key: value for key, value in body.items() if value is not None and value != []}


def _network(backend: Backend, parent: str, body: Mapping[str, Any]) -> Json:
    routing: Json = {"routingMode": "REGIONAL", "bgpBestPathSelectionMode": "LEGACY"}
    resource: Json = {
        "autoCreateSubnetworks": True,
        "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
        **_given(body),
        "routingConfig": {**routing, **(body.get("routingConfig") or {})},
    }
    if body.get("networkProfile"):
        resource["networkProfile"] = link(body["networkProfile"], parent)
    if not resource.get("enableUlaInternalIpv6"):
        resource.pop("enableUlaInternalIpv6", None)
    elif "internalIpv6Range" not in resource:
        digits = backend.unique("ula").hex()
        resource["internalIpv6Range"] = f"fd20:{digits[:3]}:{digits[3:6]}:0:0:0:0:0/48"
    return resource


def _subnetwork(backend: Backend, parent: str, body: Mapping[str, Any]) -> Json:
    network = link(body.get("network", ""), parent)
    require(backend, "networks", network)
    region = ROOT + parent
    try:
        block = ipaddress.ip_network(body.get("ipCidrRange", ""))
    except ValueError as error:
        raise invalid(
            f"Invalid value for field 'resource.ipCidrRange': '{body.get('ipCidrRange', '')}'. {error}."
        ) from error
    own = [block, *(ipaddress.ip_network(entry["ipCidrRange"]) for entry in body.get("secondaryIpRanges") or [])]
    _refuse_overlap(backend, network, own, f"{parent}/subnetworks/{body.get('name', '')}")
    enabled = bool((body.get("logConfig") or {}).get("enable", False))
    return {
        "allowSubnetCidrRoutesOverlap": False,
        "privateIpGoogleAccess": False,
        "privateIpv6GoogleAccess": "DISABLE_GOOGLE_ACCESS",
        "purpose": "PRIVATE",
        "stackType": "IPV4_ONLY",
        **_given(body),
        "logConfig": {"enable": False, **(body.get("logConfig") or {})},
        "enableFlowLogs": enabled,
        "gatewayAddress": str(next(block.hosts())),
        "network": network,
        "region": region,
        "fingerprint": _fingerprint(backend),
    }


def _refuse_overlap(backend: Backend, network: str, own: list[Any], path: str) -> None:
    for name, other in backend.store.items("compute.subnetworks"):
        if other["network"] != network or name == path:
            continue
        ranges = [other["ipCidrRange"], *(entry["ipCidrRange"] for entry in other.get("secondaryIpRanges", ()))]
        for taken in ranges:
            for block in own:
                if ipaddress.ip_network(taken).overlaps(block):
                    region = other["region"].rpartition("/")[2]
                    raise ApiError(
                        Status.INVALID_ARGUMENT,
                        f"Invalid IPCidrRange: {block} conflicts with existing subnetwork "
                        f"'{other['name']}' in region '{region}'.",
                        reason="invalid",
                    )


def _router(backend: Backend, parent: str, body: Mapping[str, Any]) -> Json:
    network = link(body.get("network", ""), parent)
    require(backend, "networks", network)
    resource: Json = {
        "encryptedInterconnectRouter": False,
        **_given(body),
        "network": network,
        "region": ROOT + parent,
    }
    if body.get("nats"):
        resource["nats"] = [_nat(nat, parent) for nat in body["nats"]]
    return resource


def _nat(nat: Mapping[str, Any], parent: str) -> Json:
    shown: Json = {
        "type": "PUBLIC",
        "autoNetworkTier": "PREMIUM",
        "endpointTypes": ["ENDPOINT_TYPE_VM"],
        "enableEndpointIndependentMapping": False,
        "enableDynamicPortAllocation": False,
        **_given(nat),
    }
    if shown.get("subnetworks"):
        shown["subnetworks"] = [{**entry, "name": link(entry["name"], parent)} for entry in shown["subnetworks"]]
    if shown.get("natIps"):
        shown["natIps"] = [link(entry, parent) for entry in shown["natIps"]]
    return shown


def _firewall(backend: Backend, parent: str, body: Mapping[str, Any]) -> Json:
    network = link(body.get("network") or "global/networks/default", parent)
    require(backend, "networks", network)
    resource: Json = {
        "direction": "INGRESS",
        "priority": 1000,
        "disabled": False,
        **_given(body),
        "logConfig": {"enable": False, **(body.get("logConfig") or {})},
        "network": network,
    }
    sources = ("sourceRanges", "sourceTags", "sourceServiceAccounts")
    if resource["direction"] == "INGRESS" and not any(resource.get(field) for field in sources):
        resource["sourceRanges"] = ["0.0.0.0/0"]
    if resource["direction"] == "EGRESS" and not resource.get("destinationRanges"):
        resource["destinationRanges"] = ["0.0.0.0/0"]
    if not resource.get("allowed") and not resource.get("denied"):
        raise ApiError(
            Status.INVALID_ARGUMENT,
            "Invalid value for field 'resource': ''. Firewall rule must have at least one allowed or denied rule.",
            reason="invalid",
        )
    return resource


def _address(backend: Backend, parent: str, body: Mapping[str, Any]) -> Json:
    digits = backend.unique("address")
    internal = body.get("addressType") == "INTERNAL"
    given = f"10.{digits[0]}.{digits[1]}.0" if internal else f"34.{digits[0]}.{digits[1]}.{digits[2] or 1}"
    resource: Json = {
        "addressType": "EXTERNAL",
        "networkTier": "PREMIUM",
        "status": "RESERVED",
        "address": given,
        **_given(body),
    }
    if not resource["address"]:
        resource["address"] = given
    if "/regions/" in parent:
        resource["region"] = ROOT + parent
    for field in ("network", "subnetwork"):
        if resource.get(field):
            resource[field] = link(resource[field], parent)
    return resource


def _attachment(backend: Backend, parent: str, body: Mapping[str, Any]) -> Json:
    subnetworks = [link(entry, parent) for entry in body.get("subnetworks") or []]
    if not subnetworks:
        raise ApiError(
            Status.INVALID_ARGUMENT,
            "Invalid value for field 'resource.subnetworks': ''. At least one subnetwork is needed.",
            reason="invalid",
        )
    for entry in subnetworks:
        require(backend, "subnetworks", entry)
    first = backend.store.get("compute.subnetworks", path_of(subnetworks[0])) or {}
    resource: Json = {
        "connectionPreference": "ACCEPT_AUTOMATIC",
        **_given(body),
        "subnetworks": subnetworks,
        "region": ROOT + parent,
        "fingerprint": _fingerprint(backend),
    }
    if "network" in first:
        resource["network"] = first["network"]
    return resource


def _fingerprint(backend: Backend) -> str:
    import base64

    return base64.b64encode(backend.unique("fingerprint")[:8]).decode()


KINDS: tuple[Kind, ...] = (
    Kind("networks", "networks", "network", regional=False, seconds=20, prepare=_network),
    Kind(
        "subnetworks",
        "subnetworks",
        "subnetwork",
        regional=True,
        seconds=15,
        prepare=_subnetwork,
        references=("network",),
    ),
    Kind("routers", "routers", "router", regional=True, seconds=12, prepare=_router, references=("network",)),
    Kind("firewalls", "firewalls", "firewall", regional=False, seconds=10, prepare=_firewall, references=("network",)),
    Kind(
        "addresses",
        "addresses",
        "address",
        regional=True,
        seconds=5,
        prepare=_address,
        references=("subnetwork",),
    ),
    Kind(
        "addresses",
        "globalAddresses",
        "address",
        regional=False,
        seconds=5,
        prepare=_address,
        references=("network",),
    ),
    Kind(
        "networkAttachments",
        "networkAttachments",
        "networkAttachment",
        regional=True,
        seconds=10,
        prepare=_attachment,
        references=("subnetworks",),
    ),
)


def users_of(backend: Backend, path: str) -> list[str]:
    """Paths of the resources that keep another one in use."""
    wanted = ROOT + path
    found: list[str] = []
    for store in dict.fromkeys(kind.store for kind in KINDS):
        fields = {field for kind in KINDS if kind.store == store for field in kind.references}
        for name, resource in backend.store.items(store):
            values = [resource.get(field) for field in fields]
            if any(value == wanted or (isinstance(value, list) and wanted in value) for value in values):
                found.append(name)
    return found
