"""What indexes said before, on disk: pages in their compact form, and metadata, which never changes.

Layout below the root: `pages-v2/INDEX/NAME.page` (first line: JSON about the answer, then the page's lines)
and `metadata-v1/HOST/NAME/FILE-HASH.json`. A file that cannot be read counts as absent and is replaced.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlsplit

from envctl.resolution.index.page import Page
from envctl.resolution.protocol import RequirementMetadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.resolution.index.page import ListedFile

_UNSAFE = re.compile(r"[^A-Za-z0-9.+-]+")
_LOOKED = 2
"""Which reading of sdists found no requirements; raised when a later one reads more of them."""


class CachedPage(NamedTuple):
    """A page and what is needed to ask whether it is still true.

    Attributes:
        page: None when the index answered that it does not know the package.
        body_digest: of the answer as it came, to recognise the same answer again.
        etag: of the answer, or empty.
        last_modified: of the answer, or empty.
        fresh_until: seconds since the epoch; before it nothing need be asked.
    """

    page: Page | None
    body_digest: str = ""
    etag: str = ""
    last_modified: str = ""
    fresh_until: float = 0.0


class NoStaticMetadata(NamedTuple):
    """A distribution that was read and declares nothing that holds without running it."""

    reason: str


def default_cache_directory(environment: Mapping[str, str]) -> str:
    """`ENVCTL_CACHE_DIR`, else the platform's folder for caches, as `platformdirs` names it."""
    named = environment.get("ENVCTL_CACHE_DIR")
    if named:
        return named
    if sys.platform == "linux":
        # what platformdirs says there, without its import
        folder = Path(environment.get("XDG_CACHE_HOME", ""))
        return str((folder if folder.is_absolute() else Path.home() / ".cache") / "envctl")
    from platformdirs import user_cache_dir

    return user_cache_dir("envctl", appauthor=False)


class DiskCache:
    """Reads and writes the cache; writes are atomic, so any number of processes may share it.

    A cache that cannot be written does not stop anybody: `problem` then says why, once.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self.problem: str | None = None

    def read_page(self, index_url: str, name: str) -> CachedPage | None:
        """What was last known of a package, however old; None when nothing is."""
        text = _read(self._page_path(index_url, name))
        if text is None:
            return None
        header, _, body = text.partition("\n")
        try:
            fields = json.loads(header)
            if fields["name"] != name or fields["lines"] != (body.count("\n") + 1 if body else 0):
                return None
            return CachedPage(
                page=Page(tuple(body.split("\n")) if body else (), bool(fields["times_known"]))
                if fields["known"]
                else None,
                body_digest=str(fields["digest"]),
                etag=str(fields["etag"]),
                last_modified=str(fields["last_modified"]),
                fresh_until=float(fields["fresh_until"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    def write_page(self, index_url: str, name: str, cached: CachedPage) -> None:
        """Keeps a page."""
        lines = cached.page.lines if cached.page else ()
        header = {
            "name": name,
            "known": cached.page is not None,
            "lines": len(lines),
            "times_known": cached.page is not None and cached.page.times_known,
            "digest": cached.body_digest,
            "etag": cached.etag,
            "last_modified": cached.last_modified,
            "fresh_until": cached.fresh_until,
            "written": int(time.time()),
        }
        self._write(self._page_path(index_url, name), "\n".join((json.dumps(header), *lines)))

    def read_metadata(self, name: str, file: ListedFile) -> RequirementMetadata | NoStaticMetadata | None:
        """What a file declares, when it was read before."""
        text = _read(self._metadata_path(name, file))
        if text is None:
            return None
        try:
            fields = cast("dict[str, object]", json.loads(text))
            if fields["filename"] != file.filename:
                return None
            reason = fields.get("no_static_metadata")
            if isinstance(reason, str):
                # written before more of an sdist was read: it may say something after all
                return NoStaticMetadata(reason) if fields.get("looked") == _LOOKED else None
            requires_python = fields["requires_python"]
            return RequirementMetadata(
                requires_dist=tuple(map(str, cast("list[object]", fields["requires_dist"]))),
                requires_python=requires_python if isinstance(requires_python, str) else None,
                provides_extra=tuple(map(str, cast("list[object]", fields["provides_extra"]))),
                assumed=str(fields.get("assumed", "")),
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    def write_metadata(self, name: str, file: ListedFile, metadata: RequirementMetadata | NoStaticMetadata) -> None:
        """Keeps what a file declares, for ever: published files do not change."""
        fields: dict[str, object] = {"filename": file.filename}
        if isinstance(metadata, NoStaticMetadata):
            fields["no_static_metadata"] = metadata.reason
            fields["looked"] = _LOOKED
        else:
            fields["requires_dist"] = metadata.requires_dist
            fields["requires_python"] = metadata.requires_python
            fields["provides_extra"] = metadata.provides_extra
            if metadata.assumed:
                fields["assumed"] = metadata.assumed
        self._write(self._metadata_path(name, file), json.dumps(fields))

    def _page_path(self, index_url: str, name: str) -> str:
        return f"{self._root}/pages-v2/{_index_folder(index_url)}/{_safe(name)}.page"

    def _metadata_path(self, name: str, file: ListedFile) -> str:
        """A folder per host, so that no host can speak for another's files; a replaced file has another hash."""
        identity = f"{_sum(file.url)}{(file.sha256 or '')[:16]}"
        folder = f"{self._root}/metadata-v1/{_safe(urlsplit(file.url).netloc)}/{_safe(name)}"
        return f"{folder}/{_safe(file.filename)[:150]}-{identity}.json"

    def _write(self, path: str, text: str) -> None:
        temporary = f"{path}.{os.getpid()}-{threading.get_ident()}.tmp"
        try:
            data = text.encode("utf-8", "replace")
            try:
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
            os.replace(temporary, path)  # noqa: PTH105
        except OSError as error:
            self.problem = f"the cache at {self._root} cannot be written: {error.strerror or error}"


def _read(path: str) -> str | None:
    """Plain `open`: `pathlib` would cost more than the reading."""
    try:
        with open(path, encoding="utf-8", newline="\n") as stream:  # noqa: PTH123
            return stream.read()
    except (OSError, UnicodeDecodeError):
        return None


def _index_folder(index_url: str) -> str:
    parts = urlsplit(index_url)
    return f"{_safe(f'{parts.netloc}{parts.path}')[:100]}-{_sum(index_url)}"


def _safe(text: str) -> str:
    return _UNSAFE.sub("_", text).lstrip(".") or "_"


def _sum(text: str) -> str:
    data = text.encode("utf-8", "replace")
    return f"{zlib.crc32(data):08x}{zlib.adler32(data):08x}"
