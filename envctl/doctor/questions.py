"""Which facts the checks of a case will ask for: nothing is read that no check looks at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from envctl.doctor.case import Case
from envctl.doctor.checks.access_members import OPERATIONS as MEMBER_OPERATIONS
from envctl.doctor.checks.access_members import named_accounts
from envctl.doctor.checks.constraints import OPERATIONS as CONSTRAINED
from envctl.doctor.checks.constraints import needless
from envctl.doctor.checks.net_dataflow_fw import OPERATIONS as DATAFLOW_OPERATIONS
from envctl.doctor.checks.net_index import needs_nat
from envctl.doctor.checks.permissions import bindings_of, possible_permissions, wanted_permissions
from envctl.doctor.facts import Facts, Subject, field_of, texts
from envctl.doctor.observed import absent_resources
from envctl.doctor.org_policy import custom_undecided, levels_of, undecided
from envctl.doctor.resources import own_chain, project_of, project_resource
from envctl.iam_conditions import applies, snapshot_bucket
from envctl.iam_roles import load_table
from envctl.iam_targets import subnetwork_name

Question = tuple[Subject, str]
_MOST_ACCOUNTS: Final = 4
"""Accounts named in the file that are looked up live, one call each; the rest stay unknown."""
_BUCKETS: Final = "//storage.googleapis.com/projects/_/buckets/"


def first_questions(case: Case) -> tuple[Question, ...]:
    """Questions whose answers decide what else to ask: projects, the environment, and objects that may not be there."""
    setting = case.setting
    holders = (project_of(place) for place in _wanted_places(case))  # rights are inherited from these
    named = (case.project, setting.host_project, setting.account_project, *holders)
    found: list[Question] = [(Subject.PROJECT, name) for name in dict.fromkeys(name for name in named if name)]
    found.append((Subject.ENVIRONMENT, case.environment_name))
    return (*found, *_objects(case))


def further_questions(case: Case, known: Facts) -> tuple[Question, ...]:
    """All other questions, once each; `known` holds the answers to the first ones."""
    return tuple(dict.fromkeys(_further(case, known)))


def _objects(case: Case) -> Iterator[Question]:
    """Objects that the file names. One that is not there has no policy to read and no rights to test."""
    setting = case.setting
    yield (Subject.ACCOUNT, setting.account_email)
    if case.doing(*MEMBER_OPERATIONS):
        yield from ((Subject.ACCOUNT, email) for email in named_accounts(case)[:_MOST_ACCOUNTS])
    if setting.key_name:
        yield (Subject.KEY, setting.key_name)
    yield from ((Subject.BUCKET, bucket) for bucket in _buckets(case))
    yield from _state_objects(case)
    if (
        (name := subnetwork_name(setting))
        and setting.generation == 2
        and case.doing("create", "update", "upgrade", "packages")
    ):
        yield (Subject.SUBNETWORK, name.removeprefix("//compute.googleapis.com/"))


def _state_objects(case: Case) -> Iterator[Question]:
    """Where Pulumi keeps the state and the key of its secrets, when the operation opens them."""
    wanted, deployment = _wanted_places(case), case.deployment
    if (bucket := deployment.state_bucket) and _BUCKETS + bucket in wanted:
        yield (Subject.BUCKET, bucket)
    if (key := deployment.secrets_key) and f"//cloudkms.googleapis.com/{key}" in wanted:
        yield (Subject.KEY, key)


def _buckets(case: Case) -> tuple[str, ...]:
    names = [case.environment_bucket]
    snapshots = snapshot_bucket(case.setting)
    wanted = f"{_BUCKETS}{snapshots}" in _wanted_places(case)
    if wanted or case.doing("create", "update", "save-snapshot", "load-snapshot"):
        names.append(snapshots)
    return tuple(name for name in dict.fromkeys(names) if name and "${" not in name)


def _wanted_places(case: Case) -> tuple[str, ...]:
    """Resources on which somebody needs a right for the operation, each once."""
    wanted = wanted_permissions(case)
    found = (
        binding.resource
        for binding in bindings_of(case)
        if binding.condition is None and any(row in wanted for row in binding.ids)
    )
    return tuple(dict.fromkeys(place for place in found if place))


def _further(case: Case, known: Facts) -> Iterator[Question]:
    there = tuple(_about_objects(case))
    gone = frozenset(absent_resources(known))
    yield from (question for question in there if question[1] not in gone)
    yield from _around(case)
    if case.doing(*CONSTRAINED, "update"):  # custom constraints concern updates too
        yield from ((Subject.SET_CONSTRAINTS, level) for level in levels_of(known, case.project))


def _about_objects(case: Case) -> Iterator[Question]:
    """Policies and the caller's own rights."""
    setting, email, known = case.setting, case.setting.account_email, case.facts
    for project in known.names(Subject.PROJECT):
        ancestors = tuple(texts(field_of(known.value(Subject.PROJECT, project), "ancestors")))
        for place in (project_resource(project), *ancestors):
            yield (Subject.POLICY, place)
            if project == case.project:
                yield (Subject.DENY, place)
    yield (Subject.POLICY, f"//iam.googleapis.com/projects/{setting.account_project}/serviceAccounts/{email}")
    yield from ((Subject.POLICY, place) for wanted in _wanted_places(case) for place in own_chain(wanted))
    # The live environment may have another bucket than the file names.
    yield from ((Subject.BUCKET, bucket) for bucket in _buckets(case))
    if (bucket := case.environment_bucket) and "${" not in bucket:
        yield (Subject.POLICY, _BUCKETS + bucket)
    yield from ((Subject.TEST, place) for place in tested_permissions(case))


def _around(case: Case) -> Iterator[Question]:
    """APIs, networks, quotas, the database: each only where a check of the operation looks at it."""
    setting = case.setting
    region = f"projects/{case.project}/regions/{case.spec.region}"
    host_region = f"projects/{setting.host_project or case.project}/regions/{case.spec.region}"
    yield (Subject.SERVICES, case.project)
    if setting.host_project and setting.generation == 2 and case.doing("create", "upgrade"):
        yield (Subject.SERVICES, setting.host_project)
    if case.spec.network.vpc is not None and case.doing("create"):
        yield (Subject.SUBNETWORKS, region)
    nat = case.doing("delete") or (case.doing("create", "packages", "upgrade") and needs_nat(case))
    if nat and setting.generation == 2 and case.spec.network.vpc is None:
        yield (Subject.ROUTERS, host_region)
    dataflow = any(item.value == "dataflow" for item in case.spec.integrations)
    if (setting.generation == 2 or dataflow) and case.doing("create", "upgrade", "update"):
        yield (Subject.QUOTAS, region)
    if dataflow and case.doing(*DATAFLOW_OPERATIONS):
        yield (Subject.FIREWALLS, setting.host_project or case.project)
    if case.exists is not False and case.doing("upgrade", "save-snapshot"):
        yield (Subject.DATABASE, case.environment_name)


def _constraints(case: Case) -> Iterator[Question]:
    """Constraints that the lists of the levels do not decide."""
    for row in load_table("preconditions")["rows"]:
        name = row["subject"].removeprefix("constraints/")
        if row["kind"] != "org_policy" or "left_out" in row or row["id"] == "constraint.custom":
            continue
        if applies(row["generations"], row["when"], case.setting) and not needless(case, row["id"]):
            project = (
                case.setting.account_project if name == "iam.disableCrossProjectServiceAccountUsage" else case.project
            )
            if undecided(case.facts, project, name):
                yield (Subject.CONSTRAINT, f"{project}/constraints/{name}")


def tested_permissions(case: Case) -> Mapping[str, tuple[str, ...]]:
    """What the caller tests about itself, by resource."""
    wanted = possible_permissions(case)
    asked: dict[str, tuple[str, ...]] = {}
    for binding in bindings_of(case):
        if binding.member == case.caller and binding.resource and binding.principal != "doctor":
            permissions = [item for row in binding.ids for item in wanted.get(row, ())]
            if permissions:
                asked[binding.resource] = tuple(dict.fromkeys((*asked.get(binding.resource, ()), *permissions)))
    return asked


def last_questions(case: Case) -> tuple[Question, ...]:
    """Roles that policies use and the shipped data does not know, and constraints that are not decided yet."""
    names = {
        binding.role
        for resource in case.facts.names(Subject.POLICY)
        for binding in getattr(case.policy(resource), "bindings", ())
        if case.world.roles.role_bits(binding.role) is None and _readable_role(binding.role)
    }
    found: list[Question] = [(Subject.ROLE, name) for name in sorted(names)]
    if case.doing(*CONSTRAINED):
        found += _constraints(case)
    if case.doing(*CONSTRAINED, "update") and custom_undecided(case.facts, case.project):
        found.append((Subject.CUSTOM_CONSTRAINTS, case.project))
    return tuple(found)


def _readable_role(role: str) -> bool:
    parts = role.split("/")
    return (parts[0] == "roles" and len(parts) == 2) or (
        len(parts) == 4 and parts[0] in {"projects", "organizations"} and parts[2] == "roles"
    )
