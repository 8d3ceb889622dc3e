"""Existing buckets lie where the environment can use them.

A custom environment bucket must lie in the environment's region (Composer checks it at creation); a snapshot bucket
should, because loading a snapshot copies everything.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice
from envctl.doctor.facts import Absent, Known, Subject, Unreadable, field_of
from envctl.doctor.model import Finding
from envctl.iam_conditions import snapshot_bucket

_VOICE = Voice("bucket.location", Severity.ERROR)


def _run(case: Case) -> Iterator[Finding]:
    custom = case.spec.buckets.get("environment")
    names = {custom.given_name: Severity.ERROR} if custom and custom.given_name else {}
    snapshots = snapshot_bucket(case.setting)
    if snapshots and not snapshots.startswith("${"):
        names.setdefault(snapshots, Severity.WARNING)
    if not names:
        yield _VOICE.skipped("The file names no existing bucket.")
    for name, severity in names.items():
        yield _judge(case, name, Voice(_VOICE.id, severity))


def _judge(case: Case, name: str, voice: Voice) -> Finding:
    region = case.spec.region
    match case.facts.ask(Subject.BUCKET, name):
        case Unreadable() as answer:
            return voice.unknown(answer, f"where the bucket {name} lies", resource=name)
        case Absent() if name not in {b.name for b in case.spec.buckets.values() if b.existing is None}:
            return voice.failed(f"The bucket {name} does not exist, and the file does not make it.", resource=name)
        case Absent():
            return voice.skipped("The bucket does not exist yet.", resource=name)
        case Known(value):
            place = str(field_of(value, "location") or "").lower()
            if place == region:
                return voice.ok(f"the bucket lies in {region}", resource=name)
            return voice.failed(
                f"The bucket {name} lies in {place or 'an unknown place'}, the environment in {region}.", resource=name
            )


CHECK = Check(("bucket.location",), _run, operations=("create", "update", "save-snapshot", "load-snapshot"))
