"""What is asked before anything is applied: package clashes, the doctor's checks, policies.

One place, three questions. Each answers with `GateResult` values; the plan carries them, `check_applicable`
decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from envctl.diagnostics import Severity
from envctl.plan.model import GateResult, GateStatus
from envctl.spec.model import Environment

if TYPE_CHECKING:
    from envctl.actions.planning import PlanOptions
    from envctl.actions.workspace import Workspace
    from envctl.dependencies import Result
    from envctl.spec.loader import Loaded


def run_gates(workspace: Workspace, loaded: Loaded, options: PlanOptions) -> tuple[GateResult, ...]:
    """Every answer, in the order packages, doctor, policies; a foundation is asked about policies alone."""
    if not isinstance(loaded.spec, Environment):
        return ()
    return tuple(_packages(workspace, loaded, options))


def _packages(workspace: Workspace, loaded: Loaded, options: PlanOptions) -> Iterator[GateResult]:
    """Would Composer's pip build the list? One answer per list: the environment's own, each bundle, all together."""
    from envctl.actions.deps import CheckRequest, IndexChoice, check_loaded

    request = CheckRequest(
        root=workspace.root,
        today=datetime.now(UTC).date(),
        index=IndexChoice(index_url=workspace.project.index.url, offline=options.offline),
    )
    for result in check_loaded(loaded, request).results:
        yield _package_answer(result)


def _package_answer(result: Result) -> GateResult:
    from envctl.dependencies import Report, Verdict
    from envctl.report.deps_findings import report_diagnostics

    match result.verdict:
        case Verdict.OK:
            status, severity, text = GateStatus.OK, Severity.NOTE, "the packages fit"
        case Verdict.OVERRIDE:
            status, severity, text = GateStatus.OK, Severity.WARNING, "the packages fit, but move preinstalled ones of"
        case Verdict.UNKNOWN:
            status, severity, text = GateStatus.UNKNOWN, Severity.WARNING, "nobody can say whether the packages fit"
        case Verdict.TIMEOUT_RISK:
            status, severity, text = GateStatus.UNKNOWN, Severity.WARNING, "the search may take pip too long on"
        case Verdict.CONFLICT:
            status, severity, text = GateStatus.FAILED, Severity.ERROR, "the packages clash with"
        case Verdict.INVALID:
            status, severity, text = GateStatus.FAILED, Severity.ERROR, "the list of packages is wrong for"
    told = report_diagnostics(Report((result,)))
    return GateResult(
        id=f"packages.{result.verdict.value}",
        gate="packages",
        status=status,
        severity=severity,
        summary=f"{result.subject}: {text} {result.image}",
        detail="\n".join(each.detail for each in told if each.severity is not Severity.NOTE),
        hints=tuple(dict.fromkeys(hint.text for each in told for hint in each.hints)),
        source=next((each.span for each in told if each.span is not None), None),
    )
