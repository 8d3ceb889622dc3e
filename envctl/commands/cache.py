"""cache dir, clean: what indexes said before."""

from __future__ import annotations

import os

import typer

from envctl.commands.console import CONSOLE


def register(app: typer.Typer) -> None:
    """Adds the group."""
    group = typer.Typer(help="What package indexes said before, kept on disk.", no_args_is_help=True)
    group.command("dir")(dir_)
    group.command()(clean)
    app.add_typer(group, name="cache")


def dir_() -> None:
    """Print the folder of the cache; `ENVCTL_CACHE_DIR` names another one."""
    from envctl.actions.cache import cache_folder

    CONSOLE.emit(str(cache_folder(os.environ)))


def clean() -> None:
    """Delete the cached pages and metadata; the next check asks for them again."""
    from envctl.actions.cache import clean_cache

    done = clean_cache(os.environ)
    CONSOLE.emit(f"Deleted {done.files} files, {done.size / 1e6:.1f} MB, from {done.folder}.")
