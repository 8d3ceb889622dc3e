"""Objects of Cloud Storage: uploads in one request, downloads, listings."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from envctl.sandbox.checksums import crc32c
from envctl.sandbox.clock import milliseconds
from envctl.sandbox.failures import ApiError, Status, invalid
from envctl.sandbox.messages import Response
from envctl.sandbox.services.storage_buckets import OBJECTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json, Request


_UPLOADS = "objects.uploads"
_CONTENT_RANGE = re.compile(r"bytes (?:(?P<first>\d+)-\d+|\*)/(?P<total>\d+|\*)")


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects of a cloud."""

    cloud: Cloud

    def insert(self, call: Call) -> Json | Response:
        """Store an object from one request (media, multipart, metadata alone), or open a resumable upload."""
        self.cloud.buckets.find(call["bucket"])
        if call.query("uploadType") == "resumable":
            return self._open_upload(call)
        metadata, content, content_type = _upload(call.request)
        name = call.query("name") or metadata.get("name", "")
        if not name:
            raise invalid("Required parameter: name")
        key = f"{call['bucket']}/{name}"
        old = call.store.get(OBJECTS, key)
        wanted = call.query("ifGenerationMatch")
        if wanted and wanted != (old["resource"]["generation"] if old else "0"):
            raise _precondition()
        kind = metadata.get("contentType") or content_type or "application/octet-stream"
        return write_object(self.cloud, call["bucket"], name, content, kind, metadata)

    def _open_upload(self, call: Call) -> Response:
        metadata = json.loads(call.request.body or b"{}")
        name = call.query("name") or metadata.get("name", "")
        if not name:
            raise invalid("Required parameter: name")
        identifier = call.backend.unique("upload").hex()
        kind = metadata.get("contentType") or call.request.header("x-upload-content-type")
        upload: Json = {"name": name, "metadata": metadata, "type": kind, "content": ""}
        call.store.put(_UPLOADS, f"{call['bucket']}/{identifier}", upload)
        # Relative to the address that the client used, prefix included.
        place = f"http://{call.request.host}{call.request.path}?uploadType=resumable&upload_id={identifier}"
        return Response(200, {"Location": place, "Server": "UploadServer", "X-GUploader-UploadID": identifier}, b"")

    def resume(self, call: Call) -> Json | Response:
        """Take a part of a resumable upload; the object exists when its last byte has come."""
        key = f"{call['bucket']}/{call.query('upload_id')}"
        upload = call.store.get(_UPLOADS, key)
        if upload is None:
            raise ApiError(Status.NOT_FOUND, "Upload session not found.")
        content = base64.b64decode(upload["content"])
        match = _CONTENT_RANGE.fullmatch(call.request.header("content-range"))
        total = len(call.request.body)
        if match is None:
            content = call.request.body
        else:
            if match["first"] is not None and int(match["first"]) == len(content):
                content += call.request.body
            total = -1 if match["total"] == "*" else int(match["total"])
        if len(content) != total:
            call.store.put(_UPLOADS, key, {**upload, "content": base64.b64encode(content).decode()})
            received = {"Range": f"bytes=0-{len(content) - 1}"} if content else {}
            return Response(308, {"Server": "UploadServer", **received}, b"")
        call.store.delete(_UPLOADS, key)
        kind = upload["type"] or "application/octet-stream"
        return write_object(self.cloud, call["bucket"], upload["name"], content, kind, upload["metadata"])

    def get(self, call: Call) -> Json | Response:
        """An object's metadata, or its content with `alt=media`."""
        record = self._find(call)
        if call.query("alt") == "media":
            return self._media(call, record)
        return record["resource"]

    def download(self, call: Call) -> Json | Response:
        """An object's content, at the address of `mediaLink`."""
        return self._media(call, self._find(call))

    def _media(self, call: Call, record: Mapping[str, Any]) -> Response:
        content = base64.b64decode(record["content"])
        resource = record["resource"]
        headers = {
            "Content-Type": resource["contentType"],
            "Server": "UploadServer",
            "X-Goog-Generation": resource["generation"],
            "X-Goog-Hash": f"crc32c={resource['crc32c']},md5={resource['md5Hash']}",
            "X-Goog-Stored-Content-Length": resource["size"],
        }
        unit, _, asked = call.request.header("range").partition("=")
        if unit == "bytes" and asked.partition("-")[0].isdigit() and content:
            first, _, last = asked.partition("-")
            start = int(first)
            end = min(int(last) if last else len(content) - 1, len(content) - 1)
            if start > end:
                return Response(416, headers, b"")
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            return Response(206, headers, content[start : end + 1])
        return Response(200, headers, content)

    def patch(self, call: Call) -> Json:
        """Change an object's metadata."""
        record = self._find(call)
        resource: Json = {**record["resource"], **call.body}
        resource["metageneration"] = str(int(record["resource"]["metageneration"]) + 1)
        resource["updated"] = milliseconds(call.backend.clock.now())
        call.store.put(OBJECTS, f"{call['bucket']}/{call['object']}", {**record, "resource": resource})
        return resource

    def list(self, call: Call) -> Json:
        """The objects of a bucket, with `prefix`, `delimiter` and pages."""
        self.cloud.buckets.find(call["bucket"])
        prefix, delimiter = call.query("prefix"), call.query("delimiter")
        start = f"{call['bucket']}/"
        records = {
            name.removeprefix(start): value["resource"] for name, value in call.store.items(OBJECTS, start + prefix)
        }
        entries: list[tuple[str, Mapping[str, Any] | None]] = []
        folders: set[str] = set()
        for name in sorted(records):
            rest = name[len(prefix) :]
            if delimiter and delimiter in rest:
                folder = prefix + rest.partition(delimiter)[0] + delimiter
                if folder not in folders:
                    folders.add(folder)
                    entries.append((folder, None))
            else:
                entries.append((name, records[name]))
        try:
            after = base64.b64decode(call.query("pageToken"), validate=True).decode()
        except ValueError as error:
            raise invalid("Invalid argument: pageToken") from error
        entries = [entry for entry in entries if not after or entry[0] > after]
        size = call.number("maxResults", 1000)
        shown: Json = {"kind": "storage#objects"}
        if len(entries) > size:
            shown["nextPageToken"] = base64.b64encode(entries[size - 1][0].encode()).decode()
        items = [resource for _, resource in entries[:size] if resource is not None]
        prefixes = [name for name, resource in entries[:size] if resource is None]
        if prefixes:
            shown["prefixes"] = prefixes
        if items:
            shown["items"] = items
        return shown

    def delete(self, call: Call) -> Response:
        """Remove an object."""
        self._find(call)
        call.store.delete(OBJECTS, f"{call['bucket']}/{call['object']}")
        return Response(204, {"Server": "UploadServer", "Content-Type": "application/json"}, b"")

    def _find(self, call: Call) -> Mapping[str, Any]:
        self.cloud.buckets.find(call["bucket"])
        record = call.store.get(OBJECTS, f"{call['bucket']}/{call['object']}")
        if record is None:
            raise ApiError(Status.NOT_FOUND, f"No such object: {call['bucket']}/{call['object']}")
        return record


def read_object(cloud: Cloud, bucket: str, name: str) -> bytes | None:
    """The content of an object; None when there is none."""
    record = cloud.backend.store.get(OBJECTS, f"{bucket}/{name}")
    return base64.b64decode(record["content"]) if record else None


def write_object(
    cloud: Cloud,
    bucket: str,
    name: str,
    content: bytes,
    content_type: str,
    metadata: Mapping[str, Any] | None = None,
) -> Json:
    """Store an object and return its resource."""
    backend = cloud.backend
    key = f"{bucket}/{name}"
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
    for field in ("metadata", "cacheControl", "contentEncoding", "contentDisposition", "contentLanguage"):
        if given.get(field):
            resource[field] = given[field]
    record: Json = {"resource": resource, "content": base64.b64encode(content).decode()}
    backend.store.put(OBJECTS, key, record)
    return resource


def _precondition() -> ApiError:
    return ApiError(
        Status.FAILED_PRECONDITION,
        "At least one of the pre-conditions you specified did not hold.",
        http=412,
        reason="conditionNotMet",
    )


def _upload(request: Request) -> tuple[Mapping[str, Any], bytes, str]:
    """Metadata, content and content type of an upload."""
    content_type = request.header("content-type")
    match request.parameter("uploadType"):
        case "media":
            return {}, request.body, content_type
        case "multipart":
            first, second = _two_parts(request.body, content_type)
            return json.loads(first[1] or b"{}"), second[1], second[0]
        case "":
            return json.loads(request.body or b"{}"), b"", ""
        case other:
            raise ApiError(
                Status.UNIMPLEMENTED, f"The sandbox does not implement storage.objects.insert with uploadType={other}."
            )


def _two_parts(body: bytes, content_type: str) -> tuple[tuple[str, bytes], tuple[str, bytes]]:
    """Content type and raw content of the two parts of a multipart/related body."""
    boundary = content_type.partition("boundary=")[2].split(";")[0].strip("\"' ").encode()
    pieces = body.split(b"--" + boundary)
    if not boundary or len(pieces) != 4:
        raise invalid("Malformed multipart body.")
    return _part(pieces[1]), _part(pieces[2])


def _part(piece: bytes) -> tuple[str, bytes]:
    newline = b"\r\n" if b"\r\n\r\n" in piece else b"\n"
    head, _, content = piece.removeprefix(newline).partition(newline * 2)
    kind = ""
    for line in head.split(newline):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-type":
            kind = value.strip().decode()
    return kind, content.removesuffix(newline)
