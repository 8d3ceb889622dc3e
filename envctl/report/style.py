"""Colour for terminals, and text that cannot harm one."""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}


class Style(NamedTuple):
    """Wraps text in ANSI codes when `color` is true, and leaves it alone otherwise."""

    color: bool = False

    def __call__(self, text: str, *names: str) -> str:
        """The text in the named styles: bold, dim, red, green, yellow, blue, magenta, cyan."""
        if not self.color or not names or not text:
            return text
        return f"\x1b[{';'.join(_CODES[name] for name in names)}m{text}\x1b[0m"


PLAIN = Style(color=False)


def printable(text: str) -> str:
    """The text with control and direction characters spelled out, so that names cannot steer a terminal."""
    if text.isprintable():
        return text
    return "".join(
        character if character in "\n\t" or unicodedata.category(character)[0] != "C" else f"\\u{ord(character):04x}"
        for character in text
    )
