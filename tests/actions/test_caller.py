"""Who calls Google, from `envctl.yaml` and variables to the program, the doctor and the requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from projects import DEV, workspace_of, write_project

from envctl.actions.clouds import CloudName, GoogleCloud
from envctl.actions.doctor import caller_of, quota_project_of
from envctl.actions.planning import PlanOptions, prepare
from envctl.actions.program import build_program
from envctl.actions.workspace import EngineName, Workspace, open_workspace
from envctl.cli import run
from envctl.errors import OutsideError, UsageError
from envctl.sandbox import control
from envctl.sandbox.cloud import Cloud
from envctl.sandbox.environment import client_environment
from envctl.sandbox.server import RunningServer, serve

DEPLOYER = "deployer@acme-data-dev.iam.gserviceaccount.com"
OTHER = "somebody@acme-data-dev.iam.gserviceaccount.com"
SETTINGS = f"name: acme\nimpersonate: {DEPLOYER}\nbillingProject: acme-data-dev\n"
VARIABLES = {
    "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT": OTHER,
    "GOOGLE_BILLING_PROJECT": "acme-tools",
    "USER_PROJECT_OVERRIDE": "true",
}
ACCOUNT = f"//iam.googleapis.com/projects/acme-data-dev/serviceAccounts/{DEPLOYER}"
LENDER = {"role": "roles/iam.serviceAccountTokenCreator", "members": ["user:developer@example.com"]}


@pytest.fixture(autouse=True)
def nobody_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    """A served sandbox in the place of Google, with two accounts that may be acted as."""
    cloud = Cloud()
    accounts = [
        {
            "method": "POST",
            "url": "https://iam.googleapis.com/v1/projects/acme-data-dev/serviceAccounts",
            "body": {"accountId": email.partition("@")[0]},
        }
        for email in (DEPLOYER, OTHER)
    ]
    control.seed(cloud, {"projects": [{"id": "acme-data-dev", "apis": "all"}], "requests": accounts})
    running = serve(cloud)
    for name, value in client_environment(running).items():
        monkeypatch.setenv(name, value)
    yield running
    running.stop()


def project(root: Path, settings: str = SETTINGS) -> Path:
    write_project(root, dev=DEV)
    (root / "envctl.yaml").write_text(settings)
    return root


def on_google(root: Path) -> Workspace:
    """With the embedded engine: the same program, and no CLI is needed to look at it."""
    return open_workspace(root, CloudName.GCP, EngineName.EMBEDDED)


def provider_of(workspace: Workspace) -> dict[str, Any]:
    provider = dict(build_program(workspace, workspace.load("dev")).declared.provider)
    chosen = ("impersonateServiceAccount", "billingProject", "userProjectOverride")
    return {name: provider[name] for name in chosen if name in provider}


def test_settings_reach_the_provider(served: RunningServer, tmp_path: Path) -> None:
    assert provider_of(on_google(project(tmp_path))) == {
        "impersonateServiceAccount": DEPLOYER,
        "billingProject": "acme-data-dev",
        "userProjectOverride": True,
    }


def test_variables_win_over_settings(served: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    assert provider_of(on_google(project(tmp_path))) == {
        "impersonateServiceAccount": OTHER,
        "billingProject": "acme-tools",
        "userProjectOverride": True,
    }


def test_the_override_can_be_switched_off(
    served: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER_PROJECT_OVERRIDE", "false")
    workspace = on_google(project(tmp_path))
    assert provider_of(workspace) == {"impersonateServiceAccount": DEPLOYER, "billingProject": "acme-data-dev"}
    assert quota_project_of(workspace.cloud, "acme-data-dev") is None


def test_nothing_named_is_nothing_said(served: RunningServer, tmp_path: Path) -> None:
    workspace = on_google(project(tmp_path, "name: acme\n"))
    assert provider_of(workspace) == {}
    assert caller_of(workspace.cloud) is None  # a token does not say whose it is


def test_the_sandbox_does_not_care(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = project(tmp_path, "name: acme\n")
    before = build_program(workspace_of(plain), workspace_of(plain).load("dev"))
    (plain / "envctl.yaml").write_text(SETTINGS)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("USER_PROJECT_OVERRIDE", "perhaps")
    after = build_program(workspace_of(plain), workspace_of(plain).load("dev"))
    assert after.digest == before.digest


def test_a_variable_that_cannot_be_ends_the_command_on_google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER_PROJECT_OVERRIDE", "perhaps")
    with pytest.raises(UsageError, match="USER_PROJECT_OVERRIDE"):
        on_google(project(tmp_path))


def test_a_preview_runs_as_the_account(served: RunningServer, tmp_path: Path) -> None:
    workspace = on_google(project(tmp_path))
    worker = {"role": "roles/owner", "members": [f"serviceAccount:{DEPLOYER}"]}
    policies = {
        ACCOUNT: {"bindings": [LENDER]},
        "//cloudresourcemanager.googleapis.com/projects/acme-data-dev": {"bindings": [worker]},
    }
    control.seed(served.cloud, {"settings": {"enforce": True}, "policies": policies})
    served.cloud.forget_requests()
    prepared = prepare(workspace, "dev", PlanOptions(gates=False))
    assert "gcp:composer/environment:Environment" in {change.type for change in prepared.plan.changes}
    asked = [entry["method"] for entry in served.cloud.requests]
    assert asked[0] == "iamcredentials.projects.serviceAccounts.generateAccessToken"
    assert asked.count(asked[0]) == 1


def test_a_preview_of_whom_the_account_is_not_lent_names_it(served: RunningServer, tmp_path: Path) -> None:
    control.seed(served.cloud, {"settings": {"enforce": True}, "policies": {ACCOUNT: {"bindings": []}}})
    workspace = on_google(project(tmp_path))
    with pytest.raises(OutsideError) as caught:
        prepare(workspace, "dev", PlanOptions(gates=False))
    assert caught.value.code == "impersonation-refused"
    assert DEPLOYER in caught.value.summary


def doctor(root: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run(["-C", str(root), "doctor", "dev", "--cloud", "gcp", "--format", "json"])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_doctor_judges_the_account_that_is_acted_as(
    served: RunningServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project_policy = {
        "bindings": [
            {"role": "roles/owner", "members": ["user:developer@example.com"]},
            {"role": "roles/viewer", "members": [f"serviceAccount:{DEPLOYER}"]},
        ]
    }
    policies = {
        ACCOUNT: {"bindings": [LENDER]},
        "//cloudresourcemanager.googleapis.com/projects/acme-data-dev": project_policy,
    }
    control.seed(served.cloud, {"settings": {"enforce": True}, "policies": policies})
    _, out, _ = doctor(project(tmp_path), capsys)
    findings = {each["id"]: each for each in json.loads(out)["findings"]}
    admin = findings["caller.composer-admin"]
    assert (admin["status"], admin["principal"]) == ("failed", f"serviceAccount:{DEPLOYER}")
    assert findings["caller.user-project"]["status"] == "failed"  # a viewer may not use the project's quota


def test_the_doctor_of_whom_the_account_is_not_lent_says_so(
    served: RunningServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    control.seed(served.cloud, {"settings": {"enforce": True}, "policies": {ACCOUNT: {"bindings": []}}})
    code, out, err = doctor(project(tmp_path), capsys)
    assert (code, out) == (4, "")
    assert "error[impersonation-refused]" in err
    assert DEPLOYER in err
    assert "roles/iam.serviceAccountTokenCreator" in err
    assert "Traceback" not in err


def test_every_request_names_the_quota_project(served: RunningServer, tmp_path: Path) -> None:
    cloud = on_google(project(tmp_path)).cloud
    assert isinstance(cloud, GoogleCloud)
    assert caller_of(cloud) == f"serviceAccount:{DEPLOYER}"
    assert cloud.transport().identity.headers()["x-goog-user-project"] == "acme-data-dev"
