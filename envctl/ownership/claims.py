"""What follows from finding something in the cloud that a program would create: the rules of `docs/ownership.md`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from envctl.ownership.looking import Found
from envctl.ownership.state import HeldRow
from envctl.stacks.adoption import identifying
from envctl.stacks.declaration import StackProgram
from envctl.stacks.marks import OwnerMark, mark_of
from envctl.stacks.memberships import is_membership


class Standing(StrEnum):
    """What an object is to the stack that would create it."""

    KEPT = "kept"
    """A recorded run of this stack left it in the cloud: taken back."""
    ASKED = "asked"
    """The file says `import: true`: taken over as it is."""
    GRANTED = "granted"
    """A membership that is there already: used, and never deleted by this stack."""
    STATE_LOST = "state-lost"
    """It carries this stack's mark, and the stack's state holds nothing: refused."""
    FOREIGN = "foreign"
    """It is somebody else's, or nobody's: refused."""
    DOUBLED = "doubled"
    """This state holds it under another name: refused."""
    UNREAD = "unread"
    """Nobody may look: it may be there."""

    @property
    def taken(self) -> bool:
        """Whether the object enters the state."""
        return self in {Standing.KEPT, Standing.ASKED, Standing.GRANTED}

    @property
    def refused(self) -> bool:
        """Whether the plan cannot be applied."""
        return self in {Standing.STATE_LOST, Standing.FOREIGN, Standing.DOUBLED}


@dataclass(frozen=True, slots=True)
class Claim:
    """One declared resource that is there already.

    Attributes:
        name: logical name.
        type: Pulumi's type token.
        id: under which the provider imports it; "" where it could not be read.
        mark: whose it is by its label or description.
        other: the name under which this state holds it, of a doubled one; the refusal, of an unread one.
    """

    name: str
    type: str
    id: str
    standing: Standing
    mark: OwnerMark | None = None
    other: str = ""


@dataclass(frozen=True, slots=True)
class Stack:
    """Who asks.

    Attributes:
        mark: what this stack writes on what it makes; None for a project without an id.
        held: what its state holds.
        kept: type and id of what recorded runs of this stack left in the cloud.
        asked: logical names with `import: true` in the file.
    """

    mark: OwnerMark | None
    held: tuple[HeldRow, ...]
    kept: Collection[tuple[str, str]]
    asked: Collection[str]


def claims_on(program: StackProgram, found: Found, stack: Stack) -> tuple[Claim, ...]:
    """One claim per resource that is there, or cannot be looked at, in the program's order."""
    return tuple(_claims(program, found, stack))


def _claims(program: StackProgram, found: Found, stack: Stack) -> Iterable[Claim]:
    holders = {(row.type, row.id): row.name for row in stack.held}
    refused: set[str] = set()
    for resource in program.resources:
        name, type_ = resource.name, resource.type
        if (refusal := found.unread.get(name)) is not None:
            # Cloud Storage says 404 to everybody for a bucket that does not exist: a refusal means that it does.
            taken = type_ == "gcp:storage/bucket:Bucket" and refusal.status == "PERMISSION_DENIED"
            yield Claim(name, type_, "", Standing.FOREIGN if taken else Standing.UNREAD, other=str(refusal))
        elif (live := found.live.get(name)) is not None:
            identifier, mark = found.ids[name], mark_of(live.outputs)
            other = holders.get((type_, live.id)) or holders.get((type_, identifier)) or ""
            standing = Standing.DOUBLED if other else _standing(name, type_, {identifier, live.id}, mark, stack)
            if standing is Standing.GRANTED and any(ref.resource in refused for ref in identifying(resource)):
                continue  # a membership on what is not to be touched: told of once
            if standing.refused:
                refused.add(name)
            yield Claim(name, type_, identifier, standing, mark, other)


def _standing(name: str, type_: str, ids: Collection[str], mark: OwnerMark | None, stack: Stack) -> Standing:
    if is_membership(type_):
        return Standing.GRANTED
    if any((type_, each) in stack.kept for each in ids):
        return Standing.KEPT
    if name in stack.asked:
        return Standing.ASKED
    if mark is not None and mark == stack.mark and not stack.held:
        return Standing.STATE_LOST
    return Standing.FOREIGN
