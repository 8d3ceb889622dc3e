"""Airflow does not log at level DEBUG.

At DEBUG every component writes many times as much: logs cost more, and schedulers and workers slow down. It is for an
hour of search, not for running (gcpdiag, composer/BP_2023_001; 2026-08).
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, spec_change
from envctl.doctor.model import Finding

_VOICE = Voice("airflow.debug-log", Severity.WARNING)
_KEYS = ("logging-logging_level", "core-logging_level", "logging-fab_logging_level", "logging-celery_logging_level")


def _run(case: Case) -> Iterator[Finding]:
    config = case.spec.airflow.config
    levels = {key: config[key] for key in _KEYS if key in config}
    if not levels:
        yield _VOICE.skipped("The file sets no level.")
        return
    loud = [key for key, level in levels.items() if level.strip().upper() == "DEBUG"]
    if loud:
        fix = spec_change(f"airflow:\n  config:\n    {loud[0]}: INFO")
        yield _VOICE.failed(
            f"{', '.join(loud)} is DEBUG: logs grow and components slow down.",
            resource=case.environment_name,
            fixes=(fix,),
        )
    else:
        yield _VOICE.ok("no level is DEBUG", resource=case.environment_name)


CHECK = Check((_VOICE.id,), _run, operations=("create", "update"), offline=True)
