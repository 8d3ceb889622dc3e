from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi._types import input_type_types, is_input_type
from pulumi_gcp.composer import EnvironmentArgs
from stacks_recording import EVERYTHING_2, EVERYTHING_3

from envctl.composer import ARGUMENTS, LEFT_OUT, NOBODY, Links, environment_arguments, environment_fields, generation
from envctl.spec.model import Environment
from envctl.spec.tables import generations

GENERATION_3 = "composer-3-airflow-2.10.5-build.10"
GENERATION_2 = "composer-2.13.8-airflow-2.10.5"


def spec(image: str = GENERATION_3, /, **fields: Any) -> Environment:
    document: dict[str, Any] = {
        "project": "acme-data-prod",
        "region": "europe-west1",
        "imageVersion": image,
        "serviceAccount": {"name": "composer-prod"},
        **fields,
    }
    return Environment.model_validate_json(json.dumps(document))


LINKS = Links(service_account="composer-prod@acme-data-prod.iam.gserviceaccount.com")


def config(environment: Environment, links: Links = LINKS) -> dict[str, Any]:
    return environment_arguments("prod", environment, links)["config"]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (GENERATION_3, 3),
        (GENERATION_2, 2),
        ("composer-3-airflow-2", 3),
        ("composer-2-airflow-2", 2),
        ("composer-1.20.5-airflow-2.4.3", 1),
    ],
)
def test_the_generation_is_read_from_the_image_version(image: str, expected: int) -> None:
    assert generation(image) == expected


@pytest.mark.parametrize(
    "text", ["", "airflow-2.10", "composer-latest-airflow-2.10.5", "composer-3", "composer-3x-airflow-2"]
)
def test_what_is_no_image_version_has_no_generation(text: str) -> None:
    with pytest.raises(ValueError, match="no known generation"):
        generation(text)


def test_the_smallest_file_says_nothing_that_google_decides() -> None:
    assert environment_arguments("prod", spec(), LINKS) == {
        "name": "prod",
        "project": "acme-data-prod",
        "region": "europe-west1",
        "config": {
            "softwareConfig": {"imageVersion": GENERATION_3},
            "nodeConfig": {"serviceAccount": "composer-prod@acme-data-prod.iam.gserviceaccount.com"},
            "enablePrivateEnvironment": False,
        },
    }


def test_private_is_a_switch_in_generation_3_and_a_block_in_generation_2() -> None:
    private = {"mode": "private"}
    three = config(spec(network=private))
    assert three["enablePrivateEnvironment"] is True
    assert "privateEnvironmentConfig" not in three
    two = config(spec(GENERATION_2, network=private))
    assert "enablePrivateEnvironment" not in two
    assert two["privateEnvironmentConfig"] == {
        "connectionType": "PRIVATE_SERVICE_CONNECT",
        "enablePrivateEndpoint": False,
    }
    assert "privateEnvironmentConfig" not in config(spec(GENERATION_2))


def test_the_private_block_of_generation_2_carries_its_ranges() -> None:
    block = {
        "connection": "vpc-peering",
        "masterCidr": "172.16.0.0/28",
        "cloudSqlCidr": "10.40.0.0/24",
        "composerNetworkCidr": "172.31.245.0/24",
        "privateEndpoint": True,
        "privatelyUsedPublicIps": True,
        "authorizedNetworks": [{"cidr": "203.0.113.0/24", "description": "office"}, {"cidr": "198.51.100.0/24"}],
    }
    found = config(spec(GENERATION_2, network={"mode": "private", "privateEnvironment": block}))
    assert found["privateEnvironmentConfig"] == {
        "connectionType": "VPC_PEERING",
        "enablePrivateEndpoint": True,
        "enablePrivatelyUsedPublicIps": True,
        "masterIpv4CidrBlock": "172.16.0.0/28",
        "cloudSqlIpv4CidrBlock": "10.40.0.0/24",
        "cloudComposerNetworkIpv4CidrBlock": "172.31.245.0/24",
    }
    assert found["masterAuthorizedNetworksConfig"] == {
        "enabled": True,
        "cidrBlocks": [{"cidrBlock": "203.0.113.0/24", "displayName": "office"}, {"cidrBlock": "198.51.100.0/24"}],
    }


def test_secondary_ranges_come_from_the_own_vpc_unless_the_file_names_others() -> None:
    links = Links(service_account="a", pods_range="pods", services_range="services")
    assert config(spec(GENERATION_2), links)["nodeConfig"]["ipAllocationPolicy"] == {
        "clusterSecondaryRangeName": "pods",
        "servicesSecondaryRangeName": "services",
    }
    named = spec(GENERATION_2, network={"ipAllocation": {"podsCidr": "10.1.0.0/16", "servicesRangeName": "svc"}})
    assert config(named, links)["nodeConfig"]["ipAllocationPolicy"] == {
        "servicesSecondaryRangeName": "svc",
        "clusterIpv4CidrBlock": "10.1.0.0/16",
    }
    assert "ipAllocationPolicy" not in config(spec(), links)["nodeConfig"]


@pytest.mark.parametrize(
    ("window", "end"),
    [
        ({"start": "2026-01-01T01:00:00Z", "hours": 4, "days": ["FR", "SU"]}, "2026-01-01T05:00:00Z"),
        ({"start": "2026-01-01T22:30:00Z", "hours": 12, "days": ["FR", "SU"]}, "2026-01-02T10:30:00Z"),
        ({"start": "2026-01-01T01:00:00+02:00", "hours": 4.5, "days": ["FR", "SU"]}, "2026-01-01T05:30:00+02:00"),
    ],
)
def test_the_maintenance_window_ends_its_hours_after_its_start(window: dict[str, Any], end: str) -> None:
    assert config(spec(maintenance=window))["maintenanceWindow"] == {
        "startTime": window["start"],
        "endTime": end,
        "recurrence": "FREQ=WEEKLY;BYDAY=FR,SU",
    }


def test_snapshots_that_are_off_keep_nothing_but_the_switch() -> None:
    snapshots = {"enabled": False, "schedule": "0 3 * * *", "location": "gs://b/s"}
    assert config(spec(snapshots=snapshots))["recoveryConfig"] == {"scheduledSnapshotsConfig": {"enabled": False}}


def test_metadata_retention_of_zero_days_switches_it_off() -> None:
    kept = config(spec(retention={"metadataDays": 60, "taskLogs": "cloud-logging-and-storage"}))
    assert kept["dataRetentionConfig"] == {
        "airflowMetadataRetentionConfigs": [{"retentionMode": "RETENTION_MODE_ENABLED", "retentionDays": 60}],
        "taskLogsRetentionConfigs": [{"storageMode": "CLOUD_LOGGING_AND_CLOUD_STORAGE"}],
    }
    off = config(spec(retention={"metadataDays": 0}))
    assert off["dataRetentionConfig"] == {
        "airflowMetadataRetentionConfigs": [{"retentionMode": "RETENTION_MODE_DISABLED"}]
    }


def test_no_allowed_range_is_something_else_than_no_word_about_ranges() -> None:
    assert "webServerNetworkAccessControl" not in config(spec())
    closed = config(spec(webServer={"allowedRanges": []}))["webServerNetworkAccessControl"]
    # An empty list would be dropped by the provider, and the web server open to everybody.
    assert [item["value"] for item in closed["allowedIpRanges"]] == [NOBODY]


def test_no_authorized_network_is_something_else_than_no_word_about_networks() -> None:
    def networks(**block: Any) -> Any:
        found = spec(GENERATION_2, network={"mode": "private", "privateEnvironment": block})
        return config(found).get("masterAuthorizedNetworksConfig")

    assert networks() is None
    assert networks(authorizedNetworks=[]) == {"enabled": True, "cidrBlocks": []}


@pytest.mark.parametrize(("image", "least"), [(GENERATION_3, 1), (GENERATION_2, 0.5)])
def test_no_triggerers_have_the_least_size_because_the_provider_wants_one(image: str, least: float) -> None:
    none = config(spec(image, workloads={"triggerer": {"count": 0}}))["workloadsConfig"]
    assert none == {"triggerer": {"count": 0, "cpu": 0.5, "memoryGb": least}}
    two = {"count": 2, "cpu": 1, "memoryGb": 4}
    assert config(spec(image, workloads={"triggerer": two}))["workloadsConfig"] == {"triggerer": two}


def test_the_secret_manager_backend_is_airflow_configuration_that_the_file_can_override() -> None:
    found = config(spec(secrets={"prefix": "team"}))["softwareConfig"]["airflowConfigOverrides"]
    assert found["secrets-backend"].endswith(".CloudSecretManagerBackend")
    assert json.loads(found["secrets-backend_kwargs"]) == {
        "project_id": "acme-data-prod",
        "connections_prefix": "team-connections",
        "variables_prefix": "team-variables",
        "sep": "-",
    }
    own = spec(secrets={}, airflow={"config": {"secrets-backend": "my.Backend"}})
    assert config(own)["softwareConfig"]["airflowConfigOverrides"]["secrets-backend"] == "my.Backend"


def test_vault_is_named_and_the_file_says_where_it_is() -> None:
    kwargs = {"secrets-backend_kwargs": '{"url": "https://vault.example"}'}
    vault = spec(secrets={"backend": "vault"}, airflow={"config": kwargs})
    assert config(vault)["softwareConfig"]["airflowConfigOverrides"] == {
        "secrets-backend": "airflow.providers.hashicorp.secrets.vault.VaultBackend",
        **kwargs,
    }
    own_class = spec(secrets={"backend": "kms-gcs"})
    assert "airflowConfigOverrides" not in config(own_class)["softwareConfig"]


def test_custom_packages_are_not_part_of_the_infrastructure() -> None:
    environment = spec(packages={"inline": {"pandas": "==2.2.0"}})
    assert "pypiPackages" not in json.dumps(environment_arguments("prod", environment, LINKS))


def test_every_argument_comes_from_a_key_that_the_model_knows() -> None:
    for argument in ARGUMENTS:
        assert _exists(Environment, argument.origin), argument


def _exists(model: type, path: tuple[str, ...]) -> bool:
    for key in path:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}  # type: ignore[attr-defined]
        if key not in fields:
            return key == "environment"  # `buckets` is a mapping: any key may follow
        model = _block_of(fields[key].annotation)
    return True


def _block_of(annotation: Any) -> Any:
    for part in (annotation, *typing.get_args(annotation)):
        if hasattr(part, "model_fields"):
            return part
    return type("Leaf", (), {"model_fields": {}})


def test_fields_of_one_generation_are_not_said_to_come_from_the_other() -> None:
    assert "config.nodeConfig.ipAllocationPolicy" not in environment_fields(GENERATION_3)
    assert "config.enablePrivateEnvironment" not in environment_fields(GENERATION_2)
    assert environment_fields(GENERATION_3)["config.softwareConfig.envVariables"] == ("airflow", "env")


def test_generations_of_arguments_agree_with_the_rules_of_the_files() -> None:
    for key, only in generations().only.items():
        path = tuple(key.split("."))
        found = {number for argument in ARGUMENTS if argument.origin == path for number in argument.generations}
        resources_of_their_own = key.startswith("userWorkloads.")
        assert found == (set() if resources_of_their_own else {only}), key


COMPUTED = {"config.airflowUri", "config.dagGcsPrefix", "config.gkeCluster"}


def leaves(cls: type, prefix: str = "") -> Iterator[str]:
    """Every input of the provider's environment as a property path, positions in lists left out."""
    for name, annotation in input_type_types(cls).items():
        inner = _args_class(annotation)
        if inner is None:
            yield f"{prefix}{name}"
        else:
            yield from leaves(inner, f"{prefix}{name}.")


def _args_class(annotation: Any) -> type | None:
    if isinstance(annotation, type):
        return annotation if is_input_type(annotation) else None
    return next((found for part in typing.get_args(annotation) if (found := _args_class(part))), None)


def said(value: Any, path: str = "") -> Iterator[str]:
    """Property paths of what a value says, down to the provider's leaves and those of maps."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from said(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for item in value:
            yield from said(item, path)
    else:
        yield path


def test_every_input_of_the_provider_can_be_said_or_is_left_out_with_a_reason() -> None:
    links = Links("a", "n", "s", "pods", "services", "k", "b", {"team": "data"})
    other = {
        "mode": "private",
        "attachment": "a",
        "ipAllocation": {"podsCidr": "10.0.0.0/16", "servicesCidr": "10.1.0.0/16"},
    }
    files = [
        spec(**EVERYTHING_3),
        spec(**EVERYTHING_2),
        spec(network=other),
        spec(GENERATION_2, network=other),
    ]
    found = {path for file in files for path in said(environment_arguments("prod", file, links))}
    wanted = set(leaves(EnvironmentArgs)) - COMPUTED
    silent = {path for path in wanted if not any(each == path or each.startswith(f"{path}.") for each in found)}
    assert silent == set(LEFT_OUT)
    assert all(LEFT_OUT.values())
