"""An environment on the default account does not rest on a grant that was removed.

The Compute Engine default account used to get Editor by itself. Organizations switch that off or take it back, and
environments and builds that rested on it stop. The better cure is an account of one's own with composer.worker.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, command, spec_change
from envctl.doctor.evaluate import State
from envctl.doctor.model import Finding
from envctl.doctor.repair import grant_command
from envctl.doctor.resources import project_resource
from envctl.google.names import is_default_account

_VOICE = Voice("grants.default-account", Severity.ERROR)


def _run(case: Case) -> Iterator[Finding]:
    email = case.setting.account_email
    if not is_default_account(email):
        yield _VOICE.skipped("The environment has an account of its own.", principal=f"serviceAccount:{email}")
        return
    resource, member = project_resource(case.project), f"serviceAccount:{email}"
    verdict = case.evaluator.decide(member, "logging.logEntries.create", resource)
    if verdict.state is State.GRANTED:
        yield _VOICE.ok("the default account still holds rights", principal=member, resource=resource)
    elif verdict.state is State.UNKNOWN:
        yield _VOICE.unknown(
            "; ".join(verdict.evidence), "rights of the default account", principal=member, resource=resource
        )
    else:
        fixes = [spec_change(f"serviceAccount: {{name: composer-{case.name}}}   # for a new environment")]
        if text := grant_command(resource, member, "roles/composer.worker"):
            fixes.append(command(text))
        yield _VOICE.failed(
            "The default account has lost its Editor role.", principal=member, resource=resource, fixes=fixes
        )


CHECK = Check((_VOICE.id,), _run)
