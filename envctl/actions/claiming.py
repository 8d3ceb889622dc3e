"""Looks for what a program would create and the cloud has already, with everything that tells whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from envctl.ownership.claims import Claim, Stack, Standing, claims_on
from envctl.ownership.looking import Found, ReadingOnce, differences, look
from envctl.ownership.state import held_rows, pending_names
from envctl.ownership.words import absent_answer
from envctl.plan.model import Change, GateResult, Reason
from envctl.plan.property_diff import split_path
from envctl.spec.model import Environment
from envctl.stacks.declaration import StackProgram
from envctl.stacks.import_requests import import_asked
from envctl.stacks.marks import OwnerMark

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace
    from envctl.provider.translator import SandboxProvider
    from envctl.spec.loader import Loaded

_NOT_FOUND = 404
_ENVIRONMENT = "gcp:composer/environment:Environment"
_REASONS = {
    Standing.KEPT: Reason.TAKEN_BACK,
    Standing.ASKED: Reason.ADOPTED,
    Standing.GRANTED: Reason.ALREADY_GRANTED,
}


@dataclass(frozen=True, slots=True)
class Standings:
    """What a program would create and is there already.

    Attributes:
        each: one per resource that was found, or that nobody may look at.
        differing: of what enters the state, the inputs in which the cloud differs: they stay for now.
    """

    each: tuple[Claim, ...] = ()
    differing: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @property
    def import_ids(self) -> Mapping[str, str]:
        """Under which id what the program declares is imported, by logical name."""
        return {claim.name: claim.id for claim in self.each if claim.standing.taken}

    def explained(self, change: Change) -> Change:
        """A change that imports, with the reason why."""
        claim = next((claim for claim in self.each if claim.name == change.name and claim.type == change.type), None)
        reason = _REASONS.get(claim.standing) if claim else None
        return change if reason is None or change.reason is not Reason.ADOPTED else replace(change, reason=reason)


def mark_of_stack(workspace: Workspace, stack: str) -> OwnerMark | None:
    """What a stack of this project writes on what it makes; None for a project without an id."""
    project_id = workspace.project.id
    return OwnerMark(project_id, stack) if project_id else None


def find_standings(
    workspace: Workspace,
    loaded: Loaded,
    declared: StackProgram,
    secrets: Mapping[str, str],
    document: Mapping[str, Any],
) -> Standings:
    """Looks up everything that the program declares and the state does not hold.

    What an unfinished operation names is left to the engine, which settles it first. `document` is the exported state,
    empty when there is none.

    Raises:
        OutsideError: the cloud cannot be reached.
    """
    held = held_rows(document)
    known = {row.name for row in held} | pending_names(document)
    unknown = {resource.name for resource in declared.resources if known.isdisjoint(resource.names)}
    if not unknown:
        return Standings()
    plain = workspace.provider(loaded.name)
    provider = replace(plain, transport=ReadingOnce(plain.transport))
    found = look(declared, unknown, provider, secrets, {row.name: row.outputs for row in held})
    stack = Stack(
        mark=mark_of_stack(workspace, loaded.name),
        held=held,
        kept={(each.type, each.id) for each in workspace.journal(loaded.name).kept()},
        asked=import_asked(loaded),
    )
    claims = claims_on(declared, found, stack)
    return Standings(claims, _differing(declared, claims, found, provider, secrets))


def absent_existing(workspace: Workspace, loaded: Loaded) -> tuple[GateResult, ...]:
    """What the file refers to with `existing` and the cloud does not have; a look that is refused says nothing.

    Raises:
        OutsideError: the cloud cannot be reached.
    """
    spec = loaded.spec
    asked = [
        ("bucket", bucket.existing, ("buckets", key, "existing"), "storage/storage/v1", f"b/{bucket.existing}")
        for key, bucket in spec.buckets.items()
        if bucket.existing
    ]
    if isinstance(spec, Environment) and spec.secrets is not None:
        asked += [
            (
                "secret",
                secret.existing,
                ("secrets", "create", key, "existing"),
                "secretmanager/v1",
                f"projects/{spec.project}/secrets/{secret.existing}",
            )
            for key, secret in spec.secrets.create.items()
            if secret.existing
        ]
    transport = workspace.cloud.transport()
    return tuple(
        absent_answer(what, name, loaded.origins.get(place))
        for what, name, place, service, path in asked
        if transport.call("GET", service, path).status == _NOT_FOUND
    )


def lost_claims(workspace: Workspace, loaded: Loaded, declared: StackProgram) -> tuple[Claim, ...]:
    """What this stack made and a destroy would not see: its state holds nothing, and it is there.

    A mark of this stack says so; of an environment also the mark of a stack that was renamed, and no mark at all, as
    earlier versions left none.

    Raises:
        OutsideError: the cloud cannot be reached.
    """
    engine = workspace.engine(loaded.name)
    document = engine.export_state() if engine.serial() else {}
    if held_rows(document) or pending_names(document):
        return ()
    found = find_standings(workspace, loaded, declared, {}, document)
    own = mark_of_stack(workspace, loaded.name)

    def is_lost(claim: Claim) -> bool:
        if claim.standing is not Standing.FOREIGN or claim.type != _ENVIRONMENT:
            return claim.standing is Standing.STATE_LOST
        return claim.mark is None or (own is not None and claim.mark.project_id == own.project_id)

    return tuple(replace(claim, standing=Standing.STATE_LOST) for claim in found.each if is_lost(claim))


def _differing(
    declared: StackProgram,
    claims: tuple[Claim, ...],
    found: Found,
    provider: SandboxProvider,
    secrets: Mapping[str, str],
) -> dict[str, tuple[str, ...]]:
    """Top-level inputs of what is taken that the cloud has otherwise.

    Pulumi refuses an import whose inputs differ from what is there.
    """
    differing: dict[str, tuple[str, ...]] = {}
    for claim in claims:
        if claim.standing not in {Standing.KEPT, Standing.ASKED}:
            continue
        found_otherwise = differences(
            provider, declared.resource(claim.name), found.live[claim.name], found.live, secrets
        )
        paths = dict.fromkeys(str(split_path(path)[0]) for path in found_otherwise)
        if paths:
            differing[claim.name] = tuple(paths)
    return differing
