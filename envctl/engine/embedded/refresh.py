"""Reading the live resources of a state: what changed or vanished outside."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from envctl.engine.embedded.graph import detached
from envctl.engine.embedded.resource import Resource
from envctl.engine.embedded.run import Run
from envctl.engine.embedded.steps import Row
from envctl.engine.embedded.store import Change
from envctl.engine.embedded.values import Value, mark_keys, mark_like, mark_literals, plain
from envctl.engine.events import Op, OperationEvent, Phase, PropertyDiffKind, StepEvent
from envctl.engine.urns import is_provider
from envctl.provider.protocol import Live, ProviderError

_OPPOSITE = {
    PropertyDiffKind.ADD: PropertyDiffKind.DELETE,
    PropertyDiffKind.ADD_REPLACE: PropertyDiffKind.DELETE_REPLACE,
    PropertyDiffKind.DELETE: PropertyDiffKind.ADD,
    PropertyDiffKind.DELETE_REPLACE: PropertyDiffKind.ADD_REPLACE,
    PropertyDiffKind.UPDATE: PropertyDiffKind.UPDATE,
    PropertyDiffKind.UPDATE_REPLACE: PropertyDiffKind.UPDATE_REPLACE,
}


def refresh_rows(run: Run, *, counted: bool) -> None:
    """Reads every resource that the stack owns and takes what it sees into the state (in a preview: of this run).

    With `counted` the steps count in the summary as what they found: same, update or delete.
    """
    rows = [Row(number, row) for number, row in run.store.rows() if _is_readable(row)]
    with ThreadPoolExecutor(max_workers=max(1, run.options.parallel), thread_name_prefix="envctl-refresh") as workers:
        seen = list(workers.map(lambda row: _guarded(run, row, counted=counted), rows))
    gone = {row.number for row, is_there in zip(rows, seen, strict=True) if not is_there}
    if gone:
        everything = run.store.rows()
        run.store.commit(Change(put=detached(everything, gone), drop=sorted(gone)))


def _is_readable(row: Resource) -> bool:
    return row.custom and not is_provider(row.type) and not row.pending_replacement and bool(row.id)


def _guarded(run: Run, row: Row, *, counted: bool) -> bool:
    """Reads one resource and says whether it is there, as far as is known."""
    if run.stopping:
        return True
    try:
        return _refresh(run, row, counted=counted)
    except ProviderError as error:
        run.emit(_event(Phase.FAILED, row.resource, row.resource))
        run.say(row.resource.urn, "error", f"it cannot be read: {error}")
        return True
    except BaseException as error:  # noqa: BLE001  raised again when the running ones have ended
        run.mark_fatal(error)
        return True


def _refresh(run: Run, row: Row, *, counted: bool) -> bool:
    resource = row.resource
    run.emit(_event(Phase.PRE, resource, resource))
    live = read_live(run, resource)
    if live is None:
        run.emit(_event(Phase.DONE, resource, None))
        found = Op.DELETE
    else:
        seen = seen_as(run, resource, live)
        detailed = _drift(run, resource, seen)
        if seen != resource:
            stamp = run.now().isoformat().replace("+00:00", "Z")
            run.store.commit(Change(put={row.number: replace(seen, modified=stamp)}))
        run.emit(_event(Phase.DONE, resource, seen, detailed))
        found = Op.UPDATE if detailed else Op.SAME
    if counted:
        run.count(found, resource.urn)
    return live is not None


def read_live(run: Run, resource: Resource) -> Live | None:
    """The live resource of a row."""

    def note(operation: str, state: str, elapsed: float) -> None:
        run.emit(OperationEvent(resource.urn, operation, elapsed, state))

    return run.provider.read(
        resource.urn,
        resource.type,
        resource.id or "",
        plain(resource.inputs),
        plain(resource.outputs),
        run.context(note),
    )


def seen_as(run: Run, resource: Resource, live: Live) -> Resource:
    """The row with what the cloud says; without inputs from the provider the old ones stand."""
    inputs: dict[str, Value] = mark_literals(dict(live.inputs)) if live.inputs else resource.inputs
    inputs = mark_like(inputs, resource.inputs)
    if inputs == resource.inputs:
        inputs = resource.inputs
    outputs = mark_like(mark_like(mark_literals(dict(live.outputs)), resource.outputs), inputs)
    keys = {*run.provider.sensitive_outputs(resource.type), *resource.additional_secret_outputs} - {"id"}
    return replace(resource, id=live.id, inputs=inputs, outputs=mark_keys(outputs, keys), init_errors=())


def _drift(run: Run, old: Resource, seen: Resource) -> dict[str, PropertyDiffKind]:
    """What moved, as a change from the state to the cloud: the reverse of what an apply would do."""
    if old.external or old.delete:
        return {}
    diff = run.provider.diff(
        old.urn, old.type, seen.id or "", plain(seen.inputs), plain(seen.outputs), plain(old.inputs), old.ignore_changes
    )
    if not diff.changes:
        return {}
    return {path: _OPPOSITE[PropertyDiffKind(kind.value)] for path, kind in diff.detailed.items()}


def _event(
    phase: Phase, old: Resource, new: Resource | None, detailed: dict[str, PropertyDiffKind] | None = None
) -> StepEvent:
    return StepEvent(
        phase=phase,
        op=Op.REFRESH,
        urn=old.urn,
        type=old.type,
        old=old.as_event(),
        new=new.as_event() if new else None,
        diffs=tuple(dict.fromkeys(path.partition(".")[0].partition("[")[0] for path in detailed or {})),
        detailed_diff=detailed or {},
    )
