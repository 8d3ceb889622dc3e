"""Buckets of Cloud Storage: making them, what the server fills in, and who may use them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.sandbox.clock import milliseconds
from envctl.sandbox.failures import ApiError, Status, invalid
from envctl.sandbox.masks import merged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

COLLECTION = "buckets"
OBJECTS = "objects"
NONCURRENT = "objects.noncurrent"
ACCESS = "storage.acl"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_MULTI_REGIONS = frozenset({"US", "EU", "ASIA"})
_DUAL_REGIONS = re.compile(r"(NAM|EUR|ASIA)\d+")
_LISTS = frozenset({"acl", "defaultObjectAcl", "owner"})
_SOFT_DELETE_SECONDS = "604800"


@dataclass(frozen=True, slots=True)
class Buckets:
    """The buckets of a cloud."""

    cloud: Cloud

    def find(self, name: str) -> Mapping[str, Any]:
        """The record of a bucket.

        Raises:
            ApiError: 404 in the words of Cloud Storage.
        """
        record = self.cloud.backend.store.get(COLLECTION, name)
        if record is None:
            raise ApiError(Status.NOT_FOUND, "The specified bucket does not exist.")
        return record

    def create(self, project: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a bucket in a project from the resource that a client sends.

        Returns:
            The record: `project` and `resource`.

        Raises:
            ApiError: the name is taken or malformed.
        """
        backend = self.cloud.backend
        name = given.get("name", "")
        if not _NAME.fullmatch(name):
            raise invalid(f"Invalid bucket name: '{name}'")
        taken = backend.store.get(COLLECTION, name)
        if taken is not None and taken["project"] != project:
            raise ApiError(
                Status.ALREADY_EXISTS,
                "The requested bucket name is not available. The bucket namespace is shared by all users of "
                "the system. Please select a different name and try again.",
                reason="conflict",
            )
        if taken is not None:
            raise ApiError(
                Status.ALREADY_EXISTS,
                "Your previous request to create the named bucket succeeded and you already own it.",
                reason="conflict",
            )
        now = milliseconds(backend.clock.now())
        location = (given.get("location") or "US").upper()
        defaults: Json = {
            "kind": "storage#bucket",
            "id": name,
            "selfLink": f"https://www.googleapis.com/storage/v1/b/{name}",
            "projectNumber": self.cloud.projects.number(project),
            "name": name,
            "generation": backend.new_generation(),
            "metageneration": "1",
            "timeCreated": now,
            "updated": now,
            "storageClass": "STANDARD",
            "locationType": _location_type(location),
            "iamConfiguration": {
                "bucketPolicyOnly": {"enabled": False},
                "uniformBucketLevelAccess": {"enabled": False},
                "publicAccessPrevention": "inherited",
            },
            "softDeletePolicy": {"retentionDurationSeconds": _SOFT_DELETE_SECONDS, "effectiveTime": now},
            "etag": "CAE=",
        }
        if defaults["locationType"] == "region":
            # Buckets of multi-regions do not say so (recorded 2026-07), those of regions do.
            defaults["satisfiesPZI"] = True
        else:
            defaults["rpo"] = "DEFAULT"
        given = {key: value for key, value in given.items() if key not in _LISTS}
        resource = self._derived(merged(defaults, given), {})
        resource["location"] = location
        record: Json = {"project": project, "resource": resource}
        backend.store.put(COLLECTION, name, record)
        self._first_policy(project, name)
        return record

    def _first_policy(self, project: str, name: str) -> None:
        """The bindings that every new bucket has for the project's basic roles."""
        backend = self.cloud.backend
        owners, editors, viewers = (f"project{kind}:{project}" for kind in ("Owner", "Editor", "Viewer"))
        bindings: list[Json] = [
            {"role": "roles/storage.legacyBucketOwner", "members": [editors, owners]},
            {"role": "roles/storage.legacyBucketReader", "members": [viewers]},
        ]
        backend.store.put("policies", full_name(name), {"bindings": bindings, "etag": "CAE=", "generation": 1})

    def change(self, name: str, new: Mapping[str, Any]) -> Json:
        """Keep new values of a bucket; its metageneration goes up."""
        record = self.find(name)
        old = record["resource"]
        new = {key: value for key, value in new.items() if key not in _LISTS}
        now = milliseconds(self.cloud.backend.clock.now())
        generation = int(old["metageneration"]) + 1
        resource = self._derived({**new, "metageneration": str(generation), "updated": now}, old)
        resource["etag"] = _etag(generation)
        self.cloud.backend.store.put(COLLECTION, name, {**record, "resource": resource})
        return resource

    def _derived(self, resource: Mapping[str, Any], old: Mapping[str, Any]) -> Json:
        """A resource with the fields that the server computes from others."""
        now = milliseconds(self.cloud.backend.clock.now())
        result: Json = dict(resource)
        iam: Json = dict(result.get("iamConfiguration") or {})
        uniform: Json = dict(iam.get("uniformBucketLevelAccess") or {"enabled": False})
        if uniform.get("enabled") and "lockedTime" not in uniform:
            # Uniform access can be undone for 90 days.
            from datetime import timedelta

            uniform["lockedTime"] = milliseconds(self.cloud.backend.clock.now() + timedelta(days=90))
        if not uniform.get("enabled"):
            uniform.pop("lockedTime", None)
        iam["uniformBucketLevelAccess"] = uniform
        iam["bucketPolicyOnly"] = dict(uniform)
        iam.setdefault("publicAccessPrevention", "inherited")
        result["iamConfiguration"] = iam
        soft: Json = dict(result.get("softDeletePolicy") or {})
        if str(soft.get("retentionDurationSeconds", "0")) == "0":
            soft = {"retentionDurationSeconds": "0"}
        else:
            soft["retentionDurationSeconds"] = str(soft["retentionDurationSeconds"])
            soft.setdefault("effectiveTime", now)
        result["softDeletePolicy"] = soft
        self._derive_autoclass(result, old, now)
        if not (result.get("lifecycle") or {}).get("rule"):
            result.pop("lifecycle", None)
        for key in ("labels", "encryption", "logging", "website", "billing", "cors"):
            if not result.get(key):
                result.pop(key, None)
        retention = result.get("retentionPolicy")
        if retention and "effectiveTime" not in retention:
            result["retentionPolicy"] = {**retention, "effectiveTime": now}
        return result

    def _derive_autoclass(self, result: Json, old: Mapping[str, Any], now: str) -> None:
        autoclass = result.get("autoclass")
        if not autoclass or not autoclass.get("enabled"):
            if not old.get("autoclass"):
                result.pop("autoclass", None)
            return
        filled: Json = {"toggleTime": now, "terminalStorageClass": "NEARLINE", **autoclass}
        filled.setdefault("terminalStorageClassUpdateTime", now)
        result["autoclass"] = filled

    def delete(self, name: str) -> None:
        """Remove an empty bucket.

        Raises:
            ApiError: 409 when it holds objects.
        """
        self.find(name)
        store = self.cloud.backend.store
        if store.items(OBJECTS, f"{name}/") or store.items(NONCURRENT, f"{name}/"):
            raise ApiError(Status.ALREADY_EXISTS, "The bucket you tried to delete is not empty.", reason="conflict")
        store.delete(COLLECTION, name)
        for key in (f"acl/{name}", f"defaultObjectAcl/{name}"):
            store.delete(ACCESS, key)
        self.cloud.policies.forget(full_name(name))


def full_name(bucket: str) -> str:
    """The full resource name of a bucket."""
    return f"//storage.googleapis.com/b/{bucket}"


def _location_type(location: str) -> str:
    if location in _MULTI_REGIONS:
        return "multi-region"
    return "dual-region" if _DUAL_REGIONS.fullmatch(location) else "region"


def _etag(generation: int) -> str:
    import base64

    return base64.b64encode(b"\x08" + bytes([generation % 128])).decode()
