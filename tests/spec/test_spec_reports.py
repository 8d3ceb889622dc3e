"""Diagnostics and resolved files as text, JSON, GitHub commands and SARIF."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from envctl.diagnostics import Diagnostic, Hint, Severity, SourceSpan
from envctl.report.diagnostics_github import render_diagnostics_github
from envctl.report.diagnostics_json import dump_validation
from envctl.report.diagnostics_sarif import dump_sarif
from envctl.report.diagnostics_text import count_diagnostics, render_diagnostics
from envctl.report.spec_report import dump_spec, render_spec
from envctl.report.style import Style
from envctl.spec.loader import load
from envctl.spec.origins import rows
from envctl.spec.project import load_project

ROOT = Path(__file__).parents[2]
FILE = Path("environments/prod.yaml")
LINE = "  imageVersion: composer-3-airflow-2.10.9"
IMAGE = Diagnostic(
    "image-version-unknown",
    "Unknown image version",
    "This image version is not in the catalogue of 2026-08-20.",
    SourceSpan(FILE, 7, 17, 17 + 25, LINE),
    (Hint("did you mean `composer-3-airflow-2.10.5-build.4`?", replacement="composer-3-airflow-2.10.5-build.4"),),
)


def placed(text: str, column: int, end: int | None = None) -> Diagnostic:
    return Diagnostic("x", "Summary", "", SourceSpan(FILE, 1, column, end, text))


def test_text() -> None:
    assert render_diagnostics([IMAGE]) == snapshot("""\
error[image-version-unknown]: Unknown image version
  --> environments/prod.yaml:7:17
    7 |   imageVersion: composer-3-airflow-2.10.9
      |                 ^^^^^^^^^^^^^^^^^^^^^^^^^
This image version is not in the catalogue of 2026-08-20.

hint: did you mean `composer-3-airflow-2.10.5-build.4`?

1 error
""")


def test_command_of_a_hint_stands_alone() -> None:
    hinted = Diagnostic("x", "Summary", "", None, (Hint("start one with", "envctl init"),), Severity.NOTE)
    assert render_diagnostics([hinted]) == snapshot("""\
note[x]: Summary

hint: start one with
    envctl init

1 note
""")


def test_color_changes_nothing_but_color() -> None:
    import re

    colored = render_diagnostics([IMAGE], Style(color=True))
    assert "\x1b[" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == render_diagnostics([IMAGE])


@pytest.mark.parametrize(
    ("text", "column", "end", "shown", "caret"),
    [
        ("\tname: x", 8, 9, "    name: x", "          ^"),
        ("a: 日本 x", 4, 6, "a: 日本 x", "   ^^^^"),
        ("a: e\u0301x", 6, 7, "a: e\u0301x", "    ^"),
        ("a: \x1b[31mred", 4, 7, "a: \ufffd[31mred", "   ^^^"),
        ("a", 1, None, "a", "^"),
        ("a", 2, 3, "a", " ^"),
        ("a", 40, 50, "a", " ^"),
    ],
)
def test_caret_stands_under_the_fault(text: str, column: int, end: int | None, shown: str, caret: str) -> None:
    lines = render_diagnostics([placed(text, column, end)]).splitlines()
    assert lines[2].split("|", 1)[1] == f" {shown}"
    assert lines[3].split("|", 1)[1] == f" {caret}"


def test_long_lines_are_cut_around_the_fault() -> None:
    text = "a" * 200 + "FAULT" + "b" * 200
    lines = render_diagnostics([placed(text, 201, 206)]).splitlines()
    source, carets = lines[2].split("| ")[1], lines[3].split("| ")[1]
    assert len(source) < 130
    assert source[carets.index("^") : carets.rindex("^") + 1] == "FAULT"


@given(st.text(max_size=200), st.integers(1, 250), st.integers(0, 250))
def test_any_line_is_shown(text: str, column: int, length: int) -> None:
    screen = render_diagnostics([placed(text.replace("\n", " "), column, column + length)])
    assert "\x1b" not in screen
    assert all(line.isprintable() for line in screen.split("\n"))


def test_counts() -> None:
    warning = Diagnostic("x", "Summary", severity=Severity.WARNING)
    assert count_diagnostics([]) == "no problems"
    assert count_diagnostics([IMAGE]) == "1 error"
    assert count_diagnostics([IMAGE, IMAGE, warning]) == "2 errors, 1 warning"
    assert render_diagnostics([]) == ""


def test_json() -> None:
    assert dump_validation(["prod"], [IMAGE]) == snapshot(
        {
            "format": "envctl.validate/v1",
            "valid": False,
            "checked": ["prod"],
            "summary": {"errors": 1, "warnings": 0},
            "diagnostics": [
                {
                    "code": "image-version-unknown",
                    "severity": "error",
                    "summary": "Unknown image version",
                    "detail": "This image version is not in the catalogue of 2026-08-20.",
                    "location": {"file": "environments/prod.yaml", "line": 7, "column": 17, "endColumn": 42},
                    "hints": [
                        {
                            "text": "did you mean `composer-3-airflow-2.10.5-build.4`?",
                            "replacement": "composer-3-airflow-2.10.5-build.4",
                        }
                    ],
                }
            ],
        }
    )


def test_github_commands() -> None:
    assert render_diagnostics_github([IMAGE]) == snapshot(
        "::error file=environments/prod.yaml,line=7,col=17,endColumn=42,title=image-version-unknown%3A Unknown image version::This image version is not in the catalogue of 2026-08-20.%0Ahint: did you mean `composer-3-airflow-2.10.5-build.4`?\n"
    )


def test_github_commands_are_escaped_and_placed_in_the_repository() -> None:
    diagnostic = Diagnostic("x", "A: b, c", "100%\nsecond", SourceSpan(FILE, 1), severity=Severity.WARNING)
    assert render_diagnostics_github([diagnostic], "infra/airflow/") == (
        "::warning file=infra/airflow/environments/prod.yaml,line=1,col=1,title=x%3A A%3A b%2C c::100%25%0Asecond\n"
    )


def test_sarif() -> None:
    log = dump_sarif([IMAGE, Diagnostic("own", "Own", severity=Severity.WARNING)])
    (run,) = log["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["image-version-unknown", "own"]
    assert run["results"][0] == snapshot(
        {
            "ruleId": "image-version-unknown",
            "ruleIndex": 0,
            "level": "error",
            "message": {
                "text": "This image version is not in the catalogue of 2026-08-20. Hint: did you mean `composer-3-airflow-2.10.5-build.4`?"
            },
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": "environments/prod.yaml", "uriBaseId": "%SRCROOT%"},
                        "region": {"startLine": 7, "startColumn": 17, "endColumn": 42},
                    }
                }
            ],
        }
    )
    assert "locations" not in run["results"][1]
    assert run["results"][1]["level"] == "warning"


def test_resolved_file_as_text() -> None:
    loaded = load(load_project(ROOT), "dev")
    assert render_spec(loaded, rows(loaded)) == snapshot("""\
dev  environment

kind: environment                                 default
project: acme-data-dev                            environments/dev.yaml:5
region: europe-west1                              environments/base.yaml:5
imageVersion: composer-3-airflow-2.10.5-build.33  environments/dev.yaml:6
profile: trial                                    environments/dev.yaml:7
size: small                                       profile trial
resilience: standard                              profile trial
labels:
  company: acme                                   environments/base.yaml:7
  team: data                                      environments/base.yaml:8
protect: false                                    profile trial
serviceAccount:
  name: composer-dev                              environments/base.yaml:10
airflow:
  config:
    core-dags_are_paused_at_creation: True        environments/base.yaml:14
    core-max_active_runs_per_dag: "4"             environments/base.yaml:15
  env:
    ACME_STAGE: dev                               environments/base.yaml:17
  variables:
    staging_bucket: acme-data-dev-dev-staging     environments/base.yaml:19
packages:
  requirements:
    - requirements/acme.txt                       environments/dev.yaml:10
    - requirements/dev.txt                        environments/dev.yaml:10
workloads:
  scheduler:
    count: 1                                      environments/dev.yaml:13
    cpu: 0.5                                      environments/dev.yaml:13
    memoryGb: 2.0                                 environments/dev.yaml:13
    storageGb: 1.0                                environments/dev.yaml:13
  worker:
    minCount: 1                                   environments/dev.yaml:15
    maxCount: 2                                   environments/dev.yaml:15
    cpu: 0.5                                      environments/dev.yaml:15
    memoryGb: 2.0                                 environments/dev.yaml:15
    storageGb: 2.0                                environments/dev.yaml:15
  dagProcessor:
    count: 1                                      environments/dev.yaml:14
    cpu: 0.5                                      environments/dev.yaml:14
    memoryGb: 2.0                                 environments/dev.yaml:14
    storageGb: 1.0                                environments/dev.yaml:14
network:
  mode: public                                    default
buckets:
  environment:
    storageClass: STANDARD                        default
    versioning: true                              environments/base.yaml:26
    retain: false                                 profile trial
  staging:
    location: EU                                  environments/base.yaml:28
    storageClass: STANDARD                        default
    versioning: false                             default
    retain: false                                 profile trial
    lifecycle:
      -
        deleteAfterDays: 30                       environments/base.yaml:30
    access:
      objectAdmin:
        - environment                             environments/base.yaml:32
secrets:
  backend: secret-manager                         environments/base.yaml:35
  prefix: airflow                                 environments/base.yaml:36
integrations:
  - bigquery                                      environments/base.yaml:38
access:
  users:
    - group:data-analysts@acme.example            environments/base.yaml:41
  operators:
    - group:data-engineers@acme.example           environments/dev.yaml:18
  dagAuthors:
    - group:data-engineers@acme.example           environments/base.yaml:42
maintenance:
  start: 2026-01-02T00:00:00Z                     profile trial
  hours: 4.0                                      profile trial
  days:
    - FR                                          profile trial
    - SA                                          profile trial
    - SU                                          profile trial
retention:
  taskLogs: cloud-logging-only                    profile trial
  metadataDays: 30                                profile trial
monitoring:
  alerts: false                                   profile trial
""")


@pytest.mark.parametrize("name", ["dev", "staging", "prod", "acme-data-prod"])
def test_resolved_file_as_json_follows_its_schema(name: str) -> None:
    loaded = load(load_project(ROOT), name)
    document = json.loads(json.dumps(dump_spec(loaded, rows(loaded))))
    schema = json.loads((ROOT / "docs" / "schemas" / "spec-v1.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    for row in document["values"]:
        value = document["spec"]
        for segment in row["path"]:
            value = value[segment]
        assert value == row["value"]


def test_every_written_value_of_a_resolved_file_names_its_line() -> None:
    loaded = load(load_project(ROOT), "prod")
    for row in rows(loaded):
        if row.span is not None:
            text = (ROOT / row.span.file).read_text("utf-8").splitlines()[row.span.line - 1]
            assert text == row.span.text
            assert row.source == f"{row.span.file}:{row.span.line}"
