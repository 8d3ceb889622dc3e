"""What takes rights away: deny policies with their exceptions, and principal access boundaries."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from envctl.doctor.conditions import RequestContext, Truth, evaluate_condition
from envctl.doctor.policies import Boundary, Condition, DenyRule
from envctl.doctor.principals import normal_member, stands_for
from envctl.doctor.resources import is_container
from envctl.doctor.world import Gap, World

_SERVICES: Final = {"resourcemanager": "cloudresourcemanager"}
"""Services whose address differs from the first word of their permissions (IAM, "Permissions in deny policies")."""

ReasonType = TypeVar("ReasonType", bound=StrEnum)


def denied_form(permission: str) -> str:
    """A permission as deny policies spell it: `iam.serviceAccounts.actAs` gives `iam.googleapis.com/serviceAccounts.actAs`."""
    service, _, rest = permission.partition(".")
    return f"{_SERVICES.get(service, service)}.googleapis.com/{rest}"


def names_permission(pattern: str, permission: str) -> bool:
    """Whether an entry of a deny rule means the permission; entries may use `*` and may be in allow form."""
    spelled = denied_form(permission)
    if pattern in {spelled, permission}:
        return True
    return "*" in pattern and fnmatch.fnmatchcase(spelled, pattern)


@dataclass(frozen=True, slots=True)
class Stop:
    """Something that takes, or may take, a permission away."""

    text: str
    boundary: bool
    unreadable: bool = False

    def reason_if_open(self, reasons: type[ReasonType]) -> ReasonType:
        """The reason of an answer that this leaves open."""
        return reasons("unreadable" if self.unreadable else "boundary" if self.boundary else "denied")


class Denial:
    """Deny rules and boundaries that concern one principal on one resource."""

    def __init__(
        self, rules: list[tuple[DenyRule, Truth]], boundary: tuple[Boundary | None, Truth], gaps: list[Gap]
    ) -> None:
        self._rules = rules
        self._boundary = boundary
        self._gaps = gaps
        self._cache: dict[tuple[str, Truth], Stop | None] = {}

    @property
    def concerns(self) -> bool:
        """False when nothing takes, or may take, any permission away."""
        return bool(self._rules or self._gaps or self._boundary[1] is not Truth.NO)

    def stopped(self, permission: str, truth: Truth) -> Stop | None:
        """What takes the permission away for certain (`YES`), or may do so (`UNKNOWN`)."""
        key = (permission, truth)
        if key not in self._cache:
            self._cache[key] = self._find(permission, truth)
        return self._cache[key]

    def _find(self, permission: str, truth: Truth) -> Stop | None:
        for rule, held in self._rules:
            if (
                held is truth
                and any(names_permission(item, permission) for item in rule.permissions)
                and not any(names_permission(item, permission) for item in rule.except_permissions)
            ):
                verb = "denies" if truth is Truth.YES else "may deny"
                return Stop(f"the deny policy {rule.policy} {verb} {permission}", boundary=False)
        boundary, outside = self._boundary
        if boundary is not None and outside is not Truth.NO:
            certain = outside is Truth.YES and boundary.permissions is not None and permission in boundary.permissions
            spared = boundary.permissions is not None and permission not in boundary.permissions
            if not spared and certain is (truth is Truth.YES):
                verb = "keeps" if certain else "may keep"
                text = f"the principal access boundary {boundary.policy} {verb} the principal out of this resource"
                return Stop(text, boundary=True)
        if truth is Truth.UNKNOWN and self._gaps:
            return Stop("; ".join(str(gap) for gap in self._gaps), boundary=False, unreadable=True)
        return None


class DenialIndex:
    """All deny rules and boundaries of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._blind = RequestContext(None, None, None, world.now)

    def judge(self, principal: str, chain: tuple[str, ...]) -> Denial:
        """What of them concerns this principal on the resource at the head of the chain."""
        rules: list[tuple[DenyRule, Truth]] = []
        gaps: list[Gap] = []
        for place in chain:
            if not is_container(place):  # deny policies attach to projects, folders and organizations only
                continue
            policies = self._world.deny.get(place)
            if isinstance(policies, Gap):
                gaps.append(policies)
            elif policies is not None:
                gaps += [Gap(text, "iam.denypolicies.get", "not understood") for text in policies.oddities]
                for rule in policies.rules:
                    truth = self._concerns(rule, principal)
                    if truth is not Truth.NO:
                        rules.append((rule, truth))
        if isinstance(self._world.boundaries, Gap):
            return Denial(rules, (None, Truth.NO), [*gaps, self._world.boundaries])
        return Denial(rules, self._outside(principal, chain, self._world.boundaries), gaps)

    def _concerns(self, rule: DenyRule, principal: str) -> Truth:
        hit = self._among(rule.principals, principal)
        if hit is Truth.NO:
            return Truth.NO
        spared = self._among(rule.except_principals, principal)
        if spared is Truth.YES:
            return Truth.NO
        held = self._holds(rule.condition)
        if held is Truth.NO:
            return Truth.NO
        certain = hit is Truth.YES and spared is Truth.NO and held is Truth.YES
        return Truth.YES if certain else Truth.UNKNOWN

    def _among(self, members: tuple[str, ...], principal: str) -> Truth:
        best = Truth.NO
        for member in members:
            truth = stands_for(normal_member(member), principal, self._world.directory)
            if truth is Truth.YES:
                return Truth.YES
            best = best if truth is Truth.NO else Truth.UNKNOWN
        return best

    def _holds(self, condition: Condition | None) -> Truth:
        return Truth.YES if condition is None else evaluate_condition(condition.expression, self._blind)

    def _outside(
        self, principal: str, chain: tuple[str, ...], boundaries: tuple[Boundary, ...]
    ) -> tuple[Boundary | None, Truth]:
        """The boundary that keeps the principal out; several boundaries add their resources up."""
        places = set(chain)
        open_one: Boundary | None = None
        shut: Boundary | None = None
        inside_perhaps = False
        for boundary in boundaries:
            member = stands_for(normal_member(boundary.principal_set), principal, self._world.directory)
            held = self._holds(boundary.condition)
            if Truth.NO in {member, held}:
                continue
            certain = member is Truth.YES and held is Truth.YES
            inside = any(self._world.canonical(item) in places for item in boundary.resources)
            if inside and certain:
                return None, Truth.NO
            inside_perhaps = inside_perhaps or inside
            if certain:
                shut = shut or boundary
            elif not inside:
                open_one = open_one or boundary
        if shut is not None:
            return shut, Truth.UNKNOWN if inside_perhaps else Truth.YES
        return (open_one, Truth.UNKNOWN) if open_one is not None else (None, Truth.NO)
