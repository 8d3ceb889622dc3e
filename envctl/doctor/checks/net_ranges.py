"""Address ranges are large enough and free.

Generation 2 needs secondary ranges: pods /23 or larger, services /27 or larger. A subnetwork that envctl is to make
must not overlap one that exists in the same network and region. What the file alone can tell is checked when it is
loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, spec_change
from envctl.doctor.facts import Absent, Known, Subject, Unreadable, field_of, objects
from envctl.doctor.model import Finding
from envctl.iam_targets import subnetwork_name

_VOICE = Voice("net.ranges", Severity.ERROR)
_PODS, _SERVICES = (
    23,
    27,
)  # Composer documentation, "Configure Shared VPC" (2026-08): the longest prefixes that are accepted


def _run(case: Case) -> Iterator[Finding]:
    network = case.spec.network
    name = (subnetwork_name(case.setting) or "").removeprefix("//compute.googleapis.com/")
    if network.vpc is not None:
        yield from _planned(case, network.vpc.subnet)
    elif name and case.setting.generation == 2:
        yield from _existing(case, name)
    else:
        yield _VOICE.skipped("The environment brings no ranges of its own.")


def _planned(case: Case, text: str) -> Iterator[Finding]:
    place = f"projects/{case.project}/regions/{case.spec.region}"
    match case.facts.ask(Subject.SUBNETWORKS, place):
        case Unreadable() as answer:
            yield _VOICE.unknown(answer, "the subnetworks that exist", resource=place)
        case Absent():
            yield _VOICE.ok("no subnetwork exists yet", resource=place)
        case Known(value):
            wanted = ip_network(text)
            taken = [
                item
                for item in objects(value)
                if (found := _range(field_of(item, "ipCidrRange"))) is not None
                and found.overlaps(wanted)
                and str(found) != text
            ]
            if taken:
                names = ", ".join(f"{item.get('name')} ({item.get('ipCidrRange')})" for item in taken)
                fix = spec_change("network: {vpc: {create: true, subnet: <a free range>}}")
                yield _VOICE.failed(
                    f"{text} overlaps {names}; the two can never be peered or share a network.",
                    resource=place,
                    fixes=(fix,),
                )
            else:
                yield _VOICE.ok(f"{text} is free", resource=place)


def _existing(case: Case, name: str) -> Iterator[Finding]:
    match case.facts.ask(Subject.SUBNETWORK, name):
        case Unreadable() as answer:
            yield _VOICE.unknown(answer, "the secondary ranges of the subnetwork", resource=name)
        case Absent():
            yield _VOICE.failed("The subnetwork does not exist.", resource=name)
        case Known(value):
            ranges = {
                str(item.get("rangeName")): _range(item.get("ipCidrRange"))
                for item in objects(field_of(value, "secondaryIpRanges"))
            }
            allocation = case.spec.network.ip_allocation
            wanted = {
                allocation.pods_range_name if allocation else None: ("pods", _PODS),
                allocation.services_range_name if allocation else None: ("services", _SERVICES),
            }
            problems: list[str] = []
            for range_name, (use, longest) in wanted.items():
                if range_name is None:
                    continue
                found = ranges.get(range_name)
                if found is None:
                    problems.append(f"it has no secondary range {range_name!r} for {use}")
                elif found.prefixlen > longest:
                    problems.append(f"{range_name} is a /{found.prefixlen}; {use} need a /{longest} or larger")
            if problems:
                yield _VOICE.failed("The subnetwork does not fit: " + "; ".join(problems) + ".", resource=name)
            else:
                yield _VOICE.ok("the ranges are large enough", resource=name)


def _range(text: object) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(str(text))
    except ValueError:
        return None


CHECK = Check(("net.ranges",), _run, operations=("create",))
