"""The environment's service account exists and is enabled.

Everything in the environment runs as this account. When the file names an existing one, it must be there before
creation; a disabled or deleted account stops schedulers and workers at the next token refresh.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, by_up, command
from envctl.doctor.facts import Absent, Known, Subject, Unreadable, field_of
from envctl.doctor.model import Finding

_VOICE = Voice("env.sa-exists", Severity.ERROR)


def _run(case: Case) -> Iterator[Finding]:
    email = case.setting.account_email
    if case.spec.service_account.email is None and case.exists is False:
        yield _VOICE.skipped("envctl makes the account before the environment.", resource=email)
        return
    match case.facts.ask(Subject.ACCOUNT, email):
        case Unreadable() as answer:
            yield _VOICE.unknown(answer, f"whether {email} exists", resource=email)
        case Absent() if case.spec.service_account.email is None and case.exists is None:
            yield _VOICE.skipped("envctl makes the account before the environment.", resource=email)
        case Absent():
            name, _, _ = email.partition("@")
            fixes = [command(f"gcloud iam service-accounts create {name} --project={case.setting.account_project}")]
            if case.spec.service_account.email is None:
                fixes.insert(0, by_up(f"+ service account {email}   (envctl up {case.name})"))
            yield _VOICE.failed("The environment's service account does not exist.", resource=email, fixes=fixes)
        case Known(value) if field_of(value, "disabled") is True:
            fix = command(f"gcloud iam service-accounts enable {email} --project={case.setting.account_project}")
            yield _VOICE.failed("The environment's service account is disabled.", resource=email, fixes=(fix,))
        case Known():
            yield _VOICE.ok("the account exists and is enabled", resource=email)


CHECK = Check(("env.sa-exists",), _run)
