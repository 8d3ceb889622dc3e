"""Pages and metadata from wherever they are: cache, network, folders of this machine."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import urlsplit

from envctl.resolution.index.cache import CachedPage, NoStaticMetadata
from envctl.resolution.index.page import ListedFile, Page, build_page, merge_pages
from envctl.resolution.protocol import FailureKind, IndexFailure, RequirementMetadata

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from envctl.resolution.index.background import Job, Workers
    from envctl.resolution.index.cache import DiskCache
    from envctl.resolution.index.online import Online
    from envctl.resolution.index.settings import IndexSettings
    from envctl.resolution.protocol import PackageName

_WORKERS = 12
Result = TypeVar("Result")


class Broken(NamedTuple):
    """A file that pip would refuse as well."""

    reason: str


FoundMetadata = RequirementMetadata | NoStaticMetadata | Broken | IndexFailure


class Reader:
    """Answers from the cache where that is allowed, else from the network; safe to use from many threads."""

    def __init__(
        self, settings: IndexSettings, cache: DiskCache, *, offline: bool, environment: Mapping[str, str]
    ) -> None:
        self._settings = settings
        self._cache = cache
        self._offline = offline
        self._environment = environment
        self._online: Online | None = None
        self._workers: Workers | None = None
        self._links: dict[str, list[ListedFile] | IndexFailure] = {}
        self._lock = threading.Lock()
        self._links_lock = threading.Lock()

    def close(self) -> None:
        """Ends threads and connections."""
        if self._workers is not None:
            self._workers.close()
        if self._online is not None:
            self._online.close()

    def submit(self, call: Callable[[], Result]) -> Job[Result]:
        """A job for the background threads."""
        if self._workers is None:
            from envctl.resolution.index.background import Workers

            with self._lock:
                self._workers = self._workers or Workers(_WORKERS)
        return self._workers.submit(call)

    def job(self, call: Callable[[], Result]) -> Job[Result]:
        """A job that runs in the thread that asks for its result."""
        from envctl.resolution.index.background import Job

        return Job(call)

    def page(self, name: PackageName) -> Page | IndexFailure | None:
        """What all indexes together list; None when none of them knows the package.

        One index that fails makes the whole answer a failure: what it would have listed could decide.
        """
        if self._offline:
            answers = [self._index_page(url, name) for url in self._settings.indexes]
        else:
            others = self._settings.indexes[1:]
            jobs = [self.submit(lambda url=url: self._index_page(url, name)) for url in others]
            answers = [self._index_page(url, name) for url in self._settings.indexes[:1]]
            answers.extend(job.result() for job in jobs)
        answers.extend(self._links_page(link, name) for link in self._settings.find_links)
        failure = next((answer for answer in answers if isinstance(answer, IndexFailure)), None)
        if failure is not None:
            return failure
        pages = [answer for answer in answers if isinstance(answer, Page)]
        if not pages:
            return None
        return pages[0] if len(pages) == 1 else merge_pages(pages)

    def metadata(self, file: ListedFile, name: PackageName, version: str) -> FoundMetadata:
        """What a file declares."""
        if file.url.startswith("file:"):
            from envctl.resolution.index.local_files import read_local_metadata

            return read_local_metadata(file, name, version)
        known = self._cache.read_metadata(name, file)
        if known is not None:
            return known
        if self._offline:
            return _offline(file.url, f"the metadata of {file.filename} is not in the cache")
        from envctl.resolution.index.transport import TransportError
        from envctl.resolution.index.zip_metadata import BrokenWheelError

        try:
            found = self._asked().fetch_metadata(file, name, version)
        except TransportError as error:
            return error.failure
        except BrokenWheelError as error:
            return Broken(str(error))
        self._cache.write_metadata(name, file, found)
        return found

    def sha256(self, file: ListedFile) -> str | IndexFailure:
        """The file's digest, downloading the file when its index does not tell it."""
        if file.sha256 is not None:
            return file.sha256
        if file.url.startswith("file:"):
            from envctl.resolution.index.local_files import local_sha256

            return local_sha256(file)
        if self._offline:
            return _offline(file.url, f"the index does not tell the sha256 of {file.filename}")
        from envctl.resolution.index.transport import TransportError
        from envctl.resolution.index.zip_metadata import BrokenWheelError

        try:
            return self._asked().fetch_sha256(file)
        except TransportError as error:
            return error.failure
        except BrokenWheelError as error:
            return IndexFailure(_host(file.url), FailureKind.GARBAGE, f"{file.filename}: {error}")

    def _index_page(self, index_url: str, name: PackageName) -> Page | IndexFailure | None:
        known = self._cache.read_page(index_url, name)
        if self._offline:
            if known is None:
                return _offline(index_url, f"the page of {name} is not in the cache")
            return known.page
        import time

        if known is not None and time.time() < known.fresh_until:
            return known.page
        from envctl.resolution.index.transport import TransportError

        try:
            found = self._asked().fetch_page(index_url, name, known)
        except TransportError as error:
            return error.failure
        if found is not known and found != known:
            self._cache.write_page(index_url, name, found)
        return found.page

    def _links_page(self, link: str, name: PackageName) -> Page | IndexFailure | None:
        """One package's files of a find-links folder or page."""
        over_http = link.startswith(("http://", "https://"))
        if over_http and self._offline:
            known = self._cache.read_page(link, name)
            return _offline(link, f"its files of {name} are not in the cache") if known is None else known.page
        with self._links_lock:
            if link not in self._links:
                self._links[link] = self._read_links(link, over_http=over_http)
            files = self._links[link]
        if isinstance(files, IndexFailure):
            return files
        built = build_page(name, files)
        page = built if built.lines else None
        if over_http:
            self._cache.write_page(link, name, CachedPage(page))
        return page

    def _read_links(self, link: str, *, over_http: bool) -> list[ListedFile] | IndexFailure:
        if not over_http:
            from envctl.resolution.index.local_files import list_local_files

            return list_local_files(link)
        from envctl.resolution.index.transport import TransportError

        try:
            return self._asked().fetch_links(link)
        except TransportError as error:
            return error.failure

    def _asked(self) -> Online:
        if self._online is None:
            from envctl.resolution.index.online import Online

            with self._lock:
                self._online = self._online or Online(self._settings, self._environment)
        return self._online


def _offline(url: str, cause: str) -> IndexFailure:
    return IndexFailure(_host(url), FailureKind.OFFLINE, cause)


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
