"""The text of a page or list, from the bytes of a file or an answer.

Raises `InvalidInputError` with the place of the first byte that is no text, never a guess: what is read here decides
verdicts.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from envctl.diagnostics import Diagnostic, Hint, SourceSpan
from envctl.errors import InvalidInputError

MOST_BYTES = 64 * 1024 * 1024
"""A page larger than this is refused; Google's two had 3.5 million characters together in April 2026."""

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def page_text(content: bytes, place: str, charset: str | None = None) -> str:
    """The text of some bytes.

    Args:
        content: UTF-8, or UTF-16 with its mark, as Windows PowerShell redirects what a program prints.
        place: file or address, for the diagnostic.
        charset: what the sender said of it; None for a file, which says nothing.

    Raises:
        InvalidInputError: the bytes are no such text, or too many.
    """
    if len(content) > MOST_BYTES:
        raise InvalidInputError((_problem(f"it has more than {MOST_BYTES // 1024**2} MB", place),))
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), charset or "utf-8")
    try:
        return content.decode(encoding)
    except LookupError:
        raise InvalidInputError(
            (_problem(f"nobody knows the encoding `{encoding}` it claims to have", place),)
        ) from None
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        start = before.rfind(b"\n") + 1
        shown = content[start:].split(b"\n", 1)[0][:200].decode(encoding, "replace").rstrip("\r")
        column = len(content[start : error.start].decode(encoding, "replace")) + 1
        span = SourceSpan(page_file(place), line, column, column + 1, shown)
        reason = f"the byte 0x{content[error.start]:02x} is no {encoding.upper()}; the file may be Latin-1"
        hint = Hint("write it as UTF-8", f"iconv -f LATIN1 -t UTF-8 {place} > list-utf8.txt")
        raise InvalidInputError((_problem(reason, place)._replace(span=span, hints=(hint,)),)) from None


def _problem(reason: str, place: str) -> Diagnostic:
    return Diagnostic(
        "image-list-invalid",
        "This is no list of preinstalled packages",
        f"{place}: {reason}.",
        SourceSpan(page_file(place), 1),
    )


def page_file(place: str) -> Path:
    """The file that a diagnostic of a page names: of an address, its last part."""
    return Path(place.rstrip("/").rpartition("/")[2] if "://" in place else place)
