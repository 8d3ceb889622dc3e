"""What does not exist yet, what is switched off, and what new objects bring with them."""

from __future__ import annotations

from typing import Any

import pytest
from doctor_patients import CRM, GEN2, ME, case, environment, grants, healthy

from envctl.diagnostics import Severity
from envctl.doctor.examine import examine
from envctl.doctor.facts import Absent, Known, Subject
from envctl.doctor.model import Finding, FixKind, Status
from envctl.iam_roles import load_table

PROJECT = f"{CRM}/projects/acme-data"
ACCOUNT = "composer-prod@acme-data.iam.gserviceaccount.com"
FOREIGN_INDEX = {"packages": {"index": {"repository": "projects/other-project/locations/eu/repositories/py"}}}


def found(answers: Any, spec: Any, operation: str = "create") -> dict[str, Finding]:
    return {item.id: item for item in examine(case(spec, answers, operation))}


def test_nothing_is_granted_to_the_account_that_up_will_make() -> None:
    spec = environment(**FOREIGN_INDEX)
    rows = [row for row in grants(spec) if "artifactregistry.reader" not in row[1] and "composer.worker" not in row[1]]
    answers = healthy(spec, exists=False, rows=rows)
    answers[Subject.ACCOUNT, ACCOUNT] = Absent()
    report = found(answers, spec, "packages")
    assert report["env.ar-reader"].severity is Severity.WARNING
    assert report["env.ar-reader"].fixes == ()
    assert "before `envctl up prod` has made it" in report["env.ar-reader"].evidence[0]
    assert [fix.kind for fix in report["env.worker"].fixes] == [FixKind.UP]
    answers[Subject.ACCOUNT, ACCOUNT] = Known({"email": ACCOUNT})
    assert any(fix.kind is FixKind.COMMAND for fix in found(answers, spec, "packages")["env.ar-reader"].fixes)


def test_the_right_to_act_as_an_account_that_is_not_there_is_granted_on_its_project() -> None:
    spec = environment()
    rows = [row for row in grants(spec) if row[1] != "roles/iam.serviceAccountUser"]
    answers = healthy(spec, exists=False, rows=rows)
    on_account = found(answers, spec)["caller.act-as-env-sa"]
    assert on_account.fixes[-1].text.startswith("gcloud iam service-accounts add-iam-policy-binding composer-prod@")
    answers[Subject.ACCOUNT, ACCOUNT] = Absent()
    on_project = found(answers, spec)["caller.act-as-env-sa"]
    assert on_project.fixes[-1].text.startswith("gcloud projects add-iam-policy-binding acme-data ")


def test_an_agent_of_an_api_that_is_off_is_made_before_it_is_granted_something() -> None:
    shared = {"mode": "private", "hostProject": "acme-net", "network": "n", "subnetwork": "eu"}
    spec = environment(imageVersion=GEN2, network=shared)
    rows = [row for row in grants(spec) if row[1] != "roles/container.hostServiceAgentUser"]
    answers = healthy(spec, exists=False, rows=rows)
    answers[Subject.SERVICES, "acme-data"] = Known(["compute.googleapis.com"])
    texts = [fix.text for fix in found(answers, spec)["gke.host-user"].fixes]
    assert texts[:2] == [
        "gcloud services enable container.googleapis.com --project=acme-data",
        "gcloud beta services identity create --service=container.googleapis.com --project=acme-data",
    ]
    assert "acme-net" in texts[2]


@pytest.mark.parametrize("state", [{"deleted": True}, {"stage": "DISABLED"}])
def test_a_custom_role_that_is_off_or_deleted_gives_nothing(state: dict[str, Any]) -> None:
    spec, role = environment(), "projects/acme-data/roles/worker"
    worker = f"serviceAccount:{ACCOUNT}"
    rows = [(*row[:1], role, *row[2:]) if row[1] == "roles/composer.worker" else row for row in grants(spec)]
    answers = healthy(spec, rows=rows)
    held = {"includedPermissions": list(permissions_of("roles/composer.worker"))}
    answers[Subject.ROLE, role] = Known(held)
    assert found(answers, spec, "update")["env.worker"].status is Status.OK
    answers[Subject.ROLE, role] = Known({**held, **state})
    lost = found(answers, spec, "update")["env.worker"]
    assert (lost.status, lost.severity, lost.principal) == (Status.FAILED, Severity.ERROR, worker)


def permissions_of(role: str) -> set[str]:
    return {p for row in load_table("bindings")["rows"] if row["role"] == role for p in row["permissions"]} | {
        p
        for operation in load_table("operations")["operations"]
        for check in operation["checks"]
        if check["binding"] == "env.worker"
        for p in check["permissions"]
    }


@pytest.mark.parametrize("role", ["roles/owner", "roles/storage.admin", "roles/editor", "roles/viewer"])
def test_who_may_make_buckets_and_owns_the_project_needs_no_more(role: str) -> None:
    spec = environment(buckets={"staging": {}})
    rows = [row for row in grants(spec) if row[1] != "roles/storage.admin"]
    answers = healthy(spec, exists=False, rows=[*rows, (PROJECT, role, ME, None)])
    expected = Status.FAILED if role == "roles/viewer" else Status.OK
    assert found(answers, spec)["boot.storage-admin"].status is expected


def test_an_api_that_the_sources_are_not_sure_of_stops_nobody() -> None:
    spec = environment()
    answers = healthy(spec)
    enabled = answers[Subject.SERVICES, "acme-data"]
    assert isinstance(enabled, Known)
    answers[Subject.SERVICES, "acme-data"] = Known(
        [name for name in enabled.value if not name.startswith(("dns", "containerf", "composer"))]
    )
    report = found(answers, spec, "update")
    assert {report[f"api.{name}"].severity for name in ("dns", "containerfilesystem")} == {Severity.WARNING}
    assert report["api.composer"].severity is Severity.ERROR


@pytest.mark.parametrize(
    ("expression", "status"),
    [
        ('resource.name.startsWith("projects/123/secrets/airflow-")', Status.OK),
        ('resource.name.startsWith("projects/acme-data/secrets/airflow-")', Status.FAILED),
        ('resource.name.startsWith("projects/123/secrets/airflow-connections-")', Status.FAILED),
        ("resource.name.startsWith('projects/123/secrets/airflow-variables-crm')", Status.FAILED),
        ('resource.name.endsWith("/versions/1")', Status.UNKNOWN),
        ('resource.name.startsWith("projects/123/secrets/airflow-") && resource.name.endsWith("1")', Status.UNKNOWN),
    ],
)
def test_conditions_on_names_of_secrets_are_decided_where_they_can_be(expression: str, status: Status) -> None:
    spec = environment(secrets={"backend": "secret-manager"})
    rows = [(*row[:3], expression) if row[1] == "roles/secretmanager.secretAccessor" else row for row in grants(spec)]
    lost = found(healthy(spec, rows=rows), spec, "update")["env.secret-access"]
    assert lost.status is status
    assert any("carry the project's number (projects/123/secrets/)" in text for text in lost.evidence) is (
        "acme-data" in expression
    )


def test_with_an_api_off_or_a_row_lost_who_changes_the_environment_has_to_be_able_to_write() -> None:
    spec = environment()
    boot = {
        "roles/serviceusage.serviceUsageAdmin",
        "roles/resourcemanager.projectIamAdmin",
        "roles/iam.serviceAccountAdmin",
    }
    viewing = [(PROJECT, role, ME, None) for role in ("roles/viewer", "roles/iam.securityReviewer")]
    rows = [row for row in grants(spec) if row[1] not in boot or row[2] != ME] + viewing
    assert found(healthy(spec, rows=rows), spec, "update")["boot.project-iam"].status is Status.OK
    less = [row for row in rows if row[1] != "roles/composer.worker"]
    assert found(healthy(spec, rows=less), spec, "update")["boot.project-iam"].missing == (
        "resourcemanager.projects.setIamPolicy",
    )
    answers = healthy(spec, rows=rows)
    answers[Subject.SERVICES, "acme-data"] = Known(["composer.googleapis.com"])
    assert found(answers, spec, "update")["boot.apis"].missing == ("serviceusage.services.enable",)
