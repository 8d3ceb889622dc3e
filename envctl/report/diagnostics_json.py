"""Problems of files as data: `envctl.validate/v1`, described by `docs/schemas/validate.schema.json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from envctl.diagnostics import Diagnostic, Severity

FORMAT = "envctl.validate/v1"


def dump_validation(checked: Sequence[str], diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    """The document of `envctl validate --format json`.

    Args:
        checked: names of the environments and foundations that were looked at.
        diagnostics: what was found, in the order of the files.
    """
    errors = sum(each.severity is Severity.ERROR for each in diagnostics)
    warnings = sum(each.severity is Severity.WARNING for each in diagnostics)
    return {
        "format": FORMAT,
        "valid": errors == 0,
        "checked": list(checked),
        "summary": {"errors": errors, "warnings": warnings},
        "diagnostics": [dump_diagnostic(each) for each in diagnostics],
    }


def dump_diagnostic(diagnostic: Diagnostic) -> dict[str, Any]:
    """One diagnostic; columns are 1-based, `endColumn` is the first one after the fault."""
    dumped: dict[str, Any] = {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "summary": diagnostic.summary,
        "detail": diagnostic.detail,
    }
    if (span := diagnostic.span) is not None:
        dumped["location"] = {"file": span.file.as_posix(), "line": span.line, "column": span.column}
        if span.end_column is not None:
            dumped["location"]["endColumn"] = span.end_column
    hints: list[dict[str, str]] = []
    for hint in diagnostic.hints:
        extra = {"command": hint.command, "replacement": hint.replacement}
        hints.append({"text": hint.text} | {key: value for key, value in extra.items() if value is not None})
    dumped["hints"] = hints
    return dumped
