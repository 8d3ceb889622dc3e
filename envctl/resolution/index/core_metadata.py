"""The few fields of a METADATA or PKG-INFO file that a resolver needs.

Source: "Core metadata specifications", packaging.python.org/specifications, 2026-11. The file is RFC 822
headers; only the headers are read, with folding, and without importing `email`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from envctl.resolution.names import package_name
from envctl.resolution.protocol import RequirementMetadata

if TYPE_CHECKING:
    from envctl.resolution.protocol import PackageName

_WANTED = frozenset(
    {"metadata-version", "name", "version", "requires-dist", "requires-python", "provides-extra", "dynamic"}
)

_HEADER = re.compile(r"[\x21-\x39\x3b-\x7e]*:", re.ASCII)


class BadMetadataError(Exception):
    """The metadata is unusable; the text is one sentence without a full stop."""


@dataclass(frozen=True, slots=True)
class CoreMetadata:
    """Header fields as they stand in the file."""

    metadata_version: str
    name: str
    version: str
    requirements: RequirementMetadata
    dynamic: frozenset[str]


def parse_core_metadata(content: bytes) -> CoreMetadata:
    """The fields of a metadata file.

    Raises:
        BadMetadataError: no name or no version: not a metadata file.
    """
    fields: dict[str, list[str]] = {}
    current: list[str] | None = None
    text = content.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    for line in text.split("\n"):
        if line[:1] in (" ", "\t"):
            if current:
                current[-1] = f"{current[-1]} {line.strip()}".strip()
            continue
        # As Python's email parser, which pip uses: an empty line or one that is no header ends the headers.
        if not _HEADER.match(line):
            break
        key, _, value = line.partition(":")
        key = key.lower()
        current = fields.setdefault(key, []) if key in _WANTED else None
        if current is not None:
            current.append(value.strip())
    name, version = _first(fields, "name"), _first(fields, "version")
    if not name or not version:
        raise BadMetadataError("its metadata file has no name or no version")
    return CoreMetadata(
        metadata_version=_first(fields, "metadata-version") or "1.0",
        name=name,
        version=version,
        requirements=RequirementMetadata(
            requires_dist=tuple(fields.get("requires-dist", ())),
            requires_python=_first(fields, "requires-python"),
            provides_extra=tuple(fields.get("provides-extra", ())),
        ),
        dynamic=frozenset(value.lower() for value in fields.get("dynamic", ())),
    )


def check_identity(metadata: CoreMetadata, name: PackageName, version: str) -> None:
    """As pip does: a file whose metadata names another package or version is refused.

    Raises:
        BadMetadataError: the metadata is another package's, or its version is no version.
    """
    if package_name(metadata.name) != name:
        raise BadMetadataError(f"its metadata is of another package, {metadata.name[:100]!r}")
    try:
        same = Version(metadata.version) == Version(version)
    except InvalidVersion as error:
        raise BadMetadataError(f"its metadata has the invalid version {metadata.version[:100]!r}") from error
    if not same:
        raise BadMetadataError(f"its metadata has another version, {metadata.version[:100]!r}")


def _first(fields: dict[str, list[str]], key: str) -> str | None:
    values = fields.get(key)
    return values[0] if values and values[0] else None
