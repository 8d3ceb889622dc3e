"""The compact form of an index page: one line per version, newest first, parsed only where it is looked at.

Large projects list thousands of files and a resolver looks at a handful of them: reading the cached form is a
`str.split`, sorting was done when the page arrived, and no version or file object is made until it is needed.
Records are named tuples here: defining one costs a tenth of a frozen dataclass, and making one a fifth.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from envctl.resolution.index.filenames import is_distribution, is_wheel, version_of, wheel_tags

if TYPE_CHECKING:
    from collections.abc import Iterable

FIELD = "\x1f"
"""Stands between the fields of a file."""
_FILE = "\x1e"
# As text: only who builds a page needs them compiled.
_SEPARATORS = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+"
_UNWANTED = r"[\x00-\x1e\x7f-\x9f\u2028\u2029\ud800-\udfff]"


class ListedFile(NamedTuple):
    """One file of an index page.

    Attributes:
        filename: unquoted.
        url: absolute, without credentials, without fragment.
        sha256: hexadecimal, or None.
        requires_python: specifier text, or None.
        yanked: the reason (may be empty) when yanked, else None.
        upload_time: `2024-05-01T10:00:00.000000Z` or None.
        core_metadata: None when no `.metadata` file is advertised, else its sha256 or an empty string.
    """

    filename: str
    url: str
    sha256: str | None = None
    requires_python: str | None = None
    yanked: str | None = None
    upload_time: str | None = None
    core_metadata: str | None = None


class Page(NamedTuple):
    """What one index says about one package.

    Attributes:
        lines: one per version, newest first; `line_version` and `line_files` read them.
        times_known: every file has an upload time.
    """

    lines: tuple[str, ...]
    times_known: bool


def build_page(name: str, files: Iterable[ListedFile]) -> Page:
    """Files grouped by version and sorted, newest version first; files of other packages are left out."""
    groups: dict[str, list[str]] = {}
    times_known = True
    for file in files:
        if not is_distribution(file.filename):
            continue
        version = version_of(file.filename, name)
        if version is None:
            continue
        times_known = times_known and file.upload_time is not None
        groups.setdefault(version, []).append(_encode(file))
    merged = _merge_equal_versions(groups)
    ordered = sorted(merged, key=lambda item: item[0], reverse=True)
    return Page(tuple(f"{text}\t{_FILE.join(encoded)}" for _, text, encoded in ordered), times_known)


def merge_pages(pages: list[Page]) -> Page:
    """One page out of several indexes' pages; files keep the order of the indexes."""
    filled = [page for page in pages if page.lines]
    times_known = all(page.times_known for page in filled)
    if len(filled) == 1:
        return Page(filled[0].lines, times_known)
    groups: dict[str, list[str]] = {}
    for page in filled:
        for line in page.lines:
            version, _, rest = line.partition("\t")
            groups.setdefault(version, []).append(rest)
    ordered = sorted(_merge_equal_versions(groups), key=lambda item: item[0], reverse=True)
    return Page(tuple(f"{text}\t{_FILE.join(encoded)}" for _, text, encoded in ordered), times_known)


def line_version(line: str) -> str:
    """The version of a line, in PEP 440's normal form."""
    return line.partition("\t")[0]


def line_files(line: str) -> list[ListedFile]:
    """The files of a line, in the order of the index."""
    return [read_file(encoded) for encoded in line_parts(line)]


def line_parts(line: str) -> list[str]:
    """The files of a line, unread: each begins with its wheel tags (empty for an sdist)."""
    return line.partition("\t")[2].split(_FILE)


def part_fields(part: str) -> tuple[str, str, str]:
    """Requires-Python, yanked, and upload time of an unread file; empty where there is none."""
    fields = part.split(FIELD)
    return fields[4], fields[5], fields[6]


def read_file(part: str) -> ListedFile:
    """One file of a line."""
    _, filename, url, sha256, requires_python, yanked, upload_time, core_metadata = part.split(FIELD)
    return ListedFile(
        filename or url[url.rfind("/") + 1 :],
        url,
        sha256 or None,
        requires_python or None,
        yanked[1:] if yanked else None,
        upload_time or None,
        core_metadata[1:] if core_metadata else None,
    )


def _merge_equal_versions(groups: dict[str, list[str]]) -> list[tuple[Version, str, list[str]]]:
    """`1.0` and `1.0.0` are one version: the spelling of the first one stands for both."""
    merged: dict[Version, tuple[Version, str, list[str]]] = {}
    for text, encoded in groups.items():
        version = Version(text)
        known = merged.get(version)
        if known is None:
            merged[version] = (version, text, encoded)
        else:
            known[2].extend(encoded)
    return list(merged.values())


def _encode(file: ListedFile) -> str:
    fields = (
        wheel_tags(file.filename) if is_wheel(file.filename) else "",
        "" if file.url.endswith("/" + file.filename) else file.filename,
        file.url,
        file.sha256 or "",
        file.requires_python or "",
        "" if file.yanked is None else "y" + file.yanked,
        file.upload_time or "",
        "" if file.core_metadata is None else "m" + file.core_metadata,
    )
    joined = FIELD.join(fields)
    if re.search(_UNWANTED, joined) is None and joined.count(FIELD) == len(fields) - 1:
        return joined
    return FIELD.join(re.sub(_SEPARATORS, " ", field) for field in fields)
