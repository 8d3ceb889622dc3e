"""envctl is killed while the Pulumi CLI creates something for it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pulumi_twins import needs_cli, provider_of, use_cli

sys.path.insert(0, str(Path(__file__).parent))

from cut_off import engine_in, program

from envctl.engine.events import EngineEvent, MessageEvent, Op, Phase, StepEvent
from envctl.engine.protocol import RunOptions
from envctl.engine.pulumi_cli.engine import PulumiEngine
from envctl.engine.urns import name_of
from envctl.errors import RefusedError
from envctl.sandbox.cloud import Cloud

pytestmark = [
    *needs_cli,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child together with its parent"),
]


def die(directory: Path, when: str) -> tuple[Cloud, PulumiEngine]:
    """The cloud and the engine after a process was killed; the CLI that it had started is gone, too."""
    script = str(Path(__file__).with_name("cut_off.py"))
    done = subprocess.run([sys.executable, script, str(directory), when], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    cloud = Cloud.load(directory / "sandbox.json")
    engine = engine_in(directory, provider_of(cloud))
    locks = engine.locks()
    assert locks is not None
    assert len(locks) == 1, "the killed run leaves its lock"
    try:
        watched = os.pidfd_open(locks[0].pid)
    except ProcessLookupError:
        return cloud, engine
    ended, _, _ = select.select([watched], [], [], 30)
    os.close(watched)
    assert ended, "the CLI outlives envctl"
    return cloud, engine


def run(engine: PulumiEngine) -> tuple[bool, list[EngineEvent]]:
    events: list[EngineEvent] = []
    return engine.up(program, RunOptions(refresh=False), events.append).ok, events


def created(cloud: Cloud) -> list[str]:
    return [r["path"] for r in cloud.requests if r["verb"] == "POST" and r["path"].endswith("storage/v1/b")]


def told(events: list[EngineEvent]) -> str:
    return "\n".join(e.message for e in events if isinstance(e, MessageEvent) and e.severity == "warning")


def steps(events: list[EngineEvent]) -> list[tuple[str, str]]:
    return [
        (e.op.value, name_of(e.urn))
        for e in events
        if isinstance(e, StepEvent) and e.phase is Phase.PRE and e.op is not Op.SAME
    ]


@pytest.fixture(autouse=True)
def _cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_cli(monkeypatch, tmp_path / "home")


def test_what_was_created_is_adopted_and_not_created_again(tmp_path: Path) -> None:
    cloud, engine = die(tmp_path, "after")
    assert [(kind, name_of(urn)) for kind, urn in engine.pending()] == [("creating", "files")]
    ok, events = run(engine)
    assert ok, events
    assert "that process is gone" in told(events)
    assert "adopted as acme-files" in told(events)
    assert created(cloud) == []
    assert steps(events) == []
    assert engine.pending() == []
    rows = {name_of(r["urn"]): r for r in engine.export_state()["deployment"]["resources"]}
    assert rows["files"]["id"] == "acme-files"
    assert rows["files"]["outputs"]["url"] == "gs://acme-files"


def test_what_was_not_created_is_forgotten_and_created_once(tmp_path: Path) -> None:
    cloud, engine = die(tmp_path, "before")
    assert [kind for kind, _ in engine.pending()] == ["creating"]
    with cloud.exclusive():
        cloud.faults.add(
            {"kind": "fail", "method": "storage.buckets.get", "status": "PERMISSION_DENIED", "message": "no"}
        )
    with pytest.raises(RefusedError) as caught:  # unsure: nothing is done
        run(engine)
    assert caught.value.code == "state-pending"
    assert "no" in caught.value.detail
    assert created(cloud) == []
    ok, events = run(engine)
    assert ok, events
    assert "did not take place" in told(events)
    assert steps(events) == [("create", "files")]
    assert len(created(cloud)) == 1
