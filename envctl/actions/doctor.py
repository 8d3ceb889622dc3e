"""`envctl doctor`: collects facts, examines environments, finds causes of error texts, explains ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from envctl.diagnostics import Severity
from envctl.doctor.model import Cause, DoctorReport, Page
from envctl.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from envctl.actions.clouds import Cloud
    from envctl.actions.workspace import EngineName
    from envctl.doctor.case import Case
    from envctl.doctor.facts import Facts
    from envctl.doctor.model import Finding
    from envctl.google.identity import Caller
    from envctl.google.transport import Transport
    from envctl.iam_conditions import Deployment
    from envctl.spec.loader import Loaded
    from envctl.spec.project import Project

LOCAL_STATE = "file://"
"""The backend of a project that keeps its state in its own folder."""
PASSPHRASE = "passphrase"  # noqa: S105  (the name of a provider of secrets)


@dataclass(frozen=True, slots=True)
class DiagnoseRequest:
    """What to examine.

    Attributes:
        loaded: the environment; None to look at an error text alone.
        operations: `create`, `packages`, ...; what `preview` would do for none.
        facts: a bundle or a folder of gcloud outputs; it wins over `transport`.
        transport: to a cloud that answers live; None for no live facts.
        caller: the member that the cloud is asked as, when it is known.
        judged: the member whose rights are asked about, where that is not whoever asks; policies alone decide then.
        deployment: how envctl is run on it: state, secrets and quota.
        error_text: a raw error or log whose causes are wanted.
        baseline: a file with findings that are accepted.
        now: the time of the imagined requests; the present for None.
    """

    loaded: Loaded | None = None
    operations: tuple[str, ...] = ()
    facts: Path | None = None
    transport: Transport | None = None
    caller: str | None = None
    judged: str | None = None
    deployment: Deployment | None = None
    error_text: str | None = None
    baseline: Path | None = None
    now: datetime | None = None


def diagnose(request: DiagnoseRequest) -> DoctorReport:
    """What the doctor finds.

    Raises:
        UsageError: neither an environment nor an error text, a foundation, or no such operation.
        InvalidInputError: the facts or the baseline cannot be used.
        OutsideError: the cloud could not be reached at all.
    """
    from envctl.doctor.baseline import accept, load_baseline
    from envctl.doctor.error_text import causes_of, unrecognised_text
    from envctl.doctor.examine import examine, in_order
    from envctl.doctor.intake import case_of
    from envctl.doctor.roles import roles_date

    if request.loaded is None:
        if request.error_text is None:
            raise UsageError("Nothing to examine", hints=("name an environment, or give --error TEXT",), code="usage")
        causes = causes_of(request.error_text)
        return DoctorReport("error text", (), () if causes else (unrecognised_text(request.error_text),), causes)
    # The checks of a cause belong to any operation, not only to the one that comes next.
    facts = gather(request if request.error_text is None else _for_every_operation(request))
    case = case_of(request.loaded, request.operations, facts, request.now, request.deployment, request.judged)
    causes: tuple[Cause, ...] = ()
    if request.error_text is None:
        findings = examine(case)
    elif causes := causes_of(request.error_text, case if case.has_facts else None):
        findings = ()
    else:  # what is wrong here may be the cause of what nobody knows
        findings = in_order(case, (unrecognised_text(request.error_text), *examine(case)))
    if request.baseline is not None:
        findings = accept(findings, load_baseline(request.baseline))
    return DoctorReport(
        environment=request.loaded.name,
        operations=tuple(_short(name) for name in case.operations),
        findings=findings,
        causes=causes,
        facts=_basis(case, describe(facts, request.facts)) if facts else "",
        roles_date=roles_date(),
        lines=_lines(request.loaded, findings),
    )


_PLACES: Mapping[str, str] = {
    "kms.": "encryption",
    "net.": "network",
    "bucket.": "buckets",
    "env.image": "imageVersion",
    "env.reserved": "airflow",
    "airflow.": "airflow",
    "env.sa": "serviceAccount",
    "env.explicit": "serviceAccount",
    "env.": "serviceAccount",
    "access.": "access",
    "caller.": "access",
    "boot.": "access",
    "operator.": "access",
    "author.": "access",
    "df.": "integrations",
    "constraint.": "project",
    "api.": "project",
}
"""The block of the environment file that a finding is about, by the beginning of its id, the longest first of its kind."""


def _lines(loaded: Loaded, findings: tuple[Finding, ...]) -> dict[str, int]:
    """The lines of the file that findings are about; a finding whose block the file does not write has none."""
    written: dict[str, int] = {}
    for path, span in loaded.origins.items():
        if span.file == loaded.path and path:
            written.setdefault(str(path[0]), span.line)
    found: dict[str, int] = {}
    for item in findings:
        block = next((place for start, place in _PLACES.items() if item.id.startswith(start)), "")
        if block in written:
            found[item.fingerprint] = written[block]
    return found


def _basis(case: Case, facts: str) -> str:
    """The facts of a report, and that they are policies alone where somebody was looked at who did not test itself."""
    from envctl.doctor.principals import normal_member

    judged = case.judged
    if judged is None or any(member == normal_member(judged) for member, _ in case.world.tested):
        return facts
    return f"{facts}; rights of {judged} by policies alone"


def gather(request: DiagnoseRequest) -> Facts | None:
    """The facts of a request: from its file or folder, else live, else none.

    Raises:
        InvalidInputError: the file holds no facts.
        OutsideError: the cloud could not be reached at all.
    """
    if request.facts is not None:
        from envctl.doctor.bundle import load_facts

        return load_facts(request.facts)
    if request.transport is None or request.loaded is None:
        return None
    from envctl.doctor.intake import case_of
    from envctl.doctor.live import collect_facts

    case = case_of(request.loaded, request.operations, None, request.now, request.deployment, request.judged)
    return collect_facts(case, request.transport, request.caller)


def caller_of(cloud: Cloud) -> str | None:
    """The member that requests to a cloud are made as, when it can be told without asking; None otherwise.

    Raises:
        OutsideError: there are no credentials.
    """
    from envctl.actions.clouds import GoogleCloud, SandboxCloud

    if isinstance(cloud, SandboxCloud):
        return cloud.emulator().backend.settings.caller if cloud.address is None else None
    return cloud.identity().member if isinstance(cloud, GoogleCloud) else None


def deployment_of(
    settings: Project, caller: Caller, engine: EngineName, project: str, *, signed_in: str | None = None
) -> Deployment:
    """How envctl is run on an environment of `project`: the embedded engine keeps state and secrets in the folder.

    Args:
        settings: what `envctl.yaml` says of state and secrets.
        caller: who calls the cloud, after the variables that win over `envctl.yaml`.
        engine: what runs the programs.
        project: the environment's project.
        signed_in: the member whose credentials open state and secrets, where that is not the caller.
    """
    from envctl.actions.workspace import EngineName
    from envctl.iam_conditions import Deployment

    embedded = engine is EngineName.EMBEDDED
    return Deployment(
        backend=LOCAL_STATE if embedded else settings.backend or LOCAL_STATE,
        secrets_provider=PASSPHRASE if embedded else settings.secrets_provider,
        quota_project=caller.quota_project(project),
        signed_in=signed_in,
    )


def signed_in_of(cloud: Cloud) -> str | None:
    """The member of the machine's credentials, where the cloud is asked as another account; None where it is the caller.

    `caller:unknown` stands for credentials that do not tell whose they are.

    Raises:
        OutsideError: there are no credentials.
    """
    from envctl.actions.clouds import GoogleCloud
    from envctl.doctor.live import UNNAMED_CALLER

    if not isinstance(cloud, GoogleCloud) or cloud.caller.impersonate is None:
        return None
    return cloud.identity().borrower or UNNAMED_CALLER


def collect(request: DiagnoseRequest) -> str:
    """The bundle of `doctor --collect`: every fact that any operation asks for, secrets removed.

    Raises:
        UsageError: there is no cloud to ask.
        OutsideError: the cloud could not be reached at all.
    """
    from envctl.doctor.bundle import render_bundle

    facts = gather(_for_every_operation(request))
    if facts is None:
        raise UsageError("There is no cloud to collect facts from", hints=("sign in, or use --cloud sandbox",))
    return render_bundle(facts)


def _for_every_operation(request: DiagnoseRequest) -> DiagnoseRequest:
    """The request with every operation, unless it names some."""
    from envctl.iam_roles import load_operations

    return request if request.operations else replace(request, operations=tuple(load_operations()))


def describe(facts: Facts, file: Path | None = None) -> str:
    """Where facts come from and of when they are; `file` is the bundle or folder that they were taken from."""
    origin = facts.origin if file is None or facts.origin == file.name else f"{file} (collected {facts.origin})"
    return f"{origin}, {facts.collected_at.astimezone(UTC).strftime('%Y-%m-%d %H:%M UTC')}"


def exit_code(report: DoctorReport, fail_on: Severity = Severity.ERROR, *, allow_unknown: bool = False) -> ExitCode:
    """The exit code of a report: negative for a failed finding of that weight, and for unknown ones unless allowed."""
    if report.failing(fail_on) or (report.unknown and not allow_unknown):
        return ExitCode.NEGATIVE
    if any(cause.confirmed for cause in report.causes):
        return ExitCode.NEGATIVE
    return ExitCode.DONE


def explain(identifier: str) -> Page | None:
    """The page of a check, of a row of the IAM tables, or of an error signature; None for an id of another room."""
    from envctl.doctor.registry import page_of

    return page_of(identifier)


def _short(operation: str) -> str:
    from envctl.iam_roles import OPERATION_ALIASES

    return next((short for short, full in OPERATION_ALIASES.items() if full == operation), operation)
