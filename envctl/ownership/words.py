"""What a person reads about claims: whose an object is, and the ways out, each of which works."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from envctl.diagnostics import Severity, SourceSpan
from envctl.ownership.claims import Claim, Standing
from envctl.plan.model import GateResult, GateStatus
from envctl.spec.moved import movable
from envctl.stacks.declaration import StackProgram
from envctl.stacks.marks import OwnerMark
from envctl.stacks.moves import entry_of

GATE = "ownership"

_NOUNS: Mapping[str, str] = {
    "gcp:artifactregistry/repository:Repository": "repository",
    "gcp:composer/environment:Environment": "environment",
    "gcp:composer/userWorkloadsConfigMap:UserWorkloadsConfigMap": "config map",
    "gcp:composer/userWorkloadsSecret:UserWorkloadsSecret": "Kubernetes secret",
    "gcp:compute/firewall:Firewall": "firewall rule",
    "gcp:compute/network:Network": "network",
    "gcp:compute/router:Router": "router",
    "gcp:compute/routerNat:RouterNat": "NAT",
    "gcp:compute/subnetwork:Subnetwork": "subnetwork",
    "gcp:container/cluster:Cluster": "cluster",
    "gcp:container/nodePool:NodePool": "node pool",
    "gcp:kms/cryptoKey:CryptoKey": "key",
    "gcp:kms/keyRing:KeyRing": "key ring",
    "gcp:monitoring/alertPolicy:AlertPolicy": "alert policy",
    "gcp:secretmanager/secret:Secret": "secret",
    "gcp:serviceaccount/account:Account": "service account",
    "gcp:storage/bucket:Bucket": "bucket",
}

_REFER: Mapping[str, str] = {
    "bucket": "to use it as it is, write `existing: {name}` in place of the bucket's own keys",
    "secret": "to use it as it is, write `existing: {name}` in place of the secret's own keys",
    "service account": "to use it as it is, write `serviceAccount: {{email: {name}}}`",
    "key": "to use it as it is, write `encryption: {{key: {{name: ...}}}}` in place of `create: true`",
    "key ring": "to use a key that is there, write `encryption: {{key: {{name: ...}}}}` in place of `create: true`",
    "network": "to use it as it is, write `network: {{network: ..., subnetwork: ...}}` in place of `vpc`",
    "subnetwork": "to use it as it is, write `network: {{network: ..., subnetwork: ...}}` in place of `vpc`",
}
"""How a file refers to something without owning it; `name` is the object's short name."""


def noun(type_: str) -> str:
    """What people call a resource type."""
    return _NOUNS.get(type_, type_.rpartition(":")[2])


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks: the file's stem, the mark of its stack, and what commands that are shown must name besides.

    `renamed_from` are stacks of this project without a file that hold what the file declares, by its name or by theirs.
    """

    environment: str
    mark: OwnerMark | None
    flags: str = ""
    renamed_from: tuple[str, ...] = ()


def ownership_answers(
    asked: Asked, claims: Sequence[Claim], program: StackProgram, place: Callable[[str], SourceSpan | None]
) -> tuple[GateResult, ...]:
    """The gate's answers, one per claim that a person must know of; nothing for what is plainly ours.

    When the state is lost, everything that it would have held is one answer.

    Args:
        asked: who asks.
        claims: what was found.
        program: what declares it.
        place: the place in the file of a logical name.
    """
    refused = [claim for claim in claims if claim.standing.refused]
    answers: list[GateResult] = []
    if asked.renamed_from:
        answers += [_renamed(asked, earlier, refused) for earlier in asked.renamed_from]
    elif any(claim.standing is Standing.STATE_LOST for claim in refused):
        answers.append(_lost(asked, refused))
    else:
        answers += [_refused(claim, program, place(claim.name), asked) for claim in refused]
    answers += [_unread(claim, place(claim.name)) for claim in claims if claim.standing is Standing.UNREAD]
    return tuple(answers)


def _refusal(
    identifier: str, summary: str, *, detail: str, hints: tuple[str, ...], source: SourceSpan | None = None
) -> GateResult:
    """An answer that no flag overrules."""
    return GateResult(identifier, GATE, GateStatus.FAILED, Severity.ERROR, summary, detail, hints, source)


def absent_answer(what: str, name: str, source: SourceSpan | None) -> GateResult:
    """The answer for something that a file refers to with `existing` and that is not there."""
    return _refusal(
        "ownership.absent",
        f"{what} {name} does not exist, and the file only refers to it",
        detail="`existing` names what somebody else made; nothing here makes it.",
        hints=("correct the name", "or let this file make it: `name` in place of `existing`"),
        source=source,
    )


def _renamed(asked: Asked, earlier: str, refused: Sequence[Claim]) -> GateResult:
    command = f"envctl state rename {earlier} {asked.environment}{asked.flags}"
    return _refusal(
        "ownership.renamed",
        f"what {asked.environment} declares belongs to the stack {earlier}, which has no file any more",
        detail=_listed(refused) or f"Under the name {earlier} the file would declare what that stack holds.",
        hints=(
            f"if {earlier} was renamed to {asked.environment}:\n    {command}",
            f"if not, bring the file of {earlier} back; and if it is to go:\n    envctl destroy {earlier}{asked.flags}",
        ),
    )


def _lost(asked: Asked, refused: Sequence[Claim]) -> GateResult:
    command = f"envctl import {asked.environment}{asked.flags}"
    return _refusal(
        "ownership.state-lost",
        f"{asked.environment} was applied from this project, and its state is not here",
        detail=_listed(refused),
        hints=(f"bring the state back from where it was applied, or read it from the cloud:\n    {command}",),
    )


def _listed(refused: Sequence[Claim]) -> str:
    return "\n".join(f"{noun(claim.type)} {short_name(claim)} exists" for claim in refused)


def short_name(claim: Claim) -> str:
    """The last part of what the provider calls it."""
    return claim.id.rpartition("/")[2] or claim.name


def _refused(claim: Claim, program: StackProgram, source: SourceSpan | None, asked: Asked) -> GateResult:
    what = noun(claim.type)
    name = short_name(claim) if claim.id else str(program.resource(claim.name).inputs.get("name", claim.name))
    if claim.standing is Standing.DOUBLED:
        return _refusal(
            "ownership.doubled",
            f"{what} {name} is in the state already, as {claim.other}",
            detail=f"`{claim.name}` and `{claim.other}` would be one {what}: deleting the one deletes the other.",
            hints=_moves(claim, program, asked),
            source=source,
        )
    return _refusal(
        "ownership.foreign",
        f"{what} {name} exists already, and this stack did not make it",
        detail=_owner(claim, asked.mark),
        hints=_ways_out(what, name),
        source=source,
    )


def _owner(claim: Claim, stack: OwnerMark | None) -> str:
    mark = claim.mark
    if mark is None:
        return claim.other or "Nothing on it says whose it is."
    if stack is None or mark.project_id != stack.project_id:
        return f"Its label says that the stack {mark.stack} of another envctl project made it ({mark.text})."
    if mark.stack != stack.stack:
        return f"Its label says that the stack {mark.stack} of this project made it."
    return "Its label says that this stack made it, but the state does not hold it."


def _ways_out(what: str, name: str) -> tuple[str, ...]:
    ways: list[str] = []
    if what in _REFER:
        ways.append(_REFER[what].format(name=name))
    if what == "environment":
        ways.append("to take it over for good, write `import: true` at the top of the file (once)")
    elif what in {
        "bucket",
        "secret",
        "service account",
        "repository",
        "key",
        "key ring",
        "network",
        "cluster",
    }:
        ways.append("to take it over for good, write `import: true` beside it (once)")
    ways.append("or give yours another name")
    return tuple(ways)


def _moves(claim: Claim, program: StackProgram, asked: Asked) -> tuple[str, ...]:
    declared = {resource.name for resource in program.resources}
    if claim.other in declared:
        return ("two resources of this file name one object: give one of them another name",)
    command = f"envctl state move {asked.environment} {claim.other} {claim.name}{asked.flags}"
    undo = f"undo the renaming in the state:\n    {command}"
    before, now = entry_of(claim.other), entry_of(claim.name)
    if before is None or now is None or before[0] != now[0] or not (movable(*before) and movable(*now)):
        return (undo,)
    return (f"if the key was renamed, say so beside it: `moved: {{from: {before[1]}}}`", f"or {undo}")


def _unread(claim: Claim, source: SourceSpan | None) -> GateResult:
    return GateResult(
        id="ownership.unread",
        gate=GATE,
        status=GateStatus.UNKNOWN,
        severity=Severity.WARNING,
        summary=f"nobody here may look whether {noun(claim.type)} {claim.name} exists already",
        detail=claim.other,
        source=source,
    )
