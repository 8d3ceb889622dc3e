"""A plan for a pull request: a table of changes, details folded away."""

from __future__ import annotations

from envctl.plan.model import Action, Change, Effect, Impact, Mode, OperationStep, Plan
from envctl.report.markdown import cell, code, table
from envctl.report.plan_text import describe_kept, describe_loss, render_closing, render_plan, short_type, telling

_WORDS = {
    Action.CREATE: "create",
    Action.IMPORT: "adopt",
    Action.MOVE: "move",
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
_LISTED = 5
"""Paths of one change that its row names."""


def render_plan_markdown(plan: Plan) -> str:
    """What a reviewer needs to know of a plan, empty or not; the text screen stands in a folded block for the rest."""
    verb = "destroy" if plan.mode is Mode.DESTROY else "plan"
    where = f"Project {code(plan.project)}, cloud {cell(plan.cloud)}, {cell(plan.engine)} engine"
    lines = [
        f"### envctl {verb}: {cell(plan.environment)}",
        "",
        where + ("." if plan.refreshed else "; live cloud not read (--no-refresh)."),
    ]
    told = [f"> incomplete, cannot be applied: {cell(reason)}" for reason in plan.incomplete]
    told += [
        f"> **{word[0]}** {code(gate.id)}: {cell(gate.summary)}"
        for gate in plan.gates
        if (word := telling(gate)) is not None
    ]
    told += [f"> warning: {cell(text)}" for text in plan.warnings]
    lines += ["", "  \n".join(told)] if told else []  # two spaces: a line of its own in the quote
    if not plan.empty:
        lines += [
            "",
            *table(("", "resource", "what changes", "effect"), [*map(_row, plan.pending), *map(_step, plan.steps)]),
        ]
    if plan.drift:
        lines += ["", f"Changed outside envctl: {', '.join(code(d.name) for d in plan.drift)}."]
    lines += ["", cell(render_closing(plan))]
    body = render_plan(plan).replace("```", "'''")
    lines += ["", "<details><summary>Details</summary>", "", "```text", body.rstrip(), "```", "", "</details>", ""]
    return "\n".join(lines)


def _row(change: Change) -> tuple[str, ...]:
    paths = [] if change.action in {Action.CREATE, Action.IMPORT} else [p.path for p in change.properties]
    shown = ", ".join(map(code, paths[:_LISTED])) + (
        f" and {len(paths) - _LISTED} more" if len(paths) > _LISTED else ""
    )
    name = f"{cell(short_type(change.type))} {code(change.name)}"
    if change.moved_from is not None:
        name += f", was {code(change.moved_from)}"
    if change.kept is not None:
        said = describe_kept(change.kept) + (f": {code(change.kept.command)}" if change.kept.command else "")
        shown = "; ".join(filter(None, (shown, f"stays: {said}")))
    effects = _effects(change.impact)
    if change.loss is not None:
        effects = ", ".join(filter(None, (effects, f"**deletes {describe_loss(change.loss)}**")))
    return (_WORDS.get(change.action, change.action.value), name, shown, effects)


def _step(step: OperationStep) -> tuple[str, ...]:
    paths = ", ".join(code(p.path) for p in step.properties)
    return ("through the Composer API", cell(step.title), paths, _effects(step.impact))


def _effects(impact: Impact) -> str:
    return ", ".join(_EFFECTS[effect] for effect in impact.effects)
