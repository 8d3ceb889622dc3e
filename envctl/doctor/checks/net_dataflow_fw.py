"""Dataflow workers reach each other on TCP 12345 and 12346.

Batch shuffle without Dataflow Shuffle and streaming without Streaming Engine run over these ports between workers,
which carry the network tag `dataflow`. Without a rule, jobs hang with "failed to connect to all addresses".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, command
from envctl.doctor.facts import Absent, Known, Subject, Unreadable, field_of, objects, texts
from envctl.doctor.model import Finding

_VOICE = Voice("net.dataflow-fw", Severity.WARNING)
_PORTS = (12345, 12346)


def _opens(rule: object) -> bool:
    if str(field_of(rule, "direction") or "INGRESS") != "INGRESS" or field_of(rule, "disabled") is True:
        return False
    open_ports: set[int] = set()
    for entry in objects(field_of(rule, "allowed")):
        if str(entry.get("IPProtocol")) not in {"tcp", "all", "6"}:
            continue
        spans = list(texts(entry.get("ports"))) or ["0-65535"]
        for span in spans:
            low, _, high = span.partition("-")
            if low.isdigit() and (high or low).isdigit():
                open_ports |= {port for port in _PORTS if int(low) <= port <= int(high or low)}
    return open_ports == set(_PORTS)


def _run(case: Case) -> Iterator[Finding]:
    project = case.setting.host_project or case.project
    if "dataflow" not in {item.value for item in case.spec.integrations}:
        yield _VOICE.skipped("Dataflow is not among the integrations.")
        return
    match case.facts.ask(Subject.FIREWALLS, project):
        case Unreadable() as answer:
            yield _VOICE.unknown(answer, "firewall rules between workers", resource=project)
        case Absent():
            yield _missing(project)
        case Known(value):
            rules = [str(rule.get("name")) for rule in objects(value) if _opens(rule)]
            if rules:
                yield _VOICE.ok(f"{rules[0]} opens the ports", resource=project)
            else:
                yield _missing(project)


def _missing(project: str) -> Finding:
    fix = command(
        f"gcloud compute firewall-rules create dataflow-workers --project={project} --network=NETWORK --allow=tcp:12345-12346 "
        "--source-tags=dataflow --target-tags=dataflow"
    )
    return _VOICE.failed(
        "No firewall rule opens TCP 12345 and 12346 between Dataflow workers.", resource=project, fixes=(fix,)
    )


OPERATIONS: Final = (
    "create",
    "update",
    "dataflow-run-pipeline",
    "dataflow-flex-template",
    "dataflow-classic-template",
)
CHECK = Check(("net.dataflow-fw",), _run, operations=OPERATIONS)
