"""Upload times in one comparable form."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_USUAL = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?Z", re.ASCII)


def normalised_time(text: str | None) -> str | None:
    """`2024-05-01T10:00:00.000000Z` for any ISO 8601 time (without offset: UTC); None for anything else.

    Times in this form compare as text.
    """
    if not text:
        return None
    match = _USUAL.fullmatch(text)
    if match is not None:
        return f"{match[1]}.{(match[2] or ''):0<6}Z"
    try:
        parsed = datetime.fromisoformat(text)
        return time_text(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def time_text(moment: datetime) -> str:
    """The comparable form of an aware datetime."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")
