"""The bucket under a live environment: no edit of a file deletes it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from envctl.plan.model import Action, Change

_BUCKET = "gcp:storage/bucket:Bucket"
_ENVIRONMENT = "gcp:composer/environment:Environment"


def buckets_lost(changes: Sequence[Change], retained: Collection[str]) -> tuple[Change, ...]:
    """The buckets that a plan deletes while it leaves the stack's environment as it is.

    `retained` are URNs of what stays in the cloud when it is replaced.
    """
    if any(change.type == _ENVIRONMENT and _deletes(change) for change in changes):
        return ()
    return tuple(
        change for change in changes if change.type == _BUCKET and _deletes(change) and change.urn not in retained
    )


def _deletes(change: Change) -> bool:
    return change.action is Action.DELETE or change.action.replaces


def environments_on(bucket: str, rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Names of the environments of a state that keep their DAGs in a bucket."""
    return tuple(
        str((row.get("inputs") or {}).get("name") or row.get("id"))
        for row in rows
        if row["type"] == _ENVIRONMENT and bucket in (used_bucket(row.get(key) or {}) for key in ("outputs", "inputs"))
    )


def used_bucket(environment: Mapping[str, Any]) -> str:
    """The bucket in an environment's values, without `gs://` and folder; "" where there is none."""
    storage = environment.get("storageConfig") or {}
    named = str(storage.get("bucket") or (environment.get("config") or {}).get("dagGcsPrefix") or "")
    return named.removeprefix("gs://").partition("/")[0]
