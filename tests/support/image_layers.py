"""Images of a registry for tests: layers, manifests, and a registry on loopback that can be told to misbehave."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
SITE = "opt/python3.11/lib/python3.11/site-packages"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def metadata(name: str, version: str, *requires: str, extras: Iterable[str] = ()) -> bytes:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {one}" for one in requires]
    return ("\n".join(lines) + "\n\nA long description.\n").encode()


def installed(*packages: tuple, site: str = SITE) -> dict[str, bytes]:
    """Files of packages given as (name, version, requirement, ...)."""
    return {
        f"{site}/{name.replace('-', '_')}-{version}.dist-info/METADATA": metadata(name, version, *requires)
        for name, version, *requires in packages
    }


def tar(files: dict[str, bytes | tarfile.TarInfo], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of files; an entry that is no content is taken as it is."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                content.name = name
                archive.addfile(content)
            else:
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def link(target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo()
    entry.type, entry.linkname = kind, target
    return entry


def layer(files, pack=gzip.compress) -> bytes:
    return pack(tar(files))


class BuiltImage:
    """An image: its blobs by digest, and its manifests by tag and digest."""

    def __init__(self, *layers: bytes, env: Iterable[str] = (), index: bool = False) -> None:
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Env": list(env)}}).encode()
        self.blobs = {digest(one): one for one in (config, *layers)}
        self.layers = layers
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": {
                    "mediaType": "application/vnd.oci.image.config.v1+json",
                    "digest": digest(config),
                    "size": len(config),
                },
                "layers": [
                    {
                        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                        "digest": digest(one),
                        "size": len(one),
                    }
                    for one in layers
                ],
            }
        ).encode()
        self.manifests = {digest(manifest): manifest}
        self.top = manifest
        if index:
            platforms = [("arm64", "sha256:" + "0" * 64), ("amd64", digest(manifest))]
            self.top = json.dumps(
                {
                    "schemaVersion": 2,
                    "mediaType": OCI_INDEX,
                    "manifests": [
                        {
                            "mediaType": OCI_MANIFEST,
                            "digest": one,
                            "size": len(manifest),
                            "platform": {"os": "linux", "architecture": name},
                        }
                        for name, one in platforms
                        if index != "pushed" or name == "amd64"
                    ],
                }
            ).encode()
            self.manifests[digest(self.top)] = self.top

    @property
    def digest(self) -> str:
        return digest(self.top)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.seen.append((self.path, dict(self.headers)))
        if server.answer is not None and server.answer(self):
            return
        match = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/(.+)", self.path)
        image = server.image
        if match is None:
            self.send(404, b"{}")
        elif match[2] == "manifests":
            content = image.manifests.get(match[3], image.top if match[3] == "latest" else None)
            if content is None:
                self.send(404, b"{}")
            else:
                kind = json.loads(content)["mediaType"]
                self.send(200, content, {"Docker-Content-Digest": digest(content), "Content-Type": kind})
        else:
            content = image.blobs.get(match[3])
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if content is None:
                self.send(404, b"{}")
            elif asked:
                start = int(asked[1])
                said = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
                self.send(206, content[start:], said)
            else:
                self.send(200, content)

    def send(self, status: int, content: bytes, headers=None, *, length: int | None = None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)
        if length is not None and length > len(content):
            self.close_connection = True

    def log_message(self, *_):
        pass


@contextmanager
def registry_of(image: BuiltImage, answer=None) -> Iterator[ThreadingHTTPServer]:
    """A registry with one image as `repo/image:latest`; `answer(handler)` may answer instead, and says whether it did."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.image, server.answer, server.seen = image, answer, []
    server.host = f"127.0.0.1:{server.server_port}"
    server.reference = f"{server.host}/repo/image:latest"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
