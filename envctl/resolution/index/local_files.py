"""Distributions in folders of this machine (`--find-links`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from envctl.resolution.index.cache import NoStaticMetadata
from envctl.resolution.index.filenames import is_distribution
from envctl.resolution.index.page import ListedFile
from envctl.resolution.index.reader import Broken
from envctl.resolution.protocol import FailureKind, IndexFailure

if TYPE_CHECKING:
    from envctl.resolution.index.reader import FoundMetadata
    from envctl.resolution.protocol import PackageName


def list_local_files(link: str) -> list[ListedFile] | IndexFailure:
    """The distributions of a folder, or the links of an HTML file, given as path or `file:` address.

    A folder that does not exist holds nothing, as for pip.
    """
    path = _path(link).absolute()
    if path.is_dir():
        return [
            ListedFile(entry.name, entry.as_uri()) for entry in sorted(path.iterdir()) if is_distribution(entry.name)
        ]
    if not path.exists():
        return []
    from envctl.resolution.index.simple_html import GarbageError, parse_simple_html

    try:
        return parse_simple_html(path.read_text("utf-8", "replace"), path.as_uri())
    except (OSError, GarbageError) as error:
        return IndexFailure("", FailureKind.GARBAGE, f"{path} cannot be read as a page of links: {error}")


def read_local_metadata(file: ListedFile, name: PackageName, version: str) -> FoundMetadata:
    """What a local file declares."""
    from envctl.resolution.index.core_metadata import BadMetadataError, check_identity, parse_core_metadata
    from envctl.resolution.index.sdist import NotStaticError, read_sdist_metadata
    from envctl.resolution.index.zip_metadata import BrokenWheelError, FileWindow, read_wheel_metadata

    try:
        with _path(file.url).open("rb") as stream:
            if not file.filename.endswith(".whl"):
                return read_sdist_metadata(stream, file.filename, name, version)
            metadata = parse_core_metadata(read_wheel_metadata(FileWindow(stream), name))
        check_identity(metadata, name, version)
    except NotStaticError as error:
        return NoStaticMetadata(str(error))
    except (BrokenWheelError, BadMetadataError) as error:
        return Broken(str(error))
    except OSError as error:
        return Broken(f"it cannot be read: {error.strerror}")
    return metadata.requirements


def local_sha256(file: ListedFile) -> str | IndexFailure:
    """The digest of a local file."""
    import hashlib

    try:
        with _path(file.url).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        return IndexFailure("", FailureKind.GARBAGE, f"{file.filename} cannot be read: {error.strerror}")


def _path(link: str) -> Path:
    return Path(unquote(urlsplit(link).path)) if link.startswith("file:") else Path(link).expanduser()
