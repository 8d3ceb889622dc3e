"""Another service account for an environment: the old one goes last, so that nothing ever runs as nobody."""

from __future__ import annotations

from projects import bring_up, plan, workspace_of, write_project

from envctl.operations.journal import Outcome
from envctl.plan.model import Action

ACCOUNT = "iam.projects.serviceAccounts"
ENVIRONMENT = "composer.projects.locations.environments"


def test_the_new_account_comes_first_and_the_old_one_goes_last(tmp_path):
    root = write_project(tmp_path)
    workspace = workspace_of(root)
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
    assert [request["method"] for request in emulator.requests if request["method"] in watched] == [
        f"{ACCOUNT}.create",
        f"{ENVIRONMENT}.delete",
        f"{ENVIRONMENT}.create",
        f"{ACCOUNT}.delete",
    ]
