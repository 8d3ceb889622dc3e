"""What the real provider checks of a Composer environment in code, beside its schema."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from envctl.plan.values import Opaque
from envctl.provider.protocol import CheckFailure
from envctl.provider.values import get_path, has_unknown, is_zero

_NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_IMAGE = re.compile(
    r"composer-(?P<composer>(?P<generation>[0-9]+)(?:\.[0-9]+\.[0-9]+(?:-preview\.[0-9]+)?)?|latest)"
    r"-airflow-(?P<airflow>(?P<major>[0-9]+)(?:(?P<minor>\.[0-9]+)(?P<patch>\.[0-9]+)?)?(?P<build>-build\.[0-9]+)?)"
)
_VARIABLE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*.")
"""As in the real provider: not anchored, and with a character after the name, so that one letter alone is refused."""
_AIRFLOW_VARIABLE = re.compile(r"AIRFLOW__[A-Z0-9_]+__[A-Z0-9_]+")
_RESERVED = frozenset(
    {
        "AIRFLOW_HOME",
        "C_FORCE_ROOT",
        "CONTAINER_NAME",
        "DAGS_FOLDER",
        "GCP_PROJECT",
        "GCS_BUCKET",
        "GKE_CLUSTER_NAME",
        "SQL_DATABASE",
        "SQL_INSTANCE",
        "SQL_PASSWORD",
        "SQL_PROJECT",
        "SQL_REGION",
        "SQL_USER",
    }
)
_ONE_OF: Mapping[str, tuple[str, ...]] = {
    "config.environmentSize": (
        "ENVIRONMENT_SIZE_SMALL",
        "ENVIRONMENT_SIZE_MEDIUM",
        "ENVIRONMENT_SIZE_LARGE",
        "ENVIRONMENT_SIZE_EXTRA_LARGE",
    ),
    "config.resilienceMode": ("STANDARD_RESILIENCE", "HIGH_RESILIENCE"),
    "config.softwareConfig.webServerPluginsMode": ("ENABLED", "DISABLED"),
    "config.privateEnvironmentConfig.connectionType": ("VPC_PEERING", "PRIVATE_SERVICE_CONNECT"),
    "config.nodeConfig.trafficRoutingConfig.cloudRunFunctionsRouting": ("DIRECT", "VIA_NETWORK_ATTACHMENT"),
    "config.dataRetentionConfig.taskLogsRetentionConfigs.storageMode": (
        "CLOUD_LOGGING_ONLY",
        "CLOUD_LOGGING_AND_CLOUD_STORAGE",
    ),
    "config.dataRetentionConfig.airflowMetadataRetentionConfigs.retentionMode": (
        "RETENTION_MODE_ENABLED",
        "RETENTION_MODE_DISABLED",
    ),
}
_BETWEEN: Mapping[str, tuple[int, int]] = {
    "config.nodeCount": (3, 2**31),
    "config.nodeConfig.maxPodsPerNode": (8, 110),
    "config.dataRetentionConfig.airflowMetadataRetentionConfigs.retentionDays": (30, 730),
    "config.workloadsConfig.dagProcessor.count": (0, 3),
}
_GENERATION: Mapping[str, bool] = {
    "config.nodeConfig.maxPodsPerNode": False,
    "config.nodeConfig.enableIpMasqAgent": False,
    "config.privateEnvironmentConfig": False,
    "config.masterAuthorizedNetworksConfig": False,
    "config.nodeConfig.composerNetworkAttachment": True,
    "config.nodeConfig.composerInternalIpv4CidrBlock": True,
    "config.nodeConfig.trafficRoutingConfig": True,
    "config.softwareConfig.webServerPluginsMode": True,
    "config.enablePrivateEnvironment": True,
    "config.enablePrivateBuildsOnly": True,
    "config.workloadsConfig.dagProcessor": True,
}
"""Whether a field is for generation 3 only (True) or not for it (False)."""


def is_composer_3(image: Any) -> bool:
    """Whether an image version is of generation 3."""
    return isinstance(image, str) and "composer-3" in image


def check_environment(inputs: Mapping[str, Any]) -> list[CheckFailure]:
    """Every broken rule."""
    failures: list[CheckFailure] = []
    name = inputs.get("name")
    if isinstance(name, str) and not _NAME.fullmatch(name):
        failures.append(CheckFailure("name", f'"{name}" does not match {_NAME.pattern}'))
    failures.extend(_check_software(get_path(inputs, "config.softwareConfig") or {}))
    for path, allowed in _ONE_OF.items():
        value = get_path(inputs, path)
        if isinstance(value, str) and value not in allowed:
            failures.append(CheckFailure(path, f'must be one of {", ".join(allowed)}, not "{value}"'))
    for path, (low, high) in _BETWEEN.items():
        value = get_path(inputs, path)
        if isinstance(value, int) and not low <= value <= high:
            failures.append(CheckFailure(path, f"must be in the range {low} to {high}, not {value}"))
    failures.extend(_check_range(get_path(inputs, "config.nodeConfig.composerInternalIpv4CidrBlock")))
    failures.extend(_check_generation(inputs))
    return failures


def _check_software(software: Mapping[str, Any]) -> list[CheckFailure]:
    failures: list[CheckFailure] = []
    image = software.get("imageVersion")
    if isinstance(image, str) and not _IMAGE.search(image):
        failures.append(CheckFailure("config.softwareConfig.imageVersion", f'"{image}" is not an image version'))
    for package in _keys(software.get("pypiPackages")):
        if package != package.lower():
            path = "config.softwareConfig.pypiPackages"
            failures.append(CheckFailure(path, f'package "{package}" can only contain lowercase characters'))
    for variable in _keys(software.get("envVariables")):
        path = "config.softwareConfig.envVariables"
        if not _VARIABLE.search(variable):
            failures.append(CheckFailure(path, f'variable "{variable}" must match {_VARIABLE.pattern}'))
        elif variable in _RESERVED:
            failures.append(CheckFailure(path, f'variable "{variable}" is a reserved name and cannot be used'))
        elif _AIRFLOW_VARIABLE.search(variable):
            failures.append(
                CheckFailure(path, f'variable "{variable}" is a reserved name of Airflow ({_AIRFLOW_VARIABLE.pattern})')
            )
    return failures


def _keys(value: Any) -> list[str]:
    return list(value) if isinstance(value, Mapping) else []


def _check_range(cidr: Any) -> list[CheckFailure]:
    if not isinstance(cidr, str):
        return []
    path = "config.nodeConfig.composerInternalIpv4CidrBlock"
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError as error:
        return [CheckFailure(path, f"invalid CIDR range: {error}")]
    return [] if network.prefixlen == 20 else [CheckFailure(path, "must have size /20")]


def _check_generation(inputs: Mapping[str, Any]) -> list[CheckFailure]:
    image = get_path(inputs, "config.softwareConfig.imageVersion")
    if image is None or image is Opaque.UNKNOWN:
        return []
    third = is_composer_3(image)
    return [
        CheckFailure(path, f"should {'only' if wanted else 'not'} be used in Composer 3")
        for path, wanted in _GENERATION.items()
        if third is not wanted and not is_zero(get_path(inputs, path)) and not has_unknown(get_path(inputs, path))
    ]


def same_image(old: Any, new: Any) -> bool:
    """Whether an alias such as `composer-3-airflow-2` stands for the live image version."""
    left, right = _IMAGE.search(str(old)), _IMAGE.search(str(new))
    if left is None or right is None:
        return old == new
    for parts in (("major",), ("major", "minor"), ("major", "minor", "patch")):
        texts = ["".join(match.group(part) or "" for part in parts) for match in (left, right)]
        if left.group("airflow") == texts[0] or right.group("airflow") == texts[1]:
            if texts[0] != texts[1]:
                return False
            break
    else:
        if left.group("airflow") != right.group("airflow"):
            return False
    if "latest" in (left.group("composer"), right.group("composer")):
        return True
    part = "composer"
    if left.group("composer") == left.group("generation") or right.group("composer") == right.group("generation"):
        part = "generation"
    return left.group(part) == right.group(part)


def downgrade(old: Any, new: Any) -> str:
    """Why an image version cannot follow another in place; empty when it can, or when an alias leaves it open."""
    before, after = _IMAGE.fullmatch(str(old)), _IMAGE.fullmatch(str(new))
    if before is None or after is None or same_image(old, new):
        return ""
    if before.group("generation") != "3" and after.group("generation") == "3":
        return "upgrade to composer 3 is not yet supported"
    if int(after.group("generation") or 0) < int(before.group("generation") or 0):
        return f"{old} cannot be changed to {new}: a downgrade to an earlier generation is not supported"
    for part, word in (("composer", "Composer"), ("airflow", "Airflow")):
        left, right = _numbers(before.group(part)), _numbers(after.group(part))
        known = min(len(left), len(right))
        if right[:known] < left[:known]:
            return f"{old} cannot be changed to {new}: a downgrade of {word} is not supported"
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def same_account(old: Any, new: Any) -> bool:
    """Address and full name of one service account."""
    return str(old).rsplit("/", 1)[-1] == str(new).rsplit("/", 1)[-1]


def same_bucket(old: Any, new: Any) -> bool:
    """With and without `gs://`."""
    return str(old).removeprefix("gs://") == str(new).removeprefix("gs://")
