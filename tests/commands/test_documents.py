"""What commands print with `--format json`, held against the published schemas."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from plans import sample_plan
from projects import DEV, write_project
from referencing import Registry, Resource

from envctl.actions.clouds import CloudName
from envctl.cli import run
from envctl.commands.console import CONSOLE
from envctl.diagnostics import Severity
from envctl.operations.journal import Outcome
from envctl.plan.model import Action, DriftKind, Effect, GateStatus, Mode, PropertyAction, Reason, StepMoment
from envctl.plan.wire import dump_plan

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"
NAMES = ("plan", "plans", "status", "history", "drift", "state-list", "deps-explain", "deps-upgrade")
IMAGES = ("images", "image-packages", "image-changes", "images-update")
NAMES += IMAGES
SCHEMAS = {name: json.loads((FOLDER / f"{name}-v1.json").read_text("utf-8")) for name in NAMES}
DEPS = json.loads((FOLDER / "deps-v1.json").read_text("utf-8"))
REGISTRY = Registry().with_resources(
    [
        *((schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS.values()),
        ("deps-v1.json", Resource.from_contents(DEPS)),
    ]
)
IMAGE = "composer-2.13.8-airflow-2.10.5"
FOUNDATION = "kind: foundation\nproject: acme-data-dev\nregion: europe-west1\n"


def check(name, document):
    assert document["format"] == f"envctl.{name}/v1"
    Draft202012Validator(SCHEMAS[name], registry=REGISTRY, format_checker=FormatChecker()).validate(document)
    return document


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("ENVCTL_CLOUD", "sandbox")
    monkeypatch.setenv("NO_COLOR", "1")
    CONSOLE.quiet = CONSOLE.verbose = False
    CONSOLE.color = None
    return write_project(tmp_path, dev=DEV + "airflow: {variables: {stage: dev}}\n", base_data=FOUNDATION)


@pytest.fixture
def printed(project, capsys):
    def call(*arguments):
        run(["-C", str(project), *arguments, "--format", "json"])
        return json.loads(capsys.readouterr().out)

    return call


@pytest.fixture
def envctl(project, capsys):
    def call(*arguments):
        code = run(["-C", str(project), *arguments])
        capsys.readouterr()
        return code

    return call


def test_documents_of_a_whole_life(printed, envctl, project):
    check("plan", printed("preview", "dev"))
    both = check("plans", printed("preview", "--all"))
    assert {plan["environment"] for plan in both["plans"]} == {"dev", "base-data"}
    assert check("history", printed("history", "dev"))["runs"] == []
    assert [e["live"] for e in check("status", printed("status"))["environments"]] == [None, "absent"]
    assert not check("drift", printed("drift", "dev"))["environments"][0]["applied"]

    assert envctl("up", "dev", "--yes") == 0
    fault = {"kind": "operation", "operation": "composer.environments.update", "status": "INTERNAL"}
    assert envctl("sandbox", "fault", json.dumps(fault)) == 0
    path = project / "environments" / "dev.yaml"
    path.write_text(path.read_text().replace("team: data", "team: gold").replace("composer-dev", "composer-other"))
    replacing = check("plan", printed("preview", "dev", "--out", str(project / "plan.json")))
    assert replacing["summary"]["delete-then-create"] >= 1
    check("plan", json.loads((project / "plan.json").read_text()))
    check("plan", printed("show", str(project / "plan.json")))
    path.write_text(path.read_text().replace("composer-other", "composer-dev"))
    assert envctl("up", "dev", "--yes") == 4
    assert [r["outcome"] for r in check("history", printed("history", "dev"))["runs"]] == ["succeeded", "failed"]
    status = check("status", printed("status", "dev"))["environments"][0]
    assert (status["live"], status["lastRun"]["outcome"]) == ("RUNNING", "failed")
    assert check("plan", printed("preview", "dev", "--destroy"))["mode"] == "destroy"
    check("drift", printed("drift"))


def test_a_plan_with_everything_in_it():
    document = check("plan", dump_plan(sample_plan()))
    assert document["drift"]
    check("drift", {"format": "envctl.drift/v1", "environments": [_drifted(document)]})
    check("plans", {"format": "envctl.plans/v1", "plans": [document]})


def test_the_list_of_a_state(printed, envctl):
    assert envctl("up", "dev", "--yes") == 0
    rows = check("state-list", printed("state", "list", "dev"))["resources"]
    (bucket,) = [row for row in rows if row["name"] == "bucket-staging"]
    assert (bucket["type"], bucket["id"]) == ("gcp:storage/bucket:Bucket", "acme-data-dev-dev-staging")
    assert not bucket["protected"]


def test_documents_of_packages(printed, project):
    (project / "list.txt").write_text("requests\n")
    given = ("-r", str(project / "list.txt"), "--image", IMAGE, "--offline")
    found = check("deps-explain", printed("deps", "explain", "Requests", *given))
    assert found["preinstalled"] == found["after"]
    assert found["asked"][0]["by"] == "list"
    assert found["held"]
    upgraded = check("deps-upgrade", printed("deps", "upgrade", "--to", "composer-2.15.3-airflow-2.10.5", *given))
    assert upgraded["changes"]["moved"]
    assert (upgraded["before"]["image"], upgraded["after"]["verdict"]) == (IMAGE, "ok")


def _drifted(document):
    return {"environment": "prod", "applied": True, "drift": document["drift"]}


def enums(node):
    if isinstance(node, dict):
        if "enum" in node:
            yield tuple(node["enum"])
        for value in node.values():
            yield from enums(value)
    elif isinstance(node, list):
        for value in node:
            yield from enums(value)


@pytest.mark.parametrize(
    ("name", "closed"),
    [
        ("plan", Action),
        ("plan", Reason),
        ("plan", PropertyAction),
        ("plan", Effect),
        ("plan", StepMoment),
        ("plan", DriftKind),
        ("plan", GateStatus),
        ("plan", Severity),
        ("plan", Mode),
        ("plan", CloudName),
        ("history", Outcome),
        ("history", Action),
    ],
)
def test_closed_sets_are_those_of_the_code(name, closed):
    assert set(closed) in [set(values) for values in enums(SCHEMAS[name])]


def test_images(printed, project, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(project / "data"))
    rows = check("images", printed("images", "list"))["images"]
    assert {row["name"] for row in rows} >= {IMAGE}
    assert check("image-packages", printed("images", "show", IMAGE))["basis"] == "exact"
    assert check("image-changes", printed("images", "diff", IMAGE, "composer-2.13.1-airflow-2.10.5"))["moved"]
    lines = [f"{name}=={version}" for name, version in printed("images", "show", IMAGE)["packages"].items()]
    name = "composer-3-airflow-2.10.5-build.99"
    page = f"### November 20, 2026\n\n#### {name}\n\n```\n" + "\n".join(lines) + "\n```\n"
    (project / "page.md").write_text(page + f"\nNo difference with {IMAGE}\n", "utf-8")
    done = check("images-update", printed("images", "update", "--offline", "--from", str(project / "page.md")))
    assert [one["image"] for one in done["added"]] == [name]
    assert done["contradictions"] == []


@pytest.mark.parametrize("name", NAMES)
def test_schemas_are_sound_and_closed(name):
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"] == f"{name}-v1.json"
    assert set(SCHEMAS[name]["required"]) == set(SCHEMAS[name]["properties"])
    with pytest.raises(ValidationError):
        check(name, {"format": f"envctl.{name}/v1", "more": 1})


def objects(node):
    if isinstance(node, dict):
        if "properties" in node and node.get("type") == "object":
            yield node
        for value in node.values():
            yield from objects(value)


@pytest.mark.parametrize("name", NAMES)
def test_no_object_takes_unknown_fields(name):
    assert all(node["additionalProperties"] is False for node in objects(SCHEMAS[name]))
