"""A stack under another name: copied, verified, and only then taken away. Any part can be done again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from envctl.engine.embedded import state_edit
from envctl.engine.embedded.checkpoint import Checkpoint
from envctl.engine.embedded.disk import StatePaths, read_whole, write_whole
from envctl.engine.embedded.lock import stack_lock
from envctl.engine.embedded.store import StateStore, now_utc
from envctl.engine.protocol import StackRef
from envctl.errors import RefusedError

Reached = Callable[[str], None]
"""Told the name of each part that is done; tests end the process there."""


def _nothing(_: str) -> None:
    """Told, and does nothing."""


def rename_state(
    directory: Path,
    old: StackRef,
    new: StackRef,
    environment: Mapping[str, str],
    *,
    now: Callable[[], datetime] = now_utc,
    reached: Reached = _nothing,
) -> int:
    """Gives a stack's state, history and key another name; the answer counts its rows, 0 when there is no state.

    Raises:
        StackLockedError: somebody works on one of the two.
        RefusedError: the new name has a state of its own, or the old one cannot be read.
    """
    before, after = StatePaths(directory, old), StatePaths(directory, new)
    with stack_lock(before.lock, old.stack, now), stack_lock(after.lock, new.stack, now):

        def opened(stack: StackRef, *, writable: bool = False) -> StateStore:
            return StateStore(stack, directory, environment, writable=writable, now=now)

        if before.checkpoint.exists() or read_whole(before.journal):
            store = opened(old)
            renamed = state_edit.rename_stack(store.checkpoint(), old, new)
            present = opened(new)
            if present.serial and not _same(present.checkpoint(), renamed):
                raise name_taken(old.stack, new.stack)
            if not present.serial:
                _copy_secrets(before, after)
                reached("secrets")
                copy = opened(new, writable=True)
                copy.serial = store.serial
                copy.replace_all(renamed)
                copy.close()
            reached("state")
            if not _same(opened(new).checkpoint(), renamed):  # opens every secret with the key of the copy
                raise RefusedError(
                    "The copy of the state is not what was copied", detail=str(after.checkpoint), code="rename-copy"
                )
            before.checkpoint.unlink(missing_ok=True)
            before.journal.unlink(missing_ok=True)
            reached("removed")
        _move_history(before, after, now)
        for path in (before.settings, before.key):
            path.unlink(missing_ok=True)
        reached("history")
        return len(opened(new).rows())


def name_taken(old: str, new: str) -> RefusedError:
    """The refusal of a name under which another stack is."""
    return RefusedError(
        f"The stack {new} holds something else",
        detail=f"{old} cannot be renamed to {new}: both hold resources, and they are not the same.",
        hints=(
            f"look at both with\n    envctl state list {old}\n    envctl state list {new}",
            "take another name, or destroy what one of them holds",
        ),
        code="rename-taken",
    )


def _same(one: Checkpoint, other: Checkpoint) -> bool:
    rows = [
        (each.resources, [(entry.kind, entry.row, entry.operation) for entry in each.pending]) for each in (one, other)
    ]
    return rows[0] == rows[1]


def _copy_secrets(before: StatePaths, after: StatePaths) -> None:
    """Passphrase and salt first: the copy of the state is written with them."""
    for source, target in ((before.key, after.key), (before.settings, after.settings)):
        content = read_whole(source)
        if target.exists() and read_whole(target) != content:
            target.replace(target.with_name(f"{target.name}.aside"))  # of a stack that was here before
        if content:
            write_whole(target, content)


def _move_history(before: StatePaths, after: StatePaths, now: Callable[[], datetime]) -> None:
    if not before.history.is_dir():
        return
    if after.history.is_dir():
        after.history.rename(after.history.with_name(f"{after.history.name}.before-{now():%Y%m%dT%H%M%S%f}"))
    before.history.rename(after.history)
    with suppress(OSError):
        shutil.rmtree(before.history)
