"""Copies of objects: `copy`, `rewrite` (done in one turn) and `compose`."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import invalid
from envctl.sandbox.services.storage_access import ObjectLists
from envctl.sandbox.services.storage_conditions import precondition_failed, require_conditions
from envctl.sandbox.services.storage_versions import SETTABLE, live, remove, replace, version, write_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

# Cloud Storage documentation, "Composite objects", read 2026-11.
_MOST_SOURCES = 32


@dataclass(frozen=True, slots=True)
class Copies:
    """The methods."""

    cloud: Cloud

    def copy(self, call: Call) -> Json:
        """A copy of an object, with the metadata of the request or else of the source."""
        source = version(self.cloud, call["source"], call["object"], call.query("sourceGeneration"))
        require_conditions(call, source["resource"], of="Source")
        bucket, name = call["target"], call["name"]
        self.cloud.buckets.find(bucket)
        self._require(call, bucket)
        old = live(self.cloud, bucket, name)
        require_conditions(call, old["resource"] if old else None)
        kept: Mapping[str, Any] = call.body or source["resource"]
        kind = kept.get("contentType") or source["resource"]["contentType"]
        resource = write_object(self.cloud, bucket, name, base64.b64decode(source["content"]), kind, kept)
        lists = ObjectLists(self.cloud)
        lists.taken(call, call.body, resource, "destinationPredefinedAcl")
        return lists.shown(call, resource)

    def rewrite(self, call: Call) -> Json:
        """A copy that is done at the first turn, whatever its size."""
        resource = self.copy(call)
        return {
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": resource["size"],
            "objectSize": resource["size"],
            "done": True,
            "resource": resource,
        }

    def compose(self, call: Call) -> Json:
        """One object from up to 32 of the same bucket, in order."""
        bucket, name = call["bucket"], call["object"]
        sources: list[Mapping[str, Any]] = call.body.get("sourceObjects") or []
        if not 0 < len(sources) <= _MOST_SOURCES:
            raise invalid(
                f"The number of source components provided ({len(sources)}) is not from 1 to {_MOST_SOURCES}."
            )
        old = live(self.cloud, bucket, name)
        require_conditions(call, old["resource"] if old else None)
        content, parts, kind = b"", 0, ""
        for entry in sources:
            record = version(self.cloud, bucket, entry.get("name", ""), entry.get("generation", ""))
            wanted = (entry.get("objectPreconditions") or {}).get("ifGenerationMatch")
            if wanted and wanted != record["resource"]["generation"]:
                raise precondition_failed()
            content += base64.b64decode(record["content"])
            parts += record["resource"].get("componentCount", 1)
            kind = kind or record["resource"]["contentType"]
        given: Mapping[str, Any] = call.body.get("destination") or {}
        fields = {key: value for key, value in given.items() if key in {*SETTABLE, "storageClass"}}
        resource = write_object(self.cloud, bucket, name, content, given.get("contentType") or kind, fields)
        if call.body.get("deleteSourceObjects"):
            for entry in sources:
                if entry["name"] != name:
                    remove(self.cloud, bucket, entry["name"], entry.get("generation", ""))
        lists = ObjectLists(self.cloud)
        lists.taken(call, given, resource, "destinationPredefinedAcl")
        return lists.shown(call, self._composite(resource, parts))

    def _composite(self, resource: Json, parts: int) -> Json:
        """Composite objects have a count of their parts and no MD5."""
        record = live(self.cloud, resource["bucket"], resource["name"])
        assert record is not None, "written just now"
        shown: Json = {key: value for key, value in resource.items() if key != "md5Hash"}
        shown["componentCount"] = parts
        replace(self.cloud, {**record, "resource": shown})
        return shown

    def _require(self, call: Call, bucket: str) -> None:
        resource = f"//storage.googleapis.com/b/{bucket}"
        self.cloud.access.require("storage", call.principal, "storage.objects.create", resource)
