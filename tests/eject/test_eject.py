"""An ejected project is the same program: nothing differs, on either engine, and nothing of envctl is in it."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import pytest
from projects import DEV, bring_up, workspace_of, write_project

from envctl.actions.eject import eject, render_project
from envctl.actions.program import build_program
from envctl.engine.events import Op, Phase, StepEvent
from envctl.engine.protocol import RunOptions
from envctl.engine.urns import name_of
from envctl.errors import RefusedError

ROOT = Path(__file__).parents[2]
RICH = """\
project: acme-data-dev
region: europe-west1
imageVersion: composer-3-airflow-2.10.5-build.10
serviceAccount: {name: composer-dev}
labels: {team: data}
buckets:
  environment: {versioning: true}
  staging: {location: europe-west1, access: {objectAdmin: [environment]}, lifecycle: [{deleteAfterDays: 30}]}
network: {mode: private, vpc: {create: true, pods: 10.64.0.0/14, services: 10.68.0.0/20}}
encryption: {key: {create: true}}
secrets: {create: {crm: {}}}
integrations: [bigquery]
nodePools: {heavy: {machineType: e2-standard-8, max: 2}}
access: {users: ['group:a@acme.example'], dagAuthors: ['group:b@acme.example']}
userWorkloads: {secrets: {crm: {data: {key: {env: CRM_KEY}}}}, configMaps: {settings: {data: {mode: "quote \\" and ${name}"}}}}
"""
FOUNDATION = """\
kind: foundation
project: acme-data-dev
region: europe-west1
network: {create: true}
encryption: {key: {create: true}}
repository: {name: python}
"""


def program_of(code):
    """The generated program, as an engine runs it."""
    compiled = compile(code, "__main__.py", "exec")
    return lambda: exec(compiled, {"__name__": "__main__"})


def steps_of(engine, code, **options):
    events = []
    result = engine.preview(program_of(code), RunOptions(**options), events.append)
    assert result.ok, events
    return [e for e in events if isinstance(e, StepEvent) and e.phase is Phase.PRE and e.op is not Op.REFRESH]


@pytest.mark.parametrize("text", [DEV, FOUNDATION], ids=["small", "foundation"])
def test_the_ejected_program_finds_nothing_to_do(tmp_path, text):
    workspace = workspace_of(write_project(tmp_path / "p", dev=text))
    bring_up(workspace, "dev")
    eject(workspace, "dev", tmp_path / "out")
    steps = steps_of(workspace.engine("dev"), (tmp_path / "out" / "__main__.py").read_text())
    assert {step.op for step in steps} == {Op.SAME}
    state = workspace.engine("dev").export_state()["deployment"]["resources"]
    assert {step.urn for step in steps} == {row["urn"] for row in state}


def test_secrets_come_from_the_settings_of_the_stack(tmp_path, monkeypatch):
    import pulumi

    monkeypatch.setenv("CRM_KEY", "open sesame")
    workspace = workspace_of(write_project(tmp_path / "p", dev=RICH))
    bring_up(workspace, "dev")
    eject(workspace, "dev", tmp_path / "out")
    out = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert all("open sesame" not in text for text in out.values())
    assert "pulumi config set --secret CRM_KEY" in out["README.md"]
    assert "encryptionsalt: " in out["Pulumi.dev.yaml"]
    pulumi.runtime.set_all_config({"acme:CRM_KEY": "open sesame"}, ["acme:CRM_KEY"])
    try:
        steps = steps_of(workspace.engine("dev"), out["__main__.py"])
    finally:
        pulumi.runtime.set_all_config({})
    assert [(s.op, s.urn, s.diffs) for s in steps if s.op is not Op.SAME] == []


def test_the_files_are_the_same_every_time_and_know_nothing_of_envctl(tmp_path):
    workspace = workspace_of(write_project(tmp_path, dev=RICH))
    first, _ = render_project(workspace, "dev")
    second, _ = render_project(workspace_of(tmp_path), "dev")
    assert first == second
    assert set(first) == {"Pulumi.yaml", "Pulumi.dev.yaml", "__main__.py", "requirements.txt", "README.md"}
    imported = {
        name.name
        for node in ast.walk(ast.parse(first["__main__.py"]))
        if isinstance(node, ast.Import)
        for name in node.names
    }
    assert imported == {"base64", "pulumi"}
    assert not re.search(r"envctl", first["requirements.txt"])
    assert "was never applied" in first["README.md"]


@pytest.mark.parametrize("name", ["acme-data-prod", "dev", "prod", "staging"])
def test_the_examples_are_the_same_program_before_and_after(tmp_path, name):
    shutil.copytree(ROOT / "environments", tmp_path / "environments")
    shutil.copy(ROOT / "envctl.yaml", tmp_path / "envctl.yaml")
    workspace = workspace_of(tmp_path)
    engine = workspace.engine(name)
    code = render_project(workspace, name)[0]["__main__.py"]
    planned = [], []
    for program, events in zip(
        (build_program(workspace, workspace.load(name)).run, program_of(code)), planned, strict=True
    ):
        assert engine.preview(program, RunOptions(), events.append).ok, events
    ours, ejected = ({step.urn: step.new for step in events if is_planned(step)} for events in planned)
    assert set(ours) == set(ejected)
    assert len(ours) > 10
    assert {urn: state.inputs for urn, state in ours.items()} == {urn: state.inputs for urn, state in ejected.items()}


def is_planned(event):
    return isinstance(event, StepEvent) and event.phase is Phase.PRE


def test_alike_resources_are_a_table(tmp_path):
    code = render_project(workspace_of(write_project(tmp_path)), "dev")[0]["__main__.py"]
    assert code.count('"gcp:projects/service:Service"') == 1
    assert '        ("api-composer", "composer.googleapis.com"),\n' in code
    assert 'depends_on=[projects_service["api-iam"]],' in code


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    workspace = workspace_of(write_project(tmp_path / "p"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("work")
    with pytest.raises(RefusedError) as caught:
        eject(workspace, "dev", tmp_path / "out")
    assert caught.value.code == "eject-not-empty"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_the_ejected_program_keeps_what_a_destroy_of_today_would_leave(tmp_path):
    users = "access: {users: ['group:both@acme.example', 'group:mine@acme.example']}\n"
    other = DEV.replace("composer-dev", "composer-other") + "access: {users: ['group:both@acme.example']}\n"
    workspace = workspace_of(write_project(tmp_path / "p", dev=DEV + users, other=other))
    bring_up(workspace, "dev")
    eject(workspace, "dev", tmp_path / "out")
    steps = steps_of(workspace.engine("dev"), (tmp_path / "out" / "__main__.py").read_text())
    kept = {name_of(step.urn): step.new.retain_on_delete for step in steps if step.new is not None}
    assert kept["project/composer.user/group-both@acme.example"]
    assert not kept["project/composer.user/group-mine@acme.example"]
