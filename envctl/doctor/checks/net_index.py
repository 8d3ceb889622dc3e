"""Private package builds reach their index.

Builds of a private environment have no way to the public index unless the network has Cloud NAT (or a proxy).
With `network.privateBuildsOnly`, or behind a perimeter, an Artifact Registry repository must serve every package.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, by_up, spec_change
from envctl.doctor.facts import Absent, Known, Subject, Unreadable, field_of, objects
from envctl.doctor.model import Finding

_VOICE = Voice("net.index-reachable", Severity.WARNING)


def needs_nat(case: Case) -> bool:
    """Whether only a NAT of an existing network can decide it."""
    packages = case.spec.packages
    return (
        bool(packages.requirements or packages.inline or packages.bundles)
        and not case.setting.index_repository
        and case.setting.generation == 2
        and case.setting.private
        and case.spec.network.vpc is None
    )


def _run(case: Case) -> Iterator[Finding]:
    packages = case.spec.packages
    network = case.spec.network
    if not (packages.requirements or packages.inline or packages.bundles):
        yield _VOICE.skipped("There are no custom packages to install.")
    elif case.setting.index_repository:
        yield _VOICE.ok("packages come from Artifact Registry", resource=case.setting.index_repository)
    elif case.setting.generation >= 3 and not network.private_builds_only:
        yield _VOICE.skipped("Google's builders reach the public index.")
    elif case.setting.generation >= 3:
        fix = spec_change("packages:\n  index: {repository: python}   # a remote repository of the public index")
        yield _VOICE.failed(
            "Builds are private only, and the packages are to come from the public index.", fixes=(fix,)
        )
    elif not case.setting.private:
        yield _VOICE.skipped("The nodes have public addresses.")
    elif network.vpc is not None:
        if network.vpc.nat:
            yield _VOICE.ok("envctl makes the NAT")
        else:
            fix = spec_change("network: {vpc: {create: true, nat: true}}")
            yield _VOICE.failed(
                "The nodes are private and the file switches NAT off: no package can be fetched.",
                fixes=(fix, by_up("+ Cloud NAT")),
            )
    else:
        yield _judge(case)


def _judge(case: Case) -> Finding:
    place = f"projects/{case.setting.host_project or case.project}/regions/{case.spec.region}"
    match case.facts.ask(Subject.ROUTERS, place):
        case Unreadable() as answer:
            return _VOICE.unknown(answer, "whether Cloud NAT serves the subnetwork", resource=place)
        case Absent():
            routers: list[object] = []
        case Known(value):
            routers = [nat for router in objects(value) for nat in objects(field_of(router, "nats"))]
    if routers:
        return _VOICE.ok("Cloud NAT serves the region", resource=place)
    return _VOICE.failed(
        "The nodes are private, there is no Cloud NAT, and the packages come from the public index.", resource=place
    )


CHECK = Check(("net.index-reachable",), _run, operations=("create", "packages", "upgrade"))
