"""setup: installs what `--cloud gcp` needs."""

from __future__ import annotations

import typer

from envctl.commands.console import CONSOLE
from envctl.commands.options import Yes
from envctl.errors import ExitCode


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(setup)


def setup(yes: Yes = False) -> int:
    """Install the Pulumi CLI and its Google Cloud plugin, after asking. `--cloud sandbox` needs neither."""
    from envctl.actions.setup import find_needed, install

    needed = find_needed()
    if needed.nothing:
        CONSOLE.emit("Everything that `--cloud gcp` needs is there.")
        return ExitCode.DONE
    missing = [each for each in (needed.cli, needed.plugin) if each is not None]
    CONSOLE.emit("\n".join(["Missing:", *(f"  {each}" for each in missing)]))
    if not yes:
        CONSOLE.confirm("Download and install this for you alone, from Pulumi's releases?")
    CONSOLE.emit("\n".join(f"Installed {each}" for each in install(needed)))
    return ExitCode.DONE
