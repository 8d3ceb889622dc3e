"""`state migrate --to gs://BUCKET`: everything of a project in a backend that a team shares, by the real CLI."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from projects import DEV, bring_up, plan, set_in_airflow, tear_down, workspace_of, write_project
from pulumi_twins import collect_quietly, needs_cli, use_cli

from envctl.actions.clouds import CloudName
from envctl.actions.migration import migrate_state
from envctl.actions.state import list_state
from envctl.actions.workspace import EngineName, Workspace, open_workspace
from envctl.errors import EnvctlError, RefusedError, UsageError
from envctl.provider.folders import open_folder
from envctl.report.state_report import render_migrated
from envctl.sandbox.cloud import Cloud
from envctl.sandbox.messages import Request
from envctl.sandbox.server import RunningServer, serve

ADDRESS = "gs://acme-state/team"
FILE = DEV + "userWorkloads: {secrets: {tokens: {data: {crm: {env: CRM_TOKEN}}}}}\nairflow: {variables: {a: b}}\n"
SETTINGS = "# our project\nname: acme  # in Pulumi, too\n"
TOKEN = "hunter2-of-the-crm"
with_cli = [*needs_cli]


class KilledError(BaseException):
    """Ends a process."""


def killed_at(part: str) -> Callable[[str], None]:
    def reached(done: str) -> None:
        if done == part:
            raise KilledError

    return reached


@pytest.fixture(scope="module")
def states() -> Iterator[RunningServer]:
    """Where the bucket lives; the environments have an emulator of their own."""
    server = serve(Cloud())
    yield server
    server.stop()


@pytest.fixture
def root(tmp_path: Path, states: RunningServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project whose environment is up, with its states on this machine."""
    states.cloud.handle(Request.to("POST", "http://localhost/_control/reset"))
    made = "http://localhost/storage/storage/v1/b?project=acme-data-dev"
    states.cloud.handle(Request.to("POST", made, body={"name": "acme-state"}))
    use_cli(monkeypatch, tmp_path / "home")
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    monkeypatch.setenv("CRM_TOKEN", TOKEN)
    monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "for the emulator")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", states.address("storage").removeprefix("http://"))
    folder = open_folder(ADDRESS)
    assert folder is not None
    for name in folder.names():
        folder.remove(name)
    write_project(tmp_path / "project", dev=FILE)
    (tmp_path / "project/envctl.yaml").write_text(SETTINGS)
    bring_up(opened(tmp_path / "project"), "dev")
    yield tmp_path / "project"
    collect_quietly()


def opened(root: Path) -> Workspace:
    return open_workspace(root, CloudName.SANDBOX, EngineName.PULUMI)


def rows(workspace: Workspace) -> list[tuple[str, str]]:
    return [(row.urn, row.id) for row in list_state(workspace, "dev")]


def check_carried(root: Path, before: list[tuple[str, str]]) -> None:
    workspace = opened(root)
    assert workspace.backend == ADDRESS
    assert (root / "envctl.yaml").read_text() == f"# our project\nbackend: {ADDRESS}\nname: acme  # in Pulumi, too\n"
    assert rows(workspace) == before
    assert [run.command for run in workspace.journal("dev").runs()] == ["up dev"]
    assert workspace.journal("dev").where.startswith(ADDRESS)
    assert set_in_airflow(workspace, "dev") == {"variables": {"a": "b"}}
    folder = open_folder(ADDRESS)
    assert folder is not None
    assert len([name for name in folder.names(".pulumi/history/acme/dev/") if "history.json" in name]) == 1
    assert TOKEN.encode() not in b"".join(folder.read(name) or b"" for name in folder.names())
    prepared = plan(workspace, "dev")
    assert prepared.plan.empty, [(c.action, c.name) for c in prepared.plan.pending]


@with_cli[0]
@with_cli[1]
def test_a_project_is_carried_and_goes_on_from_there(root: Path) -> None:
    before = rows(opened(root))
    done = migrate_state(opened(root), ADDRESS)
    assert done.stacks.keys() == {"dev"}
    check_carried(root, before)

    said = render_migrated(done)
    assert f"The states are in {ADDRESS}; envctl.yaml says so." in said
    assert f"dev: the text in {root / '.envctl/sandbox/pulumi/dev.key'}" in said
    assert "gcpkms" in said

    assert migrate_state(opened(root), ADDRESS).target == ADDRESS, "again: nothing to do"
    check_carried(root, before)

    path = root / "environments/dev.yaml"
    path.write_text(path.read_text().replace("team: data", "team: ml"))
    bring_up(opened(root), "dev")
    assert len(opened(root).journal("dev").runs()) == 2
    tear_down(opened(root), "dev")


@with_cli[0]
@with_cli[1]
def test_the_old_place_is_refused_with_the_new_address(root: Path) -> None:
    migrate_state(opened(root), ADDRESS)
    (root / "envctl.yaml").write_text(SETTINGS)
    for act in (lambda: plan(opened(root), "dev"), lambda: list_state(opened(root), "dev")):
        with pytest.raises(RefusedError) as refused:
            act()
        assert (refused.value.code, refused.value.exit_code) == ("state-moved", 5)
        assert f"backend: {ADDRESS}" in refused.value.hints[0]
    with pytest.raises(RefusedError):
        migrate_state(opened(root), "gs://acme-state/other")
    migrate_state(opened(root), ADDRESS)
    assert opened(root).backend == ADDRESS


@with_cli[0]
@with_cli[1]
@pytest.mark.slow
@pytest.mark.parametrize("part", ["state dev", "history dev", "journals", "note", "file"])
def test_a_kill_between_any_two_parts_loses_nothing(root: Path, part: str) -> None:
    before = rows(opened(root))
    with pytest.raises(KilledError):
        migrate_state(opened(root), ADDRESS, killed_at(part))
    migrate_state(opened(root), ADDRESS)
    check_carried(root, before)


@with_cli[0]
@with_cli[1]
def test_kills_in_one_run_after_the_other_lose_nothing(root: Path) -> None:
    before = rows(opened(root))
    for part in ("state dev", "journals", "note"):
        with pytest.raises(KilledError):
            migrate_state(opened(root), ADDRESS, killed_at(part))
    migrate_state(opened(root), ADDRESS)
    check_carried(root, before)


@with_cli[0]
@with_cli[1]
def test_another_machine_needs_the_passphrase_and_is_told(root: Path, tmp_path: Path) -> None:
    migrate_state(opened(root), ADDRESS)
    clone = tmp_path / "clone"
    shutil.copytree(root, clone, ignore=shutil.ignore_patterns(".envctl"))
    (clone / ".envctl/sandbox").mkdir(parents=True)
    for path in (root / ".envctl/sandbox").glob("sandbox.json*"):
        shutil.copy(path, clone / ".envctl/sandbox")
    with pytest.raises(EnvctlError) as refused:
        plan(opened(clone), "dev")
    assert refused.value.code == "state-passphrase-missing"
    (clone / ".envctl/sandbox/pulumi").mkdir(parents=True)
    shutil.copy(root / ".envctl/sandbox/pulumi/dev.key", clone / ".envctl/sandbox/pulumi")
    assert plan(opened(clone), "dev").plan.empty


@with_cli[0]
@with_cli[1]
def test_a_target_that_holds_another_stack_of_the_name_is_refused(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_project(other, dev=DEV.replace("composer-dev", "composer-qa").replace("region: ", "name: other\nregion: "))
    (other / "envctl.yaml").write_text(f"name: acme\nbackend: {ADDRESS}\n")
    bring_up(opened(other), "dev")
    there = rows(opened(other))
    with pytest.raises(RefusedError) as refused:
        migrate_state(opened(root), ADDRESS)
    assert refused.value.code == "migrate-taken"
    assert rows(opened(other)) == there
    assert (root / "envctl.yaml").read_text() == SETTINGS
    assert opened(root).backend.startswith("file://")


@with_cli[0]
@with_cli[1]
def test_a_locked_stack_stays_where_it_is(root: Path) -> None:
    locks = root / ".envctl/sandbox/pulumi/backend/.pulumi/locks/organization/acme/dev"
    locks.mkdir(parents=True, exist_ok=True)
    lock = {"pid": 1, "username": "ci", "hostname": "elsewhere", "timestamp": "2026-11-30T10:00:00Z"}
    (locks / "a.json").write_text(json.dumps(lock))
    with pytest.raises(RefusedError) as refused:
        migrate_state(opened(root), ADDRESS)
    assert refused.value.code == "stack-locked"
    folder = open_folder(ADDRESS)
    assert folder is not None
    assert folder.names(".pulumi/stacks/") == []


def test_the_sandbox_has_nothing_to_share(tmp_path: Path) -> None:
    write_project(tmp_path)
    with pytest.raises(RefusedError) as refused:
        migrate_state(workspace_of(tmp_path), ADDRESS)
    assert refused.value.code == "migrate-sandbox"
    assert "emulated cloud" in refused.value.detail


@pytest.mark.parametrize("address", ["s3://acme", "acme-state", "gs://", "gs://A", "file://relative"])
def test_other_addresses_are_refused(tmp_path: Path, address: str) -> None:
    write_project(tmp_path)
    with pytest.raises(UsageError):
        migrate_state(workspace_of(tmp_path), address)
