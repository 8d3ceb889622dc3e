"""Composer, v1 and v1beta1: environments and their operations.

Behaviour after recorded traffic of 2025 and 2026 (`docs/sandbox.md` says what is recorded and what is not).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import (
    Status,
    already_exists,
    failed_precondition,
    invalid,
    not_found,
    rpc_code,
)
from envctl.sandbox.masks import masked, merged, split_mask, without_zeros
from envctl.sandbox.operations import OperationFailedError, OperationKind
from envctl.sandbox.paging import page
from envctl.sandbox.routing import Route, Service
from envctl.sandbox.services import composer_checks, composer_images, composer_packages, composer_updates
from envctl.sandbox.services.composer_images import problems
from envctl.sandbox.services.composer_operations import PACKAGE, ComposerOperations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Backend, Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

COLLECTION = "composer.environments"
_EMPTY = {"@type": "type.googleapis.com/google.protobuf.Empty"}
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,62}[a-z0-9])?")
_ALL_ADDRESSES = [
    {"value": "0.0.0.0/0", "description": "Allows access from all IPv4 addresses (default value)"},
    {"value": "::0/0", "description": "Allows access from all IPv6 addresses (default value)"},
]
# Shown in the answer of an operation only (recorded with Composer 2).
_ONLY_IN_OPERATIONS: Mapping[str, Any] = {
    "databaseConfig": {"machineType": "db-custom-2-7680"},
    "nodeConfig": {"ipAllocationPolicy": {"useIpAliases": True}},
    "softwareConfig": {"pythonVersion": "3"},
}
_UPDATE_RESERVED = ("CREATING", "UPDATING", "DELETING")


@dataclass(frozen=True, slots=True)
class Environments:
    """Environments, and the operations on them."""

    cloud: Cloud

    @property
    def operations(self) -> ComposerOperations:
        """The operations on environments."""
        return ComposerOperations(self.cloud)

    # -- reading --------------------------------------------------------------------------------------

    def get(self, call: Call) -> Json:
        """An environment; one that is in motion is a poll further on."""
        name = environment_name(call)
        found = self.find(call.backend, name)
        if found["state"] in _UPDATE_RESERVED:
            for record in self.cloud.operations.pending("composer:"):
                if record["view"]["resource"] == name:
                    self.cloud.operations.poll(record["key"])
            found = self.find(call.backend, name)
        return dict(found)

    def list(self, call: Call) -> Json:
        """The environments of a location."""
        prefix = f"projects/{call['project']}/locations/{call['location']}/environments/"
        if call["location"] == "-":
            prefix = f"projects/{call['project']}/locations/"
        found = [dict(value) for value in call.store.values(COLLECTION, prefix)]
        return page(call, "environments", sorted(found, key=lambda entry: entry["name"]))

    def image_versions(self, call: Call) -> Json:
        """The image versions that new environments may have."""
        past = call.query("includePastReleases") == "true"
        default = _default_image(call.backend)
        shown: list[Json] = []
        for image in composer_images.images():
            if image.ended and not past:
                continue
            entry: Json = {"imageVersionId": image.identifier, "supportedPythonVersions": ["3"]}
            if image.identifier == default:
                entry["isDefault"] = True
            if image.ended:
                entry["creationDisabled"] = entry["upgradeDisabled"] = True
            shown.append(entry)
        return page(call, "imageVersions", shown)

    def find(self, backend: Backend, name: str) -> Mapping[str, Any]:
        """The environment of a name.

        Raises:
            ApiError: 404 in Composer's words.
        """
        found = backend.store.get(COLLECTION, name)
        if found is None:
            raise not_found(f"No such environment found: {name}")
        return found

    # -- creating -------------------------------------------------------------------------------------

    def create(self, call: Call) -> Mapping[str, Any]:
        """Start the creation of an environment."""
        parent = f"projects/{call['project']}/locations/{call['location']}"
        name = call.body.get("name", "")
        if not name.startswith(f"{parent}/environments/"):
            raise problems(f"Environment name must start with '{parent}/environments/'; got '{name}'.")
        identifier = name.removeprefix(f"{parent}/environments/")
        if not _NAME.fullmatch(identifier):
            raise problems(f"Invalid environment name '{identifier}': must match {_NAME.pattern}.")
        if call.store.get(COLLECTION, name) is not None:
            raise already_exists(f"Composer environment with name {name} already exists.")
        config: Mapping[str, Any] = call.body.get("config") or {}
        software: Mapping[str, Any] = config.get("softwareConfig") or {}
        if software.get("pypiPackages"):
            raise invalid(
                "User-provided PyPi dependencies forbidden at environment creation. "
                "Please create an environment without dependencies then perform an update."
            )
        image = composer_images.resolve(software.get("imageVersion") or _default_image(call.backend))
        account = (config.get("nodeConfig") or {}).get("serviceAccount", "")
        if not account and image.generation == 3:
            raise problems("Composer environment service account is required to be explicitly specified.")
        composer_checks.check_account(self.cloud, call, account)
        composer_checks.check_references(call, config)
        bucket = (call.body.get("storageConfig") or {}).get("bucket", "").removeprefix("gs://")
        if bucket and call.store.get("buckets", bucket) is None:
            raise problems(f"Bucket '{bucket}' does not exist.")
        environment = self._new(call, name, image, bucket)
        call.store.put(COLLECTION, name, environment)
        return self._start(call, "create", "CREATE", environment, {"bucketGiven": bool(bucket)})

    def _new(self, call: Call, name: str, image: composer_images.Image, bucket: str) -> Json:
        project, location = call["project"], call["location"]
        identifier = name.rpartition("/")[2]
        uuid = call.backend.new_uuid("environment")
        stem = f"{location}-{identifier[:15]}-{call.backend.unique('environment-hash').hex()[:8]}"
        bucket = bucket or f"{stem}-bucket"
        number = self.cloud.projects.number(project)
        defaults = composer_images.default_config(image, project, number)
        config = merged(defaults, call.body.get("config") or {})
        config["softwareConfig"] = {**config["softwareConfig"], "imageVersion": image.identifier}
        if config.get("webServerNetworkAccessControl") is None:  # given without ranges, it lets nobody in
            config["webServerNetworkAccessControl"] = {"allowedIpRanges": _ALL_ADDRESSES}
        triggerer = ((call.body.get("config") or {}).get("workloadsConfig") or {}).get("triggerer")
        if triggerer is not None and "count" not in triggerer:  # none may run, so no number is the number zero
            config["workloadsConfig"]["triggerer"]["count"] = 0
        host = f"{uuid.replace('-', '')}-dot-{location}.composer"
        config["airflowUri"] = f"https://{host}.googleusercontent.com"
        config["airflowByoidUri"] = f"https://{host}.byoid.googleusercontent.com"
        config["dagGcsPrefix"] = f"gs://{bucket}/dags"
        if image.generation == 2:
            config["gkeCluster"] = f"projects/{project}/locations/{location}/clusters/{stem}-gke"
        environment: Json = {
            "name": name,
            "uuid": uuid,
            "state": "CREATING",
            "createTime": call.now,
            "updateTime": call.now,
            "config": without_zeros(config),
            "storageConfig": {"bucket": bucket},
        }
        if call.body.get("labels"):
            environment["labels"] = call.body["labels"]
        return environment

    def finish_create(self, backend: Backend, arguments: Mapping[str, Any]) -> Json:
        """A created environment runs and has its bucket."""
        environment = self.find(backend, arguments["environment"])
        project, location, identifier = _parts(environment["name"])
        if backend.settings.enforce:
            composer_checks.require_rights(self.cloud, project, environment)
        if not arguments["bucketGiven"]:
            self.cloud.buckets.create(
                project,
                {
                    "name": environment["storageConfig"]["bucket"],
                    "location": location,
                    "labels": {
                        "goog-composer-environment": identifier,
                        "goog-composer-location": location,
                        "goog-composer-environment-uuid": environment["uuid"],
                    },
                    "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}},
                },
            )
        if "gkeCluster" in environment["config"]:
            self._bind_workloads(project, environment)
        return self._settled(backend, environment)

    def _bind_workloads(self, project: str, environment: Mapping[str, Any]) -> None:
        """Generation 2: the agent lets the cluster's Kubernetes accounts act as the environment's account.

        "Access control with IAM", Composer 2: what roles/composer.ServiceAgentV2Ext is for. The namespace carries the
        image's name in the cluster.
        """
        account = (environment["config"].get("nodeConfig") or {}).get("serviceAccount", "")
        home = account.partition("@")[2].partition(".")[0] if account.endswith(".iam.gserviceaccount.com") else project
        namespace = environment["config"]["softwareConfig"]["imageVersion"].replace(".", "-")
        self.cloud.policies.grant(
            f"//iam.googleapis.com/projects/{home}/serviceAccounts/{account}",
            "roles/iam.workloadIdentityUser",
            f"serviceAccount:{project}.svc.id.goog[{namespace}/default]",
        )

    def fail_create(self, backend: Backend, arguments: Mapping[str, Any]) -> None:
        """An environment whose creation failed stays, broken."""
        environment = self.find(backend, arguments["environment"])
        backend.store.put(COLLECTION, environment["name"], {**environment, "state": "ERROR"})

    # -- changing -------------------------------------------------------------------------------------

    def patch(self, call: Call) -> Mapping[str, Any]:
        """Start an update of one kind."""
        environment = self.find(call.backend, environment_name(call))
        paths = split_mask(call.query("updateMask"))
        generation = int(environment["config"]["softwareConfig"]["imageVersion"].split("-")[1].split(".")[0])
        update = composer_updates.update_type(paths, generation)
        require_state(environment, "RUNNING", "ERROR")
        changed = without_zeros(masked(environment, call.body, paths))
        self._check_update(environment, changed, update)
        arguments = {"changed": {"config": changed["config"], "labels": changed.get("labels", {})}}
        return self._start(call, "update", "UPDATE", environment, arguments, duration=update.duration)

    def _check_update(self, old: Mapping[str, Any], new: Json, update: composer_updates.UpdateType) -> None:
        if update.path == "config.softwareConfig.imageVersion":
            before = old["config"]["softwareConfig"]["imageVersion"]
            image = composer_images.resolve(new["config"]["softwareConfig"].get("imageVersion", ""))
            after = image.identifier
            if composer_images.version_key(after) < composer_images.version_key(before):
                raise problems(f"Downgrades are not supported: '{before}' to '{after}'.")
            if before.split("-")[1].split(".")[0] != after.split("-")[1].split(".")[0]:
                raise problems(f"Upgrade from '{before}' to '{after}' is not supported.")
            new["config"]["softwareConfig"]["imageVersion"] = after
        if (new["config"], new.get("labels")) == (old["config"], old.get("labels")):
            raise problems("Update request does not result in any change to the environment's configuration.")

    def finish_update(self, backend: Backend, arguments: Mapping[str, Any]) -> Json:
        """An updated environment has the new values."""
        environment = self.find(backend, arguments["environment"])
        changed = arguments["changed"]
        self._build(backend, environment, changed["config"]["softwareConfig"])
        new: Json = {**environment, "config": changed["config"]}
        new.pop("labels", None)
        if changed["labels"]:
            new["labels"] = changed["labels"]
        return self._settled(backend, new)

    def _build(self, backend: Backend, environment: Mapping[str, Any], software: Mapping[str, Any]) -> None:
        """Install custom packages, if they are others than before."""
        packages = software.get("pypiPackages", {})
        if packages == environment["config"]["softwareConfig"].get("pypiPackages", {}):
            return
        failure = composer_packages.build_failure(backend, software["imageVersion"], packages)
        if failure:
            raise OperationFailedError(rpc_code(Status.FAILED_PRECONDITION), failure)

    def fail_change(self, backend: Backend, arguments: Mapping[str, Any]) -> None:
        """An environment whose update failed runs on with what it had."""
        environment = self.find(backend, arguments["environment"])
        backend.store.put(COLLECTION, environment["name"], {**environment, "state": "RUNNING"})

    def delete(self, call: Call) -> Mapping[str, Any]:
        """Start the deletion of an environment."""
        environment = self.find(call.backend, environment_name(call))
        require_state(environment, "RUNNING", "ERROR")
        return self._start(call, "delete", "DELETE", environment, {})

    def finish_delete(self, backend: Backend, arguments: Mapping[str, Any]) -> Json:
        """A deleted environment is gone; its bucket stays."""
        name = arguments["environment"]
        backend.store.delete(COLLECTION, name)
        for kind in ("composer.secrets", "composer.configMaps"):
            for entry, _ in backend.store.items(kind, name + "/"):
                backend.store.delete(kind, entry)
        for kind in ("composer.airflow", "composer.failovers"):
            backend.store.delete(kind, name)
        return dict(_EMPTY)

    def _start(
        self,
        call: Call,
        kind: str,
        operation_type: str,
        environment: Mapping[str, Any],
        arguments: Mapping[str, Any],
        *,
        duration: timedelta | None = None,
    ) -> Mapping[str, Any]:
        transitional = {"create": "CREATING", "delete": "DELETING"}.get(kind, "UPDATING")
        call.store.put(COLLECTION, environment["name"], {**environment, "state": transitional})
        return self.operations.start(
            call, f"composer.environments.{kind}", operation_type, environment, arguments, duration
        )

    def _settled(self, backend: Backend, environment: Mapping[str, Any]) -> Json:
        """Keep an environment as running; the value is the operation's response."""
        running: Json = {**environment, "state": "RUNNING", "updateTime": backend.clock.stamp()}
        backend.store.put(COLLECTION, environment["name"], running)
        response: Json = {"@type": f"{PACKAGE}.v1.Environment", **running}
        if "-3-" in running["config"]["softwareConfig"]["imageVersion"][:11]:
            del response["state"]
        else:
            response["config"] = merged(running["config"], _ONLY_IN_OPERATIONS)
        return response


def _default_image(backend: Backend) -> str:
    return backend.settings.default_image or composer_images.default_image()


def require_state(environment: Mapping[str, Any], *states: str) -> None:
    """Refuse when an environment is not in one of these states.

    The status is Composer's; the wording is ours, no recording has it.
    """
    if environment["state"] not in states:
        raise failed_precondition(
            f"Environment {environment['name']} is in state {environment['state']}; "
            "another operation on it is in progress or its state does not allow this one."
        )


def environment_name(call: Call) -> str:
    """The full name of the environment in a call's path."""
    return f"projects/{call['project']}/locations/{call['location']}/environments/{call['environment']}"


def _parts(name: str) -> tuple[str, str, str]:
    _, project, _, location, _, identifier = name.split("/")
    return project, location, identifier


def declare(cloud: Cloud) -> Service:
    """Composer on a cloud."""
    from envctl.sandbox.services.composer_actions import action_operations, action_routes
    from envctl.sandbox.services.composer_airflow import command_routes
    from envctl.sandbox.services.composer_workloads import workload_routes

    api = Environments(cloud)
    parent = "projects/{project}/locations/{location}"
    environments = f"{parent}/environments"
    one = environments + "/{environment}"
    operations = f"{parent}/operations"
    name = "composer.projects.locations"
    right = "composer.environments"
    return Service(
        name="composer",
        hosts=("composer.googleapis.com",),
        prefixes=("composer",),
        bases={"v1": "v1", "v1beta1": "v1beta1"},
        api="composer.googleapis.com",
        routes=(
            *action_routes(cloud, api, one),
            *command_routes(cloud, api, one),
            *workload_routes(api, one),
            Route(f"{name}.environments.create", "POST", environments, api.create, f"{right}.create"),
            Route(f"{name}.environments.list", "GET", environments, api.list, f"{right}.list"),
            Route(f"{name}.environments.get", "GET", one, api.get, f"{right}.get"),
            Route(f"{name}.environments.patch", "PATCH", one, api.patch, f"{right}.update"),
            Route(f"{name}.environments.delete", "DELETE", one, api.delete, f"{right}.delete"),
            Route(
                f"{name}.imageVersions.list",
                "GET",
                f"{parent}/imageVersions",
                api.image_versions,
                "composer.imageversions.list",
            ),
            Route(
                f"{name}.operations.get",
                "GET",
                operations + "/{operation}",
                api.operations.get,
                "composer.operations.get",
            ),
            Route(f"{name}.operations.list", "GET", operations, api.operations.list, "composer.operations.list"),
            Route(
                f"{name}.operations.delete",
                "DELETE",
                operations + "/{operation}",
                api.operations.delete,
                "composer.operations.delete",
            ),
        ),
        operations=(
            *action_operations(cloud, api),
            OperationKind("composer.environments.create", timedelta(minutes=25), api.finish_create, api.fail_create),
            OperationKind("composer.environments.update", timedelta(minutes=8), api.finish_update, api.fail_change),
            OperationKind("composer.environments.delete", timedelta(minutes=8), api.finish_delete, api.fail_create),
        ),
    )
