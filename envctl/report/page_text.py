"""A page of `explain` as text."""

from __future__ import annotations

import textwrap

from envctl.report.style import PLAIN, Style, printable


def render_page(identifier: str, kind: str, title: str, text: str, style: Style = PLAIN) -> str:
    """Id and kind, title, and the text with its paragraphs filled; indented lines and lists stay as they are."""
    head = f"{style(printable(identifier), 'bold', 'cyan')} {style(f'({kind})', 'dim')}"
    paragraphs = [
        block
        if any(line.startswith((" ", "-", "*", "|")) for line in block.splitlines())
        else textwrap.fill(block, 100, break_long_words=False, break_on_hyphens=False)
        for block in printable(text).split("\n\n")
    ]
    shown = [head] + ([style(printable(title), "bold")] if title != identifier else []) + paragraphs
    return "\n\n".join(part for part in shown if part)
