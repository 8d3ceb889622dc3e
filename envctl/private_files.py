"""Files that nobody else on the machine may read: everything below `.envctl/`, plans, exported states.

States hold resource inputs, journals hold messages of APIs: folders are made 0700 and files 0600. What an earlier
version left wider is narrowed with the first write below the same `.envctl/`.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

STATE_FOLDER = ".envctl"
"""The folder of a project that holds states, journals, locks, keys and the sandbox."""

_FILE = 0o600
_FOLDER = 0o700
_OTHERS = 0o077


def private_folder(path: Path) -> Path:
    """The folder, made with those above it that are missing, and nobody else's to read.

    Raises:
        OSError: it cannot be made.
    """
    top = next((each for each in (path, *path.parents) if each.name == STATE_FOLDER), None)
    if top is not None and top.is_dir():
        _narrow(top)
    missing = [path]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for folder in reversed(missing):
        folder.mkdir(mode=_FOLDER, exist_ok=True)
    return path


def private(path: str, flags: int) -> int:
    """Opens a file for its owner alone; an `opener` for `open`."""
    descriptor = os.open(path, flags, _FILE)
    if os.name != "nt" and os.fstat(descriptor).st_mode & _OTHERS:
        with suppress(OSError):  # somebody else's file, which we may write and not change
            os.fchmod(descriptor, _FILE)
    return descriptor


def write_private(path: Path, content: bytes) -> None:
    """Replaces a file at once; its folder is there.

    Raises:
        OSError: it cannot be written; then the old file stands.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb", opener=private) as stream:
            stream.write(content)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise


def _narrow(top: Path) -> None:
    """Takes the rights of others away, everywhere below; the folder itself last, as the mark that it was done."""
    if os.name == "nt" or not top.stat().st_mode & _OTHERS:
        return
    close_to_others(top)
    with suppress(OSError):
        top.chmod(_FOLDER)


def close_to_others(top: Path) -> None:
    """Takes the rights of others on everything below a folder away, as far as it is ours."""
    for folder, folders, files in os.walk(top, topdown=False):
        for name, mode in (*((name, _FILE) for name in files), *((name, _FOLDER) for name in folders)):
            place = Path(folder, name)
            with suppress(OSError):  # gone meanwhile, or somebody else's
                found = place.lstat().st_mode
                if not stat.S_ISLNK(found) and found & _OTHERS:
                    place.chmod(mode if stat.S_ISDIR(found) or not found & stat.S_IXUSR else _FOLDER)
