"""Small projects on disk, and a workspace on the emulator for them."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from envctl.actions.apply import Applied, apply
from envctl.actions.clouds import CloudName
from envctl.actions.live import read_environment
from envctl.actions.planning import PlanOptions, Prepared, prepare
from envctl.actions.workspace import Workspace, open_workspace
from envctl.engine.events import EngineEvent
from envctl.plan.model import Mode
from envctl.sandbox.messages import Request

DEV = """\
project: acme-data-dev
region: europe-west1
imageVersion: composer-3-airflow-2.10.5-build.10
profile: trial
serviceAccount: {name: composer-dev}
labels: {team: data}
buckets:
  staging: {location: EU}
"""


def write_project(root: Path, **environments: str) -> Path:
    """A project with one file per keyword; `dev` when none is given."""
    (root / "environments").mkdir(parents=True, exist_ok=True)
    (root / "envctl.yaml").write_text("name: acme\nid: k3v9x0q2m7aa\n")
    for name, text in (environments or {"dev": DEV}).items():
        (root / "environments" / f"{name.replace('_', '-')}.yaml").write_text(text)
    return root


def workspace_of(root: Path) -> Workspace:
    return open_workspace(root, CloudName.SANDBOX)


def plan(workspace: Workspace, name: str, **options: Any) -> Prepared:
    return prepare(workspace, name, PlanOptions(**options))


def run(prepared: Prepared, cancel: threading.Event | None = None, **options: Any) -> Applied:
    events: list[EngineEvent] = []
    return apply(prepared, events.append, cancel or threading.Event(), **options)


def bring_up(workspace: Workspace, name: str) -> Applied:
    applied = run(plan(workspace, name))
    assert applied.outcome.value == "succeeded", (applied.failures, applied.error)
    return applied


def tear_down(workspace: Workspace, name: str) -> Applied:
    return run(plan(workspace, name, mode=Mode.DESTROY))


def call(workspace: Workspace, method: str, path: str, body: Any = None) -> Any:
    """One request to the emulator behind envctl's back."""
    answer = workspace.cloud.emulator().handle(Request.to(method, f"http://localhost/{path}", body=body))
    assert answer.status < 400, answer.body
    return json.loads(answer.body) if answer.body else None


def set_in_airflow(workspace: Workspace, name: str) -> Any:
    """What the record says was set in the environment that is there now."""
    live = read_environment(workspace, workspace.load(name))
    assert live is not None
    return workspace.settings_record(name).read(live.uuid)
