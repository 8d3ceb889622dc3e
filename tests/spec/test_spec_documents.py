"""The published pages and schemas are those of the code. `ENVCTL_UPDATE=1` writes them anew."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from spec_projects import ENVIRONMENT, MakeProject, split_case

from envctl.actions.schema import SchemaKind, schema
from envctl.actions.validate import ValidateRequest, validate
from envctl.report.diagnostics_json import dump_validation
from envctl.spec.codes import CODES
from envctl.spec.model import Environment, Foundation
from envctl.spec.reference import render_codes, render_reference
from envctl.spec.schema import blocks_below, field_texts
from envctl.spec.settings import ProjectSettings
from envctl.spec.source import parse_table

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MARK = "<!-- reference -->\n"


def published(path: Path, text: str) -> str:
    """The text in the tree; with ENVCTL_UPDATE the new text, written there."""
    if "ENVCTL_UPDATE" in os.environ:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return path.read_text("utf-8")


def test_reference_page_is_made_from_the_models() -> None:
    path = DOCS / "environment-file.md"
    prose = path.read_text("utf-8").partition(MARK)[0]
    text = f"{prose}{MARK}\n{render_reference(Environment, Foundation)}"
    assert published(path, text) == text


def test_every_code_is_documented() -> None:
    text = render_codes()
    assert published(DOCS / "codes.md", text) == text
    assert all(code.explanation and code.summary and not code.summary.endswith(".") for code in CODES.values())


@pytest.mark.parametrize("kind", SchemaKind)
def test_schema_is_published(kind: SchemaKind) -> None:
    text = json.dumps(schema(kind), indent=2) + "\n"
    assert published(DOCS / "schemas" / f"{kind}.schema.json", text) == text


@pytest.mark.parametrize("model", list(blocks_below(Environment, Foundation, ProjectSettings).values()))
def test_every_field_has_a_text(model: type[Any]) -> None:
    assert set(field_texts(model)) == set(model.model_fields)


def files_of_the_company() -> list[Path]:
    return sorted((ROOT / "environments").glob("*.yaml"))


@cache
def validator(kind: SchemaKind) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema(kind))


def checked(document: object, kind: SchemaKind = SchemaKind.ENVIRONMENT) -> list[str]:
    return [error.json_path for error in validator(kind).iter_errors(document)]


def test_schemas_are_schemas() -> None:
    for kind in SchemaKind:
        jsonschema.Draft202012Validator.check_schema(schema(kind))


@pytest.mark.parametrize("path", files_of_the_company(), ids=lambda path: path.stem)
def test_schema_accepts_every_file_of_the_example(path: Path) -> None:
    assert checked(parse_table(path.read_text("utf-8"))) == []


def test_schema_accepts_what_init_ships() -> None:
    folder = ROOT / "envctl" / "data" / "init"
    for name, kind in (("envctl.yaml", SchemaKind.PROJECT), ("environments/base.yaml", SchemaKind.ENVIRONMENT)):
        text = (folder / name).read_text("utf-8").replace("@NAME@", "acme").replace("@REGION@", "europe-west1")
        text = text.replace("@ID@", "k3v9x0q2m7aa").replace("@IMAGE@", "composer-3-airflow-2.10.5-build.19")
        assert checked(parse_table(text), kind) == []
    assert checked(parse_table((ROOT / "envctl.yaml").read_text("utf-8")), SchemaKind.PROJECT) == []


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"bukets": {}}, "$"),
        ({"size": "tiny"}, "$.size"),
        ({"protect": "yes"}, "$.protect"),
        ({"workloads": {"worker": {"min_count": 1}}}, "$.workloads"),
        ({"network": {"from": "elsewhere"}}, "$.network"),
        ({"iam": {"extraBindings": [{"role": "roles/x"}]}}, "$.iam"),
    ],
)
def test_schema_refuses(change: dict[str, Any], where: str) -> None:
    assert checked(parse_table(ENVIRONMENT) | change) == [where]


@pytest.mark.parametrize(
    "change",
    [
        {"protect": "${other.value}"},
        {"project": "${name}-x"},
        {"network": None},
        {"labels": {"team": None}},
        {"maintenance": {"hours": 6}},
        {"workloads": {"worker": {"minCount": "${workloads.worker.maxCount}"}}},
    ],
)
def test_schema_accepts_references_removals_and_parts(change: dict[str, Any]) -> None:
    assert checked(parse_table(ENVIRONMENT) | change) == []


def test_schema_asks_for_required_keys_only_of_whole_files() -> None:
    assert checked({"profile": "trial"}) == ["$"] * 4
    assert checked({"profile": "trial", "extends": "base"}) == []
    assert checked({"kind": "foundation", "project": "acme-data", "region": "europe-west1"}) == []
    assert checked({"kind": "foundation", "project": "acme-data"}) == ["$"]


@pytest.mark.parametrize(
    "case", sorted((ROOT / "tests" / "cases" / "spec").glob("*.txtar")), ids=lambda path: path.stem
)
def test_validation_documents_follow_their_schema(case: Path, make_project: MakeProject) -> None:
    files = split_case(case.read_text("utf-8"))[1]
    found = validate(ValidateRequest(make_project(files), today="2026-11-20"))
    document = dump_validation(found.checked, found.diagnostics)
    schema_file = json.loads((DOCS / "schemas" / "validate-v1.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema_file).validate(json.loads(json.dumps(document)))
    assert document["valid"] is found.valid
