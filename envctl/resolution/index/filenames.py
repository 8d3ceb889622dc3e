"""What a file's name says: wheel or sdist, version, tags.

Source: "Binary distribution format" and "Source distribution format", packaging.python.org/specifications,
2026-11; for names that older tools made, pip's `_extract_version_from_fragment` is followed.
"""

from __future__ import annotations

import re

from packaging.version import InvalidVersion, Version

_SDIST_ENDINGS = (".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tar.xz", ".tar")
_OTHER_PUBLISHED = (".egg", ".exe", ".msi", ".rpm", ".deb", ".dmg", ".asc", ".tar.Z", ".tar.lzma", ".tar.zst")
_RUNS = re.compile(r"[-_.]+")
_PLAIN_RELEASE = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*", re.ASCII)


def is_distribution(filename: str) -> bool:
    """Whether the name ends as wheels and sdists do; eggs and installers are not distributions to pip."""
    return filename.endswith(".whl") or filename.endswith(_SDIST_ENDINGS)


def is_published(filename: str) -> bool:
    """Whether index pages list files that end so, even those that pip does not install."""
    return is_distribution(filename) or filename.endswith(_OTHER_PUBLISHED)


def is_wheel(filename: str) -> bool:
    """Whether the file is a wheel by its name."""
    return filename.endswith(".whl")


def normalised_version(text: str) -> str | None:
    """PEP 440's normal form, or None for what is no version."""
    if _PLAIN_RELEASE.fullmatch(text):
        return text
    try:
        return str(Version(text))
    except InvalidVersion:
        return None


def version_of(filename: str, name: str) -> str | None:
    """The normal form of the version in a file's name, or None when the file is none of this package's.

    Args:
        filename: last part of the file's address, already unquoted.
        name: the package's normalised name.
    """
    if filename.endswith(".whl"):
        parts = filename[:-4].split("-")
        if len(parts) not in (5, 6) or _RUNS.sub("-", parts[0]).lower() != name:
            return None
        return normalised_version(parts[1])
    for ending in _SDIST_ENDINGS:
        if filename.endswith(ending):
            return _sdist_version(filename[: -len(ending)], name)
    return None


def wheel_tags(filename: str) -> str:
    """The three tags of a wheel, `py3-none-any`, with compressed sets as they stand."""
    return "-".join(filename[:-4].rsplit("-", 3)[-3:])


def wheel_build(filename: str) -> tuple[int, str]:
    """The build tag as pip orders it: number, then rest; `(-1, "")` without one."""
    parts = filename[:-4].split("-")
    if len(parts) != 6:
        return (-1, "")
    match = re.match(r"\d+", parts[2], re.ASCII)
    if match is None or len(match[0]) > 18:
        return (-1, "")
    return (int(match[0]), parts[2][match.end() :])


def _sdist_version(stem: str, name: str) -> str | None:
    """Names may hold dashes: the version starts behind the first dash that completes the package's name."""
    position = stem.find("-")
    while position != -1:
        if _RUNS.sub("-", stem[:position]).lower() == name:
            version = normalised_version(stem[position + 1 :])
            if version is not None:
                return version
        position = stem.find("-", position + 1)
    return None
