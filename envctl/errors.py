"""Exit codes and the exceptions that end a command.

`cli.py` is the only place that turns an `EnvctlError` into text and an exit code. Everything below it
raises one of these, or returns diagnostics and findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the only upward glance: diagnostics stand one room above
    from envctl.diagnostics import Diagnostic


class ExitCode(IntEnum):
    """What the process says to its caller; the table stands in `docs/exit-codes.md`."""

    DONE = 0
    NEGATIVE = 1
    USAGE = 2
    INVALID = 3
    OUTSIDE = 4
    REFUSED = 5
    PENDING = 10
    BUG = 70
    DETACHED = 75
    INTERRUPTED = 130
    TERMINATED = 143


GRAVITY = (
    ExitCode.INTERRUPTED,
    ExitCode.TERMINATED,
    ExitCode.BUG,
    ExitCode.OUTSIDE,
    ExitCode.INVALID,
    ExitCode.USAGE,
    ExitCode.REFUSED,
    ExitCode.NEGATIVE,
    ExitCode.DETACHED,
    ExitCode.PENDING,
    ExitCode.DONE,
)
"""Every exit code, the gravest first: what several outcomes of one command add up to."""


def gravest(codes: Iterable[ExitCode]) -> ExitCode:
    """The one exit code that several outcomes add up to, whatever their order; `DONE` for none."""
    return min(codes, key=GRAVITY.index, default=ExitCode.DONE)


class EnvctlError(Exception):
    """Work cannot go on.

    Args:
        summary: what happened, one sentence without a full stop.
        detail: why, with names and figures; may be several lines.
        hints: what to do next, each a sentence; a command stands alone after a newline and four blanks.
        code: stable identifier that `envctl explain` knows.
    """

    exit_code: ExitCode = ExitCode.BUG
    code: str = "bug"

    def __init__(self, summary: str, *, detail: str = "", hints: Sequence[str] = (), code: str | None = None) -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail
        self.hints = tuple(hints)
        if code is not None:
            self.code = code


class UsageError(EnvctlError):
    """The command line asks for something that does not exist or does not go together."""

    exit_code = ExitCode.USAGE
    code = "usage"


class InvalidInputError(EnvctlError):
    """One or more files are wrong; carries every diagnostic that was found."""

    exit_code = ExitCode.INVALID
    code = "invalid-input"

    def __init__(self, diagnostics: Sequence[Diagnostic], summary: str = "The files have problems") -> None:
        super().__init__(summary)
        self.diagnostics = tuple(diagnostics)


class OutsideError(EnvctlError):
    """The cloud, the network, the package index or Pulumi failed or said no."""

    exit_code = ExitCode.OUTSIDE
    code = "outside"


class RefusedError(EnvctlError):
    """envctl will not do it: stale plan, protection, lock, missing confirmation, unreadable state."""

    exit_code = ExitCode.REFUSED
    code = "refused"


class NegativeVerdictError(EnvctlError):
    """A gate said no: package conflict, failed check, violated policy."""

    exit_code = ExitCode.NEGATIVE
    code = "gate"


class DetachedError(EnvctlError):
    """An operation goes on in the cloud; the message says how to attach again."""

    exit_code = ExitCode.DETACHED
    code = "detached"


class InterruptedByUserError(EnvctlError):
    """Ctrl-C or SIGTERM; the message says what was done and what was not."""

    exit_code = ExitCode.INTERRUPTED
    code = "interrupted"
