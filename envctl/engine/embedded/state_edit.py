"""Edits of a state by hand: pure functions from checkpoint to checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from envctl.engine.embedded.checkpoint import Checkpoint, Pending
from envctl.engine.embedded.graph import renaming, without_needs
from envctl.engine.embedded.resource import Resource
from envctl.engine.protocol import StackRef
from envctl.engine.urns import STACK_TYPE, is_provider, provider_urn, qualified_type_of, stack_prefix, type_of
from envctl.errors import RefusedError


@dataclass(frozen=True, slots=True)
class Repaired:
    """A mended state and what was done to it, a sentence each; none when nothing was wrong."""

    checkpoint: Checkpoint
    actions: tuple[str, ...]


def repair(checkpoint: Checkpoint, *, drop_pending: bool = False) -> Repaired:
    """The state with what Pulumi would refuse mended.

    Rows are put behind what they need; dependencies on what is not there are dropped; of rows that occur twice
    the last stays; a row whose provider is gone is dropped. `drop_pending` also gives up pending operations: do that
    only after a look into the cloud.
    """
    actions: list[str] = []
    rows = _without_doubles(checkpoint.resources, actions)
    rows = _with_known_providers(rows, actions)
    rows = _without_dangling(rows, actions)
    ordered = _in_order(rows)
    if [row.urn for row in ordered] != [row.urn for row in rows]:
        actions.append("put rows behind what they need")
    pending = checkpoint.pending
    if drop_pending and pending:
        actions.extend(f"gave up {entry.kind} {entry.row.urn}" for entry in pending)
        pending = []
    return Repaired(_with(checkpoint, ordered, pending), tuple(actions))


def forget(checkpoint: Checkpoint, urn: str) -> Checkpoint:
    """The state without a resource; the resource itself stays in the cloud.

    Raises:
        RefusedError: it is not there, or others depend on it.
    """
    gone = [row for row in checkpoint.resources if row.urn == urn]
    if not gone:
        raise _not_there(urn)
    needing = [row.urn for row in checkpoint.resources if row.urn != urn and urn in row.needs()]
    if needing:
        raise RefusedError(
            "The resource is needed by others",
            detail=f"{urn} cannot be forgotten before:\n" + "\n".join(needing),
            code="state-needed",
        )
    kept = [row for row in checkpoint.resources if row.urn != urn]
    return _with(checkpoint, kept, [entry for entry in checkpoint.pending if entry.row.urn != urn])


def move(checkpoint: Checkpoint, urn: str, new_urn: str) -> Checkpoint:
    """The state with a resource under another URN (same type), and every mention of it changed.

    Raises:
        RefusedError: it is not there, the new URN is taken, or is of another type or stack.
    """
    if all(row.urn != urn for row in checkpoint.resources):
        raise _not_there(urn)
    if any(row.urn == new_urn for row in checkpoint.resources):
        raise RefusedError("The new URN is taken", detail=f"{new_urn} is in the state.", code="state-taken")
    fits = new_urn.count("::") >= 3 and new_urn.split("::")[:2] == urn.split("::")[:2]
    if not fits or type_of(new_urn) != type_of(urn):
        raise RefusedError(
            "The resource cannot get this URN",
            detail=f"{new_urn} is not a URN of type {type_of(urn)} in the same stack.",
            code="state-urn",
        )
    renamed = renaming({urn: new_urn, **_children(checkpoint, urn, new_urn)})
    rows = [renamed(row) for row in checkpoint.resources]
    parents = {row.urn for row in rows}
    for row in rows:
        if row.parent and row.parent not in parents:
            raise RefusedError(
                "The new parent is not there", detail=f"{row.parent} is not in the state.", code="state-urn"
            )
    pending = [replace(entry, row=renamed(entry.row)) for entry in checkpoint.pending]
    return _with(checkpoint, rows, pending)


def unprotect(checkpoint: Checkpoint, urn: str) -> Checkpoint:
    """The state with a resource no longer protected; raises `RefusedError` when it is not there."""
    if all(row.urn != urn for row in checkpoint.resources):
        raise _not_there(urn)
    rows = [replace(row, protect=False) if row.urn == urn else row for row in checkpoint.resources]
    return _with(checkpoint, rows, checkpoint.pending)


def rename_stack(checkpoint: Checkpoint, old: StackRef, new: StackRef) -> Checkpoint:
    """The state with every URN moved from one stack to another, as Pulumi's `edit.RenameStack` does."""
    old_prefix, new_prefix = stack_prefix(old), stack_prefix(new)

    def other(urn: str) -> str:
        if not urn.startswith(old_prefix):
            return urn
        if type_of(urn) == STACK_TYPE:  # it is called after project and stack
            return f"{new_prefix}{STACK_TYPE}::{new.project}-{new.stack}"
        return new_prefix + urn.removeprefix(old_prefix)

    renamed = renaming({urn: other(urn) for row in checkpoint.resources for urn in (row.urn, *row.needs())})
    pending = [replace(entry, row=renamed(entry.row)) for entry in checkpoint.pending]
    return _with(checkpoint, [renamed(row) for row in checkpoint.resources], pending)


def _with(checkpoint: Checkpoint, rows: list[Resource], pending: list[Pending]) -> Checkpoint:
    return Checkpoint(rows, pending, checkpoint.serial, checkpoint.salt, checkpoint.metadata)


def _not_there(urn: str) -> RefusedError:
    return RefusedError("The resource is not in the state", detail=f"There is no {urn}.", code="state-missing")


def _children(checkpoint: Checkpoint, urn: str, new_urn: str) -> Mapping[str, str]:
    """URNs of descendants, which carry the types of their parents: they change when those do."""
    old_type, new_type = qualified_type_of(urn), qualified_type_of(new_urn)
    if old_type == new_type:
        return {}
    found: dict[str, str] = {}
    family = {urn}
    for row in checkpoint.resources:
        if row.parent in family and qualified_type_of(row.urn).startswith(old_type + "$"):
            family.add(row.urn)
            found[row.urn] = row.urn.replace(f"::{old_type}$", f"::{new_type}$", 1)
    return found


def _without_doubles(rows: list[Resource], actions: list[str]) -> list[Resource]:
    last = {row.urn: row for row in rows if not row.delete}
    kept = [row for row in rows if row.delete or last[row.urn] is row]
    actions.extend(
        f"dropped an earlier row of {row.urn}" for row in rows if not row.delete and last[row.urn] is not row
    )
    return kept


def _with_known_providers(rows: list[Resource], actions: list[str]) -> list[Resource]:
    providers = {f"{row.urn}::{row.id}" for row in rows if is_provider(row.type)}
    by_urn = {row.urn: f"{row.urn}::{row.id}" for row in rows if is_provider(row.type) and not row.delete}
    kept: list[Resource] = []
    for row in rows:
        if not row.provider or row.provider in providers or row.pending_replacement:
            kept.append(row)
        elif provider_urn(row.provider) in by_urn:
            actions.append(f"pointed {row.urn} to its provider's present id")
            kept.append(replace(row, provider=by_urn[provider_urn(row.provider)]))
        else:
            actions.append(
                f"dropped {row.urn}: its provider {row.provider} is gone; the resource is still in the cloud"
            )
    return kept


def _without_dangling(rows: list[Resource], actions: list[str]) -> list[Resource]:
    there = {row.urn for row in rows}
    stack = next((row.urn for row in rows if type_of(row.urn) == "pulumi:pulumi:Stack"), "")
    kept: list[Resource] = []
    for row in rows:
        missing = sorted(row.needs() - there - ({provider_urn(row.provider)} if row.provider else set()))
        if not missing:
            kept.append(row)
            continue
        actions.extend(f"{row.urn} no longer depends on {urn}, which is gone" for urn in missing)
        kept.append(without_needs(row, there, stack))
    return kept


def _in_order(rows: list[Resource]) -> list[Resource]:
    """Rows behind what they need, otherwise as they stood; what hangs in a cycle stays where it is."""
    waiting = list(rows)
    there = {row.urn for row in rows}
    placed: set[str] = set()
    ordered: list[Resource] = []
    while waiting:
        left: list[Resource] = []
        for row in waiting:
            if (row.needs() & there) - {row.urn} <= placed:
                ordered.append(row)
                placed.add(row.urn)
            else:
                left.append(row)
        if len(left) == len(waiting):
            return [*ordered, *left]
        waiting = left
    return ordered
