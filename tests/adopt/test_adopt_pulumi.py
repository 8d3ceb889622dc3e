"""The same import on the real Pulumi CLI."""

from __future__ import annotations

import pytest
from projects import plan
from pulumi_twins import needs_cli, use_cli
from raw_worlds import HOME, PROJECT, REGION, WORLDS, api

from envctl.actions.adopt import _harmless, adopt
from envctl.actions.adopt_looking import Wanted
from envctl.actions.clouds import CloudName
from envctl.actions.workspace import EngineName, open_workspace
from envctl.engine.events import Op, Phase, PropertyDiffKind, StepEvent

LIVE = f"composer/v1/{HOME}/environments/old"


@pytest.mark.parametrize(
    ("changed", "harmless"),
    [
        (["labels.team", 'pulumiLabels["managed-by"]'], True),
        (["labels.team", "effectiveLabels.team"], False),
        (["labels.team", "config.environmentSize"], False),
        ([], False),
    ],
)
def test_labels_that_are_only_declared_change_nothing_in_the_cloud(changed, harmless):
    detailed = dict.fromkeys(changed, PropertyDiffKind.ADD)
    step = StepEvent(Phase.PRE, Op.UPDATE, "urn", "gcp:composer/environment:Environment", None, None, (), (), detailed)
    assert _harmless(step) is harmless


@needs_cli[0]
@needs_cli[1]
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
