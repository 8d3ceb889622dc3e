"""Which facts the checks of a case will ask for: nothing is read that no check looks at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from envctl.doctor.case import Case
from envctl.doctor.checks.constraints import needless
from envctl.doctor.checks.permissions import bindings_of, wanted_permissions
from envctl.doctor.facts import Facts, Subject, field_of, texts
from envctl.doctor.resources import own_chain, project_resource
from envctl.iam_conditions import applies, snapshot_bucket
from envctl.iam_roles import load_table
from envctl.iam_targets import subnetwork_name

Question = tuple[Subject, str]


def first_questions(case: Case) -> tuple[Question, ...]:
    """Questions whose answers decide what else to ask: projects and the environment."""
    projects = dict.fromkeys(
        name
        for name in (case.project, case.setting.host_project, case.setting.account_project, case.setting.key_project)
        if name
    )
    return (*((Subject.PROJECT, name) for name in projects), (Subject.ENVIRONMENT, case.environment_name))


def further_questions(case: Case, known: Facts) -> tuple[Question, ...]:
    """All other questions, once each; `known` holds the answers to the first ones."""
    return tuple(dict.fromkeys(_further(case, known)))


def _further(case: Case, known: Facts) -> Iterator[Question]:
    setting = case.setting
    region = f"projects/{case.project}/regions/{case.spec.region}"
    host_region = f"projects/{setting.host_project or case.project}/regions/{case.spec.region}"
    yield (Subject.SERVICES, case.project)
    if setting.host_project and setting.generation == 2:
        yield (Subject.SERVICES, setting.host_project)
    for project in known.names(Subject.PROJECT):
        ancestors = tuple(texts(field_of(known.value(Subject.PROJECT, project), "ancestors")))
        for place in (project_resource(project), *ancestors):
            yield (Subject.POLICY, place)
            if project == case.project:
                yield (Subject.DENY, place)
    wanted = wanted_permissions(case)
    for binding in bindings_of(case):
        if binding.resource and binding.condition is None and any(row in wanted for row in binding.ids):
            for place in own_chain(binding.resource):
                yield (Subject.POLICY, place)
    yield (Subject.ACCOUNT, setting.account_email)
    if setting.key_name:
        yield (Subject.KEY, setting.key_name)
    for bucket in dict.fromkeys((case.environment_bucket, snapshot_bucket(setting))):
        if bucket and "${" not in bucket:
            yield (Subject.BUCKET, bucket)
            yield (Subject.POLICY, f"//storage.googleapis.com/projects/_/buckets/{bucket}")
    if (name := subnetwork_name(setting)) and setting.generation == 2:
        yield (Subject.SUBNETWORK, name.removeprefix("//compute.googleapis.com/"))
    if case.spec.network.vpc is not None:
        yield (Subject.SUBNETWORKS, region)
    if setting.generation == 2:
        yield (Subject.ROUTERS, host_region)
        yield (Subject.QUOTAS, region)
    if any(item.value == "dataflow" for item in case.spec.integrations):
        yield (Subject.FIREWALLS, setting.host_project or case.project)
        yield (Subject.QUOTAS, region)
    if case.doing("upgrade", "save-snapshot"):
        yield (Subject.DATABASE, case.environment_name)
    if case.doing("create", "upgrade", "packages"):
        yield from _constraints(case)
    yield from ((Subject.TEST, place) for place in tested_permissions(case))


def _constraints(case: Case) -> Iterator[Question]:
    for row in load_table("preconditions")["rows"]:
        name = row["subject"].removeprefix("constraints/")
        if row["kind"] != "org_policy" or "left_out" in row or row["id"] == "constraint.custom":
            continue
        if applies(row["generations"], row["when"], case.setting) and not needless(case, row["id"]):
            project = (
                case.setting.account_project if name == "iam.disableCrossProjectServiceAccountUsage" else case.project
            )
            yield (Subject.CONSTRAINT, f"{project}/constraints/{name}")


def tested_permissions(case: Case) -> Mapping[str, tuple[str, ...]]:
    """What the caller tests about itself, by resource."""
    wanted = wanted_permissions(case)
    asked: dict[str, tuple[str, ...]] = {}
    for binding in bindings_of(case):
        if binding.member == case.caller and binding.resource and binding.principal != "doctor":
            permissions = [item for row in binding.ids for item in wanted.get(row, ())]
            if permissions:
                asked[binding.resource] = tuple(dict.fromkeys((*asked.get(binding.resource, ()), *permissions)))
    return asked


def last_questions(case: Case) -> tuple[Question, ...]:
    """Roles that policies use and the shipped data does not know."""
    names = {
        binding.role
        for resource in case.facts.names(Subject.POLICY)
        for binding in getattr(case.policy(resource), "bindings", ())
        if case.world.roles.role_bits(binding.role) is None and _readable_role(binding.role)
    }
    return tuple((Subject.ROLE, name) for name in sorted(names))


def _readable_role(role: str) -> bool:
    parts = role.split("/")
    return (parts[0] == "roles" and len(parts) == 2) or (
        len(parts) == 4 and parts[0] in {"projects", "organizations"} and parts[2] == "roles"
    )
