"""Known findings that a team accepts: `doctor --baseline FILE`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from envctl.diagnostics import Diagnostic, SourceSpan
from envctl.doctor.model import Finding, Status
from envctl.errors import InvalidInputError

FORMAT: Final = "envctl.doctor-baseline/v1"


def load_baseline(path: Path) -> frozenset[str]:
    """Fingerprints from a baseline, or from an earlier `doctor --format json`.

    Raises:
        InvalidInputError: the file cannot be read, or is neither.
    """
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise _refusal(path, f"{path}: {problem.strerror or problem}.") from problem
    except (ValueError, RecursionError) as problem:
        raise _refusal(path, f"{path} is not JSON: {problem}.") from problem
    if (
        isinstance(document, Mapping)
        and document.get("format") == FORMAT
        and isinstance(document.get("accepted"), list)
    ):
        return frozenset(map(str, document["accepted"]))
    if isinstance(document, Mapping) and str(document.get("format", "")).startswith("envctl.doctor/"):
        rows = document.get("findings")
        if isinstance(rows, list):
            return frozenset(
                " ".join((str(row.get("id")), str(row.get("principal") or "-"), str(row.get("resource") or "-")))
                for row in rows
                if isinstance(row, Mapping) and row.get("status") == Status.FAILED.value
            )
    wanted = f'A baseline says "format": "{FORMAT}" and lists what is accepted; an earlier report (--format json) is one too.'
    if isinstance(document, Mapping) and str(document.get("format", "")).startswith("envctl.facts/"):
        raise _refusal(path, f"{path} is a bundle of facts: give it as --facts {path}. {wanted}")
    raise _refusal(path, wanted)


def accept(findings: Iterable[Finding], baseline: frozenset[str]) -> tuple[Finding, ...]:
    """The findings, those of the baseline marked as accepted."""
    return tuple(
        replace(item, accepted=True) if item.status is Status.FAILED and item.fingerprint in baseline else item
        for item in findings
    )


def _refusal(path: Path, detail: str) -> InvalidInputError:
    diagnostic = Diagnostic("baseline-format", "The baseline cannot be used", detail, SourceSpan(path, 1))
    return InvalidInputError([diagnostic], "The baseline cannot be used")
