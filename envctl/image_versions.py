"""The image versions of Composer that are known to exist: what each is called, when it came, when its support ends.

The one home of these facts; `envctl/data/images/versions.tsv` holds them with their sources. Every check of an alias
reads it, so it is read without any parser's library.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from envctl.private_files import STATE_FOLDER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

_TABLE = Path(__file__).parent / "data" / "images" / "versions.tsv"
_ENDS = Path(__file__).parent / "data" / "image-ends.tsv"
_AS_OF = re.compile(r"as of (\d{4}-\d{2}-\d{2})")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_COMPUTED = "release date + 12 months (policy)"
_NAME = (
    r"composer-(?P<composer>latest|\d+(?:\.\d+){0,2})-airflow-(?P<airflow>latest|\d+(?:[.-]\d+){0,2})"
    r"(?:-build\.(?P<build>\d+))?"
)
VERSIONS_FILE = "versions.tsv"
"""The table of a folder of images."""
LATEST = "latest"
"""The newest image of all."""


class ImageRelease(NamedTuple):
    """One image version.

    Attributes:
        name: the full image version.
        released: ISO day; where only a span is known, the day after which it came.
        dated: whether that very day is known.
        ends: ISO day on which support ends; empty when it is not known.
        computed: whether that day follows from the release by Google's 12-month rule and was read nowhere.
        airflow: version.
        python: full version, or the minor one where no more is stated; empty when none is.
        withdrawn: whether Google took the release back.
    """

    name: str
    released: str
    dated: bool
    ends: str
    computed: bool
    airflow: str
    python: str
    withdrawn: bool


class ImageEnd(NamedTuple):
    """When support of an image ends: ISO day, and whether it is computed from the release by Google's 12-month rule."""

    day: str
    computed: bool = False

    def __str__(self) -> str:
        return f"{self.day} by the 12-month rule" if self.computed else self.day

    def past(self, today: str) -> bool:
        """Whether it has come on an ISO day."""
        return self.day <= today


class ImageVersions(NamedTuple):
    """The table: `as_of` is the ISO day on which it was put together, `releases` are oldest first, by name."""

    as_of: str
    releases: Mapping[str, ImageRelease]


_also: tuple[Path, ...] = ()


def read_versions_beside(*folders: Path) -> None:
    """From here on the table holds what `envctl images update` found too, in these folders; later ones win."""
    global _also  # noqa: PLW0603  one command answers for one project
    _also = tuple(path for folder in folders if (path := folder / VERSIONS_FILE).is_file())


def image_versions() -> ImageVersions:
    """The shipped table, with what the pages that were read since say."""
    return _merged(tuple((path, path.stat().st_mtime_ns) for path in _also))


@cache
def _merged(beside: tuple[tuple[Path, int], ...]) -> ImageVersions:
    versions = _shipped()
    for path, _ in beside:
        versions = with_newer(versions, parse_versions(path.read_text(encoding="utf-8")))
    return versions


@cache
def _shipped() -> ImageVersions:
    return parse_versions(_TABLE.read_text(encoding="utf-8"))


def with_newer(versions: ImageVersions, newer: ImageVersions) -> ImageVersions:
    """A table with the rows of another, whose cells count where they say something."""
    releases = dict(versions.releases)
    for name, row in newer.releases.items():
        known = releases.get(name)
        releases[name] = row if known is None else _with_cells(known, row)
    return ImageVersions(max(versions.as_of, newer.as_of), releases)


def _with_cells(known: ImageRelease, row: ImageRelease) -> ImageRelease:
    released = row if row.dated else known
    ends = row if row.ends and not (row.computed and known.ends and not known.computed) else known
    return ImageRelease(
        row.name,
        released.released,
        released.dated,
        ends.ends,
        ends.computed,
        row.airflow,
        max(row.python, known.python, key=len),
        known.withdrawn or row.withdrawn,
    )


def versions_text(versions: ImageVersions, source: str) -> str:
    """A table as `parse_versions` reads it.

    Args:
        versions: the rows.
        source: where they are from, for the second line.
    """
    columns = ("image", "release_date", "support_end", "support_end_basis", "airflow", "python", "note")
    rows = [
        (
            one.name,
            one.released,
            one.ends,
            (_COMPUTED if one.computed else "version list page") if one.ends else "",
            one.airflow,
            one.python,
            "rolled back" if one.withdrawn else "",
        )
        for one in versions.releases.values()
    ]
    head = f"# Image versions as of {versions.as_of}.\n# Source: {source}\n"
    return head + "".join("\t".join(row) + "\n" for row in (columns, *rows))


def user_folder() -> Path:
    """Where images that a user added are kept."""
    # the common case without platformdirs, whose import would be a tenth of a check from the cache
    base = os.environ.get("XDG_DATA_HOME")
    if base or sys.platform == "linux":
        return (Path(base) if base else Path.home() / ".local" / "share") / "envctl" / "images"
    import platformdirs

    return platformdirs.user_data_path("envctl") / "images"


def project_folder(root: Path) -> Path:
    """Where images that were added to a project are kept."""
    return root / STATE_FOLDER / "images"


def parse_versions(text: str) -> ImageVersions:
    """The table: lines of comment, the first one with its day, then tabs between named columns."""
    lines = text.splitlines()
    found = _AS_OF.search(lines[0])
    assert found is not None
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    columns = {name: at for at, name in enumerate(rows[0])}
    releases: dict[str, ImageRelease] = {}
    for row in rows[1:]:
        cell = {name: row[at] for name, at in columns.items()}
        day = _DAY.search(cell["release_date"])
        releases[cell["image"]] = ImageRelease(
            cell["image"],
            day[0] if day else "",
            day is not None and day[0] == cell["release_date"],
            cell["support_end"],
            cell["support_end_basis"] == _COMPUTED,
            cell["airflow"],
            cell["python"].partition(" ")[0],
            "rolled back" in cell["note"],
        )
    return ImageVersions(found[1], releases)


def announced_end(name: str) -> ImageEnd | None:
    """The end of life that Google announced for a line of images, after which nothing of it can be changed."""
    rows = (line.split("\t") for line in _ENDS.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return next((ImageEnd(day) for prefix, day in rows if name.startswith(prefix)), None)


def end_of(name: str) -> ImageEnd | None:
    """When support of an image ends; None when that is not known."""
    release = image_versions().releases.get(name)
    ends = [ImageEnd(release.ends, release.computed)] if release is not None and release.ends else []
    announced = announced_end(name)
    return min([*ends, *([announced] if announced else [])], default=None)


def is_current(name: str, today: str) -> bool:
    """Whether an image can be recommended on an ISO day: of a generation that lives, supported, not taken back."""
    release = image_versions().releases.get(name)
    if image_order(name)[0][:1] < (2,) or (release is not None and release.withdrawn):
        return False
    end = end_of(name)
    return end is None or not end.past(today)


def is_image_name(text: str) -> bool:
    """Whether the text is an image version or an alias of one."""
    return text == LATEST or re.fullmatch(_NAME, text) is not None


def is_alias(text: str) -> bool:
    """Whether Google chooses the exact image, so that the name means another image next week."""
    match = re.fullmatch(_NAME, text)
    if match is None:
        return text == LATEST
    if match["build"] is not None:
        return False
    return match["composer"].count(".") < 2 or len(version_numbers(match["airflow"].replace("-", "."))) < 3


def image_order(name: str) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """A sort key: Composer version, Airflow version, build."""
    match = re.fullmatch(_NAME, name)
    if match is None:
        return (), (), 0
    return (
        version_numbers(match["composer"]),
        version_numbers(match["airflow"].replace("-", ".")),
        int(match["build"] or 0),
    )


def newest_image(alias: str, names: Iterable[str]) -> str | None:
    """The image that an alias stands for among those that exist; None when it covers none of them.

    The server takes "the latest Apache Airflow version that satisfies the alias", in the current Composer version
    (`SoftwareConfig.image_version` of the Composer API v1, 2026-11-20). Releases that Google took back do not count.
    """
    releases = image_versions().releases
    covered = [
        name
        for name in names
        if _covers(alias, name) and not is_alias(name) and not (name in releases and releases[name].withdrawn)
    ]
    return max(covered, key=_newness, default=None)


def version_numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: `23.2.1` gives (23, 2, 1)."""
    numbers: list[int] = []
    for part in text.split("."):
        digits = "".join(ch for ch in part if ch.isdigit())
        if not digits or not part[0].isdigit():
            break
        numbers.append(int(digits))
    return tuple(numbers)


def _newness(name: str) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    composer, airflow, build = image_order(name)
    return airflow, composer, build


def _covers(alias: str, name: str) -> bool:
    if alias == LATEST:
        return True
    wanted, match = re.fullmatch(_NAME, alias), re.fullmatch(_NAME, name)
    if wanted is None or match is None:
        return False
    return _begins(match["composer"], wanted["composer"]) and _begins(match["airflow"], wanted["airflow"])


def _begins(version: str, wanted: str) -> bool:
    if wanted == LATEST:
        return True
    parts = version_numbers(wanted.replace("-", "."))
    return version_numbers(version.replace("-", "."))[: len(parts)] == parts


def release_beside(name: str) -> ImageRelease | None:
    """The image's own row where that has a day, else that of an image beside it."""
    releases = image_versions().releases
    own = releases.get(name)
    return (
        own if own is not None and own.released else _beside(name, [one for one in releases.values() if one.released])
    )


def python_of(name: str) -> tuple[str, bool]:
    """The image's Python, and whether it is stated of that very image; else that of an image beside it."""
    releases = image_versions().releases
    own = releases.get(name)
    if own is not None and own.python:
        return own.python, True
    beside = _beside(name, [one for one in releases.values() if one.python])
    return (beside.python if beside else ""), False


def _beside(name: str, releases: Collection[ImageRelease]) -> ImageRelease | None:
    """The image before it, or else the one after it, among those of the same minor version of Airflow.

    Where there is none of those: among those of the same generation.
    """
    minor, generation = image_order(name)[1][:2], image_order(name)[0][:1]
    kin = [one for one in releases if image_order(one.name)[1][:2] == minor]
    kin = kin or [one for one in releases if image_order(one.name)[0][:1] == generation]
    before = [one for one in kin if _newness(one.name) < _newness(name)]
    if before:
        return max(before, key=lambda one: _newness(one.name))
    return min(kin, key=lambda one: _newness(one.name), default=None)
