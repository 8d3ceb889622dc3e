"""How a command declares its options and arguments: as `typer.Option` and `typer.Argument`, without importing typer.

Typer's import is a quarter of a check from the cache. These records stand in the same `Annotated[...]` places; the
typer command line is made from them (`envctl.commands.line`), and a plain call is read by them
(`envctl.commands.plain`). A command may use typer's own as well; then it is always called through typer.
"""

from __future__ import annotations

from typing import Any


class Parameter:
    """What is said of one parameter: its names, and typer's keyword settings as they are."""

    __slots__ = ("names", "settings")

    def __init__(self, *names: str, **settings: Any) -> None:
        self.names = names
        self.settings = settings


class Option(Parameter):
    """A parameter given by name, such as `--offline`."""

    __slots__ = ()


class Argument(Parameter):
    """A parameter given by its place."""

    __slots__ = ()
