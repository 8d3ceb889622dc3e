"""Pulumi's file backend, read directly: who holds a stack, and its checkpoint without the price of a CLI run."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from envctl.engine.lives import Life
from envctl.engine.protocol import StackRef
from envctl.errors import RefusedError
from envctl.masking import mask

_VERSION = 3  # of the checkpoint, `apitype.DeploymentSchemaVersionCurrent` of Pulumi 3.256
_SLACK = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class PulumiLock:
    """One lock, as `pkg/backend/diy/lock.go` of Pulumi 3.256 writes it."""

    pid: int
    user: str
    host: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (process {self.pid}, since {self.since.isoformat(timespec='seconds')})"

    @property
    def command(self) -> str:
        """What its process runs; nothing where the system does not tell."""
        try:
            words = Path(f"/proc/{self.pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            return ""
        return mask(" ".join(words).strip())[:200]

    @property
    def life(self) -> Life:
        """Whether its process still works, as far as this machine can tell."""
        if self.host != socket.gethostname():
            return Life.ELSEWHERE
        return Life.DEAD if self.is_dead else Life.ALIVE

    @property
    def is_dead(self) -> bool:
        """Whether its process ran on this machine and is gone, or its number belongs to a younger process."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        process = Path(f"/proc/{self.pid}")
        try:
            if process.joinpath("stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] in ("Z", "X"):
                return True  # dead, and nobody has asked for its end yet
            started = datetime.fromtimestamp(process.stat().st_ctime, tz=self.since.tzinfo)
        except (OSError, IndexError):
            return False
        return started > self.since + _SLACK

    def end_leftovers(self) -> None:
        """Ends what the dead process started and left: its plugins wait for requests that nobody will send.

        The CLI leads a session of its own, whose number is not given away while a process of it lives. Nothing is
        done where `/proc` does not show sessions.
        """
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError, IndexError, ValueError):
                session = stat.read_text(encoding="utf-8").rpartition(")")[2].split()[3]
                if int(session) == self.pid:
                    os.kill(int(stat.parent.name), signal.SIGTERM)


def read_locks(backend: str, stack: StackRef) -> tuple[PulumiLock, ...] | None:
    """The locks of a stack; None when this backend does not show them, or shows one that cannot be understood."""
    root = _root(backend)
    if root is None:
        return None
    folder = root / "locks" / "organization" / stack.project / stack.stack
    found: list[PulumiLock] = []
    try:
        for path in sorted(folder.glob("*.json")):
            held = json.loads(path.read_text(encoding="utf-8"))
            since = datetime.fromisoformat(held["timestamp"])
            found.append(PulumiLock(int(held["pid"]), held["username"], held["hostname"], since))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return tuple(found)


def read_checkpoint(backend: str, stack: StackRef) -> dict[str, Any] | None:
    """The stack's checkpoint as `pulumi stack export` writes it; None when this backend has no such file.

    Raises:
        RefusedError: there is one, and nothing of it can be read.
    """
    root = _root(backend)
    if root is None:
        return None
    path = root.parent / checkpoint_name(stack)
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["version"] != _VERSION:
            return None
        return {"version": _VERSION, "deployment": dict(stored["checkpoint"]["latest"] or {})}
    except OSError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise unreadable_state(f"{path}: {error}", stack, path.with_name(f"{path.name}.bak")) from error


def checkpoint_name(stack: StackRef) -> str:
    """Where Pulumi's own backends keep a checkpoint (`pkg/backend/diy/store.go` of Pulumi 3.256)."""
    return f".pulumi/stacks/{stack.project}/{stack.stack}.json"


def unreadable_state(detail: str, stack: StackRef, backup: Path | None = None) -> RefusedError:
    """The refusal of a state that is there and says nothing: it is not the same as none."""
    ways = (
        f"take over what runs, by its file; the broken state is set aside\n    envctl import {stack.stack}",
        f"import a copy of your own\n    envctl state import {stack.stack} FILE",
    )
    if backup is not None and backup.is_file() and backup.stat().st_size:
        kept = f"bring back what Pulumi kept of the run before\n    envctl state import {stack.stack} {backup}"
        ways = (kept, *ways)
    return RefusedError(
        "The state cannot be read",
        detail=f"{detail}\nNothing was changed.",
        hints=ways,
        code="state-unreadable",
    )


def read_neighbours(backend: str, stack: StackRef) -> dict[str, list[dict[str, Any]] | None] | None:
    """Rows of every other stack in the backend's folder, None for one that cannot be read; None when it has no folder.

    Stacks of other projects are named `PROJECT/STACK`.
    """
    root = _root(backend)
    if root is None:
        return None
    found: dict[str, list[dict[str, Any]] | None] = {}
    for path in sorted((root / "stacks").rglob("*.json*")):
        name, _, kind = path.name.partition(".json")
        project = path.parent.name
        if kind not in ("", ".gz") or (project, name) == (stack.project, stack.stack):
            continue  # backups and attributes lie beside the checkpoints
        found[name if project == stack.project else f"{project}/{name}"] = _rows_in(path)
    return found


def _rows_in(path: Path) -> list[dict[str, Any]] | None:
    try:
        content = path.read_bytes()
        stored = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
        return (
            list((stored["checkpoint"]["latest"] or {}).get("resources") or [])
            if stored["version"] == _VERSION
            else None
        )
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _root(backend: str) -> Path | None:
    return Path(backend.removeprefix("file://")) / ".pulumi" if backend.startswith("file://") else None
