"""Which memberships a stack may take out of an allow policy, asked when it would do so.

A membership goes only when this stack made it, and when nobody declares or holds it now. Rows are those of a
checkpoint, as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envctl.engine.urns import name_of
from envctl.google.names import is_service_agent
from envctl.plan.model import KeepReason, Kept
from envctl.stacks.adoption import Outputs
from envctl.stacks.context import BindingTarget
from envctl.stacks.declaration import StackProgram
from envctl.stacks.memberships import declared_targets, is_membership, removal_command, target_of

Row = Mapping[str, Any]
"""One resource of a checkpoint."""

_ENVIRONMENT = "gcp:composer/environment:Environment"
_ACCOUNT = "gcp:serviceaccount/account:Account"
_OF_THE_PROJECT = frozenset({"gcp:projects/service:Service", "gcp:projects/serviceIdentity:ServiceIdentity"})


def is_shared(type_: str) -> bool:
    """Whether a resource of this type can be somebody else's, too: only `reason_to_keep` says whether it may go."""
    return type_ in _OF_THE_PROJECT or is_membership(type_)


@dataclass(frozen=True, slots=True)
class Claims:
    """Who declares memberships now, besides the rows that are going.

    `here` are those that this stack's own program goes on declaring; `files` those of the other files of the project
    by their names; `accounts` are members that run environments of this stack and are not made by it.
    """

    here: frozenset[BindingTarget]
    files: Mapping[str, frozenset[BindingTarget]]
    accounts: frozenset[str]


def reason_to_keep(row: Row, claims: Claims) -> Kept | None:
    """Why a row is left in the cloud, as far as files and its own state tell; None when only other states can."""
    type_, inputs = row["type"], row.get("inputs") or {}
    if type_ in _OF_THE_PROJECT or is_service_agent(str(inputs.get("member"))):
        return Kept(KeepReason.GOOGLE)
    target = target_of(type_, inputs)
    if target is None:  # nobody can say which membership it is
        return Kept(KeepReason.UNREADABLE, name_of(row["urn"]))
    if target in claims.here:
        return Kept(KeepReason.DECLARED)
    for name, declared in claims.files.items():
        if target in declared:
            return Kept(KeepReason.DECLARED, name)
    if row.get("importID"):
        return Kept(KeepReason.FOUND, command=removal_command(type_, inputs))
    if target.member in claims.accounts:
        return Kept(KeepReason.FOREIGN_ACCOUNT, str(inputs["member"]), removal_command(type_, inputs))
    return None


def held_elsewhere(row: Row, states: Mapping[str, Sequence[Row] | None]) -> Kept | None:
    """Why a row is left in the cloud, from the other states of the backend; None for one that cannot be read."""
    target = target_of(row["type"], row.get("inputs") or {})
    for name, rows in states.items():
        if rows is None:
            return Kept(KeepReason.UNREADABLE, name)
        if target in targets_in(rows):
            return Kept(KeepReason.HELD, name)
    return None


def targets_in(rows: Iterable[Row]) -> frozenset[BindingTarget]:
    """The memberships that a state holds."""
    found = (target_of(row["type"], row.get("inputs") or {}) for row in rows if is_membership(row["type"]))
    return frozenset(target for target in found if target is not None)


def foreign_accounts(rows: Iterable[Row], named: str | None) -> frozenset[str]:
    """Members that run the stack's environments and are not made by the stack, in lower case.

    Args:
        rows: the stack's state: its environment says as whom it runs.
        named: the address that the file gives, if it gives one.
    """
    used, made = {named} if named else set[str](), set[str]()
    for row in rows:
        inputs = row.get("inputs") or {}
        if row["type"] == _ENVIRONMENT:
            node = (inputs.get("config") or {}).get("nodeConfig") or {}
            used.add(str(node.get("serviceAccount") or ""))
        elif row["type"] == _ACCOUNT:
            made.add(str((row.get("outputs") or {}).get("email") or ""))
    return frozenset(f"serviceAccount:{email}".lower() for email in used - made if email)


def outputs_of(rows: Iterable[Row]) -> Outputs:
    """Outputs of a state's rows by logical name."""
    return {name_of(row["urn"]): row.get("outputs") or {} for row in rows if row.get("custom")}


def found_before(program: StackProgram, rows: Sequence[Row]) -> dict[str, str]:
    """Import ids by logical name of the memberships that were there before the stack, and that it still declares.

    The mark is the row's `importID`, and Pulumi drops it as soon as a program declares the resource without
    `import_` (`step_generator.go` of 3.256: a new row takes the id of its goal, `SameStep` does not keep the old
    one). So a program goes on declaring it; for a row that has it already that is no import. What counts is the
    membership, not its logical name: a key that is renamed loses no mark.
    """
    ids: dict[BindingTarget, str] = {}
    for row in rows:
        if is_membership(row["type"]) and row.get("importID") and not row.get("delete"):
            target = target_of(row["type"], row.get("inputs") or {})
            if target is not None:
                ids[target] = str(row["importID"])
    declared = declared_targets(program, outputs_of(rows)) if ids else {}
    return {name: ids[target] for name, target in declared.items() if target in ids}
