"""`state rename OLD NEW`: the stack follows its file, whole, whatever ends the process in the middle."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import DEV, bring_up, plan, run, set_in_airflow, tear_down, workspace_of, write_project
from pulumi_twins import collect_quietly, needs_cli, use_cli

from envctl.actions.clouds import CloudName
from envctl.actions.renaming import rename_stack, renamed_from
from envctl.actions.state import list_state
from envctl.actions.workspace import EngineName, Workspace, open_workspace
from envctl.cli import run as envctl
from envctl.engine.embedded.lock import stack_lock
from envctl.engine.embedded.store import now_utc
from envctl.engine.protocol import StackRef
from envctl.errors import RefusedError, UsageError
from envctl.plan.model import Action

SECRETIVE = DEV + (
    "# what tasks may see\nuserWorkloads: {secrets: {tokens: {data: {crm: {env: CRM_TOKEN}}}}}\n"
    "airflow: {variables: {a: b}}\n"
)
PARTS = ("file", "journal", "secrets", "state", "removed", "history", "records")
KEPT = {"kind": "kept", "resources": [{"type": "t", "name": "n", "id": "i"}]}


class KilledError(BaseException):
    """Ends a process."""


def killed_at(part: str) -> Callable[[str], None]:
    def reached(done: str) -> None:
        if done == part:
            raise KilledError

    return reached


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CRM_TOKEN", "hunter2-of-the-crm")
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    write_project(tmp_path, dev=SECRETIVE)
    bring_up(workspace_of(tmp_path), "dev")
    return tmp_path


def check_whole(root: Path, *, runs: int) -> None:
    """Everything of `dev` is `develop`'s, and nothing is left of it."""
    workspace = workspace_of(root)
    prepared = plan(workspace, "develop")
    assert {c.action for c in prepared.plan.pending} <= {Action.UPDATE}, [c.name for c in prepared.plan.pending]
    assert all("labels" in p.path or p.path == "description" for c in prepared.plan.pending for p in c.properties)
    assert prepared.plan.steps == ()
    assert workspace.orphans() == []
    assert [run.command for run in workspace.journal("develop").runs()][:runs] == ["up dev"]
    assert set_in_airflow(workspace, "develop") == {"variables": {"a": "b"}}
    names = [path.relative_to(root / ".envctl/sandbox") for path in (root / ".envctl/sandbox").rglob("*dev.*")]
    assert names == []
    assert (root / ".envctl/sandbox/stacks/develop.key").stat().st_mode & 0o777 == 0o600
    assert any((root / ".envctl/sandbox/history/develop").glob("*.state.json"))
    assert not (root / ".envctl/sandbox/history/dev").exists()


def test_a_file_and_its_stack_get_another_name(project: Path) -> None:
    before = list_state(workspace_of(project), "dev")
    done = rename_stack(workspace_of(project), "dev", "develop")
    assert (done.file, done.moved_file, done.wrote_name) == (project / "environments/develop.yaml", True, "dev")
    assert done.file.read_text() == "name: dev\n" + SECRETIVE, "with its comments"
    after = list_state(workspace_of(project), "develop")
    assert [(row.name, row.id) for row in after] == [(row.name, row.id) for row in before]
    check_whole(project, runs=1)
    tear_down(workspace_of(project), "develop")


def test_a_file_that_was_moved_by_hand_is_followed(project: Path) -> None:
    (project / "environments/dev.yaml").rename(project / "environments/develop.yaml")
    workspace = workspace_of(project)
    assert renamed_from(workspace, workspace.load("develop")) == ("dev",)
    refused = [gate for gate in plan(workspace, "develop").plan.gates if gate.gate == "ownership"]
    assert [gate.id for gate in refused] == ["ownership.renamed"]
    assert "envctl state rename dev develop --cloud sandbox" in refused[0].hints[0]
    with pytest.raises(RefusedError) as refused:
        workspace.load("dev")
    assert "envctl state rename dev develop --cloud sandbox" in refused.value.hints[0]

    done = rename_stack(workspace, "dev", "develop")
    assert (done.moved_file, done.wrote_name) == (False, "dev")
    check_whole(project, runs=1)


def followed(root: Path) -> Path:
    """A project whose names all follow from the file's, as `init` writes them."""
    base = DEV.replace("composer-dev", "'composer-${name}'")
    write_project(root, base="abstract: true\n" + base, dev="extends: base\n")
    bring_up(workspace_of(root), "dev")
    return root / "environments"


def test_a_file_whose_names_all_follow_its_own_is_no_second_environment(tmp_path: Path) -> None:
    files = followed(tmp_path)
    (files / "dev.yaml").rename(files / "develop.yaml")
    prepared = plan(workspace_of(tmp_path), "develop")
    refused = [gate for gate in prepared.plan.gates if gate.gate == "ownership"]
    assert [gate.id for gate in refused] == ["ownership.renamed"]
    assert "envctl state rename dev develop --cloud sandbox" in refused[0].hints[0]
    assert "envctl destroy dev --cloud sandbox" in refused[0].hints[1]
    with pytest.raises(RefusedError):
        run(prepared)
    rename_stack(workspace_of(tmp_path), "dev", "develop")
    assert not [c for c in plan(workspace_of(tmp_path), "develop").plan.pending if c.action is Action.CREATE]


def test_with_both_files_there_the_new_one_is_one_more(tmp_path: Path) -> None:
    files = followed(tmp_path)
    (files / "develop.yaml").write_text("extends: base\n")
    assert not [gate for gate in plan(workspace_of(tmp_path), "develop").plan.gates if gate.gate == "ownership"]


def test_a_stack_of_another_place_is_no_earlier_name(tmp_path: Path) -> None:
    files = followed(tmp_path)
    (files / "dev.yaml").unlink()
    (files / "develop.yaml").write_text("extends: base\nregion: europe-west4\n")
    workspace = workspace_of(tmp_path)
    assert renamed_from(workspace, workspace.load("develop")) == ()


@pytest.mark.parametrize("part", PARTS)
def test_a_kill_between_any_two_parts_loses_nothing(project: Path, part: str) -> None:
    with pytest.raises(KilledError):
        rename_stack(workspace_of(project), "dev", "develop", killed_at(part))
    for lock in (project / ".envctl/sandbox/locks").glob("*"):
        lock.unlink()
    rename_stack(workspace_of(project), "dev", "develop")
    check_whole(project, runs=1)


def test_what_a_destroy_left_is_still_known(project: Path) -> None:
    workspace_of(project).journal("dev").open("destroy dev", commit=None, changes={}).write(
        "kept", resources=KEPT["resources"]
    )
    rename_stack(workspace_of(project), "dev", "develop")
    assert [kept.id for kept in workspace_of(project).journal("develop").kept()] == ["i"]


def test_a_name_that_is_taken_is_refused(project: Path) -> None:
    other = DEV.replace("composer-dev", "composer-qa")
    write_project(project, qa=other)
    bring_up(workspace_of(project), "qa")
    with pytest.raises(RefusedError) as refused:
        rename_stack(workspace_of(project), "dev", "qa")
    assert refused.value.code == "rename-both"
    (project / "environments/qa.yaml").unlink()
    with pytest.raises(RefusedError) as refused:
        rename_stack(workspace_of(project), "dev", "qa")
    assert refused.value.code == "rename-taken"
    assert list_state(workspace_of(project), "dev"), "nothing was taken away"


def test_a_locked_stack_stays(project: Path) -> None:
    with (
        stack_lock(project / ".envctl/sandbox/locks/dev.json", "dev", now_utc),
        pytest.raises(RefusedError, match="locked"),
    ):
        rename_stack(workspace_of(project), "dev", "develop")
    rename_stack(workspace_of(project), "dev", "develop")
    check_whole(project, runs=1)


def test_a_file_without_a_stack_is_only_renamed(tmp_path: Path) -> None:
    write_project(tmp_path)
    done = rename_stack(workspace_of(tmp_path), "dev", "develop")
    assert done.rows == 0
    assert workspace_of(tmp_path).load("develop").spec.name == "dev"
    with pytest.raises(UsageError):
        rename_stack(workspace_of(tmp_path), "nope", "other")


def test_a_name_in_a_base_is_left_there_and_mentions_are_told(tmp_path: Path) -> None:
    write_project(
        tmp_path,
        base="abstract: true\nname: acme-${region}\n" + DEV,
        dev="extends: base\n",
        qa="extends: dev\nname: acme-qa\nserviceAccount: {name: composer-qa}\n",
    )
    done = rename_stack(workspace_of(tmp_path), "dev", "develop")
    assert done.wrote_name is None
    assert done.mentions == ("environments/qa.yaml: extends: dev",)


def test_a_file_in_braces_is_refused_with_the_line_to_write(tmp_path: Path) -> None:
    write_project(
        tmp_path,
        dev="{project: acme-data-dev, region: europe-west1, imageVersion: composer-3-airflow-2.10.5-build.10, "
        "serviceAccount: {name: composer-dev}}\n",
    )
    with pytest.raises(RefusedError) as refused:
        rename_stack(workspace_of(tmp_path), "dev", "develop")
    assert (refused.value.code, refused.value.hints) == (
        "rename-file",
        ("write `name: dev` into it, then try again",),
    )


def test_on_screen(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert envctl(["-C", str(project), "state", "rename", "dev", "develop", "--cloud", "sandbox", "--yes"]) == 0
    said = "".join(capsys.readouterr())
    assert "Wrote `name: dev` into it" in said
    assert "The stack develop holds what dev held" in said


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("CRM_TOKEN", "hunter2-of-the-crm")
    use_cli(monkeypatch, tmp_path / "home")
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    write_project(tmp_path / "project", dev=SECRETIVE)
    return open_workspace(tmp_path / "project", CloudName.SANDBOX, EngineName.PULUMI)


@needs_cli[0]
@needs_cli[1]
def test_a_stack_of_pulumi_is_renamed_alike_and_after_kills(pulumi: Workspace, tmp_path: Path) -> None:
    def again() -> Workspace:
        return open_workspace(pulumi.root, CloudName.SANDBOX, EngineName.PULUMI)

    bring_up(pulumi, "dev")
    before = [(row.name, row.id) for row in list_state(again(), "dev")]
    backend = pulumi.directory / "pulumi/backend/.pulumi"
    history = len(list((backend / "history/acme/dev").glob("*.history.json")))
    for part in ("file", "journal", "state", "history", "records"):
        saved = tmp_path / part
        shutil.copytree(pulumi.root, saved, symlinks=True)
        with pytest.raises(KilledError):
            rename_stack(again(), "dev", "develop", killed_at(part))
        rename_stack(again(), "dev", "develop")
        assert [(row.name, row.id) for row in list_state(again(), "develop")] == before
        assert len(list((backend / "history/acme/develop").glob("*.history.json"))) == history
        assert not (pulumi.directory / "pulumi/dev").exists()
        assert not (pulumi.directory / "pulumi/dev.key").exists()
        if part != "records":
            shutil.rmtree(pulumi.root)
            shutil.copytree(saved, pulumi.root, symlinks=True)
    prepared = plan(again(), "develop")
    assert {c.action for c in prepared.plan.pending} <= {Action.UPDATE}
    engine = again().engine("develop")
    assert "hunter2-of-the-crm" not in str(engine.export_state())

    # what the CLI leaves when it is killed after its copy, before it takes the old one away
    shutil.rmtree(pulumi.root)
    shutil.copytree(tmp_path / "file", pulumi.root, symlinks=True)
    rename_stack(again(), "dev", "develop")
    shutil.copy(tmp_path / "file/.envctl/sandbox/pulumi/backend/.pulumi/stacks/acme/dev.json", backend / "stacks/acme")
    shutil.copy(tmp_path / "file/.envctl/sandbox/pulumi/dev.key", pulumi.directory / "pulumi/dev.key")
    rename_stack(again(), "dev", "develop")
    assert [(row.name, row.id) for row in list_state(again(), "develop")] == before
    assert not (backend / "stacks/acme/dev.json").exists()
    collect_quietly()


def test_the_stack_row_is_called_after_the_stack(project: Path) -> None:
    rename_stack(workspace_of(project), "dev", "develop")
    rows = workspace_of(project).engine("develop").export_state()["deployment"]["resources"]
    assert StackRef("acme", "develop")
    assert rows[0]["urn"] == "urn:pulumi:develop::acme::pulumi:pulumi:Stack::acme-develop"
