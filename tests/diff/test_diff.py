"""Two environments side by side, by their files and in the cloud."""

from __future__ import annotations

import json

import jsonschema
from projects import DEV, bring_up, call, workspace_of, write_project

from envctl.actions.diff import compare
from envctl.report.diff_report import dump_comparison, render_comparison, render_comparison_markdown

QA = """\
extends: base
project: acme-data-qa1
profile: standard
buckets: {staging: {location: US}}
"""
BASE = """\
abstract: true
region: europe-west1
imageVersion: composer-3-airflow-2.10.5-build.10
serviceAccount: {name: composer-qa1}
labels: {team: data}
"""


def by_path(differences):
    return {each.path: (each.a.value, each.b.value) for each in differences}


def test_values_with_the_lines_that_they_come_from(tmp_path):
    workspace = workspace_of(write_project(tmp_path, dev=DEV, qa=QA, base=BASE))
    found = compare(workspace, "dev", "qa")
    values = by_path(found.files)
    assert values["project"] == ("acme-data-dev", "acme-data-qa1")
    assert values["buckets.staging.location"] == ("EU", "US")
    assert values["retention.metadataDays"] == (30, 60)
    assert not {"labels.team", "region", "imageVersion", "size"} & set(values)
    sources = {each.path: (each.a.source, each.b.source) for each in found.files}
    assert sources["serviceAccount.name"] == ("environments/dev.yaml:5", "environments/base.yaml:4")
    assert sources["retention.metadataDays"] == ("profile trial", "profile standard")
    assert found.live is None


def test_an_environment_does_not_differ_from_itself(tmp_path):
    workspace = workspace_of(write_project(tmp_path))
    bring_up(workspace, "dev")
    found = compare(workspace, "dev", "dev", live=True)
    assert found.equal
    assert render_comparison(found) == "In the files: no difference\n\nIn the cloud: no difference"


def test_the_cloud_tells_what_no_file_says(tmp_path):
    other = DEV.replace("composer-dev", "composer-qa").replace("EU", "US")
    workspace = workspace_of(write_project(tmp_path, dev=DEV, qa=other))
    bring_up(workspace, "dev")
    call(workspace, "PATCH", "storage/storage/v1/b/acme-data-dev-dev-staging", {"labels": {"team": "nobody"}})
    live = by_path(compare(workspace, "dev", "qa", live=True).live or ())
    assert live["environment"] == ("exists", None)
    assert live["bucket-staging.labels.team"] == ("nobody", None)
    assert "api-composer" not in live


def test_every_format_says_the_same(tmp_path):
    workspace = workspace_of(write_project(tmp_path, dev=DEV, qa=QA, base=BASE))
    found = compare(workspace, "dev", "qa")
    text, markdown, document = render_comparison(found), render_comparison_markdown(found), dump_comparison(found)
    json.dumps(document)
    for each in found.files:
        assert f"  {each.path}\n" in text
        assert f"| `{each.path}` |" in markdown
    side = {
        "type": ["object", "null"],
        "properties": {"value": True, "source": {"type": "string"}},
        "required": ["value", "source"],
        "additionalProperties": False,
    }
    row = {
        "type": "object",
        "properties": {"path": {"type": "string"}, "a": side, "b": side},
        "required": ["path", "a", "b"],
        "additionalProperties": False,
    }
    jsonschema.validate(document["files"], {"type": "array", "items": row, "minItems": len(found.files)})
    assert document["live"] is None
    assert "    dev  (nothing)\n" not in text
    assert '    dev  "EU"  environments/dev.yaml:8\n    qa   "US"  environments/qa.yaml:4' in text
