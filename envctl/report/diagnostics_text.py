"""Problems of files as a terminal shows them: code, place, the line with a caret, why, what to do."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from envctl.diagnostics import Diagnostic, Severity, SourceSpan
from envctl.report.style import PLAIN, Style, printable

_COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_TAB = "    "
_MOST = 120
"""Characters of a source line that are shown; longer lines are cut around the caret."""
_BEFORE = 40


def render_diagnostics(diagnostics: Sequence[Diagnostic], style: Style = PLAIN) -> str:
    """Every diagnostic with its source line, and the number of errors and warnings at the end.

    Empty text for none.
    """
    if not diagnostics:
        return ""
    blocks = [_diagnostic(each, style) for each in diagnostics]
    return "\n\n".join(blocks) + f"\n\n{count_diagnostics(diagnostics)}\n"


def count_diagnostics(diagnostics: Sequence[Diagnostic]) -> str:
    """`2 errors, 1 warning`; `no problems` for none."""
    counts = [
        (sum(each.severity is severity for each in diagnostics), severity.value)
        for severity in (Severity.ERROR, Severity.WARNING, Severity.NOTE)
    ]
    return ", ".join(f"{count} {word}{'s' if count != 1 else ''}" for count, word in counts if count) or "no problems"


def _diagnostic(diagnostic: Diagnostic, style: Style) -> str:
    color = _COLORS[diagnostic.severity]
    head = style(f"{diagnostic.severity}[{diagnostic.code}]", color, "bold")
    lines = [f"{head}: {style(printable(diagnostic.summary), 'bold')}"]
    if diagnostic.span is not None:
        lines += _excerpt(diagnostic.span, color, style)
    lines += printable(diagnostic.detail).splitlines()
    for hint in diagnostic.hints:
        lines += ["", f"{style('hint', 'cyan', 'bold')}: {printable(hint.text)}"]
        if hint.command:
            lines.append(f"    {printable(hint.command)}")
    return "\n".join(lines)


def _excerpt(span: SourceSpan, color: str, style: Style) -> list[str]:
    """The place, and the source line with a caret under the fault; the place alone where no line is known."""
    span = span.masked()
    number = str(span.line)
    arrow = style("-->", "blue")
    if not span.text.strip():
        return [f"  {arrow} {printable(str(span))}"]
    text, start, end = _window(span)
    width = max(_width(text[start:end]), 1)
    pad = " " * _width(text[:start])
    bar = style("|", "blue")
    return [
        f"  {arrow} {printable(str(span))}",
        f"{style(f'{number:>5}', 'blue')} {bar} {text}",
        f"      {bar} {pad}{style('^' * width, color)}",
    ]


def _window(span: SourceSpan) -> tuple[str, int, int]:
    """The line without tabs, cut to what fits, and where the fault starts and ends in it."""
    raw = span.text
    first = min(span.column - 1, len(raw))
    last = min((span.end_column or span.column + 1) - 1, max(len(raw), first + 1))
    start = len(raw[:first].replace("\t", _TAB))
    end = max(len(raw[:last].replace("\t", _TAB)), start + 1)
    text = "".join(each if each.isprintable() else "\ufffd" for each in raw.replace("\t", _TAB)).rstrip()
    if len(text) > _MOST:
        cut = max(min(start - _BEFORE, len(text) - _MOST), 0)
        text = ("..." if cut else "") + text[cut : cut + _MOST] + ("..." if cut + _MOST < len(text) else "")
        shift = cut - (3 if cut else 0)
        start, end = start - shift, min(end - shift, len(text))
    return text, start, end


def _width(text: str) -> int:
    """Columns that the text takes on a terminal."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in {"W", "F"} else 1
        for each in text
    )
