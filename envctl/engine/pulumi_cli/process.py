"""The Pulumi CLI as a child that envctl can stop: once in order, twice at once.

Importing this module imports Pulumi's Automation API.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from pulumi.automation import PulumiCommand
from pulumi.automation._cmd import CommandResult
from pulumi.automation.errors import create_command_error

OnOutput = Callable[[str], Any]

_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 10.0
_MUTATING = frozenset({"up", "destroy", "refresh", "import"})

# Linux ends a process that asked for it together with its parent; elsewhere the CLI outlives a killed envctl, loses
# its provider and reports failed steps. prctl(PR_SET_PDEATHSIG = 1, SIGKILL), from <linux/prctl.h>.
_BOUND = (
    "import ctypes, os, sys\n"
    "ctypes.CDLL(None).prctl(1, 9)\n"
    "os._exit(1) if os.getppid() != int(sys.argv[1]) else os.execvp(sys.argv[2], sys.argv[2:])\n"
)


class OwnedCommand(PulumiCommand):
    """Runs the CLI in a session of its own, so that a signal reaches it once: from here.

    Attributes:
        cancel: when set during a run, the CLI gets one interrupt: it starts no further step, and asks the provider
            to give up waiting.
        dies_with_us: whether a killed envctl takes a CLI that changes things with it. So it must be when envctl
            serves the provider: a CLI without it would note steps as failed that the cloud carries out.
    """

    cancel: threading.Event | None = None
    dies_with_us: bool = False

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
    ) -> CommandResult:
        """What the command said. Raises `CommandError` when it failed; an interrupt here ends it at once."""
        environment = {**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        if (own := Path(self.command)).is_absolute():
            environment["PATH"] = os.pathsep.join([str(own.parent), environment["PATH"]])
        command = [self.command, "--non-interactive", *args]
        if self.dies_with_us and sys.platform == "linux" and args and args[0] in _MUTATING:
            command = [sys.executable, "-I", "-S", "-c", _BOUND, str(os.getpid()), *command]
        said: list[str] = []
        complained: list[str] = []
        with subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environment,
            encoding="utf-8",
            start_new_session=True,
            umask=-1 if os.name == "nt" else 0o077,  # settings and states are nobody else's to read
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            readers = [
                _reader(process.stdout, on_output, said),
                _reader(process.stderr, on_error, complained),
            ]
            try:
                self._attend(process, readers)
            except BaseException:
                _end(process)
                raise
            code = process.wait()
        result = CommandResult(stdout="\n".join(said), stderr="\n".join(complained), code=code)
        if code != 0:
            raise create_command_error(result)
        return result

    def _attend(self, process: subprocess.Popen[str], readers: Iterable[threading.Thread]) -> None:
        told = False
        for reader in readers:
            while reader.is_alive():
                reader.join(_LOOK_SECONDS)
                if not told and self.cancel is not None and self.cancel.is_set():
                    process.send_signal(signal.SIGINT)
                    told = True


def _reader(stream: IO[str], callback: OnOutput | None, lines: list[str]) -> threading.Thread:
    def read() -> None:
        for line in stream:
            text = line.rstrip()
            if callback is not None:
                callback(text)
            lines.append(text)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _end(process: subprocess.Popen[str]) -> None:
    """Ends the CLI without waiting for running steps; its state keeps them as pending."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
            return
