"""The ejected program on the real Pulumi CLI, with the exported state in a stack of its own."""

from __future__ import annotations

import json

import pytest
from projects import bring_up, workspace_of, write_project
from pulumi_twins import needs_cli, use_cli
from test_eject import FOUNDATION, RICH, program_of

from envctl.actions.eject import eject
from envctl.engine.events import Op, Phase, StepEvent
from envctl.engine.protocol import RunOptions, StackRef
from envctl.engine.pulumi_cli.engine import PulumiEngine, PulumiSettings

pytestmark = needs_cli


@pytest.mark.parametrize("text", [RICH.partition("userWorkloads")[0], FOUNDATION], ids=["environment", "foundation"])
def test_the_cli_finds_nothing_to_do(tmp_path, monkeypatch, text):
    use_cli(monkeypatch, tmp_path / "home")
    workspace = workspace_of(write_project(tmp_path / "p", dev=text))
    bring_up(workspace, "dev")
    out = tmp_path / "out"
    eject(workspace, "dev", out)
    engine = PulumiEngine(
        StackRef("acme", "dev"),
        PulumiSettings(tmp_path / "work", f"file://{tmp_path / 'backend'}", provider=workspace.provider("dev")),
    )
    engine.import_state(json.loads((out / "state.json").read_text()))
    events = []
    result = engine.preview(program_of((out / "__main__.py").read_text()), RunOptions(), events.append)
    assert result.ok, events
    steps = [e for e in events if isinstance(e, StepEvent) and e.phase is Phase.PRE and e.op is not Op.REFRESH]
    assert [(s.op, s.urn) for s in steps if s.op is not Op.SAME] == []
    assert len(steps) > 8
