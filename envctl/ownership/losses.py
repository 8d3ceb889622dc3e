"""The data that goes with a resource, counted with one bounded list call each.

Sources: `objects.list` of storage.v1 (at most 1,000 a page), `secrets.versions.list` of secretmanager.v1,
`cryptoKeyVersions.list` of cloudkms.v1, `repositories.packages.list` of artifactregistry.v1; discovery documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from envctl.errors import OutsideError
from envctl.google.transport import Transport
from envctl.plan.model import Change, Effect, Loss, LossKind

BOUND = 1000
"""As far as anybody counts."""
_DONE = 200
_GONE = 404
_ENVIRONMENT = "gcp:composer/environment:Environment"


@dataclass(frozen=True, slots=True)
class _Holder:
    """How what a resource of one type holds is listed; its path is the provider's id."""

    kind: LossKind
    service: str
    prefix: str
    collection: str
    items: str
    size: str
    query: Mapping[str, str]
    counts: Callable[[Mapping[str, Any]], bool] = lambda _: True


def _is_alive(version: Mapping[str, Any]) -> bool:
    return version.get("state") not in {"DESTROYED", "DESTROY_SCHEDULED"}


_HOLDERS: Mapping[str, _Holder] = {
    "gcp:storage/bucket:Bucket": _Holder(
        LossKind.OBJECTS, "storage/storage/v1", "b/", "/o", "items", "maxResults", {"versions": "true"}
    ),
    "gcp:secretmanager/secret:Secret": _Holder(
        LossKind.SECRET_VERSIONS, "secretmanager/v1", "", "/versions", "versions", "pageSize", {}, _is_alive
    ),
    "gcp:kms/cryptoKey:CryptoKey": _Holder(
        LossKind.KEY_VERSIONS, "kms/v1", "", "/cryptoKeyVersions", "cryptoKeyVersions", "pageSize", {}, _is_alive
    ),
    "gcp:artifactregistry/repository:Repository": _Holder(
        LossKind.PACKAGES, "artifactregistry/v1", "", "/packages", "packages", "pageSize", {}
    ),
}


def loss_of(change: Change, transport: Transport) -> Loss | None:
    """What is lost with the resource that a change deletes; None for no data at all.

    The change is one that deletes: whether the old resource stays is for the caller to know.
    """
    if change.type == _ENVIRONMENT:  # one whose creation failed has nothing to lose
        return Loss(LossKind.ENVIRONMENT, 1) if Effect.DATA_LOST in change.impact.effects else None
    holder = _HOLDERS.get(change.type)
    if holder is None or not change.id:
        return None
    query = {**holder.query, holder.size: str(BOUND)}
    try:
        answer = transport.call("GET", holder.service, f"{holder.prefix}{change.id}{holder.collection}", query)
    except OutsideError:
        return Loss(holder.kind, None)
    if answer.status == _GONE:
        return None
    if answer.status != _DONE:
        return Loss(holder.kind, None)
    body = answer.body or {}
    count = sum(1 for item in body.get(holder.items) or () if holder.counts(item))
    more = bool(body.get("nextPageToken"))
    if not count and more:  # a page of nothing alive says nothing of the next one
        return Loss(holder.kind, None)
    return Loss(holder.kind, count, more) if count else None
