"""The evaluator against a plain reference: no index, no bit sets, no short cuts, only the rules in Kleene's logic."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from doctor_worlds import ACCOUNT, FOLDER, NOW, ORGANIZATION, PROJECT, policy, world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envctl.doctor.evaluate import Evaluator, State
from envctl.doctor.policies import AllowPolicy, parse_deny_policies
from envctl.doctor.principals import Group
from envctl.doctor.world import Gap

PERMISSIONS = ("iam.serviceAccounts.actAs", "iam.serviceAccounts.get", "iam.serviceAccounts.setIamPolicy")
ROLES: Mapping[str, frozenset[str] | None] = {
    "projects/acme/roles/none": frozenset(),
    "projects/acme/roles/one": frozenset(PERMISSIONS[:1]),
    "projects/acme/roles/two": frozenset(PERMISSIONS[1:]),
    "projects/acme/roles/unread": None,
}
CONDITIONS: Mapping[str, bool | None] = {
    'request.time < timestamp("2027-01-01T00:00:00Z")': True,
    'request.time > timestamp("2027-01-01T00:00:00Z")': False,
    "resource.matchTag('9/a', 'b')": None,
}
PEOPLE = ("user:ann@example.com", "user:bob@other.org", "serviceAccount:x@acme.iam.gserviceaccount.com")
GROUPS = ("group:g@example.com", "group:h@example.com", "group:i@example.com")
MEMBERS = (*PEOPLE, *GROUPS, "domain:example.com", "allAuthenticatedUsers", "deleted:user:ann@example.com?uid=1")
PLACES = (ACCOUNT, PROJECT, FOLDER, ORGANIZATION)


def both(values: Iterable[bool | None]) -> bool | None:
    """Kleene's and."""
    found = list(values)
    return False if False in found else None if None in found else True


def either(values: Iterable[bool | None]) -> bool | None:
    """Kleene's or."""
    found = list(values)
    return True if True in found else None if None in found else False


def member_holds(
    member: str, person: str, groups: Mapping[str, Group | None], seen: frozenset[str] = frozenset()
) -> bool | None:
    if member == person or member == "allUsers":
        return True
    if member == "allAuthenticatedUsers":
        return True
    if member.startswith("domain:"):
        return person.startswith("user:") and person.endswith("@" + member.removeprefix("domain:"))
    if member.startswith("group:") and member not in seen:
        group = groups.get(member)
        if group is None:
            return None
        inner = [member_holds(item, person, groups, seen | {member}) for item in group.members]
        return either([*inner, False if group.complete else None])
    return False


bindings = st.lists(
    st.tuples(
        st.sampled_from(sorted(ROLES)),
        st.lists(st.sampled_from(MEMBERS), max_size=3),
        st.sampled_from([None, *sorted(CONDITIONS)]),
    ),
    max_size=4,
)
deny_rules = st.lists(
    st.fixed_dictionaries(
        {
            "principals": st.lists(
                st.sampled_from((*PEOPLE, *GROUPS, "principalSet://goog/public:all")), min_size=1, max_size=2
            ),
            "except": st.lists(st.sampled_from((*PEOPLE, *GROUPS)), max_size=1),
            "permissions": st.lists(st.sampled_from(PERMISSIONS), min_size=1, max_size=2),
            "spared": st.lists(st.sampled_from(PERMISSIONS), max_size=1),
            "condition": st.sampled_from([None, *sorted(CONDITIONS)]),
        }
    ),
    max_size=2,
)
group_facts = st.fixed_dictionaries(
    {
        name: st.none()
        | st.builds(Group, st.frozensets(st.sampled_from((*PEOPLE, *GROUPS)), max_size=2), st.booleans())
        for name in GROUPS
    }
)


def deny_form(permission: str) -> str:
    return "iam.googleapis.com/" + permission.removeprefix("iam.")


def reference(
    person: str,
    permission: str,
    allow: Mapping[str, list[Any] | None],
    deny: Mapping[str, list[Any] | None],
    groups: Mapping[str, Group | None],
) -> State:
    denied: list[bool | None] = []
    for place in PLACES[1:]:
        rules = deny[place]
        if rules is None:
            denied.append(None)
            continue
        for rule in rules:
            spared = either(member_holds(item, person, groups) for item in rule["except"])
            denied.append(
                both(
                    [
                        either(
                            True if item.endswith("public:all") else member_holds(item, person, groups)
                            for item in rule["principals"]
                        ),
                        None if spared is None else not spared,
                        permission in rule["permissions"] and permission not in rule["spared"],
                        True if rule["condition"] is None else CONDITIONS[rule["condition"]],
                    ]
                )
            )
    allowed: list[bool | None] = []
    for place in PLACES:
        items = allow[place]
        if items is None:
            allowed.append(None)
            continue
        for role, members, condition in items:
            contents = ROLES[role]
            allowed.append(
                both(
                    [
                        None if contents is None else permission in contents,
                        either(member_holds(item, person, groups) for item in members),
                        True if condition is None else CONDITIONS[condition],
                    ]
                )
            )
    verdict_denied, verdict_allowed = either(denied), either(allowed)
    if verdict_denied is True or verdict_allowed is False:
        return State.MISSING
    if verdict_allowed is True and verdict_denied is False:
        return State.GRANTED
    return State.UNKNOWN


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    allow=st.fixed_dictionaries({place: st.none() | bindings for place in PLACES}),
    deny=st.fixed_dictionaries({place: st.none() | deny_rules for place in PLACES[1:]}),
    groups=group_facts,
)
def test_the_evaluator_agrees_with_the_reference(allow: Any, deny: Any, groups: Any) -> None:
    gap = Gap("x", "y", "403")
    policies: dict[str, AllowPolicy | Gap] = {
        place: gap if items is None else policy(*((r, m) if c is None else (r, m, c) for r, m, c in items))
        for place, items in allow.items()
    }
    spelled = {"user": "principal://goog/subject/", "group": "principalSet://goog/group/"}

    def deny_member(text: str) -> str:
        kind, _, rest = text.partition(":")
        if kind == "serviceAccount":
            return f"principal://iam.googleapis.com/projects/-/serviceAccounts/{rest}"
        return spelled[kind] + rest if kind in spelled else text

    attached = {
        place: gap
        if rules is None
        else parse_deny_policies(
            [
                {
                    "name": "policies/x/denypolicies/d",
                    "rules": [
                        {
                            "denyRule": {
                                "deniedPrincipals": [deny_member(item) for item in rule["principals"]],
                                "exceptionPrincipals": [deny_member(item) for item in rule["except"]],
                                "deniedPermissions": [deny_form(item) for item in rule["permissions"]],
                                "exceptionPermissions": [deny_form(item) for item in rule["spared"]],
                                **({"denialCondition": {"expression": rule["condition"]}} if rule["condition"] else {}),
                            }
                        }
                        for rule in rules
                    ],
                }
            ]
        )
        for place, rules in deny.items()
    }
    known = {name: group for name, group in groups.items() if group is not None}
    evaluator = Evaluator(world(policies, custom=ROLES, groups=known, deny=attached))
    for person, permission in itertools.product(PEOPLE, PERMISSIONS):
        expected = reference(person, permission, allow, deny, groups)
        assert evaluator.decide(person, permission, ACCOUNT).state is expected, (person, permission, NOW)
