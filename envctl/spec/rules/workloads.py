"""Sizes and counts of Airflow's components."""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Hint
from envctl.spec.model import Environment, Resilience, WorkerWorkload, Workload
from envctl.spec.rules.subject import Subject, Violation
from envctl.spec.tables import ComponentLimits, Range, limits, workload_limits
from envctl.spec.tree import KeyPath

_FIELDS = {
    "scheduler": "scheduler",
    "worker": "worker",
    "triggerer": "triggerer",
    "dagProcessor": "dag_processor",
    "webServer": "web_server",
}
_CLOSE = 1e-9


def check_workloads(subject: Subject) -> Iterator[Violation]:
    """Every component against the limits and steps of its generation."""
    if subject.generation is None or not isinstance(subject.spec, Environment):
        return
    for key, table in workload_limits()[subject.generation].items():
        workload: Workload | WorkerWorkload | None = getattr(subject.spec.workloads, _FIELDS[key])
        if workload is not None:
            yield from _check_component(("workloads", key), workload, table)
    if (triggerer := subject.spec.workloads.triggerer) is not None:
        yield from _check_triggerer(triggerer)


def _check_triggerer(triggerer: Workload) -> Iterator[Violation]:
    """The provider knows no default for a triggerer's size and number; where none run, the size says nothing."""
    given = {"count": triggerer.count, "cpu": triggerer.cpu, "memoryGb": triggerer.memory_gb}
    missing = [key for key, value in given.items() if value is None]
    if missing and not (triggerer.count == 0 and missing == ["cpu", "memoryGb"]):
        detail = f"A triggerer is said in full: {', '.join(f'`{key}`' for key in missing)} {'is' if len(missing) == 1 else 'are'} missing."
        cure = (Hint("`triggerer: {count: 0}` alone runs none"),)
        yield Violation("key-needs-another", ("workloads", "triggerer"), detail, cure, at_key=True)


def _check_component(path: KeyPath, workload: Workload | WorkerWorkload, table: ComponentLimits) -> Iterator[Violation]:
    if isinstance(workload, WorkerWorkload):
        counts = {"minCount": workload.min_count, "maxCount": workload.max_count}
        low, high = workload.min_count, workload.max_count
        if low is not None and high is not None and low > high:
            detail = f"`minCount` is {low}, `maxCount` is {high}."
            yield Violation("value-out-of-range", (*path, "minCount"), detail)
    else:
        counts = {"count": workload.count}
    for key, count in counts.items():
        if count is None:
            continue
        if table.count is None:
            detail = f"The number of `{path[-1]}` components cannot be chosen."
            yield Violation("key-of-other-generation", (*path, key), detail, at_key=True)
        else:
            yield from _check_range((*path, key), count, table.count, "")
    if workload.cpu is not None:
        yield from _check_range((*path, "cpu"), workload.cpu, table.cpu, " vCPU")
        yield from _check_cpu_step((*path, "cpu"), workload.cpu, table)
    if workload.memory_gb is not None:
        yield from _check_range((*path, "memoryGb"), workload.memory_gb, table.memory, " GB")
        yield from _check_step((*path, "memoryGb"), workload.memory_gb, table.memory_step, " GB")
        if workload.cpu is not None and _within(workload.cpu, table.cpu) and _within(workload.memory_gb, table.memory):
            yield from _check_memory_per_cpu(path, workload.memory_gb, workload.cpu, table)
    if workload.storage_gb is not None:
        if table.storage is None:
            detail = f"`{path[-1]}` components have no storage of their own."
            yield Violation("key-of-other-generation", (*path, "storageGb"), detail, at_key=True)
        else:
            yield from _check_range((*path, "storageGb"), workload.storage_gb, table.storage, " GB")
            yield from _check_step((*path, "storageGb"), workload.storage_gb, table.storage_step, " GB")


def _check_range(path: KeyPath, value: float, allowed: Range, unit: str) -> Iterator[Violation]:
    low, high = allowed
    if not _within(value, allowed):
        yield Violation("value-out-of-range", path, f"{value:g}{unit} is outside {low:g} to {high:g}{unit}.")


def _within(value: float, allowed: Range) -> bool:
    low, high = allowed
    return (low is None or value >= low) and (high is None or value <= high)


def _check_step(path: KeyPath, value: float, step: float | None, unit: str) -> Iterator[Violation]:
    if step is None or abs(value / step - round(value / step)) < _CLOSE:
        return
    below = int(value / step) * step
    detail = f"{value:g}{unit} is not a multiple of {step:g}{unit}."
    yield Violation("value-out-of-range", path, detail, _either(below, below + step))


def _check_cpu_step(path: KeyPath, cpu: float, table: ComponentLimits) -> Iterator[Violation]:
    if not table.cpu_even:
        yield from _check_step(path, cpu, table.cpu_step, " vCPU")
    elif cpu not in {0.5, 1.0} and cpu % 2:
        below = 0.5 if cpu < 1 else 1.0 if cpu < 2 else cpu // 2 * 2
        above = 1.0 if cpu < 1 else 2.0 if cpu < 2 else below + 2
        detail = f"{cpu:g} vCPU is not possible: 0.5, 1, or a multiple of 2."
        yield Violation("value-out-of-range", path, detail, _either(below, above))


def _check_memory_per_cpu(path: KeyPath, memory: float, cpu: float, table: ComponentLimits) -> Iterator[Violation]:
    low, high = table.memory_per_cpu
    assert low is not None
    assert high is not None
    if not low <= memory / cpu <= high:
        detail = f"{memory:g} GB for {cpu:g} vCPU: {low:g} to {high:g} GB per vCPU are possible."
        least = max(low * cpu, table.memory[0] or 0)
        most = min(high * cpu, table.memory[1] or high * cpu)
        hint = Hint(f"between {least:g} and {most:g} GB go with {cpu:g} vCPU")
        yield Violation("value-out-of-range", (*path, "memoryGb"), detail, (hint,))


def _either(below: float, above: float) -> tuple[Hint, ...]:
    return (Hint(f"{below:g} or {above:g} would do" if below > 0 else f"{above:g} would do"),)


def check_resilience(subject: Subject) -> Iterator[Violation]:
    """High resilience: the image that has it, and counts that two zones can share."""
    spec = subject.spec
    if subject.generation is None or not isinstance(spec, Environment) or spec.resilience is not Resilience.HIGH:
        return
    table = limits()
    image = subject.image
    assert image is not None
    first = table.resilience_first_version
    if subject.generation == 2 and len(image.composer) == 3 and image.composer < first:
        since = ".".join(str(part) for part in first)
        yield Violation("resilience-not-available", ("resilience",), f"High resilience begins with Composer {since}.")
    least = table.resilience_count
    counts = {
        ("workloads", "scheduler", "count"): spec.workloads.scheduler and spec.workloads.scheduler.count,
        ("workloads", "dagProcessor", "count"): spec.workloads.dag_processor and spec.workloads.dag_processor.count,
        ("workloads", "worker", "minCount"): spec.workloads.worker and spec.workloads.worker.min_count,
    }
    for path, count in counts.items():
        if count is not None and count < least:
            detail = f"{count} of `{path[1]}` cannot stand in two zones."
            yield Violation(
                "resilience-counts", path, detail, (Hint(f"write {least} or more", replacement=str(least)),)
            )
    triggerer = spec.workloads.triggerer
    if triggerer is not None and triggerer.count == 1:
        detail = "1 of `triggerer` cannot stand in two zones."
        yield Violation("resilience-counts", ("workloads", "triggerer", "count"), detail)
