"""Members on the real CLI: the mark of those that were there before, and what is decided when they would be deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from projects import DEV, bring_up, call, plan, run, write_project
from pulumi_resources import member
from pulumi_twins import Twins, collect_quietly, needs_cli, use_cli

from envctl.actions.clouds import CloudName
from envctl.actions.workspace import EngineName, Workspace, open_workspace
from envctl.engine.protocol import RunOptions
from envctl.engine.urns import name_of
from envctl.plan.model import Action, KeepReason, Kept, Mode

pytestmark = [*needs_cli]

ANALYSTS = "group:analysts@acme.example"
ROW = "project/composer.user/group-analysts@acme.example"
SHARED = "kind: foundation\nproject: acme-data-dev\nregion: europe-west1\n"
USERS = f"access: {{users: ['{ANALYSTS}']}}\n"
IMPORT_ID = f"acme-data-dev roles/composer.user {ANALYSTS}"


@pytest.fixture(autouse=True)
def _cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    use_cli(monkeypatch, tmp_path / "home")
    yield
    collect_quietly()


def workspace_of(root: Path) -> Workspace:
    return open_workspace(root, CloudName.SANDBOX, EngineName.PULUMI)


def members(workspace: Workspace) -> set[str]:
    policy = call(workspace, "POST", "crm/v1/projects/acme-data-dev:getIamPolicy", {})
    return {m for b in policy.get("bindings", ()) if b["role"] == "roles/composer.user" for m in b["members"]}


def row_of(workspace: Workspace, stack: str) -> dict[str, Any]:
    rows = workspace.engine(stack).export_state()["deployment"]["resources"]
    return next(row for row in rows if name_of(row["urn"]) == ROW)


def mark(workspace: Workspace, stack: str, **fields: Any) -> None:
    engine = workspace.engine(stack)
    document = engine.export_state()
    for row in document["deployment"]["resources"]:
        if name_of(row["urn"]) == ROW:
            row.update(fields)
    engine.import_state(document)


def test_both_engines_drop_the_mark_of_an_import_that_is_no_longer_declared(tmp_path: Path) -> None:
    """Why a program goes on declaring it."""
    twins = Twins(tmp_path)
    for side in twins.sides:
        assert side.engine.up(lambda: member("m", ANALYSTS) and None, RunOptions(refresh=False), lambda _: None).ok
        document = json.loads(json.dumps(side.engine.export_state()))
        for row in document["deployment"]["resources"]:
            if name_of(row["urn"]) == "m":
                row["importID"] = id_ = f"acme-data-dev roles/composer.worker {ANALYSTS}"
        side.engine.import_state(document)

        def marks(engine: Any = side.engine) -> list[str]:
            rows = engine.export_state()["deployment"]["resources"]
            return [row.get("importID", "") for row in rows if name_of(row["urn"]) == "m"]

        for refresh in (False, True):
            declared = lambda: member("m", ANALYSTS, import_=id_) and None  # noqa: E731, B023
            assert side.engine.up(declared, RunOptions(refresh=refresh), lambda _: None).ok
            assert marks() == [id_], side
        assert side.engine.refresh(declared, RunOptions(), lambda _: None, preview=False).ok
        assert marks() == [id_], side
        assert side.engine.up(lambda: member("m", ANALYSTS) and None, RunOptions(refresh=False), lambda _: None).ok
        assert marks() == [""], side


def test_a_membership_that_was_there_before_stays_marked_and_stays(tmp_path: Path) -> None:
    root = write_project(tmp_path / "project", shared=SHARED + USERS)
    workspace = workspace_of(root)
    bring_up(workspace, "shared")
    mark(workspace, "shared", importID=IMPORT_ID)
    assert plan(workspace, "shared").plan.empty
    path = root / "environments" / "shared.yaml"
    path.write_text(path.read_text() + "buckets: {lake: {location: EU}}\n")
    workspace = workspace_of(root)
    bring_up(workspace, "shared")
    assert row_of(workspace, "shared")["importID"] == IMPORT_ID
    path.write_text(SHARED + "buckets: {lake: {location: EU}}\n")
    workspace = workspace_of(root)
    going = plan(workspace, "shared")
    change = next(c for c in going.plan.changes if c.name == ROW)
    assert change.action is Action.FORGET
    assert change.kept is not None
    assert change.kept.reason is KeepReason.FOUND
    assert run(going).outcome.value == "succeeded"
    assert ANALYSTS in members(workspace)


def test_a_state_that_says_keep_is_asked_anew(tmp_path: Path) -> None:
    root = write_project(tmp_path / "project", shared=SHARED + USERS)
    workspace = workspace_of(root)
    bring_up(workspace, "shared")
    mark(workspace, "shared", retainOnDelete=True)
    ending = plan(workspace, "shared", mode=Mode.DESTROY)
    assert next(c for c in ending.plan.changes if c.name == ROW).action is Action.DELETE
    assert run(ending).outcome.value == "succeeded"
    assert ANALYSTS not in members(workspace)


def test_a_membership_that_another_stack_of_the_backend_holds_stays(tmp_path: Path) -> None:
    root = write_project(tmp_path / "project", shared=SHARED + USERS, other=SHARED + USERS)
    workspace = workspace_of(root)
    bring_up(workspace, "shared")
    bring_up(workspace, "other")
    (root / "environments" / "other.yaml").unlink()
    workspace = workspace_of(root)
    ending = plan(workspace, "shared", mode=Mode.DESTROY)
    change = next(c for c in ending.plan.changes if c.name == ROW)
    assert (change.action, change.kept) == (Action.FORGET, Kept(KeepReason.HELD, "other"))
    assert run(ending).outcome.value == "succeeded"
    assert ANALYSTS in members(workspace)


def test_the_cli_shows_the_neighbours_where_the_backend_is_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder read directly and the CLI tell the same."""
    root = write_project(tmp_path / "project", shared=SHARED + USERS, other=SHARED)
    workspace = workspace_of(root)
    bring_up(workspace, "shared")
    bring_up(workspace, "other")
    engine: Any = workspace.engine("other")
    read = engine.neighbours()
    assert [name for name, rows in read.items() if rows] == ["shared"]
    asked = engine.ask_neighbours()
    assert {name.rsplit("/", 1)[-1]: rows for name, rows in asked.items()} == read


def test_a_replaced_membership_is_not_declared_as_imported(tmp_path: Path) -> None:
    root = write_project(
        tmp_path / "project", dev=DEV + f"  dags: {{location: EU, access: {{objectViewer: ['{ANALYSTS}']}}}}\n"
    )
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    engine = workspace.engine("dev")
    document = engine.export_state()
    for row in document["deployment"]["resources"]:
        if row["type"].endswith("BucketIAMMember"):
            row["importID"] = f"b/acme-data-dev-dev-dags roles/storage.objectViewer {ANALYSTS}"
    engine.import_state(document)
    path = root / "environments" / "dev.yaml"
    path.write_text(path.read_text().replace("dags: {location: EU", "dags: {location: US"))
    workspace = workspace_of(root)
    moving = plan(workspace, "dev")
    replaced = {c.name for c in moving.plan.changes if c.action.replaces}
    assert replaced == {"bucket-dags", f"buckets.dags/storage.objectViewer/{ANALYSTS.replace(':', '-')}"}
    assert run(moving).outcome.value == "succeeded"
