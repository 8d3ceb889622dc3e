"""Every field of an environment that can change in place does so on the emulator, one PATCH each."""

from __future__ import annotations

import json
from typing import Any

import pytest
from emulated import PROJECT, REGION, emulated_provider
from provider_fakes import Notes

from envctl.provider.protocol import Live
from envctl.provider.translator import SandboxProvider
from envctl.provider.values import get_path, set_path
from envctl.sandbox.cloud import Cloud

ENVIRONMENT = "gcp:composer/environment:Environment"
ACCOUNT = f"composer@{PROJECT}.iam.gserviceaccount.com"
NETWORK = f"projects/{PROJECT}/global/networks/vpc"
SUBNET = f"projects/{PROJECT}/regions/{REGION}/subnetworks/nodes"

GENERATION_3: dict[str, Any] = {
    "name": "dev",
    "region": REGION,
    "config": {
        "nodeConfig": {"serviceAccount": ACCOUNT},
        "softwareConfig": {"imageVersion": "composer-3-airflow-2.10.5-build.10"},
    },
}
GENERATION_2: dict[str, Any] = {
    "name": "dev",
    "region": REGION,
    "config": {
        "nodeConfig": {"serviceAccount": ACCOUNT, "network": NETWORK, "subnetwork": SUBNET},
        "softwareConfig": {"imageVersion": "composer-2.13.1-airflow-2.10.5"},
        "privateEnvironmentConfig": {
            "enablePrivateEndpoint": False,
            "connectionType": "PRIVATE_SERVICE_CONNECT",
            "cloudComposerConnectionSubnetwork": SUBNET,
        },
    },
}

CHANGES: dict[str, tuple[dict[str, Any], str, Any, list[str]]] = {
    "image": (
        GENERATION_3,
        "config.softwareConfig.imageVersion",
        "composer-3-airflow-2.10.5-build.15",
        ["config.softwareConfig.imageVersion"],
    ),
    "overrides": (
        GENERATION_3,
        "config.softwareConfig.airflowConfigOverrides",
        {"core-parallelism": "8"},
        ["config.softwareConfig.airflowConfigOverrides"],
    ),
    "variables": (
        GENERATION_3,
        "config.softwareConfig.envVariables",
        {"STAGE": "dev"},
        ["config.softwareConfig.envVariables"],
    ),
    "packages": (
        GENERATION_3,
        "config.softwareConfig.pypiPackages",
        {"holidays": "==0.58"},
        ["config.softwareConfig.pypiPackages"],
    ),
    "plugins": (
        GENERATION_3,
        "config.softwareConfig.webServerPluginsMode",
        "DISABLED",
        ["config.softwareConfig.webServerPluginsMode"],
    ),
    "lineage": (
        GENERATION_3,
        "config.softwareConfig.cloudDataLineageIntegration",
        {"enabled": True},
        ["config.softwareConfig.cloudDataLineageIntegration"],
    ),
    "private": (
        GENERATION_3,
        "config.enablePrivateEnvironment",
        True,
        ["config.PrivateEnvironmentConfig.NetworkingType"],
    ),
    "private builds": (
        GENERATION_3,
        "config.enablePrivateBuildsOnly",
        True,
        ["config.PrivateEnvironmentConfig.EnablePrivateBuildsOnly"],
    ),
    "size": (GENERATION_3, "config.environmentSize", "ENVIRONMENT_SIZE_MEDIUM", ["config.EnvironmentSize"]),
    "workloads": (
        GENERATION_3,
        "config.workloadsConfig",
        {"scheduler": {"count": 2, "cpu": 1, "memoryGb": 4, "storageGb": 1}},
        ["config.WorkloadsConfig"],
    ),
    "window": (
        GENERATION_3,
        "config.maintenanceWindow",
        {
            "startTime": "2026-01-01T01:00:00Z",
            "endTime": "2026-01-01T07:00:00Z",
            "recurrence": "FREQ=WEEKLY;BYDAY=FR,SA",
        },
        ["config.maintenanceWindow"],
    ),
    "access": (
        GENERATION_3,
        "config.webServerNetworkAccessControl",
        {"allowedIpRanges": [{"value": "203.0.113.0/24", "description": "office"}, {"value": "198.51.100.0/24"}]},
        ["config.webServerNetworkAccessControl"],
    ),
    "task logs": (
        GENERATION_3,
        "config.dataRetentionConfig",
        {"taskLogsRetentionConfigs": [{"storageMode": "CLOUD_LOGGING_AND_CLOUD_STORAGE"}]},
        ["config.DataRetentionConfig.TaskLogsRetentionConfig.StorageMode"],
    ),
    "metadata": (
        GENERATION_3,
        "config.dataRetentionConfig",
        {
            "airflowMetadataRetentionConfigs": [{"retentionMode": "RETENTION_MODE_ENABLED", "retentionDays": 90}],
        },
        ["config.DataRetentionConfig.AirflowMetadataRetentionConfig"],
    ),
    "snapshots": (
        GENERATION_3,
        "config.recoveryConfig",
        {
            "scheduledSnapshotsConfig": {
                "enabled": True,
                "snapshotCreationSchedule": "0 4 * * *",
                "snapshotLocation": "gs://acme-composer-dev/snapshots",
                "timeZone": "UTC+01",
            }
        },
        ["config.RecoveryConfig.ScheduledSnapshotsConfig"],
    ),
    "network": (
        GENERATION_3,
        "config.nodeConfig",
        {"serviceAccount": ACCOUNT, "network": NETWORK, "subnetwork": SUBNET},
        ["config.nodeConfig.network,config.nodeConfig.subnetwork"] * 2,
    ),
    "labels": (GENERATION_3, "labels", {"team": "core"}, ["labels"]),
    "resilience": (GENERATION_2, "config.resilienceMode", "HIGH_RESILIENCE", ["config.ResilienceMode"]),
    "authorised networks": (
        GENERATION_2,
        "config.masterAuthorizedNetworksConfig",
        {"enabled": True, "cidrBlocks": [{"cidrBlock": "203.0.113.0/24", "displayName": "office"}]},
        ["config.MasterAuthorizedNetworksConfig"],
    ),
}


@pytest.fixture
def emulator() -> Cloud:
    return Cloud()


@pytest.fixture
def sandbox(emulator: Cloud) -> SandboxProvider:
    made = emulated_provider(emulator)
    for name in ("composer", "compute", "iam", "storage"):
        create(made, "gcp:projects/service:Service", {"service": f"{name}.googleapis.com"})
    create(made, "gcp:serviceaccount/account:Account", {"accountId": "composer"})
    create(made, "gcp:storage/bucket:Bucket", {"name": "acme-composer-dev", "location": REGION})
    create(made, "gcp:compute/network:Network", {"name": "vpc", "autoCreateSubnetworks": False})
    subnet = {"name": "nodes", "region": REGION, "network": NETWORK, "ipCidrRange": "10.10.0.0/20"}
    create(made, "gcp:compute/subnetwork:Subnetwork", subnet)
    return made


def create(provider: SandboxProvider, token: str, inputs: dict[str, Any]) -> Live:
    checked = provider.check("urn", token, {}, inputs)
    assert checked.failures == ()
    return provider.create("urn", token, checked.inputs, Notes().context(), preview=False)


@pytest.mark.parametrize("name", CHANGES)
def test_a_field_changes_in_place(sandbox: SandboxProvider, emulator: Cloud, name: str) -> None:
    base, path, value, masks = CHANGES[name]
    context = Notes().context()
    made = create(sandbox, ENVIRONMENT, base)
    assert not sandbox.diff("urn", ENVIRONMENT, made.id, made.inputs, made.outputs, made.inputs).changes
    wanted = json.loads(json.dumps(base))
    set_path(wanted, path, value)
    checked = sandbox.check("urn", ENVIRONMENT, made.inputs, wanted)
    assert checked.failures == ()
    found = sandbox.diff("urn", ENVIRONMENT, made.id, made.inputs, made.outputs, checked.inputs)
    assert found.changes
    assert found.replaces == ()

    start = len(emulator.requests)
    live = sandbox.update(
        "urn", ENVIRONMENT, made.id, made.inputs, made.outputs, checked.inputs, context, preview=False
    )
    patches = [item for item in emulator.requests[start:] if item["method"].endswith("environments.patch")]
    assert len(patches) == len(masks)
    assert not sandbox.diff("urn", ENVIRONMENT, made.id, checked.inputs, live.outputs, checked.inputs).changes

    if name == "image":
        return  # there is no way back
    # Back to where it was: what the server keeps of an optional, computed field is no difference.
    back = sandbox.update(
        "urn", ENVIRONMENT, made.id, checked.inputs, live.outputs, made.inputs, context, preview=False
    )
    assert not sandbox.diff("urn", ENVIRONMENT, made.id, made.inputs, back.outputs, made.inputs).changes
    assert get_path(back.outputs, "config.softwareConfig.imageVersion")


@pytest.mark.parametrize("base", [GENERATION_2, GENERATION_3])
def test_an_imported_environment_shows_no_difference(sandbox: SandboxProvider, base: dict[str, Any]) -> None:
    made = create(sandbox, ENVIRONMENT, base)
    imported = sandbox.read("urn", ENVIRONMENT, made.id, {}, {}, Notes().context())
    assert imported is not None
    checked = sandbox.check("urn", ENVIRONMENT, {}, imported.inputs)
    assert checked.failures == ()
    assert not sandbox.diff("urn", ENVIRONMENT, made.id, checked.inputs, imported.outputs, checked.inputs).changes
    # The imported inputs are complete: they alone make the same environment.
    sandbox.delete("urn", ENVIRONMENT, made.id, checked.inputs, imported.outputs, Notes().context())
    again = create(sandbox, ENVIRONMENT, dict(checked.inputs))
    assert again.outputs["config"]["nodeConfig"] == made.outputs["config"]["nodeConfig"]
