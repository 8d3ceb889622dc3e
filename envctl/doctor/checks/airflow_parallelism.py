"""Airflow may run as many tasks as its workers have room for.

`core-parallelism` bounds the tasks of a scheduler. Below the largest number of workers times what one of them runs at once,
workers are paid for and stay idle (gcpdiag, composer/BP_2023_002; 2026-08). Without `celery-worker_concurrency` Composer runs
the least of 32, 12 per vCPU and 8 per GB of memory ("Environment scaling", 2026-08). 0 is no bound.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, spec_change
from envctl.doctor.model import Finding

_VOICE = Voice("airflow.parallelism", Severity.WARNING)


def _run(case: Case) -> Iterator[Finding]:
    bound, room = _number(case, "core-parallelism"), _room(case)
    if bound is None or room is None:
        what = "core-parallelism" if bound is None else "the largest number of workers and their size"
        yield _VOICE.skipped(f"The file does not set {what}.")
    elif 0 < bound < room:
        fix = spec_change(f'airflow:\n  config:\n    core-parallelism: "{room}"')
        why = f"core-parallelism is {bound}, and the workers have room for {room} tasks: the rest stays idle."
        yield _VOICE.failed(why, resource=case.environment_name, fixes=(fix,))
    else:
        yield _VOICE.ok("the workers can be filled", resource=case.environment_name)


def _room(case: Case) -> int | None:
    """Tasks that all workers run at once, at their largest number; None where the file does not say."""
    worker = case.spec.workloads.worker
    if worker is None or worker.max_count is None:
        return None
    each = _number(case, "celery-worker_concurrency")
    if each is None and worker.cpu is not None and worker.memory_gb is not None:
        each = int(min(32, 12 * worker.cpu, 8 * worker.memory_gb))
    return None if each is None else each * worker.max_count


def _number(case: Case, key: str) -> int | None:
    text = case.spec.airflow.config.get(key, "").strip()
    return int(text) if text.isdecimal() else None


CHECK = Check((_VOICE.id,), _run, operations=("create", "update"), offline=True)
