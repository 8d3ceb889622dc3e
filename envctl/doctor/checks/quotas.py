"""The region's quotas leave room.

One family: each quota is read in the same way. What is wanted is a lower bound from the documentation, not a
simulation: room for the cluster and the surge of an upgrade in generation 2, public addresses for public nodes, disks.
Generation 3 runs in Google's project and needs none of them, except for workers of Dataflow.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, command
from envctl.doctor.facts import Absent, Known, Subject, Unreadable, objects
from envctl.doctor.model import Finding
from envctl.iam_conditions import applies
from envctl.iam_roles import load_table

# id -> metrics of the region and how much must be free (vCPU, addresses, GB).
# Composer 2 documentation, "Environment scaling" and "Upgrade environments" (2026-08): a small environment's components
# ask for about 9 vCPU, and an upgrade runs the old and the new ones side by side.
_WANTED = {
    "quota.cpu": (("CPUS", 10),),
    "quota.addresses": (("IN_USE_ADDRESSES", 3),),
    "quota.disk": (("SSD_TOTAL_GB", 100), ("DISKS_TOTAL_GB", 100)),
    "quota.dataflow": (("CPUS", 4), ("IN_USE_ADDRESSES", 1), ("DISKS_TOTAL_GB", 250)),
}
_ROWS = {row["id"]: row for row in load_table("preconditions")["rows"] if row["kind"] == "quota"}


def _run(case: Case) -> Iterator[Finding]:
    place = f"projects/{case.project}/regions/{case.spec.region}"
    answer = case.facts.ask(Subject.QUOTAS, place)
    for row_id, wanted in _WANTED.items():
        voice = Voice(row_id, Severity.ERROR if row_id != "quota.dataflow" else Severity.WARNING)
        row = _ROWS[row_id]
        if not applies(row["generations"], row["when"], case.setting):
            yield voice.skipped("This environment does not draw on it.", resource=place)
        elif isinstance(answer, Unreadable):
            yield voice.unknown(answer, f"quotas of {case.spec.region}", resource=place, severity=Severity.WARNING)
        elif isinstance(answer, Absent):
            yield voice.unknown(
                "the region is not known to the project",
                f"quotas of {case.spec.region}",
                resource=place,
                severity=Severity.WARNING,
            )
        else:
            yield _judge(case, voice, wanted, answer, place)


def _judge(case: Case, voice: Voice, wanted: tuple[tuple[str, int], ...], answer: Known, place: str) -> Finding:
    quotas = {str(item.get("metric")): (item.get("limit"), item.get("usage")) for item in objects(answer.value)}
    short: list[str] = []
    for metric, need in wanted:
        limit, usage = quotas.get(metric, (None, None))
        if not isinstance(limit, int | float) or not isinstance(usage, int | float):
            return voice.unknown(
                f"the facts do not hold {metric}", f"the quota {metric}", resource=place, severity=Severity.WARNING
            )
        if limit - usage < need:
            short.append(f"{metric}: {limit - usage:g} of {limit:g} free, {need} wanted")
    if short:
        fix = command(f"gcloud compute regions describe {case.spec.region} --project={case.project}")
        return voice.failed(f"Too little room: {'; '.join(short)}.", resource=place, fixes=(fix,))
    return voice.ok("there is room", resource=place)


CHECK = Check(tuple(_WANTED), _run, operations=("create", "upgrade", "update"))
