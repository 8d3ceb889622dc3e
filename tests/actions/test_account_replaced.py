"""Another service account for an environment: the old one goes last, so that nothing ever runs as nobody."""

from __future__ import annotations

import pytest
from projects import bring_up, plan, workspace_of, write_project
from pulumi_twins import collect_quietly, needs_cli, use_cli

from envctl.actions.clouds import CloudName
from envctl.actions.workspace import EngineName, open_workspace
from envctl.operations.journal import Outcome
from envctl.plan.model import Action

ACCOUNT = "iam.projects.serviceAccounts"
ENVIRONMENT = "composer.projects.locations.environments"


def replace_account(root, workspace):
    """What became of account and environment, in order."""
    bring_up(workspace, "dev")
    path = root / "environments" / "dev.yaml"
    path.write_text(path.read_text().replace("composer-dev", "composer-next"))
    actions = {change.name: change.action for change in plan(workspace, "dev").plan.pending}
    assert actions["service-account"] is Action.CREATE_THEN_DELETE
    assert actions["environment"] is Action.DELETE_THEN_CREATE
    emulator = workspace.cloud.emulator()
    emulator.forget_requests()
    assert bring_up(workspace, "dev").outcome is Outcome.SUCCEEDED
    watched = {f"{kind}.{verb}" for kind in (ACCOUNT, ENVIRONMENT) for verb in ("create", "delete")}
    return [request["method"] for request in emulator.requests if request["method"] in watched]


SAFE = [f"{ACCOUNT}.create", f"{ENVIRONMENT}.delete", f"{ENVIRONMENT}.create", f"{ACCOUNT}.delete"]


def test_the_new_account_comes_first_and_the_old_one_goes_last(tmp_path):
    root = write_project(tmp_path)
    assert replace_account(root, workspace_of(root)) == SAFE


@pytest.mark.pulumi
@needs_cli[1]
def test_so_it_does_with_pulumi(tmp_path, monkeypatch):
    use_cli(monkeypatch, tmp_path / "home")
    root = write_project(tmp_path)
    order = replace_account(root, open_workspace(root, CloudName.SANDBOX, EngineName.PULUMI))
    collect_quietly()
    assert order == SAFE
