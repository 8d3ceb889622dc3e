"""Everything the emulated cloud knows, kept in memory and, when it has a file, on disk.

On disk there are two files: a snapshot (`sandbox.json`), and beside it a journal with one line for each
request that changed something. A line is written before the answer leaves, so a process that is killed loses
nothing it has acknowledged. The journal is folded into the snapshot when it has grown and when the store is
closed. Several processes may share the files: each request runs under a file lock and first reads what the
others have appended.

Values are JSON objects and never changed in place: whoever changes one puts a new one.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

from envctl.private_files import private, private_folder
from envctl.sandbox.failures import SandboxStoreError
from envctl.sandbox.locking import ProcessLock

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

    from envctl.sandbox.messages import Json

_FORMAT = "envctl.sandbox/v1"
_FOLD_BYTES = 1_000_000


class Store:
    """Named collections of JSON objects.

    Args:
        path: snapshot file; None keeps everything in memory.

    Raises:
        SandboxStoreError: the file is there and is not a snapshot of the sandbox.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._data: dict[str, dict[str, Mapping[str, Any]]] = {}
        self._changes: list[tuple[str, str, Mapping[str, Any] | None]] = []
        self._path = path
        self._journal = path.with_name(path.name + ".journal") if path else None
        self._generation = 0
        self._read = 0
        self._identity: tuple[int, ...] | None = None
        self._lock: ProcessLock | None = None
        if path is not None:
            try:
                private_folder(path.parent)
                self._lock = ProcessLock(path.with_name(path.name + ".lock"))
            except OSError as error:
                raise SandboxStoreError(f"The sandbox cannot keep its file at {path}", detail=str(error)) from error

    # -- values ---------------------------------------------------------------------------------------

    def get(self, kind: str, name: str) -> Mapping[str, Any] | None:
        """The value of a name, or None; not to be changed in place."""
        return self._data.get(kind, {}).get(name)

    def put(self, kind: str, name: str, value: Mapping[str, Any]) -> None:
        """Keep a value under a name; it belongs to the store from now on."""
        self._data.setdefault(kind, {})[name] = value
        self._changes.append((kind, name, value))

    def delete(self, kind: str, name: str) -> None:
        """Forget a name; nothing happens when it is not there."""
        if self._data.get(kind, {}).pop(name, None) is not None:
            self._changes.append((kind, name, None))

    def items(self, kind: str, prefix: str = "") -> list[tuple[str, Mapping[str, Any]]]:
        """Names and values of a collection whose name starts with `prefix`, oldest first."""
        entries = self._data.get(kind, {})
        if not prefix:
            return list(entries.items())
        return [(name, value) for name, value in entries.items() if name.startswith(prefix)]

    def values(self, kind: str, prefix: str = "") -> list[Mapping[str, Any]]:
        """Values of a collection whose name starts with `prefix`, oldest first."""
        return [value for _, value in self.items(kind, prefix)]

    def kinds(self) -> Iterator[str]:
        """The names of all collections."""
        return iter(tuple(self._data))

    def dump(self) -> Json:
        """Everything, as one JSON object: collection, name, value."""
        return {kind: dict(entries) for kind, entries in self._data.items() if entries}

    def clear(self) -> None:
        """Forget everything."""
        for kind in self.kinds():
            for name in tuple(self._data[kind]):
                self.delete(kind, name)

    # -- files ----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """Read what others wrote, run the body, and append what it changed.

        The body's changes are written even when it raises: a refusal may come after an effect.
        """
        with self._lock or contextlib.nullcontext():
            self._catch_up()
            try:
                yield
            finally:
                self._append()

    def fold(self) -> None:
        """Write the snapshot and start an empty journal."""
        if self._path is None or self._journal is None:
            return
        with self._lock or contextlib.nullcontext():
            self._catch_up()
            self._fold()

    def put_aside(self) -> None:
        """Rename the files of the store to `*.damaged` and be empty."""
        assert self._path is not None
        assert self._journal is not None
        with self._lock or contextlib.nullcontext():
            for file in (self._path, self._journal):
                if file.exists():
                    file.replace(file.with_name(file.name + ".damaged"))
            self._data.clear()
            self._changes.clear()
            self._identity = None

    def _fold(self) -> None:
        assert self._path is not None
        assert self._journal is not None
        self._generation += 1
        snapshot = {"format": _FORMAT, "generation": self._generation, "data": self.dump()}
        _replace(self._path, json.dumps(snapshot, separators=(",", ":")).encode() + b"\n")
        header = json.dumps({"generation": self._generation}).encode() + b"\n"
        _replace(self._journal, header)
        self._changes.clear()
        self._mark(len(header))

    def _mark(self, read: int) -> None:
        self._identity = self._files()
        self._read = read

    def _files(self) -> tuple[int, ...] | None:
        """What tells these files from those after a fold; None when there is no journal.

        The number of an inode alone does not: it is free for the next file as soon as one is replaced.
        """
        assert self._path is not None
        assert self._journal is not None
        try:
            journal = self._journal.stat()
        except FileNotFoundError:
            return None
        try:
            snapshot = self._path.stat()
        except FileNotFoundError:
            return (journal.st_dev, journal.st_ino)
        return (journal.st_dev, journal.st_ino, snapshot.st_ino, snapshot.st_mtime_ns, snapshot.st_size)

    def _append(self) -> None:
        if self._journal is None or not self._changes:
            self._changes.clear()
            return
        line = json.dumps(self._changes, separators=(",", ":")).encode() + b"\n"
        self._changes.clear()
        with open(self._journal, "ab", buffering=0, opener=private) as journal:
            journal.write(line)
        self._read += len(line)
        if self._read > _FOLD_BYTES and self._read > 2 * self._snapshot_bytes():
            self._fold()

    def _snapshot_bytes(self) -> int:
        assert self._path is not None
        return self._path.stat().st_size if self._path.exists() else 0

    def _catch_up(self) -> None:
        """Bring memory level with the files."""
        if self._journal is None:
            return
        found = self._files()
        if found is None or found != self._identity:
            self._load()
        elif self._journal.stat().st_size > self._read:
            with self._journal.open("rb") as journal:
                journal.seek(self._read)
                self._replay(journal.read())

    def _load(self) -> None:
        assert self._path is not None
        assert self._journal is not None
        self._data.clear()
        self._generation = 0
        if self._path.exists():
            self._read_snapshot(self._path)
        journal = self._journal.read_bytes() if self._journal.exists() else b""
        header, _, rest = journal.partition(b"\n")
        # A crash between the two replacements of a fold leaves a journal that the snapshot already contains.
        if header and self._generation_of(header) == self._generation:
            self._mark(len(header) + 1)
            self._replay(rest)
        else:
            _replace(self._journal, json.dumps({"generation": self._generation}).encode() + b"\n")
            self._mark(self._journal.stat().st_size)
        for kind, name, value in self._changes:  # made before the first transaction, which is to append them
            self._apply(kind, name, value)

    def _apply(self, kind: str, name: str, value: Mapping[str, Any] | None) -> None:
        if value is None:
            self._data.get(kind, {}).pop(name, None)
        else:
            self._data.setdefault(kind, {})[name] = value

    def _generation_of(self, header: bytes) -> int:
        assert self._journal is not None
        try:
            return int(json.loads(header)["generation"])
        except (ValueError, KeyError, TypeError) as error:
            raise _foreign(self._journal, f"its first line is {header[:40]!r}") from error

    def _read_snapshot(self, path: Path) -> None:
        try:
            snapshot = json.loads(path.read_bytes())
            found = snapshot["format"]
            self._generation = int(snapshot["generation"])
            self._data = {kind: dict(entries) for kind, entries in snapshot["data"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _foreign(path, f"{type(error).__name__}: {error}") from error
        if found != _FORMAT:
            raise _foreign(path, f"found {found!r}")

    def _replay(self, lines: bytes) -> None:
        complete, _, torn = lines.rpartition(b"\n")
        for line in complete.split(b"\n"):
            if not line:
                continue
            try:
                for kind, name, value in json.loads(line):
                    self._apply(kind, name, value)
            except (ValueError, TypeError) as error:
                assert self._journal is not None
                raise _foreign(self._journal, f"a line reads {line[:40]!r}") from error
        self._read += len(lines) - len(torn)
        if torn:
            # A writer died inside its line: that request was never answered. The next line starts afresh.
            assert self._journal is not None
            os.truncate(self._journal, self._read)


def _foreign(path: Path, reason: str) -> SandboxStoreError:
    return SandboxStoreError(
        f"{path} is not a sandbox file",
        detail=f"Expected format {_FORMAT}; {reason}.",
        hints=("Put it aside and start with an empty sandbox:\n    envctl sandbox reset",),
    )


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    with open(temporary, "wb", opener=private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
