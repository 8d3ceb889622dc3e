"""`IndexSource`: the package source that asks indexes and remembers what they said."""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING, Self

from envctl.errors import OutsideError
from envctl.resolution.index.cache import DiskCache, NoStaticMetadata, default_cache_directory
from envctl.resolution.index.listing import Chooser, likely_candidate
from envctl.resolution.index.look_ahead import Walk
from envctl.resolution.index.page import ListedFile, Page, line_files, line_version
from envctl.resolution.index.reader import Broken, Reader
from envctl.resolution.index.settings import load_index_settings
from envctl.resolution.index.times import time_text
from envctl.resolution.index.wheel_rank import WheelRanker
from envctl.resolution.protocol import (
    Candidate,
    FailureKind,
    IndexFailure,
    Listing,
    PackageName,
    RequirementMetadata,
    Target,
    UnknownPackage,
    UnknownRequirements,
    Wish,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from types import TracebackType

    from envctl.resolution.index.background import Job
    from envctl.resolution.index.reader import FoundMetadata
    from envctl.resolution.index.settings import IndexOptions, IndexSettings
    from envctl.resolution.protocol import Follow

_DEEPEST = 8
"""Levels of requirements that are read ahead."""
_MOST_PAGES = 300
"""Pages after which nothing is read ahead but what the search itself names."""


def open_index_source(
    options: IndexOptions | None = None,
    *,
    offline: bool = False,
    as_of: datetime | None = None,
    environment: Mapping[str, str] | None = None,
) -> IndexSource:
    """The source that command line, environment and pip's configuration files describe.

    Args:
        options: what command line, environment file or requirements files say.
        offline: use the cache alone.
        as_of: only files uploaded before this moment count.
        environment: variables; those of the process when None.

    Raises:
        UsageError: a setting is not valid.
    """
    environment = os.environ if environment is None else environment
    settings = load_index_settings(environment, options)
    cache = DiskCache(default_cache_directory(environment))
    return IndexSource(settings, cache, offline=offline, as_of=as_of, environment=environment)


def outside_error(failure: IndexFailure) -> OutsideError:
    """The error that ends a command when it cannot do without the index."""
    host = failure.host or "the package index"
    if failure.kind is FailureKind.OFFLINE:
        return OutsideError(
            "The cache does not hold what this check needs",
            detail=f"{host}: {failure.cause}.",
            hints=["Run the same command once without `--offline`."],
            code="index-offline",
        )
    hints = (
        ["Give a user name and password in ~/.netrc, in the keyring, or in the address of the index."]
        if failure.kind is FailureKind.REFUSED
        else ["`--offline` answers from the cache when it holds enough."]
    )
    return OutsideError(
        "The package index did not answer", detail=f"{host}: {failure.cause}.", hints=hints, code="index-failed"
    )


class IndexSource:
    """A `PackageSource` over simple indexes, find-links and the disk cache.

    Use it as a context manager, or call `close`: it owns threads and connections once it went online.
    """

    def __init__(
        self,
        settings: IndexSettings,
        cache: DiskCache,
        *,
        offline: bool = False,
        as_of: datetime | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._reader = Reader(settings, cache, offline=offline, environment=environment or {})
        self._cache = cache
        self._offline = offline
        self._lock = threading.Lock()
        self._as_of = None if as_of is None else time_text(as_of)
        self._choosers: dict[Target, Chooser] = {}
        self._pages: dict[str, Page | IndexFailure | None] = {}
        self._page_jobs: dict[str, Job[Page | IndexFailure | None]] = {}
        self._listings: dict[tuple[str, Target], Listing | UnknownPackage | IndexFailure] = {}
        self._metadata_jobs: dict[str, Job[FoundMetadata]] = {}
        self._walks: dict[str, Walk] = {}
        self._targets: dict[str, Target] = {}
        self._metadata: dict[str, RequirementMetadata | UnknownRequirements | IndexFailure] = {}

    @property
    def cache_problem(self) -> str | None:
        """Why the cache could not be written, when it could not: worth a warning."""
        return self._cache.problem

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends threads and connections; work that was only done ahead is given up."""
        self._reader.close()

    def listing(self, name: PackageName, target: Target) -> Listing | UnknownPackage | IndexFailure:
        """Every version of a package for a target; the same object when asked again."""
        key = (name, target)
        known = self._listings.get(key)
        if known is None:
            page = self._page(name)
            if isinstance(page, IndexFailure):
                known = page
            elif page is None:
                known = UnknownPackage(name)
            else:
                known = self._chooser(target).listing(name, page)
            self._listings[key] = known
        self._targets[name] = target
        return known

    def metadata(self, candidate: Candidate) -> RequirementMetadata | UnknownRequirements | IndexFailure:
        """What one candidate declares, read without executing anything."""
        known = self._metadata.get(candidate.url)
        if known is None:
            if not self._offline:
                self._look_ahead(candidate)
            found = self._found_metadata(candidate)
            if isinstance(found, Broken):
                known = UnknownRequirements(candidate, found.reason, invalid=True)
            elif isinstance(found, NoStaticMetadata):
                known = UnknownRequirements(candidate, found.reason)
            else:
                known = found
            self._metadata[candidate.url] = known
        return known

    def hashes(self, candidate: Candidate) -> tuple[str, ...] | IndexFailure:
        """`sha256:...` of every file of the candidate's version, sorted.

        Files whose digest the index does not tell are downloaded for it.
        """
        page = self._page(candidate.name)
        if isinstance(page, IndexFailure):
            return page
        lines = page.lines if page is not None else ()
        line = next((line for line in lines if line_version(line) == candidate.version), None)
        digests: set[str] = set()
        for file in [_file_of(candidate)] if line is None else line_files(line):
            digest = self._reader.sha256(file)
            if isinstance(digest, IndexFailure):
                return digest
            digests.add(f"sha256:{digest}")
        return tuple(sorted(digests))

    def prefetch_listings(self, names: Iterable[PackageName], target: Target) -> None:
        """Begins to read these pages in the background, and the metadata of each one's newest version."""
        self.prefetch((Wish(name, _anything) for name in names), target, _nothing)

    def prefetch_metadata(self, candidates: Iterable[Candidate]) -> None:
        """Begins to read the metadata of these candidates in the background."""
        if not self._offline:
            for candidate in candidates:
                self._begin_metadata(candidate, lambda candidate=candidate: self._read_metadata(candidate))

    def prefetch(self, wishes: Iterable[Wish], target: Target, follow: Follow) -> None:
        """Begins to read these packages in the background, then what their likely versions require."""
        if not self._offline:
            for wish in wishes:
                self._begin_page(wish, target, follow, _DEEPEST)

    def _begin_page(self, wish: Wish, target: Target, follow: Follow, depth: int) -> None:
        name = wish.name
        with self._lock:
            guessed_enough = depth < _DEEPEST and len(self._page_jobs) >= _MOST_PAGES
            if depth and not guessed_enough and name not in self._pages and name not in self._page_jobs:
                self._page_jobs[name] = self._reader.submit(lambda: self._read_tree(wish, target, follow, depth))

    def _begin_metadata(self, candidate: Candidate, read: Callable[[], FoundMetadata]) -> None:
        url = candidate.url
        with self._lock:
            if url not in self._metadata and url not in self._metadata_jobs:
                self._metadata_jobs[url] = self._reader.submit(read)

    def _read_tree(self, wish: Wish, target: Target, follow: Follow, depth: int) -> Page | IndexFailure | None:
        """In a worker: the page; begins to read the likely candidate's metadata and what that asks for."""
        page = self._reader.page(wish.name)
        if isinstance(page, Page):
            candidate = likely_candidate(self._chooser(target), wish.name, page, wish.accepts)
            if candidate is not None:
                read = partial(self._read_and_follow, candidate, wish.extras, target, follow, depth - 1)
                self._begin_metadata(candidate, read)
        return page

    def _read_and_follow(
        self, candidate: Candidate, extras: frozenset[str], target: Target, follow: Follow, depth: int
    ) -> FoundMetadata:
        found = self._read_metadata(candidate)
        if isinstance(found, RequirementMetadata):
            for wish in follow(found, extras):
                self._begin_page(wish, target, follow, depth)
        return found

    def _look_ahead(self, candidate: Candidate) -> None:
        """Reads in the background what will be asked after this candidate."""
        target = self._targets.get(candidate.name)
        listing = None if target is None else self._listings.get((candidate.name, target))
        if isinstance(listing, Listing):
            walk = self._walks.setdefault(candidate.name, Walk())
            self.prefetch_metadata(walk.expect(candidate, listing.candidates))

    def _page(self, name: PackageName) -> Page | IndexFailure | None:
        if name not in self._pages:
            self._pages[name] = self._found_page(name)
        return self._pages[name]

    def _found_page(self, name: PackageName) -> Page | IndexFailure | None:
        """By the job that is under way, or by one that runs here and that workers can see."""
        if self._offline:
            return self._reader.page(name)
        with self._lock:
            job = self._page_jobs.get(name)
            if job is None:
                job = self._page_jobs[name] = self._reader.job(lambda: self._reader.page(name))
        return job.result()

    def _found_metadata(self, candidate: Candidate) -> FoundMetadata:
        if self._offline:
            return self._read_metadata(candidate)
        with self._lock:
            job = self._metadata_jobs.get(candidate.url)
            if job is None:
                job = self._reader.job(lambda: self._read_metadata(candidate))
                self._metadata_jobs[candidate.url] = job
        return job.result()

    def _read_metadata(self, candidate: Candidate) -> FoundMetadata:
        return self._reader.metadata(_file_of(candidate), candidate.name, candidate.version)

    def _chooser(self, target: Target) -> Chooser:
        chooser = self._choosers.get(target)
        if chooser is None:
            chooser = Chooser(target.python, WheelRanker(target), self._as_of)
            self._choosers[target] = chooser
        return chooser


def _anything(_version: str) -> bool:
    return True


def _nothing(_metadata: RequirementMetadata, _extras: frozenset[str]) -> tuple[Wish, ...]:
    return ()


def _file_of(candidate: Candidate) -> ListedFile:
    reference = candidate.reference
    if isinstance(reference, ListedFile):
        return reference
    return ListedFile(
        filename=candidate.filename or candidate.url.rpartition("/")[2],
        url=candidate.url,
        sha256=candidate.sha256,
        requires_python=candidate.requires_python,
        upload_time=candidate.upload_time,
    )
