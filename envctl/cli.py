"""The command `envctl`: arguments in, one action, exit code out.

The verbs stand in `envctl.commands`, one module per family; each imports its action when it runs, so that
`envctl --help` imports none. This module alone turns errors into text and exit codes.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from copy import copy
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException
from typer.main import get_command_name

from envctl import __version__
from envctl.commands import adoption, deps, diagnosis, files, images, lifecycle, pulumi_setup, reading, sandbox, state
from envctl.commands.console import CONSOLE
from envctl.errors import EnvctlError, ExitCode, UsageError

app = typer.Typer(
    name="envctl",
    help="Cloud Composer environments as reviewable YAML: one file per environment, every change a diff.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for _family in (files, lifecycle, reading, adoption, state, deps, images, diagnosis, sandbox, pulumi_setup):
    _family.register(app)


def _show_version(value: bool) -> None:
    if value:
        CONSOLE.emit(f"envctl {__version__}")
        raise typer.Exit


@app.callback()
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
    CONSOLE.directory = directory
    CONSOLE.quiet = quiet
    CONSOLE.verbose = verbose
    CONSOLE.color = color


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs one command and ends the process with its exit code."""
    # A command makes many objects that live to its end: looking for garbage among them every 700 allocations costs
    # a third of a large preview and finds nothing. Half a million is more than a usual command makes.
    gc.set_threshold(500_000, 50, 100)
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(int(run(arguments)))


def run(arguments: list[str] | None = None) -> ExitCode | int:
    """Runs one command; the exit code is the answer. Every error has been shown when this returns."""
    command = typer.main.get_command(_beginning_with(sys.argv[1:] if arguments is None else arguments))
    try:
        result = command.main(args=arguments, prog_name="envctl", standalone_mode=False)
    except TyperException as error:
        return _show_usage(error)
    except (typer.Abort, KeyboardInterrupt):
        CONSOLE.warn("Interrupted.")
        return ExitCode.INTERRUPTED
    except _Terminated:
        CONSOLE.warn("Terminated.")
        return ExitCode.TERMINATED
    except BrokenPipeError:
        # The reader went away (`| head`): nothing is lost, and a second message would only fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except EnvctlError as error:
        CONSOLE.show_error(error)
        return error.exit_code
    except Exception as error:  # noqa: BLE001  (the last line of defence: a bug report instead of a traceback)
        return _report_bug(error)
    return result if isinstance(result, int) else ExitCode.DONE


def _beginning_with(arguments: list[str]) -> typer.Typer:
    """The command line with the one verb that the arguments begin with, or whole when they begin otherwise.

    Typer makes all verbs before it looks at the arguments, a millisecond for each: a sixth of `deps check` from cache.
    """
    first = arguments[0] if arguments else ""
    narrowed = copy(app)
    narrowed.registered_commands = [
        verb
        for verb in app.registered_commands
        if verb.callback and first == (verb.name or get_command_name(verb.callback.__name__))
    ]
    narrowed.registered_groups = [group for group in app.registered_groups if first == group.name]
    return narrowed if narrowed.registered_commands or narrowed.registered_groups else app


class _Terminated(BaseException):
    """SIGTERM arrived."""


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise _Terminated


def _show_usage(error: TyperException) -> int:
    """A wrong command line, in the form of every other error."""
    context = getattr(error, "ctx", None)
    if context is not None and error.format_message() in {"", context.get_help()}:  # no arguments at all
        CONSOLE.warn(context.get_help())
        return ExitCode.USAGE
    hints = (f"see\n    {context.command_path} --help",) if context is not None else ()
    CONSOLE.show_error(UsageError(error.format_message().rstrip("."), hints=hints))
    return ExitCode.USAGE


def _report_bug(error: Exception) -> ExitCode:
    import platform
    import tempfile
    import traceback

    text = "\n".join(
        [
            f"envctl {__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"command: {' '.join(sys.argv[1:2])} (arguments left out)",
            "",
            *traceback.format_exception(error),
        ]
    )
    with tempfile.NamedTemporaryFile("w", prefix="envctl-bug-", suffix=".txt", delete=False) as stream:
        stream.write(text)
    CONSOLE.warn(
        f"error[bug]: {type(error).__name__}: {error}\n"
        f"  This is a bug in envctl, not in your files.\n\n"
        f"hint: please report it and attach\n    {stream.name}\n"
    )
    return ExitCode.BUG
