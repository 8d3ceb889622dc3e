"""Every call of one life of an environment, met by every fault: what a run does, and whether the next one mends it.

`python tests/google/fault_matrix.py` writes the table of `docs/reliability.md` anew.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from projects import plan, run, workspace_of, write_project  # noqa: E402

from envctl.actions.clouds import SandboxCloud  # noqa: E402
from envctl.errors import EnvctlError  # noqa: E402
from envctl.google.repeating import CallKind, kind_of  # noqa: E402
from envctl.operations.journal import Outcome  # noqa: E402
from envctl.plan.model import Mode  # noqa: E402

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- the table that tests/google/fault_matrix.py makes -->\n\n", "\n<!-- end of the table -->\n"

FOUNDATION = """\
kind: foundation
project: acme-data-dev
region: europe-west1
network: {create: true, subnet: 10.10.0.0/20, nat: true}
encryption: {key: {create: true, rotationDays: 90}}
repository: {name: python, format: PYTHON}
"""
ENVIRONMENT = """\
project: acme-data-dev
foundation: base
region: europe-west1
imageVersion: composer-3-airflow-2.10.5-build.10
profile: trial
serviceAccount: {name: composer-dev}
labels: {team: data}
network: {from: foundation}
encryption: {key: {from: foundation}}
monitoring: {alerts: true}
buckets:
  staging: {location: europe-west1, access: {objectAdmin: [environment]}}
userWorkloads:
  configMaps: {settings: {data: {mode: fast}}}
packages: {inline: {holidays: "==0.58"}}
airflow: {variables: {stage: dev}}
"""
CHANGED = {"dev": (("==0.58", "==0.59"), ("team: data", "team: web"), ("fast", "slow")), "base": (("90", "60"),)}


class Row(StrEnum):
    """What is disturbed."""

    PREVIEW = "read of a preview"
    READ = "read of an apply"
    WRITE = "repeatable write"
    CREATE = "create"
    POLL = "poll of an operation"


class Result(StrEnum):
    """What becomes of it."""

    GOES_ON = "goes on"
    STOPS = "stops"
    LETS_GO = "lets go"


@dataclass(frozen=True)
class Fault:
    """A fault as the emulator is told of it, and the rows that it can meet."""

    name: str
    order: Mapping[str, Any]
    rows: frozenset[Row] = frozenset(Row)


_HTML = "<html><title>502 Bad Gateway</title></html>"
_WRITES = frozenset({Row.WRITE, Row.CREATE})
FAULTS = (
    Fault("429, Retry-After", {"kind": "fail", "code": 429, "headers": {"Retry-After": "7"}}),
    Fault("500", {"kind": "fail", "code": 500}),
    Fault("502 HTML", {"kind": "fail", "code": 502, "body": _HTML}),
    Fault("503 before the effect", {"kind": "fail", "code": 503}),
    Fault("503 after the effect", {"kind": "fail", "code": 503, "when": "after"}),
    Fault("504", {"kind": "fail", "code": 504}),
    Fault("reset", {"kind": "drop", "when": "before"}),
    Fault("answer cut off", {"kind": "drop", "when": "after"}),
    Fault("HTML 200", {"kind": "fail", "code": 200, "body": "<html>Sign in</html>"}),
    Fault("403 in the middle", {"kind": "fail", "code": 403}),
    Fault("etag conflict", {"kind": "fail", "status": "ABORTED"}, _WRITES),
    Fault("404 right after a create", {"kind": "fail", "code": 404}, frozenset({Row.READ, Row.POLL})),
    Fault("operation vanishes", {"kind": "fail", "code": 404, "times": 50}, frozenset({Row.POLL})),
    Fault("operation ends in an error", {"kind": "operation", "operation": "*"}, frozenset({Row.POLL})),
)


@dataclass(frozen=True)
class Stage:
    """One verb of the life, from a copy of the project as it was before."""

    name: str
    target: str
    mode: Mode
    before: Path
    calls: frozenset[tuple[Row, str]]
    """What is called, with the row that it counts to."""


@dataclass(frozen=True)
class Cell:
    """One call of one stage, met by one fault."""

    stage: Stage
    row: Row
    method: str
    fault: Fault

    @property
    def id(self) -> str:
        return f"{self.stage.name}-{self.row.name.lower()}-{self.method}-{self.fault.name}".replace(" ", "_")


def live_through(folder: Path) -> list[Stage]:
    """A whole undisturbed life, cut into stages."""
    home = write_project(folder / "home", dev=ENVIRONMENT, base=FOUNDATION)
    stages: list[Stage] = []
    for name, target, mode in (
        ("make base", "base", Mode.APPLY),
        ("make dev", "dev", Mode.APPLY),
        ("change base", "base", Mode.APPLY),
        ("change dev", "dev", Mode.APPLY),
        ("destroy dev", "dev", Mode.DESTROY),
        ("destroy base", "base", Mode.DESTROY),
    ):
        if name.startswith("change"):
            file = home / "environments" / f"{target}.yaml"
            for old, new in CHANGED[target]:
                assert old in file.read_text()
                file.write_text(file.read_text().replace(old, new))
        before = folder / name.replace(" ", "-")
        shutil.copytree(home, before)
        workspace = workspace_of(home)
        requests = workspace.cloud.emulator()
        prepared = plan(workspace, target, mode=mode, gates=False)
        calls = {(Row.PREVIEW, item["method"]) for item in requests.requests}
        requests.forget_requests()
        applied = run(prepared)
        assert applied.outcome is Outcome.SUCCEEDED, (name, applied.failures, applied.error)
        calls |= {(_row(item), item["method"]) for item in requests.requests}
        stages.append(Stage(name, target, mode, before, frozenset(calls)))
    return stages


def _row(request: Mapping[str, Any]) -> Row:
    if request["method"].lower().endswith("operations.get"):
        return Row.POLL
    query = {key: values[-1] for key, values in request["query"].items()}
    match kind_of(request["verb"], request["path"], {k: v for k, v in query.items() if k != "requestId"}):
        case CallKind.READ:
            return Row.READ
        case CallKind.WRITE:
            return Row.WRITE
        case CallKind.CREATE:
            return Row.CREATE


def cells(stages: Iterable[Stage]) -> list[Cell]:
    """Every call, in the stage that makes it first, with every fault that it can meet."""
    first: dict[tuple[Row, str], Stage] = {}
    for stage in stages:
        for call in sorted(stage.calls):
            first.setdefault(call, stage)
    return [
        Cell(stage, row, method, fault)
        for (row, method), stage in first.items()
        for fault in FAULTS
        if row in fault.rows
    ]


def disturb(cell: Cell) -> Result:
    """What a run does that is disturbed; afterwards an undisturbed one must end well and leave nothing to do."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        shutil.copytree(cell.stage.before, home)
        result = _first(cell, home)
        _second(cell, home)
        return result


def _first(cell: Cell, home: Path) -> Result:
    workspace = workspace_of(home)
    assert isinstance(workspace.cloud, SandboxCloud)
    stage, control = cell.stage, workspace.cloud.control
    order = dict(cell.fault.order)
    if order["kind"] != "operation":
        order["method"] = cell.method
    try:
        if cell.row is Row.PREVIEW:
            control("POST", "fault", order)
            prepared = plan(workspace, stage.target, mode=stage.mode, gates=False)
        else:
            prepared = plan(workspace, stage.target, mode=stage.mode, gates=False)
            control("POST", "fault", order)
        outcome = run(prepared, threading.Event()).outcome
    except EnvctlError:
        return Result.STOPS
    finally:
        control("DELETE", "fault")
    if outcome is Outcome.DETACHED:
        return Result.LETS_GO
    return Result.GOES_ON if outcome is Outcome.SUCCEEDED else Result.STOPS


def _second(cell: Cell, home: Path) -> None:
    workspace = workspace_of(home)
    stage = cell.stage
    applied = run(plan(workspace, stage.target, mode=stage.mode, gates=False))
    assert applied.outcome is Outcome.SUCCEEDED, (cell.id, applied.failures, applied.error)
    assert plan(workspace_of(home), stage.target, mode=stage.mode, gates=False).plan.empty, cell.id
    listed = workspace.cloud.call("GET", "monitoring/v3/projects/acme-data-dev/alertPolicies")
    names = [policy["displayName"] for policy in listed.get("alertPolicies", [])]
    assert len(names) == len(set(names)), (cell.id, names)


def render_table(results: Mapping[tuple[str, Row], set[Result]]) -> str:
    """The table of the page."""
    lines = ["| fault | " + " | ".join(Row) + " |", "|---" * (len(Row) + 1) + "|"]
    for fault in FAULTS:
        words = [" or ".join(sorted(results.get((fault.name, row), set()))) or "-" for row in Row]
        lines.append(f"| {fault.name} | " + " | ".join(words) + " |")
    return "\n".join(lines) + "\n"


def documented() -> dict[tuple[str, Row], set[Result]]:
    """What the page says."""
    table = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    found: dict[tuple[str, Row], set[Result]] = {}
    for line in table.splitlines()[2:]:
        fault, *words = (part.strip() for part in line.strip("|").split("|"))
        for row, word in zip(Row, words, strict=True):
            found[fault, row] = set() if word == "-" else {Result(each) for each in word.split(" or ")}
    return found


def judge(cell: Cell) -> tuple[Cell, Result | str]:
    """The result of a cell, or what went wrong in it."""
    try:
        return cell, disturb(cell)
    except Exception as error:  # noqa: BLE001 - all cells are judged, and then the exit code says so
        return cell, f"{error!r}"[:600]


def main(names: list[str]) -> int:
    """Meets every call of the named stages (all without names) with every fault; writes the page when all is well."""
    results: dict[tuple[str, Row], set[Result]] = defaultdict(set)
    where: dict[tuple[str, Row, Result], list[str]] = defaultdict(list)
    failed = 0
    say = sys.stdout.write
    with tempfile.TemporaryDirectory() as folder:
        stages = [stage for stage in live_through(Path(folder)) if not names or stage.name in names]
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            every = cells(stages)
            Random(1).shuffle(every)  # an interrupted run has seen something of everything
            for number, (cell, result) in enumerate(pool.map(judge, every, chunksize=4), 1):
                say(f"{number} of {len(every)}: {cell.id}: {result}\n")
                sys.stdout.flush()
                if isinstance(result, Result):
                    results[cell.fault.name, cell.row].add(result)
                    where[cell.fault.name, cell.row, result].append(f"{cell.stage.name}/{cell.method}")
                else:
                    failed += 1
    for (fault, row, result), calls in sorted(where.items()):
        if result is not Result.GOES_ON:
            say(f"{fault} | {row} | {result}: {', '.join(sorted(calls))}\n")
    say(f"{failed} failed\n")
    if failed or names:
        return 1 if failed else 0
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    PAGE.write_text(head + BEGIN + render_table(results) + END + rest.partition(END)[2], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
