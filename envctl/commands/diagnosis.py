"""doctor, iam, explain: who lacks what, and what a message means."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from envctl.commands.console import CONSOLE
from envctl.commands.options import (
    AllowUnknown,
    Cloud,
    CloudChoice,
    EnvironmentName,
    EnvironmentNames,
    Output,
)
from envctl.commands.selection import open_workspace_of
from envctl.errors import ExitCode, UsageError, gravest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envctl.actions.doctor import DiagnoseRequest
    from envctl.doctor.model import DoctorReport


class DoctorFormat(StrEnum):
    """Ways to write a doctor's report."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"
    MARKDOWN = "markdown"
    HTML = "html"


class IamFormat(StrEnum):
    """Ways to write a role set."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    CSV = "csv"


class FailOn(StrEnum):
    """Weights of findings."""

    ERROR = "error"
    WARNING = "warning"


Operation = Annotated[
    list[str] | None,
    typer.Option(
        "--operation", help="create, update, upgrade, packages, delete...; what `preview` would do if not given."
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    for verb in (doctor, iam, explain):
        app.command()(verb)


def doctor(
    environments: EnvironmentNames = None,
    operation: Operation = None,
    facts: Annotated[
        Path | None,
        typer.Option("--facts", metavar="FILE", help="A bundle of --collect, or a folder of gcloud outputs."),
    ] = None,
    error: Annotated[
        str | None, typer.Option("--error", metavar="TEXT|-", help="Rank the causes of an error text.")
    ] = None,
    collect: Annotated[
        Path | None, typer.Option("--collect", metavar="FILE", help="Write the facts as a bundle, secrets removed.")
    ] = None,
    caller: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="MEMBER", help="Judge who is to run envctl, by policies: user:..., serviceAccount:..."
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no cloud: only what the file itself can tell.")
    ] = False,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", metavar="FILE", help="Findings that are accepted.")
    ] = None,
    fix_script: Annotated[
        Path | None,
        typer.Option("--fix-script", metavar="FOLDER", help="Write the repairs as scripts, one per person to run it."),
    ] = None,
    fail_on: Annotated[FailOn, typer.Option("--fail-on", help="The least weight that fails.")] = FailOn.ERROR,
    allow_unknown: AllowUnknown = False,
    cloud: Cloud = CloudChoice.GCP,
    format_: Annotated[DoctorFormat, typer.Option("--format", help="How to write it.")] = DoctorFormat.TEXT,
    output: Output = None,
) -> int:
    """Name every missing right and condition at once, before an operation fails on them."""
    from envctl.actions.doctor import DiagnoseRequest, caller_of, deployment_of, diagnose, exit_code, signed_in_of
    from envctl.actions.doctor import collect as collect_facts
    from envctl.diagnostics import Severity
    from envctl.report.doctor_formats import DoctorFormat as Writer
    from envctl.report.doctor_formats import write_doctors

    if caller is not None:
        _check_member(caller)
    text = sys.stdin.read() if error == "-" else error
    if text is not None and not text.strip():
        raise UsageError(
            "The error text is empty",
            hints=("give the message itself, or `--error -` and the message on standard input",),
        )
    if text is not None and not environments:
        requests = [DiagnoseRequest(error_text=text)]
    else:
        workspace = open_workspace_of(cloud, None)
        names = environments or workspace.environments()
        transport = None if offline or facts is not None else workspace.cloud.transport()
        signed_in = signed_in_of(workspace.cloud) if transport is not None and caller is None else None
        requests = [
            DiagnoseRequest(
                loaded=loaded,
                operations=tuple(operation or ()),
                facts=facts,
                transport=transport,
                caller=caller_of(workspace.cloud) if transport is not None else None,
                judged=caller,
                deployment=deployment_of(
                    workspace.project,
                    workspace.cloud.caller,
                    workspace.engine_name,
                    loaded.spec.project,
                    signed_in=signed_in,
                ),
                error_text=text,
                baseline=baseline,
            )
            for loaded in map(workspace.load, names)
        ]
    if collect is not None:
        if len(requests) != 1 or requests[0].loaded is None:
            raise UsageError("--collect takes one environment")
        CONSOLE.emit(collect_facts(requests[0]), collect)
        return ExitCode.DONE
    reports = [diagnose(request) for request in requests]
    if fix_script is not None:
        _write_scripts(fix_script, requests, reports)
    style = CONSOLE.style()
    writer = Writer(format_.value)
    CONSOLE.emit(write_doctors(reports, writer, style, verbose=CONSOLE.verbose), output)
    severity = Severity(fail_on.value)
    return gravest(exit_code(each, severity, allow_unknown=allow_unknown) for each in reports)


def _write_scripts(folder: Path, requests: Sequence[DiagnoseRequest], reports: Sequence[DoctorReport]) -> None:
    from envctl.report.doctor_scripts import fix_scripts

    if len(requests) != 1 or requests[0].loaded is None:
        raise UsageError("--fix-script takes one environment")
    scripts = fix_scripts(reports[0], requests[0].loaded.spec.project)
    if scripts:
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in scripts.items():
        CONSOLE.emit(text, folder / name)
    if not scripts:
        CONSOLE.say("No command repairs anything here: there is no script to write.")


def _check_member(member: str) -> None:
    from envctl.spec.rules.members import is_member, member_hints

    if not is_member(member):
        meant = tuple(hint.text for hint in member_hints(member, own=False) if hint.replacement)
        forms = (
            "user:NAME@DOMAIN, group:NAME@DOMAIN, serviceAccount:NAME@PROJECT.iam.gserviceaccount.com, "
            "principal://iam.googleapis.com/POOL/subject/NAME or principalSet://iam.googleapis.com/POOL/..."
        )
        raise UsageError(f"`{member}` is no IAM member", hints=(*meant, f"members have one of the forms {forms}"))


def iam(
    environment: EnvironmentName,
    operation: Annotated[str | None, typer.Option("--operation", help="Only what this operation needs.")] = None,
    custom_role: Annotated[
        str | None,
        typer.Option(
            "--custom-role", metavar="PRINCIPAL", help="A custom role of the permissions really needed: deployer..."
        ),
    ] = None,
    needed: Annotated[bool, typer.Option("--needed", help="Leave out optional and alternative rows.")] = False,
    format_: Annotated[IamFormat, typer.Option("--format", help="How to write it.")] = IamFormat.TEXT,
    output: Output = None,
) -> None:
    """List every role binding that an environment needs, each with its reason."""
    from envctl.actions.doctor import deployment_of
    from envctl.actions.iam import RoleSetRequest, role_of, role_set
    from envctl.actions.workspace import EngineName
    from envctl.google.identity import Caller
    from envctl.report.iam_formats import IamFormat as Writer
    from envctl.report.iam_formats import write_custom_role, write_roles
    from envctl.spec.loader import load
    from envctl.spec.project import find_root, load_project

    project = load_project(find_root(CONSOLE.directory))
    loaded = load(project, environment)
    writer = Writer(format_.value)
    if custom_role is not None:
        if format_ not in {IamFormat.TEXT, IamFormat.JSON}:
            raise UsageError(
                f"A custom role is not written as {format_.value}",
                detail="gcloud reads it as YAML or JSON.",
                hints=("leave --format out for YAML, or use `--format json`",),
            )
        CONSOLE.emit(write_custom_role(role_of(loaded, custom_role), writer), output)
        return
    caller = Caller.chosen(os.environ, project.impersonate, project.billing_project)
    # Roles are Google's, and there the Pulumi CLI runs the programs.
    deployment = deployment_of(project, caller, EngineName.PULUMI, loaded.spec.project)
    roles = role_set(RoleSetRequest(loaded, operation, with_optional=not needed, deployment=deployment))
    CONSOLE.emit(write_roles(roles, writer, CONSOLE.style()), output)


def explain(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="An error code, a diagnostic, a check or a policy.")],
) -> None:
    """Show the page of an error, a diagnostic, a check or a policy."""
    from envctl.actions.explain import explain as look
    from envctl.report.page_text import render_page

    page = look(identifier)
    CONSOLE.emit(render_page(page.id, page.kind, page.title, page.text, CONSOLE.style()))
