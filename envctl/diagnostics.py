"""The carriers of bad input: `Diagnostic` with its code, place and hints.

A diagnostic's summary is a fixed sentence per code; what the user wrote goes into `detail` and `span`.
Rendering lives in `envctl.report`.

These and the values of the clash check are named tuples and plain classes: `dataclasses` imports `inspect`, and with the
classes that it would make it takes a fifth of a check from the cache.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from envctl.masking import MASK, spans_of_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Severity(StrEnum):
    """How much a diagnostic or a finding weighs."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class SourceSpan(NamedTuple):
    """A place in a text file: 1-based line and columns, `end_column` exclusive.

    `text` is the whole source line, kept here so that a renderer need not read the file again.
    """

    file: Path
    line: int
    column: int = 1
    end_column: int | None = None
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def masked(self, hidden: Iterable[tuple[int, int]] = ()) -> SourceSpan:
        """The place with the secrets of its line masked, and its columns moved with what became shorter.

        `hidden` are further secrets of the line: pairs of start and end, from 0.
        """
        spans = spans_of_line(self.text, hidden)
        if not spans:
            return self

        def moved(place: int, within: int) -> int:
            shift = 0
            for start, end in spans:
                if place >= end:
                    shift += len(MASK) - (end - start)
                elif place > start:
                    return start + shift + within
            return place + shift

        text, last = "", 0
        for start, end in spans:
            text, last = text + self.text[last:start] + MASK, end
        column = moved(self.column - 1, 0) + 1
        behind = moved(self.end_column - 1, len(MASK)) + 1 if self.end_column else None
        return self._replace(text=text + self.text[last:], column=column, end_column=behind and max(behind, column + 1))


class Hint(NamedTuple):
    """One thing to do about it: a sentence, and optionally a command or a replacement text."""

    text: str
    command: str | None = None
    replacement: str | None = None


class Diagnostic(NamedTuple):
    """One problem of a file the user wrote.

    `code` is stable and documented (`envctl explain CODE`); `summary` never holds user data.
    """

    code: str
    summary: str
    detail: str = ""
    span: SourceSpan | None = None
    hints: tuple[Hint, ...] = ()
    severity: Severity = Severity.ERROR


def sort_diagnostics(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """The same diagnostics in file, line, column order; those without a place come first."""
    return sorted(
        diagnostics,
        key=lambda d: (str(d.span.file), d.span.line, d.span.column, d.code) if d.span else ("", 0, 0, d.code),
    )
