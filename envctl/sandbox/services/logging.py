"""Cloud Logging, v2: log buckets and sinks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import already_exists, failed_precondition, invalid, not_found
from envctl.sandbox.masks import masked, split_mask
from envctl.sandbox.paging import page
from envctl.sandbox.routing import Route, Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

_BUCKETS = "logging.buckets"
_SINKS = "logging.sinks"
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,99}")
# Retention of the buckets that every project has (Cloud Logging documentation, "Quotas and limits", read 2026-08).
_OWN = {"_Default": 30, "_Required": 400}
_DAYS = range(1, 3651)


@dataclass(frozen=True, slots=True)
class Logging:
    """The methods of the API."""

    cloud: Cloud

    # -- buckets --------------------------------------------------------------------------------------

    def _bucket(self, call: Call, identifier: str) -> Mapping[str, Any]:
        name = f"projects/{call['project']}/locations/{call['location']}/buckets/{identifier}"
        found = call.store.get(_BUCKETS, name)
        if found is not None:
            return found
        if call["location"] != "global" or identifier not in _OWN:
            raise not_found(f"Bucket `{identifier}` does not exist")
        own: Json = {
            "name": name,
            "description": f"{identifier.strip('_')} bucket",
            "retentionDays": _OWN[identifier],
            "lifecycleState": "ACTIVE",
        }
        if identifier == "_Required":
            own["locked"] = True
        return own

    def get_bucket(self, call: Call) -> Json:
        """A log bucket."""
        return dict(self._bucket(call, call["bucket"]))

    def list_buckets(self, call: Call) -> Json:
        """The log buckets of a location."""
        prefix = f"projects/{call['project']}/locations/{call['location']}/buckets/"
        names = {name.removeprefix(prefix) for name, _ in call.store.items(_BUCKETS, prefix)}
        if call["location"] == "global":
            names |= set(_OWN)
        return page(call, "buckets", [self._bucket(call, name) for name in sorted(names)])

    def create_bucket(self, call: Call) -> Json:
        """Make a log bucket."""
        identifier = call.query("bucketId")
        if not _NAME.fullmatch(identifier):
            raise invalid(f"Bucket id '{identifier}' is invalid.")
        name = f"projects/{call['project']}/locations/{call['location']}/buckets/{identifier}"
        if call.store.get(_BUCKETS, name) is not None:
            raise already_exists(f"Bucket `{identifier}` already exists")
        bucket: Json = {
            "retentionDays": 30,
            **call.body,
            "name": name,
            "createTime": call.now,
            "updateTime": call.now,
            "lifecycleState": "ACTIVE",
        }
        _check_days(bucket)
        call.store.put(_BUCKETS, name, bucket)
        return bucket

    def patch_bucket(self, call: Call) -> Json:
        """Change retention or description of a log bucket."""
        old = self._bucket(call, call["bucket"])
        if call["bucket"] == "_Required":
            raise invalid("The _Required bucket cannot be modified")
        if old.get("locked"):
            raise failed_precondition(f"Bucket `{call['bucket']}` is locked")
        paths = split_mask(call.query("updateMask"))
        if not paths:
            raise invalid("The update mask must not be empty.")
        new = masked(old, call.body, paths)
        _check_days(new)
        new["updateTime"] = call.now
        call.store.put(_BUCKETS, old["name"], new)
        return new

    def delete_bucket(self, call: Call) -> Json:
        """Remove a log bucket; the project's own ones stay."""
        if call["bucket"] in _OWN:
            raise invalid(f"The {call['bucket']} bucket cannot be deleted")
        call.store.delete(_BUCKETS, self._bucket(call, call["bucket"])["name"])
        return {}

    # -- sinks ----------------------------------------------------------------------------------------

    def _sink(self, call: Call) -> Mapping[str, Any]:
        found = call.store.get(_SINKS, f"{call['project']}/{call['sink']}")
        if found is None:
            raise not_found(f"Sink {call['sink']} does not exist")
        return found

    def create_sink(self, call: Call) -> Json:
        """Make a sink with a writer of its own."""
        name = call.body.get("name", "")
        if not _NAME.fullmatch(name):
            raise invalid(f"Sink name '{name}' is invalid.")
        if not call.body.get("destination"):
            raise invalid("The sink must have a destination.")
        key = f"{call['project']}/{name}"
        if call.store.get(_SINKS, key) is not None:
            raise already_exists(f"Sink {name} already exists")
        number = self.cloud.projects.number(call["project"])
        sink: Json = {
            **call.body,
            "resourceName": f"projects/{call['project']}/sinks/{name}",
            "createTime": call.now,
            "updateTime": call.now,
            "writerIdentity": f"serviceAccount:service-{number}@gcp-sa-logging.iam.gserviceaccount.com",
        }
        call.store.put(_SINKS, key, sink)
        return sink

    def get_sink(self, call: Call) -> Json:
        """A sink."""
        return dict(self._sink(call))

    def list_sinks(self, call: Call) -> Json:
        """The sinks of a project."""
        return page(call, "sinks", call.store.values(_SINKS, f"{call['project']}/"))

    def update_sink(self, call: Call) -> Json:
        """Change a sink."""
        old = self._sink(call)
        paths = split_mask(call.query("updateMask")) or ["destination", "filter", "includeChildren"]
        new = masked(old, call.body, paths)
        new["updateTime"] = call.now
        call.store.put(_SINKS, f"{call['project']}/{call['sink']}", new)
        return new

    def delete_sink(self, call: Call) -> Json:
        """Remove a sink."""
        self._sink(call)
        call.store.delete(_SINKS, f"{call['project']}/{call['sink']}")
        return {}


def _check_days(bucket: Mapping[str, Any]) -> None:
    if bucket.get("retentionDays") not in _DAYS:
        raise invalid(f"Retention days must be between {_DAYS.start} and {_DAYS.stop - 1}.")


def declare(cloud: Cloud) -> Service:
    """Cloud Logging on a cloud."""
    api = Logging(cloud)
    buckets = "projects/{project}/locations/{location}/buckets"
    bucket = buckets + "/{bucket}"
    sinks = "projects/{project}/sinks"
    sink = sinks + "/{sink}"
    table = (
        ("projects.locations.buckets.create", "POST", buckets, api.create_bucket, "buckets.create"),
        ("projects.locations.buckets.list", "GET", buckets, api.list_buckets, "buckets.list"),
        ("projects.locations.buckets.get", "GET", bucket, api.get_bucket, "buckets.get"),
        ("projects.locations.buckets.patch", "PATCH", bucket, api.patch_bucket, "buckets.update"),
        ("projects.locations.buckets.delete", "DELETE", bucket, api.delete_bucket, "buckets.delete"),
        ("projects.sinks.create", "POST", sinks, api.create_sink, "sinks.create"),
        ("projects.sinks.list", "GET", sinks, api.list_sinks, "sinks.list"),
        ("projects.sinks.get", "GET", sink, api.get_sink, "sinks.get"),
        ("projects.sinks.patch", "PATCH", sink, api.update_sink, "sinks.update"),
        ("projects.sinks.update", "PUT", sink, api.update_sink, "sinks.update"),
        ("projects.sinks.delete", "DELETE", sink, api.delete_sink, "sinks.delete"),
    )
    return Service(
        name="logging",
        hosts=("logging.googleapis.com",),
        prefixes=("logging",),
        bases={"v2": "v2"},
        api="logging.googleapis.com",
        routes=tuple(
            Route(f"logging.{method}", verb, template, handler, f"logging.{right}")
            for method, verb, template, handler, right in table
        ),
    )
