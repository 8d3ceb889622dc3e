"""From the lines of a page to the candidates of a target: one file per version, chosen as pip does.

pip orders the files of a version by: not yanked, wheel by tag, build number; among equals the last one wins.
Source: `pip/_internal/index/package_finder.py`, `CandidateEvaluator._sort_key`; pip 26.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, overload

from envctl.resolution.index.filenames import is_wheel, wheel_build, wheel_tags
from envctl.resolution.index.page import FIELD, line_files, line_parts, line_version, part_fields, read_file
from envctl.resolution.protocol import Candidate, Excluded, ExclusionReason, Listing
from envctl.resolution.specifiers import InvalidSpecifierError, specifiers

if TYPE_CHECKING:
    from envctl.resolution.index.page import ListedFile, Page
    from envctl.resolution.index.wheel_rank import Rank, WheelRanker
    from envctl.resolution.protocol import PackageName

_SDIST_RANK: Rank = (100, 0, 0)


class Chooser:
    """Chooses files for one target and one date limit."""

    def __init__(self, python: str, ranker: WheelRanker, as_of: str | None) -> None:
        """Takes the full Python version, the ranker of its tags, and the limit in `times`' form."""
        self._python = python
        self._ranker = ranker
        self._as_of = as_of
        self._python_fits: dict[str, bool] = {}

    def listing(self, name: PackageName, page: Page) -> Listing:
        """The listing of a page; its sequences read the page as far as they are walked."""
        scan = _Scan(self, name, page.lines)
        return Listing(
            name=name,
            candidates=_Candidates(scan),
            excluded=_Exclusions(scan),
            upload_times_known=self._as_of is None or page.times_known,
        )

    def choose(self, name: PackageName, line: str) -> Candidate | Excluded:
        """The candidate of one version, or why there is none."""
        best: str | None = None
        best_key: tuple[bool, Rank] | None = None
        wrong_python = ""
        for part in line_parts(line):
            tags = part[: part.index(FIELD)]
            rank = self._ranker.rank(tags) if tags else _SDIST_RANK
            if rank is None:
                continue
            requires_python, yanked, upload_time = part_fields(part)
            if self._as_of is not None and upload_time >= self._as_of:
                continue
            if requires_python and not self._fits(requires_python):
                wrong_python = requires_python
                continue
            key = (bool(yanked), rank)
            if best is None or best_key is None or key < best_key:
                best, best_key = part, key
            elif key == best_key and _build(part) >= _build(best):
                best = part
        if best is not None:
            return _candidate(name, line_version(line), read_file(best))
        return self._excluded(line, wrong_python)

    def _excluded(self, line: str, wrong_python: str) -> Excluded:
        version, files = line_version(line), line_files(line)
        times = [file.upload_time or "" for file in files]
        if self._as_of is not None and min(times) >= self._as_of:
            return Excluded(version, ExclusionReason.AFTER_DATE, min(times))
        if wrong_python:
            return Excluded(version, ExclusionReason.REQUIRES_PYTHON, wrong_python)
        tags = sorted({wheel_tags(file.filename) for file in files if is_wheel(file.filename)})
        return Excluded(version, ExclusionReason.NO_COMPATIBLE_FILE, ", ".join(tags[:5]))

    def _fits(self, requires_python: str) -> bool:
        """As pip: what cannot be read excludes nothing."""
        known = self._python_fits.get(requires_python)
        if known is None:
            try:
                known = specifiers(requires_python).contains(self._python)
            except InvalidSpecifierError:
                known = True
            self._python_fits[requires_python] = known
        return known


def likely_candidate(
    chooser: Chooser, name: PackageName, page: Page, accepts: Callable[[str], bool] | None = None
) -> Candidate | None:
    """The version that will most likely be tried first, for reading ahead: newest stable one that will do."""
    for line in page.lines:
        version = line_version(line)
        if not version.replace(".", "").isdecimal() or (accepts is not None and not accepts(version)):
            continue
        chosen = chooser.choose(name, line)
        if isinstance(chosen, Candidate) and not chosen.yanked:
            return chosen
    return None


def _build(part: str) -> tuple[int, str]:
    filename = read_file(part).filename
    return wheel_build(filename) if is_wheel(filename) else (-1, "")


def _candidate(name: PackageName, version: str, file: ListedFile) -> Candidate:
    return Candidate(
        name=name,
        version=version,
        filename=file.filename,
        url=file.url,
        is_wheel=is_wheel(file.filename),
        requires_python=file.requires_python,
        yanked=file.yanked is not None,
        upload_time=file.upload_time,
        sha256=file.sha256,
        reference=file,
    )


class _Scan:
    """Goes through the lines once, however many look at the result."""

    __slots__ = ("_chooser", "_lines", "_name", "_next", "candidates", "excluded")

    def __init__(self, chooser: Chooser, name: PackageName, lines: tuple[str, ...]) -> None:
        self._chooser = chooser
        self._name = name
        self._lines = lines
        self._next = 0
        self.candidates: list[Candidate] = []
        self.excluded: list[Excluded] = []

    def has(self, count: int) -> bool:
        """Whether there are at least so many candidates; reads on until that is clear."""
        while len(self.candidates) < count and self._next < len(self._lines):
            chosen = self._chooser.choose(self._name, self._lines[self._next])
            self._next += 1
            if isinstance(chosen, Candidate):
                self.candidates.append(chosen)
            else:
                self.excluded.append(chosen)
        return len(self.candidates) >= count

    def finish(self) -> None:
        """Reads all lines."""
        self.has(len(self._lines) + 1)


class _Candidates(Sequence[Candidate]):
    def __init__(self, scan: _Scan) -> None:
        self._scan = scan

    def __len__(self) -> int:
        self._scan.finish()
        return len(self._scan.candidates)

    def __bool__(self) -> bool:
        return self._scan.has(1)

    def __iter__(self) -> Iterator[Candidate]:
        position = 0
        while self._scan.has(position + 1):
            yield self._scan.candidates[position]
            position += 1

    @overload
    def __getitem__(self, index: int) -> Candidate: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Candidate]: ...
    def __getitem__(self, index: int | slice) -> Candidate | Sequence[Candidate]:
        if isinstance(index, slice) or index < 0:
            self._scan.finish()
        else:
            self._scan.has(index + 1)
        return self._scan.candidates[index]


class _Exclusions(Sequence[Excluded]):
    def __init__(self, scan: _Scan) -> None:
        self._scan = scan

    def __len__(self) -> int:
        self._scan.finish()
        return len(self._scan.excluded)

    @overload
    def __getitem__(self, index: int) -> Excluded: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Excluded]: ...
    def __getitem__(self, index: int | slice) -> Excluded | Sequence[Excluded]:
        self._scan.finish()
        return self._scan.excluded[index]
