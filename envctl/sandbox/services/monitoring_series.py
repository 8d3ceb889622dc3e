"""Cloud Monitoring, v3: the points of the metrics that the doctor reads, the size of environments' databases.

Nothing is measured here. The value is what the seed says (`databaseBytes`), else a small one, at every minute of the
interval that is asked for, whatever the emulator's own clock says.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from envctl.sandbox.clock import parse_stamp
from envctl.sandbox.failures import ApiError, Status, invalid
from envctl.sandbox.paging import page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Call
    from envctl.sandbox.messages import Json

DATABASE_METRIC: Final = "composer.googleapis.com/environment/database/disk/bytes_used"
"""Gauge of bytes, one point a minute (Google Cloud metrics list, composer, 2026-08)."""
DATABASE_BYTES: Final = "composer.databaseBytes"
"""Where the store keeps seeded sizes, by full name of the environment."""
DEFAULT_BYTES: Final = 2**30

_ENVIRONMENTS = "composer.environments"
_RESOURCE = "cloud_composer_environment"
_TERM = re.compile(r'\s*([A-Za-z_.]+)\s*=\s*"([^"\\]*)"\s*')
_MINUTE = timedelta(minutes=1)
_MOST_POINTS = 1440


def list_series(call: Call) -> Json:
    """The points of one metric, a series for each environment of the project that runs.

    Raises:
        ApiError: the request is not valid, or asks for what the emulator does not have.
    """
    wanted = _parsed_filter(call.query("filter"))
    moments = _moments(call)
    if wanted.pop("metric.type") != DATABASE_METRIC:
        raise ApiError(Status.UNIMPLEMENTED, f"The sandbox has no metric but {DATABASE_METRIC}.")
    headers = call.query("view") == "HEADERS"
    series: list[Json] = []
    for name, environment in call.store.items(_ENVIRONMENTS):
        labels = _labels(name)
        if labels["project_id"] != call["project"] or environment["state"] in {"CREATING", "ERROR"}:
            continue
        known = {"resource.type": _RESOURCE} | {f"resource.labels.{key}": value for key, value in labels.items()}
        if all(known.get(key) == value for key, value in wanted.items()):
            shown = _series(labels)
            series.append(shown if headers else {**shown, "points": _points(_bytes_of(call, name), moments)})
    answer = page(call, "timeSeries", series, default_size=100_000)
    if series:
        answer["unit"] = "By"
    return answer


def _parsed_filter(text: str) -> dict[str, str]:
    """Terms of a conjunction by name, `resource.label.x` as `resource.labels.x`."""
    if not text:
        raise invalid('Field filter had an invalid value of "": must not be empty.')
    found: dict[str, str] = {}
    for part in re.split(r"\s+AND\s+", text.strip()):
        term = _TERM.fullmatch(part)
        if term is None:
            raise ApiError(Status.UNIMPLEMENTED, f'The sandbox reads filters of NAME="VALUE" and AND, not {part!r}.')
        name = term[1].replace("resource.label.", "resource.labels.")
        if found.setdefault(name, term[2]) != term[2]:
            raise invalid(f"Field filter had an invalid value: {name} cannot have two values.")
    if "metric.type" not in found:
        raise invalid(f'Field filter had an invalid value of "{text}": must specify a single metric type.')
    return found


def _moments(call: Call) -> list[datetime]:
    """The minutes of the interval without its start, newest first; the end alone where no start is given.

    Monitoring API, TimeInterval (2026-08): reads take the end in and leave the start out.

    Raises:
        ApiError: the interval is not valid, or has more than a day's points.
    """
    end = _moment(call, "interval.endTime")
    if end is None:
        raise invalid("Field interval.endTime had an invalid value: a value is required.")
    start = _moment(call, "interval.startTime")
    if start is None:
        return [end]
    if start > end:
        raise invalid("Field interval.startTime had an invalid value: it must not be after interval.endTime.")
    newest = end.replace(second=0, microsecond=0)
    count = -((start - newest) // _MINUTE)
    if count > _MOST_POINTS:
        raise ApiError(
            Status.UNIMPLEMENTED,
            f"The sandbox does not implement intervals of more than {_MOST_POINTS} minutes of {call.method}.",
        )
    return [newest - index * _MINUTE for index in range(count)]


def _moment(call: Call, name: str) -> datetime | None:
    text = call.query(name)
    if not text:
        return None
    try:
        moment = parse_stamp(text)
    except ValueError as error:
        raise invalid(f"Invalid value at '{name}' (type.googleapis.com/google.protobuf.Timestamp)") from error
    if moment.tzinfo is None:
        raise invalid(f"Invalid value at '{name}' (type.googleapis.com/google.protobuf.Timestamp)")
    return moment.astimezone(UTC)


def _labels(environment: str) -> dict[str, str]:
    _, project, _, location, _, name = environment.split("/")
    return {"project_id": project, "location": location, "environment_name": name}


def _bytes_of(call: Call, environment: str) -> int:
    seeded = call.store.get(DATABASE_BYTES, environment)
    return int(seeded["bytes"]) if seeded else DEFAULT_BYTES


def _series(labels: Mapping[str, str]) -> Json:
    return {
        "metric": {"type": DATABASE_METRIC},
        "resource": {"type": _RESOURCE, "labels": dict(labels)},
        "metricKind": "GAUGE",
        "valueType": "INT64",
    }


def _points(size: int, moments: list[datetime]) -> list[dict[str, Any]]:
    stamps = (moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in moments)
    return [{"interval": {"startTime": at, "endTime": at}, "value": {"int64Value": str(size)}} for at in stamps]
