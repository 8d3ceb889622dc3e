"""Pages and metadata asked from indexes over the network. Imported only when something must be asked."""

from __future__ import annotations

import hashlib
import re
import time
from tempfile import TemporaryFile
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from envctl.resolution.index.cache import CachedPage, NoStaticMetadata
from envctl.resolution.index.core_metadata import BadMetadataError, check_identity, parse_core_metadata
from envctl.resolution.index.credentials import Credentials
from envctl.resolution.index.page import build_page
from envctl.resolution.index.remote_wheel import WheelReader, download
from envctl.resolution.index.simple_html import GarbageError, parse_simple_html
from envctl.resolution.index.transport import Transport, TransportError, TransportSettings
from envctl.resolution.index.zip_metadata import BrokenWheelError
from envctl.resolution.protocol import FailureKind, IndexFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.resolution.index.page import ListedFile
    from envctl.resolution.index.settings import IndexSettings
    from envctl.resolution.index.transport import Response
    from envctl.resolution.protocol import PackageName, RequirementMetadata

_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
_MAX_PAGE_BYTES = 256 << 20
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})", re.ASCII)


class Online:
    """Questions to indexes; safe to use from many threads."""

    def __init__(self, settings: IndexSettings, environment: Mapping[str, str]) -> None:
        self._transport = Transport(
            TransportSettings(
                timeout_seconds=settings.timeout_seconds,
                retries=settings.retries,
                ca_bundle=settings.ca_bundle,
                client_certificate=settings.client_certificate,
                trusted_hosts=settings.trusted_hosts,
                proxy=settings.proxy,
                environment=environment,
            ),
            Credentials(settings.passwords, environment, keyring=settings.keyring),
        )
        self._wheels = WheelReader(self._transport)

    def close(self) -> None:
        """Gives up all connections."""
        self._transport.close()

    def fetch_page(self, index_url: str, name: PackageName, known: CachedPage | None) -> CachedPage:
        """What an index says of a package now; `known` is returned itself when nothing changed.

        Raises:
            TransportError: no usable answer.
        """
        headers = {"Accept": _ACCEPT, "Accept-Encoding": "gzip"}
        if known is not None and known.etag:
            headers["If-None-Match"] = known.etag
        elif known is not None and known.last_modified:
            headers["If-Modified-Since"] = known.last_modified
        else:
            headers["Cache-Control"] = "max-age=0"
        response = self._transport.get(f"{index_url}/{name}/", headers, max_bytes=_MAX_PAGE_BYTES)
        if response.status == 304 and known is not None:
            return _dated(known, response)
        if response.status in {404, 410}:
            return CachedPage(None)
        _check_page_status(response)
        digest = hashlib.sha256(response.body).hexdigest()
        if known is not None and known.page is not None and known.body_digest == digest:
            return _dated(known, response)
        page = build_page(name, _parse_page(response))
        return _dated(CachedPage(page, digest), response)

    def fetch_links(self, url: str) -> list[ListedFile]:
        """The files of a `--find-links` page.

        Raises:
            TransportError: no usable answer.
        """
        response = self._transport.get(
            url, {"Accept": "text/html", "Accept-Encoding": "gzip"}, max_bytes=_MAX_PAGE_BYTES
        )
        _check_page_status(response)
        return _parse_page(response)

    def fetch_metadata(
        self, file: ListedFile, name: PackageName, version: str
    ) -> RequirementMetadata | NoStaticMetadata:
        """What a file declares.

        Raises:
            BrokenWheelError: pip would refuse the file.
            TransportError: no usable answer.
        """
        if not file.filename.endswith(".whl"):
            return self._fetch_sdist_metadata(file, name, version)
        return checked_metadata(self._wheels.metadata(file, name), name, version)

    def fetch_sha256(self, file: ListedFile) -> str:
        """The digest of a file whose index does not tell it, by downloading the file.

        Raises:
            BrokenWheelError: larger than any package should be.
            TransportError: no usable answer.
        """
        with TemporaryFile() as stream:
            return download(self._transport, file, stream)

    def _fetch_sdist_metadata(
        self, file: ListedFile, name: PackageName, version: str
    ) -> RequirementMetadata | NoStaticMetadata:
        from envctl.resolution.index.remote_sdist import read_remote_sdist
        from envctl.resolution.index.sdist import NotStaticError

        try:
            return read_remote_sdist(self._transport, file, name, version)
        except NotStaticError as error:
            return NoStaticMetadata(str(error))


def checked_metadata(content: bytes, name: PackageName, version: str) -> RequirementMetadata:
    """The requirements out of a wheel's METADATA.

    Raises:
        BrokenWheelError: it is no metadata, or another package's.
    """
    try:
        metadata = parse_core_metadata(content)
        check_identity(metadata, name, version)
    except BadMetadataError as error:
        raise BrokenWheelError(str(error)) from error
    return metadata.requirements


def _check_page_status(response: Response) -> None:
    host = urlsplit(response.url).hostname or ""
    if response.status in {401, 403, 407}:
        raise TransportError(IndexFailure(host, FailureKind.REFUSED, f"it refuses with status {response.status}"))
    if response.status != 200:
        raise TransportError(IndexFailure(host, FailureKind.GARBAGE, f"it answers with status {response.status}"))
    if response.cut:
        raise TransportError(IndexFailure(host, FailureKind.GARBAGE, "the page is larger than 256 MiB"))


def _parse_page(response: Response) -> list[ListedFile]:
    """By what the body is, not by what the header says: some indexes answer HTML when JSON is asked for."""
    text = response.body.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    try:
        if text.startswith(("{", "[")):
            from envctl.resolution.index.simple_json import parse_simple_json

            return parse_simple_json(text, response.url)
        return parse_simple_html(text, response.url)
    except GarbageError as error:
        host = urlsplit(response.url).hostname or ""
        raise TransportError(IndexFailure(host, FailureKind.GARBAGE, str(error))) from error


def _dated(cached: CachedPage, response: Response) -> CachedPage:
    """The page with the validators and the freshness that the answer states."""
    control = response.headers.get("cache-control", "").lower()
    max_age = _MAX_AGE.search(control)
    fresh = 0.0
    if max_age is not None and "no-cache" not in control and "no-store" not in control:
        age = response.headers.get("age", "")
        fresh = time.time() + int(max_age[1]) - (int(age) if age.isdecimal() else 0)
    etag = response.headers.get("etag", cached.etag if response.status == 304 else "")
    modified = response.headers.get("last-modified", cached.last_modified if response.status == 304 else "")
    if (etag, modified, fresh) == (cached.etag, cached.last_modified, cached.fresh_until):
        return cached
    return CachedPage(cached.page, cached.body_digest, etag, modified, fresh)
