"""Composer's own metrics are not turned away.

Composer reads Airflow's numbers through StatsD. An override of a StatsD setting sends them elsewhere: dashboards, alert
policies and the health of the environment go blank (gcpdiag, composer/BP_2023_003; 2026-08).
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, spec_change
from envctl.doctor.model import Finding

_VOICE = Voice("airflow.statsd", Severity.WARNING)
_SECTIONS = ("metrics-statsd_", "scheduler-statsd_")


def _run(case: Case) -> Iterator[Finding]:
    config = case.spec.airflow.config
    if not config:
        yield _VOICE.skipped("The file overrides no setting.")
        return
    turned = sorted(key for key in config if key.startswith(_SECTIONS))
    if turned:
        fix = spec_change("airflow:\n  config: {}   # without " + ", ".join(turned))
        yield _VOICE.failed(
            f"{', '.join(turned)} turns Composer's metrics away: dashboards and alerts go blank.",
            resource=case.environment_name,
            fixes=(fix,),
        )
    else:
        yield _VOICE.ok("StatsD is Composer's", resource=case.environment_name)


CHECK = Check((_VOICE.id,), _run, operations=("create", "update"), offline=True)
