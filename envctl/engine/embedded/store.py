"""The state of one stack on disk: a checkpoint, and a journal of what happened since.

    stacks/STACK.json           the last whole state (Pulumi's deployment version 3), replaced by rename
    stacks/STACK.journal        one line of JSON per change since then; folded into the checkpoint at the end of a run
    stacks/Pulumi.STACK.yaml    the stack's settings: the salt of its secrets

Every change is one line and is on the disk before the engine goes on, so a process that dies at any moment loses
nothing: the next run reads checkpoint and journal. A line that was cut short is the only one that may be missing,
and what it would have said is in the pending operation before it.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any

from envctl.engine.embedded.checkpoint import (
    Checkpoint,
    Pending,
    StateInvalidError,
    StateUnreadableError,
    parse_deployment,
    render_deployment,
    render_pending,
    salt_of,
)
from envctl.engine.embedded.disk import StatePaths, cannot_write, read_whole, sync_directory, write_whole
from envctl.engine.embedded.graph import renaming
from envctl.engine.embedded.history import last_whole_state
from envctl.engine.embedded.keyring import Keyring
from envctl.engine.embedded.resource import Resource, to_json
from envctl.engine.embedded.secret_box import SECRET, GiveUp, LostSecrets, SecretBox
from envctl.engine.embedded.values import learn_secrets
from envctl.engine.protocol import StackRef
from envctl.errors import OutsideError
from envctl.private_files import private, private_folder


@dataclass(slots=True)
class Change:
    """One atomic change of the state. Rows are known by the number that `StateStore` gave them."""

    put: Mapping[int, Resource] = field(default_factory=dict[int, Resource])
    """Rows by number; a new number is a new row, at the end."""
    settle: Iterable[int] = ()
    """Rows that this run has dealt with; they stand before the others, in the order of settling."""
    drop: Iterable[int] = ()
    open: Mapping[int, Pending] = field(default_factory=dict[int, Pending])
    close: Iterable[int] = ()
    rename: Mapping[str, str] = field(default_factory=dict[str, str])
    """URNs that get others, in every row that mentions them; comes before all else."""

    def is_order_only(self) -> bool:
        """Whether nothing but the order of rows is touched."""
        return not (self.put or self.drop or self.open or self.close or self.rename)


class StateStore:
    """The rows of a stack in memory, each change written before it is believed.

    With `writable=False` changes stay in memory (previews); with `strict=False` an inconsistent state is taken as
    it is, and `give_up` says which secrets may be left out (repair).
    """

    def __init__(
        self,
        stack: StackRef,
        directory: Path,
        environment: Mapping[str, str],
        *,
        writable: bool,
        now: Callable[[], datetime],
        strict: bool = True,
        give_up: GiveUp = GiveUp.NOTHING,
    ) -> None:
        self.paths = StatePaths(directory, stack)
        self.lost: list[LostSecrets] = []
        """Secrets that no key opens, left out."""
        self._keys = Keyring(self.paths, environment, writable=writable)
        self._give_up = give_up
        self._writable = writable
        self._strict = strict
        self._now = now
        self._lock = threading.Lock()
        self._sync_lock = threading.Lock()
        self._written = self._synced = 0
        self._stream: FileIO | None = None
        self._waiting: list[bytes] = []
        self._renames: dict[str, str] = {}
        self._closed = False
        self._settled: dict[int, Resource] = {}
        self._base: dict[int, Resource] = {}
        self._pending: dict[int, Pending] = {}
        self._next = 0
        self._digest = ""
        self.serial = 0
        self._load()

    # -- reading

    def rows(self) -> list[tuple[int, Resource]]:
        """Every row with its number: those that this run has settled first."""
        with self._lock:
            return [*self._settled.items(), *self._base.items()]

    def pending(self) -> list[tuple[int, Pending]]:
        """Operations whose end is not known."""
        with self._lock:
            return list(self._pending.items())

    def checkpoint(self) -> Checkpoint:
        """The state as it is now."""
        rows = [row for _, row in self.rows()]
        return Checkpoint(rows, [entry for _, entry in self.pending()], self.serial, self.box.salt, self._metadata)

    def document(self) -> dict[str, Any]:
        """The state as `pulumi stack export` writes it."""
        return {"version": 3, "deployment": render_deployment(self.checkpoint(), self.box, self._now())}

    # -- writing

    def number(self) -> int:
        """A number for a new row or a pending operation."""
        with self._lock:
            self._next += 1
            return self._next

    def commit(self, change: Change) -> None:
        """Makes the change, on the disk first. A row that was made before a renaming follows it."""
        change = self._following(change)
        if not self._writable:
            with self._lock:
                self._apply(change)
                self.serial += not change.is_order_only()
            return
        line = self._line(change)  # encrypting may ask for the passphrase: outside the lock
        with self._lock:
            if self._closed:
                raise OutsideError("The state is closed", detail="The run that held it has ended.", code="state-closed")
            if change.is_order_only() and self._stream is None:
                self._waiting.append(line)
                self._apply(change)
                return
            self._append(b"".join([*self._waiting, line]))
            self._waiting.clear()
            self._apply(change)
            self.serial += not change.is_order_only()
            self._written += 1
            mine = self._written
        if not change.is_order_only():
            self._sync(mine)

    def _following(self, change: Change) -> Change:
        with self._lock:
            self._renames |= change.rename
            renames = dict(self._renames)
        if not renames:
            return change
        renamed = renaming(renames)
        return replace(
            change,
            put={number: renamed(row) for number, row in change.put.items()},
            open={number: replace(entry, row=renamed(entry.row)) for number, entry in change.open.items()},
        )

    def _append(self, content: bytes) -> None:
        """Writes whole lines or none; after a failure the store takes no further change."""
        stream = self._open_journal()
        length = stream.tell()
        try:
            while content:
                content = content[stream.write(content) or 0 :]
        except OSError as error:
            self._closed = True
            with suppress(OSError):
                stream.truncate(length)
            raise cannot_write(self.paths.journal, error) from error

    def _sync(self, mine: int) -> None:
        with self._sync_lock:  # one fsync serves every line written before it
            if self._synced >= mine or self._stream is None:
                return
            reached = self._written
            try:
                os.fsync(self._stream.fileno())
            except OSError as error:
                raise cannot_write(self.paths.journal, error) from error
            self._synced = reached

    def replace_all(self, checkpoint: Checkpoint) -> None:
        """Replaces the whole state at once (import, repair, move)."""
        with self._lock:
            self._settled = {}
            self._base = {index + 1: row for index, row in enumerate(checkpoint.resources)}
            self._pending = {len(self._base) + 1 + index: entry for index, entry in enumerate(checkpoint.pending)}
            self._next = len(self._base) + len(self._pending)
            self._metadata = checkpoint.metadata
            self.serial += 1
        self._write_checkpoint()

    def close(self, *, keep_journal: bool = False) -> bool:
        """Ends the run: the journal is folded into the checkpoint, unless a crash is to be left as it is.

        Says whether the run changed the state.
        """
        with self._lock, self._sync_lock:
            self._closed = True
            if self._stream is None:
                return False
            self._stream.close()
            self._stream = None
        if not keep_journal:
            self._write_checkpoint()
        return True

    # -- files

    def _load(self) -> None:
        for _ in range(3):  # another process may fold its journal between the two reads
            content = read_whole(self.paths.checkpoint)
            journal = read_whole(self.paths.journal)
            header = _header(journal, self.paths.journal)
            reached = self._load_checkpoint(content)
            if header is None or header["serial"] <= reached:
                break
        else:
            raise StateInvalidError(
                "The state and its journal do not belong together",
                detail=f"{self.paths.journal} continues a newer state than {self.paths.checkpoint}.",
                hints=["nothing was changed; bring the newer state back from `history`"],
            )
        if self._give_up is GiveUp.ALL:
            self.box.test_passphrase()
        if header is None or header["serial"] < self.serial:
            return  # no journal, or one that was folded in already
        if header["digest"] != self._digest:
            raise StateInvalidError(
                "The state was changed while its journal was open",
                detail=f"{self.paths.journal} does not continue {self.paths.checkpoint} as it is now.",
                hints=["nothing was changed; bring the state back from `history`, or remove the journal to give it up"],
            )
        self._replay(journal)
        if self._writable:
            self._write_checkpoint()
            self._settled = {}
            self._load_checkpoint(read_whole(self.paths.checkpoint))  # rows get the numbers that a reader gives them

    def _load_checkpoint(self, content: bytes) -> int:
        self._digest = hashlib.sha256(content).hexdigest() if content else ""
        keys = self._keys
        self.box = SecretBox(
            keys.salt(), keys.passphrase, keys.keep_salt, spares=keys.spares, give_up=self._give_up, lost=self.lost
        )
        self._metadata: Mapping[str, Any] = {}
        self._base, self._pending, self._next = {}, {}, 0
        if not content and self.paths.checkpoint.exists():  # a full disk leaves that, no run of envctl does
            raise unreadable(self.paths, "is empty")
        if not content:
            self.serial = 0
            return 0
        try:
            document = json.loads(content)
        except ValueError as error:
            raise unreadable(self.paths, f"is not JSON: {error}") from error
        ours = document.get("envctl") if isinstance(document, dict) else None
        if not isinstance(document, dict) or not isinstance(ours, dict) or not isinstance(ours.get("serial"), int):
            raise StateInvalidError(
                "The state was not written by envctl",
                detail=f"{self.paths.checkpoint} lacks the `envctl` entry.",
                hints=["a state of Pulumi is taken over by\n    envctl state import"],
            )
        self.box.salt = salt_of(document.get("deployment") or {}) or self.box.salt
        checkpoint = parse_deployment(
            document, self.box, self.paths.stack, str(self.paths.checkpoint), strict=self._strict
        )
        if SECRET.encode() in content:
            for row in (*checkpoint.resources, *(entry.row for entry in checkpoint.pending)):
                learn_secrets(row.inputs, row.outputs)
        self._metadata = checkpoint.metadata
        self._base = {index + 1: row for index, row in enumerate(checkpoint.resources)}
        self._pending = {len(self._base) + 1 + index: entry for index, entry in enumerate(checkpoint.pending)}
        self._next = len(self._base) + len(self._pending)
        self.serial = ours["serial"]
        return self.serial

    def _replay(self, journal: bytes) -> None:
        lines = journal.split(b"\n")
        for index, line in enumerate(lines[1:-1], start=2):  # what follows the last newline was cut short
            try:
                change = self._parse(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                if index == len(lines) - 1:
                    break
                raise StateInvalidError(
                    "The journal of the state cannot be read", detail=f"{self.paths.journal}:{index}: {error}."
                ) from error
            self._apply(change)
            self.serial += not change.is_order_only()

    def _open_journal(self) -> FileIO:
        if self._stream is None:
            path = self.paths.journal
            try:
                private_folder(path.parent)
                self._stream = open(path, "wb", buffering=0, opener=private)  # noqa: SIM115  (kept open)
                header = {"journal": 1, "serial": self.serial, "digest": self._digest}
                self._stream.write(_dump(header) + b"\n")
                os.fsync(self._stream.fileno())
                sync_directory(path.parent)
            except OSError as error:
                raise cannot_write(path, error) from error
        return self._stream

    def _write_checkpoint(self) -> None:
        document = self.document()
        rows = document["deployment"].pop("resources", [])
        head = {
            "version": 3,
            "envctl": {"serial": self.serial, "project": self.paths.stack.project, "stack": self.paths.stack.stack},
            "deployment": document["deployment"],
        }
        content = _dump(head)[:-2]  # without the braces that end deployment and document
        content += b',\n"resources": [\n' + b",\n".join(_dump(row) for row in rows) + b"\n]}}\n"
        write_whole(self.paths.checkpoint, content)
        with suppress(FileNotFoundError):
            self.paths.journal.unlink()
        self._digest = hashlib.sha256(content).hexdigest()

    # -- one change as a line

    def _apply(self, change: Change) -> None:
        if change.rename:
            renamed = renaming(change.rename)
            for rows in (self._settled, self._base):
                rows.update({number: renamed(row) for number, row in rows.items()})
            self._pending.update(
                {number: replace(each, row=renamed(each.row)) for number, each in self._pending.items()}
            )
        for row in (*change.put.values(), *(entry.row for entry in change.open.values())):
            learn_secrets(row.inputs, row.outputs)
        for number, row in change.put.items():
            if number in self._settled:
                self._settled[number] = row
            else:
                self._base[number] = row
            self._next = max(self._next, number)
        for number in change.settle:
            if number in self._base:
                self._settled[number] = self._base.pop(number)
        for number in change.drop:
            self._base.pop(number, None)
            self._settled.pop(number, None)
        for number, entry in change.open.items():
            self._pending[number] = entry
            self._next = max(self._next, number)
        for number in change.close:
            self._pending.pop(number, None)

    def _line(self, change: Change) -> bytes:
        record: dict[str, Any] = {}
        if change.rename:
            record["rename"] = dict(change.rename)
        if change.put:
            record["put"] = [[number, to_json(row, self.box.encode)] for number, row in change.put.items()]
        if change.settle:
            record["settle"] = list(change.settle)
        if change.drop:
            record["drop"] = list(change.drop)
        if change.open:
            record["open"] = [[number, render_pending(entry, self.box)] for number, entry in change.open.items()]
        if change.close:
            record["close"] = list(change.close)
        return _dump(record) + b"\n"

    def _parse(self, record: Mapping[str, Any]) -> Change:
        return Change(
            put={number: self.box.row(row) for number, row in record.get("put", ())},
            settle=tuple(record.get("settle", ())),
            drop=tuple(record.get("drop", ())),
            open={
                number: Pending(entry["type"], self.box.row(entry["resource"]), entry.get("operation", ""))
                for number, entry in record.get("open", ())
            },
            close=tuple(record.get("close", ())),
            rename=record.get("rename", {}),
        )


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def unreadable(paths: StatePaths, why: str) -> StateUnreadableError:
    """The refusal of a state that is there and says nothing: it is not the same as none."""
    stack = paths.stack.stack
    ways = [f"take over what runs, by its file; the broken state is set aside\n    envctl import {stack}"]
    kept = last_whole_state(paths)
    if kept is not None:
        ways.insert(0, f"bring back the last state that is whole\n    envctl state import {stack} {kept}")
    return StateUnreadableError(
        "The state cannot be read",
        detail=f"{paths.checkpoint} {why}. Nothing was changed.",
        hints=(*ways, f"import a copy of your own\n    envctl state import {stack} FILE"),
    )


def _header(journal: bytes, path: Path) -> dict[str, Any] | None:
    line, newline, _ = journal.partition(b"\n")
    if not newline:
        return None  # nothing was committed before the header was whole
    try:
        header = json.loads(line)
        version, serial, digest = header["journal"], int(header["serial"]), str(header["digest"])
    except (ValueError, KeyError, TypeError) as error:
        raise StateInvalidError("The journal of the state cannot be read", detail=f"{path}:1: {error}.") from error
    if version != 1:
        raise StateInvalidError("The journal of the state is of a newer envctl", detail=f"{path}: version {version}.")
    return {"serial": serial, "digest": digest}


def now_utc() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)
