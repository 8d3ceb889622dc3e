"""A state of which nothing can be read is never taken for none: what runs would be made twice."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from projects import bring_up, plan, workspace_of, write_project
from pulumi_twins import collect_quietly, needs_cli, use_cli

from envctl.actions.adopt import Wanted, adopt
from envctl.actions.clouds import CloudName
from envctl.actions.state import import_state, list_state
from envctl.actions.workspace import EngineName, Workspace, open_workspace
from envctl.cli import run as envctl
from envctl.errors import RefusedError

BROKEN = [b"", b'{"version": 3, "dep', b"\0" * 512]
DEV = Wanted("dev", "acme-data-dev", "europe-west1", "dev")


def state_of(root: Path) -> Path:
    return root / ".envctl/sandbox/stacks/dev.json"


@pytest.mark.parametrize("content", BROKEN)
def test_every_verb_refuses_it_and_names_ways_out(tmp_path: Path, content: bytes) -> None:
    bring_up(workspace_of(write_project(tmp_path)), "dev")
    state_of(tmp_path).write_bytes(content)
    for act in (
        lambda: plan(workspace_of(tmp_path), "dev"),
        lambda: list_state(workspace_of(tmp_path), "dev"),
        lambda: workspace_of(tmp_path).engine("dev").serial(),
    ):
        with pytest.raises(RefusedError) as refused:
            act()
        assert refused.value.code == "state-unreadable"
        assert refused.value.exit_code == 5
        assert any("envctl import dev" in hint for hint in refused.value.hints)
    assert state_of(tmp_path).read_bytes() == content, "it is left as it is"


def test_the_last_whole_state_is_named_and_brings_it_back(tmp_path: Path) -> None:
    bring_up(workspace_of(write_project(tmp_path)), "dev")
    held = len(list_state(workspace_of(tmp_path), "dev"))
    state_of(tmp_path).unlink()  # its copy in the history is a second link to it
    state_of(tmp_path).touch()
    with pytest.raises(RefusedError) as refused:
        plan(workspace_of(tmp_path), "dev")
    named = re.search(r"envctl state import dev (\S+)$", refused.value.hints[0])
    assert named is not None

    assert import_state(workspace_of(tmp_path), "dev", Path(named[1])) > held
    assert len(list_state(workspace_of(tmp_path), "dev")) == held
    assert plan(workspace_of(tmp_path), "dev").plan.empty
    assert list(state_of(tmp_path).parent.glob("dev.json.aside-*"))


def test_a_kept_state_that_is_broken_too_is_not_named(tmp_path: Path) -> None:
    bring_up(workspace_of(write_project(tmp_path)), "dev")
    for path in (tmp_path / ".envctl/sandbox/history/dev").glob("*.state.json"):
        path.write_bytes(b"")
    assert state_of(tmp_path).read_bytes() == b"", "the same file"
    with pytest.raises(RefusedError) as refused:
        plan(workspace_of(tmp_path), "dev")
    assert not any("history" in hint for hint in refused.value.hints)


def test_an_import_sets_it_aside_and_goes_on(tmp_path: Path) -> None:
    bring_up(workspace_of(write_project(tmp_path)), "dev")
    state_of(tmp_path).write_bytes(b"")
    with pytest.raises(RefusedError) as refused:
        adopt(workspace_of(tmp_path), DEV, dry_run=True)
    assert refused.value.code == "state-unreadable", "a dry run moves nothing"
    assert adopt(workspace_of(tmp_path), DEV).done
    assert list_state(workspace_of(tmp_path), "dev")
    (aside,) = state_of(tmp_path).parent.glob("dev.json.aside-*")
    assert aside.read_bytes() == b""


def test_on_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bring_up(workspace_of(write_project(tmp_path)), "dev")
    state_of(tmp_path).write_bytes(b"")
    shutil.rmtree(tmp_path / ".envctl/sandbox/history")
    assert envctl(["-C", str(tmp_path), "preview", "dev", "--cloud", "sandbox"]) == 5
    said = capsys.readouterr().err
    assert "error[state-unreadable]: The state cannot be read" in said
    assert "envctl state import dev FILE" in said


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    use_cli(monkeypatch, tmp_path / "home")
    write_project(tmp_path / "project")
    return open_workspace(tmp_path / "project", CloudName.SANDBOX, EngineName.PULUMI)


@needs_cli[0]
@needs_cli[1]
def test_a_state_of_pulumi_is_refused_alike(pulumi: Workspace) -> None:
    bring_up(pulumi, "dev")
    folder = pulumi.directory / "pulumi/backend/.pulumi/stacks/acme"
    held = len(list_state(pulumi, "dev"))
    backup = json.loads((folder / "dev.json").read_bytes())
    (folder / "dev.json.bak").write_text(json.dumps(backup))
    (folder / "dev.json").write_bytes(b"")
    again = open_workspace(pulumi.root, CloudName.SANDBOX, EngineName.PULUMI)
    with pytest.raises(RefusedError) as refused:
        plan(again, "dev")
    assert (refused.value.code, refused.value.exit_code) == ("state-unreadable", 5)
    assert f"envctl state import dev {folder / 'dev.json.bak'}" in refused.value.hints[0]

    import_state(again, "dev", folder / "dev.json.bak")
    assert len(list_state(again, "dev")) == held
    assert [path.stat().st_size for path in folder.glob("dev.json.aside-*[0-9]")] == [0]
    collect_quietly()


def test_the_words_of_the_cli_are_understood() -> None:
    from envctl.engine.pulumi_cli.failures import translate_text

    said = "error: failed to load checkpoint: place 1: unexpected end of JSON input"
    assert translate_text(said).code == "state-unreadable"


def test_a_damaged_line_of_the_journal_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = workspace_of(write_project(tmp_path))
    bring_up(workspace, "dev")
    path = Path(workspace.journal("dev").where)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], "garbage\n", *lines[1:]]))
    told = f"{path}:2 is no entry of a journal"
    assert any(told in text for text in plan(workspace_of(tmp_path), "dev").plan.warnings)
    assert envctl(["-C", str(tmp_path), "history", "dev", "--cloud", "sandbox"]) == 0
    shown = capsys.readouterr()
    assert f"warning: {told}" in shown.err
    assert "up dev" in shown.out
