"""Where a stack's journal and settings lie: files below `.envctl/`, or objects beside a state in a bucket.

The journal and the record of settings know only these two protocols; the workspace chooses after the backend.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from envctl.errors import OutsideError


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
            self.path.parent.mkdir(parents=True, exist_ok=True)
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


@dataclass(frozen=True, slots=True)
class FileDocument:
    """A text in a file that only its owner can read."""

    path: Path

    @property
    def where(self) -> str:
        """The file."""
        return str(self.path)

    def read(self) -> str | None:
        """The file's text."""
        try:
            return self.path.read_text("utf-8", errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failed("read", self.path, error) from error

    def write(self, text: str) -> None:
        """Replaces the file by a rename."""
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(descriptor)
            temporary.replace(self.path)
        except OSError as error:
            raise _failed("written", self.path, error) from error


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
