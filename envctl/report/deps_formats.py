"""The clash check in the forms that machines and pull requests read."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING

from envctl.image_versions import end_of
from envctl.report.deps_text import render_report, render_result, verdict_word
from envctl.report.markdown import cell, code
from envctl.report.style import PLAIN, Style, printable
from envctl.resolution.findings import IMAGE_BASIS, NO_LIST, Certainty, Edit, Report, Result, Verdict
from envctl.resolution.image import Basis
from envctl.resolution.wire import report_document

if TYPE_CHECKING:
    from envctl.resolution.comparisons import Matrix


class DepsFormat(StrEnum):
    """Forms of a report."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    SARIF = "sarif"
    JUNIT = "junit"
    GITHUB = "github"


_MARKS = {
    Verdict.OK: "ok",
    Verdict.OVERRIDE: "override",
    Verdict.CONFLICT: "**conflict**",
    Verdict.TIMEOUT_RISK: "**timeout risk**",
    Verdict.INVALID: "**invalid**",
    Verdict.UNKNOWN: "unknown",
}


def write_report(report: Report, form: DepsFormat, style: Style = PLAIN) -> str:
    """The report in a form, ready for a file or a terminal."""
    match form:
        case DepsFormat.TEXT:
            return render_report(report, style)
        case DepsFormat.JSON:
            return json.dumps(report_document(report), indent=2, ensure_ascii=False) + "\n"
        case DepsFormat.MARKDOWN:
            return render_markdown(report)
        case DepsFormat.JUNIT:
            return render_junit(report)
        case DepsFormat.SARIF:
            from envctl.report.deps_findings import report_diagnostics
            from envctl.report.diagnostics_sarif import dump_sarif

            return json.dumps(dump_sarif(report_diagnostics(report)), indent=2, ensure_ascii=False) + "\n"
        case DepsFormat.GITHUB:
            from envctl.report.deps_findings import report_diagnostics
            from envctl.report.diagnostics_github import render_diagnostics_github

            return render_diagnostics_github(report_diagnostics(report))


def render_markdown(report: Report) -> str:
    """GitHub-flavoured Markdown: one table, then a section per result with clashes."""
    lines = ["### envctl: packages", "", "| list | image | basis | verdict | certainty | moves | new |"]
    lines.append("|---|---|---|---|---|---|---|")
    lines += [
        f"| {cell(one.subject)} | {cell(one.image)} | {one.basis.value if one.basis else 'none'} "
        f"| {_MARKS[one.verdict]} | {one.certainty or '-'} | {len(one.changes)} | {len(one.installs)} |"
        for one in report.results
    ]
    for result in report.results:
        for notice in result.warnings:
            lines += ["", f"> {cell(result.subject)} on {cell(result.image)}: {cell(notice.text)}"]
        for conflict in result.conflicts:
            lines += ["", f"**{cell(conflict.package)}** ({cell(result.subject)}): {cell(conflict.summary)}"]
            lines += [f"- {', '.join(map(_edit, fix.edit))}: {cell(fix.why)}" for fix in conflict.fixes if fix.edit]
        for diagnostic in result.diagnostics:
            place = f" ({diagnostic.span.file}:{diagnostic.span.line})" if diagnostic.span else ""
            lines += ["", f"- {diagnostic.severity}: {cell(diagnostic.detail)}{cell(place)}"]
    return "\n".join(lines) + "\n"


def _edit(edit: Edit) -> str:
    where = f" ({cell(edit.source)})" if edit.source else ""
    if edit.remove is not None and edit.add is not None:
        return f"replace {code(edit.remove)} with {code(edit.add)}{where}"
    if edit.remove is not None:
        return f"remove {code(edit.remove)}{where}"
    return f"add {code(edit.add or '')}{where}"


def render_junit(report: Report) -> str:
    """JUnit XML: one test case per result; `unknown` counts as an error, a clash as a failure."""
    failures = sum(_is_failure(one) for one in report.results)
    errors = sum(one.verdict is Verdict.UNKNOWN for one in report.results)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="envctl deps" tests="{len(report.results)}" failures="{failures}" errors="{errors}">',
        f'  <testsuite name="envctl.deps" tests="{len(report.results)}" failures="{failures}" errors="{errors}">',
    ]
    for result in report.results:
        name = _xml(f"{printable(result.subject)} on {printable(result.image)}")
        lines.append(f'    <testcase classname="envctl.deps" name="{name}" time="{result.seconds:.3f}">')
        body = _xml(printable(render_result(result)))
        if _is_failure(result):
            lines.append(f'      <failure message="{verdict_word(result)}">{body}</failure>')
        elif result.verdict is Verdict.UNKNOWN:
            lines.append(f'      <error message="{result.verdict}">{body}</error>')
        elif result.doubt or result.certainty is Certainty.LIKELY:
            lines.append(f"      <system-out>{body}</system-out>")
        lines.append("    </testcase>")
    return "\n".join([*lines, "  </testsuite>", "</testsuites>", ""])


def render_matrix(matrix: Matrix, style: Style = PLAIN) -> str:
    """One line per image, one column per list; `+n` new packages, `~n` preinstalled ones that move."""
    as_of = next((one.as_of for row in matrix.rows for one in row.results if one.as_of), None)
    subjects = [row.subject for row in matrix.rows]
    width = max((len(name) for name in matrix.images), default=5)
    columns = [max(len(subject), 18) for subject in subjects]
    lines = [f"index as of {as_of.isoformat()}", ""] if as_of else []
    lines += [
        " ".join(
            ["image".ljust(width), *(printable(s).ljust(c) for s, c in zip(subjects, columns, strict=True))]
        ).rstrip()
    ]
    for at, image in enumerate(matrix.images):
        cells = [_matrix_cell(row.results[at]).ljust(c) for row, c in zip(matrix.rows, columns, strict=True)]
        lines.append(" ".join([image.ljust(width), *cells]).rstrip())
    lines.append("")
    for row in matrix.rows:
        found = row.newest or "none of these images"
        if row.ended is not None:
            found = f"none that can be taken; {row.ended} works, {_past(row.ended)}"
        since = f" (the oldest: {row.oldest})" if row.oldest != row.newest else ""
        lines.append(f"{style('newest that works', 'bold')} for {printable(row.subject)}: {found}{since}")
    told = (IMAGE_BASIS, NO_LIST)
    doubts = dict.fromkeys(
        f"{one.image}: {notice.text}"
        for row in matrix.rows
        for one in row.results
        for notice in one.warnings
        if notice.code in told
    )
    lines += ["", *(f"{style('note', 'cyan', 'bold')}: {printable(text)}" for text in doubts)] if doubts else []
    for row in matrix.rows:
        if row.invalid is not None:
            from envctl.report.diagnostics_text import render_diagnostics

            lines += ["", render_diagnostics(row.invalid.diagnostics, style).rstrip()]
    return "\n".join(lines) + "\n"


def matrix_document(matrix: Matrix) -> dict[str, object]:
    """The matrix as JSON."""
    from envctl.resolution.wire import result_document

    return {
        "format": "envctl.deps-matrix/v1",
        "images": list(matrix.images),
        "rows": [
            {
                "subject": row.subject,
                "first": row.first,
                "newest": row.newest,
                "oldest": row.oldest,
                "ended": row.ended,
                "results": [result_document(one) for one in row.results],
            }
            for row in matrix.rows
        ],
    }


def _past(image: str) -> str:
    end = end_of(image)
    return f"and its support ended on {end}" if end is not None else "which takes no new environments"


def _matrix_cell(result: Result) -> str:
    counts = "".join(
        [f" +{len(result.installs)}" if result.installs else "", f" ~{len(result.changes)}" if result.changes else ""]
    )
    basis = f" ({result.basis})" if result.basis and result.basis is not Basis.EXACT else ""
    return f"{verdict_word(result)}{counts}{basis}"


def _xml(text: str) -> str:
    """The text for elements and attributes; the standard library's escape would import a network client."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _is_failure(result: Result) -> bool:
    return result.verdict in (Verdict.CONFLICT, Verdict.TIMEOUT_RISK, Verdict.INVALID)
