"""The clash check on a terminal: verdict first, one or two sentences per clash, the way out, what moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envctl.report.style import PLAIN, Style, printable
from envctl.resolution.findings import IMAGE_BASIS, Cause, Certainty, Conflict, Edit, Fix, FixKind, Result, Verdict
from envctl.resolution.image import Basis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envctl.resolution.findings import Report

_COLORS = {
    Verdict.OK: "green",
    Verdict.OVERRIDE: "yellow",
    Verdict.CONFLICT: "red",
    Verdict.TIMEOUT_RISK: "red",
    Verdict.INVALID: "red",
    Verdict.UNKNOWN: "magenta",
}
_MEANING = {
    Verdict.OK: "the list builds, nothing preinstalled moves",
    Verdict.OVERRIDE: "the list builds and moves preinstalled packages",
    Verdict.CONFLICT: "the build will fail",
    Verdict.TIMEOUT_RISK: "the build will likely run out of time",
    Verdict.INVALID: "the list cannot be sent to Composer",
    Verdict.UNKNOWN: "no verdict",
}
_MOST_CONFLICTS = 5
_MOST_ROWS = 8


def render_report(report: Report, style: Style = PLAIN) -> str:
    """Every result, a blank line between them."""
    return "\n".join(render_result(one, style) for one in report.results)


def render_result(result: Result, style: Style = PLAIN) -> str:
    """One result; at most a screen for a list with a handful of clashes."""
    verdict = style(verdict_word(result), _COLORS[result.verdict], "bold")
    lines = [f"{verdict}: {_meaning(result)}", f"  {printable(result.subject)} on {describe_image(result)}"]
    lines += doubt_lines(result)
    if result.diagnostics:
        from envctl.report.diagnostics_text import render_diagnostics

        lines += ["", render_diagnostics(result.diagnostics, style).rstrip()]
    for conflict in result.conflicts[:_MOST_CONFLICTS]:
        lines += ["", *_conflict(conflict, style)]
    if len(result.conflicts) > _MOST_CONFLICTS:
        lines += ["", f"{len(result.conflicts) - _MOST_CONFLICTS} more clashes: `--format json` has them all."]
    if result.fix is not None and len(result.conflicts) > 1:
        lines += ["", f"{style('all together', 'bold')} (solved: the edited list builds)"]
        lines += [f"  {edit_text(one)}" for one in result.fix.edit]
    if result.changes:
        lines += ["", style("preinstalled packages that move", "bold")]
        lines += _limited(
            [
                f"  {one.name} {one.before} -> {one.after}"
                + (f"  (for {', '.join(one.because)})" if one.because else "")
                for one in result.changes
            ]
        )
    if result.installs:
        lines += ["", style("new packages", "bold")]
        lines += _limited([f"  {one.name} {one.version}" for one in result.installs])
    if result.unneeded:
        lines += ["", style("lines that change nothing", "bold")]
        lines += _limited([f"  {printable(one)}" for one in result.unneeded])
    for notice in result.warnings:
        if notice.code != IMAGE_BASIS:
            lines += ["", f"{style('note', 'cyan', 'bold')}: {printable(notice.text)}"]
    return "\n".join(lines) + "\n"


def render_details(report: Report, style: Style = PLAIN) -> str:
    """What the screen of `render_report` leaves out: the chain behind each cause, and operators to paste."""
    lines: list[str] = []
    for result in report.results:
        for conflict in result.conflicts:
            lines.append(style(f"clash about {conflict.package}: who asks for what", "bold"))
            lines += [chain_text(cause) for cause in conflict.causes]
            for fix in conflict.fixes:
                if fix.snippet is not None:
                    lines += [
                        "",
                        f"  {printable(fix.why)}",
                        "",
                        *(f"    {one}".rstrip() for one in fix.snippet.splitlines()),
                    ]
            lines.append("")
    return "\n".join(lines)


def chain_text(cause: Cause) -> str:
    """One line: which side it comes from, the packages on the way, what the last one requires, and the line."""
    via = " -> ".join(cause.chain) or cause.by
    place = f"  ({printable(cause.source)})" if cause.source else ""
    side = "image" if cause.preinstalled else "list"
    asks = "" if via == side else f"{printable(via)} requires "
    return f"  {side:<5}  {asks}{printable(cause.requirement)}{place}"


def edit_text(edit: Edit) -> str:
    """`replace `a==1` with `a==2` (requirements.txt:3)`."""
    where = f" ({printable(edit.source)})" if edit.source else ""
    if edit.remove is not None and edit.add is not None:
        return f"replace `{printable(edit.remove)}` with `{printable(edit.add)}`{where}"
    if edit.remove is not None:
        return f"remove `{printable(edit.remove)}`{where}"
    return f"add `{printable(edit.add or '')}`{where}"


def doubt_lines(result: Result) -> list[str]:
    """Which list answered and what speaks against it; nothing where the image's own list did."""
    return wrapped(printable(f"{basis_word(result)}: {result.doubt}"), "  ") if result.doubt else []


def doubt_notes(report: Report) -> tuple[str, ...]:
    """The doubts of a report, one per image, for what is written beside it."""
    return tuple(dict.fromkeys(f"{one.image}: {printable(one.doubt)}" for one in report.results if one.doubt))


def verdict_word(result: Result) -> str:
    """`conflict`, or `conflict (likely)` where it rests on a list that is only likely the image's."""
    return f"{result.verdict.value} (likely)" if result.certainty is Certainty.LIKELY else result.verdict.value


def basis_word(result: Result) -> str:
    """`basis nearest`, or that the image is not known at all."""
    return f"basis {result.basis.value}" if result.basis else "no basis"


def _meaning(result: Result) -> str:
    accepted = [one for one in result.conflicts if one.accepted]
    if accepted and result.verdict is not Verdict.CONFLICT:
        return "clashes that are known and accepted until the day below"
    if result.verdict is Verdict.CONFLICT and len(result.conflicts) > 1:
        return f"the build will fail, for {len(result.conflicts)} separate reasons"
    if result.basis is Basis.NEAREST and result.record is not None and result.verdict is not Verdict.INVALID:
        return f"going by the list of {result.record.name}, {_MEANING[result.verdict]}"
    return _MEANING[result.verdict]


def describe_image(result: Result) -> str:
    """The image with its Python and pip, and whose list answered for it."""
    record = result.record
    if record is None:
        return f"{printable(result.image)} (not in the catalogue)"
    facts = f"Python {record.python}, pip {record.pip}"
    match result.basis:
        case Basis.PAIRED:
            facts += f", list of {record.name}"
        case Basis.NEAREST:
            facts += f", NEAREST list {record.name}"
        case Basis.RECONSTRUCTED:
            facts += ", list reconstructed"
        case Basis.PARTIAL:
            facts += f", only {record.packages} packages known"
        case Basis.EXACT | None:
            pass
    if result.as_of is not None:
        facts += f", index as of {result.as_of.isoformat()}"
    return f"{printable(result.image)} ({facts})"


def _conflict(conflict: Conflict, style: Style) -> list[str]:
    head = style(f"clash about {conflict.package or 'the image'}", "red", "bold")
    if conflict.accepted:
        until = conflict.accepted.until.isoformat()
        head = style(f"accepted until {until}: clash about {conflict.package}", "yellow", "bold")
    lines = [head, *wrapped(printable(conflict.summary), "  ")]
    lines += _fixes(conflict.fixes, style)
    return lines


def _fixes(fixes: Sequence[Fix], style: Style) -> list[str]:
    lines: list[str] = []
    for number, fix in enumerate(fixes[:2]):
        word = style(
            "or " if number else "fix" if fix.verified else "try", "green" if fix.verified else "yellow", "bold"
        )
        if fix.kind is FixKind.OTHER_IMAGE:
            lines.append(f"  {word}  take {fix.image}: the list works there as it is")
            continue
        if fix.kind is FixKind.OPERATOR:
            if not number or fixes[number - 1].kind is not FixKind.OPERATOR:
                lines += wrapped(printable(f"No edit found. {fix.why}"), "  ")
                lines.append("  `envctl deps fix` prints a ready PythonVirtualenvOperator and KubernetesPodOperator.")
            continue
        if len(fix.edit) > 2:
            lines.append(f"  {word}  {len(fix.edit)} edits: {edit_text(fix.edit[0])}, ...")
        else:
            lines.append(f"  {word}  {', '.join(edit_text(one) for one in fix.edit)}")
        lines += wrapped(printable(fix.why), "       ")
    if not fixes:
        lines.append("  No edit of these lines was found that works.")
    return lines


def wrapped(text: str, indent: str, width: int = 100) -> list[str]:
    """The text in lines of a width, each with an indent."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > width - len(indent):
            lines.append(indent + line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, indent + line]


def _limited(rows: list[str]) -> list[str]:
    if len(rows) <= _MOST_ROWS:
        return rows
    return [*rows[: _MOST_ROWS - 1], f"  ... and {len(rows) - _MOST_ROWS + 1} more"]
