"""There are at most two schedulers.

Schedulers share the database and lock each other's rows; a third one and more cost more than they bring (Composer,
"Optimize environment performance and costs"; gcpdiag, composer/BP_EXT_2023_001; 2026-08). Give two of them more CPU instead.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, spec_change
from envctl.doctor.model import Finding

_VOICE = Voice("airflow.schedulers", Severity.WARNING)
_MOST = 2


def _run(case: Case) -> Iterator[Finding]:
    scheduler = case.spec.workloads.scheduler
    if scheduler is None or scheduler.count is None:
        yield _VOICE.skipped("The file does not set the number of schedulers.")
    elif scheduler.count > _MOST:
        fix = spec_change(f"workloads:\n  scheduler: {{count: {_MOST}}}")
        why = f"{scheduler.count} schedulers wait for each other in the database; more CPU for {_MOST} brings more."
        yield _VOICE.failed(why, resource=case.environment_name, fixes=(fix,))
    else:
        yield _VOICE.ok("as many as work well together", resource=case.environment_name)


CHECK = Check((_VOICE.id,), _run, operations=("create", "update"), offline=True)
