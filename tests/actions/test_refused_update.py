"""An update that the cloud refused is sent again, also of what the cloud never shows."""

from __future__ import annotations

import base64

import pytest
from projects import DEV, bring_up, call, plan, run, workspace_of, write_project

from envctl.engine.protocol import RunOptions
from envctl.operations.journal import Outcome
from envctl.plan.model import Action, Reason
from envctl.report.plan_text import render_plan

SECRET = "gcp:composer/userWorkloadsSecret:UserWorkloadsSecret"
ENVIRONMENT_TYPE = "gcp:composer/environment:Environment"
ENVIRONMENT = "projects/acme-data-dev/locations/europe-west1/environments/dev"
FILE = DEV + "userWorkloads: {secrets: {crm: {data: {token: {env: CRM_TOKEN}, user: {env: CRM_USER}}}}}\n"


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("CRM_TOKEN", "first")
    monkeypatch.setenv("CRM_USER", "envctl")
    workspace = workspace_of(write_project(tmp_path, dev=FILE))
    bring_up(workspace, "dev")
    assert live(workspace) == {"token": "first", "user": "envctl"}
    monkeypatch.setenv("CRM_TOKEN", "second")
    return workspace


def live(workspace):
    """What the cluster holds; no answer of the API shows it."""
    emulator = workspace.cloud.emulator()
    with emulator.exclusive():
        kept = emulator.backend.store.get("composer.secrets", f"{ENVIRONMENT}/userWorkloadsSecrets/crm")
    return {key: base64.b64decode(value).decode() for key, value in kept["data"].items()}


def refuse(workspace, status):
    method = "composer.projects.locations.environments.userWorkloadsSecrets.update"
    # What passes is asked again: a fault of that kind outlasts it.
    times = 50 if status == "INTERNAL" else 1
    fault = {"kind": "fail", "method": method, "status": status, "message": "not this one", "times": times}
    workspace.cloud.emulator().faults.add(fault)


def refused(workspace, status="INVALID_ARGUMENT"):
    refuse(workspace, status)
    assert run(plan(workspace, "dev")).outcome is Outcome.FAILED
    workspace.cloud.emulator().faults.clear()
    assert live(workspace)["token"] == "first"


@pytest.mark.parametrize(
    ("status", "refresh"), [("INVALID_ARGUMENT", True), ("INVALID_ARGUMENT", False), ("INTERNAL", True)]
)
def test_a_refused_update_of_a_secret_is_shown_and_sent_again(workspace, status, refresh):
    refused(workspace, status)
    again = plan(workspace, "dev", refresh=refresh)
    (change,) = again.plan.pending
    assert (change.type, change.action) == (SECRET, Action.UPDATE)
    assert [p.path for p in change.properties] == ["data.token"]
    assert again.plan.drift == ()
    assert run(again).outcome is Outcome.SUCCEEDED
    assert live(workspace)["token"] == "second"
    assert plan(workspace, "dev").plan.empty
    assert plan(workspace, "dev", refresh=False).plan.empty


def test_it_is_not_forgotten_by_the_runs_between(workspace):
    """A refresh that finds nothing amiss, and a second refusal, change nothing about it."""
    refused(workspace)
    refused(workspace)
    workspace.engine("dev").refresh(lambda: None, RunOptions(), lambda _: None, preview=False)
    again = plan(workspace, "dev")
    assert [c.type for c in again.plan.pending] == [SECRET]
    assert again.plan.drift == ()
    bring_up(workspace, "dev")
    assert live(workspace)["token"] == "second"


def test_taking_the_change_back_sends_the_old_value(workspace, monkeypatch):
    """Whether the refused value arrived is not known: an answer may have been lost."""
    refused(workspace, "INTERNAL")
    monkeypatch.setenv("CRM_TOKEN", "first")
    assert [c.type for c in plan(workspace, "dev").plan.pending] == [SECRET]
    bring_up(workspace, "dev")
    assert live(workspace)["token"] == "first"
    assert plan(workspace, "dev").plan.empty


def test_a_change_that_was_taken_back_is_looked_at_again_with_its_reason(workspace, monkeypatch):
    """Nothing differs as far as the state knows; the checkpoint says that the last change did not end well."""
    monkeypatch.setenv("CRM_TOKEN", "first")
    edited = workspace.root / "environments" / "dev.yaml"
    edited.write_text(FILE.replace("team: data", "team: gold"))
    method = "composer.projects.locations.environments.patch"
    fault = {"kind": "fail", "method": method, "status": "INVALID_ARGUMENT", "message": "no"}
    workspace.cloud.emulator().faults.add(fault)
    assert run(plan(workspace, "dev")).outcome is Outcome.FAILED
    edited.write_text(FILE)
    again = plan(workspace, "dev", refresh=False)
    changes = {c.type: c for c in again.plan.pending}
    assert changes[ENVIRONMENT_TYPE].reason is Reason.UNFINISHED
    assert "its last change failed" in render_plan(again.plan)
    assert run(again).outcome is Outcome.SUCCEEDED
    assert call(workspace, "GET", f"composer/v1/{ENVIRONMENT}")["labels"]["team"] == "data"
    assert plan(workspace, "dev", refresh=False).plan.empty
