"""What is asked before anything is applied: package clashes, the doctor's checks, policies.

One place, three questions. Each answers with `GateResult` values; the plan carries them, `check_applicable`
decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from envctl.diagnostics import Severity
from envctl.engine.events import EngineEvent, Op, Phase, StepEvent
from envctl.engine.urns import name_of
from envctl.plan.model import GateResult, GateStatus
from envctl.spec.model import Environment, Profile

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace
    from envctl.dependencies import Result
    from envctl.policies.run import Declared, Violation
    from envctl.spec.loader import Loaded

_ENVIRONMENT_TYPE = "gcp:composer/environment:Environment"
_WANTED = frozenset(
    {Op.SAME, Op.CREATE, Op.UPDATE, Op.REPLACE, Op.CREATE_REPLACEMENT, Op.IMPORT, Op.IMPORT_REPLACEMENT}
)
"""Steps after which a resource is there, as the program wants it."""


def run_gates(
    workspace: Workspace, loaded: Loaded, events: Sequence[EngineEvent], *, offline: bool
) -> tuple[GateResult, ...]:
    """Every answer, in the order packages, doctor, policies; a foundation is asked about policies alone.

    Args:
        workspace: project, cloud and engine.
        loaded: the environment or foundation.
        events: of the preview; the policies judge what it plans to have.
        offline: answer from the package cache alone.
    """
    answers: list[GateResult] = []
    if isinstance(loaded.spec, Environment):
        answers += _packages(workspace, loaded, offline=offline)
        answers += _doctor(workspace, loaded, _operations(events))
    answers += _policies(workspace, loaded, events)
    return tuple(answers)


def _packages(workspace: Workspace, loaded: Loaded, *, offline: bool) -> Iterator[GateResult]:
    """Would Composer's pip build the list? One answer per list: the environment's own, each bundle, all together."""
    from envctl.actions.deps import CheckRequest, IndexChoice, check_loaded

    request = CheckRequest(
        root=workspace.root,
        today=datetime.now(UTC).date(),
        index=IndexChoice(index_url=workspace.project.index.url, offline=offline),
    )
    for result in check_loaded(loaded, request).results:
        yield package_answer(result, loaded.environment.profile)


def package_answer(result: Result, profile: Profile) -> GateResult:
    """The verdict on one list as an answer of the gate.

    A verdict that is only likely counts as the profile says: under `critical` a good one is no answer, so the plan
    needs `--allow-unknown`; under `trial` a bad one is none, so the plan goes on.
    """
    from envctl.dependencies import Report, Verdict
    from envctl.report.deps_findings import report_diagnostics
    from envctl.resolution.findings import IMAGE_BASIS, Certainty

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
    if result.doubt and severity is Severity.NOTE:
        severity = Severity.WARNING
    if result.certainty is Certainty.LIKELY:
        text = f"likely, {text}"
        unanswered = {GateStatus.OK: Profile.CRITICAL, GateStatus.FAILED: Profile.TRIAL}
        if unanswered.get(status) is profile:
            status = GateStatus.UNKNOWN
    told = report_diagnostics(Report((result,)))
    return GateResult(
        id=f"packages.{result.verdict.value}",
        gate="packages",
        status=status,
        severity=severity,
        summary=f"{result.subject}: {text} {result.image}",
        detail="\n".join(
            each.detail for each in told if each.severity is not Severity.NOTE or each.code == IMAGE_BASIS
        ),
        hints=tuple(dict.fromkeys(hint.text for each in told for hint in each.hints)),
        source=next((each.span for each in told if each.span is not None), None),
    )


def _operations(events: Sequence[EngineEvent]) -> tuple[str, ...]:
    """What is about to happen to the environment, in the doctor's words; nothing when it stays as it is."""
    for event in events:
        if isinstance(event, StepEvent) and event.phase is Phase.PRE and event.type == _ENVIRONMENT_TYPE:
            if event.op is Op.UPDATE:
                image = any("imageVersion" in path for path in event.detailed_diff)
                return ("upgrade", "update") if image else ("update",)
            if event.op in {Op.CREATE, Op.REPLACE, Op.CREATE_REPLACEMENT}:
                return ("create",)
    return ()


def _doctor(workspace: Workspace, loaded: Loaded, operations: tuple[str, ...]) -> Iterator[GateResult]:
    """Does the file itself show that the operation must fail? One answer per finding; asks no cloud."""
    if not operations:
        return
    from envctl.actions.doctor import deployment_of
    from envctl.doctor.examine import examine
    from envctl.doctor.intake import case_of
    from envctl.doctor.model import FixKind, Status

    deployment = deployment_of(workspace.project, workspace.cloud.caller, workspace.engine_name, loaded.spec.project)
    case = case_of(loaded, operations, deployment=deployment)
    for finding in examine(case):
        failed = finding.status is Status.FAILED
        heavy = finding.severity is Severity.ERROR
        match finding.status:
            case Status.FAILED:  # what `up` itself repairs must not keep it from doing so
                stops = heavy and not any(fix.kind is FixKind.UP for fix in finding.fixes)
                status = GateStatus.FAILED if stops else GateStatus.OK
            case Status.UNKNOWN:
                status = GateStatus.UNKNOWN if heavy else GateStatus.SKIPPED
            case Status.OK:
                status = GateStatus.OK
            case Status.SKIPPED:
                status = GateStatus.SKIPPED
        yield GateResult(
            id=finding.id,
            gate="doctor",
            status=status,
            severity=finding.severity if failed else Severity.NOTE,
            summary=finding.why,
            detail="\n".join(finding.evidence) if failed else "",
            hints=tuple(fix.text for fix in finding.fixes) if failed else (),
        )


def _policies(workspace: Workspace, loaded: Loaded, events: Sequence[EngineEvent]) -> Iterator[GateResult]:
    """Does the plan hold what no plan should? One answer per violated rule and resource."""
    from envctl.policies.catalogue import load_rules
    from envctl.policies.cost import LIMIT
    from envctl.policies.run import Excuse, evaluate

    spec = loaded.spec
    violations = evaluate(
        load_rules(workspace.root / "policies"),
        _declared(events),
        spec.profile.value if isinstance(spec, Environment) else "foundation",
        levels={key: level.value for key, level in workspace.project.policy_levels.items()},
        config={LIMIT: spec.cost.monthly_limit_usd} if isinstance(spec, Environment) and spec.cost else {},
        exceptions=[Excuse(each.policy, each.reason, date.fromisoformat(each.until)) for each in spec.policies],
        today=datetime.now(UTC).date(),
    )
    for violation in violations:
        yield _policy_answer(violation)


def _declared(events: Sequence[EngineEvent]) -> tuple[Declared, ...]:
    """Every resource as the program wants it, once: a replacement shows the same resource in two steps."""
    from envctl.policies.run import Declared

    found = {
        e.urn: Declared(e.urn, e.type, name_of(e.urn), e.new.inputs, e.new.protect)
        for e in events
        if isinstance(e, StepEvent) and e.phase is Phase.PRE and e.op in _WANTED and e.new is not None
    }
    return tuple(found.values())


def _policy_answer(violation: Violation) -> GateResult:
    from envctl.policies.rule import Level

    resource = f"{violation.resource.type.rsplit(':', 1)[-1]} {violation.resource.name}"
    status, severity = GateStatus.FAILED, Severity.ERROR
    summary = f"{resource}: {violation.message}"
    if violation.exception is not None:
        status, severity = GateStatus.OK, Severity.NOTE
        summary = f"{resource}: excused until {violation.exception.until}: {violation.exception.reason}"
    elif violation.message is None:
        status, severity = GateStatus.OK, Severity.NOTE
        summary = f"{resource}: judged when its values are known"
    elif violation.level is Level.ADVISORY:
        status, severity = GateStatus.OK, Severity.WARNING
    return GateResult(
        id=f"policy.{violation.rule.id}",
        gate="policies",
        status=status,
        severity=severity,
        summary=summary,
        detail="The exception in the file has run out." if violation.expired else "",
        hints=(violation.rule.cure,),
    )
