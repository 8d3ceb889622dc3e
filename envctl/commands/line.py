"""The whole command line as typer's application: every verb and global option, help and completion."""

from __future__ import annotations

import inspect
from copy import copy
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer
from typer.main import get_command, get_command_name

from envctl import __version__
from envctl.commands import (
    adoption,
    cache,
    deps,
    diagnosis,
    files,
    images,
    lifecycle,
    pulumi_setup,
    reading,
    sandbox,
    state,
)
from envctl.commands.console import CONSOLE
from envctl.commands.parameters import Option, Parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typer.core import TyperGroup
    from typer.models import CommandInfo


class PastTyper(BaseException):
    """Carries `error` through typer, which would end the process in its own way."""

    def __init__(self, error: KeyboardInterrupt | BrokenPipeError) -> None:
        super().__init__(str(error))
        self.error = error


_app = typer.Typer(
    name="envctl",
    help="Cloud Composer environments as reviewable YAML: one file per environment, every change a diff.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for _family in (files, lifecycle, reading, adoption, state, deps, images, cache, diagnosis, sandbox, pulumi_setup):
    _family.register(_app)


def _show_version(value: bool) -> None:
    if value:
        CONSOLE.emit(f"envctl {__version__}")
        raise typer.Exit


@_app.callback()
def _global_options(
    directory: Annotated[
        Path, typer.Option("-C", "--directory", help="Work as if started in this folder.", metavar="DIR")
    ] = Path(),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but results and errors.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
    color: Annotated[
        bool | None, typer.Option("--color/--no-color", help="Colours; without it as the terminal and NO_COLOR say.")
    ] = None,
    version: Annotated[  # noqa: ARG001  (its callback acts)
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    CONSOLE.set_up(directory=directory, quiet=quiet, verbose=verbose, color=color)


def command_for(arguments: Sequence[str]) -> TyperGroup:
    """The command line with the one verb that the arguments begin with, or whole when they begin otherwise.

    Typer makes all verbs before it looks at the arguments, a millisecond for each.
    """
    first = arguments[0] if arguments else ""
    narrowed = copy(_app)
    narrowed.registered_commands = [
        verb
        for verb in _app.registered_commands
        if verb.callback and first == (verb.name or get_command_name(verb.callback.__name__))
    ]
    narrowed.registered_groups = [group for group in _app.registered_groups if first == group.name]
    if not (narrowed.registered_commands or narrowed.registered_groups):
        narrowed = copy(_app)
    narrowed.registered_commands = [_typed(verb) for verb in narrowed.registered_commands]
    narrowed.registered_groups = [copy(group) for group in narrowed.registered_groups]
    for group in narrowed.registered_groups:
        assert group.typer_instance is not None
        group.typer_instance = copy(group.typer_instance)
        group.typer_instance.registered_commands = [_typed(verb) for verb in group.typer_instance.registered_commands]
    return get_command(narrowed)  # type: ignore[return-value]  (an application with a callback makes a group)


def _typed(verb: CommandInfo) -> CommandInfo:
    """The verb with typer's own words for its parameters."""
    typed = copy(verb)
    assert verb.callback is not None
    typed.callback = for_typer(verb.callback)
    return typed


def for_typer(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same command with every `Option` and `Argument` of ours as the one of typer."""
    signature = inspect.signature(function, eval_str=True)
    parameters = [one.replace(annotation=_annotation(one.annotation)) for one in signature.parameters.values()]

    @wraps(function)
    def call(**given: Any) -> Any:
        try:
            return function(**given)
        except (KeyboardInterrupt, BrokenPipeError) as error:
            raise PastTyper(error) from error

    call.__dict__["__signature__"] = signature.replace(parameters=parameters)
    call.__annotations__ = {one.name: one.annotation for one in parameters}
    return call


def _annotation(annotation: Any) -> Any:
    if get_origin(annotation) is not Annotated:
        return annotation
    inner, *about = get_args(annotation)
    return Annotated[(inner, *(_parameter(one) if isinstance(one, Parameter) else one for one in about))]


def _parameter(one: Parameter) -> Any:
    return typer.Option(*one.names, **one.settings) if isinstance(one, Option) else typer.Argument(**one.settings)
