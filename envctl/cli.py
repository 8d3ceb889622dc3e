"""The command `envctl`: arguments in, one action, exit code out.

The verbs stand in `envctl.commands`, one module per family; each imports its action when it runs, so that
`envctl --help` imports none. This module alone turns errors into text and exit codes.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from envctl import __version__
from envctl.commands import deps
from envctl.commands.console import CONSOLE
from envctl.commands.plain import read_plain
from envctl.errors import EnvctlError, ExitCode, UsageError
from envctl.masking import learn_environment, mask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from typer.exceptions import TyperException


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs one command and ends the process with its exit code."""
    # A command makes many objects that live to its end: looking for garbage among them every 700 allocations costs
    # a third of a large preview and finds nothing. Half a million is more than a usual command makes.
    gc.set_threshold(500_000, 50, 100)
    signal.signal(signal.SIGTERM, _terminate)
    code = int(run(arguments))
    # Python looks through everything once more for garbage before it ends, a tenth of a short command; what is frozen
    # it leaves alone. Exit handlers and the flush of the streams come as ever.
    gc.freeze()
    sys.exit(code)


def run(arguments: list[str] | None = None) -> ExitCode | int:
    """Runs one command; the exit code is the answer. Every error has been shown when this returns."""
    learn_environment(os.environ)
    try:
        result = _call(arguments)
    except KeyboardInterrupt:
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
    except ModuleNotFoundError as error:
        from envctl.parts import part_missing

        missing = part_missing(error, sys.argv[1:] if arguments is None else arguments)
        if missing is None:
            return _report_bug(error)
        CONSOLE.show_error(missing)
        return missing.exit_code
    except Exception as error:  # noqa: BLE001  (the last line of defence: a bug report instead of a traceback)
        return _report_bug(error)
    return result if isinstance(result, int) else ExitCode.DONE


def _call(arguments: list[str] | None) -> object:
    """What the command returns. A plain `envctl deps ...` is called at once, all else through typer."""
    words = sys.argv[1:] if arguments is None else arguments
    plain = _plain_call(words) if os.name != "nt" and "_ENVCTL_COMPLETE" not in os.environ else None
    if plain is not None:
        CONSOLE.set_up()
        return plain()

    import typer
    from typer.exceptions import TyperException

    from envctl.commands.line import PastTyper, command_for

    try:
        return command_for(words).main(args=arguments, prog_name="envctl", standalone_mode=False)
    except TyperException as error:
        return _show_usage(error)
    except PastTyper as carrier:
        raise carrier.error from None
    except typer.Abort:
        CONSOLE.warn("Interrupted.")
        return ExitCode.INTERRUPTED


def _plain_call(words: Sequence[str]) -> Callable[[], object] | None:
    """The command with what the words give it; None when typer must read them."""
    if len(words) < 2 or words[0] != "deps":
        return None
    verb = next((verb for verb in deps.verbs() if verb.__name__ == words[1]), None)
    given = read_plain(verb, words[2:]) if verb is not None else None
    return partial(verb, **given) if verb is not None and given is not None else None


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
        stream.write(mask(text))
    CONSOLE.warn(
        f"error[bug]: {type(error).__name__}: {error}\n"
        f"  This is a bug in envctl, not in your files.\n\n"
        f"hint: please report it and attach\n    {stream.name}\n"
    )
    return ExitCode.BUG
