"""What the command line prints and asks: data to stdout, everything else to stderr; secrets to neither."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from envctl.errors import EnvctlError, InvalidInputError, OutsideError, RefusedError
from envctl.masking import mask, mask_document
from envctl.private_files import write_private
from envctl.report.style import Style


def _write_stdout(text: str) -> None:
    if sys.stdout is None:
        raise OutsideError("Nothing can be written to stdout", detail="It is closed.", code="stdout-unwritable")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # What is left in the buffer would fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        detail = error.strerror or str(error)
        raise OutsideError("Nothing can be written to stdout", detail=detail, code="stdout-unwritable") from error


class Console:
    """The terminal as the user set it; one for the whole process."""

    def __init__(self) -> None:
        self.set_up()

    def set_up(
        self, *, directory: Path = Path(), quiet: bool = False, verbose: bool = False, color: bool | None = None
    ) -> None:
        """Takes the global options; without one, its default."""
        self.directory = directory
        self.quiet = quiet
        self.verbose = verbose
        self.color = color

    def style(self, *, error: bool = False) -> Style:
        """Colours for stdout (or stderr), as `NO_COLOR`, `FORCE_COLOR` and the terminal allow."""
        if self.color is not None:
            return Style(self.color)
        if os.environ.get("NO_COLOR"):
            return Style(color=False)
        if os.environ.get("FORCE_COLOR"):
            return Style(color=True)
        stream = sys.stderr if error else sys.stdout
        # Python has no stream at all where the descriptor is closed.
        return Style(bool(stream) and stream.isatty() and os.environ.get("TERM") != "dumb")

    def emit(self, text: str, output: Path | None = None) -> None:
        """Data: to stdout, or to a file that is written whole or not at all. Secrets are masked.

        Raises:
            OutsideError: stdout is closed, or its disk is full.
            BrokenPipeError: nobody reads it any more.
        """
        self._put(mask(text), output)

    def emit_json(self, document: Any, output: Path | None = None, *, private: bool = False) -> None:
        """A document as indented JSON, secrets in its texts masked: as a text it could become something else.

        With `private` the file is its owner's alone: a plan or a state, which hold what goes into resources.
        """
        self.emit_state(mask_document(document), output, private=private)

    def emit_state(self, document: Any, output: Path | None = None, *, private: bool = True) -> None:
        """A document as it is: a state that is to be read back, whose secrets are encrypted."""
        self._put(json.dumps(document, indent=2, ensure_ascii=False) + "\n", output, private=private)

    def _put(self, text: str, output: Path | None, *, private: bool = False) -> None:
        if output is None:
            _write_stdout(text if text.endswith("\n") else text + "\n")
            return
        write_whole(output, text, private=private)
        self.say(f"Wrote {output}.")

    def say(self, text: str) -> None:
        """A message, unless `--quiet`."""
        if not self.quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """A message that even `--quiet` does not drop."""
        text = mask(text)
        sys.stderr.write(text if text.endswith("\n") else text + "\n")
        sys.stderr.flush()

    def show_error(self, error: EnvctlError) -> None:
        """The error on stderr: with every diagnostic when it carries some."""
        style = self.style(error=True)
        if isinstance(error, InvalidInputError) and error.diagnostics:
            from envctl.report.diagnostics_text import render_diagnostics

            self.warn(render_diagnostics(error.diagnostics, style))
            return
        from envctl.report.errors_text import render_error

        self.warn(render_error(error, style))

    def confirm(self, question: str, *, expected: str = "yes", cure: str = "--yes") -> None:
        """Goes on only when the user types `expected`.

        Raises:
            RefusedError: the answer is another one, or nobody is there to answer.
        """
        if not sys.stdin.isatty():
            raise RefusedError(
                "Nobody is there to confirm",
                detail="Standard input is not a terminal.",
                hints=(f"Add `{cure}` when the plan is known to be right.",),
                code="confirmation-missing",
            )
        sys.stderr.write(f"{mask(question)}\n  Type {expected!r} to go on: ")
        sys.stderr.flush()
        if sys.stdin.readline().strip() != expected:
            raise RefusedError("Not confirmed; nothing was changed", code="not-confirmed")


CONSOLE = Console()


def write_whole(path: Path, text: str, *, private: bool = False) -> None:
    """Writes a file atomically; with `private` for its owner alone.

    Raises:
        OutsideError: the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if private:
            write_private(path, text.encode("utf-8"))
        else:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise OutsideError(
            "The file cannot be written", detail=f"{path}: {error.strerror}", code="file-unwritable"
        ) from error
