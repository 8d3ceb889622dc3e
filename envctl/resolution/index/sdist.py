"""What an sdist declares without running any of it.

What holds for every build comes first: `PKG-INFO` of metadata version 2.2 or later whose requirement fields are not
dynamic (PEP 643), else `pyproject.toml` whose `[project]` table leaves them static (PEP 621). Else what its files
show is assumed, and said to be (`setuptools_files`).
"""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from contextlib import suppress
from io import BytesIO
from typing import IO, TYPE_CHECKING, cast

from envctl.resolution.index.core_metadata import BadMetadataError, check_identity, parse_core_metadata
from envctl.resolution.index.setuptools_files import assumed_requirements, is_setup_file, marked
from envctl.resolution.index.zip_metadata import MAX_METADATA_BYTES, BrokenWheelError
from envctl.resolution.protocol import RequirementMetadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envctl.resolution.protocol import PackageName

_FIELDS = ("requires-dist", "requires-python", "provides-extra")
_KEYS = frozenset({"dependencies", "optional-dependencies", "requires-python"})
_WANTED = frozenset({"PKG-INFO", "pyproject.toml"})
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    OverflowError,
    RuntimeError,
)
"""What the archive modules of the standard library raise for damaged files, found by fuzzing."""
_MAX_MEMBERS = 200_000
_MAX_UNPACKED_BYTES = 4 << 30


class NotStaticError(Exception):
    """The requirements come into being when the sdist is built; the text is one sentence without a full stop."""


def read_sdist_metadata(stream: IO[bytes], filename: str, name: PackageName, version: str) -> RequirementMetadata:
    """The requirements of an sdist, static where it has such, else assumed from its files.

    Raises:
        NotStaticError: only a build would tell.
        BrokenWheelError: damaged archive, or another package's.
    """
    texts: dict[str, bytes] = {}
    try:
        for wanted, content in _files(stream, filename):
            texts.setdefault(wanted, content)
            found = _decided(texts, name, version)
            if found is not None:
                return found
    except BadMetadataError as error:
        raise BrokenWheelError(str(error)) from error
    except _DAMAGE as error:
        raise BrokenWheelError("it is truncated or no archive") from error
    found = _from_pyproject(texts["pyproject.toml"]) if "pyproject.toml" in texts else None
    found = found or assumed_requirements(texts, name)
    if found is None:
        raise NotStaticError("it is an sdist whose requirements only its build would tell")
    return found


def read_sdist_start(
    content: bytes, filename: str, name: PackageName, version: str, *, alone: bool = False
) -> RequirementMetadata | None:
    """The same from the first bytes of an sdist; None when they do not decide.

    Writers put `PKG-INFO` first or nearly so, and some sdists have hundreds of megabytes. `alone` tells that nothing
    more will be read: a PKG-INFO that names requirements is then believed.

    Raises:
        BrokenWheelError: another package's.
    """
    texts: dict[str, bytes] = {}
    try:
        with suppress(*_DAMAGE):
            for wanted, text in _files(BytesIO(content), filename):
                texts.setdefault(wanted, text)
                found = _decided(texts, name, version)
                if found is not None:
                    return found
    except BadMetadataError as error:
        raise BrokenWheelError(str(error)) from error
    found = assumed_requirements(texts, name) if alone and "PKG-INFO" in texts else None
    return found if found is not None and found.requires_dist else None


def _decided(texts: dict[str, bytes], name: PackageName, version: str) -> RequirementMetadata | None:
    """PKG-INFO counts as soon as it is there, pyproject.toml only beside a PKG-INFO that says nothing static."""
    if "PKG-INFO" not in texts:
        return None
    found = _from_pkg_info(texts["PKG-INFO"], name, version)
    if found is None and "pyproject.toml" in texts:
        found = _from_pyproject(texts["pyproject.toml"])
    return found


def _from_pkg_info(content: bytes, name: PackageName, version: str) -> RequirementMetadata | None:
    metadata = parse_core_metadata(content)
    check_identity(metadata, name, version)
    release = tuple(int(part) for part in metadata.metadata_version.split(".") if part.isdecimal())
    if release < (2, 2) or not metadata.dynamic.isdisjoint(_FIELDS):
        return None
    return metadata.requirements


def _from_pyproject(content: bytes) -> RequirementMetadata | None:
    import tomllib

    try:
        document = cast("dict[str, object]", tomllib.loads(content.decode("utf-8")))
    except (ValueError, RecursionError):
        return None
    project = document.get("project")
    if not isinstance(project, dict):
        return None
    table = cast("dict[str, object]", project)
    dynamic = table.get("dynamic", [])
    if "name" not in table or not isinstance(dynamic, list) or not _KEYS.isdisjoint(map(str, dynamic)):
        return None
    dependencies, optional = table.get("dependencies", []), table.get("optional-dependencies", {})
    requires_python = table.get("requires-python")
    if not _is_text_list(dependencies) or not isinstance(optional, dict):
        return None
    requires = list(cast("list[str]", dependencies))
    for extra, entries in cast("dict[str, object]", optional).items():
        if not _is_text_list(entries):
            return None
        requires.extend(marked(entry, extra) for entry in cast("list[str]", entries))
    return RequirementMetadata(
        requires_dist=tuple(requires),
        requires_python=requires_python if isinstance(requires_python, str) else None,
        provides_extra=tuple(cast("dict[str, object]", optional)),
    )


def _is_text_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in cast("list[object]", value))


def _files(stream: IO[bytes], filename: str) -> Iterator[tuple[str, bytes]]:
    """The files that say something about requirements, by their path below the folder at the top, in archive order."""
    return _files_of_zip(stream) if filename.endswith(".zip") else _files_of_tar(stream)


def _files_of_tar(stream: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    seen = unpacked = 0
    with tarfile.open(fileobj=stream, mode="r|*") as archive:
        for member in archive:
            seen += 1
            unpacked += member.size
            if seen > _MAX_MEMBERS or unpacked > _MAX_UNPACKED_BYTES:
                raise BrokenWheelError("it unpacks to more than any package should")
            wanted = _wanted(member.name)
            if wanted is None or not member.isreg() or member.size > MAX_METADATA_BYTES:
                continue
            extracted = archive.extractfile(member)
            if extracted is not None:
                yield wanted, extracted.read()


def _files_of_zip(stream: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(stream) as archive:
        for member in archive.infolist():
            wanted = _wanted(member.filename)
            if wanted is not None and member.file_size <= MAX_METADATA_BYTES:
                with archive.open(member) as content:
                    yield wanted, content.read(MAX_METADATA_BYTES)


def _wanted(path: str) -> str | None:
    parts = path.removeprefix("./").split("/")
    return parts[1] if len(parts) == 2 and parts[1] in _WANTED else is_setup_file(path)
