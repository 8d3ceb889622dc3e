"""Composer environments, and the secrets and config maps of their user workloads.

Order and form of the updates are the real provider's (Terraform's `google_composer_environment`, 2026-08-21): one PATCH
per field, masks in its own spelling.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from envctl.google.operations import OperationStyle, Polling
from envctl.provider.behaviours import FieldPatch
from envctl.provider.mapping import UNWRITTEN
from envctl.provider.protocol import CheckFailure, ProviderError
from envctl.provider.spec import Behaviour, Change, Rule, Run, TypeSpec
from envctl.provider.types.composer_rules import (
    check_environment,
    downgrade,
    is_composer_3,
    same_account,
    same_bucket,
    same_image,
)
from envctl.provider.types.links import same_link
from envctl.provider.values import basename, get_path, merge, set_path

_NETWORK_MASK = "config.nodeConfig.network,config.nodeConfig.subnetwork"
_SOFTWARE = "config.softwareConfig"
_PRIVATE = "config.privateEnvironmentConfig"
_WEB_ACCESS = "config.webServerNetworkAccessControl"


def _one(field: str, mask: str, *body: str, **empty: Any) -> FieldPatch:
    return FieldPatch(
        (field,), mask, body or (field,), {path.replace("__", "."): value for path, value in empty.items()}
    )


_PATCHES: tuple[FieldPatch, ...] = (
    _one("config.nodeConfig.trafficRoutingConfig", "config.nodeConfig.trafficRoutingConfig"),
    _one(f"{_SOFTWARE}.imageVersion", f"{_SOFTWARE}.imageVersion"),
    _one(f"{_SOFTWARE}.schedulerCount", f"{_SOFTWARE}.schedulerCount"),
    _one(f"{_SOFTWARE}.cloudDataLineageIntegration", f"{_SOFTWARE}.cloudDataLineageIntegration"),
    _one(f"{_SOFTWARE}.airflowConfigOverrides", f"{_SOFTWARE}.airflowConfigOverrides"),
    _one(f"{_SOFTWARE}.envVariables", f"{_SOFTWARE}.envVariables"),
    _one(f"{_SOFTWARE}.pypiPackages", f"{_SOFTWARE}.pypiPackages"),
    _one(
        "config.enablePrivateEnvironment",
        "config.PrivateEnvironmentConfig.NetworkingType",
        f"{_PRIVATE}.networkingType",
    ),
    _one(
        "config.enablePrivateBuildsOnly",
        "config.PrivateEnvironmentConfig.EnablePrivateBuildsOnly",
        f"{_PRIVATE}.enablePrivateBuildsOnly",
    ),
    _one(f"{_SOFTWARE}.webServerPluginsMode", f"{_SOFTWARE}.webServerPluginsMode"),
    _one("config.nodeCount", "config.nodeCount"),
    _one("config.webServerNetworkAccessControl", "config.webServerNetworkAccessControl"),
    _one("config.databaseConfig.machineType", "config.databaseConfig.machineType", "config.databaseConfig"),
    _one("config.webServerConfig.machineType", "config.webServerConfig.machineType", "config.webServerConfig"),
    _one("config.maintenanceWindow", "config.maintenanceWindow"),
    _one("config.workloadsConfig", "config.WorkloadsConfig"),
    _one(
        "config.dataRetentionConfig.taskLogsRetentionConfigs",
        "config.DataRetentionConfig.TaskLogsRetentionConfig.StorageMode",
        "config.dataRetentionConfig.taskLogsRetentionConfig",
    ),
    _one(
        "config.dataRetentionConfig.airflowMetadataRetentionConfigs",
        "config.DataRetentionConfig.AirflowMetadataRetentionConfig",
        "config.dataRetentionConfig.airflowMetadataRetentionConfig",
    ),
    _one("config.recoveryConfig", "config.RecoveryConfig.ScheduledSnapshotsConfig"),
    _one("config.environmentSize", "config.EnvironmentSize"),
    _one("config.resilienceMode", "config.ResilienceMode"),
    _one("config.masterAuthorizedNetworksConfig", "config.MasterAuthorizedNetworksConfig"),
)
"""In the real provider's order; network and attachment, which come first, take two steps each (`Environment.update`)."""

_NO_CHANGE = ("does not result in any change to the environment", "No change in configuration.")


@dataclass(frozen=True, slots=True)
class Environment(Behaviour):
    """A Composer environment: created without packages, then changed field by field."""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Creates; custom packages follow as the first update, because the API refuses them at creation."""
        sent = _shape(run.inputs, dict(body))
        sent["name"] = run.fill(run.spec.path)
        packages = get_path(sent, f"{_SOFTWARE}.pypiPackages")
        if packages:
            del sent["config"]["softwareConfig"]["pypiPackages"]
        run.made(run.spec.collection, None, sent)
        if packages:
            mask = f"{_SOFTWARE}.pypiPackages"
            self._patch(run, mask, {"config": {"softwareConfig": {"pypiPackages": packages}}})
        return self.settled(run)

    def update(self, run: Run, change: Change, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """One PATCH and one operation per field that differs."""
        wanted = _shape(run.inputs, dict(body), outputs=run.outputs)
        node = get_path(wanted, "config.nodeConfig") or {}
        if change.touches("config.nodeConfig.network", "config.nodeConfig.subnetwork"):
            self._cleared(run, _NETWORK_MASK)
            both = {key: node.get(key) for key in ("network", "subnetwork")}
            if all(both.values()):
                self._patch(run, _NETWORK_MASK, {"config": {"nodeConfig": both}})
        if change.touches("config.nodeConfig.composerNetworkAttachment"):
            mask = "config.nodeConfig.composerNetworkAttachment"
            self._cleared(run, mask)
            if attachment := node.get("composerNetworkAttachment"):
                self._patch(run, mask, {"config": {"nodeConfig": {"composerNetworkAttachment": attachment}}})
        for patch in _PATCHES:
            if change.touches(*patch.fields):
                self._patch(run, patch.mask, patch.build(wanted))
        if change.labels:
            self._patch(run, "labels", {"labels": dict(run.labels)})
        return self.settled(run)

    def locate(self, run: Run) -> tuple[str, Mapping[str, Any]] | None:
        """The environment; waits while an operation still creates it, however that ends."""
        found = self.read(run)
        if found is not None and found.get("state") == "CREATING":
            name = run.fill(run.spec.path)
            listed = run.call("GET", "projects/{project}/locations/{region}/operations")
            for operation in listed.get("operations", ()):
                if not operation.get("done") and (operation.get("metadata") or {}).get("resource") == name:
                    with suppress(ProviderError):  # a failed create leaves an environment in state ERROR, or none
                        run.finish(operation)
            found = self.read(run)
        return None if found is None else (self.id_of(run, found), found)

    def outputs(self, run: Run, answer: Mapping[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """What the API says with other words, or only for one generation."""
        config = outputs.get("config")
        if not isinstance(config, dict):
            return outputs
        private = get_path(answer, _PRIVATE) or {}
        if is_composer_3(get_path(answer, f"{_SOFTWARE}.imageVersion")):
            config.pop("privateEnvironmentConfig", None)
            config["enablePrivateEnvironment"] = private.get("networkingType") == "PRIVATE"
            config["enablePrivateBuildsOnly"] = bool(private.get("enablePrivateBuildsOnly"))
        if triggerer := get_path(config, "workloadsConfig.triggerer"):
            triggerer.setdefault("count", 0)  # answers leave out zero
        mode = get_path(answer, "config.resilienceMode")
        config["resilienceMode"] = "STANDARD_RESILIENCE" if mode in (None, "", "RESILIENCE_MODE_UNSPECIFIED") else mode
        return outputs

    def imported(self, inputs: dict[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
        """With the word that nobody reaches the web server: a block without ranges."""
        if get_path(live, _WEB_ACCESS) == {}:
            set_path(inputs, _WEB_ACCESS, {})
        return inputs

    def unmade(self, answer: Mapping[str, Any]) -> bool:
        """An environment whose create failed has neither web server nor workers, and no update gives it any."""
        return answer.get("state") == "ERROR"

    def forces(self, path: str, outputs: Mapping[str, Any], inputs: Mapping[str, Any]) -> bool:
        """Network and subnetwork move in place from generation 3 on."""
        image = get_path(inputs, f"{_SOFTWARE}.imageVersion") or get_path(outputs, f"{_SOFTWARE}.imageVersion")
        return path in {"config.nodeConfig.network", "config.nodeConfig.subnetwork"} and not is_composer_3(image)

    def refuses(self, outputs: Mapping[str, Any], inputs: Mapping[str, Any]) -> str:
        """Image versions only move forward, within their generation."""
        image = f"{_SOFTWARE}.imageVersion"
        return downgrade(get_path(outputs, image), get_path(inputs, image))

    def check(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        """The rules that the real provider has in code."""
        return check_environment(inputs)

    def _cleared(self, run: Run, mask: str) -> None:
        self._patch(run, mask, {"config": {"nodeConfig": {}}})

    def _patch(self, run: Run, mask: str, body: Mapping[str, Any]) -> None:
        """One update; the API refuses one that changes nothing, as does the second try of one whose answer was lost."""
        try:
            run.finish(run.call("PATCH", run.spec.path, {"updateMask": mask}, body))
        except ProviderError as error:
            if not any(text in str(error) for text in _NO_CHANGE):
                raise


def _shape(inputs: Mapping[str, Any], body: dict[str, Any], outputs: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The body with what depends on the generation."""
    if "config" not in body:
        return body
    image = get_path(inputs, f"{_SOFTWARE}.imageVersion") or get_path(outputs or {}, f"{_SOFTWARE}.imageVersion")
    private: dict[str, Any] = {}
    config = {key: value for key, value in body["config"].items() if not key.startswith("enablePrivate")}
    if is_composer_3(image):
        wanted = body["config"]
        private["networkingType"] = "PRIVATE" if wanted.get("enablePrivateEnvironment") else "PUBLIC"
        if wanted.get("enablePrivateBuildsOnly"):
            private["enablePrivateBuildsOnly"] = True
        config["privateEnvironmentConfig"] = private
    elif "privateEnvironmentConfig" in config:
        named = {"networkingType": "PRIVATE", "privateClusterConfig": {}, "networkingConfig": {}}
        config["privateEnvironmentConfig"] = merge(named, config["privateEnvironmentConfig"])
    return {**body, "config": config}


def _mode_out(mode: Any) -> Any:
    return {"PLUGINS_DISABLED": "DISABLED", "PLUGINS_ENABLED": "ENABLED"}.get(mode, mode)


def _mode_in(mode: Any) -> Any:
    return {"DISABLED": "PLUGINS_DISABLED", "ENABLED": "PLUGINS_ENABLED"}.get(mode, mode)


def _resilience_in(mode: Any) -> Any:
    return "RESILIENCE_MODE_UNSPECIFIED" if mode == "STANDARD_RESILIENCE" else mode


@dataclass(frozen=True, slots=True)
class UserWorkload(Behaviour):
    """A secret or config map in the environment's cluster: replaced as a whole, at once."""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Creates."""
        run.made(run.spec.collection, None, {"name": run.fill(run.spec.path), **body})
        return self.settled(run)

    def update(self, run: Run, change: Change, body: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        """A PUT with all of the data."""
        run.call("PUT", run.spec.path, None, {"name": run.fill(run.spec.path), **body})
        return self.settled(run)


@dataclass(frozen=True, slots=True)
class UserWorkloadSecret(UserWorkload):
    """The API answers `*` for each value, so the outputs keep what was written."""

    def outputs(self, run: Run, answer: Mapping[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        """Keys that came or went outside are seen, values cannot be."""
        written = {} if UNWRITTEN in run.outputs else run.inputs.get("data")
        known = written or run.outputs.get("data") or {}
        live = answer.get("data")
        if isinstance(live, Mapping):
            outputs["data"] = {key: known.get(key, value) for key, value in live.items()}
        return outputs


_IN_ENVIRONMENT = "projects/{project}/locations/{region}/environments/{environment|base}"

TYPES = (
    TypeSpec(
        "gcp:composer/environment:Environment",
        service="composer/v1beta1",
        path="projects/{project}/locations/{region}/environments/{name}",
        collection="projects/{project}/locations/{region}/environments",
        imports=("{project}/{region}/{name}", "{name}"),
        identity=("project", "region", "name"),
        labels="labels",
        zeros=True,
        style=OperationStyle.GOOGLE,
        turn="projects/{project}/locations/{region}/environments/{name}",
        polling=Polling(first=5.0, longest=20.0),
        rules={
            "deletionPolicy": Rule(skip=True),
            "storageConfig.bucket": Rule(same=same_bucket),
            f"{_SOFTWARE}.imageVersion": Rule(same=same_image),
            f"{_SOFTWARE}.webServerPluginsMode": Rule(encode=_mode_in, decode=_mode_out),
            "config.resilienceMode": Rule(encode=_resilience_in),
            "config.nodeConfig.zone": Rule(api="location", same=same_link),
            "config.nodeConfig.machineType": Rule(same=same_link),
            "config.nodeConfig.network": Rule(same=same_link),
            "config.nodeConfig.subnetwork": Rule(same=same_link),
            "config.nodeConfig.serviceAccount": Rule(encode=basename, same=same_account),
            "config.privateEnvironmentConfig.connectionType": Rule(api="networkingConfig.connectionType"),
            "config.privateEnvironmentConfig.enablePrivateEndpoint": Rule(
                api="privateClusterConfig.enablePrivateEndpoint"
            ),
            "config.privateEnvironmentConfig.masterIpv4CidrBlock": Rule(api="privateClusterConfig.masterIpv4CidrBlock"),
            "config.privateEnvironmentConfig.cloudComposerConnectionSubnetwork": Rule(same=same_link),
            "config.webServerNetworkAccessControl.allowedIpRanges": Rule(),
            "config.dataRetentionConfig.taskLogsRetentionConfigs": Rule(api="taskLogsRetentionConfig", first=True),
            "config.dataRetentionConfig.airflowMetadataRetentionConfigs": Rule(
                api="airflowMetadataRetentionConfig", first=True
            ),
        },
        behaviour=Environment(),
    ),
    TypeSpec(
        "gcp:composer/userWorkloadsSecret:UserWorkloadsSecret",
        service="composer/v1beta1",
        path=f"{_IN_ENVIRONMENT}/userWorkloadsSecrets/{{name}}",
        collection=f"{_IN_ENVIRONMENT}/userWorkloadsSecrets",
        identity=("project", "region", "environment", "name"),
        turn=_IN_ENVIRONMENT,
        rules={"deletionPolicy": Rule(skip=True), "environment": Rule(same=same_link)},
        behaviour=UserWorkloadSecret(),
    ),
    TypeSpec(
        "gcp:composer/userWorkloadsConfigMap:UserWorkloadsConfigMap",
        service="composer/v1beta1",
        path=f"{_IN_ENVIRONMENT}/userWorkloadsConfigMaps/{{name}}",
        collection=f"{_IN_ENVIRONMENT}/userWorkloadsConfigMaps",
        identity=("project", "region", "environment", "name"),
        turn=_IN_ENVIRONMENT,
        rules={"deletionPolicy": Rule(skip=True), "environment": Rule(same=same_link)},
        behaviour=UserWorkload(),
    ),
)
