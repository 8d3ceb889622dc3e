"""Buckets: uniform access, no public access, lifecycle, versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envctl.spec.model import Bucket, LifecycleRule
from envctl.spec.names import bucket_name
from envctl.stacks.components import Group
from envctl.stacks.declaration import Input, Options, Resource, SpecPath
from envctl.stacks.scope import Scope

ENVIRONMENT_BUCKET = "environment"
"""Key of the bucket that Composer keeps DAGs, plugins and data in."""


def bucket_resource_name(key: str) -> str:
    """Logical name of the bucket under `buckets.<key>`."""
    return f"bucket-{key}"


def bucket_resources(scope: Scope, buckets: Mapping[str, Bucket], kms_key: Input) -> list[Resource]:
    """One bucket per entry that is not `existing`, in order of their keys.

    A bucket in the key's location is encrypted with it (KMS keys serve their own location only). Unless the file
    says `retain: false`, a bucket outlives its stack: it holds data that nothing can make again.
    """
    return [_bucket(scope, key, buckets[key], kms_key) for key in sorted(buckets) if buckets[key].existing is None]


def _bucket(scope: Scope, key: str, bucket: Bucket, kms_key: Input) -> Resource:
    origin = ("buckets", key)
    location = (bucket.location or scope.region).upper()
    inputs: dict[str, Input] = {
        "name": bucket.name or bucket_name(scope.project, scope.name, key),
        "project": scope.project,
        # The API answers in capitals: anything else would be a difference on every preview.
        "location": location,
        "storageClass": bucket.storage_class,
        "uniformBucketLevelAccess": True,
        "publicAccessPrevention": "enforced",
        # Off is said, too: the provider keeps what it finds where nothing is said.
        "versioning": {"enabled": bucket.versioning},
        "forceDestroy": bucket.retain is False,
        "labels": scope.labels_with(bucket.labels),
    }
    if bucket.lifecycle:
        inputs["lifecycleRules"] = [rule for written in bucket.lifecycle for rule in lifecycle_rules(written)]
    if kms_key is not None and location == scope.region.upper():
        inputs["encryption"] = {"defaultKmsKeyName": kms_key}
    return Resource(
        name=bucket_resource_name(key),
        type="gcp:storage/bucket:Bucket",
        parent=Group.STORAGE,
        inputs=inputs,
        origin=origin,
        fields={
            "name": (*origin, "name"),
            "location": (*origin, "location"),
            "storageClass": (*origin, "storageClass"),
            "forceDestroy": (*origin, "retain"),
            "labels": (*origin, "labels") if bucket.labels else ("labels",),
            "versioning": (*origin, "versioning"),
            "lifecycleRules": (*origin, "lifecycle"),
            **_lifecycle_fields(bucket.lifecycle, (*origin, "lifecycle")),
            "encryption": ("encryption", "key"),
        },
        options=Options(delete_before_replace=True, retain_on_delete=bucket.retain is not False, protect=scope.protect),
    )


def _lifecycle_fields(rules: list[LifecycleRule], origin: SpecPath) -> dict[str, SpecPath]:
    """Where each of the provider's rules stands in the file: a written rule may become two."""
    written = [index for index, rule in enumerate(rules) for _ in lifecycle_rules(rule)]
    return {f"lifecycleRules[{position}]": (*origin, index) for position, index in enumerate(written)}


def lifecycle_rules(rule: LifecycleRule) -> list[dict[str, Any]]:
    """One provider rule per action of a written rule: deleting and moving are two."""
    rules: list[dict[str, Any]] = []
    versions: dict[str, Any] = {}
    if rule.keep_newer_versions is not None:
        versions = {"numNewerVersions": rule.keep_newer_versions, "withState": "ARCHIVED"}
    if rule.delete_after_days is not None or (versions and rule.move_after_days is None):
        age = _age(rule.delete_after_days)
        rules.append({"action": {"type": "Delete"}, "condition": {**age, **versions}})
    if rule.move_after_days is not None:
        rules.append(
            {
                "action": {"type": "SetStorageClass", "storageClass": rule.storage_class or "NEARLINE"},
                "condition": {**_age(rule.move_after_days), **versions},
            }
        )
    return rules


def _age(days: int | None) -> dict[str, Any]:
    if days is None:
        return {}
    # The provider drops an age of zero unless told to send it.
    return {"age": days} if days else {"age": 0, "sendAgeIfZero": True}
