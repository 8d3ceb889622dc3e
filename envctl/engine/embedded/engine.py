"""The embedded engine: Pulumi programs without the Pulumi CLI."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from envctl.engine.embedded import state_edit
from envctl.engine.embedded.checkpoint import Checkpoint, StateUnreadableError, parse_deployment, salt_of
from envctl.engine.embedded.deletions import delete_undeclared
from envctl.engine.embedded.disk import StatePaths, read_whole, write_whole
from envctl.engine.embedded.expected import Expectations
from envctl.engine.embedded.history import HistoryEntry, read_history, record
from envctl.engine.embedded.keyring import Keyring
from envctl.engine.embedded.lock import Holder, current_user, read_holder, stack_lock, unlock
from envctl.engine.embedded.planner import Planner
from envctl.engine.embedded.reconcile import reconcile_pending
from envctl.engine.embedded.refresh import refresh_rows
from envctl.engine.embedded.resource import Resource, to_json
from envctl.engine.embedded.run import Run, StoppedError
from envctl.engine.embedded.secret_box import GiveUp, SecretBox
from envctl.engine.embedded.store import StateStore, now_utc
from envctl.engine.embedded.values import mask
from envctl.engine.events import OutputsEvent
from envctl.engine.protocol import EventSink, Program, RunOptions, RunResult, StackRef
from envctl.engine.urns import STACK_TYPE, make_urn
from envctl.errors import EnvctlError, RefusedError
from envctl.provider.protocol import Provider


class EmbeddedEngine:
    """Runs programs of one stack against an in-process provider; the state is in `directory`.

    Args:
        stack: which stack.
        directory: where the states of all stacks are (`.envctl` of a project).
        provider: does what the steps ask for.
        git_commit: what history entries note as the commit of the files.
        environment: where the passphrase is looked up; the process's own when None.
        now: the time, for stamps in state and history.
    """

    name = "embedded"

    def __init__(
        self,
        stack: StackRef,
        directory: Path,
        provider: Provider,
        *,
        git_commit: str = "",
        environment: Mapping[str, str] | None = None,
        now: Callable[[], datetime] = now_utc,
    ) -> None:
        self._stack = stack
        self._directory = directory
        self._provider = provider
        self._git_commit = git_commit
        self._environment = os.environ if environment is None else environment
        self._now = now
        self._paths = StatePaths(directory, stack)

    # -- runs

    def preview(self, program: Program, options: RunOptions, sink: EventSink) -> RunResult:
        """Plans an apply; neither cloud nor state is touched."""
        return self._rehearse(lambda run: self._go(run, program), options, sink)

    def up(self, program: Program, options: RunOptions, sink: EventSink) -> RunResult:
        """Applies."""
        return self._perform("update", lambda run: self._go(run, program), options, sink)

    def destroy(
        self,
        program: Program,  # noqa: ARG002  part of the interface: another engine needs it for its providers
        options: RunOptions,
        sink: EventSink,
        *,
        preview: bool,
    ) -> RunResult:
        """Deletes every resource of the state, or plans it; the program is not run."""
        if preview:
            return self._rehearse(self._tear_down, options, sink)
        return self._perform("destroy", self._tear_down, options, sink)

    def refresh(
        self,
        program: Program,  # noqa: ARG002  see `destroy`
        options: RunOptions,
        sink: EventSink,
        *,
        preview: bool,
    ) -> RunResult:
        """Reads every resource of the state; the program is not run."""

        def read(run: Run) -> None:
            reconcile_pending(run)
            refresh_rows(run, counted=True)

        if preview:
            return self._rehearse(read, options, sink)
        return self._perform("refresh", read, options, sink)

    def _go(self, run: Run, program: Program) -> None:
        reconcile_pending(run)
        if run.options.refresh:
            refresh_rows(run, counted=False)
        if run.stopping:
            return
        planner = Planner(run.stack, run.store.rows(), run.provider, preview=run.preview, warn=run.say)
        from envctl.engine.embedded.program import run_program  # imports the SDK
        from envctl.engine.embedded.registrar import Registrar

        registrar = Registrar(run, planner)
        run_program(program, run, registrar)
        if run.stopping or run.errors:
            return
        delete_undeclared(run, planner.goals.keys())
        stack = registrar.row(make_urn(run.stack, "", STACK_TYPE, f"{run.stack.project}-{run.stack.stack}"))
        if stack is not None:
            run.emit(OutputsEvent(mask(stack.outputs)))

    def _tear_down(self, run: Run) -> None:
        reconcile_pending(run)
        if run.options.refresh:
            refresh_rows(run, counted=False)
        if not run.stopping:
            delete_undeclared(run, ())

    def _rehearse(self, work: Callable[[Run], None], options: RunOptions, sink: EventSink) -> RunResult:
        run = self._run(self._store(writable=False), options, sink, preview=True)
        self._work(work, run)
        return run.result()

    def _perform(self, kind: str, work: Callable[[Run], None], options: RunOptions, sink: EventSink) -> RunResult:
        with self._held():
            began = self._now()
            run = self._run(self._store(writable=True), options, sink, preview=False)
            run.expectations = Expectations(options.expected)
            try:
                self._work(work, run)
            except EnvctlError as error:
                self._end(run, kind, began, "refused" if isinstance(error, RefusedError) else "failed")
                raise
            except BaseException:
                run.store.close(keep_journal=True)  # a crash: the journal says what was done, the next run reads it
                raise
            result = run.result()
            outcome = (
                "interrupted"
                if result.interrupted
                else "detached"
                if result.detached
                else "succeeded"
                if result.ok
                else "failed"
            )
            self._end(run, kind, began, outcome)
            return replace(result, state_serial=run.store.serial)

    def _work(self, work: Callable[[Run], None], run: Run) -> None:
        started = time.monotonic()
        with suppress(StoppedError):
            work(run)
        if run.fatal is not None:
            raise run.fatal
        run.emit(run.summary(time.monotonic() - started))

    def _run(self, store: StateStore, options: RunOptions, sink: EventSink, *, preview: bool) -> Run:
        return Run(self._stack, store, self._provider, options, sink, preview, self._now, first_serial=store.serial)

    def _end(self, run: Run, kind: str, began: datetime, outcome: str) -> None:
        changed = run.store.close()
        counts = {op.value: count for op, count in run.counts.items()}
        self._record(
            kind,
            outcome,
            began,
            run.store,
            changed=changed,
            message=run.options.message,
            counts=counts,
            failed=run.failed,
        )

    def _record(
        self,
        kind: str,
        outcome: str,
        began: datetime,
        store: StateStore,
        *,
        changed: bool,
        message: str = "",
        counts: Mapping[str, int] | None = None,
        failed: list[str] | None = None,
    ) -> None:
        entry = HistoryEntry(
            serial=store.serial,
            kind=kind,
            outcome=outcome,
            began=began.isoformat(timespec="seconds"),
            ended=self._now().isoformat(timespec="seconds"),
            user=current_user(),
            host=socket.gethostname(),
            message=message,
            git_commit=self._git_commit,
            changes=dict(counts or {}),
            resources=len(store.rows()),
            failed=tuple(failed or ()),
        )
        record(self._paths, entry, changed=changed)

    # -- state

    def export_state(self) -> dict[str, Any]:
        """The state as `pulumi stack export` writes it; raises `RefusedError` when there is none."""
        store = self._store(writable=False)
        if not store.serial:
            raise RefusedError(
                f"The stack {self._stack.stack} has no state",
                detail=f"There is no {self._paths.checkpoint}.",
                code="state-none",
            )
        return store.document()

    def import_state(self, document: Mapping[str, Any]) -> None:
        """Replaces the state with an exported one, after checking its form, its URNs and that its secrets open.

        A state that cannot be read is kept aside under another name.
        """
        with self._held():
            began = self._now()
            salt = salt_of(document.get("deployment") or {})
            keys = Keyring(self._paths, self._environment, writable=False)
            box = SecretBox(salt, keys.passphrase, keys.keep_salt, spares=keys.spares)
            checkpoint = parse_deployment(document, box, self._stack, "the document")
            self._set_aside()
            store = self._store(writable=True)
            store.replace_all(checkpoint)
            store.close()
            self._record("import", "succeeded", began, store, changed=True)

    def forget(self, urn: str) -> None:
        """Drops a resource from the state; it stays in the cloud. Raises `RefusedError` when others need it."""
        self.edit_state("forget", lambda checkpoint: state_edit.forget(checkpoint, urn))

    def move(self, urn: str, new_urn: str) -> None:
        """Renames a resource in the state, and every mention of it."""
        self.edit_state("move", lambda checkpoint: state_edit.move(checkpoint, urn, new_urn))

    def unprotect(self, urn: str) -> None:
        """Takes the protection of a resource away, in the state."""
        self.edit_state("unprotect", lambda checkpoint: state_edit.unprotect(checkpoint, urn))

    def repair(self, *, drop_pending: bool = False, drop_secrets: bool = False) -> tuple[str, ...]:
        """Mends what would be refused in the state and says what was done; see `state_edit.repair`.

        Secrets that no key opens are given up, each named, and the files are kept aside; with `drop_secrets` also when
        the passphrase itself is missing or another one. The next apply takes their values from the program or the cloud.
        """
        done: list[str] = []

        def mend(checkpoint: Checkpoint) -> Checkpoint:
            repaired = state_edit.repair(checkpoint, drop_pending=drop_pending)
            done.extend(repaired.actions)
            return repaired.checkpoint

        give_up = GiveUp.ALL if drop_secrets else GiveUp.LOST
        return (*self._edit("repair", mend, strict=False, give_up=give_up), *done)

    def edit_state(self, kind: str, edit: Callable[[Checkpoint], Checkpoint]) -> None:
        """Replaces the state by what `edit` makes of it."""
        self._edit(kind, edit, strict=True, give_up=GiveUp.NOTHING)

    def _edit(
        self, kind: str, edit: Callable[[Checkpoint], Checkpoint], *, strict: bool, give_up: GiveUp
    ) -> tuple[str, ...]:
        """What had to be given up, a sentence each."""
        with self._held():
            began = self._now()
            seen = self._store(writable=False, strict=strict, give_up=give_up)
            hurt = bool(seen.lost) or seen.box.begun_anew
            told = _given_up(seen)
            if hurt:
                told += (f"kept the state as it was: {', '.join(self._keep_aside())}",)
            store = self._store(writable=True, strict=strict, give_up=give_up)
            before = store.checkpoint()
            after = edit(before)
            changed = after != before or hurt
            if changed:
                store.replace_all(after)
            store.close()
            self._record(kind, "succeeded", began, store, changed=changed)
        return told

    def checkpoint(self) -> Checkpoint:
        """The state as values, secrets marked and open."""
        return self._store(writable=False).checkpoint()

    def neighbours(self) -> dict[str, list[dict[str, Any]] | None]:
        """Rows of the other states of the folder, secrets masked; None for a state that cannot be read, or is empty."""
        folder = self._paths.checkpoint.parent
        names = {path.stem for path in (*folder.glob("[!.]*.json"), *folder.glob("[!.]*.journal"))}
        return {
            name: self._rows_of(StackRef(self._stack.project, name)) for name in sorted(names - {self._stack.stack})
        }

    def _rows_of(self, stack: StackRef) -> list[dict[str, Any]] | None:
        path = StatePaths(self._directory, stack).checkpoint
        if path.exists() and not path.stat().st_size:
            return None  # what a full disk leaves
        try:
            store = StateStore(stack, self._directory, self._environment, writable=False, now=self._now)
        except EnvctlError:
            return None
        return [to_json(row, mask) for _, row in store.rows()]

    def outputs(self) -> dict[str, Any]:
        """The stack's exports after the last run, secrets masked; empty without a state."""
        row = self._stack_row()
        return dict(mask(row.outputs)) if row else {}

    def serial(self) -> int:
        """How often the state was changed."""
        return self._store(writable=False).serial

    def history(self) -> list[HistoryEntry]:
        """Every run so far, the oldest first."""
        return read_history(self._paths)

    def holder(self) -> Holder | None:
        """Who works on the stack right now."""
        return read_holder(self._paths.lock)

    def unlock(self, *, force: bool = False) -> str | None:
        """Takes the lock away and says in words who held it; None when nobody did.

        Raises `RefusedError` without `force` while the process that holds it lives.
        """
        return unlock(self._paths.lock, self._stack.stack, self._now, force=force)

    def pending(self) -> list[tuple[str, str, str]]:
        """Operations whose end is not known: kind, URN, and the operation's name in the cloud or ""."""
        return [(entry.kind, entry.row.urn, entry.operation) for _, entry in self._store(writable=False).pending()]

    def _stack_row(self) -> Resource | None:
        return next((row for _, row in self._store(writable=False).rows() if row.type == STACK_TYPE), None)

    def _store(self, *, writable: bool, strict: bool = True, give_up: GiveUp = GiveUp.NOTHING) -> StateStore:
        return StateStore(
            self._stack,
            self._directory,
            self._environment,
            writable=writable,
            now=self._now,
            strict=strict,
            give_up=give_up,
        )

    @contextmanager
    def _held(self) -> Generator[Holder]:
        with stack_lock(self._paths.lock, self._stack.stack, self._now) as holder:
            yield holder

    def set_aside(self) -> tuple[str, ...]:
        """Moves a state of which nothing can be read away, and its journal, so that a new one can begin; says where to."""
        with self._held():
            return self._set_aside(StateUnreadableError)

    def _set_aside(self, which: type[RefusedError] = RefusedError) -> tuple[str, ...]:
        try:
            self._store(writable=False)
        except which:
            moved = self._asides()
            for path, aside in moved:
                path.rename(aside)
            return tuple(str(aside) for _, aside in moved)
        return ()

    def _keep_aside(self) -> list[str]:
        """Copies of the state and its journal, for whoever finds the key after all; their names."""
        kept = self._asides()
        for path, aside in kept:
            write_whole(aside, read_whole(path))
        return [str(aside) for _, aside in kept]

    def _asides(self) -> list[tuple[Path, Path]]:
        stamp = self._now().strftime("%Y%m%dT%H%M%S%f")
        paths = [path for path in (self._paths.checkpoint, self._paths.journal) if path.exists()]
        return [(path, path.with_name(f"{path.name}.aside-{stamp}")) for path in paths]


def _given_up(store: StateStore) -> tuple[str, ...]:
    told = [f"gave up the secrets in {', '.join(each.properties)} of {each.urn}" for each in store.lost]
    if told:
        told.append("the next `up` takes them from the file or the cloud")
    if store.box.begun_anew:
        told.insert(0, "no passphrase opens the secrets of this state: the next secret begins a new salt")
    return tuple(dict.fromkeys(told))
