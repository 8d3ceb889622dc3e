"""`envctl cache`: what indexes said before, on disk."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from envctl.errors import OutsideError
from envctl.resolution.index.cache import default_cache_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

_OURS = ("pages-v*", "metadata-v*")
"""Folders that the cache makes; whatever else lies beside them is not touched."""


class Cleaned(NamedTuple):
    """What was deleted: files, and their sizes together in bytes."""

    folder: Path
    files: int
    size: int


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where the cache lies, whether it is there or not."""
    return Path(default_cache_directory(environment))


def clean_cache(environment: Mapping[str, str]) -> Cleaned:
    """Deletes pages and metadata of all indexes; the next check asks for them again.

    Raises:
        OutsideError: a folder cannot be deleted.
    """
    folder = cache_folder(environment)
    found = [one for pattern in _OURS for one in sorted(folder.glob(pattern)) if one.is_dir() and not one.is_symlink()]
    files = [one for top in found for one in top.rglob("*") if one.is_file()]
    size = sum(one.stat().st_size for one in files)
    for top in found:
        try:
            shutil.rmtree(top)
        except OSError as error:
            raise OutsideError(
                "The cache cannot be deleted", detail=f"{top}: {error.strerror or error}", code="cache-undeletable"
            ) from error
    return Cleaned(folder, len(files), size)
