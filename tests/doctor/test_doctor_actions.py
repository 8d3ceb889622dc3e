from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from envctl.actions.clouds import SandboxCloud
from envctl.actions.doctor import DiagnoseRequest, caller_of, collect, diagnose, exit_code, explain
from envctl.actions.iam import RoleSetRequest, role_of, role_set
from envctl.diagnostics import Severity
from envctl.doctor import gate
from envctl.doctor.bundle import load_facts
from envctl.doctor.model import Status
from envctl.errors import ExitCode, UsageError
from envctl.sandbox import control
from envctl.spec.loader import Loaded, load
from envctl.spec.project import load_project

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
PROD = """
project: acme-data
region: europe-west1
imageVersion: composer-3-airflow-2.10.5-build.10
serviceAccount: {name: composer-prod}
packages: {requirements: [../requirements/prod.txt]}
"""


@pytest.fixture
def prod(tmp_path: Path) -> Loaded:
    (tmp_path / "environments").mkdir()
    (tmp_path / "requirements").mkdir()
    (tmp_path / "envctl.yaml").write_text("name: acme\n")
    (tmp_path / "environments" / "prod.yaml").write_text(PROD)
    (tmp_path / "requirements" / "prod.txt").write_text(
        "google-cloud-kms==2.24.0\n# hvac\nrich>=13 ; python_version>'3'\n"
    )
    return load(load_project(tmp_path), "prod")


@pytest.fixture
def cloud(tmp_path: Path) -> SandboxCloud:
    return SandboxCloud(tmp_path / ".envctl" / "sandbox")


def test_the_gate_without_facts_judges_the_file(prod: Loaded) -> None:
    found = gate(prod, "create", now=NOW)
    status = {item.id: item.status for item in found}
    assert status["hint.library-without-right"] is Status.FAILED
    assert status["env.image-eol"] is Status.OK
    assert "agent.base" not in status


def test_the_gate_refuses_operations_that_do_not_exist(prod: Loaded) -> None:
    with pytest.raises(UsageError):
        gate(prod, "fly")


def test_collected_facts_say_the_same_as_live_ones(prod: Loaded, cloud: SandboxCloud, tmp_path: Path) -> None:
    caller = caller_of(cloud)
    assert caller == "user:developer@example.com"
    request = DiagnoseRequest(loaded=prod, operations=("create",), transport=cloud.transport(), caller=caller, now=NOW)
    live = diagnose(request)
    bundle = tmp_path / "facts.json"
    bundle.write_text(collect(request))
    offline = diagnose(DiagnoseRequest(loaded=prod, operations=("create",), facts=bundle, now=NOW))
    assert offline.findings == live.findings
    assert offline.facts.startswith(f"{bundle} (collected live), ")
    assert load_facts(bundle).answers


def test_a_fresh_project_needs_nothing_but_up(prod: Loaded, cloud: SandboxCloud) -> None:
    report = diagnose(DiagnoseRequest(loaded=prod, transport=cloud.transport(), caller=caller_of(cloud), now=NOW))
    assert report.operations == ("create",)
    assert report.failing(Severity.ERROR) == ()
    assert {item.id for item in report.coming} >= {"env.worker", "api.composer"}
    assert exit_code(report) is ExitCode.DONE
    assert exit_code(report, Severity.NOTE) is ExitCode.NEGATIVE


def test_a_missing_right_of_the_caller_is_negative(prod: Loaded, cloud: SandboxCloud) -> None:
    deny = {"kind": "deny", "permission": "composer.environments.create"}
    control.seed(cloud.emulator(), {"settings": {"enforce": True}, "projects": [{"id": "acme-data"}], "faults": [deny]})
    report = diagnose(
        DiagnoseRequest(
            loaded=prod, operations=("create",), transport=cloud.transport(), caller=caller_of(cloud), now=NOW
        )
    )
    finding = next(item for item in report.findings if item.id == "caller.composer-admin")
    assert finding.status in {Status.FAILED, Status.UNKNOWN}
    assert exit_code(report) is ExitCode.NEGATIVE


def test_an_error_text_alone_has_causes_and_no_findings() -> None:
    report = diagnose(DiagnoseRequest(error_text="Please bind roles/composer.serviceAgent back"))
    assert report.causes[0].signature == "agent.role-missing"
    assert exit_code(report) is ExitCode.DONE


def test_facts_for_an_error_text_are_those_of_every_operation(prod: Loaded, cloud: SandboxCloud) -> None:
    text = (
        "Deletion failed. The subnetwork resource 'projects/h/regions/r/subnetworks/s' is already being used by "
        "'projects/h/regions/r/routers/nat'"
    )
    upload = "Error 403: storage.objects.create denied while uploading"
    for error in (text, upload):
        request = DiagnoseRequest(
            loaded=prod, transport=cloud.transport(), caller=caller_of(cloud), error_text=error, now=NOW
        )
        report = diagnose(request)
        assert report.causes
        assert not [text for cause in report.causes for text in cause.needs if "not in the facts" in text]


def test_nothing_to_examine_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="Nothing to examine"):
        diagnose(DiagnoseRequest())


def test_collecting_needs_a_cloud(prod: Loaded) -> None:
    with pytest.raises(UsageError, match="no cloud"):
        collect(DiagnoseRequest(loaded=prod))


def test_explain_knows_checks_rows_and_signatures_and_nothing_else() -> None:
    for identifier in ("kms.location", "env.worker", "vault.server", "agent.v2ext-old", "pool.no-self-upgrade"):
        page = explain(identifier)
        assert page is not None
        assert page.text
    assert explain("image-version-unknown") is None
    assert explain("") is None


def test_the_role_set_of_a_file(prod: Loaded) -> None:
    whole = role_set(RoleSetRequest(prod))
    small = role_set(RoleSetRequest(prod, operation="delete", with_optional=False))
    assert len(small.bindings) < len(whole.bindings)
    assert small.operation == "delete-environment"
    assert whole.apis[-1] == "composer.googleapis.com"
    assert "composer.environments.create" in role_of(prod, "deployer").permissions
    with pytest.raises(UsageError):
        role_of(prod, "composer-agent")


def test_the_default_operations_follow_the_live_environment(prod: Loaded, tmp_path: Path) -> None:
    name = "projects/acme-data/locations/europe-west1/environments/prod"
    live = {"state": "RUNNING", "config": {"softwareConfig": {"imageVersion": "composer-3-airflow-2.9.3-build.1"}}}
    document = {
        "format": "envctl.facts/v1",
        "collectedAt": "2026-11-20T10:00:00Z",
        "answers": [{"ask": "environment", "of": name, "value": live}],
    }
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(document))
    report = diagnose(DiagnoseRequest(loaded=prod, facts=path, now=NOW))
    assert report.operations == ("update", "packages", "upgrade")
