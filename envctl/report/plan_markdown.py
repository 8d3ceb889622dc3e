"""A plan for a pull request: a table of changes, details folded away."""

from __future__ import annotations

from envctl.plan.model import Action, Change, Effect, GateStatus, Plan
from envctl.report.plan_text import describe_minutes, render_plan, short_type
from envctl.report.style import printable

_WORDS = {
    Action.CREATE: "create",
    Action.IMPORT: "adopt",
    Action.UPDATE: "change",
    Action.CREATE_THEN_DELETE: "**replace** (create, then delete)",
    Action.DELETE_THEN_CREATE: "**replace** (delete, then create)",
    Action.DELETE: "**delete**",
    Action.FORGET: "leave in the cloud",
}
_EFFECTS = {
    Effect.REBUILD: "rebuild",
    Effect.RESTART: "restart",
    Effect.TASKS_KILLED: "running tasks end",
    Effect.DATA_LOST: "**data lost**",
    Effect.DOWNTIME: "downtime",
}


def render_plan_markdown(plan: Plan) -> str:
    """GitHub-flavoured Markdown; the text screen stands in a folded block for the whole detail."""
    lines = [f"### envctl: {escape(plan.environment)}", ""]
    lines += [
        f"> **{gate.status.value}** `{gate.id}`: {escape(gate.summary)}"
        for gate in plan.gates
        if gate.status in {GateStatus.FAILED, GateStatus.UNKNOWN}
    ]
    lines += [f"> incomplete: {escape(reason)}" for reason in plan.incomplete]
    if plan.empty:
        lines += ["", "No changes."]
    else:
        lines += ["", "| | resource | what changes | effect |", "|---|---|---|---|"]
        lines += [_row(change) for change in plan.pending]
        for step in plan.steps:
            effects = ", ".join(_EFFECTS[e] for e in step.impact.effects)
            paths = ", ".join(f"`{escape(p.path)}`" for p in step.properties)
            lines.append(f"| operation | {escape(step.title)} | {paths} | {effects} |")
        minutes = describe_minutes(plan.minutes())
        lines += ["", f"Expected time: {minutes}." if minutes else ""]
    if plan.drift:
        lines += ["", f"Changed outside envctl: {', '.join(escape(d.name) for d in plan.drift)}."]
    body = render_plan(plan).replace("```", "'''")
    lines += ["", "<details><summary>Details</summary>", "", "```text", body.rstrip(), "```", "", "</details>", ""]
    return "\n".join(lines)


def _row(change: Change) -> str:
    paths = [] if change.action in {Action.CREATE, Action.IMPORT} else [p.path for p in change.properties]
    shown = ", ".join(f"`{escape(path)}`" for path in paths[:5]) + (
        f" and {len(paths) - 5} more" if len(paths) > 5 else ""
    )
    effects = ", ".join(_EFFECTS[e] for e in change.impact.effects)
    name = f"{short_type(change.type)} `{escape(change.name)}`"
    return f"| {_WORDS.get(change.action, change.action.value)} | {name} | {shown} | {effects} |"


def escape(text: str) -> str:
    """Text that cannot break a Markdown table or smuggle HTML into it."""
    safe = printable(text).replace("\n", " ")
    return safe.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "\\|").replace("`", "'")
