"""What a PATCH of an environment may change, and how long each kind of change takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from envctl.sandbox.masks import path_of
from envctl.sandbox.services.composer_images import problems

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class UpdateType:
    """One kind of update; a request may hold only one.

    Args:
        path: field that it changes; a mask may name it or something below it.
        minutes: virtual duration.
        generations: generations of Composer that have it.
    """

    path: str
    minutes: int
    generations: tuple[int, ...] = (2, 3)

    @property
    def duration(self) -> timedelta:
        """How long the operation takes."""
        return timedelta(minutes=self.minutes)


# Fields: `updateMask` in Google's reference of projects.locations.environments.patch, and the masks that the
# Terraform provider and recorded clients send. Minutes: documentation of Composer ("Update environments",
# "Install Python dependencies", "Upgrade environments") and public reports; they are of the right size, no more.
UPDATES: tuple[UpdateType, ...] = (
    UpdateType("labels", 5),
    UpdateType("config.softwareConfig.pypiPackages", 15),
    UpdateType("config.softwareConfig.airflowConfigOverrides", 8),
    UpdateType("config.softwareConfig.envVariables", 8),
    UpdateType("config.softwareConfig.imageVersion", 40),
    UpdateType("config.softwareConfig.cloudDataLineageIntegration", 6),
    UpdateType("config.softwareConfig.webServerPluginsMode", 6, (3,)),
    UpdateType("config.softwareConfig.auditLogsReplicationMode", 6, (3,)),
    UpdateType("config.webServerNetworkAccessControl", 6),
    UpdateType("config.workloadsConfig", 8),
    UpdateType("config.environmentSize", 15),
    UpdateType("config.maintenanceWindow", 5),
    UpdateType("config.recoveryConfig.scheduledSnapshotsConfig", 5),
    UpdateType("config.dataRetentionConfig.taskLogsRetentionConfig", 5),
    UpdateType("config.dataRetentionConfig.airflowMetadataRetentionConfig", 5),
    UpdateType("config.masterAuthorizedNetworksConfig", 10, (2,)),
    UpdateType("config.resilienceMode", 35, (2, 3)),
    UpdateType("config.databaseConfig.machineType", 15, (2,)),
    UpdateType("config.scheduledHibernationConfig", 5),
    UpdateType("config.privateEnvironmentConfig.enablePrivateEnvironment", 12, (3,)),
    UpdateType("config.privateEnvironmentConfig.enablePrivateBuildsOnly", 6, (3,)),
    UpdateType("config.privateEnvironmentConfig.networkingType", 12, (3,)),
    UpdateType("config.nodeConfig.network", 15, (3,)),
    UpdateType("config.nodeConfig.subnetwork", 15, (3,)),
    UpdateType("config.nodeConfig.composerNetworkAttachment", 15, (3,)),
    UpdateType("config.nodeConfig.trafficRoutingConfig", 10, (3,)),
)

# A network and its subnetwork change together.
_TOGETHER = frozenset(
    {
        "config.nodeConfig.network",
        "config.nodeConfig.subnetwork",
        "config.nodeConfig.composerNetworkAttachment",
    }
)

_MAPS = ("pypiPackages", "airflowConfigOverrides", "envVariables", "labels")


def update_type(paths: Iterable[str], generation: int) -> UpdateType:
    """The one kind of update that a mask stands for.

    Raises:
        ApiError: the mask is empty, names a field that cannot change, or mixes kinds.
    """
    listed = list(paths)
    if not listed:
        raise problems("Request must not contain an empty update_mask.")
    found: dict[str, UpdateType] = {}
    for path in listed:
        update = next((entry for entry in UPDATES if _covers(entry.path, path)), None)
        if update is None:
            raise problems(f"Unsupported field in update_mask: '{path}'.")
        if generation not in update.generations:
            raise problems(f"Field '{path}' cannot be updated in Cloud Composer {generation} environments.")
        found[update.path] = update
    if len(found) > 1 and not set(found) <= _TOGETHER:
        raise problems("Only one update type may be included in a single request's update_mask.")
    whole = [path for path in listed if path in found and path.endswith(_MAPS)]
    if whole and len(listed) > 1:
        raise problems(f"The update_mask must not contain '{whole[0]}' together with other paths.")
    return max(found.values(), key=lambda update: update.minutes)


def _covers(known: str, path: str) -> bool:
    wanted, asked = known.split("."), path_of(path)
    return asked[: len(wanted)] == wanted
