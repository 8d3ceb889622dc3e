"""Objects of Cloud Storage: uploads in one request and in parts, downloads, metadata."""

from __future__ import annotations

import base64
import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.sandbox.backend import parse_body
from envctl.sandbox.clock import milliseconds
from envctl.sandbox.failures import ApiError, Status, invalid
from envctl.sandbox.messages import Response
from envctl.sandbox.payloads import checked
from envctl.sandbox.services.storage_access import ObjectLists
from envctl.sandbox.services.storage_conditions import require_conditions
from envctl.sandbox.services.storage_listing import listed
from envctl.sandbox.services.storage_versions import SETTABLE, live, remove, replace, version, write_object

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

    @property
    def lists(self) -> ObjectLists:
        """Who may use single objects."""
        return ObjectLists(self.cloud)

    def insert(self, call: Call) -> Json | Response:
        """Store an object from one request (media, multipart, metadata alone), or open a resumable upload."""
        self.cloud.buckets.find(call["bucket"])
        if call.query("uploadType") == "resumable":
            return self._open_upload(call)
        metadata, content, content_type = _upload(call.request)
        return self._write(call, metadata, content, content_type)

    def _write(self, call: Call, metadata: Mapping[str, Any], content: bytes, content_type: str) -> Json:
        name = call.query("name") or metadata.get("name", "")
        if not name:
            raise invalid("Required parameter: name")
        old = live(self.cloud, call["bucket"], name)
        require_conditions(call, old["resource"] if old else None)
        if call.query("contentEncoding"):
            metadata = {**metadata, "contentEncoding": call.query("contentEncoding")}
        kind = metadata.get("contentType") or content_type or "application/octet-stream"
        resource = write_object(self.cloud, call["bucket"], name, content, kind, metadata)
        self.lists.taken(call, metadata, resource)
        return self.lists.shown(call, resource)

    def _open_upload(self, call: Call) -> Response:
        metadata = _metadata(call.request.body)
        if not (call.query("name") or metadata.get("name")):
            raise invalid("Required parameter: name")
        identifier = call.backend.unique("upload").hex()
        kind = metadata.get("contentType") or call.request.header("x-upload-content-type")
        query = {key: list(values) for key, values in call.request.query.items()}
        upload: Json = {"query": query, "metadata": metadata, "type": kind, "content": ""}
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
        # What the request that opened the upload asked for counts when it ends.
        opened = dataclasses.replace(call, request=dataclasses.replace(call.request, query=upload["query"]))
        return self._write(opened, upload["metadata"], content, upload["type"])

    def get(self, call: Call) -> Json | Response:
        """An object's metadata, or its content with `alt=media`."""
        record = self._found(call)
        if call.query("alt") == "media":
            return _media(call, record)
        return self.lists.shown(call, record["resource"])

    def download(self, call: Call) -> Json | Response:
        """An object's content, at the address of `mediaLink`."""
        return _media(call, self._found(call))

    def patch(self, call: Call) -> Json:
        """Change fields of an object's metadata; null removes one."""
        return self._change(call, self._found(call), call.body)

    def update(self, call: Call) -> Json:
        """Replace what a client may set of an object's metadata."""
        gone: Json = dict.fromkeys(SETTABLE)
        return self._change(call, self._found(call), {**gone, **call.body})

    def _change(self, call: Call, record: Mapping[str, Any], changes: Mapping[str, Any]) -> Json:
        unknown = set(changes) & _NOT_CHANGED
        if unknown:
            raise ApiError(
                Status.UNIMPLEMENTED, f"The sandbox does not implement the field {min(unknown)} of {call.method}."
            )
        resource: Json = dict(record["resource"])
        # Everything else is the server's: clients send it back as they read it.
        for field in (*SETTABLE, "contentType"):
            if field in changes:
                value = changes[field]
                if field == "metadata" and value is not None and call.request.method == "PATCH":
                    both = {**resource.get("metadata", {}), **value}
                    value = {key: entry for key, entry in both.items() if entry is not None}
                resource[field] = value
                if value in (None, {}):
                    del resource[field]
        resource["metageneration"] = str(int(resource["metageneration"]) + 1)
        resource["updated"] = milliseconds(call.backend.clock.now())
        replace(self.cloud, {**record, "resource": resource})
        self.lists.taken(call, changes, resource)
        return self.lists.shown(call, resource)

    def list(self, call: Call) -> Json:
        """The objects of a bucket that the call asks for."""
        resources, folders, token = listed(self.cloud, call)
        shown: Json = {"kind": "storage#objects"}
        if token:
            shown["nextPageToken"] = token
        if folders:
            shown["prefixes"] = folders
        if resources:
            shown["items"] = [self.lists.shown(call, resource) for resource in resources]
        return shown

    def delete(self, call: Call) -> Response:
        """Remove an object, or one version of it."""
        self._found(call)
        remove(self.cloud, call["bucket"], call["object"], call.query("generation"))
        return Response(204, {"Server": "UploadServer", "Content-Type": "application/json"}, b"")

    def _found(self, call: Call) -> Mapping[str, Any]:
        record = version(self.cloud, call["bucket"], call["object"], call.query("generation"))
        require_conditions(call, record["resource"])
        return record


_NOT_CHANGED = frozenset({"eventBasedHold", "temporaryHold", "retention", "contexts"})


def _media(call: Call, record: Mapping[str, Any]) -> Response:
    content = base64.b64decode(record["content"])
    resource = record["resource"]
    md5 = f",md5={resource['md5Hash']}" if "md5Hash" in resource else ""
    headers = {
        "Content-Type": resource["contentType"],
        "Server": "UploadServer",
        "X-Goog-Generation": resource["generation"],
        "X-Goog-Hash": f"crc32c={resource['crc32c']}{md5}",
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


def _metadata(content: bytes) -> Json:
    """The resource that a client sends with an upload, checked as any other body."""
    return checked("storage", "v1", "storage.objects.insert", parse_body(content), keeps_nulls=True)


def _upload(request: Request) -> tuple[Mapping[str, Any], bytes, str]:
    """Metadata, content and content type of an upload."""
    content_type = request.header("content-type")
    match request.parameter("uploadType"):
        case "media":
            return {}, request.body, content_type
        case "multipart":
            first, second = _two_parts(request.body, content_type)
            return _metadata(first[1]), second[1], second[0]
        case "":
            return _metadata(request.body), b"", ""
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
