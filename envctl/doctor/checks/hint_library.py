"""Client libraries in the requirements have the right that their calls need.

A requirement such as `google-cloud-kms` says what DAGs are going to do. Without the matching right the first run of
the DAG fails with a 403, often long after the deployment. A hint, not a proof: a library may be there for another reason.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, spec_change
from envctl.doctor.evaluate import State
from envctl.doctor.library_rights import TABLE, LibraryRight
from envctl.doctor.model import Finding
from envctl.doctor.resources import project_resource
from envctl.iam_conditions import holds

_VOICE = Voice("hint.library-without-right", Severity.WARNING)


def _run(case: Case) -> Iterator[Finding]:
    if case.libraries is None:
        yield _VOICE.skipped("The requirements were not read.")
        return
    concerned = [row for row in TABLE if row.libraries & case.libraries]
    if not concerned:
        yield _VOICE.skipped("No requirement is a client of a service that needs a right of its own.")
    for row in concerned:
        yield _judge(case, row, sorted(row.libraries & (case.libraries or frozenset())))


def right_place(case: Case, row: LibraryRight) -> str:
    """The resource on which the right of a row is asked."""
    if row.where == "account":
        return (
            f"//iam.googleapis.com/projects/{case.setting.account_project}/serviceAccounts/{case.setting.account_email}"
        )
    return project_resource(case.project)


def _judge(case: Case, row: LibraryRight, names: list[str]) -> Finding:
    member = f"serviceAccount:{case.setting.account_email}"
    why = f"{', '.join(names)} in the requirements: DAGs will call {row.name}"
    if row.predicate and holds(row.predicate, case.setting):
        return _VOICE.ok(f"{why}, and the file asks for the right", principal=member)
    place = right_place(case, row)
    declared = any(binding.role == row.role and binding.principal == "env_sa" for binding in case.bindings)
    if declared:
        return _VOICE.ok(f"{why}, and the file grants {row.role}", principal=member)
    text = row.spec.replace("PROJECT", case.project)
    if not case.setting.uses_key:
        text = text.replace("on: encryption.key", f"on: projects/{case.project}")
    fix = spec_change(text)
    if not case.has_facts:
        return _VOICE.failed(
            f"{why}, and the file asks for no such right.", principal=member, resource=place, fixes=(fix,)
        )
    verdicts = [case.evaluator.decide(member, permission, place) for permission in row.permissions]
    if all(item.state is State.GRANTED for item in verdicts):
        return _VOICE.ok(f"{why}, and it may", principal=member, resource=place)
    if any(item.state is State.MISSING for item in verdicts):
        return _VOICE.failed(
            f"{why}, and its account lacks {', '.join(row.permissions)}.",
            principal=member,
            resource=place,
            fixes=(fix,),
        )
    return _VOICE.unknown("; ".join(verdicts[0].evidence), why, principal=member, resource=place)


CHECK = Check((_VOICE.id,), _run, operations=("create", "update", "packages", "upgrade"), offline=True)
