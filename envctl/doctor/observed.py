"""The evaluator's world, built from facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from envctl.doctor.evaluate import policy_reader
from envctl.doctor.facts import Absent, Facts, Known, Subject, Unreadable, field_of, objects, texts
from envctl.doctor.policies import (
    AllowPolicy,
    Boundary,
    DenyPolicies,
    MalformedPolicy,
    parse_allow_policy,
    parse_boundary,
    parse_deny_policies,
)
from envctl.doctor.principals import Directory, Group, normal_member
from envctl.doctor.resources import PROJECTS, project_resource
from envctl.doctor.roles import RoleCatalogue
from envctl.doctor.world import CallerTest, Gap, World
from envctl.iam_conditions import project_of_account


def project_number(facts: Facts, project: str) -> str | None:
    """The number of a project; None when the facts do not hold it."""
    value = field_of(facts.value(Subject.PROJECT, project), "projectNumber")
    return str(value) if value else None


def build_world(
    facts: Facts,
    now: datetime,
    buckets: Mapping[str, str] | None = None,
    imagined: Mapping[str, AllowPolicy] | None = None,
) -> World:
    """The evaluator's world from facts. A part that could not be read is a gap, never an empty part.

    Args:
        facts: the answers.
        now: the time of the imagined requests.
        buckets: projects of buckets that the facts do not describe.
        imagined: policies of resources that stand for any of their kind.
    """
    numbers: dict[str, str] = {}
    parents: dict[str, str | None] = {}
    ancestors: dict[str, tuple[str, ...]] = {}
    for project in facts.names(Subject.PROJECT):
        value = facts.value(Subject.PROJECT, project)
        if number := project_number(facts, project):
            numbers[number] = project
        names = field_of(value, "ancestors")
        if isinstance(names, list):
            chain = (project_resource(project), *texts(names))
            ancestors[project] = chain[1:]
            parents.update(zip(chain, (*chain[1:], None), strict=True))
    for name in facts.names(Subject.BUCKET):
        owner = numbers.get(str(field_of(facts.value(Subject.BUCKET, name), "projectNumber")))
        if owner:
            parents[_bucket(name)] = project_resource(owner)
    for name, project in (buckets or {}).items():
        parents.setdefault(_bucket(name), project_resource(project))
    return World(
        # An object that does not exist yet has no policy of its own and will inherit what stands above it.
        policies={name: AllowPolicy(()) for name in absent_resources(facts)}
        | dict(imagined or {})
        | {name: _allow_policy(facts, name) for name in facts.names(Subject.POLICY)},
        roles=RoleCatalogue(
            {name: _permissions(facts.value(Subject.ROLE, name)) for name in facts.names(Subject.ROLE)}
        ),
        now=now,
        parents=parents,
        directory=Directory(groups=_groups(facts), projects=numbers, ancestors=ancestors),
        deny={
            name: found
            for name in facts.names(Subject.DENY)
            if isinstance(found := deny_rules(facts, name), DenyPolicies)
        },
        boundaries=tuple(_boundaries(facts)),
        tested=dict(_tests(facts)),
    )


def _bucket(name: str) -> str:
    return f"//storage.googleapis.com/projects/_/buckets/{name}"


def _allow_policy(facts: Facts, name: str) -> AllowPolicy | Gap:
    match facts.ask(Subject.POLICY, name):
        case Known(value):
            try:
                return parse_allow_policy(value)
            except MalformedPolicy as problem:
                return Gap(f"the allow policy of {name}", policy_reader(name), str(problem))
        case Absent():
            return AllowPolicy(())
        case Unreadable(_, cause):
            return Gap(f"the allow policy of {name}", policy_reader(name), cause)


def deny_rules(facts: Facts, name: str) -> DenyPolicies | Unreadable:
    """The deny rules attached to a project, folder or organization."""
    match facts.ask(Subject.DENY, name):
        case Known(value):
            try:
                return parse_deny_policies(value)
            except MalformedPolicy as problem:
                return Unreadable("iam.denypolicies.get", str(problem))
        case Absent():
            return DenyPolicies()
        case Unreadable() as answer:
            return answer


def _permissions(value: Any) -> list[str] | None:
    if not isinstance(value, Mapping):
        return None
    if value.get("deleted") is True or value.get("stage") == "DISABLED":  # bindings of it stay and give nothing
        return []
    return list(texts(value.get("includedPermissions")))


def _groups(facts: Facts) -> dict[str, Group]:
    found: dict[str, Group] = {}
    for address in facts.names(Subject.GROUP):
        value = facts.value(Subject.GROUP, address)
        if isinstance(value, Mapping) and isinstance(value.get("members"), list):
            members = frozenset(texts(value["members"]))
            found[normal_member(f"group:{address}")] = Group(members, value.get("complete") is not False)
    return found


def _boundaries(facts: Facts) -> Iterable[Boundary]:
    for project in facts.names(Subject.BOUNDARIES):
        for item in objects(facts.value(Subject.BOUNDARIES, project)):
            try:
                yield parse_boundary(item)
            except MalformedPolicy:  # one that cannot be read may keep anybody out of anything
                yield Boundary(str(item.get("policy", "?")), PROJECTS + project, ())


def _tests(facts: Facts) -> Iterable[tuple[tuple[str, str], CallerTest]]:
    for resource in facts.names(Subject.TEST):
        value = facts.value(Subject.TEST, resource)
        member = field_of(value, "member")
        if isinstance(member, str):
            asked, granted = frozenset(texts(field_of(value, "asked"))), frozenset(texts(field_of(value, "granted")))
            yield (normal_member(member), resource), CallerTest(asked, granted)


_RESOURCE: Final[Mapping[Subject, Callable[[str], str]]] = {
    Subject.ACCOUNT: lambda name: (
        f"//iam.googleapis.com/projects/{project_of_account(name, '-')}/serviceAccounts/{name}"
    ),
    Subject.KEY: lambda name: f"//cloudkms.googleapis.com/{name}",
    Subject.BUCKET: _bucket,
    Subject.SUBNETWORK: lambda name: f"//compute.googleapis.com/{name}",
}


def absent_resources(facts: Facts) -> frozenset[str]:
    """Full names of the objects that were asked for and do not exist."""
    return frozenset(
        _RESOURCE[subject](name)
        for (subject, name), answer in facts.answers.items()
        if subject in _RESOURCE and answer == Absent()
    )
