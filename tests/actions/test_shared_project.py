"""What several files of one project share: memberships, and labels that change with every commit."""

from __future__ import annotations

import subprocess

import pytest
from projects import DEV, bring_up, call, plan, tear_down, workspace_of, write_project

from envctl.plan.model import Action

LIVE = "composer/v1/projects/acme-data-dev/locations/europe-west1/environments/dev"
USERS = "access: {users: ['group:analysts@acme.example']}\n"
FOUNDATION = f"""\
kind: foundation
project: acme-data-dev
region: europe-west1
{USERS}"""


def members(workspace, role):
    policy = call(workspace, "POST", "crm/v1/projects/acme-data-dev:getIamPolicy", {})
    return {m for b in policy["bindings"] if b["role"] == role for m in b["members"]}


@pytest.mark.parametrize("leaves", ["shared", "dev"])
def test_a_destroyed_stack_leaves_the_memberships_that_another_file_declares_too(tmp_path, leaves):
    workspace = workspace_of(write_project(tmp_path, shared=FOUNDATION, dev=DEV + USERS))
    bring_up(workspace, "shared")
    bring_up(workspace, "dev")
    tear_down(workspace, leaves)
    assert "group:analysts@acme.example" in members(workspace, "roles/composer.user")
    assert plan(workspace, "dev" if leaves == "shared" else "shared").plan.empty


def test_a_membership_that_only_the_foundation_declares_goes_with_it(tmp_path):
    workspace = workspace_of(write_project(tmp_path, shared=FOUNDATION, dev=DEV))
    bring_up(workspace, "shared")
    tear_down(workspace, "shared")
    assert "group:analysts@acme.example" not in members(workspace, "roles/composer.user")


def commit(root, message):
    base = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@acme.example"]
    subprocess.run([*base, "init", "-q"], check=True)
    subprocess.run([*base, "add", "environments"], check=True)
    subprocess.run([*base, "commit", "-q", "-m", message], check=True)


def test_a_new_commit_is_no_difference_the_label_names_the_one_that_made_the_environment(tmp_path):
    write_project(tmp_path)
    file = tmp_path / "environments" / "dev.yaml"
    commit(tmp_path, "first")
    workspace = workspace_of(tmp_path)
    bring_up(workspace, "dev")
    first = call(workspace, "GET", LIVE)["labels"]["envctl-commit"]
    file.write_text(file.read_text() + "# a comment\n")
    commit(tmp_path, "second")
    workspace = workspace_of(tmp_path)
    assert plan(workspace, "dev").plan.empty
    file.write_text(file.read_text().replace("team: data", "team: other"))
    commit(tmp_path, "third")
    workspace = workspace_of(tmp_path)
    pending = [c for c in plan(workspace, "dev").plan.pending if c.name == "environment"]
    assert [(c.action, [p.path for p in c.properties]) for c in pending] == [(Action.UPDATE, ["labels.team"])]
    bring_up(workspace, "dev")
    live = call(workspace, "GET", LIVE)["labels"]
    assert (live["team"], live["envctl-commit"]) == ("other", first)
