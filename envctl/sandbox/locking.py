"""A lock between processes that is cheap enough to take for every request."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class ProcessLock:
    """Mutual exclusion by a file; may be entered again by whoever holds it.

    Where the system has `flock`, the file stays open and taking the lock is one system call; elsewhere the package
    filelock does it, ten times slower.
    """

    def __init__(self, path: Path) -> None:
        self._depth = 0
        self._descriptor = -1
        self._flock: Any = None
        self._portable: Any = None
        try:
            import fcntl
        except ImportError:
            from filelock import FileLock

            self._portable = FileLock(path)
        else:
            self._flock = fcntl
            self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> None:
        if self._depth == 0:
            if self._portable is not None:
                self._portable.acquire()
            else:
                self._flock.flock(self._descriptor, self._flock.LOCK_EX)
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            if self._portable is not None:
                self._portable.release()
            else:
                self._flock.flock(self._descriptor, self._flock.LOCK_UN)

    def close(self) -> None:
        """Give the file back; the lock cannot be used any more."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()
