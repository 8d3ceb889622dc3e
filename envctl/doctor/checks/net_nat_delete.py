"""No NAT rule holds the subnetwork's ranges when the environment is deleted.

Generation 2: a Cloud NAT that lists the pods' or services' secondary range by name keeps the cluster's network from
going, and the deletion ends in "The subnetwork resource ... is already being used by".
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, command
from envctl.doctor.facts import Absent, Known, Subject, Unreadable, field_of, objects, texts
from envctl.doctor.model import Finding

_VOICE = Voice("net.nat-delete", Severity.ERROR)


def _run(case: Case) -> Iterator[Finding]:
    if case.setting.generation >= 3 or case.spec.network.vpc is not None:
        yield _VOICE.skipped("Only existing networks of generation 2 are concerned.")
        return
    project = case.setting.host_project or case.project
    place = f"projects/{project}/regions/{case.spec.region}"
    match case.facts.ask(Subject.ROUTERS, place):
        case Unreadable() as answer:
            yield _VOICE.unknown(answer, "NAT rules on the subnetwork", resource=place)
        case Absent():
            yield _VOICE.ok("there is no router", resource=place)
        case Known(value):
            holders = [
                (str(router.get("name")), str(nat.get("name")))
                for router in objects(value)
                for nat in objects(field_of(router, "nats"))
                for entry in objects(nat.get("subnetworks"))
                if list(texts(entry.get("secondaryIpRangeNames")))
            ]
            for router, nat in holders:
                fix = command(
                    f"gcloud compute routers nats update {nat} --router={router} --region={case.spec.region} "
                    f"--project={project} --nat-primary-subnet-ip-ranges"
                )
                yield _VOICE.failed(
                    f"The NAT {nat} of {router} lists secondary ranges by name.", resource=place, fixes=(fix,)
                )
            if not holders:
                yield _VOICE.ok("no NAT rule lists secondary ranges", resource=place)


CHECK = Check(("net.nat-delete",), _run, operations=("delete",))
