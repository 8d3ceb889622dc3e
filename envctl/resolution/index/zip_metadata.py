"""The METADATA file out of a wheel, read through any bounded window on its bytes.

A small reader of the zip format rather than `zipfile`: it reads the few bytes that are needed, never trusts a
size, and does not make an object for each of thousands of members.
Source: APPNOTE.TXT 6.3.10, PKWARE, 2022: 4.3.12 to 4.3.16.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_METADATA_BYTES = 16 << 20
MAX_DIRECTORY_BYTES = 64 << 20
_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_RUNS = re.compile(r"[-_.]+")


_Entry = tuple[int, int, int, int, int, int]
"""Method, flags, CRC, packed size, size, offset of the local header."""


class BrokenWheelError(Exception):
    """The wheel is not one that pip would install; the text is one sentence without a full stop."""


class Window(Protocol):
    """Bytes that can be read anywhere."""

    @property
    def size(self) -> int:
        """Number of bytes in all."""
        ...

    def read_at(self, offset: int, length: int) -> bytes:
        """Exactly these bytes; fewer only at the end."""
        ...


class FileWindow:
    """A window on an open file."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.size = stream.seek(0, 2)

    def read_at(self, offset: int, length: int) -> bytes:
        """These bytes of the file."""
        self._stream.seek(max(0, offset))
        return self._stream.read(length)


def directory_bytes(window: Window) -> int:
    """How long the central directory is: what reading the metadata will cost at least."""
    return _find_directory(window)[1]


def read_wheel_metadata(window: Window, name: str) -> bytes:
    """The bytes of the one `*.dist-info/METADATA`.

    Args:
        window: on the wheel.
        name: normalised name of the package.

    Raises:
        BrokenWheelError: truncated, not a zip, no or several `.dist-info` folders, or too large.
    """
    start, length, shift = _find_directory(window)
    if length > MAX_DIRECTORY_BYTES:
        raise BrokenWheelError("its directory of files is too large")
    directory = window.read_at(start, length)
    found: dict[str, _Entry] = {}
    folders: set[str] = set()
    for path, entry in _entries(directory):
        folder, slash, rest = path.partition("/")
        if slash and folder.endswith(".dist-info"):
            folders.add(folder)
            if rest == "METADATA":
                found[folder] = entry
    if not folders:
        raise BrokenWheelError("it has no .dist-info folder")
    if len(folders) > 1:
        raise BrokenWheelError("it has several .dist-info folders")
    folder = next(iter(folders))
    if not _RUNS.sub("-", folder).lower().startswith(name):
        raise BrokenWheelError(f"its .dist-info folder is of another package, {folder[:100]!r}")
    if folder not in found:
        raise BrokenWheelError("it has no METADATA file")
    return _member(window, found[folder], shift)


def _find_directory(window: Window) -> tuple[int, int, int]:
    """Start and length of the central directory, and how far the archive stands from the file's start."""
    tail_length = min(window.size, _END.size + 65535)
    tail = window.read_at(window.size - _END.size, _END.size) if window.size >= _END.size else b""
    position = window.size - _END.size
    if tail[:4] != b"PK\x05\x06" or tail[-2:] != b"\x00\x00":
        tail = window.read_at(window.size - tail_length, tail_length)
        found = tail.rfind(b"PK\x05\x06")
        if found < 0 or len(tail) - found < _END.size:
            raise BrokenWheelError("it is truncated or no zip archive")
        position = window.size - tail_length + found
        tail = tail[found : found + _END.size]
    _, _, _, _, _, length, offset, _ = _END.unpack(tail)
    if length == 0xFFFFFFFF or offset == 0xFFFFFFFF:
        position, length, offset = _find_zip64(window, position)
    start = position - length
    if start < 0 or offset > start:
        raise BrokenWheelError("it is truncated or no zip archive")
    return start, length, start - offset


def _find_zip64(window: Window, end: int) -> tuple[int, int, int]:
    locator = window.read_at(max(0, end - _END64_LOCATOR.size), _END64_LOCATOR.size)
    if len(locator) < _END64_LOCATOR.size or locator[:4] != b"PK\x06\x07":
        raise BrokenWheelError("it is truncated or no zip archive")
    position = end - _END64_LOCATOR.size - _END64.size
    record = window.read_at(max(0, position), _END64.size)
    if len(record) < _END64.size or record[:4] != b"PK\x06\x06":
        raise BrokenWheelError("it is truncated or no zip archive")
    fields = _END64.unpack(record)
    return position, fields[8], fields[9]


def _entries(directory: bytes) -> Iterator[tuple[str, _Entry]]:
    """Path and entry of each member with `.dist-info/` in its path."""
    position, end = 0, len(directory)
    while position < end:
        if end - position < _ENTRY.size or directory[position : position + 4] != b"PK\x01\x02":
            raise BrokenWheelError("its directory of files is damaged")
        fields = _ENTRY.unpack_from(directory, position)
        flags, method, packed, size = fields[3], fields[4], fields[8], fields[9]
        name_length, extra_length, comment_length, offset = fields[10], fields[11], fields[12], fields[16]
        name_start = position + _ENTRY.size
        name = directory[name_start : name_start + name_length]
        position = name_start + name_length + extra_length + comment_length
        if b".dist-info/" in name:
            extra = directory[name_start + name_length : name_start + name_length + extra_length]
            packed, size, offset = _widened(extra, packed, size, offset)
            yield name.decode("utf-8", "replace"), (method, flags, fields[7], packed, size, offset)


def _widened(extra: bytes, packed: int, size: int, offset: int) -> tuple[int, int, int]:
    """Sizes of more than four bytes stand in the extra field 1, in this order, where the short one is full."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        body = extra[position + 4 : position + 4 + length]
        position += 4 + length
        if kind != 1:
            continue
        values = [value for (value,) in struct.iter_unpack("<Q", body[: len(body) // 8 * 8])]
        if size == 0xFFFFFFFF and values:
            size = values.pop(0)
        if packed == 0xFFFFFFFF and values:
            packed = values.pop(0)
        if offset == 0xFFFFFFFF and values:
            offset = values.pop(0)
    return packed, size, offset


def _member(window: Window, entry: _Entry, shift: int) -> bytes:
    method, flags, crc, packed, size, offset = entry
    if flags & 1:
        raise BrokenWheelError("its METADATA file is encrypted")
    if method not in {0, 8}:
        raise BrokenWheelError("its METADATA file is packed with a method that pip cannot read")
    if max(packed, size) > MAX_METADATA_BYTES:
        raise BrokenWheelError("its METADATA file is too large")
    # The local header's name and extra field may differ from the directory's: read a little more at once.
    head = window.read_at(offset + shift, _LOCAL.size + 512 + packed)
    if len(head) < _LOCAL.size or head[:4] != b"PK\x03\x04":
        raise BrokenWheelError("its METADATA file is damaged")
    fields = _LOCAL.unpack_from(head)
    start = _LOCAL.size + fields[9] + fields[10]
    body = head[start : start + packed]
    if len(body) < packed and start + packed > len(head):
        body = window.read_at(offset + shift + start, packed)
    if method == 8:
        try:
            body = zlib.decompressobj(-zlib.MAX_WBITS).decompress(body, size + 1)
        except zlib.error as error:
            raise BrokenWheelError("its METADATA file is damaged") from error
    if len(body) != size or zlib.crc32(body) != crc:
        raise BrokenWheelError("its METADATA file is damaged")
    return body
