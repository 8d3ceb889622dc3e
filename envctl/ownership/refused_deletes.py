"""Deletions that are known to fail before anybody tries: the state does not hold the word that they need.

`forceDestroy` and `deletionProtection` are inputs of the provider that no API holds, so what was just imported is
without them until a run says what the file declares.
Sources: `google_storage_bucket.force_destroy` and `google_container_cluster.deletion_protection` (on unless it is
said to be off) in the provider's documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envctl.plan.model import Change

_BUCKET = "gcp:storage/bucket:Bucket"
_CLUSTER = "gcp:container/cluster:Cluster"


def refused_delete(change: Change, row: Mapping[str, Any]) -> str | None:
    """Why the cloud or its provider will not delete what a change deletes; None where nothing speaks against it.

    Args:
        change: a deletion, with what is lost by it.
        row: what the state holds of it.
    """
    if change.type == _BUCKET and change.loss is not None and change.loss.count:
        return (
            None
            if _said(row, "forceDestroy") is True
            else "it holds objects, and the state does not say `retain: false`"
        )
    if change.type == _CLUSTER and _said(row, "deletionProtection") is not False:
        return "the state does not say that its deletion protection is off"
    return None


def _said(row: Mapping[str, Any], name: str) -> Any:
    found = (row.get("inputs") or {}).get(name)
    return (row.get("outputs") or {}).get(name) if found is None else found
