"""The metadata of a wheel with as few bytes of it as the index lets us take.

Order: the advertised `.metadata` file; else the wheel's end by a ranged request, which mostly holds both the
directory and METADATA (writers put `.dist-info` last); a `.metadata` file that is not advertised when ranges
are refused or the directory is long; else the whole wheel.
"""

from __future__ import annotations

import hashlib
import re
import threading
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import urlsplit

from envctl.resolution.index.transport import TransportError
from envctl.resolution.index.zip_metadata import (
    MAX_DIRECTORY_BYTES,
    MAX_METADATA_BYTES,
    BrokenWheelError,
    FileWindow,
    directory_bytes,
    read_wheel_metadata,
)
from envctl.resolution.protocol import FailureKind, IndexFailure

if TYPE_CHECKING:
    from io import BytesIO

    from envctl.resolution.index.page import ListedFile
    from envctl.resolution.index.transport import Response, Transport

_TAIL_BYTES = 32 << 10
_LONG_DIRECTORY_BYTES = 256 << 10
MAX_FILE_BYTES = 2 << 30
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)", re.ASCII)


class WheelReader:
    """Reads metadata of wheels over HTTP; remembers which hosts do not serve ranges."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._rangeless: set[str] = set()
        self._directories: dict[str, int] = {}
        self._lock = threading.Lock()

    def metadata(self, file: ListedFile, name: str) -> bytes:
        """The bytes of the wheel's METADATA.

        Raises:
            BrokenWheelError: pip would refuse the wheel.
            TransportError: the index did not give it.
        """
        if file.core_metadata is not None:
            content = self._beside(file)
            if content is not None:
                return content
        if not self._without_ranges(file.url):
            window = self._window(file, name)
            if window is not None:
                return self._through_window(window, file, name)
        if file.core_metadata is None:
            content = self._beside(file)
            if content is not None:
                return content
        return self._whole(file, name)

    def _through_window(self, window: _RemoteWindow, file: ListedFile, name: str) -> bytes:
        directory = directory_bytes(window)
        if directory > MAX_DIRECTORY_BYTES:
            raise BrokenWheelError("its directory of files is too large")
        with self._lock:
            seen_before = name in self._directories
            self._directories[name] = max(directory, self._directories.get(name, 0))
        if file.core_metadata is None and directory > _LONG_DIRECTORY_BYTES and not seen_before:
            content = self._beside(file)
            if content is not None:
                return content
        if not window.holds_end(directory):
            # RECORD, about as long as the directory, mostly stands between it and METADATA: take all at once.
            window.read_at(window.size - 2 * directory - _TAIL_BYTES, 2 * directory + _TAIL_BYTES)
        return read_wheel_metadata(window, name)

    def _beside(self, file: ListedFile) -> bytes | None:
        """The `.metadata` file (PEP 658), or None when there is none or it is not the advertised one."""
        path, question, query = file.url.partition("?")
        response = self._transport.get(f"{path}.metadata{question}{query}", max_bytes=MAX_METADATA_BYTES)
        if response.status != 200 or response.cut:
            return None
        if file.core_metadata and hashlib.sha256(response.body).hexdigest() != file.core_metadata:
            return None
        # Servers that answer any address with a friendly page would otherwise pass for an index.
        return response.body if b"name:" in response.body[:65536].lower() else None

    def _window(self, file: ListedFile, name: str) -> _RemoteWindow | None:
        """A window on the wheel with its end read; None when the server does not serve ranges.

        Versions of a package resemble each other: the end is as long as a former one needed.
        """
        with self._lock:
            length = _TAIL_BYTES + self._directories.get(name, 0) * 9 // 4
        response = get_range(self._transport, file.url, f"-{length}", length)
        place = CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if response.status == 206 and place is not None and not response.cut:
            return _RemoteWindow(self._transport, file.url, int(place[3]), int(place[1]), response.body)
        if response.status == 200 and not response.cut:
            return _RemoteWindow(self._transport, file.url, len(response.body), 0, response.body)
        if response.status in {200, 206, 400, 405, 416, 501}:
            with self._lock:
                self._rangeless.add(_host(file.url))
            return None
        raise TransportError(_refusal(response))

    def _without_ranges(self, url: str) -> bool:
        with self._lock:
            return _host(url) in self._rangeless

    def _whole(self, file: ListedFile, name: str) -> bytes:
        from tempfile import TemporaryFile

        with TemporaryFile() as stream:
            download(self._transport, file, stream)
            return read_wheel_metadata(FileWindow(stream), name)


def download(transport: Transport, file: ListedFile, into: IO[bytes]) -> str:
    """Writes a whole file and returns its sha256 in hexadecimal.

    Raises:
        BrokenWheelError: the file is not the one that the index announced, or larger than 2 GiB.
        TransportError: the index did not give it.
    """
    response = transport.get(file.url, max_bytes=MAX_FILE_BYTES, into=into)
    if response.status != 200:
        raise TransportError(_refusal(response))
    if response.cut:
        raise BrokenWheelError("it is larger than 2 GiB")
    into.seek(0)
    digest = hashlib.file_digest(cast("BytesIO", into), "sha256").hexdigest()
    check_digest(file, digest)
    into.seek(0)
    return digest


def check_digest(file: ListedFile, digest: str) -> None:
    """Refuses a file that is not the announced one.

    Raises:
        BrokenWheelError: the sha256 that the index tells is another.
    """
    if file.sha256 is not None and digest != file.sha256:
        raise BrokenWheelError("it is not the file that the index announces: its sha256 differs")


class _RemoteWindow:
    """A window on a file over HTTP: keeps what was read, asks for what was not."""

    def __init__(self, transport: Transport, url: str, size: int, start: int, content: bytes) -> None:
        self._transport = transport
        self._url = url
        self.size = size
        self._parts = [(start, content)]

    def holds_end(self, length: int) -> bool:
        """Whether so many bytes of the file's end need not be asked for."""
        return any(start + length <= self.size for start, _ in self._parts)

    def read_at(self, offset: int, length: int) -> bytes:
        """These bytes, fewer at the end of the file.

        Raises:
            TransportError: the server stopped serving ranges, or the file changed.
        """
        end = min(self.size, offset + length)
        offset = max(0, offset)
        if end <= offset:
            return b""
        for start, content in self._parts:
            if start <= offset and end <= start + len(content):
                return content[offset - start : end - start]
        wanted = end - offset
        response = get_range(self._transport, self._url, f"{offset}-{end - 1}", wanted)
        if response.status != 206 or response.cut:
            raise TransportError(_refusal(response))
        if len(response.body) != wanted:
            raise BrokenWheelError("it is truncated or no zip archive")
        self._parts.append((offset, response.body))
        return response.body


def get_range(transport: Transport, url: str, span: str, max_bytes: int) -> Response:
    """The answer to a request for a span of bytes such as `0-99` or `-100`; 206 when it was honoured."""
    return transport.get(url, {"Range": f"bytes={span}"}, max_bytes=max_bytes)


def _refusal(response: Response) -> IndexFailure:
    host = _host(response.url)
    if response.status in {401, 403}:
        return IndexFailure(host, FailureKind.REFUSED, f"it refuses a file with status {response.status}")
    return IndexFailure(host, FailureKind.GARBAGE, f"it answers a listed file with status {response.status}")


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
