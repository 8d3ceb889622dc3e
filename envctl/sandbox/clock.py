"""The emulator's own time: it moves when an operation is polled, or when told to, never by waiting."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass(slots=True)
class Clock:
    """A clock that stands still until it is moved.

    Args:
        start: the first instant; the wall time of construction when left out. Always UTC.
    """

    start: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    elapsed: timedelta = timedelta(0)

    def now(self) -> datetime:
        """The virtual present."""
        return self.start + self.elapsed

    def advance(self, step: timedelta) -> None:
        """Move forward; a negative step is ignored, time does not run backwards."""
        self.elapsed += max(step, timedelta(0))

    def advance_to(self, instant: datetime) -> None:
        """Move forward to an instant; nothing happens when it is past."""
        self.advance(instant - self.now())

    def stamp(self) -> str:
        """The present as RFC 3339 in UTC with microseconds, the form that most of Google's APIs answer with."""
        return stamp(self.now())


def stamp(instant: datetime) -> str:
    """RFC 3339 in UTC with six digits of a second."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def milliseconds(instant: datetime) -> str:
    """RFC 3339 in UTC with three digits of a second, as Cloud Storage and Compute write it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


def parse_duration(text: str) -> timedelta:
    """The length of a duration as proto3 writes it (`3.5s`), which request bodies were checked for."""
    return timedelta(seconds=float(text.removesuffix("s")))


def parse_stamp(text: str) -> datetime:
    """The instant of an RFC 3339 text."""
    return datetime.fromisoformat(text)
