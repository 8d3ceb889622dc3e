"""What the resolver asks of a package index, and every answer it must be ready for.

The resolver knows nothing of networks: it holds a `PackageSource`. `envctl.resolution.index` is the one that
talks to indexes, `envctl.resolution.memory` the one that holds a universe in memory for tests.

Answers are values: an unknown package, requirements that cannot be read without executing code, and an index
that does not answer are three different results and none of them is an exception.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, NewType, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

PackageName = NewType("PackageName", str)
"""A distribution name, normalised by PEP 503 (`envctl.resolution.names.package_name` makes them)."""


class Target(NamedTuple):
    """The machine that packages are chosen for: always CPython on Linux.

    Attributes:
        python: full version of the image's Python, `3.11.8`.
        pip: version of the image's pip; before 20.3 it does not know `manylinux_X_Y` tags.
        machine: as `platform.machine()` prints it.
        glibc: major and minor version of the image's C library.
    """

    python: str
    pip: str
    machine: str = "x86_64"
    glibc: tuple[int, int] = (2, 31)

    @property
    def python_minor(self) -> str:
        """The minor version as markers spell it: `3.11`."""
        return ".".join(self.python.split(".")[:2])


class Candidate(NamedTuple):
    """The file that pip would take for one version: the best compatible wheel, else the sdist.

    Attributes:
        name: normalised name.
        version: in PEP 440's normal form, as `str(packaging.version.Version(...))` gives it.
        filename: of the file.
        url: of the file, without credentials.
        is_wheel: false for an sdist.
        requires_python: specifier text as the index gives it, or None. Candidates whose value excludes the
            target's Python are not listed as candidates but as `Excluded`.
        yanked: true when this file is yanked (PEP 592).
        upload_time: RFC 3339 in UTC, or None when the index does not say.
        sha256: hexadecimal digest, or None when the index does not say.
        reference: private to the source that made the candidate; no meaning elsewhere.
    """

    name: PackageName
    version: str
    filename: str = ""
    url: str = ""
    is_wheel: bool = True
    requires_python: str | None = None
    yanked: bool = False
    upload_time: str | None = None
    sha256: str | None = None
    reference: object = None


class ExclusionReason(StrEnum):
    """Why a version that the index holds is no candidate."""

    REQUIRES_PYTHON = "requires-python"
    NO_COMPATIBLE_FILE = "no-compatible-file"
    AFTER_DATE = "after-date"


class Excluded(NamedTuple):
    """A version that exists but is no candidate; `detail` is the specifier, the tags, or the date."""

    version: str
    reason: ExclusionReason
    detail: str = ""


class Listing(NamedTuple):
    """Everything the indexes hold of one package, for one target.

    Attributes:
        name: normalised name.
        candidates: one per version, newest version first (PEP 440 order); pre-releases and yanked ones
            included, because pip's rules for both depend on the requirements. May be made while it is
            walked: stop at the first match where you can, `len` and slices look at every file.
        excluded: versions without a usable file, newest first.
        upload_times_known: false when a date limit was asked for and at least one candidate has no time:
            the limit could then not be honoured for it.
    """

    name: PackageName
    candidates: Sequence[Candidate]
    excluded: Sequence[Excluded] = ()
    upload_times_known: bool = True


class UnknownPackage(NamedTuple):
    """No index knows the name (404 everywhere)."""

    name: PackageName


class RequirementMetadata(NamedTuple):
    """What a distribution declares: `Requires-Dist`, `Requires-Python`, `Provides-Extra`, unparsed.

    `assumed` is empty where this holds for every build; else it names what was believed, without a full stop.
    """

    requires_dist: tuple[str, ...] = ()
    requires_python: str | None = None
    provides_extra: tuple[str, ...] = ()
    assumed: str = ""


class UnknownRequirements(NamedTuple):
    """The requirements cannot be known without executing code, or the file is broken.

    `invalid` is true for a file that pip would refuse too (truncated wheel, metadata of another package);
    false when pip could find out by building. `reason` is one sentence without a full stop.
    """

    candidate: Candidate
    reason: str
    invalid: bool = False


class FailureKind(StrEnum):
    """How an index failed."""

    OFFLINE = "offline"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    GARBAGE = "garbage"


class IndexFailure(NamedTuple):
    """An index gave no usable answer: its host (never credentials), the kind, and the cause in one sentence."""

    host: str
    kind: FailureKind
    cause: str


class Wish(NamedTuple):
    """A package that will likely be asked for: which versions will do, and the extras wanted of it."""

    name: PackageName
    accepts: Callable[[str], bool]
    extras: frozenset[str] = frozenset()


class Follow(Protocol):
    """A function that foresees the next questions; called from threads of the source."""

    def __call__(self, metadata: RequirementMetadata, extras: frozenset[str], /) -> Iterable[Wish]:
        """What else will be asked for once a candidate with this metadata and these extras is taken."""
        ...


class PackageSource(Protocol):
    """A package index, or several behind one face. Safe to call from one thread at a time."""

    def listing(self, name: PackageName, target: Target) -> Listing | UnknownPackage | IndexFailure:
        """Every version of a package for a target; the same object when asked again."""
        ...

    def metadata(self, candidate: Candidate) -> RequirementMetadata | UnknownRequirements | IndexFailure:
        """What one candidate declares, read without executing anything."""
        ...

    def hashes(self, candidate: Candidate) -> tuple[str, ...] | IndexFailure:
        """`sha256:...` of every file of the candidate's version, sorted: what a lock file needs."""
        ...

    def prefetch_listings(self, names: Iterable[PackageName], target: Target) -> None:
        """A hint: these listings will be asked for soon. May start work in the background; never fails."""
        ...

    def prefetch_metadata(self, candidates: Iterable[Candidate]) -> None:
        """A hint: the metadata of these candidates will be asked for soon. Never fails."""
        ...

    def prefetch(self, wishes: Iterable[Wish], target: Target, follow: Follow) -> None:
        """A hint: these packages will be asked for, then what their likely versions require. Never fails."""
        ...
