"""What is remembered of an environment holds for that one alone, and packages are what the live one has."""

from __future__ import annotations

import pytest
from projects import DEV, call, plan, run, tear_down, workspace_of, write_project

from envctl.errors import OutsideError
from envctl.operations.airflow import SeenSettings, SettingsRecord, apply_settings
from envctl.operations.composer_api import Waiter
from envctl.operations.journal import Outcome
from envctl.operations.records import LocalRecords

LIVE = "composer/v1/projects/acme-data-dev/locations/europe-west1/environments/dev"
SETTINGS = (
    DEV
    + 'packages: {inline: {holidays: "==0.58"}}\nairflow: {variables: {stage: dev}, pools: {crm: {slots: 4, description: calls}}}\n'
)


def edit(root, old, new):
    path = root / "environments" / "dev.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def planned(workspace, **options):
    """The clash check would ask a package index."""
    return plan(workspace, "dev", gates=False, **options)


def steps_of(prepared):
    return [step.id for step in prepared.plan.steps]


def airflow(workspace, *command):
    body = {"command": command[0], "subcommand": command[1], "parameters": list(command[2:])}
    started = call(workspace, "POST", f"{LIVE}:executeAirflowCommand", body)
    told = call(workspace, "POST", f"{LIVE}:pollAirflowCommand", {"executionId": started["executionId"]})
    return [line["content"] for line in told.get("output", [])]


def fail_build(workspace):
    order = {"kind": "operation", "operation": "composer.environments.update", "status": "FAILED_PRECONDITION"}
    workspace.cloud.emulator().faults.add({**order, "message": "pip could not resolve"})


@pytest.fixture
def applied(tmp_path):
    """A project whose environment has its packages, variables and pools."""
    root = write_project(tmp_path, dev=SETTINGS)
    assert run(planned(workspace_of(root))).outcome is Outcome.SUCCEEDED
    assert planned(workspace_of(root)).plan.empty
    return root


def has_its_settings(root):
    workspace = workspace_of(root)
    assert airflow(workspace, "variables", "get", "stage") == ["dev"]
    assert any("crm" in line for line in airflow(workspace, "pools", "list"))
    assert planned(workspace).plan.empty
    return True


def test_a_replaced_environment_gets_its_settings_although_the_build_failed_first(applied):
    edit(applied, "composer-dev", "composer-other")
    workspace = workspace_of(applied)
    fail_build(workspace)
    assert run(planned(workspace)).outcome is Outcome.FAILED
    again = planned(workspace_of(applied))
    assert steps_of(again) == ["packages", "airflow-settings"]
    assert run(again).outcome is Outcome.SUCCEEDED
    assert has_its_settings(applied)


def test_an_environment_made_again_after_a_destroy_gets_them_too(applied):
    assert tear_down(workspace_of(applied), "dev").outcome is Outcome.SUCCEEDED
    workspace = workspace_of(applied)
    fail_build(workspace)
    assert run(planned(workspace)).outcome is Outcome.FAILED
    assert run(planned(workspace_of(applied))).outcome is Outcome.SUCCEEDED
    assert has_its_settings(applied)


def test_an_environment_that_somebody_else_made_anew_gets_them_too(applied):
    """The same name, the same fields, another environment: no diff of the infrastructure shows it."""
    emulator = workspace_of(applied).cloud.emulator()
    name = LIVE.removeprefix("composer/v1/")
    with emulator.exclusive():
        store = emulator.backend.store
        store.put("composer.environments", name, {**store.get("composer.environments", name), "uuid": "another"})
        store.delete("composer.airflow", name)
    again = planned(workspace_of(applied))
    assert (again.plan.pending, steps_of(again)) == ((), ["airflow-settings"])
    assert run(again).outcome is Outcome.SUCCEEDED
    assert has_its_settings(applied)


def test_a_record_that_names_no_environment_is_not_believed(tmp_path):
    file = tmp_path / "airflow" / "dev.json"
    file.parent.mkdir()
    record = SettingsRecord(LocalRecords(tmp_path).settings("dev"))
    file.write_text('{"variables": {"stage": "dev"}}')  # as earlier versions wrote it
    assert record.read("") == {}
    assert record.read("uuid-1") == {}
    record.write("uuid-1", {"variables": {"stage": "dev"}})
    assert record.read("uuid-1") == {"variables": {"stage": "dev"}}
    assert record.read("uuid-2") == {}
    record.write("", {"variables": {"stage": "dev"}})
    assert record.read("") == {}


class Breaking:
    """A way to the cloud that loses its connection at the second command."""

    def __init__(self, transport):
        self.transport = transport
        self.commands = 0

    def call(self, method, service, path, query=None, body=None):
        self.commands += path.endswith(":executeAirflowCommand")
        if self.commands == 2:
            raise OutsideError("The connection was dropped", code="connection-dropped")
        return self.transport.call(method, service, path, query, body)


def test_what_was_set_before_a_failure_is_remembered(applied):
    workspace = workspace_of(applied)
    name = LIVE.removeprefix("composer/v1/")
    uuid = call(workspace, "GET", LIVE)["uuid"]
    record = workspace.settings_record("dev")
    before = record.read(uuid)
    desired = {"variables": {"region": "eu", "tier": "gold"}, "pools": before["pools"]}
    transport = Breaking(workspace.cloud.transport())
    waiter = Waiter(0.0, lambda *_: None)
    with pytest.raises(OutsideError):
        apply_settings(transport, name, desired, SeenSettings(uuid, before), record, waiter)
    assert record.read(uuid) == {"variables": {"stage": "dev", "region": "eu"}, "pools": before["pools"]}
    apply_settings(workspace.cloud.transport(), name, desired, SeenSettings(uuid, record.read(uuid)), record, waiter)
    assert record.read(uuid) == desired


def test_a_pool_that_somebody_removed_already_can_be_taken_out_of_the_file(applied):
    airflow(workspace_of(applied), "pools", "delete", "crm")
    edit(applied, ", pools: {crm: {slots: 4, description: calls}}", "")
    assert run(planned(workspace_of(applied))).outcome is Outcome.SUCCEEDED
    assert planned(workspace_of(applied)).plan.empty


def test_packages_that_were_just_installed_are_not_planned_again_without_a_refresh(tmp_path):
    root = write_project(tmp_path, dev=SETTINGS)
    assert run(planned(workspace_of(root), refresh=False)).outcome is Outcome.SUCCEEDED
    again = planned(workspace_of(root), refresh=False)
    assert steps_of(again) == []
    assert again.plan.empty
    edit(root, "0.58", "0.59")
    assert steps_of(planned(workspace_of(root), refresh=False)) == ["packages"]
    assert run(planned(workspace_of(root), refresh=False)).outcome is Outcome.SUCCEEDED
    assert planned(workspace_of(root), refresh=False).plan.empty
    assert planned(workspace_of(root)).plan.empty


def test_an_upgrade_of_the_image_is_not_planned_again_without_a_refresh(applied):
    edit(applied, "composer-3-airflow-2.10.5-build.10", "composer-3-airflow-2.10.5-build.15")
    changed = planned(workspace_of(applied), refresh=False)
    assert len(changed.plan.pending) == 1
    assert run(changed).outcome is Outcome.SUCCEEDED
    assert planned(workspace_of(applied), refresh=False).plan.empty
    assert planned(workspace_of(applied)).plan.empty


def test_packages_changed_outside_are_seen_without_a_refresh(applied):
    workspace = workspace_of(applied)
    call(
        workspace,
        "PATCH",
        f"{LIVE}?updateMask=config.softwareConfig.pypiPackages",
        {"config": {"softwareConfig": {"pypiPackages": {}}}},
    )
    for _ in range(50):
        if call(workspace, "GET", LIVE)["state"] == "RUNNING":
            break
    assert steps_of(planned(workspace, refresh=False)) == ["packages"]
