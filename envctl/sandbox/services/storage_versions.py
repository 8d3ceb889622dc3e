"""Where objects of Cloud Storage are kept: the live version of each name, and older ones where the bucket keeps them.

https://cloud.google.com/storage/docs/object-versioning, read 2026-11.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from envctl.sandbox.checksums import crc32c
from envctl.sandbox.clock import milliseconds
from envctl.sandbox.failures import ApiError, Status
from envctl.sandbox.services.storage_buckets import NONCURRENT, OBJECTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

SETTABLE = ("metadata", "cacheControl", "contentEncoding", "contentDisposition", "contentLanguage", "customTime")
"""Fields of an object, beside type and storage class, that clients set."""


def live(cloud: Cloud, bucket: str, name: str) -> Mapping[str, Any] | None:
    """The record of the live version, `resource` and `content` in base64; None when there is none."""
    return cloud.backend.store.get(OBJECTS, f"{bucket}/{name}")


def version(cloud: Cloud, bucket: str, name: str, generation: str = "") -> Mapping[str, Any]:
    """The record of a version, the live one when no generation is given.

    Raises:
        ApiError: 404 in the words of Cloud Storage.
    """
    cloud.buckets.find(bucket)
    record = live(cloud, bucket, name)
    if generation and (record is None or record["resource"]["generation"] != generation):
        record = cloud.backend.store.get(NONCURRENT, f"{bucket}/{name}#{generation}")
    if record is None:
        raise ApiError(Status.NOT_FOUND, f"No such object: {bucket}/{name}{'#' if generation else ''}{generation}")
    return record


def versions(cloud: Cloud, bucket: str, prefix: str, *, older: bool) -> list[Json]:
    """The resources whose name starts with a prefix, by name and then by age; older versions only when asked."""
    store = cloud.backend.store
    kinds = (OBJECTS, NONCURRENT) if older else (OBJECTS,)
    found = [record["resource"] for kind in kinds for record in store.values(kind, f"{bucket}/{prefix}")]
    return sorted(found, key=lambda resource: (resource["name"], int(resource["generation"])))


def replace(cloud: Cloud, record: Mapping[str, Any]) -> None:
    """Keep new metadata of a version, live or not."""
    resource = record["resource"]
    key = f"{resource['bucket']}/{resource['name']}"
    kind, key = (NONCURRENT, f"{key}#{resource['generation']}") if "timeDeleted" in resource else (OBJECTS, key)
    cloud.backend.store.put(kind, key, record)


def remove(cloud: Cloud, bucket: str, name: str, generation: str = "") -> None:
    """Remove a version for good when its generation is given; else the live one, which a bucket with versions keeps."""
    resource = version(cloud, bucket, name, generation)["resource"]
    if "timeDeleted" in resource:
        cloud.backend.store.delete(NONCURRENT, f"{bucket}/{name}#{generation}")
        return
    if not generation:
        _retire(cloud, bucket, name)
    cloud.backend.store.delete(OBJECTS, f"{bucket}/{name}")


def _retire(cloud: Cloud, bucket: str, name: str) -> None:
    """Let the live version of a name become an older one, where the bucket keeps versions."""
    record = live(cloud, bucket, name)
    keeps = (cloud.buckets.find(bucket)["resource"].get("versioning") or {}).get("enabled")
    if record is None or not keeps:
        return
    now = milliseconds(cloud.backend.clock.now())
    resource: Json = {**record["resource"], "timeDeleted": now}
    old: Json = {**record, "resource": resource}
    cloud.backend.store.put(NONCURRENT, f"{bucket}/{name}#{resource['generation']}", old)


def read_object(cloud: Cloud, bucket: str, name: str) -> bytes | None:
    """The content of an object; None when there is none."""
    record = live(cloud, bucket, name)
    return base64.b64decode(record["content"]) if record else None


def write_object(
    cloud: Cloud,
    bucket: str,
    name: str,
    content: bytes,
    content_type: str,
    metadata: Mapping[str, Any] | None = None,
) -> Json:
    """Store an object and return its resource; `metadata` are the fields of the resource that a client sent."""
    backend = cloud.backend
    key = f"{bucket}/{name}"
    _retire(cloud, bucket, name)
    now = milliseconds(backend.clock.now())
    generation = backend.new_generation()
    quoted = quote(name, safe="")
    given = metadata or {}
    resource: Json = {
        "kind": "storage#object",
        "id": f"{key}/{generation}",
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{bucket}/o/{quoted}",
        "mediaLink": (
            f"https://storage.googleapis.com/download/storage/v1/b/{bucket}/o/{quoted}"
            f"?generation={generation}&alt=media"
        ),
        "name": name,
        "bucket": bucket,
        "generation": generation,
        "metageneration": "1",
        "contentType": content_type,
        "storageClass": given.get("storageClass", "STANDARD"),
        "size": str(len(content)),
        "md5Hash": base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode(),
        "crc32c": base64.b64encode(crc32c(content).to_bytes(4, "big")).decode(),
        "etag": base64.b64encode(b"\x08" + generation[:8].encode()).decode(),
        "timeCreated": now,
        "updated": now,
        "timeStorageClassUpdated": now,
    }
    resource.update({field: given[field] for field in SETTABLE if given.get(field)})
    record: Json = {"resource": resource, "content": base64.b64encode(content).decode()}
    backend.store.put(OBJECTS, key, record)
    return resource
