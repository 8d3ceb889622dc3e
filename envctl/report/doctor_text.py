"""The doctor's report for a person at a terminal: the first screen says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from envctl.diagnostics import Severity
from envctl.doctor.model import Fix, FixKind, Status
from envctl.report.doctor_scripts import joined
from envctl.report.style import PLAIN, Style, printable

if TYPE_CHECKING:
    from envctl.doctor.model import Cause, DoctorReport, Finding


_SEVERAL: Final = 2
_NAMED: Final = 4
"""Permissions that a line names; the JSON form names all."""
_FULL_NAME: Final = re.compile(r"//[a-z]+\.googleapis\.com/[^\s;,]+")


def render_doctor(report: DoctorReport, style: Style = PLAIN, *, verbose: bool = False) -> str:
    """The report; with `verbose` also what is fine and what was skipped."""
    lines = [*_head(report, style), ""]
    for cause in report.causes:
        lines += [*_cause(cause, style), ""]
    rest, coming = report.failed, report.coming
    lines += _section("Fix this first", [item for item in rest if item.severity is Severity.ERROR], style, "red")
    lines += _section("Look at this", [item for item in rest if item.severity is not Severity.ERROR], style, "yellow")
    if coming:
        lines += [style("`envctl up` will do this", "bold"), ""]
        lines += [f"  {style(line, 'green')}" for line in dict.fromkeys(printable(up_line(item)) for item in coming)]
        lines.append("")
    lines += _unknown(report, style)
    accepted = [item for item in report.findings if item.accepted]
    if accepted:
        known = "1 known finding is" if len(accepted) == 1 else f"{len(accepted)} known findings are"
        lines += [f"{known} accepted by the baseline.", ""]
    if verbose:
        lines += _quiet(report, style)
    lines += _foot(report)
    return "\n".join(line.rstrip() for line in lines).rstrip("\n") + "\n"


def _head(report: DoctorReport, style: Style) -> Iterator[str]:
    if report.causes or not report.operations:
        confirmed = sum(cause.confirmed for cause in report.causes)
        number = len(report.causes)
        known = f"{number} possible cause{'s' if number > 1 else ''}" if number else "no known cause matches this text"
        word = style(f"{confirmed} confirmed", "bold", "red") if confirmed else "none confirmed"
        yield f"{style(printable(report.environment), 'bold')}: {known}" + (f", {word}" if report.causes else "")
        return
    counts = report.summary
    errors = len(report.failing(Severity.ERROR))
    look = counts["failed"] - errors
    if errors:
        word = style(f"{errors} to fix", "bold", "red")
    elif not report.facts:
        word = style("only the file was looked at: nothing to fix in it", "bold", "yellow")
    elif report.unknown:
        word = style("nothing known to fix", "bold", "yellow")
    elif look:
        word = style("nothing stops it", "bold", "yellow")
    else:
        word = style("nothing to fix", "bold", "green")
    coming = counts["coming"]
    parts = [
        "the error text is not recognised" if report.unrecognised else "",
        word,
        f"{look} to look at" if look else "",
        f"{coming} that `envctl up` will do" if coming else "",
        f"{counts['unknown']} unknown" if counts["unknown"] else "",
        f"{accepted} accepted" if (accepted := sum(item.accepted for item in report.findings)) else "",
        f"{counts['ok']} ok",
        f"{counts['skipped']} skipped" if counts["skipped"] else "",
    ]
    yield f"{style(printable(report.environment), 'bold')}: before {', '.join(report.operations)}: {', '.join(part for part in parts if part)}"
    if report.facts:
        yield style(f"facts: {printable(report.facts)}; predefined roles of {report.roles_date}", "dim")
    else:
        yield style("no facts: only what the file alone can tell; add --facts FILE or sign in", "dim")


def _section(title: str, findings: list[Finding], style: Style, color: str) -> list[str]:
    if not findings:
        return []
    lines = [style(title, "bold"), ""]
    for principal in dict.fromkeys(item.principal for item in findings):
        lines.append(f"  {style(printable(_who(principal)), 'bold')}")
        for item in _apis_at_once(findings):
            if item.principal == principal:
                lines += [f"    {line}" for line in _finding(item, style, color)]
    return lines


def _apis_at_once(findings: list[Finding]) -> list[Finding]:
    """The findings, with all APIs that are off as one: one command switches them on."""
    off = [item for item in findings if item.id.startswith("api.") and item.fixes]
    if len(off) < _SEVERAL:
        return findings
    commands = joined(fix.text for item in off for fix in item.fixes if fix.kind is FixKind.COMMAND)
    ups = [fix for fix in off[0].fixes if fix.kind is FixKind.UP]
    names = ", ".join(item.why.partition(" is off")[0] for item in off)
    whole = replace(
        off[0],
        why=f"{len(off)} APIs are off: {names}",
        evidence=(),
        fixes=(*ups, *(Fix(FixKind.COMMAND, text) for text in commands)),
    )
    return [whole if item is off[0] else item for item in findings if item is off[0] or item not in off]


def _who(principal: str) -> str:
    return {"": "the project", "caller:unknown": "you"}.get(principal, principal)


def _finding(item: Finding, style: Style, color: str) -> Iterator[str]:
    if item.missing:
        more = f" and {len(item.missing) - _NAMED} more" if len(item.missing) > _NAMED else ""
        yield f"{style('x', color)} lacks {printable(', '.join(item.missing[:_NAMED]))}{more}  [{item.id}]"
        if item.resource:
            yield f"    on {printable(short_resource(item.resource))}"
        yield f"    for: {printable(item.why)}"
    else:
        yield f"{style('x', color)} {printable(item.why)}  [{item.id}]"
    for text in item.evidence[:2]:
        yield style(f"    seen: {printable(with_short_names(text))}", "dim")
    for fix in item.fixes:
        match fix.kind:
            case FixKind.COMMAND:
                yield ""
                yield f"        {style(printable(fix.text), 'cyan')}"
            case FixKind.SPEC:
                yield ""
                yield "    or in the environment file:" if fix is not item.fixes[0] else "    in the environment file:"
                yield from (f"        {printable(line)}" for line in fix.text.splitlines())
            case FixKind.UP:
                yield f"    `envctl up` will do it: {printable(fix.text)}"
    yield ""


def short_resource(resource: str) -> str:
    """A full resource name in fewer words: `project acme`, `serviceAccount a@b`, `bucket b`."""
    parts = resource.removeprefix("//").split("/")
    if not resource.startswith("//") or len(parts) < 3:
        return resource
    kind = parts[-2].removesuffix("s").replace("repositorie", "repository").replace("_", "")
    return f"{kind} {parts[-1]}"


def with_short_names(text: str) -> str:
    """A text with every full resource name in fewer words."""
    return _FULL_NAME.sub(lambda match: short_resource(match[0]), text)


def up_line(item: Finding) -> str:
    """What `envctl up` will make of a finding, as a line of a diff; empty when it is left to somebody else."""
    return next((fix.text for fix in item.fixes if fix.kind is FixKind.UP), "").partition("   (")[0]


def unknown_by_cause(report: DoctorReport) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Why something is not known and the ids that it leaves open, what weighs most first."""
    by_cause: dict[str, list[Finding]] = {}
    for item in report.findings:
        if item.status is Status.UNKNOWN:
            by_cause.setdefault(item.evidence[0] if item.evidence else "no reason was given", []).append(item)
    return tuple(
        (cause, tuple(dict.fromkeys(item.id for item in items)))
        for cause, items in sorted(by_cause.items(), key=lambda pair: (-_weight(pair[1]), pair[0]))
    )


def _unknown(report: DoctorReport, style: Style) -> list[str]:
    groups = unknown_by_cause(report)
    if not groups:
        return []
    lines = [style("Not known", "bold"), ""]
    for cause, ids in groups:
        more = f" and {len(ids) - 4} more" if len(ids) > 4 else ""
        lines.append(f"  {style('?', 'yellow')} {printable(cause)}")
        lines.append(style(f"      leaves open: {', '.join(ids[:4])}{more}", "dim"))
    return [*lines, ""]


def _weight(items: Iterable[Finding]) -> int:
    return sum(2 if item.severity is Severity.ERROR else 1 for item in items)


def _quiet(report: DoctorReport, style: Style) -> list[str]:
    lines: list[str] = []
    for status, title in ((Status.OK, "Fine"), (Status.SKIPPED, "Skipped")):
        found = [item for item in report.findings if item.status is status]
        if found:
            lines += [style(title, "bold"), ""]
            lines += [
                f"  {item.id}: {printable(item.why)}  {style(printable(item.principal), 'dim')}".rstrip()
                for item in found
            ]
            lines.append("")
    return lines


def _foot(report: DoctorReport) -> Iterator[str]:
    if report.unknown:
        number = len(report.unknown)
        yield f"{number} of what is not known would be {'an error' if number == 1 else 'errors'}: let them be read, or go on with --allow-unknown."
    first = next(iter((*report.failed, *(item for item in report.findings if item.status is Status.UNKNOWN))), None)
    if first is not None:
        yield f"More about any id: envctl explain {first.id}"
    elif report.causes:
        checkable = any(cause.checks and not cause.decided for cause in report.causes)
        if checkable and not report.operations:
            yield "To have these checked, name the environment: envctl doctor ENV --error TEXT"
        yield f"More about any id: envctl explain {next(iter(report.causes[0].checks), report.causes[0].signature)}"


def _cause(cause: Cause, style: Style) -> Iterator[str]:
    state = "confirmed" if cause.confirmed else "possible"
    color = "red" if cause.confirmed else "yellow"
    yield f"{style(f'{cause.rank}. {printable(cause.means)}', 'bold')}  ({style(state, color)}) [{cause.signature}]"
    if cause.groups:
        yield f"   the text names: {printable(', '.join(cause.groups))}"
    for item in cause.decided:
        if item.status is Status.FAILED and not item.coming:
            yield from (f"   {line}" for line in _finding(item, style, "red"))
    for line in dict.fromkeys(up_line(item) for item in cause.decided if item.coming):
        yield f"   `envctl up` will do: {printable(line)}"
    fine = [item.id for item in cause.decided if item.status is Status.OK]
    if fine:
        yield f"   fine: {', '.join(dict.fromkeys(fine))}"
    if cause.elsewhere:
        yield f"   does not concern this environment: {printable(cause.decided[0].why)}"
    for text in cause.needs[:4]:
        yield f"   would decide it: {printable(text)}"
    if not cause.decided and cause.checks:
        yield f"   look at: {', '.join(cause.checks[:8])}"
    if cause.fixes:
        yield "   to repair it:"
        yield ""
        yield from (f"       {style(printable(line), 'cyan')}" for fix in cause.fixes for line in fix.text.splitlines())
