"""The shipped tables against the research tables they were made from, and against the predicates in code."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from envctl.iam_conditions import FLAGS, PREDICATES
from envctl.iam_roles import DATA, load_operations, load_table, required_bindings
from envctl.iam_steps import load_steps
from envctl.iam_targets import HOST_PROJECT_NUMBER, PROJECT_NUMBER, google_address
from envctl.spec.model import Environment

RESEARCH = Path(__file__).parents[1] / "cases" / "doctor" / "research"

PLACED = {"caller.user-project": "quota_project"}
"""The research says the project; it is that one whose quota is used, the environment's or another."""
RESEARCHED = {"quota_project": "project"}
GOOGLE_PRINCIPALS = {
    "ar_agent",
    "bigquery_cmek",
    "cloudbuild_agent",
    "cloudbuild_legacy",
    "composer_agent",
    "compute_agent",
    "compute_default",
    "dataflow_agent",
    "gke_agent",
    "gke_agent_host",
    "gke_node_agent",
    "google_apis",
    "pubsub_agent",
    "service_networking_agent",
    "storage_agent",
}
"""Principals of evaluated rows that Google creates and runs."""


def research(name: str) -> list[dict[str, Any]]:
    return yaml.load((RESEARCH / f"{name}.yaml").read_text(), Loader=yaml.CSafeLoader)[name]


@pytest.fixture(scope="module")
def roles() -> dict[str, frozenset[str]]:
    document = json.loads(zlib.decompress((DATA / "roles.json.z").read_bytes()))
    names = document["permissions"]
    return {
        role: frozenset(names[i] for i, bit in enumerate(reversed(f"{int(bits, 16):b}")) if bit == "1")
        for role, (_, _, bits) in document["roles"].items()
    }


def test_every_research_row_is_evaluated_or_left_out_with_a_reason() -> None:
    shipped = {row["id"]: row for row in load_table("bindings")["rows"]}
    for row in research("bindings"):
        mine = shipped[row["id"]]
        assert mine["role"] == row["role"]
        assert mine["principal"] == row["principal"]
        assert mine["resource"] == PLACED.get(row["id"], row["resource"])
        assert mine["generations"] == row["composer_versions"]
        if "left_out" in mine:
            assert len(mine["left_out"]) > 20
            assert not mine["when"]
    assert {row_id for row_id, row in shipped.items() if row.get("own")} == shipped.keys() - {
        row["id"] for row in research("bindings")
    }


def test_every_row_that_is_not_left_out_appears_for_some_environment(environment: Callable[..., Environment]) -> None:
    rich: dict[str, Any] = {
        "access": {
            "users": ["user:u@example.com"],
            "operators": ["user:o@example.com"],
            "dagAuthors": ["user:d@example.com"],
            "deployers": [
                "user:d@example.com",
                "serviceAccount:ci@acme-data.iam.gserviceaccount.com",
                "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/gh/subject/main",
            ],
        },
        "network": {"mode": "private", "hostProject": "acme-net", "network": "shared", "subnetwork": "eu"},
        "encryption": {"key": {"create": True}},
        "integrations": ["dataflow", "dataproc", "bigquery", "pubsub"],
        "buckets": {"staging": {}, "environment": {"name": "acme-composer"}},
        "secrets": {"backend": "secret-manager", "create": {"crm": {}}},
        "snapshots": {"schedule": "0 3 * * *", "location": "gs://elsewhere/x"},
        "repository": {"name": "python"},
        "packages": {"index": {"repository": "projects/libs-prj/locations/eu/repositories/py"}},
        "nodePools": {"heavy": {"machineType": "e2-standard-8"}},
        "monitoring": {"alerts": True},
        "retention": {"logDays": 30},
    }
    foreign = {"email": "runner@other-project.iam.gserviceaccount.com"}
    key = {"name": "projects/acme-data/locations/europe-west1/keyRings/r/cryptoKeys/k"}
    own_network = {"mode": "private", "vpc": {"create": True}}
    specs = [
        environment(**{**rich, "imageVersion": image, **other})
        for image in ("composer-3-airflow-2.10.5-build.10", "composer-2.3.1-airflow-2.5.1")
        for other in (
            {},
            {"serviceAccount": foreign, "secrets": {"backend": "vault"}},
            {"network": own_network, "secrets": {"backend": "kms-gcs"}, "encryption": {"key": key}},
            {"network": {**rich["network"], "mode": "public"}},
        )
    ]
    seen = {name for spec in specs for item in required_bindings(spec, flags=FLAGS) for name in item.ids}
    expected = {row["id"] for row in load_table("bindings")["rows"] if "left_out" not in row}
    assert expected <= seen, sorted(expected - seen)


def test_every_operation_and_check_of_the_research_is_shipped() -> None:
    shipped = load_operations()
    for operation in research("operations"):
        mine = shipped[operation["id"]]["checks"]
        for check in operation["checks"]:
            covered = {
                permission
                for item in mine
                if (item["principal"], RESEARCHED.get(item["resource"], item["resource"]), item["condition"])
                == (check["principal"], check["resource"], check["when"])
                for permission in item["permissions"]
            }
            assert set(check["permissions"]) <= covered, (operation["id"], check)
    assert shipped.keys() - {item["id"] for item in research("operations")} == {"run-dags", "keep-alive"}


def test_every_precondition_and_signature_is_shipped() -> None:
    assert {row["id"] for row in research("preconditions")} <= {
        row["id"] for row in load_table("preconditions")["rows"]
    }
    assert {row["id"]: row["regex"] for row in research("signatures")} == {
        row["id"]: row["regex"] for row in load_table("signatures")["rows"]
    }


def test_code_and_tables_use_the_same_predicates() -> None:
    used: set[str] = {name for step in load_steps()["steps"] for name in step["when"]}
    for table in ("bindings", "preconditions"):
        used |= {name for row in load_table(table)["rows"] for name in row["when"]}
    used |= {
        name for operation in load_operations().values() for check in operation["checks"] for name in check["when"]
    }
    assert {name for name in used if not name.startswith("flag:")} == PREDICATES.keys()
    assert {name.removeprefix("flag:") for name in used if name.startswith("flag:")} <= FLAGS.keys()


def test_every_permission_of_a_row_is_in_its_role(roles: dict[str, frozenset[str]]) -> None:
    for row in load_table("bindings")["rows"]:
        assert set(row["permissions"]) <= roles[row["role"]], row["id"]
        if "left_out" not in row:
            assert row["permissions"], row["id"]
        for alternative in row.get("alternatives", ()):
            assert alternative in roles


def test_every_check_of_an_operation_is_satisfied_by_the_row_it_names(roles: dict[str, frozenset[str]]) -> None:
    rows = {row["id"]: row for row in load_table("bindings")["rows"]}
    for operation in load_operations().values():
        for check in operation["checks"]:
            row = rows[check["binding"]]
            assert check["principal"] == row["principal"]
            assert set(check["permissions"]) <= roles[row["role"]] or "left_out" in check, (operation["id"], check)


def test_every_needed_row_is_named_by_an_operation() -> None:
    named = {check["binding"] for operation in load_operations().values() for check in operation["checks"]}
    for row in load_table("bindings")["rows"]:
        if "left_out" not in row and row["requirement"] in {"required", "conditional"}:
            assert row["id"] in named


def test_ids_are_unique_and_principals_known() -> None:
    for table in ("bindings", "preconditions", "signatures"):
        ids = [row["id"] for row in load_table(table)["rows"]]
        assert len(ids) == len(set(ids))
    principals = load_table("bindings")["principals"]
    addresses = {name: google_address(name) for name in principals}
    assert {name for name, address in addresses.items() if address} == GOOGLE_PRINCIPALS
    for name in GOOGLE_PRINCIPALS:
        number = HOST_PROJECT_NUMBER if "HOST_PROJECT_NUMBER" in principals[name] else PROJECT_NUMBER
        assert addresses[name] == re.sub("(HOST_)?PROJECT_NUMBER", lambda _, to=number: to, principals[name])


def test_signatures_match_their_examples_first_and_name_rows_that_exist() -> None:
    known = {row["id"] for table in ("bindings", "preconditions") for row in load_table(table)["rows"]}
    rows = load_table("signatures")["rows"]
    assert len(rows) == 46
    for row in rows:
        first = next(item["id"] for item in rows if re.search(item["regex"], row["example"]))
        assert first == row["id"]
        assert set(row["check"]) <= known | {"any-binding"}


def test_the_role_data_names_its_source_and_day() -> None:
    document = json.loads(zlib.decompress((DATA / "roles.json.z").read_bytes()))
    assert document["date"] == "2026-08-22"
    assert len(document["roles"]) == 306
    assert "iam-dataset" in document["source"]
