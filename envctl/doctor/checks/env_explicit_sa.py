"""The environment has a service account of its own.

Since 2025 Composer refuses a creation without an account. The Compute Engine default account is accepted, but it is
shared with every virtual machine of the project, and new projects give it no rights.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, spec_change
from envctl.doctor.model import Finding
from envctl.google.names import is_default_account

_VOICE = Voice("env.explicit-sa", Severity.WARNING)


def _run(case: Case) -> Iterator[Finding]:
    email = case.setting.account_email
    if case.exists:
        yield _VOICE.skipped("The account of an environment cannot be changed.", resource=email)
    elif is_default_account(email):
        yield _VOICE.failed(
            "The environment runs as the Compute Engine default account, shared with the whole project.",
            resource=email,
            fixes=(spec_change(f"serviceAccount: {{name: composer-{case.name}}}"),),
        )
    else:
        yield _VOICE.ok("the file names an account of its own", resource=email)


CHECK = Check(("env.explicit-sa",), _run, offline=True)
