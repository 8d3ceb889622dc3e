"""The clash check as diagnostics, for writers that know places in files: GitHub, SARIF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from envctl.diagnostics import Diagnostic, Hint, Severity, SourceSpan
from envctl.report.deps_text import basis_word, edit_text, verdict_word
from envctl.resolution.findings import IMAGE_BASIS, Certainty, Conflict, Report, Result, Verdict
from envctl.resolution.image import Basis

if TYPE_CHECKING:
    from collections.abc import Iterator


def report_diagnostics(report: Report) -> list[Diagnostic]:
    """Every problem of a report; a clash stands at the line of the list that leads to it."""
    return [one for result in report.results for one in _of_result(result)]


def _of_result(result: Result) -> Iterator[Diagnostic]:
    yield from result.diagnostics
    if result.doubt:
        yield _of_basis(result)
    for conflict in result.conflicts:
        yield _of_conflict(result, conflict)
    if result.verdict in (Verdict.UNKNOWN, Verdict.TIMEOUT_RISK):
        told = [one.text for one in result.warnings if one.code != IMAGE_BASIS]
        text = " ".join(told) or "The image is not in the catalogue."
        code = "package-timeout-risk" if result.verdict is Verdict.TIMEOUT_RISK else "package-verdict-unknown"
        summary = (
            "The build will likely run out of time"
            if result.verdict is Verdict.TIMEOUT_RISK
            else "There is no verdict on the packages"
        )
        yield Diagnostic(code, summary, f"{result.subject} on {result.image}: {text}", severity=Severity.WARNING)
    for change in result.changes:
        text = (
            f"{result.subject} on {result.image}: {change.name} {change.before} becomes {change.after} "
            f"because of {', '.join(change.because)}."
        )
        yield Diagnostic("package-override", "A preinstalled package moves", text, severity=Severity.NOTE)


def _of_basis(result: Result) -> Diagnostic:
    """Another image's list, or a part, is a warning; a note where the image's own list is only doubted."""
    severity = Severity.NOTE if result.basis is Basis.EXACT else Severity.WARNING
    sure = f", verdict {verdict_word(result)}" if result.certainty is Certainty.LIKELY else ""
    text = f"{result.subject} on {result.image}: {basis_word(result)}{sure}. {result.doubt}"
    return Diagnostic("image-basis", "The image's packages are not known exactly", text, severity=severity)


def _of_conflict(result: Result, conflict: Conflict) -> Diagnostic:
    source = next((cause.source for cause in conflict.causes if cause.source), None)
    hints = tuple(
        Hint(f"{', '.join(edit_text(edit) for edit in fix.edit)}: {fix.why}") for fix in conflict.fixes if fix.edit
    )
    severity = Severity.WARNING if conflict.accepted else Severity.ERROR
    return Diagnostic(
        "package-conflict",
        "Packages clash with the image",
        f"{result.image}: {conflict.summary}{' This is likely, not certain.' if result.certainty is Certainty.LIKELY else ''}",
        _span(source),
        hints,
        severity,
    )


def _span(source: str | None) -> SourceSpan | None:
    file, _, line = (source or "").rpartition(":")
    return SourceSpan(Path(file), int(line)) if file and line.isdigit() else None
