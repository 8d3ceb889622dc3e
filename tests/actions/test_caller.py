"""Who calls Google, from `envctl.yaml` and variables to the program, the doctor and the requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from projects import DEV, workspace_of, write_project

from envctl.actions.clouds import CloudName, GoogleCloud
from envctl.actions.doctor import caller_of
from envctl.actions.gate import run_gates
from envctl.actions.planning import PlanOptions, prepare
from envctl.actions.program import build_program
from envctl.actions.workspace import EngineName, Workspace, open_workspace
from envctl.cli import run
from envctl.errors import OutsideError, UsageError
from envctl.plan.model import GateStatus
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
    assert workspace.cloud.caller.quota_project("acme-data-dev") is None


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
    assert cloud.identity().headers()["x-goog-user-project"] == "acme-data-dev"


STATE = "projects/acme-tools/locations/eu/keyRings/r/cryptoKeys/pulumi"
MACHINE = "user:developer@example.com"
EVERYTHING_AT_GOOGLE = (
    f"name: acme\nbackend: gs://acme-state/envctl\nsecretsProvider: gcpkms://{STATE}\nbillingProject: acme-tools\n"
)
RUNNING = ("caller.pulumi-state", "caller.pulumi-key", "caller.user-project")


def with_state(cloud: Cloud, *roles: tuple[str, str]) -> None:
    """Bucket, key and quota project that belong to others, on which the machine holds these roles only."""
    kms = "https://cloudkms.googleapis.com/v1/projects/acme-tools/locations/eu/keyRings"
    requests = [
        {
            "method": "POST",
            "url": "https://storage.googleapis.com/storage/v1/b?project=acme-tools",
            "body": {"name": "acme-state", "location": "EU"},
        },
        {"method": "POST", "url": f"{kms}?keyRingId=r", "body": {}},
        {"method": "POST", "url": f"{kms}/r/cryptoKeys?cryptoKeyId=pulumi", "body": {"purpose": "ENCRYPT_DECRYPT"}},
    ]
    owner = {"id": "acme-tools", "owner": "user:owner@example.com", "apis": "all"}
    control.seed(cloud, {"projects": [owner], "requests": requests})
    policies = {place: {"bindings": [{"role": role, "members": [MACHINE]}]} for place, role in roles}
    control.seed(cloud, {"policies": policies, "settings": {"enforce": True}})


GRANTS = {
    "caller.pulumi-state": ("//storage.googleapis.com/b/acme-state", "roles/storage.objectAdmin"),
    "caller.pulumi-key": (f"//cloudkms.googleapis.com/{STATE}", "roles/cloudkms.cryptoKeyEncrypterDecrypter"),
    "caller.user-project": (
        "//cloudresourcemanager.googleapis.com/projects/acme-tools",
        "roles/serviceusage.serviceUsageConsumer",
    ),
}


@pytest.mark.parametrize("missing", ["", *RUNNING])
def test_the_doctor_judges_state_key_and_quota_of_the_project_file(
    served: RunningServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    with_state(served.cloud, *(grant for row, grant in GRANTS.items() if row != missing))
    _, out, _ = doctor(project(tmp_path, EVERYTHING_AT_GOOGLE), capsys)
    findings = {each["id"]: each for each in json.loads(out)["findings"]}
    assert {row: findings[row]["status"] for row in RUNNING} == {
        row: "failed" if row == missing else "ok" for row in RUNNING
    }
    assert findings["caller.user-project"]["resource"].endswith("/projects/acme-tools")


def test_a_bundle_carries_what_is_said_of_state_key_and_quota(
    served: RunningServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_state(served.cloud, GRANTS["caller.pulumi-state"])
    root, bundle = project(tmp_path, EVERYTHING_AT_GOOGLE), tmp_path / "facts.json"
    assert run(["-C", str(root), "doctor", "dev", "--cloud", "gcp", "--collect", str(bundle)]) == 0
    caller = next(each for each in json.loads(bundle.read_text())["answers"] if each["ask"] == "caller")["value"]
    assert (caller["stateBackend"], caller["quotaProject"]) == ("gs://acme-state/envctl", "acme-tools")
    run(["-C", str(root), "doctor", "dev", "--cloud", "gcp", "--facts", str(bundle), "--format", "json"])
    said = capsys.readouterr().out
    findings = {each["id"]: each["status"] for each in json.loads(said[said.index("{") :])["findings"]}
    assert [findings[row] for row in RUNNING] == ["ok", "failed", "failed"]


def test_who_acts_as_an_account_opens_the_state_himself(
    served: RunningServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    control.seed(served.cloud, {"policies": {ACCOUNT: {"bindings": [LENDER]}}})
    with_state(served.cloud, *GRANTS.values())
    _, out, _ = doctor(project(tmp_path, f"{EVERYTHING_AT_GOOGLE}impersonate: {DEPLOYER}\n"), capsys)
    found = {each["id"]: each for each in json.loads(out)["findings"]}
    assert found["caller.pulumi-state"]["principal"] == "caller:unknown"  # a bare token does not say whose it is
    assert found["caller.pulumi-state"]["status"] == "unknown"
    assert found["caller.user-project"]["principal"] == f"serviceAccount:{DEPLOYER}"


def test_the_embedded_engine_needs_no_bucket(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = project(tmp_path, EVERYTHING_AT_GOOGLE)
    run(["-C", str(root), "doctor", "dev", "--cloud", "sandbox", "--format", "json"])
    findings = {each["id"]: each["status"] for each in json.loads(capsys.readouterr().out)["findings"]}
    assert [findings[row] for row in RUNNING] == ["skipped"] * 3


def test_the_role_set_lists_state_key_and_quota(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = project(tmp_path, EVERYTHING_AT_GOOGLE)
    assert run(["-C", str(root), "iam", "dev", "--format", "json"]) == 0
    said = capsys.readouterr().out
    assert all(row in said for row in RUNNING)
    assert "acme-state" in said


@pytest.mark.parametrize(
    ("key", "status"), [(STATE, GateStatus.OK), (STATE.partition("/cryptoKeys")[0], GateStatus.FAILED)]
)
def test_the_gate_knows_what_the_project_file_says(
    served: RunningServer, tmp_path: Path, key: str, status: GateStatus
) -> None:
    text = f"name: acme\nbackend: gs://acme-state\nsecretsProvider: gcpkms://{key}\n"
    before = prepare(on_google(project(tmp_path, text)), "dev", PlanOptions(gates=False))
    as_the_cli = open_workspace(tmp_path, CloudName.GCP, EngineName.PULUMI)
    answers = run_gates(as_the_cli, as_the_cli.load("dev"), before.events, offline=True)
    found = [each for each in answers if each.id == "pulumi.addresses"]
    assert sorted({each.status for each in found}) == sorted({GateStatus.OK, status})
