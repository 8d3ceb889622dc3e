"""One run at a time per stack: a file that says who works on it."""

from __future__ import annotations

import getpass
import json
import os
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from envctl.engine.lives import Life, held_by_living, told
from envctl.errors import OutsideError, RefusedError
from envctl.masking import mask
from envctl.private_files import private, private_folder


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock. `since` is ISO 8601 with zone; `started` tells processes of the same number apart."""

    user: str
    host: str
    pid: int
    command: str
    since: str
    started: str = ""

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (process {self.pid}: {self.command})"


class StackLockedError(RefusedError):
    """Somebody else works on the stack; `holder` says who, None when the lock cannot be read."""

    code = "stack-locked"

    def __init__(self, stack: str, holder: Holder | None, age: timedelta, path: Path) -> None:
        who = str(holder) if holder else "an unreadable lock"
        super().__init__(
            f"The stack {stack} is locked",
            detail=f"Held by {who} for {_spoken(age)}.",
            hints=[f"wait, or when that run is dead:\n    envctl state unlock {stack}"],
        )
        self.holder = holder
        self.path = path


def current_user() -> str:
    """The user's name; the number where there is no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid())


@contextmanager
def stack_lock(path: Path, stack: str, now: Callable[[], datetime]) -> Generator[Holder]:
    """Holds the lock at `path`; takes over one whose process on this machine is dead.

    Raises:
        StackLockedError: somebody else holds it.
        OutsideError: the file cannot be written.
    """
    holder = Holder(
        user=current_user(),
        host=socket.gethostname(),
        pid=os.getpid(),
        command=mask(" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]))[:200],
        since=now().isoformat(timespec="seconds"),
        started=_started(os.getpid()),
    )
    _acquire(path, stack, holder, now)
    try:
        yield holder
    finally:
        with suppress(OSError):
            if read_holder(path) == holder:
                path.unlink()


def _acquire(path: Path, stack: str, holder: Holder, now: Callable[[], datetime]) -> None:
    try:
        private_folder(path.parent)
        for _ in range(5):
            if _create(path, holder):
                return
            held = read_holder(path)
            if held is None and not path.exists():
                continue
            if held is None or life_of(held) is not Life.DEAD:
                raise StackLockedError(stack, held, age_of(path, held, now), path)
            _remove_stale(path, held)
    except OSError as error:
        raise OutsideError(
            "The lock cannot be written", detail=f"{path}: {error.strerror}.", code="state-write"
        ) from error
    raise StackLockedError(stack, read_holder(path), timedelta(), path)


def _create(path: Path, holder: Holder) -> bool:
    """Makes the lock with its content in one step, or says that there is one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{id(holder)}")
    with open(temporary, "w", encoding="utf-8", opener=private) as stream:
        stream.write(json.dumps(asdict(holder)))
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def _remove_stale(path: Path, held: Holder) -> None:
    """Moves a dead lock away; another process may have been faster, then its new lock is put back."""
    aside = path.with_name(f".{path.name}.stale.{os.getpid()}")
    with suppress(FileNotFoundError):
        path.rename(aside)
        if read_holder(aside) != held:
            with suppress(FileExistsError):
                os.link(aside, path)
        aside.unlink()


def read_holder(path: Path) -> Holder | None:
    """Who holds the lock; None when nobody does or the file cannot be understood."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def age_of(path: Path, holder: Holder | None, now: Callable[[], datetime]) -> timedelta:
    """How long the lock has been held."""
    with suppress(ValueError):
        if holder is not None:
            return now() - datetime.fromisoformat(holder.since)
    with suppress(OSError):
        return now() - datetime.fromtimestamp(path.stat().st_mtime, tz=now().tzinfo)
    return timedelta()


def unlock(path: Path, stack: str, now: Callable[[], datetime], *, force: bool = False) -> str | None:
    """Removes the lock and says in words who held it; None when nobody did.

    Raises:
        RefusedError: the process that holds it works on this machine, and `force` does not say that it is known.
    """
    holder = read_holder(path)
    if holder is None and not path.exists():
        return None
    life = life_of(holder)
    if life is Life.ALIVE and not force:
        assert holder is not None
        age = _spoken(age_of(path, holder, now))
        raise held_by_living(
            stack, f"{holder.user}, process {holder.pid}: {holder.command}\nsince {holder.since} ({age})"
        )
    with suppress(FileNotFoundError):
        path.unlink()
    return told(holder or "an unreadable lock", life)


def life_of(holder: Holder | None) -> Life:
    """Whether the holder's process lives, as far as this machine can tell."""
    if holder is None or holder.host != socket.gethostname():
        return Life.ELSEWHERE
    return Life.DEAD if _is_dead(holder) else Life.ALIVE


def _is_dead(holder: Holder) -> bool:
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    fields = _process(holder.pid)
    if fields and fields[0] in {"Z", "X"}:
        return True  # dead, and nobody has asked for its end yet
    started = _started(holder.pid)
    return bool(holder.started and started and started != holder.started)


def _started(pid: int) -> str:
    """When the process began, in ticks since boot; "" where the system does not say."""
    fields = _process(pid)
    return fields[19] if len(fields) > 19 else ""


def _process(pid: int) -> list[str]:
    """What Linux tells of a process, from its state on (`man 5 proc_pid_stat`); nothing elsewhere."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []


def _spoken(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    if seconds < 120:
        return f"{seconds} seconds"
    if seconds < 7200:
        return f"{seconds // 60} minutes"
    return f"{seconds // 3600} hours"
