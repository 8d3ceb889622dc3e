"""From an environment's spec to the arguments of the Composer environment, for generations 2 and 3.

One table says for every property: where it stands in the file, which generation knows it, and how its value is
made. The arguments, the place in the file of each change, and the list of what cannot be said all come from it.
Property names are those of Pulumi's `gcp:composer/environment:Environment`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from envctl.spec.image import parse_image
from envctl.spec.model import (
    Environment,
    NetworkMode,
    Resilience,
    SecretsBackendKind,
    Size,
    TaskLogs,
    WorkerWorkload,
    Workload,
)
from envctl.spec.tables import workload_limits

_SIZES = {
    Size.SMALL: "ENVIRONMENT_SIZE_SMALL",
    Size.MEDIUM: "ENVIRONMENT_SIZE_MEDIUM",
    Size.LARGE: "ENVIRONMENT_SIZE_LARGE",
    Size.EXTRA_LARGE: "ENVIRONMENT_SIZE_EXTRA_LARGE",
}
_RESILIENCE = {Resilience.STANDARD: "STANDARD_RESILIENCE", Resilience.HIGH: "HIGH_RESILIENCE"}
_TASK_LOGS = {
    TaskLogs.CLOUD_LOGGING_ONLY: "CLOUD_LOGGING_ONLY",
    TaskLogs.CLOUD_LOGGING_AND_STORAGE: "CLOUD_LOGGING_AND_CLOUD_STORAGE",
}
_CONNECTIONS = {"psc": "PRIVATE_SERVICE_CONNECT", "vpc-peering": "VPC_PEERING"}
_FUNCTIONS_ROUTING = {"internal": "DIRECT", "vpc": "VIA_NETWORK_ATTACHMENT"}

SECRET_MANAGER_BACKEND = "airflow.providers.google.cloud.secrets.secret_manager.CloudSecretManagerBackend"  # noqa: S105
"""Class of Airflow's Secret Manager backend (package apache-airflow-providers-google, preinstalled in every image)."""

VAULT_BACKEND = "airflow.providers.hashicorp.secrets.vault.VaultBackend"
"""Class of Airflow's Vault backend (package apache-airflow-providers-hashicorp, preinstalled in every image)."""


@dataclass(frozen=True, slots=True)
class Links:
    """What the environment refers to. Values are texts, or references that the caller resolves later."""

    service_account: Any
    network: Any = None
    subnetwork: Any = None
    pods_range: str | None = None
    services_range: str | None = None
    kms_key: Any = None
    bucket: Any = None
    labels: Mapping[str, str] = field(default_factory=dict)


Value = Callable[[Environment, Links], Any]


@dataclass(frozen=True, slots=True)
class Argument:
    """One property of the environment: its path, the spec path it comes from, the generations that have it."""

    property: str
    origin: tuple[str, ...]
    value: Value
    generations: frozenset[int] = frozenset({2, 3})


def generation(image_version: str) -> int:
    """The Composer generation of an image version; `ValueError` for other texts and for `composer-latest`.

    The rules refuse both at load time.
    """
    image = parse_image(image_version)
    if image is None or image.generation is None:
        raise ValueError(f"an image version of no known generation: {image_version}")
    return image.generation


def environment_arguments(name: str, spec: Environment, links: Links) -> dict[str, Any]:
    """Inputs of the environment resource, camelCase; nothing that the spec leaves to Google.

    Custom packages are not among them: they go through the API client, so that a failing package build does not
    taint the environment in the state.
    """
    arguments: dict[str, Any] = {"name": name, "project": spec.project, "region": spec.region}
    number = generation(spec.image_version)
    for argument in ARGUMENTS:
        if number not in argument.generations:
            continue
        value = argument.value(spec, links)
        if value is None:
            continue
        target = arguments
        *parents, leaf = argument.property.split(".")
        for parent in parents:
            target = target.setdefault(parent, {})
        target[leaf] = value
    return arguments


def environment_fields(image_version: str) -> dict[str, tuple[str, ...]]:
    """Property path to spec path, for every property of the generation; a path covers everything below it."""
    number = generation(image_version)
    return {argument.property: argument.origin for argument in ARGUMENTS if number in argument.generations}


def airflow_config(spec: Environment) -> dict[str, str]:
    """Airflow's configuration overrides: the secrets backend, then what the file says (which wins).

    Where a Vault answers, and which class reads values that KMS encrypted, only the file can say.
    """
    overrides: dict[str, str] = {}
    if spec.secrets is not None and spec.secrets.backend is SecretsBackendKind.VAULT:
        overrides["secrets-backend"] = VAULT_BACKEND
    if spec.secrets is not None and spec.secrets.backend is SecretsBackendKind.SECRET_MANAGER:
        overrides["secrets-backend"] = SECRET_MANAGER_BACKEND
        overrides["secrets-backend_kwargs"] = json.dumps(
            {
                "project_id": spec.project,
                "connections_prefix": f"{spec.secrets.prefix}-connections",
                "variables_prefix": f"{spec.secrets.prefix}-variables",
                "sep": "-",
            }
        )
    overrides.update(spec.airflow.config)
    return dict(sorted(overrides.items()))


def _sized(workload: Workload | WorkerWorkload | None) -> dict[str, Any] | None:
    """A workload's set fields by API name."""
    if workload is None:
        return None
    return workload.model_dump(by_alias=True, exclude_none=True) or None


def _triggerer(spec: Environment) -> dict[str, Any] | None:
    """The triggerers; where none run, their size is the least that there is, because the provider wants one."""
    sized = _sized(spec.workloads.triggerer)
    if sized is None or sized.get("count") != 0:
        return sized
    limits = workload_limits()[generation(spec.image_version)]["triggerer"]
    return {"cpu": limits.cpu[0], "memoryGb": limits.memory[0], **sized}


def _private(spec: Environment) -> bool:
    return spec.network.mode is NetworkMode.PRIVATE


def _maintenance(spec: Environment, _links: Links) -> dict[str, str] | None:
    window = spec.maintenance
    if window is None:
        return None
    start = datetime.fromisoformat(window.start)
    end = start + timedelta(hours=window.hours)
    return {
        "startTime": window.start,
        "endTime": end.isoformat().replace("+00:00", "Z"),
        "recurrence": f"FREQ=WEEKLY;BYDAY={','.join(window.days)}",
    }


def _snapshots(spec: Environment, _links: Links) -> dict[str, Any] | None:
    snapshots = spec.snapshots
    if snapshots is None:
        return None
    if not snapshots.enabled:
        return {"enabled": False}
    return {
        "enabled": True,
        "snapshotCreationSchedule": snapshots.schedule,
        "snapshotLocation": snapshots.location,
        "timeZone": snapshots.time_zone,
    }


NOBODY = "192.0.2.0/32"
"""The range of a web server that nobody reaches: an address for documentation (RFC 5737), which no machine has.

The provider drops a list of no ranges from its requests (`expandComposerEnvironmentConfigWebServerNetworkAccessControl`
in hashicorp/terraform-provider-google-beta, 2026-08-21), and Google opens a web server without a list to everybody.
"""


def _allowed_ranges(spec: Environment, _links: Links) -> list[dict[str, str]] | None:
    ranges = spec.web_server.allowed_ranges
    if ranges is None:
        return None
    if not ranges:
        return [{"value": NOBODY, "description": "Nobody: an address that no machine has"}]
    return [
        {"value": allowed.cidr, **({"description": allowed.description} if allowed.description else {})}
        for allowed in ranges
    ]


def _authorized_networks(spec: Environment, _links: Links) -> dict[str, Any] | None:
    private = spec.network.private_environment
    if private is None or private.authorized_networks is None:
        return None
    return {
        "enabled": True,
        "cidrBlocks": [
            {"cidrBlock": block.cidr, **({"displayName": block.description} if block.description else {})}
            for block in private.authorized_networks
        ],
    }


def _private_environment(spec: Environment, _links: Links) -> dict[str, Any] | None:
    """Generation 2 says "private" by the presence of this block."""
    if not _private(spec):
        return None
    private = spec.network.private_environment
    if private is None:
        return {"connectionType": _CONNECTIONS["psc"], "enablePrivateEndpoint": False}
    block: dict[str, Any] = {
        "connectionType": _CONNECTIONS[private.connection],
        "cloudComposerConnectionSubnetwork": private.connection_subnetwork,
        # Always said: the provider's own default is true, which locks out everything outside the VPC.
        "enablePrivateEndpoint": private.private_endpoint,
        # Always said: the provider keeps what it finds where nothing is said.
        "enablePrivatelyUsedPublicIps": private.privately_used_public_ips,
        "masterIpv4CidrBlock": private.master_cidr,
        "cloudSqlIpv4CidrBlock": private.cloud_sql_cidr,
        "cloudComposerNetworkIpv4CidrBlock": private.composer_network_cidr,
    }
    return {key: value for key, value in block.items() if value is not None}


def _ip_allocation(spec: Environment, links: Links) -> dict[str, Any] | None:
    wanted = spec.network.ip_allocation
    block = {
        "clusterSecondaryRangeName": wanted.pods_range_name if wanted else links.pods_range,
        "servicesSecondaryRangeName": wanted.services_range_name if wanted else links.services_range,
        "clusterIpv4CidrBlock": wanted.pods_cidr if wanted else None,
        "servicesIpv4CidrBlock": wanted.services_cidr if wanted else None,
    }
    return {key: value for key, value in block.items() if value is not None} or None


def _metadata_retention(spec: Environment, _links: Links) -> list[dict[str, Any]] | None:
    days = spec.retention.metadata_days
    if days is None:
        return None
    if days == 0:
        return [{"retentionMode": "RETENTION_MODE_DISABLED"}]
    return [{"retentionMode": "RETENTION_MODE_ENABLED", "retentionDays": days}]


_TWO = frozenset({2})
_THREE = frozenset({3})
_SOFTWARE = "config.softwareConfig"
_NODE = "config.nodeConfig"

ARGUMENTS: tuple[Argument, ...] = (
    Argument("labels", ("labels",), lambda _, links: dict(sorted(links.labels.items())) or None),
    Argument("storageConfig.bucket", ("buckets", "environment"), lambda _, links: links.bucket),
    Argument(f"{_SOFTWARE}.imageVersion", ("imageVersion",), lambda spec, _: spec.image_version),
    Argument(
        f"{_SOFTWARE}.airflowConfigOverrides", ("airflow", "config"), lambda spec, _: airflow_config(spec) or None
    ),
    Argument(
        f"{_SOFTWARE}.envVariables", ("airflow", "env"), lambda spec, _: dict(sorted(spec.airflow.env.items())) or None
    ),
    Argument(
        f"{_SOFTWARE}.cloudDataLineageIntegration",
        ("lineage",),
        lambda spec, _: None if spec.lineage is None else {"enabled": spec.lineage},
    ),
    Argument(
        f"{_SOFTWARE}.webServerPluginsMode",
        ("webServer", "plugins"),
        lambda spec, _: None if spec.web_server.plugins is None else _switch(spec.web_server.plugins),
        _THREE,
    ),
    Argument("config.environmentSize", ("size",), lambda spec, _: spec.size and _SIZES[spec.size]),
    Argument(
        "config.resilienceMode", ("resilience",), lambda spec, _: spec.resilience and _RESILIENCE[spec.resilience]
    ),
    Argument(f"{_NODE}.serviceAccount", ("serviceAccount",), lambda _, links: links.service_account),
    Argument(f"{_NODE}.network", ("network",), lambda _, links: links.network),
    Argument(f"{_NODE}.subnetwork", ("network",), lambda _, links: links.subnetwork),
    Argument(f"{_NODE}.tags", ("network", "tags"), lambda spec, _: sorted(spec.network.tags) or None),
    Argument(
        f"{_NODE}.enableIpMasqAgent", ("network", "ipMasqAgent"), lambda spec, _: spec.network.ip_masq_agent, _TWO
    ),
    Argument(f"{_NODE}.ipAllocationPolicy", ("network", "ipAllocation"), _ip_allocation, _TWO),
    Argument(
        f"{_NODE}.composerNetworkAttachment", ("network", "attachment"), lambda spec, _: spec.network.attachment, _THREE
    ),
    Argument(
        f"{_NODE}.composerInternalIpv4CidrBlock",
        ("network", "internalCidr"),
        lambda spec, _: spec.network.internal_cidr,
        _THREE,
    ),
    Argument(
        f"{_NODE}.trafficRoutingConfig.cloudRunFunctionsRouting",
        ("network", "cloudRunFunctionsRouting"),
        lambda spec, _: (
            spec.network.cloud_run_functions_routing and _FUNCTIONS_ROUTING[spec.network.cloud_run_functions_routing]
        ),
        _THREE,
    ),
    Argument("config.enablePrivateEnvironment", ("network", "mode"), lambda spec, _: _private(spec), _THREE),
    Argument(
        "config.enablePrivateBuildsOnly",
        ("network", "privateBuildsOnly"),
        lambda spec, _: spec.network.private_builds_only,
        _THREE,
    ),
    Argument("config.privateEnvironmentConfig", ("network", "privateEnvironment"), _private_environment, _TWO),
    Argument(
        "config.masterAuthorizedNetworksConfig",
        ("network", "privateEnvironment", "authorizedNetworks"),
        _authorized_networks,
        _TWO,
    ),
    Argument("config.webServerNetworkAccessControl.allowedIpRanges", ("webServer", "allowedRanges"), _allowed_ranges),
    Argument("config.encryptionConfig.kmsKeyName", ("encryption", "key"), lambda _, links: links.kms_key),
    Argument(
        "config.databaseConfig.zone", ("database", "zone"), lambda spec, _: spec.database and spec.database.zone, _TWO
    ),
    Argument("config.maintenanceWindow", ("maintenance",), _maintenance),
    Argument(
        "config.dataRetentionConfig.airflowMetadataRetentionConfigs",
        ("retention", "metadataDays"),
        _metadata_retention,
    ),
    Argument(
        "config.dataRetentionConfig.taskLogsRetentionConfigs",
        ("retention", "taskLogs"),
        lambda spec, _: (
            None if spec.retention.task_logs is None else [{"storageMode": _TASK_LOGS[spec.retention.task_logs]}]
        ),
    ),
    Argument("config.recoveryConfig.scheduledSnapshotsConfig", ("snapshots",), _snapshots),
    Argument(
        "config.workloadsConfig.scheduler",
        ("workloads", "scheduler"),
        lambda spec, _: _sized(spec.workloads.scheduler),
    ),
    Argument("config.workloadsConfig.worker", ("workloads", "worker"), lambda spec, _: _sized(spec.workloads.worker)),
    Argument(
        "config.workloadsConfig.triggerer",
        ("workloads", "triggerer"),
        lambda spec, _: _triggerer(spec),
    ),
    Argument(
        "config.workloadsConfig.dagProcessor",
        ("workloads", "dagProcessor"),
        lambda spec, _: _sized(spec.workloads.dag_processor),
        _THREE,
    ),
    Argument(
        "config.workloadsConfig.webServer",
        ("workloads", "webServer"),
        lambda spec, _: _sized(spec.workloads.web_server),
    ),
)
"""Every property that the programs set, in the order of the provider's own requests where that matters to a reader."""


def _switch(on: bool) -> str:
    return "ENABLED" if on else "DISABLED"


LEFT_OUT: Mapping[str, str] = {
    "deletionPolicy": "deletion is guarded by `protect`",
    "config.databaseConfig.machineType": "generation 1 only; the database grows with `size`",
    "config.nodeCount": "generation 1 only",
    "config.nodeConfig.diskSizeGb": "generation 1 only",
    "config.nodeConfig.machineType": "generation 1 only",
    "config.nodeConfig.maxPodsPerNode": "generation 1 only",
    "config.nodeConfig.oauthScopes": "generation 1 only",
    "config.nodeConfig.zone": "generation 1 only",
    "config.nodeConfig.ipAllocationPolicy.useIpAliases": "generation 1 only; later ones always use them",
    "config.privateEnvironmentConfig.webServerIpv4CidrBlock": "generation 1 only",
    "config.softwareConfig.pythonVersion": "generation 1 only; the image decides",
    "config.softwareConfig.schedulerCount": "Airflow 2 in generation 1 only; see workloads.scheduler.count",
    "config.softwareConfig.pypiPackages": "goes through the API client, after the infrastructure",
    "config.webServerConfig.machineType": "generation 1 only",
}
"""Input fields of the provider that a file cannot say, with the reason."""
