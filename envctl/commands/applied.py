"""The last lines of `up` and `destroy`: what was done, what was not, how to go on."""

from __future__ import annotations

from collections.abc import Mapping

from envctl.actions.apply import Applied
from envctl.errors import ExitCode
from envctl.operations.journal import Outcome
from envctl.plan.model import Action, Mode
from envctl.report.plan_text import short_type, wrapped
from envctl.report.style import Style, printable

_PAST = {
    Action.CREATE: "created",
    Action.IMPORT: "adopted",
    Action.MOVE: "moved",
    Action.UPDATE: "changed",
    Action.CREATE_THEN_DELETE: "replaced",
    Action.DELETE_THEN_CREATE: "replaced",
    Action.DELETE: "deleted",
    Action.FORGET: "left in the cloud",
}
_EXIT = {
    Outcome.SUCCEEDED: ExitCode.DONE,
    Outcome.FAILED: ExitCode.OUTSIDE,
    Outcome.REFUSED: ExitCode.REFUSED,
    Outcome.INTERRUPTED: ExitCode.INTERRUPTED,
    Outcome.DETACHED: ExitCode.DETACHED,
    Outcome.KILLED: ExitCode.BUG,
}
_LISTED = 12


def exit_code(applied: Applied) -> ExitCode:
    """The exit code of a finished run."""
    return _EXIT[applied.outcome]


def render_applied(applied: Applied, style: Style) -> str:
    """Counts, failures with the API's message, what is still to do, and the command to go on."""
    plan = applied.plan
    counts: dict[str, int] = {}
    for change in applied.done:
        if change.action in _PAST:
            counts[_PAST[change.action]] = counts.get(_PAST[change.action], 0) + 1
    titles_of_steps = {step.id: step.title for step in plan.steps}
    told = [f"{count} {word}" for word, count in counts.items()]
    told += [f"done: {titles_of_steps[step]}" for step in applied.steps_done]
    did = "; ".join(told) or "nothing was changed"
    verb = "Destroyed" if plan.mode is Mode.DESTROY else "Applied"
    titles = {
        Outcome.SUCCEEDED: style(f"{verb} {plan.environment}", "green", "bold"),
        Outcome.FAILED: style(f"{plan.environment} failed", "red", "bold"),
        Outcome.REFUSED: style(f"{plan.environment} was refused", "yellow", "bold"),
        Outcome.INTERRUPTED: style(f"{plan.environment} was interrupted", "yellow", "bold"),
        Outcome.DETACHED: style(f"{plan.environment}: an operation goes on in the cloud", "yellow", "bold"),
        Outcome.KILLED: plan.environment,
    }
    lines = [f"{titles[applied.outcome]}: {did}."]
    for failure in applied.failures:
        lines.append(f"  {style('✗', 'red')} {short_type(failure.type)} {printable(failure.name)}")
        lines += [f"      {line}" for line in printable(failure.message).splitlines()]
    if applied.error is not None:
        lines.append(f"  {style('✗', 'red')} {printable(applied.error.summary)}")
        lines += [f"      {line}" for line in printable(applied.error.detail).splitlines()]
        lines += [f"  {style('hint', 'cyan')}: {hint}" for hint in applied.error.hints]
    lines += [f"  {name}: {operation}" for name, operation in applied.detached.items()]
    if applied.outcome is not Outcome.SUCCEEDED:
        lines += _rest(applied, style)
    if applied.kept:
        lines += [
            "",
            style("What stays in the cloud:", "bold"),
            *(wrapped(printable(kept), 2) for kept in applied.kept),
        ]
    return "\n".join(lines)


def _rest(applied: Applied, style: Style) -> list[str]:
    todo = [f"{short_type(c.type)} {printable(c.name)}" for c in applied.not_done]
    todo += [step.title for step in applied.plan.steps if step.id in applied.steps_not_done]
    lines: list[str] = []
    if todo:
        shown = todo[:_LISTED] + ([f"and {len(todo) - _LISTED} more"] if len(todo) > _LISTED else [])
        lines += [style("Not done:", "bold"), *(f"  {item}" for item in shown)]
    verb = "destroy" if applied.plan.mode is Mode.DESTROY else "up"
    lines += ["To go on:", f"    envctl {verb} {applied.plan.environment} --cloud {applied.plan.cloud}"]
    return lines


_WORDS = {
    ExitCode.DONE: ("done", "green"),
    ExitCode.NEGATIVE: ("refused by a check", "red"),
    ExitCode.INVALID: ("its files are wrong", "red"),
    ExitCode.OUTSIDE: ("failed", "red"),
    ExitCode.REFUSED: ("refused", "yellow"),
    ExitCode.DETACHED: ("an operation goes on", "yellow"),
    ExitCode.INTERRUPTED: ("interrupted", "yellow"),
    ExitCode.TERMINATED: ("terminated", "yellow"),
}


def render_summary(ended: Mapping[str, ExitCode | None], style: Style) -> str:
    """One line per environment of an `up --all`: how it ended, or that it was not tried."""
    width = max(len(name) for name in ended)
    lines = ["", style("Summary", "bold")]
    for name, code in ended.items():
        word, color = ("not tried", "dim") if code is None else _WORDS.get(code, (code.name.lower(), "red"))
        lines.append(f"  {name:{width}}  {style(word, color)}")
    return "\n".join(lines)
