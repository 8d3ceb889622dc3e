from __future__ import annotations

import json
import threading

import pytest
from projects import DEV, bring_up, call, plan, run, tear_down, workspace_of, write_project

from envctl.actions.apply import load_saved
from envctl.actions.drift import find_drift
from envctl.actions.planning import PlanOptions
from envctl.actions.status import read_status
from envctl.engine.events import OperationEvent
from envctl.errors import OutsideError, RefusedError
from envctl.operations.journal import Outcome
from envctl.plan.model import Action, Mode
from envctl.plan.wire import dump_plan

ENVIRONMENT = "gcp:composer/environment:Environment"
BUCKET = "storage/storage/v1/b/acme-data-dev-dev-staging"
LIVE = "composer/v1/projects/acme-data-dev/locations/europe-west1/environments/dev"


def change_of(prepared, type_=ENVIRONMENT):
    return next(c for c in prepared.plan.pending if c.type == type_)


def edit(root, old, new, name="dev"):
    path = root / "environments" / f"{name}.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_up_then_preview_is_empty(tmp_path):
    workspace = workspace_of(write_project(tmp_path))
    applied = bring_up(workspace, "dev")
    assert not applied.not_done
    again = plan(workspace_of(tmp_path), "dev")
    assert again.plan.empty
    assert again.plan.drift == ()
    assert again.plan.incomplete == ()
    assert call(workspace, "GET", LIVE)["state"] == "RUNNING"


def test_a_preview_changes_nothing(tmp_path):
    workspace = workspace_of(write_project(tmp_path))
    plan(workspace, "dev")
    assert workspace.engine("dev").serial() == 0
    requests = workspace.cloud.emulator().requests
    assert {r["verb"] for r in requests if not r["path"].endswith(":getIamPolicy")} <= {"GET"}


def test_a_changed_file_is_a_small_diff_with_its_line(tmp_path):
    write_project(tmp_path)
    bring_up(workspace_of(tmp_path), "dev")
    edit(tmp_path, "labels: {team: data}", "labels: {team: data, tier: gold}")
    workspace = workspace_of(tmp_path)
    prepared = plan(workspace, "dev")
    change = change_of(prepared)
    assert change.action is Action.UPDATE
    assert [(p.path, p.after) for p in change.properties] == [("labels.tier", "gold")]
    assert change.properties[0].source is not None
    assert str(change.properties[0].source).startswith("environments/dev.yaml:6")
    bring_up(workspace, "dev")
    assert call(workspace, "GET", LIVE)["labels"]["tier"] == "gold"
    assert plan(workspace, "dev").plan.empty


def test_an_immutable_field_is_a_replacement_at_preview(tmp_path):
    write_project(tmp_path)
    bring_up(workspace_of(tmp_path), "dev")
    edit(tmp_path, "{name: composer-dev}", "{name: composer-other}")
    change = change_of(plan(workspace_of(tmp_path), "dev"))
    assert change.action.replaces
    assert [p.path for p in change.properties if p.replaces] == ["config.nodeConfig.serviceAccount"]


def test_drift_is_found_and_repaired(tmp_path):
    workspace = workspace_of(write_project(tmp_path))
    bring_up(workspace, "dev")
    call(workspace, "PATCH", BUCKET, {"labels": {"team": "nobody"}})
    found = find_drift(workspace, "dev")
    assert [d.name for d in found.drift] == ["bucket-staging"]
    assert [p.path for p in found.drift[0].properties if p.path.endswith("team")]
    bring_up(workspace, "dev")
    assert call(workspace, "GET", BUCKET)["labels"]["team"] == "data"
    assert find_drift(workspace, "dev").drift == ()


def test_what_was_deleted_outside_comes_back(tmp_path):
    workspace = workspace_of(write_project(tmp_path))
    bring_up(workspace, "dev")
    call(workspace, "DELETE", BUCKET)
    prepared = plan(workspace, "dev")
    assert [c.name for c in prepared.plan.pending if c.action is Action.CREATE] == ["bucket-staging"]
    bring_up(workspace, "dev")
    assert plan(workspace, "dev").plan.empty


def test_a_destroy_names_what_survives_it(tmp_path):
    workspace = workspace_of(write_project(tmp_path))
    bring_up(workspace, "dev")
    applied = tear_down(workspace, "dev")
    assert applied.outcome is Outcome.SUCCEEDED
    assert any(kept.startswith("Service") and "api-composer" in kept for kept in applied.kept)
    assert any("bucket with its DAGs" in kept for kept in applied.kept)
    with pytest.raises(AssertionError, match="No such environment"):
        call(workspace, "GET", LIVE)
    assert bring_up(workspace, "dev").outcome is Outcome.SUCCEEDED


def test_two_environments_of_one_project_do_not_take_each_others_rights(tmp_path):
    other = DEV.replace("composer-dev", "composer-qa").replace("EU", "US")
    write_project(tmp_path, dev=DEV, qa=other)
    workspace = workspace_of(tmp_path)
    bring_up(workspace, "dev")
    bring_up(workspace, "qa")
    before = _policy(workspace)
    tear_down(workspace, "dev")
    after = _policy(workspace)
    gone = {(r, m) for r, m in before - after if "composer-dev@" not in m}
    assert gone == set()
    assert plan(workspace, "qa").plan.empty
    assert find_drift(workspace, "qa").drift == ()


def _policy(workspace):
    policy = call(workspace, "POST", "crm/v1/projects/acme-data-dev:getIamPolicy", {})
    return {(b["role"], m) for b in policy["bindings"] for m in b["members"]}


def test_a_protected_environment_is_not_deleted(tmp_path):
    write_project(tmp_path, dev=DEV + "protect: true\n")
    workspace = workspace_of(tmp_path)
    bring_up(workspace, "dev")
    with pytest.raises(RefusedError) as caught:
        tear_down(workspace, "dev")
    assert caught.value.code == "protected"
    assert call(workspace, "GET", LIVE)["state"] == "RUNNING"


def test_protection_written_into_the_file_holds_before_anything_else_was_applied(tmp_path):
    write_project(tmp_path)
    bring_up(workspace_of(tmp_path), "dev")
    edit(tmp_path, "region: europe-west1", "region: europe-west4\nprotect: true")
    with pytest.raises(RefusedError) as caught:
        run(plan(workspace_of(tmp_path), "dev"))
    assert caught.value.code == "protected"
    assert call(workspace_of(tmp_path), "GET", LIVE)["state"] == "RUNNING"


def test_protection_comes_and_goes_as_a_change_of_its_own(tmp_path):
    write_project(tmp_path)
    bring_up(workspace_of(tmp_path), "dev")
    edit(tmp_path, "region: europe-west1", "region: europe-west1\nprotect: true")
    change = change_of(plan(workspace_of(tmp_path), "dev"))
    assert [(p.path, p.before, p.after) for p in change.properties] == [("protect", False, True)]
    assert change.impact.minutes == (0.0, 0.0)
    bring_up(workspace_of(tmp_path), "dev")
    assert plan(workspace_of(tmp_path), "dev").plan.empty
    edit(tmp_path, "\nprotect: true", "")
    assert not bring_up(workspace_of(tmp_path), "dev").not_done
    assert not tear_down(workspace_of(tmp_path), "dev").not_done


def test_a_replaced_resource_is_judged_once(tmp_path):
    write_project(tmp_path)
    bring_up(workspace_of(tmp_path), "dev")
    edit(tmp_path, "region: europe-west1\n", "region: europe-west4\n")
    edit(tmp_path, "profile: trial", "profile: standard")
    prepared = plan(workspace_of(tmp_path), "dev")
    assert change_of(prepared).action.replaces
    told = [(gate.id, gate.summary) for gate in prepared.plan.gates if gate.gate == "policies"]
    assert told
    assert len(told) == len(set(told))


def test_a_stale_plan_names_the_values_that_differ(tmp_path):
    write_project(tmp_path)
    bring_up(workspace_of(tmp_path), "dev")
    edit(tmp_path, "labels: {team: data}", "labels: {team: data, tier: gold}")
    path = tmp_path / "dev.plan"
    path.write_text(json.dumps(dump_plan(plan(workspace_of(tmp_path), "dev").plan)))
    edit(tmp_path, "tier: gold", "tier: iron")
    with pytest.raises(RefusedError, match="stale") as caught:
        load_saved(workspace_of(tmp_path), path, PlanOptions())
    assert "Environment environment: update as the plan said, with other values of labels.tier." in caught.value.detail


def test_a_failed_resource_is_named_and_the_same_command_goes_on(tmp_path):
    workspace = workspace_of(write_project(tmp_path))
    workspace.cloud.emulator().faults.add(
        {
            "kind": "fail",
            "method": "composer.projects.locations.environments.create",
            "status": "PERMISSION_DENIED",
            "message": "no composer for you",
        }
    )
    applied = run(plan(workspace, "dev"))
    assert applied.outcome is Outcome.FAILED
    assert [(f.name, "no composer for you" in f.message) for f in applied.failures] == [("environment", True)]
    assert [c.name for c in applied.not_done] == ["environment"]
    bring_up(workspace, "dev")
    assert plan(workspace, "dev").plan.empty


def test_an_interrupted_wait_leaves_the_operation_running_and_is_taken_up_again(tmp_path):
    workspace = workspace_of(write_project(tmp_path))
    cancel = threading.Event()
    prepared = plan(workspace, "dev")
    from envctl.actions.apply import apply

    def stop_when_creating(event):
        if isinstance(event, OperationEvent) and "environment" in event.urn:
            cancel.set()

    applied = apply(prepared, stop_when_creating, cancel)
    assert applied.outcome is Outcome.DETACHED
    assert "environment" in applied.detached
    (last,) = workspace.journal("dev").runs()
    assert last.outcome is Outcome.DETACHED
    bring_up(workspace, "dev")
    creates = [r for r in workspace.cloud.emulator().requests if r["method"].endswith("environments.create")]
    assert len(creates) == 1
    assert plan(workspace, "dev").plan.empty


def save(prepared, path):
    path.write_text(json.dumps(dump_plan(prepared.plan)))
    return path


def test_a_saved_plan_is_applied_as_saved(tmp_path):
    workspace = workspace_of(write_project(tmp_path / "p"))
    file = save(plan(workspace, "dev"), tmp_path / "plan.json")
    prepared = load_saved(workspace_of(tmp_path / "p"), file, PlanOptions())
    assert run(prepared).outcome is Outcome.SUCCEEDED


def test_a_saved_plan_is_refused_when_the_file_changed(tmp_path):
    root = write_project(tmp_path / "p")
    file = save(plan(workspace_of(root), "dev"), tmp_path / "plan.json")
    edit(root, "team: data", "team: other")
    with pytest.raises(RefusedError, match="stale") as caught:
        load_saved(workspace_of(root), file, PlanOptions())
    assert "The file of dev" in caught.value.detail


def test_a_saved_plan_is_refused_when_the_state_changed(tmp_path):
    root = write_project(tmp_path / "p")
    workspace = workspace_of(root)
    file = save(plan(workspace, "dev"), tmp_path / "plan.json")
    bring_up(workspace, "dev")
    with pytest.raises(RefusedError) as caught:
        load_saved(workspace, file, PlanOptions())
    assert "The state was written since" in caught.value.detail


def test_a_saved_plan_is_refused_when_the_live_cloud_changed(tmp_path):
    root = write_project(tmp_path / "p")
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    edit(root, "team: data", "team: other")
    file = save(plan(workspace, "dev"), tmp_path / "plan.json")
    call(workspace, "DELETE", BUCKET)
    with pytest.raises(RefusedError) as caught:
        load_saved(workspace, file, PlanOptions())
    assert "bucket-staging" in caught.value.detail


def test_a_plan_of_another_project_is_refused(tmp_path):
    workspace = workspace_of(write_project(tmp_path / "p"))
    file = save(plan(workspace, "dev"), tmp_path / "plan.json")
    other = write_project(tmp_path / "q")
    (other / "envctl.yaml").write_text("name: other\n")
    with pytest.raises(RefusedError) as caught:
        load_saved(workspace_of(other), file, PlanOptions())
    assert caught.value.code == "plan-foreign"


def test_status_before_and_after(tmp_path):
    workspace = workspace_of(write_project(tmp_path))
    before = read_status(workspace, "dev")
    assert (before.live, before.resources, before.last_run) == ("absent", 0, None)
    bring_up(workspace, "dev")
    after = read_status(workspace, "dev")
    assert after.live == "RUNNING"
    assert after.resources == 19
    assert after.last_run is not None
    assert after.last_run.outcome is Outcome.SUCCEEDED
    assert after.outputs["airflowUri"].startswith("https://")


def test_a_cloud_that_drops_the_connection_is_an_outside_error(tmp_path):
    workspace = workspace_of(write_project(tmp_path))
    workspace.cloud.emulator().faults.add(
        {"kind": "drop", "method": "cloudresourcemanager.projects.get", "when": "before", "times": 20}
    )
    with pytest.raises(OutsideError, match="connection was dropped"):
        plan(workspace, "dev")


def test_a_destroy_of_what_was_never_applied_does_nothing(tmp_path):
    workspace = workspace_of(write_project(tmp_path))
    assert plan(workspace, "dev", mode=Mode.DESTROY).plan.empty


WITH_SETTINGS = (
    DEV
    + """\
packages: {inline: {holidays: "==0.58"}}
airflow:
  variables: {stage: dev}
  pools: {crm_api: {slots: 4, description: calls}}
"""
)


def airflow(workspace, *command):
    body = {"command": command[0], "subcommand": command[1], "parameters": list(command[2:])}
    started = call(workspace, "POST", f"{LIVE}:executeAirflowCommand", body)
    told = call(workspace, "POST", f"{LIVE}:pollAirflowCommand", {"executionId": started["executionId"]})
    return [line["content"] for line in told.get("output", [])]


def without_gates(workspace, name):
    """The clash check would ask a package index."""
    return plan(workspace, name, gates=False)


def test_packages_and_settings_follow_the_infrastructure(tmp_path):
    workspace = workspace_of(write_project(tmp_path, dev=WITH_SETTINGS))
    prepared = without_gates(workspace, "dev")
    assert [step.id for step in prepared.plan.steps] == ["packages", "airflow-settings"]
    applied = run(prepared)
    assert applied.steps_done == ("packages", "airflow-settings")
    assert call(workspace, "GET", LIVE)["config"]["softwareConfig"]["pypiPackages"] == {"holidays": "==0.58"}
    assert airflow(workspace, "variables", "get", "stage") == ["dev"]
    assert without_gates(workspace, "dev").plan.empty


def test_settings_that_the_file_no_longer_names_are_removed_and_others_stay(tmp_path):
    root = write_project(tmp_path, dev=WITH_SETTINGS)
    workspace = workspace_of(root)
    run(without_gates(workspace, "dev"))
    airflow(workspace, "variables", "set", "made_by_hand", "1")
    edit(root, "{stage: dev}", "{region: eu}")
    workspace = workspace_of(root)
    prepared = without_gates(workspace, "dev")
    assert {(p.path, p.action.value) for p in prepared.plan.steps[0].properties} == {
        ("variables.region", "add"),
        ("variables.stage", "remove"),
    }
    run(prepared)
    listed = "\n".join(airflow(workspace, "variables", "list"))
    assert "region" in listed
    assert "made_by_hand" in listed
    assert "stage" not in listed


def test_a_failed_package_build_leaves_the_infrastructure_and_says_how_to_go_on(tmp_path):
    root = write_project(tmp_path, dev=WITH_SETTINGS)
    workspace = workspace_of(root)
    workspace.cloud.emulator().faults.add(
        {
            "kind": "operation",
            "operation": "composer.environments.update",
            "status": "FAILED_PRECONDITION",
            "message": "pip could not resolve",
        }
    )
    applied = run(without_gates(workspace, "dev"))
    assert applied.outcome is Outcome.FAILED
    assert applied.error is not None
    assert "pip could not resolve" in applied.error.detail
    assert applied.not_done == ()
    assert applied.steps_not_done == ("packages", "airflow-settings")
    again = without_gates(workspace_of(root), "dev")
    assert again.plan.pending == ()
    assert run(again).outcome is Outcome.SUCCEEDED
    assert without_gates(workspace, "dev").plan.empty


def test_a_wait_for_packages_that_was_given_up_is_taken_up_again(tmp_path):
    root = write_project(tmp_path, dev=WITH_SETTINGS)
    workspace = workspace_of(root)
    cancel = threading.Event()
    from envctl.actions.apply import apply

    def stop(event):
        if isinstance(event, OperationEvent) and event.urn == "packages":
            cancel.set()

    applied = apply(without_gates(workspace, "dev"), stop, cancel)
    assert applied.outcome is Outcome.DETACHED
    assert run(without_gates(workspace_of(root), "dev")).outcome is Outcome.SUCCEEDED
    assert without_gates(workspace_of(root), "dev").plan.empty
