"""Log buckets and their retention, alert policies and where they notify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envctl.google.operations import OperationStyle
from envctl.provider.behaviours import MaskPatched, top_keys
from envctl.provider.session import suppress_missing
from envctl.provider.spec import Behaviour, Change, Rule, Run, TypeSpec


@dataclass(frozen=True, slots=True)
class LogBucket(MaskPatched):
    """A log bucket. `_Default` and `_Required` always exist: they are taken over, and left in place."""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Takes over an existing bucket with the wanted settings, or creates one."""
        before = run.session.find(run.spec.service, run.fill(run.spec.path))
        if before is None:
            run.made(run.spec.collection, {"bucketId": run.fill("{bucketId}")}, dict(body))
            return self.settled(run)
        sent = {key: value for key, value in body.items() if before.get(key) != value}
        if sent:
            run.call("PATCH", run.spec.path, {"updateMask": ",".join(sorted(sent))}, sent)
        return self.settled(run)

    def update(self, run: Run, change: Change, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Analytics is switched on by an operation of its own and locking comes last, as in the real provider."""
        keys = top_keys(run, change)
        if "enableAnalytics" in keys:
            path = f"{run.spec.path}:updateAsync"
            run.finish(run.call("POST", path, {"updateMask": "analyticsEnabled"}, {"analyticsEnabled": True}))
        mask = [key for name, key in keys.items() if name not in {"enableAnalytics", "locked"}]
        if mask:
            sent = {key: body[key] for key in mask if key in body}
            run.call("PATCH", run.spec.path, {"updateMask": ",".join(mask)}, sent)
        if "locked" in keys:
            run.call("PATCH", run.spec.path, {"updateMask": "locked"}, {"locked": bool(run.inputs.get("locked"))})
        return self.settled(run)

    def delete(self, run: Run) -> None:
        """Leaves `_Default` and `_Required`, which cannot be deleted."""
        if run.fill("{bucketId}") not in {"_Default", "_Required"}:
            Behaviour.delete(self, run)


@dataclass(frozen=True, slots=True)
class Named(MaskPatched):
    """A resource whose name the API makes up; a lost one is found by its display name."""

    list_key: str = ""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Creates and reads it by the name that it got."""
        made = run.made(run.spec.collection, None, dict(body))
        return run.session.find_settled(run.spec.service, str(made["name"]))

    def settled(self, run: Run) -> Mapping[str, Any]:
        """The resource by its name."""
        return run.session.find_settled(run.spec.service, run.id)

    def read(self, run: Run) -> Mapping[str, Any] | None:
        """The resource by its name."""
        return run.session.find(run.spec.service, run.id)

    def locate(self, run: Run) -> tuple[str, Mapping[str, Any]] | None:
        """The one resource of that display name; several are not told apart."""
        found = [item for item in self._listed(run) if item.get("displayName") == run.inputs.get("displayName")]
        return (str(found[0]["name"]), found[0]) if len(found) == 1 else None

    def delete(self, run: Run) -> None:
        """Deletes it by its name."""
        query = {"force": "true"} if run.value("forceDelete") is True else None
        with suppress_missing():
            run.call("DELETE", run.id, query)

    def id_of(self, run: Run, answer: Mapping[str, Any]) -> str:
        """The API's own name."""
        return str(answer.get("name") or run.id)

    def _listed(self, run: Run) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        query: dict[str, str] = {}
        while True:
            page = run.call("GET", run.spec.collection, query)
            found.extend(page.get(self.list_key, ()))
            token = page.get("nextPageToken")
            if not token:
                return found
            query = {"pageToken": token}


def _same_reducer(old: Any, new: Any) -> bool:
    return {old, new} == {"REDUCE_NONE", ""}


_REDUCER = Rule(same=_same_reducer)

TYPES = (
    TypeSpec(
        "gcp:logging/projectBucketConfig:ProjectBucketConfig",
        service="logging/v2",
        path="projects/{project|base}/locations/{location}/buckets/{bucketId}",
        collection="projects/{project|base}/locations/{location}/buckets",
        identity=("project", "location", "bucketId"),
        style=OperationStyle.GOOGLE,
        rules={"enableAnalytics": Rule(api="analyticsEnabled"), "deletionPolicy": Rule(skip=True)},
        behaviour=LogBucket(),
    ),
    TypeSpec(
        "gcp:monitoring/alertPolicy:AlertPolicy",
        service="monitoring/v3",
        path="projects/{project}/alertPolicies/{name}",
        collection="projects/{project}/alertPolicies",
        imports=("projects/{project}/alertPolicies/{number}",),
        identity=("project",),
        rules={
            "enabled": Rule(send_zero=True),
            "creationRecords": Rule(api="creationRecord", first=True),
            "deletionPolicy": Rule(skip=True),
            "conditions.conditionThreshold.aggregations.crossSeriesReducer": _REDUCER,
            "conditions.conditionThreshold.denominatorAggregations.crossSeriesReducer": _REDUCER,
            "conditions.conditionAbsent.aggregations.crossSeriesReducer": _REDUCER,
            "conditions.conditionThreshold.thresholdValue": Rule(send_zero=True),
        },
        behaviour=Named(list_key="alertPolicies"),
    ),
    TypeSpec(
        "gcp:monitoring/notificationChannel:NotificationChannel",
        service="monitoring/v3",
        path="projects/{project}/notificationChannels/{name}",
        collection="projects/{project}/notificationChannels",
        imports=("projects/{project}/notificationChannels/{number}",),
        identity=("project",),
        rules={
            "enabled": Rule(send_zero=True),
            "forceDelete": Rule(skip=True),
            "deletionPolicy": Rule(skip=True),
            "sensitiveLabels": Rule(keep=True),
        },
        behaviour=Named(list_key="notificationChannels"),
    ),
)
