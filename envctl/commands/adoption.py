"""import, diff, eject: coming from elsewhere, comparing, and going elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from envctl.commands.console import CONSOLE
from envctl.commands.options import (
    Cloud,
    CloudChoice,
    EngineOption,
    EnvironmentName,
    Output,
    PlanFormat,
    TableFormat,
    Yes,
)
from envctl.commands.selection import open_workspace_of
from envctl.errors import EnvctlError, ExitCode, UsageError, gravest

if TYPE_CHECKING:
    from envctl.actions.adopt import Adoption
    from envctl.actions.adopt_looking import Wanted
    from envctl.actions.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    app.command("import")(import_)
    app.command()(diff)
    app.command()(eject)


def import_(
    environment: Annotated[
        str | None, typer.Argument(metavar="[ENV]", help="Stem of the file to write; without it, all of the project.")
    ] = None,
    project: Annotated[
        str | None,
        typer.Option("--project", metavar="ID", help="Google project; without it, as an existing file says."),
    ] = None,
    region: Annotated[str | None, typer.Option("--region", help="Region of the environment.")] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The environment's own name, where the file is called otherwise.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the file there, and leave the state alone.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the file and what would be taken over.")] = False,
    yes: Yes = False,
    cloud: Cloud = CloudChoice.GCP,
    engine: EngineOption = None,
    format_: Annotated[TableFormat, typer.Option("--format", help="How to write it.")] = TableFormat.TEXT,
) -> int:
    """Take over what exists: write the file of an environment, or read a lost state back; changes nothing in the cloud."""
    from envctl.actions.adopt import adopt
    from envctl.report.adopt_report import dump_adoptions, render_adoption

    workspace = open_workspace_of(cloud, engine)
    wanted = _wanted(workspace, environment, project, region, name)
    if out is not None and len(wanted) != 1:
        raise UsageError("--out writes one file", detail=f"found: {', '.join(each.name for each in wanted)}")
    if not (dry_run or yes or out is not None):
        CONSOLE.confirm(f"Take over {', '.join(each.stem for each in wanted)}? The cloud is not changed.")
    done: list[Adoption] = []
    codes: list[ExitCode] = []
    for each in wanted:
        try:
            done.append(adopt(workspace, each, out=out, dry_run=dry_run))
        except EnvctlError as error:
            if len(wanted) == 1:
                raise
            CONSOLE.warn(f"{each.stem}:")
            CONSOLE.show_error(error)
            codes.append(error.exit_code)
    if format_ is TableFormat.JSON:
        CONSOLE.emit_json(dump_adoptions(done))
    else:
        for each in done:
            if dry_run:
                CONSOLE.emit(each.text)
            CONSOLE.say(render_adoption(each, CONSOLE.style(error=True)))
    return gravest(codes)


def _wanted(
    workspace: Workspace, environment: str | None, project: str | None, region: str | None, name: str | None
) -> list[Wanted]:
    from envctl.actions.adopt import wanted_of
    from envctl.actions.adopt_looking import Wanted

    if environment is None:
        if project is None or name is not None:
            raise UsageError("import needs ENV, or --project alone for all its environments")
        return wanted_of(workspace, project, region)
    if environment in workspace.project.files:
        spec = workspace.load(environment).spec
        return [Wanted(environment, project or spec.project, region or spec.region, name or spec.name or environment)]
    if project is None or region is None:
        raise UsageError(
            f"There is no file of {environment}, so --project and --region are needed",
            hints=(f"envctl import {environment} --project ID --region REGION",),
        )
    return [Wanted(environment, project, region, name or environment)]


def diff(
    a: Annotated[str, typer.Argument(metavar="ENV_A", help="Stem of a file below environments/.")],
    b: Annotated[str, typer.Argument(metavar="ENV_B", help="Another one.")],
    live: Annotated[bool, typer.Option("--live", help="Also compare what the cloud has of both.")] = False,
    expect_no_changes: Annotated[
        bool, typer.Option("--expect-no-changes", help="Exit 10 when something differs.")
    ] = False,
    cloud: Cloud = CloudChoice.GCP,
    engine: EngineOption = None,
    format_: Annotated[PlanFormat, typer.Option("--format", help="How to write it.")] = PlanFormat.TEXT,
    output: Output = None,
) -> int:
    """Show what separates two environments, value by value, with the line that each comes from."""
    from envctl.actions.diff import compare
    from envctl.report.diff_report import dump_comparison, render_comparison, render_comparison_markdown

    found = compare(open_workspace_of(cloud, engine), a, b, live=live)
    match format_:
        case PlanFormat.TEXT:
            CONSOLE.emit(render_comparison(found, CONSOLE.style()), output)
        case PlanFormat.JSON:
            CONSOLE.emit_json(dump_comparison(found), output)
        case PlanFormat.MARKDOWN:
            CONSOLE.emit(render_comparison_markdown(found), output)
    return ExitCode.PENDING if expect_no_changes and not found.equal else ExitCode.DONE


def eject(
    environment: EnvironmentName,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="New or empty folder.")],
    cloud: Cloud = CloudChoice.GCP,
    engine: EngineOption = None,
) -> None:
    """Write a plain Pulumi project with the stack's state, which runs without envctl."""
    from envctl.actions.eject import eject as write_project

    done = write_project(open_workspace_of(cloud, engine), environment, directory)
    CONSOLE.say(f"Wrote {', '.join(done.files)} to {done.directory}; the state holds {done.resources} resources.")
    CONSOLE.say(f"Go on as it says there:\n    {done.directory / 'README.md'}")
