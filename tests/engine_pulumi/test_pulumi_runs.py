"""Runs on the real CLI that are stopped, or that would leave their plan."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from projects import plan, run, write_project
from pulumi_resources import ENVIRONMENT, Declared, account, bucket
from pulumi_twins import Side, Twins, collect_quietly, names, needs_cli, provider_of, use_cli

from envctl.actions.apply import load_saved
from envctl.actions.clouds import CloudName
from envctl.actions.planning import PlanOptions
from envctl.actions.workspace import EngineName, open_workspace
from envctl.commands.lifecycle import interruptible
from envctl.engine.protocol import RunOptions
from envctl.engine.urns import name_of
from envctl.errors import RefusedError
from envctl.operations.journal import Outcome
from envctl.plan.wire import dump_plan
from envctl.provider.translator import SandboxProvider
from envctl.sandbox.cloud import Cloud

pytestmark = [*needs_cli]


@pytest.fixture(autouse=True)
def _cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    use_cli(monkeypatch, tmp_path / "home")
    yield
    collect_quietly()


@dataclass
class Signalling:
    """Sends this process SIGTERM at the first wait for an operation, and goes on waiting until told to give up."""

    signalled: threading.Event = field(default_factory=threading.Event)

    def sleep(self, seconds: float, cancel: threading.Event) -> None:
        if not self.signalled.is_set():
            self.signalled.set()
            os.kill(os.getpid(), signal.SIGTERM)
            assert cancel.wait(60), "the CLI was never told"


def environment() -> None:
    who = account("runner")
    config = {
        "softwareConfig": {"imageVersion": "composer-3-airflow-2.10.5-build.10"},
        "nodeConfig": {"serviceAccount": who.email},
    }
    made = Declared(ENVIRONMENT, "dev", {"name": "dev", "region": "europe-west1", "config": config})
    bucket("later", depends_on=[made])


def test_sigterm_stops_in_order_and_the_next_run_goes_on(tmp_path: Path) -> None:
    sleeper = Signalling()

    def patient(cloud: Cloud) -> SandboxProvider:
        plain = provider_of(cloud)
        return SandboxProvider(plain.transport, plain.settings, sleeper)

    sleeper.signalled.set()  # the emulator is made ready first
    side = Twins(tmp_path, patient).real
    sleeper.signalled.clear()
    with interruptible() as cancel:
        result = side.engine.up(environment, RunOptions(refresh=False, cancel=cancel), side.events.append)
    assert cancel.is_set()
    assert not result.ok
    assert result.interrupted
    assert [name_of(urn) for urn in result.detached] == ["dev"]
    assert "operations/" in next(iter(result.detached.values()))
    assert ("create", "later") not in names(side.steps)
    creations = [r for r in side.cloud.requests if r["verb"] == "POST" and r["path"].endswith("/environments")]
    assert len(creations) == 1

    side.events.clear()
    again = side.engine.up(environment, RunOptions(refresh=False), side.events.append)
    assert again.ok, side.errors
    assert ("create", "later") in names(side.steps)
    creations = [r for r in side.cloud.requests if r["verb"] == "POST" and r["path"].endswith("/environments")]
    assert len(creations) == 1, "the creation is not sent twice"


def test_a_cloud_that_changed_after_the_preview_stops_the_apply(tmp_path: Path) -> None:
    side = Twins(tmp_path).real
    engine: Any = side.engine

    def program(team: str) -> None:
        bucket("files", labels={"team": team})
        bucket("copies")

    assert engine.up(lambda: program("data"), RunOptions(refresh=False), side.events.append).ok
    assert engine.preview(lambda: program("ml"), RunOptions(), side.events.append).ok
    transport = engine.settings.provider.transport
    transport.call("DELETE", "storage/storage/v1", "b/acme-copies")
    side.cloud.forget_requests()
    with pytest.raises(RefusedError) as caught:
        engine.up(lambda: program("ml"), RunOptions(expected=()), side.events.append)
    assert caught.value.code == "plan-violated"
    assert "copies" in caught.value.detail
    assert not _writes(side, "acme-copies")


def test_what_a_failure_keeps_from_beginning_has_not_failed(tmp_path: Path) -> None:
    side = Twins(tmp_path).real

    def program() -> None:
        first = bucket("first")
        bucket("later", depends_on=[first])
        bucket("last", depends_on=[first])

    assert side.engine.preview(program, RunOptions(), side.events.append).ok
    side.cloud.faults.add({"kind": "fail", "method": "storage.buckets.insert", "code": 403, "message": "not yours"})
    side.events.clear()
    result = side.engine.up(program, RunOptions(expected=()), side.events.append)
    assert not result.ok
    assert [name_of(urn) for urn in result.failed] == ["first"]
    assert side.errors
    assert not [text for text in side.errors if "expected resource operations" in text]


def test_a_program_that_does_less_than_its_plan_is_told(tmp_path: Path) -> None:
    side = Twins(tmp_path).real

    def program(*names: str) -> None:
        for name in names:
            bucket(name)

    assert side.engine.preview(lambda: program("one", "two"), RunOptions(), side.events.append).ok
    with pytest.raises(RefusedError) as caught:
        side.engine.up(lambda: program("one"), RunOptions(expected=()), side.events.append)
    assert caught.value.code == "plan-violated"
    assert "two" in caught.value.detail


def _writes(side: Side, name: str) -> list[Any]:
    writes = [r for r in side.cloud.requests if r["verb"] != "GET"]
    return [r for r in writes if name in json.dumps(r)]


def test_saved_plans_on_the_pulumi_engine(tmp_path: Path) -> None:
    root = write_project(tmp_path / "project")
    workspace = open_workspace(root, CloudName.SANDBOX, EngineName.PULUMI)
    saved = tmp_path / "plan.json"
    options = PlanOptions(gates=False)
    saved.write_text(json.dumps(dump_plan(plan(workspace, "dev", gates=False).plan)))
    applied = run(load_saved(workspace, saved, options))
    assert applied.outcome is Outcome.SUCCEEDED, (applied.failures, applied.error)
    with pytest.raises(RefusedError) as caught:
        load_saved(workspace, saved, options)
    assert caught.value.code == "plan-stale"
    assert "state was written" in caught.value.detail
    assert plan(workspace, "dev", gates=False).plan.empty
