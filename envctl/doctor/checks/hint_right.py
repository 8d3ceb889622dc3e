"""The environment's account holds no right that nothing uses.

The reverse of `hint.library-without-right`: the account may decrypt with keys, read secrets, or sign tokens, and neither the
file nor the requirements give a reason. Every DAG author can use what the account holds.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice
from envctl.doctor.checks.hint_library import right_place
from envctl.doctor.evaluate import State
from envctl.doctor.library_rights import TABLE
from envctl.doctor.model import Finding
from envctl.iam_conditions import holds

_VOICE = Voice("hint.right-without-library", Severity.NOTE)
_SENSITIVE = frozenset({"Cloud KMS", "Secret Manager", "Vault"})


def _run(case: Case) -> Iterator[Finding]:
    if case.libraries is None:
        yield _VOICE.skipped("The requirements were not read.")
        return
    member = f"serviceAccount:{case.setting.account_email}"
    for row in TABLE:
        if (
            row.name not in _SENSITIVE
            or row.libraries & case.libraries
            or (row.predicate and holds(row.predicate, case.setting))
        ):
            continue
        place = right_place(case, row)
        verdict = case.evaluator.decide(member, row.permissions[0], place)
        if verdict.state is State.GRANTED:
            yield _VOICE.failed(
                f"The account may use {row.name}, and neither the file nor a requirement does.",
                principal=member,
                resource=place,
                evidence=verdict.evidence,
            )
        elif verdict.state is State.UNKNOWN:
            yield _VOICE.unknown(
                "; ".join(verdict.evidence), f"whether the account may use {row.name}", principal=member, resource=place
            )
        else:
            yield _VOICE.ok(f"the account may not use {row.name}", principal=member, resource=place)


CHECK = Check((_VOICE.id,), _run)
