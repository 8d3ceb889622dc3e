"""What a plan lets go of, decided when it would happen: memberships that stay, data that is lost, buckets in use.

The engine's preview says which resources end; here files, states and the cloud are asked what that means. `prepare`
puts the answers into the plan, and `apply` hands them to the engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from envctl.actions.live import read_environment
from envctl.actions.program import declared_elsewhere
from envctl.ownership.live_bucket import buckets_lost, environments_on, used_bucket
from envctl.ownership.losses import loss_of
from envctl.ownership.members import (
    Claims,
    Row,
    foreign_accounts,
    held_elsewhere,
    is_shared,
    outputs_of,
    reason_to_keep,
)
from envctl.ownership.refused_deletes import refused_delete
from envctl.plan.model import Action, Change, Effect, Kept, Mode, Reason
from envctl.spec.model import Environment
from envctl.stacks.memberships import declared_targets

if TYPE_CHECKING:
    from envctl.actions.program import Program
    from envctl.actions.workspace import Workspace
    from envctl.engine.protocol import Engine
    from envctl.spec.loader import Loaded
    from envctl.stacks.declaration import StackProgram

_BUCKET = "gcp:storage/bucket:Bucket"
_ENVIRONMENT = "gcp:composer/environment:Environment"


@dataclass(frozen=True, slots=True)
class Decided:
    """The changes with what was decided of them.

    `keep` is for the engine: by URN, whether a row is let go instead of deleted. `in_use` maps the logical names of
    buckets that the plan would delete to the environments that keep their DAGs in them; `undeletable` maps the
    logical names of what the plan would delete in vain to the reason.
    """

    changes: tuple[Change, ...]
    keep: Mapping[str, bool] = field(default_factory=dict[str, bool])
    in_use: Mapping[str, str] = field(default_factory=dict[str, str])
    undeletable: Mapping[str, str] = field(default_factory=dict[str, str])


def decide(
    workspace: Workspace, loaded: Loaded, program: Program, engine: Engine, changes: Sequence[Change], mode: Mode
) -> Decided:
    """The changes of a preview, each deletion with what it means.

    Raises:
        OutsideError: the backend does not list its stacks, or the live environment cannot be read.
    """
    if not any(_ends(change) for change in changes):
        return Decided(tuple(changes))
    asking = _Asking(workspace, loaded, program, engine, mode)
    kept = {change.urn: asking.reason(change) for change in changes if _ends(change) and is_shared(change.type)}
    decided = [_with_reason(change, kept[change.urn], mode) if change.urn in kept else change for change in changes]
    decided = [asking.with_loss(change) if _deletes(change) else change for change in decided]
    return Decided(
        tuple(decided),
        {urn: reason is not None for urn, reason in kept.items()},
        asking.buckets_in_use(decided),
        asking.undeletable(decided),
    )


def frozen(workspace: Workspace, loaded: Loaded, program: Program, rows: Sequence[Row]) -> StackProgram:
    """The program whose memberships say for good what a destroy of today would leave: for engines that nobody asks."""
    files = declared_elsewhere(workspace, loaded, program.project_number)
    accounts = foreign_accounts(rows, _named_account(loaded))
    targets = declared_targets(program.declared, outputs_of(rows))
    kept = {
        name
        for name, target in targets.items()
        if name in program.marked or target.member in accounts or any(target in each for each in files.values())
    }
    return replace(
        program.declared,
        resources=tuple(
            replace(each, options=replace(each.options, retain_on_delete=True)) if each.name in kept else each
            for each in program.declared.resources
        ),
    )


def _named_account(loaded: Loaded) -> str | None:
    spec = loaded.spec
    return spec.service_account.email if isinstance(spec, Environment) else None


def _ends(change: Change) -> bool:
    return change.action in {Action.DELETE, Action.FORGET} or change.action.replaces


def _deletes(change: Change) -> bool:
    return change.action is Action.DELETE or change.action.replaces


def _with_reason(change: Change, kept: Kept | None, mode: Mode) -> Change:
    if change.action.replaces:
        return replace(change, kept=kept)
    if kept is not None:
        return replace(change, action=Action.FORGET, reason=Reason.SHARED, kept=kept)
    ends = Reason.DESTROY if mode is Mode.DESTROY else Reason.NO_LONGER_DECLARED
    return replace(change, action=Action.DELETE, reason=ends)


class _Asking:
    """Asks files, states and the cloud, each when its answer is first needed."""

    def __init__(self, workspace: Workspace, loaded: Loaded, program: Program, engine: Engine, mode: Mode) -> None:
        self._workspace = workspace
        self._loaded = loaded
        self._engine = engine
        document: Mapping[str, Any] = engine.export_state()["deployment"]
        self._rows: list[Row] = list(document.get("resources") or [])
        here = declared_targets(program.declared, outputs_of(self._rows)) if mode is Mode.APPLY else {}
        self._claims = Claims(
            here=frozenset(here.values()),
            files=declared_elsewhere(workspace, loaded, program.project_number),
            accounts=foreign_accounts(self._rows, _named_account(loaded)),
        )
        self._states: Mapping[str, Sequence[Row] | None] | None = None

    def reason(self, change: Change) -> Kept | None:
        """Why a shared resource stays, None when it goes; of several rows under one URN, one that stays keeps all."""
        for row in self._ending(change):
            kept = reason_to_keep(row, self._claims)
            kept = held_elsewhere(row, self._neighbours()) if kept is None else kept
            if kept is not None:
                return kept
        return None

    def with_loss(self, change: Change) -> Change:
        """The change with the data that goes, and without a word of loss where there is none."""
        if any(row.get("retainOnDelete") for row in self._ending(change)):
            stays = replace(change.impact, effects=_without_loss(change), note="the old one stays in the cloud")
            return replace(change, impact=stays) if Effect.DATA_LOST in change.impact.effects else change
        loss = loss_of(change, self._workspace.cloud.transport())
        if change.type == _ENVIRONMENT and self._bucket_is_ours(change):  # its own row says what becomes of it
            change = replace(change, impact=replace(change.impact, note=""))
        if loss is None and Effect.DATA_LOST in change.impact.effects:
            return replace(change, impact=replace(change.impact, effects=_without_loss(change), note="it is empty"))
        return replace(change, loss=loss)

    def _bucket_is_ours(self, change: Change) -> bool:
        buckets = {row.get("id") for row in self._rows if row["type"] == _BUCKET}
        return any(
            used_bucket(row.get(key) or {}) in buckets for row in self._ending(change) for key in ("outputs", "inputs")
        )

    def buckets_in_use(self, changes: Sequence[Change]) -> dict[str, str]:
        """Buckets that the plan deletes under a live environment, by logical name, with the environment's."""
        found: dict[str, str] = {}
        for change in buckets_lost(changes, frozenset(row["urn"] for row in self._rows if row.get("retainOnDelete"))):
            bucket = change.id or ""
            users = [*environments_on(bucket, self._rows), *self._live_users(bucket)]
            for rows in self._neighbours().values():
                users += environments_on(bucket, rows or ())
            if users:
                found[change.name] = users[0]
        return found

    def undeletable(self, changes: Sequence[Change]) -> dict[str, str]:
        """What the cloud will not delete as the state has it, by logical name, with the reason."""
        found: dict[str, str] = {}
        for change in (each for each in changes if _deletes(each)):
            for row in self._ending(change):
                reason = None if row.get("retainOnDelete") else refused_delete(change, row)
                if reason is not None:
                    found[change.name] = reason
        return found

    def _live_users(self, bucket: str) -> list[str]:
        live = read_environment(self._workspace, self._loaded)
        spec = self._loaded.spec
        return [spec.name or self._loaded.name] if live is not None and live.bucket == bucket else []

    def _ending(self, change: Change) -> list[Row]:
        rows = [row for row in self._rows if row["urn"] == change.urn]
        replaced = [row for row in rows if row.get("delete")]
        return replaced if change.action.replaces and replaced else rows

    def _neighbours(self) -> Mapping[str, Sequence[Row] | None]:
        if self._states is None:
            self._states = self._engine.neighbours()
        return self._states


def _without_loss(change: Change) -> tuple[Effect, ...]:
    return tuple(effect for effect in change.impact.effects if effect is not Effect.DATA_LOST)
