"""The same import on the real Pulumi CLI."""

from __future__ import annotations

import pytest
from projects import plan
from pulumi_twins import needs_cli, use_cli
from raw_worlds import HOME, PROJECT, REGION, WORLDS, api

from envctl.actions.adopt import adopt
from envctl.actions.adopt_looking import Wanted
from envctl.actions.clouds import CloudName
from envctl.actions.workspace import EngineName, open_workspace

pytestmark = needs_cli

LIVE = f"composer/v1/{HOME}/environments/old"


@pytest.mark.parametrize("world", ["full-3", "full-2"])
def test_an_import_through_the_cli_ends_in_an_empty_preview(tmp_path, monkeypatch, world):
    use_cli(monkeypatch, tmp_path / "home")
    root = tmp_path / "project"
    (root / "environments").mkdir(parents=True)
    (root / "envctl.yaml").write_text("name: acme\n")
    workspace = open_workspace(root, CloudName.SANDBOX, EngineName.PULUMI)
    WORLDS[world](workspace)
    before = api(workspace, "GET", LIVE)
    done = adopt(workspace, Wanted("old", PROJECT, REGION, "old"))
    assert done.done
    assert done.pending == ()
    assert api(workspace, "GET", LIVE) == before
    prepared = plan(open_workspace(root, CloudName.SANDBOX, EngineName.PULUMI), "old", gates=False)
    assert prepared.plan.empty
    assert prepared.plan.drift == ()
