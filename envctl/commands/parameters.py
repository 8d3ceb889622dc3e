"""How a command declares its options and arguments: as `typer.Option` and `typer.Argument`, without importing typer.

Typer's import is a quarter of a check from the cache. These records stand in the same `Annotated[...]` places; the
typer command line is made from them (`envctl.commands.line`), and a plain call is read by them
(`envctl.commands.plain`). A command may use typer's own as well; then it is always called through typer.
"""

from __future__ import annotations

from typing import Any


class Parameter:
    """What is said of one parameter: typer's keyword settings as they are."""

    __slots__ = ("settings",)

    def __init__(self, **settings: Any) -> None:
        self.settings = settings


class Option(Parameter):
    """A parameter given by one of its names, such as `--offline`."""

    __slots__ = ("names",)

    def __init__(self, *names: str, **settings: Any) -> None:
        super().__init__(**settings)
        self.names = names


class Argument(Parameter):
    """A parameter given by its place; it has no names of its own."""

    __slots__ = ()
