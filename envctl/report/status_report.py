"""Status and history, as text, as Markdown and as documents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from envctl.operations.journal import Outcome, Run
from envctl.plan.wire import dump_value
from envctl.report.markdown import cell, code, table
from envctl.report.style import PLAIN, Style, printable

if TYPE_CHECKING:
    from envctl.actions.status import Status

_COLORS = {
    Outcome.SUCCEEDED: "green",
    Outcome.FAILED: "red",
    Outcome.REFUSED: "yellow",
    Outcome.INTERRUPTED: "yellow",
    Outcome.DETACHED: "yellow",
    Outcome.KILLED: "red",
}


def render_status(found: Sequence[Status], style: Style = PLAIN) -> str:
    """One block per environment."""
    return "\n\n".join(_status(each, style) for each in found)


def _status(status: Status, style: Style) -> str:
    lines = [style(printable(status.environment), "bold") + style(f"  {status.kind} in {status.project}", "dim")]
    if status.live is not None:
        color = {"RUNNING": "green", "absent": "dim", "ERROR": "red"}.get(status.live, "yellow")
        lines.append(f"  live      {style(status.live, color)}  {status.image_version or ''}".rstrip())
    if status.problem is not None:
        lines.append(f"  problem   {style(printable(status.problem), 'red')}")
    lines.append(f"  state     {status.resources} resources, serial {status.state_serial}")
    for operation in status.operations:
        since = f" since {_when(operation.started)}" if operation.started else ""
        lines.append(f"  running   {operation.type}{since}  {operation.name}")
    if status.last_run is not None:
        lines.append(f"  last run  {_run(status.last_run, style)}")
    uri = status.outputs.get("airflowUri")
    if isinstance(uri, str):
        lines.append(f"  airflow   {uri}")
    return "\n".join(lines)


def render_history(environment: str, runs: Sequence[Run], style: Style = PLAIN) -> str:
    """One line per run, newest first."""
    if not runs:
        return f"No run on {environment} is recorded here."
    lines = []
    for run in reversed(runs):
        lines.append(_run(run, style))
        if run.message:
            lines.append(f"    {printable(run.message)}")
        lines += [f"    still running when last seen: {name}" for name in run.operations]
    return "\n".join(lines)


def _run(run: Run, style: Style) -> str:
    took = f", {round((run.ended - run.started).total_seconds())} s" if run.ended else ""
    commit = f"  commit {run.commit}" if run.commit else ""
    changes = ", ".join(f"{count} {action}" for action, count in run.changes.items())
    outcome = style(run.outcome.value, _COLORS[run.outcome])
    return f"{_when(run.started)}  {run.command}  {outcome}{took}  {printable(run.who)}{commit}" + (
        f"  ({changes})" if changes else ""
    )


def _when(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def render_status_markdown(found: Sequence[Status]) -> str:
    """One table with a row per environment; below it what is wrong, and what is running."""
    headings = ("environment", "kind", "project", "live", "image version", "resources", "last run", "Airflow")
    lines = ["### envctl status", "", *table(headings, map(_status_row, found))]
    notes = [note for each in found for note in _notes(each)]
    return "\n".join([*lines, *(["", *notes] if notes else []), ""])


def _status_row(status: Status) -> tuple[str, ...]:
    run = status.last_run
    last = f"{_when(run.started)} {code(run.command)} {cell(run.outcome.value)}" if run else ""
    uri = status.outputs.get("airflowUri")
    return (
        cell(status.environment),
        cell(status.kind),
        code(status.project),
        cell(status.live or ""),
        code(status.image_version or ""),
        str(status.resources),
        last,
        code(uri) if isinstance(uri, str) else "",
    )


def _notes(status: Status) -> list[str]:
    name = cell(status.environment)
    notes = [f"- {name}: **problem**: {cell(status.problem)}"] if status.problem is not None else []
    for operation in status.operations:
        since = f" since {_when(operation.started)}" if operation.started else ""
        notes.append(f"- {name}: {cell(operation.type)} is running{since}: {code(operation.name)}")
    return notes


def render_history_markdown(environment: str, runs: Sequence[Run]) -> str:
    """A table with one row per run, newest first."""
    head = f"### envctl history: {cell(environment)}"
    if not runs:
        return f"{head}\n\nNo run is recorded here.\n"
    headings = ("started", "command", "outcome", "took", "who", "commit", "changes", "message")
    return "\n".join([head, "", *table(headings, map(_history_row, reversed(runs))), ""])


def _history_row(run: Run) -> tuple[str, ...]:
    changes = ", ".join(f"{count} {action}" for action, count in run.changes.items())
    told = ([run.message] if run.message else []) + [f"still running when last seen: {o}" for o in run.operations]
    return (
        _when(run.started),
        code(run.command),
        cell(run.outcome.value),
        f"{round((run.ended - run.started).total_seconds())} s" if run.ended else "",
        cell(run.who),
        code(run.commit or ""),
        cell(changes),
        cell("; ".join(told)),
    )


def dump_status(found: Sequence[Status]) -> dict[str, Any]:
    """The document `envctl.status/v1`."""
    return {
        "format": "envctl.status/v1",
        "environments": [
            {
                "environment": each.environment,
                "kind": each.kind,
                "project": each.project,
                "imageVersion": each.image_version,
                "live": each.live,
                "problem": each.problem,
                "resources": each.resources,
                "stateSerial": each.state_serial,
                "operations": [{"name": o.name, "type": o.type} for o in each.operations],
                "lastRun": _dump_run(each.last_run) if each.last_run else None,
                "outputs": dump_value(dict(each.outputs)),
            }
            for each in found
        ],
    }


def dump_history(environment: str, runs: Sequence[Run]) -> dict[str, Any]:
    """The document `envctl.history/v1`."""
    return {"format": "envctl.history/v1", "environment": environment, "runs": [_dump_run(run) for run in runs]}


def _dump_run(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "command": run.command,
        "who": run.who,
        "started": run.started.isoformat(),
        "ended": run.ended.isoformat() if run.ended else None,
        "commit": run.commit,
        "outcome": run.outcome.value,
        "message": run.message,
        "changes": dict(run.changes),
        "planned": dict(run.planned),
        "operations": list(run.operations),
    }
