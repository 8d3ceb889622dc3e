"""A live environment as its file would say it: the reverse of `envctl.composer`.

What a file cannot say is left out here. The caller compares the program of the file with the live environment and
so learns what that was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from envctl.composer import NOBODY, generation
from envctl.spec.names import OWN_LABELS
from envctl.stacks.adoption import output_at

Document = dict[str, Any]
"""A file as plain values, keys in the order in which they are to be read."""

_SIZES = {
    "ENVIRONMENT_SIZE_SMALL": "small",
    "ENVIRONMENT_SIZE_MEDIUM": "medium",
    "ENVIRONMENT_SIZE_LARGE": "large",
    "ENVIRONMENT_SIZE_EXTRA_LARGE": "extra-large",
}
_RESILIENCE = {"STANDARD_RESILIENCE": "standard", "HIGH_RESILIENCE": "high"}
_TASK_LOGS = {
    "CLOUD_LOGGING_ONLY": "cloud-logging-only",
    "CLOUD_LOGGING_AND_CLOUD_STORAGE": "cloud-logging-and-storage",
}
_CONNECTIONS = {"PRIVATE_SERVICE_CONNECT": "psc", "VPC_PEERING": "vpc-peering"}
_ROUTING = {"DIRECT": "internal", "VIA_NETWORK_ATTACHMENT": "vpc"}
_SWITCHES = {"ENABLED": True, "DISABLED": False}
# Google keeps labels with this prefix for itself; what Pulumi and Terraform made carries `goog-pulumi-provisioned` and
# `goog-terraform-provisioned` (pages of the provider, "Attribution label", read 2026-11).
_GOOGLES = "goog-"
_WEEKLY = re.compile(r"FREQ=WEEKLY;BYDAY=((?:MO|TU|WE|TH|FR|SA|SU)(?:,(?:MO|TU|WE|TH|FR|SA|SU))*)")
_EVERYBODY = frozenset({"0.0.0.0/0", "::0/0", "::/0"})
_WORKLOADS = ("scheduler", "dagProcessor", "triggerer", "webServer", "worker")
_SIZED = ("count", "minCount", "maxCount", "cpu", "memoryGb", "storageGb")


def read_environment(stem: str, inputs: Mapping[str, Any]) -> Document:
    """What a file called `stem` says of an environment.

    Args:
        stem: name of the file; the environment's own name is written only where it differs.
        inputs: what the provider projects from the live environment, camelCase.
    """
    image = str(output_at(inputs, "config.softwareConfig.imageVersion"))
    reader = _Reader(inputs, generation(image))
    document: Document = {
        "name": None if inputs["name"] == stem else inputs["name"],
        "project": inputs["project"],
        "region": inputs["region"],
        "imageVersion": image,
        "profile": "standard",
        "size": _SIZES.get(reader.at("config.environmentSize")),
        "resilience": _RESILIENCE.get(reader.at("config.resilienceMode")),
        "labels": reader.labels(),
        "protect": False,
        "serviceAccount": {"email": reader.account()},
        "airflow": {"config": reader.software("airflowConfigOverrides"), "env": reader.software("envVariables")},
        "packages": {"inline": reader.software("pypiPackages")},
        "workloads": {name: reader.workload(name) for name in _WORKLOADS},
        "network": reader.network(),
        "webServer": reader.web_server(),
        "encryption": reader.encryption(),
        "maintenance": reader.maintenance(),
        "retention": reader.retention(),
        "snapshots": reader.snapshots(),
        "monitoring": {"alerts": False},
        "lineage": reader.software("cloudDataLineageIntegration.enabled"),
        "database": {"zone": reader.at("config.databaseConfig.zone") if reader.generation == 2 else None},
    }
    return pruned(document)


def pruned(value: Any) -> Any:
    """The value without what is None, and without mappings that hold nothing; an empty list is a value."""
    if isinstance(value, Mapping):
        kept = {key: pruned(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None and item != {}}
    if isinstance(value, list):
        return [pruned(item) for item in value]
    return value


class _Reader:
    def __init__(self, inputs: Mapping[str, Any], generation: int) -> None:
        self.inputs = inputs
        self.generation = generation

    def at(self, path: str) -> Any:
        return output_at(self.inputs, path)

    def labels(self) -> Document:
        """The labels that somebody gave, without those of envctl and of Google's tools: a file would claim them."""
        return {
            key: value
            for key, value in (self.at("labels") or {}).items()
            if key not in OWN_LABELS and not key.startswith(_GOOGLES) and (key, value) != ("managed-by", "envctl")
        }

    def software(self, key: str) -> Any:
        return self.at(f"config.softwareConfig.{key}")

    def node(self, key: str) -> Any:
        return self.at(f"config.nodeConfig.{key}")

    def workload(self, name: str) -> Document:
        sizes: Mapping[str, Any] = self.at(f"config.workloadsConfig.{name}") or {}
        return {key: sizes.get(key) for key in _SIZED}

    def account(self) -> str | None:
        account = self.node("serviceAccount")
        return None if account is None else str(account).rpartition("/")[2]

    def network(self) -> Document:
        two = self.generation == 2
        private = (
            self.at("config.privateEnvironmentConfig") is not None
            if two
            else self.at("config.enablePrivateEnvironment")
        )
        found: Document = {
            "mode": "private" if private else "public",
            "network": _link(self.node("network")),
            "subnetwork": _link(self.node("subnetwork")),
            "tags": self.node("tags") or None,
        }
        if two:
            found["ipMasqAgent"] = self.node("enableIpMasqAgent")
            found["ipAllocation"] = {
                "podsRangeName": self.node("ipAllocationPolicy.clusterSecondaryRangeName"),
                "servicesRangeName": self.node("ipAllocationPolicy.servicesSecondaryRangeName"),
                "podsCidr": self.node("ipAllocationPolicy.clusterIpv4CidrBlock"),
                "servicesCidr": self.node("ipAllocationPolicy.servicesIpv4CidrBlock"),
            }
            found["privateEnvironment"] = self.private() if private else None
        else:
            found["attachment"] = None if found["network"] else self.node("composerNetworkAttachment")
            found["internalCidr"] = self.node("composerInternalIpv4CidrBlock")
            found["privateBuildsOnly"] = self.at("config.enablePrivateBuildsOnly")
            found["cloudRunFunctionsRouting"] = _ROUTING.get(self.node("trafficRoutingConfig.cloudRunFunctionsRouting"))
        return found

    def private(self) -> Document:
        block = self.at("config.privateEnvironmentConfig")
        authorized = self.at("config.masterAuthorizedNetworksConfig") or {}
        limited = authorized.get("enabled") or authorized.get("cidrBlocks")
        return {
            "connection": _CONNECTIONS.get(block.get("connectionType")),
            "connectionSubnetwork": block.get("cloudComposerConnectionSubnetwork"),
            "privateEndpoint": block.get("enablePrivateEndpoint", True),  # the provider's default, so not among inputs
            "privatelyUsedPublicIps": block.get("enablePrivatelyUsedPublicIps"),
            "masterCidr": block.get("masterIpv4CidrBlock"),
            "cloudSqlCidr": block.get("cloudSqlIpv4CidrBlock"),
            "composerNetworkCidr": block.get("cloudComposerNetworkIpv4CidrBlock"),
            "authorizedNetworks": [
                {"cidr": item["cidrBlock"], "description": item.get("displayName") or None}
                for item in authorized.get("cidrBlocks") or ()
            ]
            if limited
            else None,
        }

    def web_server(self) -> Document:
        access = self.at("config.webServerNetworkAccessControl")
        ranges = (access or {}).get("allowedIpRanges") or []
        everybody = access is None or (ranges and {item["value"] for item in ranges} <= _EVERYBODY)
        plugins = self.software("webServerPluginsMode") if self.generation != 2 else None
        return {
            "allowedRanges": None
            if everybody
            else [
                {"cidr": item["value"], "description": item.get("description") or None}
                for item in ranges
                if item["value"] != NOBODY
            ],
            "plugins": _SWITCHES.get(plugins) if plugins else None,
        }

    def encryption(self) -> Document | None:
        key = self.at("config.encryptionConfig.kmsKeyName")
        return {"key": {"name": key}} if key else None

    def maintenance(self) -> Document | None:
        window = self.at("config.maintenanceWindow")
        if window is None:
            return None
        days = _WEEKLY.fullmatch(str(window.get("recurrence")))
        if days is None:
            return None
        start, end = (datetime.fromisoformat(window[key]) for key in ("startTime", "endTime"))
        hours = (end - start).total_seconds() / 3600
        return {
            "start": window["startTime"],
            "hours": int(hours) if hours.is_integer() else hours,
            "days": days[1].split(","),
        }

    def retention(self) -> Document:
        metadata = (self.at("config.dataRetentionConfig.airflowMetadataRetentionConfigs") or [{}])[0]
        logs = (self.at("config.dataRetentionConfig.taskLogsRetentionConfigs") or [{}])[0]
        off = metadata.get("retentionMode") == "RETENTION_MODE_DISABLED"
        return {
            "taskLogs": _TASK_LOGS.get(str(logs.get("storageMode"))),
            "metadataDays": 0 if off else metadata.get("retentionDays"),
        }

    def snapshots(self) -> Document | None:
        wanted = self.at("config.recoveryConfig.scheduledSnapshotsConfig") or {}
        if not wanted.get("enabled"):
            return None
        return {
            "schedule": wanted.get("snapshotCreationSchedule"),
            "timeZone": wanted.get("timeZone"),
            "location": wanted.get("snapshotLocation"),
        }


def _link(name: str | None) -> str | None:
    """A network's name from `projects/` on, as files have it."""
    return name if name is None else name[max(name.find("projects/"), 0) :]
