"""Problems of files as SARIF 2.1.0, which code scanning services read (docs.oasis-open.org/sarif/sarif/v2.1.0)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from envctl import __version__
from envctl.diagnostics import Diagnostic, Severity
from envctl.spec.codes import CODES

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def dump_sarif(diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    """A log with one run: every code that occurs as a rule, every diagnostic as a result."""
    codes = sorted({each.code for each in diagnostics})
    summaries = {each.code: each.summary for each in diagnostics}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "envctl",
                        "semanticVersion": __version__,
                        "rules": [_rule(code, summaries[code]) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(each, codes.index(each.code)) for each in diagnostics],
            }
        ],
    }


def _rule(code: str, summary: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": code, "shortDescription": {"text": summary}}
    if (known := CODES.get(code)) is not None:
        rule["fullDescription"] = {"text": known.explanation}
        rule["defaultConfiguration"] = {"level": _LEVELS[known.severity]}
    return rule


def _result(diagnostic: Diagnostic, rule: int) -> dict[str, Any]:
    text = " ".join(part for part in (diagnostic.detail or f"{diagnostic.summary}.", *_hints(diagnostic)) if part)
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": _LEVELS[diagnostic.severity],
        "message": {"text": text},
    }
    if (span := diagnostic.span) is not None:
        region: dict[str, int] = {"startLine": span.line, "startColumn": span.column}
        if span.end_column is not None:
            region["endColumn"] = span.end_column
        location = {"uri": quote(span.file.as_posix()), "uriBaseId": "%SRCROOT%"}
        result["locations"] = [{"physicalLocation": {"artifactLocation": location, "region": region}}]
    return result


def _hints(diagnostic: Diagnostic) -> list[str]:
    return [f"Hint: {hint.text}{f' {hint.command}' if hint.command else ''}" for hint in diagnostic.hints]
