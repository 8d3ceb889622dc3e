"""Every `--format` of every command writes what its name says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest
from projects import DEV, write_project
from typer._click.core import Command
from typer._types import TyperChoice
from typer.core import TyperGroup

from envctl.cli import run
from envctl.commands.console import CONSOLE
from envctl.commands.line import command_for

IMAGE = "composer-2.13.8-airflow-2.10.5"
NEWER = "composer-2.15.3-airflow-2.10.5"
LIST = ("-r", "list.txt", "--image", IMAGE, "--offline")
LINES = {
    "preview": ["preview", "dev"],
    "drift": ["drift", "dev"],
    "status": ["status", "dev", "qa"],
    "history": ["history", "dev"],
    "show": ["show", "dev"],
    "validate": ["validate", "wrong"],
    "import": ["import", "old", "--project", "acme-data-dev", "--region", "europe-west1", "--name", "old", "--dry-run"],
    "diff": ["diff", "dev", "qa"],
    "state list": ["state", "list", "dev"],
    "deps check": ["deps", "check", "-r", "wrong.txt", "--image", IMAGE, "--offline"],
    "deps explain": ["deps", "explain", "requests", *LIST],
    "deps matrix": ["deps", "matrix", IMAGE, "-r", "list.txt", "--offline"],
    "deps upgrade": ["deps", "upgrade", "--to", NEWER, *LIST],
    "images list": ["images", "list"],
    "images show": ["images", "show", IMAGE],
    "images diff": ["images", "diff", IMAGE, NEWER],
    "images update": ["images", "update", "--offline", "--from", "page.md"],
    "doctor": ["doctor", "dev", "--operation", "create", "--offline", "--allow-unknown"],
    "iam": ["iam", "dev"],
}
"""A command line for each, with something to say in every format."""


def commands(group: TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Command]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def formats() -> dict[str, tuple[str, ...]]:
    root = command_for([])
    assert isinstance(root, TyperGroup)
    found: dict[str, tuple[str, ...]] = {}
    for name, command in commands(root):
        for parameter in command.params:
            if "--format" in parameter.opts:
                assert isinstance(parameter.type, TyperChoice)
                found[name] = tuple(str(getattr(one, "value", one)) for one in parameter.type.choices)
    return found


FORMATS = formats()


def json_document(text: str) -> None:
    assert json.loads(text)["format"].startswith("envctl.")


def sarif_document(text: str) -> None:
    document = json.loads(text)
    assert document["version"] == "2.1.0"
    assert document["runs"]


def markdown_page(text: str) -> None:
    assert re.match(r"#+ ", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    if rows:
        assert re.fullmatch(r"\|(-+\|)+", rows[1].replace(" ", ""))
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows[:3]}) == 1


def junit_document(text: str) -> None:
    assert ET.fromstring(text).tag == "testsuites"


FORMS = {
    "json": json_document,
    "sarif": sarif_document,
    "markdown": markdown_page,
    "junit": junit_document,
    "html": lambda text: re.match(r"(?i)<!doctype html>", text) or pytest.fail(text[:80]),
    "github": lambda text: re.match(r"::(error|warning|notice) ", text) or pytest.fail(text[:80]),
    "csv": lambda text: re.match(r"id,member,role", text) or pytest.fail(text[:80]),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = write_project(
        tmp_path_factory.mktemp("formats"),
        dev=DEV,
        qa=DEV.replace("region: europe-west1", "region: europe-west4").replace("composer-dev", "composer-qa"),
        wrong=DEV.replace("composer-dev", "composer-wrong") + "bukets: {}\n",
    )
    (root / "list.txt").write_text("requests\n")
    page = "#### composer-3-airflow-2.10.5-build.99\n\n```\napache-airflow==2.10.5+composer\n```\n"
    (root / "page.md").write_text(page)
    (root / "wrong.txt").write_text("requests==\n")
    assert run(["-C", str(root), "up", "dev", "--yes", "--cloud", "sandbox"]) == 0
    call = [
        "sandbox",
        "call",
        "PATCH",
        "storage/storage/v1/b/acme-data-dev-dev-staging",
        json.dumps({"labels": {"team": "nobody"}}),
    ]
    assert run(["-C", str(root), *call]) == 0
    parent = "projects/acme-data-dev/locations/europe-west1/environments"
    by_hand = {
        "name": f"{parent}/old",
        "config": {
            "softwareConfig": {"imageVersion": "composer-3-airflow-2.10.5-build.10"},
            "nodeConfig": {"serviceAccount": "composer-dev@acme-data-dev.iam.gserviceaccount.com"},
        },
    }
    assert run(["-C", str(root), "sandbox", "call", "POST", f"composer/v1/{parent}", json.dumps(by_hand)]) == 0
    return root


@pytest.fixture
def written(project, capsys, monkeypatch):
    monkeypatch.chdir(project)
    monkeypatch.setenv("ENVCTL_CLOUD", "sandbox")
    monkeypatch.setenv("XDG_CACHE_HOME", str(project / "cache"))
    CONSOLE.quiet = CONSOLE.verbose = False
    CONSOLE.color = None

    def call(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = run(["--no-color", *arguments])
        captured = capsys.readouterr()
        assert not re.match("error\\[(usage|bug)", captured.err), captured.err
        return int(code), captured.out

    return call


def test_every_command_with_formats_is_tried():
    assert set(LINES) == set(FORMATS)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_is_written_as_it_is_called(written, name):
    assert FORMATS[name][0] == "text"
    code, text = written(*LINES[name])
    assert text.strip()
    texts = {"text": text}
    for form in FORMATS[name][1:]:
        same, texts[form] = written(*LINES[name], "--format", form)
        assert same == code
        FORMS[form](texts[form])
    assert len(set(texts.values())) == len(texts)


@pytest.mark.parametrize("form", ["markdown", "csv"])
def test_a_custom_role_has_no_tables(project, capsys, form):
    code = run(["-C", str(project), "iam", "dev", "--custom-role", "deployer", "--format", form])
    captured = capsys.readouterr()
    assert (int(code), captured.out) == (2, "")
    assert f"A custom role is not written as {form}" in captured.err


def test_a_file_gets_the_warnings_and_the_verdict_of_validate(project, tmp_path, capsys):
    file = project / "environments" / "noted.yaml"
    file.write_text(
        DEV.replace("composer-dev", "composer-noted")
        + "network: {mode: private, vpc: {create: true, subnet: 100.64.128.0/20}}\n"
    )
    assert run(["-C", str(project), "validate", "noted"]) == 0
    shown = capsys.readouterr().out
    assert "warning[" in shown
    assert "Valid: noted." in shown
    assert run(["-C", str(project), "validate", "noted", "--output", str(tmp_path / "report.txt")]) == 0
    assert (tmp_path / "report.txt").read_text() == shown
    file.unlink()
