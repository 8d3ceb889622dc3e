"""When: the maintenance window, snapshots, retention."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from envctl.diagnostics import Hint
from envctl.spec.model import Environment, Maintenance, Snapshots
from envctl.spec.rules.subject import Subject, Violation
from envctl.spec.tables import limits
from envctl.spec.tree import KeyPath

_OFFSET = re.compile(r"UTC(?:([+-])(\d{1,2}))?")
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
# crontab(5): minute, hour, day of month, month, day of week with 0 and 7 for Sunday.
_FIELDS = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
)


def check_schedules(subject: Subject) -> Iterator[Violation]:
    """Windows that Google accepts, schedules that are schedules."""
    spec = subject.spec
    if not isinstance(spec, Environment):
        return
    if spec.maintenance is not None and subject.written("maintenance"):
        yield from _check_maintenance(spec.maintenance)
    if spec.snapshots is not None:
        yield from _check_snapshots(spec.snapshots)
    days = spec.retention.metadata_days
    low, high = limits().metadata_days
    if days is not None and days != 0 and not low <= days <= high:
        detail = f"{days} days are outside {low} to {high}; 0 keeps everything."
        yield Violation("value-out-of-range", ("retention", "metadataDays"), detail)


def _check_maintenance(window: Maintenance) -> Iterator[Violation]:
    path: KeyPath = ("maintenance",)
    try:
        start = datetime.fromisoformat(window.start)
    except ValueError:
        start = None
    if start is None or start.tzinfo is None:
        hint = Hint(
            "write it as `2026-01-01T01:00:00Z`: the date is the first day, the time is when each window starts"
        )
        yield Violation("value-form", (*path, "start"), f"`{window.start}` is not a time with its zone.", (hint,))
    per_slot, per_week = limits().maintenance_hours_per_slot, limits().maintenance_hours_per_week
    if window.hours < per_slot:
        detail = f"Each window must last {per_slot:g} hours or more; this one lasts {window.hours:g}."
        yield Violation("maintenance-too-short", (*path, "hours"), detail)
    days = list(dict.fromkeys(window.days))
    if len(days) < len(window.days):
        yield Violation("given-twice", (*path, "days"), "A day is listed twice.")
    total = window.hours * len(days)
    if total < per_week:
        detail = (
            f"Google asks for {per_week:g} hours in each week: {window.hours:g} on {', '.join(days)} make {total:g}."
        )
        more = -(-per_week // window.hours)
        hint = Hint(f"{more:g} days of {window.hours:g} hours would do" if more <= 7 else "make the windows longer")
        yield Violation("maintenance-too-short", path, detail, (hint,), at_key=True)


def _check_snapshots(snapshots: Snapshots) -> Iterator[Violation]:
    problem = cron_problem(snapshots.schedule)
    if problem:
        hint = Hint("every day at three: `0 3 * * *`")
        yield Violation("cron-form", ("snapshots", "schedule"), problem, (hint,))
    offset = _OFFSET.fullmatch(snapshots.time_zone)
    most = limits().snapshot_hours_from_utc
    if offset is None or (offset[2] and int(offset[2]) > most):
        detail = f"`{snapshots.time_zone}` is not an offset from `UTC-{most}` to `UTC+{most}`."
        hint = Hint("Composer takes no names of zones and knows no daylight saving: write `UTC`, `UTC+01`, ...")
        yield Violation("time-zone-form", ("snapshots", "timeZone"), detail, (hint,))
    if not re.fullmatch(r"gs://[a-z0-9][-_.a-z0-9]+(/.*)?", snapshots.location):
        detail = f"`{snapshots.location}` is not an address such as `gs://BUCKET/snapshots`."
        yield Violation("value-form", ("snapshots", "location"), detail)


def cron_problem(schedule: str) -> str | None:
    """Why a text is not a schedule in the form of cron; None when it is one."""
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        return f"A schedule has five fields (minute, hour, day, month, weekday); this one has {len(fields)}."
    for text, (name, low, high, words) in zip(fields, _FIELDS, strict=True):
        for part in text.split(","):
            if not _cron_part(part, low, high, words):
                return f"`{text}` cannot be the {name}: {low} to {high}."
    return None


def _cron_part(part: str, low: int, high: int, words: list[str]) -> bool:
    span, slash, step = part.partition("/")
    if slash and not (step.isdecimal() and 1 <= int(step) <= high):
        return False
    if span == "*":
        return True
    first, dash, last = span.partition("-")
    start = _cron_number(first, low, high, words)
    end = _cron_number(last, low, high, words) if dash else start
    return start is not None and end is not None and start <= end


def _cron_number(text: str, low: int, high: int, words: list[str]) -> int | None:
    if text.upper() in words:
        return words.index(text.upper()) + (1 if len(words) == 12 else 0)
    if not (text.isascii() and text.isdecimal()):
        return None
    return int(text) if low <= int(text) <= high else None
