"""Buckets, their objects and members."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from envctl.provider.behaviours import MergePatched
from envctl.provider.iam_member import PolicyMember
from envctl.provider.protocol import CheckFailure, ProviderError
from envctl.provider.session import suppress_missing
from envctl.provider.spec import Behaviour, Change, Rule, Run, TypeSpec
from envctl.provider.types.links import same_text_any_case
from envctl.provider.values import get_path, set_path


@dataclass(frozen=True, slots=True)
class Bucket(MergePatched):
    """A bucket; deleting one that holds objects needs `forceDestroy`."""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Creates, reads it back, and locks its retention policy when that is wanted."""
        query = {"project": run.fill("{project}")}
        if run.inputs.get("enableObjectRetention"):
            query["enableObjectRetention"] = "true"
        sent = {**_with_zeros(run, body), "name": run.fill("{name}")}
        made = run.made("b", query, sent)
        found = self.settled(run)
        if get_path(run.inputs, "retentionPolicy.isLocked") and not get_path(made, "retentionPolicy.isLocked"):
            return self._lock(run, found)
        return found

    def update(self, run: Run, change: Change, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """One merge patch; a new lock follows."""
        body = _with_zeros(run, body)
        if change.touches("uniformBucketLevelAccess", "publicAccessPrevention"):
            body = {**body, "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": False}, **_access(body)}}
        elif change.touches("lifecycleRules"):
            body = {**body, "lifecycle": body.get("lifecycle", {"rule": []})}
        # Python 3.11 cannot name the parent with a bare super() in a dataclass with slots.
        found = MergePatched.update(self, run, change, body)
        if change.touches("retentionPolicy.isLocked") and get_path(run.inputs, "retentionPolicy.isLocked"):
            return self._lock(run, found)
        return found

    def delete(self, run: Run) -> None:
        """Refuses while there are objects, unless `forceDestroy` says to delete them first."""
        for item in self._contents(run):
            if run.value("forceDestroy") is not True:
                raise ProviderError(
                    f"Error trying to delete bucket {run.fill('{name}')} containing objects without forceDestroy set to true",
                    status="FAILED_PRECONDITION",
                    method="DELETE",
                )
            name = quote(str(item["name"]), safe="")
            query = {"generation": str(item["generation"])} if item.get("generation") else None
            with suppress_missing():
                run.session.send("DELETE", run.spec.service, f"{run.fill(run.spec.path)}/o/{name}", query)
        Behaviour.delete(self, run)

    def forces(self, path: str, outputs: Mapping[str, Any], inputs: Mapping[str, Any]) -> bool:
        """A locked retention policy cannot be unlocked."""
        locked = get_path(outputs, "retentionPolicy.isLocked") is True
        return path == "retentionPolicy.isLocked" and locked and not get_path(inputs, path)

    def outputs(self, run: Run, answer: Mapping[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        """The address, and access settings that answers leave out when they are off."""
        outputs["url"] = f"gs://{answer.get('name', run.value('name'))}"
        outputs.setdefault("uniformBucketLevelAccess", False)
        for rule in outputs.get("lifecycleRules", ()):
            rule.setdefault("condition", {}).setdefault("withState", "ANY")
        return outputs

    def _contents(self, run: Run) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        query = {"versions": "true"}
        while True:
            try:
                page = run.call("GET", "b/{name}/o", query)
            except ProviderError as error:
                if error.status == "NOT_FOUND":
                    return found
                raise
            found.extend(page.get("items", ()))
            token = page.get("nextPageToken")
            if not token:
                return found
            query["pageToken"] = token

    def _lock(self, run: Run, found: Mapping[str, Any]) -> Mapping[str, Any]:
        generation = str(found.get("metageneration", ""))
        run.call("POST", "b/{name}/lockRetentionPolicy", {"ifMetagenerationMatch": generation})
        return self.settled(run)


def _with_zeros(run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body with the zeros that the switches of a lifecycle rule ask for: without them they count as not given."""
    live = get_path(body, "lifecycle.rule")
    for rule, wanted in zip(live or (), run.inputs.get("lifecycleRules") or (), strict=False):
        given = wanted.get("condition") or {}
        zeros = {name: 0 for switch, name in _ZERO_SWITCHES.items() if given.get(switch) and not given.get(name)}
        rule["condition"] = {**rule.get("condition", {}), **zeros}
    return body


def _access(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return body.get("iamConfiguration") or {}


@dataclass(frozen=True, slots=True)
class BucketObject(Behaviour):
    """A small text object; its content is uploaded as the whole media."""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Uploads the text, then gives the object its properties."""
        content = str(run.inputs.get("content", "")).encode()
        query = {"uploadType": "media", "name": run.fill("{name}")}
        run.session.send("POST", "storage/upload/storage/v1", f"b/{run.fill('{bucket}')}/o", query, content)
        properties = {key: value for key, value in body.items() if key not in {"name", "bucket"}}
        if properties:
            run.session.send("PATCH", run.spec.service, self._path(run), None, properties)
        return self.settled(run)

    def settled(self, run: Run) -> Mapping[str, Any]:
        """The object's resource."""
        return run.session.find_settled(run.spec.service, self._path(run))

    def read(self, run: Run) -> Mapping[str, Any] | None:
        """The object's resource, or None."""
        return run.session.find(run.spec.service, self._path(run))

    def update(self, run: Run, change: Change, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """New content is a new upload, anything else a patch."""
        if change.touches("content"):
            return self.create(run, body)
        holds = {
            name: bool(run.inputs.get(name)) for name in ("eventBasedHold", "temporaryHold") if change.touches(name)
        }
        run.session.send("PATCH", run.spec.service, self._path(run), None, {**body, **holds})
        return self.settled(run)

    def delete(self, run: Run) -> None:
        """Deletes the object."""
        with suppress_missing():
            run.session.send("DELETE", run.spec.service, self._path(run))

    def outputs(self, run: Run, answer: Mapping[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        """The content as long as the live checksum is still that of it."""
        content = run.inputs.get("content") or run.outputs.get("content")
        outputs["outputName"] = outputs.get("name", run.value("name"))
        if isinstance(content, str):
            digest = base64.b64encode(hashlib.md5(content.encode(), usedforsecurity=False).digest()).decode()
            if answer.get("md5Hash") in (None, digest):
                outputs["content"] = content
            else:
                outputs.pop("content", None)
        return outputs

    def check(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        """Files are the business of the real provider; the programs give texts."""
        if "source" in inputs:
            return [CheckFailure("source", "uploading a file is not supported on the sandbox: give `content`")]
        return []

    def _path(self, run: Run) -> str:
        return f"b/{run.fill('{bucket}')}/o/{quote(run.fill('{name}'), safe='')}"


def _state_in(state: Any) -> bool | None:
    return {"LIVE": True, "ARCHIVED": False}.get(state)


def _state_out(live: Any) -> str:
    return "LIVE" if live else "ARCHIVED"


_CONDITION = "lifecycleRules.condition"
_SWITCH = Rule(skip=True)
_ZERO_SWITCHES: Mapping[str, str] = {
    "sendAgeIfZero": "age",
    "sendDaysSinceCustomTimeIfZero": "daysSinceCustomTime",
    "sendDaysSinceNoncurrentTimeIfZero": "daysSinceNoncurrentTime",
    "sendNumNewerVersionsIfZero": "numNewerVersions",
}


def _lifecycle_rules() -> dict[str, Rule]:
    plurals = {
        "matchesPrefixes": "matchesPrefix",
        "matchesStorageClasses": "matchesStorageClass",
        "matchesSuffixes": "matchesSuffix",
    }
    return {
        **{f"{_CONDITION}.{name}": _SWITCH for name in _ZERO_SWITCHES},
        **{f"{_CONDITION}.{name}": Rule(api=api) for name, api in plurals.items()},
        f"{_CONDITION}.withState": Rule(api="isLive", encode=_state_in, decode=_state_out, send_zero=True),
    }


def _base() -> dict[str, Any]:
    base: dict[str, Any] = {"lifecycle": {"rule": []}}
    set_path(base, "iamConfiguration.uniformBucketLevelAccess.enabled", value=False)
    return base


TYPES = (
    TypeSpec(
        "gcp:storage/bucket:Bucket",
        service="storage/storage/v1",
        path="b/{name}",
        id="{name}",
        imports=("{project}/{name}",),
        identity=("project", "name"),
        labels="labels",
        base=_base(),
        rules={
            "location": Rule(same=same_text_any_case),
            "uniformBucketLevelAccess": Rule(api="iamConfiguration.uniformBucketLevelAccess.enabled", send_zero=True),
            "publicAccessPrevention": Rule(api="iamConfiguration.publicAccessPrevention"),
            "requesterPays": Rule(api="billing.requesterPays", send_zero=True),
            "lifecycleRules": Rule(api="lifecycle.rule"),
            "versioning.enabled": Rule(send_zero=True),
            "autoclass.enabled": Rule(send_zero=True),
            "softDeletePolicy.retentionDurationSeconds": Rule(send_zero=True),
            "retentionPolicy.retentionPeriod": Rule(encode=int, decode=str),
            "retentionPolicy.isLocked": Rule(encode=lambda _: None, api="isLocked"),
            "cors.methods": Rule(api="method"),
            "cors.origins": Rule(api="origin"),
            "cors.responseHeaders": Rule(api="responseHeader"),
            "customPlacementConfig.dataLocations": Rule(),
            "enableObjectRetention": Rule(keep=True, encode=lambda _: None),
            "forceDestroy": Rule(skip=True),
            "deletionPolicy": Rule(skip=True),
            **_lifecycle_rules(),
        },
        behaviour=Bucket(),
    ),
    TypeSpec(
        "gcp:storage/bucketObject:BucketObject",
        service="storage/storage/v1",
        path="b/{bucket}/o/{name}",
        id="{bucket}-{name}",
        identity=("bucket", "name"),
        rules={
            "content": Rule(skip=False, encode=lambda _: None, api="content"),
            "detectMd5hash": Rule(skip=True),
            "sourceMd5hash": Rule(skip=True),
            "forceEmptyContentType": Rule(skip=True),
            "deletionPolicy": Rule(skip=True),
            "md5hash": Rule(api="md5Hash"),
            "md5hexhash": Rule(api="md5HexHash"),
        },
        behaviour=BucketObject(),
    ),
    TypeSpec(
        "gcp:storage/bucketIAMMember:BucketIAMMember",
        service="storage/storage/v1",
        path="b/{bucket}",
        id="b/{bucket}/{role}/{member}",
        imports=("b/{bucket} {role} {member} {title}", "b/{bucket} {role} {member}", "{bucket} {role} {member}"),
        identity=("bucket",),
        behaviour=PolicyMember(
            "b/{bucket}",
            read_suffix="/iam",
            read_query={"optionsRequestedPolicyVersion": "3"},
            write_method="PUT",
            write_suffix="/iam",
            bare=True,
        ),
    ),
)
