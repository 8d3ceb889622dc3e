"""state list, show, export, import, move, rename, migrate, forget, unlock, repair."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from envctl.commands.console import CONSOLE
from envctl.commands.options import Cloud, CloudChoice, EngineOption, EnvironmentName, Output, TableFormat, Yes
from envctl.commands.selection import open_workspace_of
from envctl.errors import UsageError

Resource = Annotated[str, typer.Argument(metavar="RESOURCE", help="Logical name, or URN.")]


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(help="What envctl remembers of a stack: look at it, mend it.", no_args_is_help=True)
    group.command("list")(list_)
    group.command("import")(import_)
    for verb in (show, export, move, rename, migrate, forget, unlock, repair):
        group.command()(verb)
    app.add_typer(group, name="state")


def list_(
    environment: EnvironmentName,
    cloud: Cloud = CloudChoice.GCP,
    engine: EngineOption = None,
    format_: Annotated[TableFormat, typer.Option("--format", help="How to write it.")] = TableFormat.TEXT,
    output: Output = None,
) -> None:
    """List every resource of the state."""
    from envctl.actions.state import list_state
    from envctl.report.state_report import dump_state_rows, render_state_rows

    rows = list_state(open_workspace_of(cloud, engine), environment)
    match format_:
        case TableFormat.TEXT:
            CONSOLE.emit(render_state_rows(rows), output)
        case TableFormat.JSON:
            CONSOLE.emit_json(dump_state_rows(environment, rows), output)


def show(
    environment: EnvironmentName, resource: Resource, cloud: Cloud = CloudChoice.GCP, engine: EngineOption = None
) -> None:
    """Show one resource as the state holds it; secrets stay encrypted."""
    from envctl.actions.state import show_state

    CONSOLE.emit_json(show_state(open_workspace_of(cloud, engine), environment, resource))


def export(
    environment: EnvironmentName, cloud: Cloud = CloudChoice.GCP, engine: EngineOption = None, output: Output = None
) -> None:
    """Write the state as `pulumi stack export` does."""
    from envctl.actions.state import export_state

    CONSOLE.emit_state(export_state(open_workspace_of(cloud, engine), environment), output)


def import_(
    environment: EnvironmentName,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A state as `state export` or `pulumi stack export` wrote it.")
    ],
    yes: Yes = False,
    cloud: Cloud = CloudChoice.GCP,
    engine: EngineOption = None,
) -> None:
    """Replace the state by an exported one."""
    from envctl.actions.state import import_state

    if not file.is_file():
        raise UsageError("The file is not there", detail=str(file))
    if not yes:
        CONSOLE.confirm(f"Replace the state of {environment} by {file}?")
    count = import_state(open_workspace_of(cloud, engine), environment, file)
    CONSOLE.say(f"Imported {count} resources. Look with\n    envctl preview {environment} --cloud {cloud.value}")


def move(
    environment: EnvironmentName,
    resource: Resource,
    new_name: Annotated[str, typer.Argument(metavar="NEW", help="The new logical name, or URN.")],
    cloud: Cloud = CloudChoice.GCP,
    engine: EngineOption = None,
) -> None:
    """Give a resource another name in the state; the cloud is not touched."""
    from envctl.actions.state import move_resource

    CONSOLE.emit(move_resource(open_workspace_of(cloud, engine), environment, resource, new_name))


def rename(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The file's name so far, without its ending.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its name from now on.")],
    yes: Yes = False,
    cloud: Cloud = CloudChoice.GCP,
    engine: EngineOption = None,
) -> None:
    """Give a file and its stack another name; the cloud is not touched."""
    from envctl.actions.renaming import rename_stack

    if not yes:
        CONSOLE.confirm(f"Rename the stack {old} to {new}? Its file becomes environments/{new}.yaml.")
    done = rename_stack(open_workspace_of(cloud, engine), old, new)
    if done.moved_file:
        CONSOLE.say(f"Renamed the file to {done.file.name}.")
    if done.wrote_name is not None:
        CONSOLE.say(f"Wrote `name: {done.wrote_name}` into it: names in the cloud stay as they are.")
    CONSOLE.say(f"The stack {new} holds what {old} held: {done.rows} rows." if done.rows else f"{old} had no state.")
    for place in done.mentions:
        CONSOLE.warn(f"warning: {place}: there is no {old} any more; write {new}")
    CONSOLE.say(f"Look with\n    envctl preview {new} --cloud {cloud.value}")


def migrate(
    to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help="gs://BUCKET[/PREFIX], or file:///FOLDER.")],
    yes: Yes = False,
    cloud: Cloud = CloudChoice.GCP,
    engine: EngineOption = None,
) -> None:
    """Carry every state, journal and history to a backend that a team shares."""
    from envctl.actions.migration import migrate_state
    from envctl.report.state_report import render_migrated

    workspace = open_workspace_of(cloud, engine)
    if not yes:
        CONSOLE.confirm(f"Carry the states of {workspace.project.name} from {workspace.backend} to {to}?")
    CONSOLE.emit(render_migrated(migrate_state(workspace, to)))


def forget(
    environment: EnvironmentName,
    resource: Resource,
    yes: Yes = False,
    cloud: Cloud = CloudChoice.GCP,
    engine: EngineOption = None,
) -> None:
    """Take a resource out of the state; it stays in the cloud."""
    from envctl.actions.state import forget_resource

    if not yes:
        CONSOLE.confirm(f"Forget {resource} of {environment}? It stays in the cloud, and envctl no longer knows it.")
    CONSOLE.say(f"Forgot {forget_resource(open_workspace_of(cloud, engine), environment, resource)}.")


def unlock(
    environment: EnvironmentName,
    force: Annotated[
        bool, typer.Option("--force", help="Although the process that holds it still works on this machine.")
    ] = False,
    cloud: Cloud = CloudChoice.GCP,
    engine: EngineOption = None,
) -> None:
    """Take away the lock that a dead run left, or one of another machine."""
    from envctl.actions.state import unlock_state

    holder = unlock_state(open_workspace_of(cloud, engine), environment, force=force)
    CONSOLE.say(f"Unlocked; held by {holder}." if holder else "It was not locked.")


def repair(
    environment: EnvironmentName,
    drop_pending: Annotated[
        bool,
        typer.Option(
            "--drop-pending", help="Also give up operations whose end nobody knows; look into the cloud first."
        ),
    ] = False,
    drop_secrets: Annotated[
        bool,
        typer.Option("--drop-secrets", help="Also give up the secrets of a state whose passphrase is lost for good."),
    ] = False,
    cloud: Cloud = CloudChoice.GCP,
    engine: EngineOption = None,
) -> None:
    """Mend what Pulumi would refuse: order, doubles, dangling dependencies, secrets that no key opens."""
    from envctl.actions.state import repair_state

    done = repair_state(
        open_workspace_of(cloud, engine), environment, drop_pending=drop_pending, drop_secrets=drop_secrets
    )
    CONSOLE.emit("\n".join(done) or "Nothing was wrong.")
