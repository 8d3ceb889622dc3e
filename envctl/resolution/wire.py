"""The JSON documents of the clash check. Their schema is published as `docs/schemas/deps-v1.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from envctl.diagnostics import Diagnostic
    from envctl.resolution.findings import Cause, Conflict, Edit, Fix, Report, Result

FORMAT = "envctl.deps/v1"


def report_document(report: Report) -> dict[str, Any]:
    """The report as `envctl deps check --format json` prints it."""
    return {"format": FORMAT, "results": [result_document(one) for one in report.results]}


def result_document(result: Result) -> dict[str, Any]:
    """One result."""
    record = result.record
    return {
        "subject": result.subject,
        "image": result.image,
        "basis": result.basis.value if result.basis else None,
        "list": record.name if record else None,
        "doubt": result.doubt or None,
        "python": record.python if record else None,
        "pip": record.pip if record else None,
        "resolver": record.resolver.value if record else None,
        "as_of": result.as_of.isoformat() if result.as_of else None,
        "verdict": result.verdict.value,
        "certainty": result.certainty.value if result.certainty else None,
        "conflicts": [_conflict(one) for one in result.conflicts],
        "fix": _fix(result.fix) if result.fix else None,
        "changes": [
            {"name": one.name, "from": one.before, "to": one.after, "because": list(one.because)}
            for one in result.changes
        ],
        "installs": [{"name": one.name, "version": one.version} for one in result.installs],
        "unneeded": list(result.unneeded),
        "order_matters": result.order_matters,
        "packages": dict(result.package_map),
        "warnings": [{"code": one.code, "text": one.text, "source": one.source} for one in result.warnings],
        "diagnostics": [_diagnostic(one) for one in result.diagnostics],
        "seconds": round(result.seconds, 3),
    }


def _conflict(conflict: Conflict) -> dict[str, Any]:
    accepted = conflict.accepted
    return {
        "package": conflict.package,
        "summary": conflict.summary,
        "causes": [cause_document(one) for one in conflict.causes],
        "lines": list(conflict.lines),
        "fixes": [_fix(one) for one in conflict.fixes],
        "accepted": {"reason": accepted.reason, "until": accepted.until.isoformat()} if accepted else None,
    }


def cause_document(cause: Cause) -> dict[str, Any]:
    """One requirement with the chain to it."""
    document: dict[str, Any] = {
        "requirement": cause.requirement,
        "by": cause.by,
        "chain": list(cause.chain),
        "preinstalled": cause.preinstalled,
    }
    if cause.source is not None:
        document["source"] = cause.source
    return document


def _fix(fix: Fix) -> dict[str, Any]:
    document: dict[str, Any] = {
        "kind": fix.kind.value,
        "edit": [_edit(one) for one in fix.edit],
        "verified": fix.verified,
        "why": fix.why,
    }
    if fix.image is not None:
        document["image"] = fix.image
    if fix.snippet is not None:
        document["snippet"] = fix.snippet
    return document


def _edit(edit: Edit) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if edit.remove is not None:
        document["remove"] = edit.remove
    if edit.add is not None:
        document["add"] = edit.add
    if edit.source is not None:
        document["source"] = edit.source
    return document


def _diagnostic(diagnostic: Diagnostic) -> dict[str, Any]:
    span = diagnostic.span
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "summary": diagnostic.summary,
        "detail": diagnostic.detail,
        "file": str(span.file) if span else None,
        "line": span.line if span else None,
        "column": span.column if span else None,
        "hints": [one.text for one in diagnostic.hints],
    }
