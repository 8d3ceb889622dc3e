"""The error text is not recognised.

No signature knows the text, so what it means is open: which right, which principal and which resource it is about. What
can be read off it (accounts, APIs, projects, permissions) is named. The checks of the environment run all the same, for
what they find may be the cause. The text with a few lines before it often names more; `envctl doctor ENV --error -` takes
a whole log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from envctl.diagnostics import Severity
from envctl.doctor.model import UNRECOGNISED, Finding, Status

_NAMED: Final = (
    ("account", re.compile(r"\b[\w.-]{1,100}@[\w.-]{1,100}\.[a-z]{2,20}\b")),
    ("API", re.compile(r"\b[a-z][\w-]{1,60}\.googleapis\.com\b")),
    ("permission", re.compile(r"\b[a-z][a-zA-Z]{1,40}\.[a-zA-Z]{1,40}\.[a-zA-Z]{1,40}\b")),
    ("project", re.compile(r"\bprojects?[/ ]['\"]?([a-z][a-z0-9-]{4,28}[a-z0-9]|\d{6,20})\b")),
    ("role", re.compile(r"\broles/[\w.]{1,80}")),
    ("status", re.compile(r"\b[A-Z]{4,}_[A-Z_]{3,40}\b")),
)
_MOST: Final = 4
"""Names of one kind that are told."""


def unrecognised(pieces: Iterable[str]) -> Finding:
    """The verdict on a text in pieces: unknown, with what the text names as evidence."""
    named = list(_read_off(list(pieces)))
    return Finding(
        UNRECOGNISED,
        Status.UNKNOWN,
        Severity.ERROR,
        "what the error text means: which right, of whom and on what",
        evidence=(
            "the error text is not recognised: which right, of whom and on what it speaks of is not known; "
            + (f"it names {'; '.join(named)}" if named else "it names no account, API, project, permission or role"),
        ),
    )


def _read_off(pieces: list[str]) -> Iterator[str]:
    for kind, pattern in _NAMED:
        found = dict.fromkeys(
            (match[1] if match.lastindex else match[0]) for piece in pieces for match in pattern.finditer(piece)
        )
        names = [name for name in found if kind != "permission" or not name.endswith((".com", ".googleapis"))]
        if names:
            yield f"{kind} {', '.join(names[:_MOST])}"
