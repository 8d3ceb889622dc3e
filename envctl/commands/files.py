"""init, validate, show, schema: what the user wrote."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from envctl.commands.console import CONSOLE
from envctl.commands.options import EnvironmentNames, Output, PlanFormat
from envctl.errors import EnvctlError, ExitCode


class ValidateFormat(StrEnum):
    """Ways to write problems of files."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


class SchemaChoice(StrEnum):
    """Files that have a schema."""

    ENVIRONMENT = "environment"
    PROJECT = "project"


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    for verb in (init, validate, show, schema):
        app.command()(verb)


def init(
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Where; the current folder if not given.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the project; the folder's if not given.")] = None,
    project_id: Annotated[str, typer.Option("--project", help="The Google Cloud project of `dev`.")] = "my-project-id",
    region: Annotated[str, typer.Option("--region", help="Its region.")] = "europe-west1",
) -> None:
    """Start a project: YAML only, no generated code. Nothing that exists is touched."""
    from envctl.actions.init import InitRequest
    from envctl.actions.init import init as start

    done = start(InitRequest(directory or CONSOLE.directory, name, project_id, region))
    lines = [f"wrote  {path}" for path in done.written] + [f"kept   {path}" for path in done.kept]
    lines += ["", "Next:", "    envctl validate", "    envctl preview dev --cloud sandbox"]
    CONSOLE.emit("\n".join(lines))


def validate(
    environments: EnvironmentNames = None,
    format_: Annotated[ValidateFormat, typer.Option("--format", help="How to write it.")] = ValidateFormat.TEXT,
    output: Output = None,
) -> int:
    """Show every problem of the files at once, each with file, line and column. Needs no cloud."""
    from envctl.actions.validate import ValidateRequest
    from envctl.actions.validate import validate as check
    from envctl.spec.project import find_root

    found = check(ValidateRequest(find_root(CONSOLE.directory), tuple(environments or ())))
    match format_:
        case ValidateFormat.TEXT:
            from envctl.report.diagnostics_text import render_diagnostics

            told = render_diagnostics(found.diagnostics, CONSOLE.style())
            CONSOLE.emit(told + (f"Valid: {', '.join(found.checked)}.\n" if found.valid else ""), output)
        case ValidateFormat.JSON:
            from envctl.report.diagnostics_json import dump_validation

            CONSOLE.emit_json(dump_validation(found.checked, found.diagnostics), output)
        case ValidateFormat.GITHUB:
            from envctl.report.diagnostics_github import render_diagnostics_github

            CONSOLE.emit(render_diagnostics_github(found.diagnostics), output)
        case ValidateFormat.SARIF:
            from envctl.report.diagnostics_sarif import dump_sarif

            CONSOLE.emit_json(dump_sarif(found.diagnostics), output)
    return found.exit_code


def show(
    target: Annotated[
        str, typer.Argument(metavar="PLAN|ENV", help="A saved plan, or the stem of a file below environments/.")
    ],
    format_: Annotated[PlanFormat, typer.Option("--format", help="How to write it.")] = PlanFormat.TEXT,
    output: Output = None,
) -> int:
    """Show a saved plan again, or the resolved environment with the origin of each value."""
    path = Path(target)
    if path.is_file() and not _is_stem(target):
        _show_plan(path, format_, output)
    else:
        _show_environment(target, format_, output)
    return ExitCode.DONE


def _is_stem(target: str) -> bool:
    """Whether a file below environments/ is called so; a plan of that very name is shown by a path, `./NAME`."""
    from envctl.spec.project import find_root, load_project

    try:
        return target in load_project(find_root(CONSOLE.directory)).files
    except EnvctlError:  # a plan can be read anywhere; whoever wants an environment meets the error again
        return False


def _show_plan(path: Path, format_: PlanFormat, output: Path | None) -> None:
    from envctl.actions.apply import read_saved
    from envctl.plan.wire import dump_plan

    plan = read_saved(path)
    match format_:
        case PlanFormat.TEXT:
            from envctl.report.plan_text import render_plan

            CONSOLE.emit(render_plan(plan, CONSOLE.style(), verbose=CONSOLE.verbose), output)
        case PlanFormat.MARKDOWN:
            from envctl.report.plan_markdown import render_plan_markdown

            CONSOLE.emit(render_plan_markdown(plan), output)
        case PlanFormat.JSON:
            CONSOLE.emit_json(dump_plan(plan), output, private=True)


def _show_environment(name: str, format_: PlanFormat, output: Path | None) -> None:
    from envctl.actions.show_spec import ShowSpecRequest, show_spec
    from envctl.report.spec_report import dump_spec, render_spec, render_spec_markdown
    from envctl.spec.project import find_root

    shown = show_spec(ShowSpecRequest(find_root(CONSOLE.directory), name))
    match format_:
        case PlanFormat.TEXT:
            CONSOLE.emit(render_spec(shown.loaded, shown.rows, CONSOLE.style()), output)
        case PlanFormat.JSON:
            CONSOLE.emit_json(dump_spec(shown.loaded, shown.rows), output)
        case PlanFormat.MARKDOWN:
            CONSOLE.emit(render_spec_markdown(shown.loaded, shown.rows), output)


def schema(
    kind: Annotated[SchemaChoice, typer.Argument(help="Of which file.")] = SchemaChoice.ENVIRONMENT,
    output: Output = None,
) -> None:
    """Write the JSON Schema of environment files, for editors."""
    from envctl.actions.schema import SchemaKind
    from envctl.actions.schema import schema as write

    CONSOLE.emit_json(write(SchemaKind(kind.value)), output)
