"""Networks: which keys go together, ranges that are ranges, and ranges that do not collide."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network

from envctl.diagnostics import Hint, Severity
from envctl.spec.model import Environment, Foundation, Network, NetworkMode, Vpc
from envctl.spec.rules.subject import Subject, Violation, hints
from envctl.spec.tables import limits
from envctl.spec.tree import KeyPath, show

_Address = IPv4Network | IPv6Network


def check_network(subject: Subject) -> Iterator[Violation]:
    """Which ways of naming a network exclude each other, and which need each other."""
    if not isinstance(subject.spec, Environment):
        return
    network = subject.spec.network
    yield from _check_ways(network)
    if subject.generation == 3:
        return  # the blocks below are objected to as a whole
    private = network.private_environment
    if private is not None:
        if network.mode is NetworkMode.PUBLIC:
            detail = "`network.privateEnvironment` is about private environments; `network.mode` is `public`."
            yield Violation("key-needs-another", ("network", "privateEnvironment"), detail, at_key=True)
        if private.connection_subnetwork and private.connection != "psc":
            detail = "`connectionSubnetwork` serves Private Service Connect; `connection` is `vpc-peering`."
            path = ("network", "privateEnvironment", "connectionSubnetwork")
            yield Violation("exclusive-keys", path, detail, at_key=True)
    allocation = network.ip_allocation
    if allocation is not None:
        for range_name, cidr, key in (
            (allocation.pods_range_name, allocation.pods_cidr, "pods"),
            (allocation.services_range_name, allocation.services_cidr, "services"),
        ):
            if range_name and cidr:
                detail = f"`{key}RangeName` and `{key}Cidr` both say where {key} get their addresses."
                yield Violation("exclusive-keys", ("network", "ipAllocation", f"{key}Cidr"), detail, at_key=True)


def _check_ways(network: Network) -> Iterator[Violation]:
    ways = {
        "vpc": network.vpc is not None,
        "from": network.from_ is not None,
        "attachment": network.attachment is not None,
        "network": network.network is not None or network.subnetwork is not None,
    }
    chosen = [key for key, is_chosen in ways.items() if is_chosen]
    for key in chosen[1:]:
        path = ("network", "subnetwork" if key == "network" and network.network is None else key)
        detail = f"`network.{chosen[0]}` and `network.{path[1]}` are two answers to where the environment lives."
        yield Violation("exclusive-keys", path, detail, at_key=True)
    if (network.network is None) != (network.subnetwork is None):
        there, absent = ("network", "subnetwork") if network.network else ("subnetwork", "network")
        yield Violation("key-needs-another", ("network", there), f"`{there}` needs `{absent}` beside it.", at_key=True)
    if network.host_project is not None and network.network is None:
        detail = "`hostProject` names whose network is used: `network` and `subnetwork` say which."
        yield Violation("key-needs-another", ("network", "hostProject"), detail, at_key=True)


def check_ranges(subject: Subject) -> Iterator[Violation]:
    """Every range: well formed, of a size that Google takes, and apart from the others."""
    spec = subject.spec
    table = limits()
    named: dict[KeyPath, _Address] = {}
    vpc_path: KeyPath = ("network",) if isinstance(spec, Foundation) else ("network", "vpc")
    vpc: Vpc | None = spec.network if isinstance(spec, Foundation) else spec.network.vpc
    sized: list[tuple[KeyPath, str | None, tuple[int, int] | None]] = []
    if vpc is not None:
        sized.append(((*vpc_path, "subnet"), vpc.subnet, table.subnet_prefix))
        sized.append(((*vpc_path, "pods"), vpc.pods, None))
        sized.append(((*vpc_path, "services"), vpc.services, None))
    if isinstance(spec, Environment):
        yield from _check_allowed_ranges(spec)
        network = spec.network
        exact = (table.internal_prefix, table.internal_prefix)
        sized.append((("network", "internalCidr"), network.internal_cidr, exact))
        if (private := network.private_environment) is not None:
            base = ("network", "privateEnvironment")
            sized.append(((*base, "masterCidr"), private.master_cidr, (table.master_prefix, table.master_prefix)))
            sized.append(((*base, "cloudSqlCidr"), private.cloud_sql_cidr, (1, table.cloud_sql_prefix)))
            sized.append(
                ((*base, "composerNetworkCidr"), private.composer_network_cidr, (1, table.composer_network_prefix))
            )
            for index, authorized in enumerate(private.authorized_networks or ()):
                yield from _well_formed((*base, "authorizedNetworks", index, "cidr"), authorized.cidr)
        if (allocation := network.ip_allocation) is not None:
            for key, text in (("podsCidr", allocation.pods_cidr), ("servicesCidr", allocation.services_cidr)):
                if text is not None and not text.startswith("/"):  # `/14` leaves the choice of the range to GKE
                    sized.append((("network", "ipAllocation", key), text, None))
    for path, text, prefixes in sized:
        if text is None:
            continue
        problems = list(_well_formed(path, text))
        yield from problems
        if problems:
            continue
        parsed = ip_network(text)
        if prefixes and not prefixes[0] <= parsed.prefixlen <= prefixes[1]:
            low, high = prefixes
            size = f"exactly /{low}" if low == high else f"/{high} or larger" if low == 1 else f"/{low} to /{high}"
            yield Violation("range-size", path, f"`{show(path)}` is a /{parsed.prefixlen}; Google takes {size}.")
        named[path] = parsed
    yield from _check_overlaps(subject, named)
    yield from _check_shared_ranges(subject, named)


def _well_formed(path: KeyPath, text: str) -> Iterator[Violation]:
    try:
        ip_network(text)
    except ValueError:
        pass
    else:
        return
    try:
        loose = ip_network(text, strict=False)
    except ValueError:
        yield Violation("range-form", path, f"`{text}` is not a range such as `10.10.0.0/20`.")
        return
    hint = Hint(f"write `{loose}`", replacement=str(loose))
    yield Violation("range-form", path, f"`{text}` has bits set after its /{loose.prefixlen}.", (hint,))


def _check_overlaps(subject: Subject, named: dict[KeyPath, _Address]) -> Iterator[Violation]:
    entries = list(named.items())
    for index, (path, one) in enumerate(entries):
        for other_path, other in entries[:index]:
            if one.version == other.version and one.overlaps(other):
                detail = f"`{show(path)}` ({one}) and `{show(other_path)}` ({other}) share addresses."
                yield Violation("ranges-overlap", path, detail)
    if subject.generation == 3 and ("network", "internalCidr") not in named:
        internal = ip_network(limits().internal_default)
        for path, one in entries:
            if one.version == 4 and one.overlaps(internal):
                detail = (
                    f"{one} covers {internal}, which Composer uses inside: addresses of yours there cannot be reached."
                )
                cure = hints("choose another range, or another `network.internalCidr`")
                yield Violation("ranges-overlap", path, detail, cure, severity=Severity.WARNING)


def _check_shared_ranges(subject: Subject, named: dict[KeyPath, _Address]) -> Iterator[Violation]:
    """Ranges of the environment against those of the foundation's network that it lives in."""
    spec, foundation = subject.spec, subject.foundation
    if not (isinstance(spec, Environment) and spec.network.from_ and foundation and foundation.network):
        return
    shared: dict[str, _Address] = {}
    for key in ("subnet", "pods", "services"):
        text = getattr(foundation.network, key)
        if text is not None and not list(_well_formed((), text)):
            shared[key] = ip_network(text)
    if subject.generation == 3 and ("network", "internalCidr") not in named:
        internal = ip_network(limits().internal_default)
        for key, other in shared.items():
            if other.version == 4 and other.overlaps(internal):
                detail = f"The foundation's `network.{key}` ({other}) covers {internal}, which Composer uses inside."
                cure = hints("give another `network.internalCidr`")
                yield Violation("ranges-overlap", ("network", "from"), detail, cure, severity=Severity.WARNING)
    for path, one in named.items():
        for key, other in shared.items():
            if one.version == other.version and one.overlaps(other):
                detail = f"`{show(path)}` ({one}) and the foundation's `network.{key}` ({other}) share addresses."
                yield Violation("ranges-overlap", path, detail)


def _check_allowed_ranges(spec: Environment) -> Iterator[Violation]:
    seen: set[str] = set()
    for index, allowed in enumerate(spec.web_server.allowed_ranges or ()):
        path = ("webServer", "allowedRanges", index, "cidr")
        yield from _well_formed(path, allowed.cidr)
        if allowed.cidr in seen:
            yield Violation("given-twice", path, f"`{allowed.cidr}` is listed already.")
        seen.add(allowed.cidr)
