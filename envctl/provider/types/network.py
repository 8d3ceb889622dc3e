"""Networks, subnets, firewall rules, routers with NAT, Shared VPC."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from envctl.google.operations import OperationStyle
from envctl.plan.values import Opaque
from envctl.provider.behaviours import MergePatched, top_keys
from envctl.provider.iam_member import PolicyMember
from envctl.provider.protocol import ProviderError
from envctl.provider.session import suppress_missing
from envctl.provider.spec import Behaviour, Change, Rule, Run, TypeSpec
from envctl.provider.types.links import relative, same_link

_GLOBAL = "projects/{project}/global"
_REGIONAL = "projects/{project}/regions/{region|base}"


def full_name(run: Run, value: Any, folder: str) -> str:
    """A resource given by link, relative or plain name, as a relative name; `folder` such as `global/networks`."""
    text = str(value)
    return relative(text) if "/" in text else run.fill(f"projects/{{project}}/{folder}/{text}")


@dataclass(frozen=True, slots=True)
class Compute(MergePatched):
    """A compute resource: created by POST, patched by merge, both as operations."""

    links: Mapping[str, str] = field(default_factory=dict[str, str])
    """Fields that name another resource, with the folder that a plain name stands for."""
    region_in_body: bool = False

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Creates, with names of other resources written out."""
        sent = {"name": run.fill("{name}"), **self.linked(run, body)}
        if self.region_in_body:
            sent["region"] = run.fill("projects/{project}/global/regions/{region|base}")
        run.made(run.spec.collection, None, sent)
        return self.settled(run)

    def update(self, run: Run, change: Change, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """One merge patch with what differs."""
        return MergePatched.update(self, run, change, self.linked(run, body))

    def locate(self, run: Run) -> tuple[str, Mapping[str, Any]] | None:
        """The resource; waits while an operation still makes it, for until then it is not to be seen."""
        found = self.read(run)
        if found is None:
            made = run.fill(run.spec.path)
            listed = run.session.find(run.spec.service, f"{run.fill(run.spec.operations)}/operations") or {}
            for operation in listed.get("items", ()):
                ours = str(operation.get("targetLink", "")).endswith(f"/{made}")
                if ours and operation.get("operationType") == "insert" and operation.get("status") != "DONE":
                    with suppress(ProviderError):  # a failed insert leaves nothing
                        run.finish(operation)
            found = self.read(run)
        return None if found is None else (self.id_of(run, found), found)

    def linked(self, run: Run, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body with relative names."""
        names = {
            key: full_name(run, body[key], run.fill(folder)) for key, folder in self.links.items() if body.get(key)
        }
        return {**body, **names}


@dataclass(frozen=True, slots=True)
class Network(Compute):
    """A VPC; routing settings stand in an object of their own."""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Creates; default routes are deleted afterwards when that is wanted."""
        found = Compute.create(self, run, body)
        if run.inputs.get("deleteDefaultRoutesOnCreate"):
            self._delete_default_routes(run)
        return found

    def outputs(self, run: Run, answer: Mapping[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """The number under both its names."""
        if answer.get("id"):
            outputs["numericId"] = outputs["networkId"] = str(answer["id"])
        return outputs

    def _delete_default_routes(self, run: Run) -> None:
        routes = run.call("GET", f"{_GLOBAL}/routes").get("items", ())
        wanted = run.fill(f"{_GLOBAL}/networks/{{name}}")
        for route in routes:
            if route.get("destRange") == "0.0.0.0/0" and relative(str(route.get("network", ""))) == wanted:
                run.finish(run.call("DELETE", f"{_GLOBAL}/routes/{route['name']}"))


@dataclass(frozen=True, slots=True)
class Subnetwork(Compute):
    """A subnet: its range and private access change by methods, the rest by patches with a fingerprint."""

    def update(self, run: Run, change: Change, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Range, private access, then one patch per group."""
        if change.touches("ipCidrRange"):
            sent = {"ipCidrRange": run.inputs["ipCidrRange"]}
            run.finish(run.call("POST", f"{run.spec.path}/expandIpCidrRange", None, sent))
        if change.touches("privateIpGoogleAccess"):
            sent = {"privateIpGoogleAccess": bool(run.inputs.get("privateIpGoogleAccess"))}
            run.finish(run.call("POST", f"{run.spec.path}/setPrivateIpGoogleAccess", None, sent))
        for name, key in top_keys(run, change).items():
            if name not in {"ipCidrRange", "privateIpGoogleAccess"}:
                now = self.settled(run)
                value = body.get(
                    key, {"enable": False} if name == "logConfig" else [] if name == "secondaryIpRanges" else None
                )
                patch = {"fingerprint": now.get("fingerprint"), key: value}
                run.finish(run.call("PATCH", run.spec.path, None, patch))
        return self.settled(run)

    def forces(self, path: str, outputs: Mapping[str, Any], inputs: Mapping[str, Any]) -> bool:
        """A range can grow in place, not shrink or move."""
        before, after = outputs.get("ipCidrRange"), inputs.get("ipCidrRange")
        if path != "ipCidrRange" or not isinstance(before, str) or not isinstance(after, str):
            return False
        try:
            old, new = ipaddress.ip_network(before), ipaddress.ip_network(after)
        except ValueError:
            return False
        return not (old.version == new.version and old.subnet_of(new))  # type: ignore[arg-type]

    def outputs(self, run: Run, answer: Mapping[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """The number, and flow logs only when they are on."""
        if str(answer.get("id", "")).isdigit():
            outputs["subnetworkId"] = int(answer["id"])
        return outputs


@dataclass(frozen=True, slots=True)
class RouterNat(Behaviour):
    """A NAT gateway: an entry in its router's list, written by patching the router."""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Adds the entry to the router as it is now."""
        router = self._router(run)
        if self._entry(run, router) is not None:
            raise ProviderError(
                f"NAT {run.fill('{name}')} already exists in {run.fill('{router}')}", status="ALREADY_EXISTS"
            )
        self._write(run, [*router.get("nats", ()), self._body(run, body)])
        return self.settled(run)

    def settled(self, run: Run) -> Mapping[str, Any]:
        """The entry as the router has it."""
        found = self._entry(run, self._router(run))
        if found is None:
            raise ProviderError(f"NAT {run.fill('{name}')} was written but is not in its router", status="NOT_FOUND")
        return found

    def read(self, run: Run) -> Mapping[str, Any] | None:
        """The entry, or None when it or its router is gone."""
        router = run.session.find(run.spec.service, run.fill(run.spec.path))
        return None if router is None else self._entry(run, router)

    def update(self, run: Run, change: Change, body: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        """Replaces the entry, keeping its neighbours."""
        name = run.fill("{name}")
        entries = [
            self._body(run, body) if item["name"] == name else item for item in self._router(run).get("nats", ())
        ]
        self._write(run, entries)
        return self.settled(run)

    def delete(self, run: Run) -> None:
        """Takes the entry out."""
        router = run.session.find(run.spec.service, run.fill(run.spec.path))
        if router is None or self._entry(run, router) is None:
            return
        self._write(run, [item for item in router["nats"] if item["name"] != run.fill("{name}")])

    def outputs(self, run: Run, answer: Mapping[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """As the table says."""
        return outputs

    def _router(self, run: Run) -> Mapping[str, Any]:
        return run.call("GET", run.spec.path)

    def _entry(self, run: Run, router: Mapping[str, Any]) -> Mapping[str, Any] | None:
        name = run.fill("{name}")
        return next((item for item in router.get("nats", ()) if item.get("name") == name), None)

    def _body(self, run: Run, body: Mapping[str, Any]) -> dict[str, Any]:
        sent: dict[str, Any] = {
            "drainNatIps": [],
            "initialNatIps": [],
            "logConfig": None,
            "nat64Subnetworks": [],
            "natIps": [],
            "rules": [],
            "subnetworks": [],
            **body,
            "name": run.fill("{name}"),
        }
        return sent

    def _write(self, run: Run, entries: list[Any]) -> None:
        run.finish(run.call("PATCH", run.spec.path, None, {"nats": entries}))


@dataclass(frozen=True, slots=True)
class SharedVpcServiceProject(Behaviour):
    """A service project attached to a Shared VPC host."""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        """Attaches it."""
        run.finish(run.call("POST", "projects/{hostProject}/enableXpnResource", None, self._resource(run)))
        found = self.read(run)
        if found is None:
            raise ProviderError("the service project was attached but its host does not show", status="ABORTED")
        return found

    def read(self, run: Run) -> Mapping[str, Any] | None:
        """The host of the service project, if it is this one."""
        host = run.session.find(run.spec.service, run.fill("projects/{serviceProject}/getXpnHost"))
        return host if host and host.get("name") == run.value("hostProject") else None

    def delete(self, run: Run) -> None:
        """Detaches it."""
        with suppress_missing():
            run.finish(run.call("POST", "projects/{hostProject}/disableXpnResource", None, self._resource(run)))

    def _resource(self, run: Run) -> dict[str, Any]:
        return {"xpnResource": {"id": run.fill("{serviceProject}"), "type": "PROJECT"}}


def _logging_in(config: Any) -> dict[str, Any]:
    return {"enable": True, **config}


def _logging_out(config: Any) -> Any:
    if not isinstance(config, Mapping) or not config.get("enable"):
        return None
    return {key: value for key, value in config.items() if key != "enable"}


def _same_links(old: Any, new: Any) -> bool:
    return new is not Opaque.UNKNOWN and same_link(old, new)


TYPES = (
    TypeSpec(
        "gcp:compute/network:Network",
        service="compute/compute/v1",
        path="projects/{project}/global/networks/{name}",
        collection="projects/{project}/global/networks",
        imports=("{project}/{name}", "{name}"),
        style=OperationStyle.COMPUTE,
        operations=_GLOBAL,
        rules={
            "autoCreateSubnetworks": Rule(send_zero=True),
            "routingMode": Rule(api="routingConfig.routingMode"),
            "bgpBestPathSelectionMode": Rule(api="routingConfig.bgpBestPathSelectionMode"),
            "bgpAlwaysCompareMed": Rule(api="routingConfig.bgpAlwaysCompareMed"),
            "bgpInterRegionCost": Rule(api="routingConfig.bgpInterRegionCost"),
            "deleteBgpAlwaysCompareMed": Rule(skip=True),
            "deleteDefaultRoutesOnCreate": Rule(skip=True),
            "deletionPolicy": Rule(skip=True),
            "gatewayIpv4": Rule(api="gatewayIPv4"),
            "numericId": Rule(api="id"),
            "networkId": Rule(api="id"),
        },
        behaviour=Network(),
    ),
    TypeSpec(
        "gcp:compute/subnetwork:Subnetwork",
        service="compute/compute/v1",
        path=f"{_REGIONAL}/subnetworks/{{name}}",
        collection=f"{_REGIONAL}/subnetworks",
        imports=("{project}/{region}/{name}", "{region}/{name}", "{name}"),
        identity=("project", "region", "name"),
        base={"logConfig": {"enable": False}},
        style=OperationStyle.COMPUTE,
        operations=_REGIONAL,
        rules={
            "network": Rule(same=_same_links),
            "logConfig": Rule(encode=_logging_in, decode=_logging_out),
            "secondaryIpRanges.rangeName": Rule(),
            "sendSecondaryIpRangeIfEmpty": Rule(skip=True),
            "deletionPolicy": Rule(skip=True),
            "subnetworkId": Rule(api="id"),
        },
        behaviour=Subnetwork(links={"network": "global/networks"}, region_in_body=True),
    ),
    TypeSpec(
        "gcp:compute/subnetworkIAMMember:SubnetworkIAMMember",
        service="compute/compute/v1",
        path=f"{_REGIONAL}/subnetworks/{{subnetwork|base}}",
        id=f"{_REGIONAL}/subnetworks/{{subnetwork|base}}/{{role}}/{{member}}",
        imports=(
            "projects/{project}/regions/{region}/subnetworks/{subnetwork} {role} {member} {title}",
            "projects/{project}/regions/{region}/subnetworks/{subnetwork} {role} {member}",
        ),
        identity=("project", "region", "subnetwork"),
        rules={"subnetwork": Rule(same=same_link), "region": Rule(same=same_link)},
        behaviour=PolicyMember(
            f"{_REGIONAL}/subnetworks/{{subnetwork|base}}",
            read_suffix="/getIamPolicy",
            read_query={"optionsRequestedPolicyVersion": "3"},
            write_suffix="/setIamPolicy",
        ),
    ),
    TypeSpec(
        "gcp:compute/firewall:Firewall",
        service="compute/compute/v1",
        path="projects/{project}/global/firewalls/{name}",
        collection="projects/{project}/global/firewalls",
        imports=("{project}/{name}", "{name}"),
        base={"logConfig": {"enable": False}},
        style=OperationStyle.COMPUTE,
        operations=_GLOBAL,
        rules={
            "network": Rule(same=_same_links),
            "allows": Rule(api="allowed"),
            "allows.protocol": Rule(api="IPProtocol"),
            "denies": Rule(api="denied"),
            "denies.protocol": Rule(api="IPProtocol"),
            "logConfig": Rule(encode=_logging_in, decode=_logging_out),
            "enableLogging": Rule(skip=True),
            "priority": Rule(send_zero=True),
            "deletionPolicy": Rule(skip=True),
        },
        behaviour=Compute(links={"network": "global/networks"}),
    ),
    TypeSpec(
        "gcp:compute/router:Router",
        service="compute/compute/v1",
        path=f"{_REGIONAL}/routers/{{name}}",
        collection=f"{_REGIONAL}/routers",
        imports=("{project}/{region}/{name}", "{region}/{name}", "{name}"),
        identity=("project", "region", "name"),
        base={"bgp": None},
        style=OperationStyle.COMPUTE,
        operations=_REGIONAL,
        rules={"network": Rule(same=_same_links), "deletionPolicy": Rule(skip=True)},
        behaviour=Compute(links={"network": "global/networks"}, region_in_body=True),
    ),
    TypeSpec(
        "gcp:compute/routerNat:RouterNat",
        service="compute/compute/v1",
        path=f"{_REGIONAL}/routers/{{router|base}}",
        id="{project}/{region|base}/{router|base}/{name}",
        imports=("projects/{project}/regions/{region}/routers/{router}/{name}", "{region}/{router}/{name}"),
        identity=("project", "region", "router", "name"),
        style=OperationStyle.COMPUTE,
        operations=_REGIONAL,
        rules={
            "router": Rule(same=same_link),
            "region": Rule(same=same_link),
            "subnetworks.name": Rule(same=_same_links),
            "subnetworks.sourceIpRangesToNats": Rule(api="sourceIpRangesToNat"),
            "logConfig.enable": Rule(send_zero=True),
            "deletionPolicy": Rule(skip=True),
        },
        behaviour=RouterNat(),
    ),
    TypeSpec(
        "gcp:compute/sharedVPCServiceProject:SharedVPCServiceProject",
        service="compute/compute/v1",
        path="projects/{serviceProject}/getXpnHost",
        id="{hostProject}/{serviceProject}",
        identity=("hostProject", "serviceProject"),
        style=OperationStyle.COMPUTE,
        operations="projects/{hostProject}/global",
        rules={"deletionPolicy": Rule(skip=True)},
        behaviour=SharedVpcServiceProject(),
    ),
)
