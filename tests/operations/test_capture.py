"""`images capture`: the DAG in Airflow 2 and 3, and a capture on the emulator."""

from __future__ import annotations

import json
import sys
import threading
from datetime import date
from importlib import metadata
from types import ModuleType
from typing import ClassVar

import pytest
from projects import DEV, bring_up, plan, workspace_of, write_project
from projects import run as apply_plan

from envctl.actions.capture import capture_image, capture_subject
from envctl.actions.images import show_image
from envctl.cli import run
from envctl.errors import DetachedError, OutsideError, RefusedError, UsageError
from envctl.google.pauses import NoWait
from envctl.operations import capture
from envctl.resolution.catalogue import Catalogue
from envctl.resolution.image import Basis

IMAGE = "composer-3-airflow-2.10.5-build.19"
KNOWN = DEV.replace("composer-3-airflow-2.10.5-build.10", IMAGE)
TODAY = date(2026, 12, 1)


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("ENVCTL_CLOUD", "sandbox")


def up(tmp_path, text=KNOWN):
    workspace = workspace_of(write_project(tmp_path, dev=text))
    bring_up(workspace, "dev")
    return workspace


def objects(workspace, bucket) -> list[str]:
    found = workspace.cloud.call("GET", f"storage/storage/v1/b/{bucket}/o")
    return [one["name"] for one in found.get("items", [])]


def captured(workspace, said=None):
    return capture_image(
        workspace, capture_subject(workspace, "dev"), today=TODAY, say=(said if said is not None else []).append
    )


def test_an_environment_without_custom_packages_gives_the_whole_image(tmp_path):
    workspace = up(tmp_path)
    subject = capture_subject(workspace, "dev")
    before = objects(workspace, subject.bucket)
    said = []
    record = captured(workspace, said).record
    assert (record.name, record.complete, record.python) == (IMAGE, True, "3.11.8")
    assert record.python_stated
    choice = show_image(tmp_path, IMAGE)
    assert choice.basis is Basis.EXACT
    assert choice.image.record.source == "captured in the environment dev"
    shipped = Catalogue().choose(IMAGE).image
    assert {n: one.version for n, one in choice.image.packages.items()} == {
        n: one.version for n, one in shipped.packages.items()
    }
    assert objects(workspace, subject.bucket) == before
    assert [line.split()[0] for line in said] == ["Uploading", "Running", "Removing"]


def test_custom_packages_make_it_a_part_and_are_not_the_images(tmp_path):
    text = KNOWN + 'packages: {inline: {us: "==3.1.1", pandas: "==2.0.3"}}\n'
    workspace = workspace_of(write_project(tmp_path, dev=text))
    # The image refuses these pins; that is not the question here.
    workspace.cloud.control("POST", "seed", {"settings": {"checksPackages": False}})
    assert apply_plan(plan(workspace, "dev", gates=False)).outcome.value == "succeeded"
    assert capture_subject(workspace, "dev").live.packages
    record = captured(workspace).record
    assert not record.complete
    assert "custom packages (pandas, us)" in record.doubt
    from envctl.resolution.image_files import load_image

    image = load_image(tmp_path / ".envctl/images", IMAGE)
    assert {"us", "pandas"}.isdisjoint(image.packages)


def test_it_asks_first_and_changes_nothing_without_an_answer(tmp_path, capsys):
    workspace = up(tmp_path)
    bucket = capture_subject(workspace, "dev").bucket
    before = objects(workspace, bucket)
    assert run(["-C", str(tmp_path), "images", "capture", "dev"]) == 5
    assert "--yes" in capsys.readouterr().err
    assert objects(workspace, bucket) == before
    assert not (tmp_path / ".envctl/images").exists()
    assert run(["-C", str(tmp_path), "images", "capture", "dev", "--yes"]) == 0
    assert "Python 3.11.8 (as stated)" in capsys.readouterr().err
    assert (tmp_path / ".envctl/images").exists()


def test_an_environment_that_is_not_there_is_refused(tmp_path):
    workspace = workspace_of(
        write_project(tmp_path, dev=KNOWN, base="kind: foundation\nproject: acme-data-dev\nregion: europe-west1\n")
    )
    with pytest.raises(RefusedError, match="does not run"):
        capture_subject(workspace, "dev")
    with pytest.raises(UsageError, match="foundation"):
        capture_subject(workspace, "base")


class Slow:
    """A transport whose Airflow does not know the DAG for a while; or never."""

    def __init__(self, inner, refusals, text="Dag id {name} not found in DagModel"):
        self.inner, self.left, self.text = inner, refusals, text
        self.executions = {}

    def call(self, method, service, path, query=None, body=None):
        if path.endswith(":executeAirflowCommand") and body["subcommand"] == "trigger" and self.left:
            self.left -= 1
            self.executions["slow"] = self.text.format(name=body["parameters"][0])
            answer = self.inner.call(method, service, path, query, {"command": "version"})
            self.pending = answer.body["executionId"]
            return answer
        if path.endswith(":pollAirflowCommand") and body.get("executionId") == getattr(self, "pending", None):
            answer = self.inner.call(method, service, path, query, body)
            answer.body.update(
                output=[{"lineNumber": 1, "content": self.executions["slow"]}], outputEnd=True, exitInfo={"exitCode": 1}
            )
            return answer
        return self.inner.call(method, service, path, query, body)


def capturing(workspace, transport, cancel=None):
    from envctl.operations.composer_api import Waiter

    subject = capture_subject(workspace, "dev")
    waiter = Waiter(NoWait(), lambda *_: None, cancel or threading.Event())
    try:
        return capture.capture_packages(transport, subject.name, subject.bucket, waiter, lambda _: None)
    finally:
        assert not [one for one in objects(workspace, subject.bucket) if "envctl_capture" in one]


def test_it_waits_until_airflow_has_read_the_dag(tmp_path):
    workspace = up(tmp_path)
    found = capturing(workspace, Slow(workspace.cloud.transport(), 3))
    assert len(found.packages) > 400


def test_a_dag_that_never_comes_up_is_removed_and_told(tmp_path):
    workspace = up(tmp_path)
    with pytest.raises(OutsideError, match="does not take up the DAG") as raised:
        capturing(workspace, Slow(workspace.cloud.transport(), 10_000))
    assert raised.value.code == "capture-timeout"


def test_a_command_that_fails_for_another_reason_is_told_at_once(tmp_path):
    workspace = up(tmp_path)
    with pytest.raises(OutsideError, match="cannot be run") as raised:
        capturing(workspace, Slow(workspace.cloud.transport(), 10_000, "database is locked"))
    assert "database is locked" in raised.value.detail


def test_a_capture_that_is_given_up_leaves_nothing(tmp_path):
    workspace = up(tmp_path)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(DetachedError, match="given up"):
        capturing(workspace, Slow(workspace.cloud.transport(), 1), cancel)


class FakeDag:
    made: ClassVar[list] = []

    def __init__(self, name, **settings):
        if "schedule" in settings and not self.takes_schedule:
            raise TypeError("unexpected keyword argument 'schedule'")
        self.name, self.settings = name, settings
        self.made.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


class FakeOperator:
    def __init__(self, *, task_id, python_callable):
        FakeDag.made[-1].task = python_callable


@pytest.mark.parametrize("airflow", ["2.2", "2.10", "3.1"])
def test_the_dag_loads_in_every_airflow_and_writes_what_is_installed(tmp_path, monkeypatch, airflow):
    dag = type("Dag", (FakeDag,), {"takes_schedule": airflow != "2.2"})
    modules = {
        "airflow": {"DAG": dag},
        "airflow.operators": {},
        "airflow.operators.python": {"PythonOperator": FakeOperator},
        "airflow.sdk": None,
        "airflow.providers.standard.operators.python": None,
    }
    if airflow == "3.1":
        place = "airflow.providers.standard.operators"
        modules = {
            "airflow": {},
            "airflow.sdk": {"DAG": dag},
            "airflow.operators.python": None,
            "airflow.providers": {},
            "airflow.providers.standard": {},
            place: {},
            f"{place}.python": {"PythonOperator": FakeOperator},
        }
    for name, holds in modules.items():
        module = None if holds is None else ModuleType(name)
        if module is not None:
            module.__path__ = []
            vars(module).update(holds)
        monkeypatch.setitem(sys.modules, name, module)
    text = capture._DAG.format(name="envctl_capture_1", result="data/envctl_capture_1.json")
    names = {"__name__": "dag"}
    exec(compile(text.replace("/home/airflow/gcs/data", str(tmp_path)), "dag.py", "exec"), names)
    made = FakeDag.made[-1]
    assert made.settings["is_paused_upon_creation"] is False
    assert made.settings.get("schedule", made.settings.get("schedule_interval")) is None
    made.task()
    found = capture._read((tmp_path / "envctl_capture_1.json").read_bytes())
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    versions = {one.name: one.version for one in found.packages}
    assert versions["pytest"] == metadata.version("pytest")
    (httpx,) = [one for one in found.packages if one.name == "httpx"]
    assert "httpcore==1.*" in httpx.requires
    assert "http2" in httpx.extras


@pytest.mark.parametrize("content", [b"", b"{}", b'{"python": "3", "packages": [{}]}', json.dumps([1]).encode()])
def test_what_is_no_answer_is_told(content):
    with pytest.raises(OutsideError, match="cannot be read"):
        capture._read(content)
