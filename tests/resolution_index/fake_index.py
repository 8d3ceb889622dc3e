"""Tiny wheels and sdists, and a simple index on loopback that serves them in every manner seen in the wild."""

from __future__ import annotations

import gzip
import hashlib
import html
import io
import json
import re
import sys
import tarfile
import threading
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def metadata_text(
    name: str,
    version: str,
    requires: Iterable[str] = (),
    *,
    requires_python: str | None = None,
    extras: Iterable[str] = (),
    metadata_version: str = "2.1",
    dynamic: Iterable[str] = (),
) -> str:
    """The text of a METADATA or PKG-INFO file."""
    lines = [f"Metadata-Version: {metadata_version}", f"Name: {name}", f"Version: {version}"]
    if requires_python is not None:
        lines.append(f"Requires-Python: {requires_python}")
    lines.extend(f"Dynamic: {field_name}" for field_name in dynamic)
    lines.extend(f"Provides-Extra: {extra}" for extra in extras)
    lines.extend(f"Requires-Dist: {requirement}" for requirement in requires)
    return "\n".join([*lines, "", "A description.", ""])


def build_wheel(
    name: str,
    version: str,
    requires: Iterable[str] = (),
    *,
    metadata: str | bytes | None = None,
    dist_info: str | None = None,
    members: Mapping[str, bytes] | None = None,
    compression: int = zipfile.ZIP_DEFLATED,
    **fields: Any,
) -> bytes:
    """The bytes of a wheel; `metadata` replaces the generated text, `members` come before `.dist-info`."""
    folder = f"{name.replace('-', '_')}-{version}.dist-info" if dist_info is None else dist_info
    text = metadata_text(name, version, requires, **fields) if metadata is None else metadata
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for path, content in (members or {}).items():
            archive.writestr(path, content)
        archive.writestr(f"{folder}/METADATA", text)
        archive.writestr(f"{folder}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{folder}/RECORD", "")
    return stream.getvalue()


def build_sdist(
    name: str,
    version: str,
    requires: Iterable[str] = (),
    *,
    pkg_info: str | bytes | None = None,
    pyproject: str | None = None,
    ending: str = ".tar.gz",
    metadata_version: str = "2.2",
    more: Mapping[str, bytes] | None = None,
    **fields: Any,
) -> bytes:
    """The bytes of an sdist: `PKG-INFO`, `setup.py` that must never run, optionally `pyproject.toml`."""
    if pkg_info is None:
        pkg_info = metadata_text(name, version, requires, metadata_version=metadata_version, **fields)
    top = f"{name}-{version}"
    files: dict[str, str | bytes] = {
        f"{top}/setup.py": "raise SystemExit('executed')",
        f"{top}/PKG-INFO": pkg_info,
        **(more or {}),
    }
    if pyproject is not None:
        files[f"{top}/pyproject.toml"] = pyproject
    stream = io.BytesIO()
    if ending == ".zip":
        with zipfile.ZipFile(stream, "w") as archive:
            for path, content in files.items():
                archive.writestr(path, content)
        return stream.getvalue()
    mode = {".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}[ending]
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


@dataclass
class Served:
    """One file of the index."""

    filename: str
    content: bytes
    metadata: bytes | None = None
    advertise_metadata: bool | str = False
    requires_python: str | None = None
    yanked: str | None = None
    upload_time: str | None = None
    tell_hash: bool = True
    sha256: str | None = None

    @property
    def digest(self) -> str:
        """What the index claims, true unless `sha256` says otherwise."""
        return self.sha256 or hashlib.sha256(self.content).hexdigest()


@dataclass
class Request:
    """What the server was asked, and how it answered."""

    path: str
    headers: dict[str, str]
    status: int = 0
    sent: int = 0


@dataclass
class Answer:
    """A canned answer: `drop` closes the connection instead, `cut` sends fewer bytes than promised."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    cut: int | None = None


class FakeIndex:
    """A simple index on loopback. Attributes may be changed between requests.

    Attributes:
        style: `html`, `json`, or `html-for-json` (JSON in name only, as some mirrors do).
        etags: pages carry an ETag and If-None-Match is answered with 304.
        max_age: of pages, in seconds, or None for no Cache-Control.
        ranges: `yes`, `ignore` (200 with everything) or `refuse` (501).
        password: (user, password) that every request must carry, or None.
        answers: path to canned answers, used up in order; the last one stays.
        absolute: file links are absolute addresses instead of relative ones.
        gzip: pages are compressed when the client allows it.
    """

    def __init__(self) -> None:
        self.files: dict[str, list[Served]] = {}
        self.style = "json"
        self.etags = False
        self.max_age: int | None = None
        self.ranges = "yes"
        self.password: tuple[str, str] | None = None
        self.answers: dict[str, list[Answer]] = {}
        self.absolute = False
        self.gzip = False
        self.requests: list[Request] = []
        self.connections = 0
        self._lock = threading.Lock()
        owner = self

        class Handler(_Handler):
            index = owner

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address to configure."""
        return f"http://127.0.0.1:{self.port}/simple"

    def url_with(self, user: str, password: str) -> str:
        """The address with credentials in it."""
        return f"http://{user}:{password}@127.0.0.1:{self.port}/simple"

    def close(self) -> None:
        """Stops listening: from now on connections are refused."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, name: str, served: Served) -> Served:
        """Lists a file under a project."""
        self.files.setdefault(re.sub(r"[-_.]+", "-", name).lower(), []).append(served)
        return served

    def add_wheel(
        self,
        name: str,
        version: str,
        requires: Iterable[str] = (),
        *,
        tags: str = "py3-none-any",
        build: str = "",
        serve_metadata: bool = False,
        advertise_metadata: bool | str = False,
        content: bytes | None = None,
        upload_time: str | None = None,
        yanked: str | None = None,
        requires_python: str | None = None,
        tell_hash: bool = True,
        **fields: Any,
    ) -> Served:
        """A wheel; `serve_metadata` also serves its `.metadata` file, advertised or not."""
        requires = list(requires)
        if content is None:
            content = build_wheel(name, version, requires, requires_python=requires_python, **fields)
        metadata = None
        if serve_metadata or advertise_metadata:
            metadata = metadata_text(name, version, requires, requires_python=requires_python).encode()
        middle = f"-{build}" if build else ""
        return self.add(
            name,
            Served(
                filename=f"{name.replace('-', '_')}-{version}{middle}-{tags}.whl",
                content=content,
                metadata=metadata,
                advertise_metadata=advertise_metadata,
                requires_python=requires_python,
                yanked=yanked,
                upload_time=upload_time,
                tell_hash=tell_hash,
            ),
        )

    def add_sdist(
        self,
        name: str,
        version: str,
        requires: Iterable[str] = (),
        *,
        ending: str = ".tar.gz",
        content: bytes | None = None,
        upload_time: str | None = None,
        yanked: str | None = None,
        requires_python: str | None = None,
        **fields: Any,
    ) -> Served:
        """An sdist, static by PKG-INFO 2.2 unless the fields say otherwise."""
        if content is None:
            content = build_sdist(name, version, requires, ending=ending, **fields)
        return self.add(
            name,
            Served(
                filename=f"{name}-{version}{ending}",
                content=content,
                requires_python=requires_python,
                yanked=yanked,
                upload_time=upload_time,
            ),
        )

    def answer(self, path: str, *answers: Answer) -> None:
        """Canned answers for a path; an Answer of status 0 means: as usual."""
        self.answers[path] = list(answers)

    def asked(self, part: str = "") -> list[Request]:
        """The requests whose path holds the text."""
        with self._lock:
            return [request for request in self.requests if part in request.path]

    def counts(self) -> Counter[str]:
        """How often each path was asked."""
        with self._lock:
            return Counter(request.path for request in self.requests)

    def note(self, request: Request) -> None:
        with self._lock:
            self.requests.append(request)

    def canned(self, path: str) -> Answer | None:
        with self._lock:
            waiting = self.answers.get(path)
            if not waiting:
                return None
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def page(self, name: str) -> tuple[str, bytes] | None:
        """Content type and body of a project's page."""
        served = self.files.get(name)
        if served is None:
            return None
        if self.style == "json":
            return "application/vnd.pypi.simple.v1+json", self._json_page(name, served)
        return "text/html", self._html_page(name, served)

    def find(self, filename: str) -> Served | None:
        """A file by its name."""
        return next((file for files in self.files.values() for file in files if file.filename == filename), None)

    def _link(self, file: Served) -> str:
        path = f"/files/{file.filename}"
        return f"http://127.0.0.1:{self.port}{path}" if self.absolute else f"../..{path}"

    def _json_page(self, name: str, served: list[Served]) -> bytes:
        files: list[dict[str, Any]] = []
        for file in served:
            entry: dict[str, Any] = {"filename": file.filename, "url": self._link(file), "hashes": {}}
            if file.tell_hash:
                entry["hashes"] = {"sha256": file.digest}
            if file.requires_python is not None:
                entry["requires-python"] = file.requires_python
            if file.yanked is not None:
                entry["yanked"] = file.yanked or True
            if file.upload_time is not None:
                entry["upload-time"] = file.upload_time
            if file.advertise_metadata:
                entry["core-metadata"] = self._advertised(file) or True
            files.append(entry)
        return json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": files}).encode()

    def _advertised(self, file: Served) -> dict[str, str]:
        if isinstance(file.advertise_metadata, str):
            return {"sha256": file.advertise_metadata}
        return {"sha256": hashlib.sha256(file.metadata).hexdigest()} if file.metadata else {}

    def _html_page(self, name: str, served: list[Served]) -> bytes:
        lines = ["<!DOCTYPE html>", f"<html><head><title>Links for {name}</title></head><body>"]
        for file in served:
            href = self._link(file) + (f"#sha256={file.digest}" if file.tell_hash else "")
            attributes = {"href": href}
            if file.requires_python is not None:
                attributes["data-requires-python"] = file.requires_python
            if file.yanked is not None:
                attributes["data-yanked"] = file.yanked
            if file.upload_time is not None:
                attributes["data-upload-time"] = file.upload_time
            if file.advertise_metadata:
                digest = self._advertised(file).get("sha256")
                attributes["data-core-metadata"] = f"sha256={digest}" if digest else "true"
            text = " ".join(f'{key}="{html.escape(value)}"' for key, value in attributes.items())
            lines.append(f"<a {text}>{file.filename}</a><br/>")
        return "\n".join([*lines, "</body></html>"]).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the game."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    index: FakeIndex
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.index.connections += 1

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing: the requests are kept."""

    def do_GET(self) -> None:
        request = Request(self.path, {name.lower(): value for name, value in self.headers.items()})
        self.index.note(request)
        canned = self.index.canned(self.path)
        if canned is not None and canned.status:
            self._send_canned(request, canned)
            return
        if self.index.password is not None and not self._is_allowed():
            self._send(request, 401, b"who are you?", {"WWW-Authenticate": 'Basic realm="index"'})
        elif match := re.fullmatch(r"/simple/([^/]+)/", self.path):
            self._send_page(request, match[1])
        elif match := re.fullmatch(r"/files/(.+?)(\.metadata)?", self.path):
            self._send_file(request, match[1], beside=match[2] is not None)
        else:
            self._send(request, 404, b"no such page")

    def _is_allowed(self) -> bool:
        import base64

        user, password = self.index.password or ("", "")
        wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        return self.headers.get("Authorization") == wanted

    def _send_canned(self, request: Request, canned: Answer) -> None:
        if canned.drop:
            self.close_connection = True
            return
        if canned.cut is not None:
            self.send_response(canned.status)
            self.send_header("Content-Length", str(len(canned.body)))
            self.end_headers()
            self.wfile.write(canned.body[: canned.cut])
            self.close_connection = True
            return
        self._send(request, canned.status, canned.body, canned.headers)

    def _send_page(self, request: Request, name: str) -> None:
        page = self.index.page(name)
        if page is None:
            self._send(request, 404, b"no such project")
            return
        content_type, body = page
        headers = {"Content-Type": content_type}
        if self.index.max_age is not None:
            headers["Cache-Control"] = f"max-age={self.index.max_age}, public"
        if self.index.etags:
            headers["ETag"] = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
            if self.headers.get("If-None-Match") == headers["ETag"]:
                self._send(request, 304, b"", headers)
                return
        if self.index.gzip and "gzip" in self.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body)
        self._send(request, 200, body, headers)

    def _send_file(self, request: Request, filename: str, *, beside: bool) -> None:
        file = self.index.find(filename)
        content = None if file is None else file.metadata if beside else file.content
        if content is None:
            self._send(request, 404, b"no such file")
            return
        span = self.headers.get("Range")
        if span is None or self.index.ranges == "ignore":
            self._send(request, 200, content)
        elif self.index.ranges == "refuse":
            self._send(request, 501, b"no ranges here")
        else:
            first, _, last = span.removeprefix("bytes=").partition("-")
            start = max(0, len(content) - int(last)) if not first else int(first)
            end = len(content) if not first or not last else min(len(content), int(last) + 1)
            place = {"Content-Range": f"bytes {start}-{end - 1}/{len(content)}"}
            self._send(request, 206, content[start:end], place)

    def _send(self, request: Request, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        request.status, request.sent = status, len(body)
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
            self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
