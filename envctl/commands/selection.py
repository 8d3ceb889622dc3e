"""Which workspace and environments a command line means, and asking each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from envctl.commands.console import CONSOLE
from envctl.commands.options import CloudChoice, EngineChoice
from envctl.errors import EnvctlError, ExitCode, UsageError

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace

T = TypeVar("T")


def open_workspace_of(cloud: CloudChoice, engine: EngineChoice | None) -> Workspace:
    """The workspace that the command line means."""
    from envctl.actions.clouds import CloudName
    from envctl.actions.workspace import EngineName, open_workspace

    return open_workspace(CONSOLE.directory, CloudName(cloud.value), EngineName(engine.value) if engine else None)


def names_of(workspace: Workspace, environments: list[str] | None, *, all_: bool) -> list[str]:
    """The environments that were named, all of the project when none was; foundations first.

    Raises:
        UsageError: names and `--all` together.
    """
    if environments and all_:
        raise UsageError("Either names or --all, not both")
    if environments:
        return environments
    return workspace.names()


def ask_each(names: list[str], ask: Callable[[str], T]) -> tuple[list[T], list[ExitCode]]:
    """What is known of each; an environment that cannot be asked is named, and hides none of the others."""
    found: list[T] = []
    codes: list[ExitCode] = []
    for name in names:
        try:
            found.append(ask(name))
        except EnvctlError as error:
            if len(names) == 1:
                raise
            show_error_of(name, error)
            codes.append(error.exit_code)
    return found, codes


def name_orphans(workspace: Workspace) -> None:
    """Warns of every stack whose file is gone."""
    for name in workspace.orphans():
        CONSOLE.warn(
            f"warning: {name}: its file is gone, and its stack is still there. If the file has another name now, "
            f"`envctl state rename {name} NEW` carries the stack over; else bring environments/{name}.yaml back and "
            f"destroy it. `envctl state list {name}` shows what it holds."
        )


def show_error_of(name: str, error: EnvctlError) -> None:
    """An error of one of several environments, under its name."""
    CONSOLE.warn(f"{name}:")
    CONSOLE.show_error(error)
