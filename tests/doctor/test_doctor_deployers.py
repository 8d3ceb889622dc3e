"""What deploying takes: the table of steps, and a member with exactly that in a sandbox that refuses the rest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from projects import plan, run

from envctl.actions.clouds import CloudName
from envctl.actions.iam import role_of
from envctl.actions.workspace import Workspace, open_workspace
from envctl.doctor.examine import examine
from envctl.doctor.intake import case_of
from envctl.doctor.live import collect_facts
from envctl.doctor.model import Finding, Status
from envctl.doctor.roles import RoleCatalogue
from envctl.iam_conditions import Setting, setting_of
from envctl.iam_roles import Binding, load_table, required_bindings
from envctl.iam_steps import Verb, load_steps, step_permissions
from envctl.iam_targets import CALLER
from envctl.plan.model import Mode
from envctl.provider.registry import all_specs
from envctl.sandbox import control
from envctl.sandbox.cloud import Cloud
from envctl.sandbox.messages import Request
from envctl.spec.loader import load
from envctl.spec.project import load_project
from envctl.stacks.naming import named_environment, named_foundation

ROOT = Path(__file__).parents[2]
CI = "serviceAccount:deploy-ci@acme-data-{}.iam.gserviceaccount.com"
CRM = "//cloudresourcemanager.googleapis.com/projects/"
EXAMPLES = {"dev": "user:dev@acme.example", "staging": CI.format("staging"), "prod": CI.format("prod")}


def test_every_type_that_a_plan_may_hold_has_a_row() -> None:
    steps = load_steps()
    rows = {step["type"] for step in steps["steps"]}
    assert rows - {"envctl:stack"} | steps["undeclared"].keys() == all_specs().keys()
    assert not rows & steps["undeclared"].keys()


def test_every_row_is_given_by_the_binding_that_it_names() -> None:
    roles, bindings = RoleCatalogue(), {row["id"]: row for row in load_table("bindings")["rows"]}
    for step in load_steps()["steps"]:
        row = bindings[step["binding"]]
        assert "left_out" not in row
        held = roles.role_bits(row["role"]) or 0
        lacking = [name for verb in Verb for name in step[verb.value] if not held & roles.bit(name)]
        assert lacking == [], step


def test_every_permission_that_the_providers_recorded_requests_take_is_in_the_table() -> None:
    cloud = Cloud()
    taken: set[str] = set()
    for line in (ROOT / "tests" / "provider" / "cases" / "requests.jsonl").read_text().splitlines():
        entry = json.loads(line)
        request = Request.to(entry["method"], f"http://127.0.0.1:9{entry['path']}")
        service = next(item for item in cloud.router.services if entry["path"].split("/")[1] in item.prefixes)
        path = entry["path"].removeprefix(f"/{entry['path'].split('/')[1]}")
        version, rest = cloud.router.base(service, path) or ("", "")
        match = cloud.router.match(service, version, request.method, rest)
        if match is not None and match.route.permission:
            taken.add(match.route.permission)
    table = {name for step in load_steps()["steps"] for verb in Verb for name in step[verb.value]}
    unused = {  # what the recorded stacks did and no stack of envctl does (`undeclared`, keys are never destroyed)
        "cloudkms.cryptoKeyVersions.destroy",
        "cloudkms.cryptoKeyVersions.list",
        "secretmanager.versions.add",
        "secretmanager.versions.destroy",
        "secretmanager.versions.enable",
        "secretmanager.versions.get",
        "compute.projects.get",
    }
    assert len(taken) > 50
    assert taken - table == unused


@cache
def listed(name: str) -> tuple[Binding, ...]:
    """What `envctl iam` lists for whoever deploys an example."""
    loaded = load(load_project(ROOT), name)
    spec = named_environment(loaded.environment, name)
    found = required_bindings(spec, named_foundation(loaded.foundation))
    return tuple(item for item in found if item.principal in {"deployer", "bootstrapper"} and item.needed)


def granted(name: str, member: str) -> Iterator[tuple[str, str]]:
    """Role and full name of the object of each listed right; what is to be made is granted above it."""
    for item in listed(name):
        assert item.member in {CALLER, member}
        project = CRM + load(load_project(ROOT), name).environment.project
        there = item.target == "project" or "cloudkms" in (item.resource or "")
        if there or item.member == CALLER:
            yield item.role, (item.resource or project) if there else project


def give(cloud: Cloud, grants: list[tuple[str, str]], member: str) -> None:
    """Adds the grants to what policies hold already, and has the cloud refuse everything else to the member."""
    found: dict[str, Any] = {}
    for role, place in dict.fromkeys(grants):
        before = cloud.policies.stored(place) or {}
        policy = found.setdefault(place, {"bindings": [*before.get("bindings", [])]})
        policy["bindings"].append({"role": role, "members": [member]})
    control.seed(cloud, {"policies": found, "settings": {"enforce": True, "caller": member}})


def opened(folder: Path, name: str, member: str) -> Workspace:
    """The example's project on a sandbox of its own, the account that deploys it and its foundation in place."""
    for part in ("environments", "policies"):
        shutil.copytree(ROOT / part, folder / part)
    shutil.copy(ROOT / "envctl.yaml", folder)
    for path in (folder / "environments").glob("*.yaml"):
        path.write_text(
            path.read_text().replace("protect: true", "protect: false").replace("profile: critical", "profile: trial")
        )
    workspace = open_workspace(folder, CloudName.SANDBOX)
    loaded = load(workspace.project, name)
    control.seed(workspace.cloud.emulator(), {"projects": [{"id": loaded.environment.project}]})
    if member.startswith("serviceAccount:"):
        account = {"accountId": member.partition(":")[2].partition("@")[0]}
        path = f"http://localhost/iam/v1/projects/{loaded.environment.project}/serviceAccounts"
        assert workspace.cloud.emulator().handle(Request.to("POST", path, body=account)).status == 200
    if loaded.foundation is not None:
        assert run(plan(workspace, loaded.foundation.name)).outcome.value == "succeeded"
    return workspace


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_member_with_what_is_listed_previews_applies_updates_and_destroys(name: str, tmp_path: Path) -> None:
    member = EXAMPLES[name]
    workspace = opened(tmp_path, name, member)
    give(workspace.cloud.emulator(), list(granted(name, member)), member)
    for mode in (Mode.APPLY, Mode.APPLY, Mode.DESTROY):
        applied = run(plan(workspace, name, mode=mode, offline=True), allow_unknown=True)
        assert applied.outcome.value == "succeeded", (mode, applied.failures, applied.error)
        base = tmp_path / "environments" / "base.yaml"
        base.write_text(base.read_text().replace("team: data", "team: gold").replace('per_dag: "4"', 'per_dag: "5"'))


def setting_of_example(name: str) -> Setting:
    loaded = load(load_project(ROOT), name)
    return setting_of(named_environment(loaded.environment, name), named_foundation(loaded.foundation))


def report(workspace: Workspace, name: str, member: str, operation: str) -> tuple[Finding, ...]:
    """What the doctor finds with live facts of the sandbox, asked as the member."""
    case = case_of(load(workspace.project, name), (operation,))
    facts = collect_facts(case, workspace.cloud.transport(), member)
    return examine(case_of(load(workspace.project, name), (operation,), facts))


@pytest.mark.parametrize("name", EXAMPLES)
def test_without_any_one_of_them_the_doctor_names_it_first(name: str, tmp_path: Path) -> None:
    member = EXAMPLES[name]
    workspace = opened(tmp_path, name, member)
    cloud, roles = workspace.cloud.emulator(), RoleCatalogue()
    grants = [*dict.fromkeys(granted(name, member))]
    needed = step_permissions(setting_of_example(name), (Verb.READ, Verb.CREATE))
    asked = {item.role: {p for row in item.ids for p in needed.get(row, ())} for item in listed(name)}
    before = {place: cloud.policies.stored(place) or {} for _, place in grants}
    lost_some = 0
    for lost in grants:
        control.seed(
            cloud, {"policies": {place: {"bindings": policy.get("bindings", [])} for place, policy in before.items()}}
        )
        rest = [grant for grant in grants if grant != lost]
        give(cloud, rest, member)
        held = 0
        for role, _ in rest:
            held |= roles.role_bits(role) or 0
        gone = {permission for permission in asked[lost[0]] if not held & roles.bit(permission)}
        found = report(workspace, name, member, "create")
        first = next((item for item in found if item.status is Status.FAILED), None)
        if gone:
            lost_some += 1
            assert first is not None, lost
            assert first.principal == member, (lost, first)
            assert gone <= set(first.missing), (lost, first)
    assert lost_some >= 5


def custom(cloud: Cloud, project: str, permissions: list[str]) -> str:
    """A custom role of the project with just these permissions."""
    name = f"projects/{project}/roles/envctl_deployer"
    cloud.backend.store.put("roles", name, {"name": name, "title": "d", "includedPermissions": permissions})
    return name


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_custom_role_of_a_deployer_is_enough_and_the_doctor_misses_each_permission(
    name: str, tmp_path: Path
) -> None:
    member = EXAMPLES[name]
    workspace = opened(tmp_path, name, member)
    cloud, loaded = workspace.cloud.emulator(), load(workspace.project, name)
    project = loaded.environment.project
    role = role_of(loaded, "deployer")
    # What the role leaves out sits on other objects: of these only what is there before the first `up` is granted.
    others = [(r, p) for r, p in granted(name, member) if p != CRM + project or r == "roles/iam.serviceAccountUser"]
    give(cloud, [(custom(cloud, project, list(role.permissions)), CRM + project), *others], member)
    needed = step_permissions(setting_of_example(name), (Verb.READ, Verb.CREATE))
    steps = {p for names in needed.values() for p in names} & set(role.permissions)
    roles = RoleCatalogue()
    steps -= {p for p in steps for other, _ in others if (roles.role_bits(other) or 0) & roles.bit(p)}
    for permission in sorted(steps):
        custom(cloud, project, [item for item in role.permissions if item != permission])
        failed = [item for item in report(workspace, name, member, "create") if item.status is Status.FAILED]
        assert permission in failed[0].missing, permission
        assert failed[0].principal == member
    assert len(steps) > 15
    custom(cloud, project, list(role.permissions))
    for mode in (Mode.APPLY, Mode.DESTROY):
        applied = run(plan(workspace, name, mode=mode, offline=True), allow_unknown=True)
        assert applied.outcome.value == "succeeded", (mode, applied.failures, applied.error)
