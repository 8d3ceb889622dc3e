"""Google's pages: from their addresses, asking only for what changed, or from files that were saved."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from envctl.errors import OutsideError, UsageError
from envctl.private_files import write_private
from envctl.resolution.images.page_text import MOST_BYTES, page_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

PACKAGE_PAGE = "https://docs.cloud.google.com/composer/docs/versions-packages.md.txt"
VERSION_PAGE = "https://docs.cloud.google.com/composer/docs/composer-versions.md.txt"

_OK, _NOT_MODIFIED = 200, 304
_SECONDS = 30.0
_READ_SECONDS = 120.0


class SavedPage(NamedTuple):
    """A page.

    Attributes:
        place: its address or file, without credentials.
        text: the whole page.
        sha256: of its bytes, hexadecimal.
        unchanged: the server said that it is the page of the last time.
    """

    place: str
    text: str
    sha256: str
    unchanged: bool = False


def is_address(text: str) -> bool:
    """Whether a page is to be fetched; everything else is a file."""
    return text.startswith(("https://", "http://"))


def read_page_file(path: Path) -> SavedPage:
    """A page that was saved.

    Raises:
        UsageError: the file cannot be read.
        InvalidInputError: it is no text.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError("The page cannot be read", detail=f"{path}: {error.strerror}") from error
    return SavedPage(str(path), page_text(content, str(path)), hashlib.sha256(content).hexdigest())


def fetch_page(url: str, cache: Path, transport: httpx.BaseTransport | None = None) -> SavedPage:
    """A page from its address; what is in the cache is asked about and not fetched again.

    Args:
        url: http or https.
        cache: folder of earlier answers.
        transport: how to get there; the network when None.

    Raises:
        OutsideError: no answer, or another one than the page; with the address.
        InvalidInputError: the answer is no text, or too large.
    """
    import httpx

    place = _shown(url)
    known = _Kept.load(cache, url)
    timeout = httpx.Timeout(_SECONDS, read=_READ_SECONDS)
    try:
        with (
            httpx.Client(transport=transport, timeout=timeout, follow_redirects=True) as client,
            client.stream("GET", url, headers=known.conditions() if known else {}) as response,
        ):
            if known is not None and response.status_code == _NOT_MODIFIED:
                return known.page(place, unchanged=True)
            if response.status_code != _OK:
                raise _no_page(place, f"the answer was {response.status_code} {response.reason_phrase}".rstrip())
            content = _bounded(response)
            kept = _Kept(
                response.headers.get("ETag", ""),
                response.headers.get("Last-Modified", ""),
                response.charset_encoding or "",
                content,
            )
    except httpx.TimeoutException as error:
        raise _no_page(place, "no answer in time") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _no_page(place, str(error) or type(error).__name__) from error
    page = kept.page(place)
    kept.save(cache, url)
    return page


class _Kept(NamedTuple):
    """An answer as the cache keeps it: one line of JSON with what to ask by, then the body."""

    etag: str
    modified: str
    charset: str
    body: bytes

    @staticmethod
    def load(cache: Path, url: str) -> _Kept | None:
        """What is kept of an address; None where nothing is, or where it is damaged."""
        try:
            head, _, body = _file(cache, url).read_bytes().partition(b"\n")
            said = json.loads(head)
            if hashlib.sha256(body).hexdigest() != said["sha256"]:
                return None
            return _Kept(said["etag"], said["modified"], said["charset"], body)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, cache: Path, url: str) -> None:
        """Keeps it; a folder that cannot be written only costs the next run a transfer."""
        said = {"sha256": self.digest, "etag": self.etag, "modified": self.modified, "charset": self.charset}
        path = _file(cache, url)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_private(path, json.dumps(said).encode() + b"\n" + self.body)
        except OSError:
            return

    def conditions(self) -> Mapping[str, str]:
        """The headers that ask for another page than this one."""
        named = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in named.items() if value}

    def page(self, place: str, *, unchanged: bool = False) -> SavedPage:
        """The page that the answer holds."""
        return SavedPage(place, page_text(self.body, place, self.charset or None), self.digest, unchanged)

    @property
    def digest(self) -> str:
        """Of the body, as SHA-256."""
        return hashlib.sha256(self.body).hexdigest()


def page_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder in which fetched pages are kept."""
    from envctl.resolution.index.cache import default_cache_directory

    return Path(default_cache_directory(environment)) / "image-pages-v1"


def _file(cache: Path, url: str) -> Path:
    return cache / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.page"


def _bounded(response: httpx.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            break
    return b"".join(parts)


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _no_page(place: str, cause: str) -> OutsideError:
    return OutsideError(
        "The page cannot be fetched",
        detail=f"{place}: {cause}.",
        hints=("Save the page where the network lets you, and read the file:\n    envctl images update --from FILE",),
        code="image-page-unreachable",
    )
