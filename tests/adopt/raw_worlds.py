"""Environments that nobody made for envctl: by raw API calls, with what people put around them."""

from __future__ import annotations

import json
from typing import Any

from envctl.actions.workspace import Workspace
from envctl.sandbox.messages import Request

PROJECT = "acme-data-dev"
REGION = "europe-west1"
HOME = f"projects/{PROJECT}/locations/{REGION}"
ACCOUNT = f"runner@{PROJECT}.iam.gserviceaccount.com"
KEY = f"projects/{PROJECT}/locations/{REGION}/keyRings/old-ring/cryptoKeys/old-key"
NETWORK = f"projects/{PROJECT}/global/networks/corp"
SUBNETWORK = f"projects/{PROJECT}/regions/{REGION}/subnetworks/corp-data"
WINDOW = {
    "startTime": "2025-03-01T22:00:00Z",
    "endTime": "2025-03-02T04:00:00Z",
    "recurrence": "FREQ=WEEKLY;BYDAY=SA,SU",
}
THREE = "composer-3-airflow-2.10.5-build.10"
TWO = "composer-2.13.8-airflow-2.10.5"


def api(workspace: Workspace, method: str, path: str, body: Any = None) -> Any:
    """One request behind envctl's back; an operation is followed to its end."""
    answer = _ask(workspace, method, path, body)
    service = "/".join(path.split("/")[:2])
    name = answer.get("name", "") if isinstance(answer, dict) else ""
    if "/operations/" in name or name.startswith("operations/"):
        for _ in range(20):
            answer = _ask(workspace, "GET", f"{service}/{name}")
            if answer.get("done"):
                assert "error" not in answer, answer
                break
    if isinstance(answer, dict) and answer.get("kind", "").startswith("compute#operation"):
        link = answer["selfLink"].partition("/compute/v1/")[2]
        for _ in range(20):
            answer = _ask(workspace, "GET", f"compute/compute/v1/{link}")
            if answer["status"] == "DONE":
                break
    return answer


def _ask(workspace: Workspace, method: str, path: str, body: Any = None) -> Any:
    answer = workspace.cloud.emulator().handle(Request.to(method, f"http://localhost/{path}", body=body))
    assert answer.status < 400, (path, answer.body)
    return json.loads(answer.body) if answer.body else {}


def grant(workspace: Workspace, role: str, *members: str) -> None:
    policy = api(workspace, "POST", f"crm/v1/projects/{PROJECT}:getIamPolicy", {})
    policy.setdefault("bindings", []).append({"role": role, "members": list(members)})
    api(workspace, "POST", f"crm/v1/projects/{PROJECT}:setIamPolicy", {"policy": policy})


def project(workspace: Workspace, *services: str) -> None:
    """A Google project with what any environment needs."""
    for service in ("cloudresourcemanager", "iam", "compute", "composer", "storage", "cloudkms", *services):
        api(workspace, "POST", f"serviceusage/v1/projects/{PROJECT}/services/{service}.googleapis.com:enable", {})
    api(
        workspace,
        "POST",
        f"iam/v1/projects/{PROJECT}/serviceAccounts",
        {"accountId": "runner", "serviceAccount": {"displayName": "made by hand"}},
    )


def environment(workspace: Workspace, name: str, config: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {"name": f"{HOME}/environments/{name}", "config": config, **more}
    api(workspace, "POST", f"composer/v1/{HOME}/environments", body)
    return api(workspace, "GET", f"composer/v1/{HOME}/environments/{name}")


def change(workspace: Workspace, name: str, mask: str, body: dict[str, Any]) -> None:
    api(workspace, "PATCH", f"composer/v1/{HOME}/environments/{name}?updateMask={mask}", body)


def plain_three(workspace: Workspace) -> None:
    """Generation 3 with as little as Google takes."""
    project(workspace)
    environment(
        workspace, "old", {"nodeConfig": {"serviceAccount": ACCOUNT}, "softwareConfig": {"imageVersion": THREE}}
    )


def network(workspace: Workspace) -> None:
    api(
        workspace,
        "POST",
        f"compute/compute/v1/projects/{PROJECT}/global/networks",
        {"name": "corp", "autoCreateSubnetworks": False},
    )
    api(
        workspace,
        "POST",
        f"compute/compute/v1/projects/{PROJECT}/regions/{REGION}/subnetworks",
        {
            "name": "corp-data",
            "network": NETWORK,
            "ipCidrRange": "10.9.0.0/20",
            "secondaryIpRanges": [
                {"rangeName": "p", "ipCidrRange": "10.64.0.0/14"},
                {"rangeName": "s", "ipCidrRange": "10.68.0.0/20"},
            ],
        },
    )


def key(workspace: Workspace) -> None:
    parent = f"projects/{PROJECT}/locations/{REGION}/keyRings"
    api(workspace, "POST", f"kms/v1/{parent}?keyRingId=old-ring", {})
    api(workspace, "POST", f"kms/v1/{parent}/old-ring/cryptoKeys?cryptoKeyId=old-key", {"purpose": "ENCRYPT_DECRYPT"})


def full_three(workspace: Workspace) -> None:
    """Generation 3, private, with a key, own workloads, packages, labels, people, and things that no file can hold."""
    project(workspace, "secretmanager", "artifactregistry")
    network(workspace)
    key(workspace)
    environment(
        workspace,
        "old",
        {
            "environmentSize": "ENVIRONMENT_SIZE_MEDIUM",
            "nodeConfig": {"serviceAccount": ACCOUNT, "network": NETWORK, "subnetwork": SUBNETWORK, "tags": ["data"]},
            "privateEnvironmentConfig": {"networkingType": "PRIVATE"},
            "encryptionConfig": {"kmsKeyName": KEY},
            "softwareConfig": {
                "imageVersion": THREE,
                "airflowConfigOverrides": {"core-max_active_runs_per_dag": "3"},
                "envVariables": {"STAGE": "old", "CRM_PASSWORD": "correct horse", "LANDING": "gs://acme-landing/in"},
            },
            "workloadsConfig": {
                "scheduler": {"count": 2, "cpu": 1, "memoryGb": 4, "storageGb": 2},
                "worker": {"minCount": 2, "maxCount": 5, "cpu": 2, "memoryGb": 8, "storageGb": 10},
            },
            "maintenanceWindow": WINDOW,
            "webServerNetworkAccessControl": {
                "allowedIpRanges": [{"value": "203.0.113.0/24", "description": "office"}]
            },
        },
        labels={"team": "legacy", "cost-center": "12"},
    )
    change(
        workspace,
        "old",
        "config.softwareConfig.pypiPackages",
        {"config": {"softwareConfig": {"pypiPackages": {"pendulum": ">=3,<4", "pandas": "[gcp]==2.1.4"}}}},
    )
    for role in ("roles/composer.worker", "roles/bigquery.jobUser"):
        grant(workspace, role, f"serviceAccount:{ACCOUNT}")
    grant(workspace, "roles/composer.user", "group:analysts@acme.example", "user:ann@acme.example")
    grant(workspace, "roles/composer.admin", "user:ops@acme.example")
    api(
        workspace,
        "POST",
        f"composer/v1/{HOME}/environments/old/userWorkloadsConfigMaps",
        {"name": f"{HOME}/environments/old/userWorkloadsConfigMaps/settings", "data": {"mode": "fast"}},
    )
    api(
        workspace,
        "POST",
        f"composer/v1/{HOME}/environments/old/userWorkloadsSecrets",
        {"name": f"{HOME}/environments/old/userWorkloadsSecrets/crm", "data": {"key": "c2VjcmV0"}},
    )
    api(
        workspace,
        "POST",
        f"secretmanager/v1/projects/{PROJECT}/secrets?secretId=crm",
        {"replication": {"automatic": {}}},
    )
    api(
        workspace,
        "POST",
        f"secretmanager/v1/projects/{PROJECT}/secrets/crm:setIamPolicy",
        {
            "policy": {
                "bindings": [{"role": "roles/secretmanager.secretAccessor", "members": [f"serviceAccount:{ACCOUNT}"]}]
            }
        },
    )


def full_two(workspace: Workspace) -> None:
    """Generation 2, private, with ranges by name and a window every day, which no file can say."""
    project(workspace)
    network(workspace)
    key(workspace)
    environment(
        workspace,
        "old",
        {
            "environmentSize": "ENVIRONMENT_SIZE_LARGE",
            "resilienceMode": "HIGH_RESILIENCE",
            "nodeConfig": {
                "serviceAccount": ACCOUNT,
                "network": NETWORK,
                "subnetwork": SUBNETWORK,
                "ipAllocationPolicy": {"clusterSecondaryRangeName": "p", "servicesSecondaryRangeName": "s"},
            },
            "privateEnvironmentConfig": {
                "enablePrivateEnvironment": True,
                "privateClusterConfig": {"enablePrivateEndpoint": True, "masterIpv4CidrBlock": "172.16.0.0/28"},
                "networkingConfig": {"connectionType": "PRIVATE_SERVICE_CONNECT"},
            },
            "encryptionConfig": {"kmsKeyName": KEY},
            "softwareConfig": {
                "imageVersion": TWO,
                "airflowConfigOverrides": {"core-dags_are_paused_at_creation": "True"},
            },
            "workloadsConfig": {
                "scheduler": {"count": 2, "cpu": 2, "memoryGb": 8, "storageGb": 2},
                "triggerer": {"count": 2, "cpu": 0.5, "memoryGb": 0.5},
            },
            "maintenanceWindow": {**WINDOW, "recurrence": "FREQ=DAILY"},
        },
        labels={"team": "legacy"},
    )
    grant(workspace, "roles/composer.worker", f"serviceAccount:{ACCOUNT}")
    grant(workspace, "roles/composer.user", "group:analysts@acme.example")


WORLDS = {"plain-3": plain_three, "full-3": full_three, "full-2": full_two}
