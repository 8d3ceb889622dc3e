"""Foreign text in GitHub-flavoured Markdown: nothing in it opens a cell, a tag, a bracketed link or a code span."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envctl.report.style import printable

_BREAKING = frozenset("`|<")


def cell(text: str) -> str:
    """Text for a table cell or a sentence, on one line; it reads as it is written."""
    safe = printable(text).replace("\n", " ").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for sign in "\\`|*_[]":
        safe = safe.replace(sign, "\\" + sign)
    return safe


def code(text: str) -> str:
    """Text as code; nothing for empty text, which no code span can hold."""
    if not text.strip():
        return ""
    if _BREAKING.isdisjoint(text) and text.isprintable():
        return f"`{text}`"
    return f"<code>{cell(text)}</code>"  # entities and escapes mean nothing between backticks


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; cells are Markdown already."""
    lines = [_row(headings), "|" + "---|" * len(headings)]
    return [*lines, *(_row(cells) for cells in rows)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
