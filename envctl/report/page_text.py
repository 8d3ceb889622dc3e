"""A page of `explain` as text."""

from __future__ import annotations

import re
import textwrap

from envctl.report.style import PLAIN, Style, printable

_FIELD = re.compile(r"[A-Z][\w ]*: ")
"""A line such as `Cure: ...` stays a line of its own."""


def render_page(identifier: str, kind: str, title: str, text: str, style: Style = PLAIN) -> str:
    """Id and kind, title, and the text with its paragraphs filled; indented lines and lists stay as they are."""
    head = f"{style(printable(identifier), 'bold', 'cyan')} {style(f'({kind})', 'dim')}"
    paragraphs = [_paragraph(block) for block in printable(text).split("\n\n")]
    shown = [head] + ([style(printable(title), "bold")] if title != identifier else []) + paragraphs
    return "\n\n".join(part for part in shown if part)


def _paragraph(block: str) -> str:
    lines = block.splitlines()
    if any(line.startswith((" ", "-", "*", "|")) for line in lines):
        return block
    if all(_FIELD.match(line) for line in lines):
        return "\n".join(_filled(line, "    ") for line in lines)
    return _filled(block, "")


def _filled(text: str, indent: str) -> str:
    return textwrap.fill(text, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
