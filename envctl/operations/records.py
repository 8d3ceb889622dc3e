"""Where a stack's journal and settings lie: files below `.envctl/`, or objects beside a state in a bucket.

The journal and the record of settings know only these two protocols; the workspace chooses after the backend.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from envctl.errors import OutsideError
from envctl.private_files import private_folder
from envctl.provider.folders import FileFolder, Folder

_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Line:
    """One whole line, and where it stands: what an error names."""

    text: str
    place: str


class Lines(Protocol):
    """Lines that are only ever added."""

    @property
    def where(self) -> str:
        """The file, or the folder of objects."""
        ...

    def append(self, text: str) -> None:
        """Adds one line; it is kept for good when this returns. Raises `OutsideError` when it could not be."""
        ...

    def read(self) -> Iterable[Line]:
        """Every whole line, oldest first; one that a kill cut short is left out."""
        ...

    def remove(self) -> None:
        """Takes all of them away, if there are any."""
        ...


class Document(Protocol):
    """One text that is replaced as a whole."""

    @property
    def where(self) -> str:
        """The file, or the object."""
        ...

    def read(self) -> str | None:
        """The text, None when there is none. Raises `OutsideError` when it cannot be read."""
        ...

    def write(self, text: str) -> None:
        """Replaces the text; old or new is there at any moment, never a part."""
        ...

    def remove(self) -> None:
        """Takes it away, if it is there."""
        ...


@dataclass(frozen=True, slots=True)
class FileLines:
    """Lines in a file that only its owner can read."""

    path: Path

    @property
    def where(self) -> str:
        """The file."""
        return str(self.path)

    def append(self, text: str) -> None:
        """Adds one line, on the disk when this returns; what a dead writer left of a line is taken away first."""
        try:
            private_folder(self.path.parent)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "r+b") as stream:
                _hold(descriptor)  # whoever wrote half a line and let go of this is dead
                self.path.chmod(0o600)
                stream.seek(_whole(stream.read()))
                stream.truncate()
                stream.write(text.encode() + b"\n")
                stream.flush()
                os.fsync(descriptor)
        except OSError as error:
            raise _failed("written", self.path, error) from error

    def read(self) -> Iterable[Line]:
        """Every line that ends; none when there is no file."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise _failed("read", self.path, error) from error
        texts = content[: _whole(content)].decode(errors="replace").split("\n")[:-1]
        for number, text in enumerate(texts, start=1):
            yield Line(text, f"{self.path}:{number}")

    def remove(self) -> None:
        """Removes the file."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise _failed("removed", self.path, error) from error


@dataclass(frozen=True, slots=True)
class ObjectLines:
    """Lines as things of a folder, one each: objects of a bucket cannot be appended to.

    Names begin with the time, so that their order is that of the lines; two writers never meet in one name.
    """

    folder: Folder
    path: str

    @property
    def where(self) -> str:
        """The folder of the lines."""
        return f"{self.folder.where}/{self.path}"

    def append(self, text: str) -> None:
        """Writes one thing that was not there before."""
        while True:
            at = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
            name = f"{self.path}/{at}-{uuid.uuid4().hex[:12]}.json"
            if self.folder.write(name, text.encode(), new=True):
                return

    def read(self) -> Iterable[Line]:
        """Every thing of the folder, several at a time: each is a request of its own."""
        names = self.folder.names(f"{self.path}/")
        with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="envctl-journal") as workers:
            for name, content in zip(names, workers.map(self.folder.read, names), strict=True):
                if content is not None:
                    yield Line(content.decode(errors="replace").rstrip("\n"), f"{self.folder.where}/{name}")

    def remove(self) -> None:
        """Removes every line."""
        for name in self.folder.names(f"{self.path}/"):
            self.folder.remove(name)


@dataclass(frozen=True, slots=True)
class FolderDocument:
    """A text under a name of a folder."""

    folder: Folder
    name: str

    @property
    def where(self) -> str:
        """The file, or the object."""
        return f"{self.folder.where}/{self.name}"

    def read(self) -> str | None:
        """The text."""
        content = self.folder.read(self.name)
        return None if content is None else content.decode(errors="replace")

    def write(self, text: str) -> None:
        """Replaces it."""
        self.folder.write(self.name, text.encode())

    def remove(self) -> None:
        """Takes it away, if it is there."""
        self.folder.remove(self.name)


class Records(Protocol):
    """Everything that operations remember of stacks, in one place."""

    def journal(self, environment: str) -> Lines:
        """The lines of an environment's journal."""
        ...

    def settings(self, environment: str) -> Document:
        """What the last apply set in Airflow."""
        ...


@dataclass(frozen=True, slots=True)
class LocalRecords:
    """Below `.envctl/` of this machine."""

    directory: Path

    def journal(self, environment: str) -> Lines:
        """A file of lines."""
        return FileLines(self.directory / "journal" / f"{environment}.jsonl")

    def settings(self, environment: str) -> Document:
        """A file."""
        return FolderDocument(FileFolder(self.directory), f"airflow/{environment}.json")


@dataclass(frozen=True, slots=True)
class SharedRecords:
    """Beside the states of a shared backend, where several projects may lie."""

    folder: Folder
    project: str

    def journal(self, environment: str) -> Lines:
        """One thing per line."""
        return ObjectLines(self.folder, f".envctl/journal/{self.project}/{environment}")

    def settings(self, environment: str) -> Document:
        """One thing."""
        return FolderDocument(self.folder, f".envctl/airflow/{self.project}/{environment}.json")


def _hold(descriptor: int) -> None:
    """Keeps other writers out until the file is closed, where the system can."""
    try:
        import fcntl
    except ImportError:
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def _whole(content: bytes) -> int:
    """How many bytes are whole lines."""
    return content.rfind(b"\n") + 1


def _failed(verb: str, path: Path, error: OSError) -> OutsideError:
    return OutsideError(
        f"A file below .envctl cannot be {verb}", detail=f"{path}: {error.strerror}", code="record-file"
    )
