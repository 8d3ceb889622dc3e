"""No environment variable has a name that Composer reserves.

Composer answers "Environment variables [...] may not be overridden" and refuses the whole update. The names are
those of the table that also checks environment files; this check looks at the live environment's too.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, spec_change
from envctl.doctor.facts import Known, field_of
from envctl.doctor.model import Finding
from envctl.spec.tables import variable_names

_VOICE = Voice("env.reserved-vars", Severity.ERROR)


def _run(case: Case) -> Iterator[Finding]:
    names = set(case.spec.airflow.env)
    if isinstance(case.environment, Known):
        live = field_of(case.environment.value, "config", "softwareConfig", "envVariables")
        names |= set(live) if isinstance(live, dict) else set()
    if not names:
        yield _VOICE.skipped("There are no environment variables.")
        return
    reserved = sorted(names & variable_names().reserved)
    if reserved:
        fix = spec_change("airflow:\n  env: {}   # without " + ", ".join(reserved))
        yield _VOICE.failed(
            f"Composer sets these itself: {', '.join(reserved)}.", resource=case.environment_name, fixes=(fix,)
        )
    else:
        yield _VOICE.ok("no name is reserved", resource=case.environment_name)


CHECK = Check(("env.reserved-vars",), _run, operations=("create", "update"), offline=True)
