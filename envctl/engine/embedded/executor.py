"""Steps, done: the provider is called, and the state says so before and after."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import assert_never

from envctl.engine.embedded.checkpoint import Pending
from envctl.engine.embedded.resource import Resource
from envctl.engine.embedded.run import Run, StoppedError
from envctl.engine.embedded.steps import Row, Step
from envctl.engine.embedded.store import Change
from envctl.engine.embedded.values import Value, mark_keys, mark_like, mark_literals, plain
from envctl.engine.events import MessageEvent, Op, OperationEvent, Phase
from envctl.engine.urns import UNKNOWN_ID, is_default_provider, is_provider
from envctl.provider.protocol import CallContext, Live, OperationDetached, ProviderError

UNCERTAIN = frozenset(
    {"UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "CANCELLED", "408", "500", "502", "503", "504"}
)
"""Statuses after which the cloud may have done what it was asked: the pending operation stays, to be looked into."""


def _as_decided(step: Step, keep: Mapping[str, bool]) -> Step:
    """A deletion that follows what the run was told of its row, not what the state says."""
    if step.op not in (Op.DELETE, Op.DELETE_REPLACED) or step.old is None or step.urn not in keep:
        return step
    row = replace(step.old.resource, retain_on_delete=keep[step.urn])
    return replace(step, old=Row(step.old.number, row))


class StepFailedError(Exception):
    """A step failed, and everybody was told."""


class Executor:
    """Does steps for one run, each in the thread that asks for it."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def execute(self, step: Step) -> Row:
        """Does the step and gives the row that it leaves (for a deletion, the row that was).

        Raises:
            StepFailedError: the provider refused or failed, or the operation goes on without us.
            StoppedError: the run is ending and the step was not begun.
            LeavesPlanError: the plan does not have the step.
        """
        run = self._run
        run.require_going()
        run.expectations.check(step)
        step = _as_decided(step, run.options.keep)
        hidden = is_default_provider(step.urn)
        if not hidden:
            run.emit(step.event(Phase.PRE))
        try:
            row = self._apply(step)
        except (ProviderError, OperationDetached) as error:
            run.emit(step.event(Phase.FAILED))
            if isinstance(error, OperationDetached):
                run.detached[step.urn] = error.operation
            else:
                run.say(step.urn, "error", str(error))
            raise StepFailedError(str(error)) from error
        except StoppedError:
            raise
        except BaseException as error:  # lost connections, bugs: the pending operation stays, the next run looks
            run.emit(step.event(Phase.FAILED))
            run.mark_fatal(error)
            raise
        if not hidden:
            after = None if step.new is None else row.resource
            run.emit(step.event(Phase.DONE, after))
        if step.logical:
            run.count(step.op, step.urn)
        return row

    def _apply(self, step: Step) -> Row:
        match step.op:
            case Op.SAME:
                return self._same(step)
            case Op.CREATE | Op.CREATE_REPLACEMENT:
                return self._create(step)
            case Op.UPDATE:
                return self._update(step)
            case Op.DELETE | Op.DELETE_REPLACED | Op.READ_DISCARD | Op.DISCARD_REPLACED | Op.REMOVE_PENDING_REPLACE:
                return self._delete(step)
            case Op.REPLACE:
                assert step.old is not None
                return step.old
            case Op.READ:
                return self._read(step)
            case Op.IMPORT:
                return self._import(step)
            case Op.REFRESH | Op.READ_REPLACEMENT | Op.IMPORT_REPLACEMENT:
                raise AssertionError(f"{step.op} is not planned")
            case _:
                assert_never(step.op)

    # -- the operations

    def _same(self, step: Step) -> Row:
        assert step.old is not None
        assert step.new is not None
        old = step.old.resource
        row = replace(step.new, id=old.id, outputs=old.outputs)
        changed = {} if row == old else {step.old.number: row}
        self._run.store.commit(Change(put=changed, settle=(step.old.number,)))
        return Row(step.old.number, row)

    def _create(self, step: Step) -> Row:
        assert step.new is not None
        store, new = self._run.store, step.new
        number = store.number()
        with self._pending(new, "creating") as (context, opened):
            try:
                row = self._made(new, context)
            except ProviderError as error:
                if error.partial is not None:
                    failed = replace(self._born(new, error.partial), init_errors=(str(error),))
                    store.commit(self._creation(step, number, failed, opened))
                raise
            except OperationDetached as error:
                if error.partial is not None and error.partial.id:
                    begun = replace(self._born(new, error.partial), init_errors=(f"{error.operation} was not awaited",))
                    store.commit(self._creation(step, number, begun, ()))
                raise
            store.commit(self._creation(step, number, row, opened))
        return Row(number, row)

    def _made(self, new: Resource, context: CallContext) -> Resource:
        if not new.custom:
            return new
        preview = self._run.preview
        if is_provider(new.type):
            made = Live(UNKNOWN_ID if preview else str(uuid.uuid4()), new.inputs)
            return replace(self._born(new, made), outputs=new.inputs)
        live = self._run.provider.create(new.urn, new.type, plain(new.inputs), context, preview=preview)
        if not live.id and not preview:
            raise ProviderError("the provider gave no id for what it created")
        return self._born(new, live)

    def _born(self, new: Resource, live: Live) -> Resource:
        now = self._run.now().isoformat().replace("+00:00", "Z")
        return replace(new, id=live.id or None, outputs=self._outputs(new, live), created=now, modified=now)

    def _creation(self, step: Step, number: int, row: Resource, opened: tuple[int, ...]) -> Change:
        """What a creation does to the state: the new row, and the old one marked for deletion or gone."""
        if step.old is None:
            return Change(put={number: row}, settle=(number,), close=opened)
        if step.keep_old:
            marked = replace(step.old.resource, delete=True)
            return Change(put={number: row, step.old.number: marked}, settle=(number,), close=opened)
        return Change(put={number: row}, settle=(number,), drop=(step.old.number,), close=opened)

    def _update(self, step: Step) -> Row:
        assert step.old is not None
        assert step.new is not None
        store, old = self._run.store, step.old
        new = replace(step.new, id=old.resource.id, outputs=old.resource.outputs)
        with self._pending(new, "updating") as (context, opened):
            try:
                row = self._updated(step, old.resource, new, context)
            except (ProviderError, OperationDetached) as error:
                if error.partial is not None:
                    text = str(error) if isinstance(error, ProviderError) else f"{error.operation} was not awaited"
                    # The resource does not stand for the new inputs: Pulumi, too, keeps the old ones with the new
                    # outputs (`OnResourceStepPost` in pkg/engine/update.go of 3.256).
                    outputs = self._outputs(new, error.partial)
                    part = replace(new, inputs=old.resource.inputs, outputs=outputs, init_errors=(text,))
                    closed = opened if isinstance(error, ProviderError) else ()
                    store.commit(Change(put={old.number: part}, settle=(old.number,), close=closed))
                raise
            store.commit(Change(put={old.number: row}, settle=(old.number,), close=opened))
        return Row(old.number, row)

    def _updated(self, step: Step, old: Resource, new: Resource, context: CallContext) -> Resource:
        if not new.custom:
            return new
        if is_provider(new.type):
            return replace(new, outputs=new.inputs, modified=self._stamp())
        live = self._run.provider.update(
            new.urn,
            new.type,
            old.id or "",
            plain(old.inputs),
            plain(old.outputs),
            plain(new.inputs),
            context,
            preview=self._run.preview,
            ignore_changes=step.ignore_changes,
        )
        return replace(new, id=live.id or old.id, outputs=self._outputs(new, live), modified=self._stamp())

    def _delete(self, step: Step) -> Row:
        assert step.old is not None
        store, row = self._run.store, step.old
        resource = row.resource
        calls = step.op in (Op.DELETE, Op.DELETE_REPLACED) and resource.custom and not is_provider(resource.type)
        after = {row.number: replace(resource, pending_replacement=True)} if step.then_create else {}
        drop = () if step.then_create else (row.number,)
        if not calls or resource.retain_on_delete or step.abandon:
            store.commit(Change(put=after, drop=drop))
            return row
        with self._pending(resource, "deleting") as (context, opened):
            if not self._run.preview:
                self._run.provider.delete(
                    resource.urn,
                    resource.type,
                    resource.id or "",
                    plain(resource.inputs),
                    plain(resource.outputs),
                    context,
                )
            store.commit(Change(put=after, drop=drop, close=opened))
        return row

    def _read(self, step: Step) -> Row:
        assert step.new is not None
        new = step.new
        number = step.old.number if step.old else self._run.store.number()
        if new.id is None or new.id == UNKNOWN_ID:
            row = replace(new, id=None)
        else:
            live = self._look(new, new.id)
            row = replace(self._born(new, live), inputs=new.inputs)
        self._run.store.commit(Change(put={number: row}, settle=(number,)))
        return Row(number, row)

    def _import(self, step: Step) -> Row:
        assert step.new is not None
        new = step.new
        live = self._look(new, new.import_id)
        row = replace(self._born(new, live), inputs=mark_like(mark_literals(dict(live.inputs)), new.inputs))
        number = step.old.number if step.old else self._run.store.number()
        self._run.store.commit(Change(put={number: row}, settle=(number,)))
        return Row(number, row)

    def _look(self, new: Resource, id_: str) -> Live:
        with self._pending(new, None) as (context, _):
            live = self._run.provider.read(new.urn, new.type, id_, {}, {}, context)
        if live is None:
            raise ProviderError(f"there is no {new.type} with the id {id_}", status="NOT_FOUND")
        return live

    # -- shared

    def _outputs(self, row: Resource, live: Live) -> dict[str, Value]:
        keys = {*self._run.provider.sensitive_outputs(row.type), *row.additional_secret_outputs} - {"id"}
        return mark_keys(mark_like(mark_literals(dict(live.outputs)), row.inputs), keys)

    def _stamp(self) -> str:
        return self._run.now().isoformat().replace("+00:00", "Z")

    @contextmanager
    def _pending(self, row: Resource, kind: str | None) -> Generator[tuple[CallContext, tuple[int, ...]]]:
        """A call to the cloud: begun in the state before, ended by the caller's commit, or here when it failed.

        After an answer that leaves open what happened, and after a detachment, the pending operation stays.
        """
        run, store = self._run, self._run.store
        cloud = row.custom and not is_provider(row.type)
        number = store.number() if kind and cloud and not run.preview else None
        named = ""

        def note(operation: str, state: str, elapsed: float) -> None:
            nonlocal named
            run.emit(OperationEvent(row.urn, operation, elapsed, state))
            if number is not None and operation and operation != named:
                named = operation
                store.commit(Change(open={number: Pending(kind or "", row, operation)}))

        if number is None:
            yield run.context(note), ()
            return
        store.commit(Change(open={number: Pending(kind or "", row)}))
        try:
            yield run.context(note), (number,)
        except ProviderError as error:
            if error.status.upper() in UNCERTAIN and error.partial is None:
                run.emit(
                    MessageEvent("warning", "it is not known whether the call took effect; the next run looks", row.urn)
                )
            else:
                store.commit(Change(close=(number,)))
            raise
        except OperationDetached as error:
            store.commit(Change(open={number: Pending(kind or "", row, error.operation)}))
            raise
