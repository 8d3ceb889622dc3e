"""The files of an image that say which Python packages are in it, from its layers, in bounded memory.

Nothing is written to disk under a name of the archive. Layers are read in one pass each; of the millions of bytes only
the heads of metadata files are kept. What an upper layer deletes ("whiteouts") or replaces is gone.
Source: "Image Layer Filesystem Changeset", OCI Image Format Specification 1.1, 2026-11.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zlib
from typing import IO, TYPE_CHECKING, Protocol

from envctl.errors import OutsideError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MOST_ENTRIES = 4_000_000
MOST_UNPACKED = 1024**3
"""Bytes that any layer may unpack to; a larger one may have a hundred times its packed size."""
MOST_RATIO = 100
_MOST_HEADER = 1024 * 1024
_MOST_FILE = 2 * 1024 * 1024
_MOST_KEPT = 64 * 1024 * 1024
_WINDOW = 128 * 1024 * 1024
_BINARY_CHUNK = 256 * 1024

_WANTED = re.compile(
    r".*\.(?:dist-info/METADATA|egg-info/(?:PKG-INFO|requires\.txt)|egg-info|egg-link)"
    r"|.*/(?:site|dist)-packages/[^/]+\.pth|.*/pyvenv\.cfg|pyvenv\.cfg|.*/include/python3\.\d+/patchlevel\.h"
)
_BINARY = re.compile(r"(?:.*/)?(?:bin/python3\.\d+|lib/libpython3\.\d+\.so(?:\.[0-9.]+)?)")
_PYTHON_LINK = re.compile(r"python|-packages|^(?:bin|lib|lib64|usr|opt|home|root|usr/[^/]+|opt/[^/]+)$")
_VERSION_IN_BINARY = re.compile(rb"(?<![\d.])3\.\d{1,2}\.\d{1,2}(?![\d.])")
_HEADERS = frozenset(
    {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
)


class ImageFiles:
    """What is known of an image's file system, layer upon layer.

    Attributes:
        texts: content of metadata files by path, without a leading slash; of a binary of Python, its version.
        links: targets of symbolic links that may lead to packages.
    """

    def __init__(self) -> None:
        self.texts: dict[str, bytes] = {}
        self.links: dict[str, str] = {}

    def add_layer(self, path: Path, label: str, progress: Callable[[int], None] | None = None) -> None:
        """Lays a layer over what is there.

        Args:
            path: the blob: a tar, plain or packed with gzip or zstd.
            label: how errors call it.
            progress: told the unpacked bytes, again and again.

        Raises:
            OutsideError: it cannot be unpacked, or holds what no layer of an image holds.
        """
        upper = _Layer(label, _with_folders({*self.texts, *self.links}))
        limit = max(MOST_UNPACKED, MOST_RATIO * path.stat().st_size)
        try:
            with path.open("rb") as packed:
                stream = _Bounded(_unpacked(packed), limit, label, progress)
                with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as archive:
                    for member in archive:
                        upper.take(member, archive, self)
                        archive.members = []  # pyright: ignore[reportAttributeAccessIssue]  it would remember every member of the layer
        except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError) as error:
            raise layer_error(label, f"it is no archive that can be unpacked ({error})") from error
        self._lay(upper)

    def resolved(self, path: str) -> str:
        """A path with the symbolic links in it followed, within the image."""
        done: list[str] = []
        rest = [part for part in path.split("/") if part not in ("", ".")]
        followed = 0
        while rest:
            part = rest.pop(0)
            if part == "..":
                if done:
                    done.pop()
                continue
            done.append(part)
            target = self.links.get("/".join(done))
            if target is not None and followed < 40:
                followed += 1
                done = [] if target.startswith("/") else done[:-1]
                rest = [one for one in target.split("/") if one not in ("", ".")] + rest
        return "/".join(done)

    def _lay(self, upper: _Layer) -> None:
        gone = {*upper.removed, *upper.files}
        for table in (self.texts, self.links):
            for path in [one for one in table if _below(one, gone, upper.opaque)]:
                del table[path]
        self.texts.update(upper.texts)
        self.links.update(upper.links)
        if sum(map(len, self.texts.values())) > _MOST_KEPT:
            raise layer_error(upper.label, "it holds more metadata of packages than any image")


class _Layer:
    """What one layer adds and takes away; `below` holds each path that is known so far, and every folder above it."""

    def __init__(self, label: str, below: frozenset[str]) -> None:
        self.label = label
        self._below = below
        self.texts: dict[str, bytes] = {}
        self.links: dict[str, str] = {}
        self.removed: set[str] = set()
        self.opaque: set[str] = set()
        self.files: set[str] = set()
        self._entries = 0
        self._kept = 0

    def take(self, member: tarfile.TarInfo, archive: tarfile.TarFile, below: ImageFiles) -> None:
        """One entry of the archive."""
        self._entries += 1
        if self._entries > MOST_ENTRIES:
            raise layer_error(self.label, f"it has more than {MOST_ENTRIES} entries")
        path = self._path(member.name)
        folder, _, name = path.rpartition("/")
        if name == ".wh..wh..opq":
            self.opaque.add(folder)
        elif name.startswith(".wh."):
            self.removed.add(f"{folder}/{name[4:]}".lstrip("/"))
        elif member.isdir():
            self._forget(path)
        else:
            self._file(path, member, archive, below)

    def _file(self, path: str, member: tarfile.TarInfo, archive: tarfile.TarFile, below: ImageFiles) -> None:
        if path in self._below:
            self.files.add(path)
        self._forget(path)
        wanted, binary = _WANTED.fullmatch(path) is not None, _BINARY.fullmatch(path) is not None
        if member.issym():
            if _PYTHON_LINK.search(path) or _PYTHON_LINK.search(member.linkname):
                self.links[path] = member.linkname
        elif member.islnk():
            target = self._path(member.linkname)
            text = self.texts.get(target, below.texts.get(target))
            if text is not None:
                self._keep(path, text)
            elif wanted:
                raise layer_error(self.label, f"{path} is a link to {target}, whose content is not in the image")
        elif wanted or binary:
            if not member.isreg() or member.issparse():
                raise layer_error(self.label, f"{path} is no plain file")
            content = archive.extractfile(member)
            assert content is not None
            text = _head(content) if wanted else _version_in(content)
            if text is not None:
                self._keep(path, text)

    def _keep(self, path: str, text: bytes) -> None:
        self.texts[path] = text
        self._kept += len(text)
        if self._kept > _MOST_KEPT:
            raise layer_error(self.label, "it holds more metadata of packages than any image")

    def _forget(self, path: str) -> None:
        self.texts.pop(path, None)
        self.links.pop(path, None)

    def _path(self, name: str) -> str:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise layer_error(self.label, f"an entry leads out of the image: {name[:200]!r}")
        return "/".join(parts)


class _Member(tarfile.TarInfo):
    """An entry whose own description may not be endless: tarfile reads that into memory whole."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HEADERS and self.size > _MOST_HEADER:
            raise tarfile.ReadError(f"the description of an entry has {self.size} bytes")
        return super()._proc_member(archive)  # pyright: ignore[reportAttributeAccessIssue]


class _Readable(Protocol):
    """Bytes one after the other."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes; none at the end."""
        ...


class _Bounded(io.RawIOBase):
    """A stream that ends in an error when more comes out of it than can be meant."""

    def __init__(
        self, stream: _Readable, limit: int, label: str, progress: Callable[[int], None] | None = None
    ) -> None:
        super().__init__()
        self._stream = stream
        self._limit = limit
        self._label = label
        self._progress = progress
        self._read = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""
        content = self._stream.read(size)
        self._read += len(content)
        if self._read > self._limit:
            raise layer_error(self._label, f"it unpacks to more than {self._limit // 1024**2} MB")
        if self._progress is not None:
            self._progress(self._read)
        return content


def _unpacked(packed: IO[bytes]) -> _Readable:
    """The tar in a blob; how it is packed is told by its first bytes, as by every reader of images."""
    magic = packed.read(4)
    packed.seek(0)
    if magic[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=packed)
    if magic == b"\x28\xb5\x2f\xfd" or (magic[1:] == b"\x2a\x4d\x18" and 0x50 <= magic[0] <= 0x5F):
        import zstandard

        reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(packed, read_across_frames=True)
        return _ZstdErrors(reader)
    return packed


class _ZstdErrors:
    """A reader of zstd whose faults are ValueErrors, as those of the other readers are errors of the library."""

    def __init__(self, reader: _Readable) -> None:
        self._reader = reader

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""
        import zstandard

        try:
            return self._reader.read(size)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error


def _head(content: IO[bytes]) -> bytes:
    """The headers of a metadata file, the whole of a short one."""
    text = content.read(_MOST_FILE)
    if text.startswith((b"Metadata-Version:", b"Name:")):
        return re.split(rb"\r?\n\r?\n", text, maxsplit=1)[0]
    return text[: _MOST_FILE // 8]


def _version_in(content: IO[bytes]) -> bytes | None:
    """The one version of Python that a binary speaks of; None where it speaks of none or of several."""
    found: set[bytes] = set()
    tail = b""
    while chunk := content.read(_BINARY_CHUNK):
        found.update(_VERSION_IN_BINARY.findall(tail + chunk))
        tail = chunk[-16:]
        if len(found) > 64:
            return None
    return b" ".join(sorted(found)) or None


def _with_folders(paths: Iterable[str]) -> frozenset[str]:
    found: set[str] = set()
    for path in paths:
        at = path
        while at and at not in found:
            found.add(at)
            at = at.rpartition("/")[0]
    return frozenset(found)


def _below(path: str, gone: set[str], opaque: set[str]) -> bool:
    """Whether a path, or a folder above it, is gone; or a folder above it hides what was in it."""
    at = path
    if at in gone:
        return True
    while "/" in at:
        at = at.rpartition("/")[0]
        if at in gone or at in opaque:
            return True
    return "" in opaque


def layer_error(label: str, detail: str) -> OutsideError:
    """That a layer cannot be taken."""
    return OutsideError(
        "A layer of the image cannot be taken",
        detail=f"{label}: {detail}.",
        hints=("Nothing of the image was taken.",),
        code="registry-layer",
    )
