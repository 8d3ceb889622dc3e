"""The environment's bucket keeps the access that the service needs.

Requester-pays, a locked retention policy or an IP filter on the bucket stop DAG synchronisation; public members on it
show every DAG, and whatever is in them, to everybody.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, command
from envctl.doctor.facts import Absent, Known, Subject, Unreadable, field_of
from envctl.doctor.model import Finding
from envctl.doctor.world import Gap

_VOICE = Voice("bucket.access", Severity.ERROR)


def _run(case: Case) -> Iterator[Finding]:
    name = case.environment_bucket
    if name is None:
        yield _VOICE.skipped("The bucket is made with the environment.")
        return
    match case.facts.ask(Subject.BUCKET, name):
        case Unreadable() as answer:
            yield _VOICE.unknown(answer, "the settings of the environment's bucket", resource=name)
        case Absent():
            if case.exists:
                yield _VOICE.failed("The environment's bucket is gone.", resource=name)
            else:
                yield _VOICE.skipped("The bucket does not exist yet.", resource=name)
        case Known(value):
            yield from _judge(case, name, value)


def _judge(case: Case, name: str, value: object) -> Iterator[Finding]:
    problems: list[str] = []
    if field_of(value, "billing", "requesterPays") is True:
        problems.append("requester-pays is on")
    if field_of(value, "retentionPolicy", "isLocked") is True:
        problems.append("its retention policy is locked, so DAGs cannot be replaced")
    if field_of(value, "ipFilter", "mode") == "Enabled":
        problems.append("an IP filter is on")
    policy = case.policy(f"//storage.googleapis.com/projects/_/buckets/{name}")
    if not isinstance(policy, Gap):
        public = sorted(
            {
                f"{member} holds {binding.role}"
                for binding in policy.bindings
                for member in binding.members
                if member in {"allUsers", "allAuthenticatedUsers"}
            }
        )
        problems += public
    if problems:
        fix = command(f"gcloud storage buckets describe gs://{name}")
        yield _VOICE.failed(f"The environment's bucket: {'; '.join(problems)}.", resource=name, fixes=(fix,))
    else:
        yield _VOICE.ok("nothing in the bucket's settings stands in the way", resource=name)


CHECK = Check(("bucket.access",), _run)
