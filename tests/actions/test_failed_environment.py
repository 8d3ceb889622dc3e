"""An environment that a failed operation left in state ERROR: said by preview and status, mended by `up`."""

from __future__ import annotations

import json
import threading

import pytest
from projects import DEV, bring_up, call, plan, run, workspace_of, write_project

from envctl.actions.apply import apply
from envctl.actions.status import read_status
from envctl.cli import run as run_cli
from envctl.engine.events import OperationEvent
from envctl.errors import RefusedError
from envctl.operations.journal import Outcome
from envctl.plan.model import Action, Reason
from envctl.report.status_report import dump_status, render_status

ENVIRONMENT = "gcp:composer/environment:Environment"
NAME = "projects/acme-data-dev/locations/europe-west1/environments/dev"
LIVE = f"composer/v1/{NAME}"


def fail(workspace, operation):
    order = {"kind": "operation", "operation": f"composer.environments.{operation}", "status": "INTERNAL"}
    workspace.cloud.control("POST", "fault", {**order, "message": f"the {operation} broke"})


def change_of(prepared):
    (change,) = [c for c in prepared.plan.pending if c.type == ENVIRONMENT]
    return change


def edit(root, old, new):
    path = root / "environments" / "dev.yaml"
    path.write_text(path.read_text().replace(old, new))


def break_live(workspace):
    """The state that Composer leaves after some failures; the emulator's own environments run on."""
    emulator = workspace.cloud.emulator()
    with emulator.exclusive():
        store = emulator.backend.store
        store.put("composer.environments", NAME, {**store.get("composer.environments", NAME), "state": "ERROR"})


def without_environment(root, text=DEV):
    """A project whose environment could not be created."""
    workspace = workspace_of(write_project(root, dev=text))
    fail(workspace, "create")
    assert run(plan(workspace, "dev")).outcome is Outcome.FAILED
    assert call(workspace, "GET", LIVE)["state"] == "ERROR"
    return workspace


@pytest.fixture
def unmade(tmp_path):
    return without_environment(tmp_path)


def test_an_environment_that_was_never_made_is_made_anew(unmade):
    change = change_of(plan(unmade, "dev"))
    assert (change.action, change.reason) == (Action.DELETE_THEN_CREATE, Reason.CANNOT_UPDATE_IN_PLACE)
    bring_up(unmade, "dev")
    assert call(unmade, "GET", LIVE)["state"] == "RUNNING"
    after = plan(unmade, "dev").plan
    assert (after.empty, after.drift, after.warnings) == (True, (), ())


def left_creating(root, *, doomed=False):
    """A project whose first `up` was interrupted while the environment was created."""
    workspace = workspace_of(write_project(root))
    if doomed:
        fail(workspace, "create")
    cancel = threading.Event()

    def stop_when_creating(event):
        if isinstance(event, OperationEvent) and "environment" in event.urn:
            cancel.set()

    assert apply(plan(workspace, "dev"), stop_when_creating, cancel).outcome is Outcome.DETACHED
    assert state_of(workspace) == "CREATING"
    return workspace


def state_of(workspace):
    """The state without a request: a request would let time pass."""
    return workspace.cloud.emulator().backend.store.get("composer.environments", NAME)["state"]


def test_up_waits_for_the_create_of_an_earlier_run(tmp_path):
    workspace = left_creating(tmp_path)
    prepared = plan(workspace, "dev")
    assert prepared.plan.empty
    assert [name.rpartition("::")[2] for name in prepared.awaits] == ["environment"]
    assert state_of(workspace) == "CREATING"
    assert run(prepared).outcome is Outcome.SUCCEEDED
    assert state_of(workspace) == "RUNNING"
    assert plan(workspace, "dev").awaits == {}


def test_the_command_waits_too(tmp_path, monkeypatch, capsys):
    workspace = left_creating(tmp_path)
    monkeypatch.setenv("ENVCTL_CLOUD", "sandbox")
    assert run_cli(["-C", str(tmp_path), "up", "dev"]) == 0
    assert "Applying dev" in capsys.readouterr().err
    again = workspace_of(workspace.root)
    assert plan(again, "dev").awaits == {}
    assert state_of(again) == "RUNNING"


def test_a_create_that_failed_while_nobody_waited_is_made_anew_too(tmp_path):
    workspace = left_creating(tmp_path, doomed=True)
    with pytest.raises(RefusedError) as caught:
        run(plan(workspace, "dev"))  # it was to wait only; what it finds then is no part of the plan
    assert caught.value.code == "plan-left"
    assert change_of(plan(workspace, "dev")).action is Action.DELETE_THEN_CREATE
    bring_up(workspace, "dev")
    assert state_of(workspace) == "RUNNING"
    assert plan(workspace, "dev").plan.empty


def test_the_preview_says_what_is_wrong_and_what_up_does(unmade):
    (warning,) = plan(unmade, "dev").plan.warnings
    assert "dev is in state ERROR" in warning
    assert "CREATE" in warning
    assert "the create broke" in warning
    assert "is deleted and made anew" in warning


def test_what_somebody_else_mended_is_not_replaced(unmade):
    emulator = unmade.cloud.emulator()
    with emulator.exclusive():
        store = emulator.backend.store
        store.put("composer.environments", NAME, {**store.get("composer.environments", NAME), "state": "RUNNING"})
    prepared = plan(unmade, "dev")
    assert [c for c in prepared.plan.pending if c.type == ENVIRONMENT] == []
    assert prepared.plan.warnings == ()


def test_a_protected_environment_is_not_replaced_for_it(tmp_path):
    workspace = without_environment(tmp_path, DEV + "protect: true\n")
    with pytest.raises(RefusedError) as caught:
        run(plan(workspace, "dev"))
    assert caught.value.code == "protected"


def test_status_says_it_too(unmade):
    status = read_status(unmade, "dev")
    assert status.live == "ERROR"
    assert status.problem is not None
    assert "the create broke" in status.problem
    assert "the create broke" in render_status([status])
    assert json.loads(json.dumps(dump_status([status])))["environments"][0]["problem"] == status.problem


@pytest.mark.parametrize("broken", [False, True])
def test_a_failed_update_is_sent_again_and_is_no_drift(tmp_path, broken):
    root = write_project(tmp_path)
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    edit(root, "team: data", "team: gold")
    fail(workspace, "update")
    assert run(plan(workspace, "dev")).outcome is Outcome.FAILED
    if broken:
        break_live(workspace)
    prepared = plan(workspace, "dev")
    change = change_of(prepared)
    assert change.action is Action.UPDATE
    assert [(p.path, p.before, p.after) for p in change.properties] == [("labels.team", "data", "gold")]
    assert prepared.plan.drift == ()
    warned = [w for w in prepared.plan.warnings if "the update broke" in w]
    assert len(warned) == broken
    assert all("is sent again" in w for w in warned)
    bring_up(workspace, "dev")
    assert call(workspace, "GET", LIVE)["labels"]["team"] == "gold"
    assert plan(workspace, "dev").plan.warnings == ()


def test_an_error_without_a_known_operation_is_said_without_one(tmp_path):
    workspace = workspace_of(write_project(tmp_path))
    bring_up(workspace, "dev")
    break_live(workspace)
    (warning,) = plan(workspace, "dev").plan.warnings
    assert "dev is in state ERROR" in warning
    assert "nothing to send" in warning
