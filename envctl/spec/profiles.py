"""What a profile supplies where the file is silent.

A profile never sets a field that is fixed at creation, so an environment grows from `trial` to `standard` to
`critical` in place; a test compares the table with the list of such fields.
"""

from __future__ import annotations

from typing import Any

from envctl.spec.model import (
    Environment,
    Maintenance,
    Monitoring,
    Profile,
    Resilience,
    Retention,
    Size,
    TaskLogs,
)
from envctl.spec.tree import KeyPath

_WINDOW = Maintenance(start="2026-01-02T00:00:00Z", hours=4, days=["FR", "SA", "SU"])
"""Composer's default windows: Friday, Saturday and Sunday, 00:00 to 04:00 GMT ("Specify maintenance windows",
cloud.google.com/composer/docs/specify-maintenance-windows, older of the stored copies read 2026-11-21)."""

_DEFAULTS: dict[Profile, dict[str, Any]] = {
    Profile.TRIAL: {
        "size": Size.SMALL,
        "resilience": Resilience.STANDARD,
        "protect": False,
        "maintenance": _WINDOW,
        "monitoring": Monitoring(alerts=False),
        "retention": Retention(task_logs=TaskLogs.CLOUD_LOGGING_ONLY, metadata_days=30),
        "retain_buckets": False,
    },
    Profile.STANDARD: {
        "size": Size.SMALL,
        "resilience": Resilience.STANDARD,
        "protect": False,
        "maintenance": _WINDOW,
        "monitoring": Monitoring(alerts=True),
        "retention": Retention(task_logs=TaskLogs.CLOUD_LOGGING_AND_STORAGE, metadata_days=60),
        "retain_buckets": True,
    },
    Profile.CRITICAL: {
        "size": Size.MEDIUM,
        "resilience": Resilience.HIGH,
        "protect": True,
        "maintenance": _WINDOW,
        "monitoring": Monitoring(alerts=True),
        "retention": Retention(task_logs=TaskLogs.CLOUD_LOGGING_AND_STORAGE, metadata_days=60),
        "retain_buckets": True,
    },
}


def apply(spec: Environment) -> Environment:
    """The environment with the defaults of its profile.

    Size, resilience, protection, maintenance window, alerts, retention of task logs and metadata, and whether buckets
    outlive the environment are never None in the result.
    """
    return _resolve(spec)[0]


def supplied(spec: Environment) -> dict[KeyPath, str]:
    """Which values `apply` fills, by path, and what supplies each: `profile critical`."""
    return dict.fromkeys(_resolve(spec)[1], f"profile {spec.profile}")


def _resolve(spec: Environment) -> tuple[Environment, list[KeyPath]]:
    table = _DEFAULTS[spec.profile]
    filled: dict[str, Any] = {}
    paths: list[KeyPath] = []
    for key in ("size", "resilience", "protect", "maintenance", "monitoring"):
        if getattr(spec, key) is None:
            filled[key] = table[key]
            paths.append((key,))
    retention: dict[str, Any] = {}
    for key, written in (("task_logs", "taskLogs"), ("metadata_days", "metadataDays")):
        if getattr(spec.retention, key) is None:
            retention[key] = getattr(table["retention"], key)
            paths.append(("retention", written))
    filled["retention"] = spec.retention.model_copy(update=retention)
    buckets = dict(spec.buckets)
    for key, bucket in spec.buckets.items():
        if bucket.retain is None and bucket.existing is None:
            buckets[key] = bucket.model_copy(update={"retain": table["retain_buckets"]})
            paths.append(("buckets", key, "retain"))
    filled["buckets"] = buckets
    return spec.model_copy(update=filled), paths
