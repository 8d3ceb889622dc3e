"""`moved: {from: KEY}`: a renamed key deletes nothing, makes nothing, and is shown as a move."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from projects import bring_up, call, plan, workspace_of, write_project

from envctl.actions.apply import check_applicable, load_saved
from envctl.actions.planning import PlanOptions, Prepared
from envctl.engine.urns import name_of
from envctl.errors import RefusedError
from envctl.plan.model import Action
from envctl.plan.wire import dump_plan, parse_plan
from envctl.report.plan_markdown import render_plan_markdown
from envctl.report.plan_text import render_plan

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/plan-v1.json").read_text("utf-8"))
FILE = """\
project: acme-data-dev
region: europe-west1
imageVersion: composer-3-airflow-2.10.5-build.10
profile: trial
serviceAccount: {{name: composer-dev}}
buckets:
  {bucket}
secrets:
  create:
    {secret}
nodePools:
  {pool}
userWorkloads:
  configMaps:
    {settings}
network: {{vpc: {{pods: 10.20.0.0/16, services: 10.21.0.0/20}}}}
"""
BEFORE = {
    "bucket": 'lake: {access: {objectViewer: ["group:data@example.com"]}}',
    "secret": 'crm: {readers: [environment, "group:data@example.com"]}',
    "pool": "small: {machineType: e2-standard-4}",
    "settings": "paths: {data: {raw: gs://acme-raw}}",
}
AFTER = {
    "bucket": 'raw: {moved: {from: lake}, access: {objectViewer: ["group:data@example.com"]}}',
    "secret": 'sales: {moved: {from: crm}, readers: [environment, "group:data@example.com"]}',
    "pool": "large: {moved: {from: small}, machineType: e2-standard-4}",
    "settings": "places: {moved: {from: paths}, data: {raw: gs://acme-raw}}",
}


def written(root: Path, entries: dict[str, str]) -> Path:
    return write_project(root, dev=FILE.format(**entries))


def pending(prepared: Prepared) -> dict[str, tuple[Action, str | None]]:
    return {change.name: (change.action, change.moved_from) for change in prepared.plan.pending}


def test_renamed_keys_move_with_all_that_hangs_on_them(tmp_path: Path) -> None:
    bring_up(workspace_of(written(tmp_path, BEFORE)), "dev")
    workspace = workspace_of(written(tmp_path, AFTER))
    prepared = plan(workspace, "dev")

    found = pending(prepared)
    assert {action for action, _ in found.values()} == {Action.MOVE}
    assert found.pop("bucket-raw") == (Action.MOVE, "bucket-lake")
    assert found.pop("secret-sales") == (Action.MOVE, "secret-crm")
    assert found.pop("node-pool-large") == (Action.MOVE, "node-pool-small")
    assert found.pop("config-map-places") == (Action.MOVE, "config-map-paths")
    assert {earlier for _, earlier in found.values()} == {
        name.replace("buckets.raw/", "buckets.lake/").replace("secrets.sales/", "secrets.crm/") for name in found
    }
    assert len(found) >= 3, "memberships of bucket and secret"
    assert prepared.plan.incomplete == ()

    bring_up(workspace, "dev")
    again = plan(workspace_of(tmp_path), "dev")
    assert again.plan.empty
    live = {bucket["name"] for bucket in call(workspace, "GET", "storage/storage/v1/b?project=acme-data-dev")["items"]}
    assert "acme-data-dev-dev-lake" in live
    assert "acme-data-dev-dev-raw" not in live


def test_the_line_can_go_once_the_name_is_written(tmp_path: Path) -> None:
    bring_up(workspace_of(written(tmp_path, BEFORE)), "dev")
    bring_up(workspace_of(written(tmp_path, AFTER)), "dev")
    named = {
        "bucket": AFTER["bucket"].replace("moved: {from: lake}", "name: acme-data-dev-dev-lake"),
        "secret": AFTER["secret"].replace("moved: {from: crm}", "name: dev-crm"),
        "pool": AFTER["pool"].replace("moved: {from: small}", "name: small"),
        "settings": AFTER["settings"].replace("moved: {from: paths}", "name: paths"),
    }
    assert plan(workspace_of(written(tmp_path, named)), "dev").plan.empty


def test_a_move_is_shown_in_every_form(tmp_path: Path) -> None:
    bring_up(workspace_of(written(tmp_path, BEFORE)), "dev")
    shown = plan(workspace_of(written(tmp_path, {**BEFORE, "bucket": AFTER["bucket"]})), "dev").plan

    text = render_plan(shown)
    assert "    > storage.Bucket bucket-raw  environments/dev.yaml:7  was bucket-lake" in text.splitlines()
    assert "2 to move." in text
    assert "| move | storage.Bucket `bucket-raw`, was `bucket-lake` |" in render_plan_markdown(shown)
    document = dump_plan(shown)
    jsonschema.validate(document, SCHEMA)
    row = next(row for row in document["changes"] if row["name"] == "bucket-raw")
    assert (row["action"], row["reason"], row["movedFrom"]) == ("move", "renamed", "bucket-lake")
    assert dump_plan(parse_plan(json.dumps(document), "the plan")) == document


def test_a_saved_plan_with_moves_is_applied_as_saved(tmp_path: Path) -> None:
    bring_up(workspace_of(written(tmp_path, BEFORE)), "dev")
    workspace = workspace_of(written(tmp_path, AFTER))
    saved = tmp_path / "plan.json"
    saved.write_text(json.dumps(dump_plan(plan(workspace, "dev").plan)))
    assert not load_saved(workspace, saved, PlanOptions()).plan.empty


def test_a_move_may_change_what_can_change_in_place(tmp_path: Path) -> None:
    bring_up(workspace_of(written(tmp_path, BEFORE)), "dev")
    entry = AFTER["bucket"].replace("raw: {", "raw: {versioning: true, ")
    prepared = plan(workspace_of(written(tmp_path, {**BEFORE, "bucket": entry})), "dev")
    assert pending(prepared)["bucket-raw"] == (Action.UPDATE, "bucket-lake")
    check_applicable(prepared)


@pytest.mark.parametrize(
    ("bucket", "why"),
    [
        ("raw: {moved: {from: lake}, location: US}", "a move replaces nothing"),
        ("raw: {moved: {from: lake}, name: acme-raw}", "a move replaces nothing"),
    ],
)
def test_a_move_never_replaces(tmp_path: Path, bucket: str, why: str) -> None:
    bring_up(workspace_of(written(tmp_path, BEFORE)), "dev")
    prepared = plan(workspace_of(written(tmp_path, {**BEFORE, "bucket": bucket})), "dev")
    assert any(why in reason for reason in prepared.plan.incomplete)
    with pytest.raises(RefusedError):
        check_applicable(prepared)


def test_two_things_of_the_state_are_not_made_one(tmp_path: Path) -> None:
    both = {**BEFORE, "bucket": "lake: {}\n  raw: {}"}
    bring_up(workspace_of(written(tmp_path, both)), "dev")
    prepared = plan(workspace_of(written(tmp_path, {**BEFORE, "bucket": "raw: {moved: {from: lake}}"})), "dev")
    assert any("the state holds both" in reason for reason in prepared.plan.incomplete)


def test_a_renamed_key_without_the_line_is_asked_about(tmp_path: Path) -> None:
    bring_up(workspace_of(written(tmp_path, BEFORE)), "dev")
    renamed = {
        "bucket": AFTER["bucket"].replace("moved: {from: lake}, ", ""),
        "secret": BEFORE["secret"],
        "pool": AFTER["pool"].replace("moved: {from: small}, ", ""),
        "settings": BEFORE["settings"],
    }
    warnings = plan(workspace_of(written(tmp_path, renamed)), "dev").plan.warnings
    assert any("`moved: {from: lake}` beside `buckets.raw`" in text for text in warnings)
    assert any("`moved: {from: small}` beside `nodePools.large`" in text for text in warnings)


def test_another_bucket_is_no_renamed_one(tmp_path: Path) -> None:
    bring_up(workspace_of(written(tmp_path, BEFORE)), "dev")
    other = "archive: {location: US, storageClass: ARCHIVE, versioning: true, labels: {a: b}, retain: true}"
    warnings = plan(workspace_of(written(tmp_path, {**BEFORE, "bucket": other})), "dev").plan.warnings
    assert not any("renamed" in text for text in warnings)


def test_references_to_a_moved_entry_follow_its_kept_name(tmp_path: Path) -> None:
    text = FILE.format(**AFTER) + 'airflow: {variables: {raw: "gs://${buckets.raw.name}"}}\n'
    loaded = workspace_of(write_project(tmp_path, dev=text)).load("dev")
    assert loaded.environment.airflow.variables["raw"] == "gs://acme-data-dev-dev-lake"
    assert loaded.defaults["buckets", "raw", "name"] == "moved from lake"


def test_the_state_holds_the_new_names_alone(tmp_path: Path) -> None:
    bring_up(workspace_of(written(tmp_path, BEFORE)), "dev")
    bring_up(workspace_of(written(tmp_path, AFTER)), "dev")
    rows = workspace_of(tmp_path).engine("dev").export_state()["deployment"]["resources"]
    assert not [name for row in rows if "lake" in (name := name_of(row["urn"])) or "crm" in name]
