"""drift, status, history: what is known of environments; nothing is changed."""

from __future__ import annotations

from typing import Annotated

import typer

from envctl.commands.console import CONSOLE
from envctl.commands.options import (
    Cloud,
    CloudChoice,
    EngineOption,
    EnvironmentName,
    EnvironmentNames,
    Output,
    PlanFormat,
)
from envctl.commands.selection import ask_each, name_orphans, names_of, open_workspace_of
from envctl.errors import ExitCode, gravest


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    for verb in (drift, status, history):
        app.command()(verb)


def drift(
    environments: EnvironmentNames = None,
    expect_no_changes: Annotated[
        bool, typer.Option("--expect-no-changes", help="Exit 10 when something drifted.")
    ] = False,
    cloud: Cloud = CloudChoice.GCP,
    engine: EngineOption = None,
    format_: Annotated[PlanFormat, typer.Option("--format", help="How to write it.")] = PlanFormat.TEXT,
    output: Output = None,
) -> int:
    """Show what somebody changed outside envctl."""
    from envctl.actions.drift import find_drift
    from envctl.report.drift_report import dump_drift, render_drift, render_drift_markdown

    workspace = open_workspace_of(cloud, engine)
    names = names_of(workspace, environments, all_=not environments)
    found, codes = ask_each(names, lambda name: find_drift(workspace, name))
    match format_:
        case PlanFormat.TEXT:
            CONSOLE.emit(render_drift(found, CONSOLE.style()), output)
        case PlanFormat.MARKDOWN:
            CONSOLE.emit(render_drift_markdown(found), output)
        case PlanFormat.JSON:
            CONSOLE.emit_json(dump_drift(found), output)
    if expect_no_changes and any(each.drift for each in found):
        codes.append(ExitCode.PENDING)
    return gravest(codes)


def status(
    environments: EnvironmentNames = None,
    cloud: Cloud = CloudChoice.GCP,
    engine: EngineOption = None,
    format_: Annotated[PlanFormat, typer.Option("--format", help="How to write it.")] = PlanFormat.TEXT,
    output: Output = None,
) -> int:
    """Show each environment: applied or not, its live state, running operations, the last run."""
    from envctl.actions.status import read_status
    from envctl.report.status_report import dump_status, render_status, render_status_markdown

    workspace = open_workspace_of(cloud, engine)
    names = names_of(workspace, environments, all_=not environments)
    found, codes = ask_each(names, lambda name: read_status(workspace, name))
    match format_:
        case PlanFormat.TEXT:
            CONSOLE.emit(render_status(found, CONSOLE.style()), output)
        case PlanFormat.MARKDOWN:
            CONSOLE.emit(render_status_markdown(found), output)
        case PlanFormat.JSON:
            CONSOLE.emit_json(dump_status(found), output)
    if not environments:
        name_orphans(workspace)
    return gravest(codes)


def history(
    environment: EnvironmentName,
    cloud: Cloud = CloudChoice.GCP,
    engine: EngineOption = None,
    format_: Annotated[PlanFormat, typer.Option("--format", help="How to write it.")] = PlanFormat.TEXT,
    output: Output = None,
) -> int:
    """Show every run on an environment: who, when, from which commit, how it ended."""
    from envctl.operations.journal import damage_told
    from envctl.report.status_report import dump_history, render_history, render_history_markdown

    workspace = open_workspace_of(cloud, engine)
    journal = workspace.journal(environment)
    runs = journal.runs()
    for text in damage_told(journal):
        CONSOLE.warn(f"warning: {text}")
    if not runs:
        workspace.load(environment)  # a name that nothing stands for is an error, a removed environment is not
    match format_:
        case PlanFormat.TEXT:
            CONSOLE.emit(render_history(environment, runs, CONSOLE.style()), output)
        case PlanFormat.MARKDOWN:
            CONSOLE.emit(render_history_markdown(environment, runs), output)
        case PlanFormat.JSON:
            CONSOLE.emit_json(dump_history(environment, runs), output)
    return ExitCode.DONE
