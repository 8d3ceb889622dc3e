"""Operations that a dead or detached run left open, settled with the live objects before anything new begins."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

from envctl.engine.embedded.checkpoint import Pending
from envctl.engine.embedded.graph import detached
from envctl.engine.embedded.refresh import read_live, seen_as
from envctl.engine.embedded.resource import Resource
from envctl.engine.embedded.run import Run
from envctl.engine.embedded.store import Change
from envctl.engine.embedded.values import plain
from envctl.engine.events import MessageEvent, OperationEvent
from envctl.engine.urns import is_provider
from envctl.errors import DetachedError, RefusedError
from envctl.provider.protocol import Live, Locator, OperationDetached, ProviderError


class PendingUnclearError(RefusedError):
    """It cannot be found out what became of an operation."""

    code = "state-pending"


def reconcile_pending(run: Run) -> None:
    """Settles every pending operation: what exists is taken into the state, what does not is forgotten.

    A preview does the same in memory.

    Raises:
        PendingUnclearError: the cloud does not say; the operation stays pending and no create is sent twice.
        DetachedError: the operation still runs and the wait for it was given up.
    """
    for number, entry in run.store.pending():
        try:
            _settle(run, number, entry)
        except ProviderError as error:
            _unclear(entry, f"The cloud answers: {error}")
        except OperationDetached as error:
            if run.preview:
                run.awaits[entry.row.urn] = error.operation
                run.say(
                    entry.row.urn, "warning", f"an earlier run's {error.operation} still goes on; `up` waits for it"
                )
                continue
            run.store.commit(Change(open={number: replace(entry, operation=error.operation)}))
            raise DetachedError(
                "An operation of an earlier run still goes on",
                detail=f"{entry.row.urn}: {error.operation}",
                hints=["run the same command again to wait for it"],
            ) from error


def _settle(run: Run, number: int, entry: Pending) -> None:
    match entry.kind:
        case "creating" | "importing":
            _settle_creation(run, number, entry)
        case "updating" | "deleting":
            _settle_row(run, number, entry)
        case "reading":
            run.store.commit(Change(close=(number,)))
        case _:
            _unclear(entry, f"`{entry.kind}` is not an operation that the embedded engine knows.")


def _settle_creation(run: Run, number: int, entry: Pending) -> None:
    row = entry.row
    if not row.custom or is_provider(row.type):
        run.store.commit(Change(close=(number,)))
        return
    rows = [(n, r) for n, r in run.store.rows() if r.urn == row.urn and not r.delete]
    begun = next(((n, r) for n, r in rows if r.init_errors or r.pending_replacement), None)
    others = [(n, r) for n, r in rows if begun is None or n != begun[0]]
    live = _locate(run, entry)
    if live is None or any(r.id == live.id for _, r in others):
        # nothing is there, or what is there is the resource that was to be replaced
        unmade = begun is not None and bool(begun[1].init_errors)
        _drop(run, number, {begun[0]} if begun and unmade else set())
        _tell(run, row, "its creation was begun by an earlier run and did not take place")
        return
    stamp = run.now().isoformat().replace("+00:00", "Z")
    adopted = replace(seen_as(run, row, live), created=stamp, modified=stamp)
    replaced = {n: replace(r, delete=True) for n, r in others}
    target = begun[0] if begun else run.store.number()
    run.store.commit(Change(put={target: adopted, **replaced}, close=(number,)))
    _tell(run, row, f"its creation was begun by an earlier run and took place: adopted as {live.id}")


def _locate(run: Run, entry: Pending) -> Live | None:
    row, provider = entry.row, run.provider

    def note(operation: str, state: str, elapsed: float) -> None:
        run.emit(OperationEvent(row.urn, operation, elapsed, state))

    if not isinstance(provider, Locator):
        _unclear(entry, "This provider cannot look for a resource that it was about to create.")
    context = run.hurried(note) if run.preview else run.context(note)
    return provider.locate(row.urn, row.type, plain(row.inputs), context)


def _settle_row(run: Run, number: int, entry: Pending) -> None:
    current = next(((n, r) for n, r in run.store.rows() if r.urn == entry.row.urn and r.id == entry.row.id), None)
    if current is None:
        run.store.commit(Change(close=(number,)))
        return
    row_number, row = current
    live = read_live(run, row)
    if live is None:
        _drop(run, number, {row_number})
        _tell(run, row, "it was being changed or deleted by an earlier run and is gone")
        return
    seen = seen_as(run, row, live)
    put = {row_number: seen} if seen != row else {}
    run.store.commit(Change(put=put, close=(number,)))
    _tell(run, row, f"an earlier run left it while {entry.kind}; its state was read again")


def _drop(run: Run, number: int, gone: set[int]) -> None:
    """Closes a pending operation and drops rows, with every mention of them."""
    run.store.commit(Change(put=detached(run.store.rows(), gone), drop=sorted(gone), close=(number,)))


def _tell(run: Run, row: Resource, text: str) -> None:
    run.emit(MessageEvent("info", text, row.urn))


def _unclear(entry: Pending, why: str) -> NoReturn:
    operation = f"\nThe operation is {entry.operation}." if entry.operation else ""
    raise PendingUnclearError(
        "It is not known what became of an operation of an earlier run",
        detail=f"{entry.kind} {entry.row.urn}\n{why}{operation}",
        hints=[
            "look into the cloud, then either import the resource or drop the operation:\n    envctl state repair",
        ],
    )
