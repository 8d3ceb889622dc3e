"""A plan as a terminal shows it: a tree by component, changed leaves only."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from envctl.diagnostics import Severity, SourceSpan
from envctl.plan.model import (
    Action,
    Change,
    Drift,
    DriftKind,
    Effect,
    GateResult,
    GateStatus,
    Impact,
    KeepReason,
    Kept,
    Loss,
    LossKind,
    Mode,
    OperationStep,
    Plan,
    PropertyAction,
    PropertyChange,
    Reason,
)
from envctl.plan.values import JsonValue, Opaque
from envctl.report.style import PLAIN, Style, printable

_SIGNS: Mapping[Action, tuple[str, str]] = {
    Action.CREATE: ("+", "green"),
    Action.UPDATE: ("~", "yellow"),
    Action.CREATE_THEN_DELETE: ("+/-", "magenta"),
    Action.DELETE_THEN_CREATE: ("-/+", "magenta"),
    Action.DELETE: ("-", "red"),
    Action.FORGET: (".", "blue"),
    Action.IMPORT: ("=", "cyan"),
    Action.MOVE: (">", "cyan"),
    Action.READ: ("<", "cyan"),
    Action.NO_OP: (" ", "dim"),
}
_VERBS: Mapping[Action, str] = {
    Action.CREATE: "to create",
    Action.IMPORT: "to adopt",
    Action.MOVE: "to move",
    Action.UPDATE: "to change",
    Action.CREATE_THEN_DELETE: "to replace",
    Action.DELETE_THEN_CREATE: "to replace",
    Action.DELETE: "to delete",
    Action.FORGET: "to leave in the cloud",
}
_EFFECTS: Mapping[Effect, str] = {
    Effect.REBUILD: "rebuilds the image",
    Effect.RESTART: "restarts Airflow",
    Effect.TASKS_KILLED: "ends running tasks",
    Effect.DATA_LOST: "loses data",
    Effect.DOWNTIME: "is down meanwhile",
}
_HEADLINES = (
    "role",
    "member",
    "service",
    "accountId",
    "bucket",
    "location",
    "machineType",
    "ipCidrRange",
    "config.softwareConfig.imageVersion",
    "config.environmentSize",
)
_LONGEST = 100


def render_plan(plan: Plan, style: Style = PLAIN, *, verbose: bool = False) -> str:
    """The whole screen. `verbose` adds every input of created resources and the unchanged ones."""
    blocks = [_title(plan, style)]
    blocks += _gates(plan, style)
    if plan.incomplete:
        blocks.append(_incomplete(plan, style))
    blocks += [render_drift_rows(plan.drift, style)] if plan.drift else []
    blocks += _groups(plan, style, verbose=verbose)
    blocks += [_steps(plan.steps, style)] if plan.steps else []
    blocks += [_warnings(plan.warnings, style)] if plan.warnings else []
    blocks += [_confirmation(plan, style)] if plan.losses else []
    blocks.append(render_closing(plan, style))
    return "\n\n".join(block for block in blocks if block) + "\n"


def _title(plan: Plan, style: Style) -> str:
    verb = "Destroy" if plan.mode is Mode.DESTROY else "Plan for"
    where = f"project {plan.project}, cloud {plan.cloud}, {plan.engine} engine"
    stale = "" if plan.refreshed else "; live cloud not read (--no-refresh)"
    return f"{style(f'{verb} {plan.environment}', 'bold')} {style(f'({where}{stale})', 'dim')}"


def _gates(plan: Plan, style: Style) -> list[str]:
    lines: list[str] = []
    for gate in plan.gates:
        told = telling(gate)
        if told is None:
            continue
        word, color = told
        lines.append(
            f"{style(f'{word}[{gate.id}]', color, 'bold')}: {printable(gate.summary)}{_place(gate.source, style)}"
        )
        lines += [f"  {line}" for line in printable(gate.detail).splitlines()]
        lines += [f"  {style('hint', 'cyan')}: {printable(hint)}" for hint in gate.hints]
    return ["\n".join(lines)] if lines else []


def telling(gate: GateResult) -> tuple[str, str] | None:
    """The word and colour for an answer that is worth a line."""
    match gate.status:
        case GateStatus.FAILED:
            return "refused", "red"
        case GateStatus.UNKNOWN:
            return "unknown", "yellow"
        case GateStatus.OK | GateStatus.SKIPPED:
            return ("advice", "yellow") if gate.severity is Severity.WARNING else None


def _incomplete(plan: Plan, style: Style) -> str:
    lines = [style("This plan is incomplete and cannot be applied:", "red", "bold")]
    return "\n".join([*lines, *(f"  {printable(reason)}" for reason in plan.incomplete)])


def _groups(plan: Plan, style: Style, *, verbose: bool) -> list[str]:
    shown = [c for c in plan.changes if not c.component and (verbose or c.action not in {Action.NO_OP, Action.READ})]
    titles = {c.urn: c.name for c in plan.changes if c.component}
    order = list(dict.fromkeys(c.group for c in shown))
    blocks: list[str] = []
    for group in order:
        lines = [style(titles.get(group or "", "") or "stack", "bold")]
        members = [c for c in shown if c.group == group]
        alike = {} if verbose else _alike(members)
        for change in members:
            row = alike.get((change.type, change.action, change.kept))
            if row is None:
                lines += _change(change, style, verbose=verbose)
            elif row[0] is change:
                lines.append(_row_of_many(row, style))
        blocks.append("\n".join(lines))
    return blocks


_Alike = tuple[str, Action, Kept | None]


def _alike(changes: Sequence[Change]) -> dict[_Alike, list[Change]]:
    """Changes that one line can tell together: enabled APIs, and what a destroy leaves behind for one reason."""
    found: dict[_Alike, list[Change]] = {}
    for change in changes:
        api = change.type == "gcp:projects/service:Service" and change.action is Action.CREATE
        if api or change.action is Action.FORGET:
            found.setdefault((change.type, change.action, change.kept), []).append(change)
    return {key: row for key, row in found.items() if len(row) > 1}


def _row_of_many(row: Sequence[Change], style: Style) -> str:
    sign, color = _SIGNS[row[0].action]
    names = ", ".join(printable(change.name) for change in row)
    text = f"  {style(f'{sign:>3}', color, 'bold')} {len(row)} x {short_type(row[0].type)}"
    return text + _reason(row[0], style) + "\n" + style(wrapped(names, 8), "dim")


def wrapped(text: str, indent: int) -> str:
    """A text in lines of a terminal's width, each moved in; nothing inside a word is broken."""
    return textwrap.fill(
        text,
        110,
        initial_indent=" " * indent,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _change(change: Change, style: Style, *, verbose: bool) -> list[str]:
    sign, color = _SIGNS[change.action]
    head = f"  {style(f'{sign:>3}', color, 'bold')} {short_type(change.type)} {style(printable(change.name), 'bold')}"
    if change.action in {Action.CREATE, Action.IMPORT}:
        head += _headline(change, style)
    lines = [head + _place(change.source, style) + _reason(change, style)]
    if change.action not in {Action.CREATE, Action.IMPORT} or verbose:
        lines += [_property(p, style) for p in change.properties]
    lines += _impact(change.impact if change.loss is None else _beside_loss(change.impact, change.loss), style)
    if change.loss is not None:
        lines.append(f"        {style('!', 'red')} {style(f'deletes {describe_loss(change.loss)}', 'red', 'bold')}")
    if change.kept is not None and change.action is not Action.FORGET:
        lines.append(style(f"        · the old one stays in the cloud: {describe_kept(change.kept)}", "blue"))
    if change.kept is not None and change.kept.command:
        lines += [
            style("        · whoever wants it gone:", "dim"),
            style(f"          {printable(change.kept.command)}", "dim"),
        ]
    return lines


def describe_kept(kept: Kept) -> str:
    """Why something stays in the cloud."""
    by = printable(kept.by)
    match kept.reason:
        case KeepReason.FOUND:
            return "it was there before envctl made anything of it"
        case KeepReason.DECLARED:
            return f"{by} declares it, too" if by else "the file declares it in another place"
        case KeepReason.HELD:
            return f"the state of {by} holds it, too"
        case KeepReason.UNREADABLE:
            return f"the state of {by} cannot be read, and may hold it"
        case KeepReason.FOREIGN_ACCOUNT:
            return f"{by} is not this stack's; others may run as it"
        case KeepReason.GOOGLE:
            return "it is the project's"


def describe_loss(loss: Loss) -> str:
    """What is lost, with its number: `at least 1,000 objects`."""
    match loss.kind:
        case LossKind.ENVIRONMENT:
            return "the Airflow database and its history"
        case LossKind.OBJECTS:
            noun = "object"
        case LossKind.SECRET_VERSIONS | LossKind.KEY_VERSIONS:
            noun = "version"
        case LossKind.PACKAGES:
            noun = "package"
    if loss.count is None:
        return f"an unknown number of {noun}s"
    return f"{'at least ' if loss.at_least else ''}{loss.count:,} {noun}{'' if loss.count == 1 else 's'}"


def _confirmation(plan: Plan, style: Style) -> str:
    text = f"This deletes data: it is applied with `--confirm {plan.environment}`, or by typing that name."
    return style(text, "red", "bold")


def _headline(change: Change, style: Style) -> str:
    if change.type.lower().endswith("iammember"):
        return ""  # its name says role and member already
    values = [p.after for path in _HEADLINES for p in change.properties if p.path == path]
    shown = [describe_value(value, bare=True) for value in values if value is not Opaque.SECRET][:3]
    return style(f"  {'  '.join(shown)}", "dim") if shown else ""


def _reason(change: Change, style: Style) -> str:
    moved = style(f"  was {printable(change.moved_from)}", "cyan") if change.moved_from else ""
    return moved + _why(change, style)


def _why(change: Change, style: Style) -> str:
    match change.reason:
        case Reason.CANNOT_UPDATE_IN_PLACE:
            paths = ", ".join(p.path for p in change.properties if p.replaces) or "its provider"
            return style(f"  replaced: {paths} cannot change in place", "magenta")
        case Reason.REPLACED_WITH_DEPENDENCY:
            return style("  replaced with what it belongs to", "magenta")
        case Reason.SHARED if change.kept is not None:
            return style(f"  stays in the cloud: {describe_kept(change.kept)}", "blue")
        case Reason.SHARED:
            return style("  stays in the cloud: shared by the project, or kept by the file", "blue")
        case Reason.ADOPTED:
            return style("  exists already, enters the state", "cyan")
        case Reason.TAKEN_BACK:
            return style("  left here by an earlier run of this stack, taken back", "cyan")
        case Reason.ALREADY_GRANTED:
            return style("  granted already, stays when this goes", "cyan")
        case Reason.UNFINISHED:
            return style("  its last change failed; looked at again", "yellow")
        case Reason.GONE_FROM_CLOUD:
            return style("  is gone from the cloud", "yellow")
        case Reason.NO_LONGER_DECLARED:
            return style("  no longer declared", "red")
        case Reason.NEW | Reason.CHANGED | Reason.DESTROY | Reason.RENAMED:
            return ""


def _property(change: PropertyChange, style: Style) -> str:
    replaces = style("  replaces", "magenta") if change.replaces else ""
    path = printable(change.path)
    match change.action:
        case PropertyAction.ADD:
            text = f"{style('+', 'green')} {path}: {describe_value(change.after)}"
        case PropertyAction.REMOVE:
            text = f"{style('-', 'red')} {path}: {describe_value(change.before)}"
        case PropertyAction.CHANGE:
            text = f"{style('~', 'yellow')} {path}: {describe_value(change.before)} → {describe_value(change.after)}"
    return f"        {text}{replaces}{_place(change.source, style)}"


def _beside_loss(impact: Impact, loss: Loss) -> Impact:
    """What there is to say besides the loss, which has a line of its own."""
    effects = tuple(effect for effect in impact.effects if effect is not Effect.DATA_LOST)
    return replace(impact, effects=effects, note=impact.note if loss.kind is LossKind.ENVIRONMENT else "")


def _impact(impact: Impact, style: Style) -> list[str]:
    parts = [_EFFECTS[effect] for effect in impact.effects]
    minutes = describe_minutes(impact.minutes)
    if not parts and not minutes:
        return []
    text = ", ".join(parts + ([f"takes {minutes}"] if minutes else []))
    note = f"; {impact.note}" if impact.note else ""
    color = "red" if Effect.DATA_LOST in impact.effects else "yellow"
    return [
        f"        {style('!' if impact.effects else '·', color)} {style(text + note, color if impact.effects else 'dim')}"
    ]


def _steps(steps: Sequence[OperationStep], style: Style) -> str:
    lines = [style("through the Composer API", "bold")]
    for step in steps:
        lines.append(f"  {style('  ~', 'yellow', 'bold')} {printable(step.title)}{_place(step.source, style)}")
        lines += [_property(p, style) for p in step.properties]
        lines += _impact(step.impact, style)
    return "\n".join(lines)


def render_drift_rows(drifts: Iterable[Drift], style: Style = PLAIN) -> str:
    """What changed outside envctl, leaf by leaf: state → cloud."""
    lines = [style("changed outside envctl", "bold", "cyan")]
    for drift in drifts:
        gone = "  was deleted" if drift.kind is DriftKind.DELETED else ""
        lines.append(
            f"  {style('  ≠', 'cyan', 'bold')} {short_type(drift.type)} {style(printable(drift.name), 'bold')}{gone}"
        )
        lines += [_property(p, style) for p in drift.properties]
    return "\n".join(lines)


def _warnings(warnings: Iterable[str], style: Style) -> str:
    return "\n".join(f"{style('warning', 'yellow', 'bold')}: {printable(text)}" for text in warnings)


def render_closing(plan: Plan, style: Style = PLAIN) -> str:
    """The last line: how many resources meet what, and how long it will take."""
    if plan.empty and plan.mode is Mode.DESTROY and any(g.status is GateStatus.FAILED for g in plan.gates):
        return style("Refused.", "bold") + " What runs is not in the state."
    if plan.empty:
        drift = " The cloud drifted; `up` has nothing to change about it." if plan.drift else ""
        return style("No changes.", "bold") + f" {_resources(plan)} as the file says.{drift}"
    counts: dict[str, int] = {}
    for change in plan.pending:
        verb = _VERBS.get(change.action)
        if verb:
            counts[verb] = counts.get(verb, 0) + 1
    parts = [f"{counts[verb]} {verb}" for verb in dict.fromkeys(_VERBS.values()) if verb in counts]
    if plan.steps:
        parts.append(f"{len(plan.steps)} through the Composer API")
    unchanged = plan.counts().get(Action.NO_OP, 0)
    rest = f" {unchanged} unchanged." if unchanged else ""
    minutes = describe_minutes(plan.minutes())
    expected = f" Expected time: {minutes}." if minutes else ""
    if plan.incomplete or (plan.mode is Mode.APPLY and any(gate.status is GateStatus.FAILED for gate in plan.gates)):
        expected = " Nothing of it is done before what is refused above is mended."
    return style(", ".join(parts) + ".", "bold") + rest + expected


def _resources(plan: Plan) -> str:
    count = sum(plan.counts().values())
    return "1 resource is" if count == 1 else f"{count} resources are"


def describe_minutes(minutes: tuple[float, float]) -> str:
    """`5 to 15 minutes`, or nothing for less than two: that is not worth a word."""
    low, high = (round(value) for value in minutes)
    if high < 2:
        return ""
    return f"about {high} minutes" if low == high else f"{low} to {high} minutes"


def short_type(token: str) -> str:
    """`composer.Environment` of `gcp:composer/environment:Environment`."""
    package, _, rest = token.partition(":")
    module, _, name = rest.partition(":")
    module = module.partition("/")[0]
    return f"{module}.{name}" if name and package == "gcp" else token


def describe_value(value: JsonValue, *, bare: bool = False) -> str:
    """A value as JSON on one line, cut where it gets long; secrets and what is not known yet in words."""
    if value is Opaque.SECRET:
        return "(secret)"
    if value is Opaque.UNKNOWN:
        return "(known after apply)"
    plain = bare and isinstance(value, str)
    text = printable(value if plain else json.dumps(_masked(value), ensure_ascii=False))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _masked(value: JsonValue) -> JsonValue:
    if isinstance(value, Opaque):
        return "(secret)" if value is Opaque.SECRET else "(known after apply)"
    if isinstance(value, Mapping):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    return value


def _place(span: SourceSpan | None, style: Style) -> str:
    return style(f"  {span.file.as_posix()}:{span.line}", "dim") if span else ""
