"""The policy evaluator: granted, missing or unknown, for any principal, permission and resource.

Order of judgement as IAM's own ("How IAM policies are evaluated", 2026-08): deny policies, then principal access
boundaries, then allow policies of the resource and everything above it. Each stage has three answers; what could
not be read or decided never turns into "granted" or "missing".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from envctl.doctor.conditions import Truth, evaluate_condition, name_beginnings
from envctl.doctor.denials import DenialIndex
from envctl.doctor.facts import READERS, Subject
from envctl.doctor.policies import AllowPolicy, Condition, PolicyBinding
from envctl.doctor.principals import deleted_member, group_closure, normal_member, stands_for
from envctl.doctor.requests import Scope, scopes_of
from envctl.doctor.resources import PROJECTS
from envctl.doctor.roles import holds, packed
from envctl.doctor.world import Gap, World


class State(StrEnum):
    """The three answers."""

    GRANTED = "granted"
    MISSING = "missing"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why the answer is what it is."""

    BINDING = "binding"
    TESTED = "tested"
    NO_BINDING = "no-binding"
    CONDITION_FALSE = "condition-false"
    DELETED_PRINCIPAL = "deleted-principal"
    DENIED = "denied"
    BOUNDARY = "boundary"
    CONDITION_UNKNOWN = "condition-unknown"
    MEMBERSHIP_UNKNOWN = "membership-unknown"
    ROLE_UNKNOWN = "role-unknown"
    UNREADABLE = "unreadable"


class Verdict(NamedTuple):
    """One answer: state, reason, and sentences that show where it comes from.

    A named tuple whose evidence is written when somebody reads it, because whole matrices of them are made.
    """

    permission: str
    state: State
    reason: Reason
    told: tuple[str, ...] | Access

    @property
    def evidence(self) -> tuple[str, ...]:
        """Where the answer comes from."""
        return self.told.grants_of(self.permission) if isinstance(self.told, Access) else self.told


@dataclass(frozen=True, slots=True)
class Grant:
    """A binding that concerns a principal: the permissions it gives (None: not known which), and why that counts or not.

    `scope` narrows a grant of unknown permissions to one kind of request.
    """

    bits: int | None
    reason: Reason
    binding: PolicyBinding
    resource: str
    member: str
    scope: Scope | None = None

    def __str__(self) -> str:
        tail = ""
        if self.binding.condition is not None:
            tail = f" under the condition {self.binding.condition.title or self.binding.condition.expression or 'hidden'!r}"
        member = self.member.replace("serviceaccount:", "serviceAccount:")
        return f"{self.binding.role} on {self.resource} for {member}{tail}"


class _PolicyIndex:
    """One allow policy, by member."""

    def __init__(self, policy: AllowPolicy) -> None:
        self.exact: dict[str, list[PolicyBinding]] = {}
        self.deleted: dict[str, list[PolicyBinding]] = {}
        self.convenience: dict[str, list[PolicyBinding]] = {}
        self.groups: dict[str, list[PolicyBinding]] = {}
        self.wide: dict[str, list[PolicyBinding]] = {}
        for binding in dict.fromkeys(policy.bindings):  # duplicates add nothing
            for text in dict.fromkeys(binding.members):
                if gone := deleted_member(text):
                    self.deleted.setdefault(gone, []).append(binding)
                    continue
                member = normal_member(text)
                kind = member.partition(":")[0]
                self.exact.setdefault(member, []).append(binding)
                if kind in _CONVENIENCE:
                    self.convenience.setdefault(member, []).append(binding)
                elif kind == "group":
                    self.groups.setdefault(member, []).append(binding)
                elif kind in {"domain", "principalSet", "allUsers", "allAuthenticatedUsers"}:
                    self.wide.setdefault(member, []).append(binding)


_CONVENIENCE = {"projectowner": "roles/owner", "projecteditor": "roles/editor", "projectviewer": "roles/viewer"}


class Evaluator:
    """Answers questions about one world; keeps indexes, so ask one instance many questions."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._indexes: dict[str, _PolicyIndex] = {}
        self._access: dict[tuple[str, str], Access] = {}
        self._closures: dict[str, tuple[frozenset[str], bool]] = {}
        self._conditions: dict[tuple[str | None, Scope], Truth] = {}
        self._denials = DenialIndex(world)

    def access(self, principal: str, resource: str) -> Access:
        """Everything that one principal has on one resource; ask it for permissions."""
        key = (normal_member(principal), self.world.canonical(resource))
        found = self._access.get(key)
        if found is None:
            found = self._access[key] = Access(self, *key)
        return found

    def decide(self, principal: str, permission: str, resource: str) -> Verdict:
        """The answer to one question."""
        return self.access(principal, resource).verdict(permission)

    def matches(self, member: str, principal: str) -> Truth:
        """Whether a member (normal form) stands for the principal, with group contents kept between questions."""
        if member.startswith("group:") and member != principal:
            closure = self._closures.get(member)
            if closure is None:
                closure = self._closures[member] = group_closure(member, self.world.directory)
            if principal in closure[0]:
                return Truth.YES
            return Truth.NO if closure[1] else Truth.UNKNOWN
        return stands_for(member, principal, self.world.directory)

    def holds(self, condition: Condition | None, scope: Scope) -> Truth:
        """Whether a condition holds for the requests of a scope."""
        if condition is None:
            return Truth.YES
        key = (condition.expression, scope)
        found = self._conditions.get(key)
        if found is None:
            found = self._conditions[key] = scope.judge(
                lambda context: evaluate_condition(condition.expression, context),
                name_beginnings(condition.expression),
            )
        return found

    def index(self, resource: str, policy: AllowPolicy) -> _PolicyIndex:
        """The policy of a resource by member."""
        found = self._indexes.get(resource)
        if found is None:
            found = self._indexes[resource] = _PolicyIndex(policy)
        return found

    @property
    def denials(self) -> DenialIndex:
        """Deny rules and boundaries, by principal and resource."""
        return self._denials


class Access:
    """What one principal has on one resource."""

    def __init__(self, evaluator: Evaluator, principal: str, resource: str) -> None:
        self._evaluator = evaluator
        self._world = evaluator.world
        self.principal = principal
        self.resource = resource
        self._chain, self._chain_gap = self._world.chain(resource)
        self._gaps: list[Gap] = [self._chain_gap] if self._chain_gap else []
        self._sure: list[Grant] = []
        self._open: list[Grant] = []
        self._unread: list[Grant] = []
        self._refused: list[Grant] = []
        self._deleted: list[tuple[PolicyBinding, str]] = []
        self._incomplete: list[str] = []
        scopes = scopes_of(self._world, resource)
        for place in self._chain:
            self._read(place, scopes)
        self._denial = evaluator.denials.judge(principal, self._chain)
        self._tested = self._world.tested.get((principal, resource))

    def _read(self, place: str, scopes: tuple[Scope, ...]) -> None:
        policy = self._world.policies.get(place)
        if policy is None:
            policy = Gap(f"the allow policy of {place}", policy_reader(place), "not in the facts")
        if isinstance(policy, Gap):
            self._gaps.append(policy)
            return
        self._incomplete += [f"{place}: {text}" for text in policy.oddities]
        index = self._evaluator.index(place, policy)
        self._deleted += [(binding, place) for binding in index.deleted.get(self.principal, ())]
        for binding in index.exact.get(self.principal, ()):
            self._weigh(binding, place, self.principal, Truth.YES, scopes)
        for table in (index.groups, index.wide):
            for member, bindings in table.items():
                if (
                    member != self.principal
                    and (truth := self._evaluator.matches(member, self.principal)) is not Truth.NO
                ):
                    for binding in bindings:
                        self._weigh(binding, place, member, truth, scopes)
        for member, bindings in index.convenience.items():
            if (truth := self._convenience(member)) is not Truth.NO:
                for binding in bindings:
                    self._weigh(binding, place, member, truth, scopes)

    def _convenience(self, member: str) -> Truth:
        """`projectEditor:P` stands for whoever holds roles/editor in the project's own policy."""
        kind, _, project = member.partition(":")
        place = self._world.canonical(PROJECTS + project)
        policy = self._world.policies.get(place)
        if policy is None or isinstance(policy, Gap):
            return Truth.UNKNOWN
        index = self._evaluator.index(place, policy)
        best = Truth.NO if policy.complete else Truth.UNKNOWN
        candidates = {self.principal: index.exact.get(self.principal, [])} | index.groups | index.wide
        for who, bindings in candidates.items():
            if not any(binding.role == _CONVENIENCE[kind] for binding in bindings):
                continue
            truth = Truth.YES if who == self.principal else self._evaluator.matches(who, self.principal)
            if truth is Truth.YES:
                return Truth.YES
            best = best if truth is Truth.NO else Truth.UNKNOWN
        return best

    def _weigh(
        self, binding: PolicyBinding, place: str, member: str, matched: Truth, scopes: tuple[Scope, ...]
    ) -> None:
        bits = self._world.roles.role_bits(binding.role)
        if binding.condition is None:
            if bits is None:
                self._unread.append(Grant(None, Reason.ROLE_UNKNOWN, binding, place, member))
            elif matched is Truth.UNKNOWN:
                self._open.append(Grant(bits, Reason.MEMBERSHIP_UNKNOWN, binding, place, member))
            else:
                self._sure.append(Grant(bits, Reason.BINDING, binding, place, member))
            return
        for scope in scopes:
            held = self._evaluator.holds(binding.condition, scope)
            if bits is None:
                if held is not Truth.NO:
                    self._unread.append(Grant(None, Reason.ROLE_UNKNOWN, binding, place, member, scope))
                continue
            part = scope.narrow(bits, self._world.roles)
            if not part:
                continue
            if held is Truth.NO:
                self._refused.append(Grant(part, Reason.CONDITION_FALSE, binding, place, member))
            elif held is Truth.UNKNOWN:
                self._open.append(Grant(part, Reason.CONDITION_UNKNOWN, binding, place, member))
            elif matched is Truth.UNKNOWN:
                self._open.append(Grant(part, Reason.MEMBERSHIP_UNKNOWN, binding, place, member))
            else:
                self._sure.append(Grant(part, Reason.BINDING, binding, place, member))

    @cached_property
    def _sure_table(self) -> bytes:
        return _union(self._sure)

    @cached_property
    def _open_table(self) -> bytes:
        return _union(self._open)

    @cached_property
    def _refused_table(self) -> bytes:
        return _union(self._refused)

    @cached_property
    def _nothing(self) -> tuple[str, ...]:
        return (f"no binding on {' or '.join(self._chain)}",)

    def verdict(self, permission: str) -> Verdict:
        """The answer with its reason and evidence."""
        if self._tested is not None and permission in self._tested.asked:
            has = permission in self._tested.granted
            text = f"testIamPermissions on {self.resource} {'returned' if has else 'did not return'} {permission}"
            return Verdict(permission, State.GRANTED if has else State.MISSING, Reason.TESTED, (text,))
        stops = self._denial.concerns
        if stops and (stop := self._denial.stopped(permission, Truth.YES)):
            return Verdict(permission, State.MISSING, Reason.BOUNDARY if stop.boundary else Reason.DENIED, (stop.text,))
        if self.principal.startswith("caller:"):
            gap = Gap("who runs envctl", "none; name yourself with --as", "the credentials do not show it")
            return Verdict(permission, State.UNKNOWN, Reason.UNREADABLE, (str(gap),))
        number = self._world.roles.number(permission)
        if not holds(self._sure_table, number):
            return self._absent(permission, number)
        if stops and (stop := self._denial.stopped(permission, Truth.UNKNOWN)):
            return Verdict(permission, State.UNKNOWN, stop.reason_if_open(Reason), (stop.text,))
        return Verdict(permission, State.GRANTED, Reason.BINDING, self)

    def grants_of(self, permission: str) -> tuple[str, ...]:
        """Every binding that certainly gives the permission, as sentences."""
        bit = self._world.roles.bit(permission)
        return tuple(str(grant) for grant in self._sure if grant.bits is not None and grant.bits & bit)

    def _absent(self, permission: str, number: int) -> Verdict:
        if holds(self._open_table, number):
            grant = _first(self._open, 1 << number)
            return Verdict(permission, State.UNKNOWN, grant.reason, (_open_sentence(grant),))
        for grant in self._unread:
            if grant.scope is None or grant.scope.covers(permission):
                return Verdict(permission, State.UNKNOWN, grant.reason, (_open_sentence(grant),))
        if self._gaps or self._incomplete:
            evidence = (*(str(gap) for gap in self._gaps), *self._incomplete)
            return Verdict(permission, State.UNKNOWN, Reason.UNREADABLE, evidence)
        if holds(self._refused_table, number):
            grant = _first(self._refused, 1 << number)
            text = f"{grant}, which does not hold{self._by_id(grant.binding.condition)}"
            return Verdict(permission, State.MISSING, Reason.CONDITION_FALSE, (text,))
        for binding, place in self._deleted:
            if (self._world.roles.role_bits(binding.role) or 0) >> number & 1:
                text = f"{binding.role} on {place} belongs to a deleted account of the same address; grant it again"
                return Verdict(permission, State.MISSING, Reason.DELETED_PRINCIPAL, (text,))
        return Verdict(permission, State.MISSING, Reason.NO_BINDING, self._nothing)

    def _by_id(self, condition: Condition | None) -> str:
        """The classic mistake: the id of a project where names carry its number."""
        for number, project in self._world.directory.projects.items():
            if condition is not None and f"projects/{project}/secrets/" in (condition.expression or ""):
                return f": Secret Manager's names carry the project's number (projects/{number}/secrets/), not its id"
        return ""


def _union(grants: Iterable[Grant]) -> bytes:
    total = 0
    for grant in grants:
        total |= grant.bits or 0
    return packed(total)


def _first(grants: Iterable[Grant], bit: int) -> Grant:
    """The first grant that holds the permission, of several that together do."""
    return next(grant for grant in grants if grant.bits is not None and grant.bits & bit)


def _open_sentence(grant: Grant) -> str:
    if grant.reason is Reason.ROLE_UNKNOWN:
        return f"{grant}: the permissions of this role are not known; reading it needs iam.roles.get"
    if grant.reason is Reason.MEMBERSHIP_UNKNOWN:
        return f"{grant}: whether the principal belongs to it is not in the facts{_membership_reader(grant.member)}"
    return f"{grant}: whether the condition holds cannot be known before the request"


def _membership_reader(member: str) -> str:
    kind, _, name = member.partition(":")
    if kind == "group":
        return f"; reading it needs {READERS[Subject.GROUP]}"
    if kind in _CONVENIENCE:
        return f"; reading it needs {policy_reader(PROJECTS + name)}"
    return ""


_READERS = {
    "cloudresourcemanager.googleapis.com/projects": "resourcemanager.projects.getIamPolicy",
    "cloudresourcemanager.googleapis.com/folders": "resourcemanager.folders.getIamPolicy",
    "cloudresourcemanager.googleapis.com/organizations": "resourcemanager.organizations.getIamPolicy",
    "iam.googleapis.com/serviceAccounts": "iam.serviceAccounts.getIamPolicy",
    "cloudkms.googleapis.com/cryptoKeys": "cloudkms.cryptoKeys.getIamPolicy",
    "cloudkms.googleapis.com/keyRings": "cloudkms.keyRings.getIamPolicy",
    "storage.googleapis.com/buckets": "storage.buckets.getIamPolicy",
    "compute.googleapis.com/subnetworks": "compute.subnetworks.getIamPolicy",
    "secretmanager.googleapis.com/secrets": "secretmanager.secrets.getIamPolicy",
    "artifactregistry.googleapis.com/repositories": "artifactregistry.repositories.getIamPolicy",
}


def policy_reader(resource: str) -> str:
    """The permission that reads the allow policy of a resource."""
    parts = resource.removeprefix("//").split("/")
    return _READERS.get(f"{parts[0]}/{parts[-2]}", "getIamPolicy on it") if len(parts) > 2 else "getIamPolicy on it"
