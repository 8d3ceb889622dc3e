"""The service accounts that the file grants something to exist.

A grant to an account that does not exist is refused ("Service account ... does not exist"), and `envctl up` stops half-way,
with everything before it made. Users and groups cannot be looked up without an administrator's rights.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, command
from envctl.doctor.facts import Absent, Known, Subject, Unreadable, field_of
from envctl.doctor.model import Finding
from envctl.doctor.principals import normal_member, project_of_principal

_VOICE = Voice("access.members-exist")
OPERATIONS: Final = ("create", "update", "packages", "upgrade")
"""Those in which `up` writes memberships."""


def named_accounts(case: Case) -> tuple[str, ...]:
    """Addresses of the user-managed service accounts that the file grants something to, its own account aside."""
    own = f"serviceAccount:{case.setting.account_email}"
    members = dict.fromkeys(
        normal_member(item.member) for item in case.bindings if item.managed and item.needed and item.member != own
    )
    return tuple(member.partition(":")[2] for member in members if project_of_principal(member))


def _run(case: Case) -> Iterator[Finding]:
    accounts = named_accounts(case)
    if not accounts:
        yield _VOICE.skipped("The file grants nothing to service accounts.")
    for email in accounts:
        member, project = f"serviceAccount:{email}", project_of_principal(f"serviceAccount:{email}") or ""
        match case.facts.ask(Subject.ACCOUNT, email):
            case Absent():
                create = command(f"gcloud iam service-accounts create {email.partition('@')[0]} --project={project}")
                why = f"The file grants rights to {email}, and that account does not exist."
                yield _VOICE.failed(why, principal=member, resource=email, fixes=(create,))
            case Known(value) if field_of(value, "disabled") is True:
                enable = command(f"gcloud iam service-accounts enable {email} --project={project}")
                yield _VOICE.failed(
                    f"The account {email} is disabled.", principal=member, resource=email, fixes=(enable,)
                )
            case Known():
                yield _VOICE.ok("the account exists", principal=member, resource=email)
            case Unreadable() as answer:
                yield _VOICE.unknown(
                    answer, f"whether {email} exists", principal=member, resource=email, severity=Severity.WARNING
                )


CHECK = Check((_VOICE.id,), _run, operations=OPERATIONS)
