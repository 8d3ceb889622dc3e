"""States travel between the engines, both ways, with their secrets; afterwards neither sees anything to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pulumi
import pytest
from pulumi_resources import Group, account, bucket, member, secret
from pulumi_twins import Side, Twins, collect_quietly, names, needs_cli, normal_state, use_cli

from envctl.engine.events import Op, StepEvent
from envctl.engine.protocol import RunOptions

pytestmark = [*needs_cli]


@pytest.fixture
def twins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins]:
    use_cli(monkeypatch, tmp_path / "home")
    yield Twins(tmp_path)
    collect_quietly()


def program(team: str = "data") -> None:
    group = Group("group")
    who = account("runner", parent=group)
    first = bucket("files", labels={"team": team}, parent=group, protect=True)
    bucket("copies", depends_on=[first], retain_on_delete=True)
    member("worker", who.member)
    secret("crm", pulumi.Output.secret("hunter2"))
    pulumi.export("token", pulumi.Output.secret("sesame"))


def preview(side: Side) -> list[tuple[str, str]]:
    side.events = []
    result = side.engine.preview(program, RunOptions(refresh=True), side.events.append)
    assert result.ok, side.errors
    moved = [e for e in side.events if isinstance(e, StepEvent) and e.op not in (Op.SAME, Op.REFRESH)]
    return names([e for e in moved if not e.type.startswith("pulumi:pulumi:Stack")])


def test_states_travel_both_ways_with_their_secrets(twins: Twins) -> None:
    """Each engine takes over the other's state; the clouds hold the same, so nothing is to be done."""
    twins.up(program)
    ours, theirs = (side.engine.export_state() for side in twins.sides)
    for document in (ours, theirs):
        assert "hunter2" not in str(document), "exports keep secrets encrypted"
    twins.embedded.engine.import_state(theirs)
    twins.real.engine.import_state(ours)
    assert preview(twins.embedded) == []
    assert preview(twins.real) == []
    assert normal_state(twins.embedded.engine.export_state()) == normal_state(theirs)
    assert normal_state(twins.real.engine.export_state()) == normal_state(ours)
    twins.up(lambda: program("ml"))
    assert names(twins.real.steps) == [("update", "files")]


def test_drift_is_seen_and_taken_over_alike(twins: Twins) -> None:
    twins.up(program)
    for side in twins.sides:
        transport = (
            side.engine._provider.transport if side is twins.embedded else side.engine.settings.provider.transport
        )  # type: ignore[attr-defined]
        patched = transport.call("PATCH", "storage/storage/v1", "b/acme-files", None, {"labels": {"team": "nobody"}})
        assert patched.status == 200
        assert transport.call("DELETE", "storage/storage/v1", "b/acme-copies").status < 300
    twins.refresh()
    assert {d.name for d in twins.real.folded().drift} == {"files", "copies"}
    twins.up(program)
    assert sorted(names(twins.real.steps)) == [("create", "copies"), ("update", "files")]
