"""Files of a state: where they are, and how they are read and replaced."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from envctl.engine.protocol import StackRef
from envctl.errors import OutsideError
from envctl.private_files import private, private_folder


@dataclass(frozen=True, slots=True)
class StatePaths:
    """Where a stack's files are."""

    directory: Path
    stack: StackRef

    @property
    def checkpoint(self) -> Path:
        """The last whole state."""
        return self.directory / "stacks" / f"{self.stack.stack}.json"

    @property
    def journal(self) -> Path:
        """Changes since the checkpoint."""
        return self.directory / "stacks" / f"{self.stack.stack}.journal"

    @property
    def settings(self) -> Path:
        """The stack's settings, as Pulumi names them."""
        return self.directory / "stacks" / f"Pulumi.{self.stack.stack}.yaml"

    @property
    def key(self) -> Path:
        """The passphrase that is used when none is given."""
        return self.directory / "stacks" / f"{self.stack.stack}.key"

    @property
    def lock(self) -> Path:
        """Who works on the stack."""
        return self.directory / "locks" / f"{self.stack.stack}.json"

    @property
    def history(self) -> Path:
        """One entry per run, and the states they left."""
        return self.directory / "history" / self.stack.stack


def write_whole(path: Path, content: bytes) -> None:
    """Replaces a file at once: its old or its new content is there at any moment, never a part."""
    private_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with open(temporary, "wb", opener=private) as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise OutsideError(
            "The state cannot be written", detail=f"{path}: {error.strerror}.", code="state-write"
        ) from error


def sync_directory(directory: Path) -> None:
    """Puts the names in a directory on the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_whole(path: Path) -> bytes:
    """The content of a file, empty when there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise OutsideError(
            "The state cannot be read", detail=f"{path}: {error.strerror}.", code="state-read"
        ) from error


def cannot_write(path: Path, error: OSError) -> OutsideError:
    """The error that names a file that could not be written."""
    return OutsideError("The state cannot be written", detail=f"{path}: {error.strerror}.", code="state-write")
