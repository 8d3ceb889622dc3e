"""What can be done with an environment beside changing it: snapshots, upgrade checks, database failover."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import failed_precondition
from envctl.sandbox.operations import OperationKind
from envctl.sandbox.routing import Route
from envctl.sandbox.services import composer_images, composer_packages
from envctl.sandbox.services.composer import COLLECTION, environment_name, require_state
from envctl.sandbox.services.composer_airflow import STATE, empty_state
from envctl.sandbox.services.composer_images import problems
from envctl.sandbox.services.compute_places import zones_of
from envctl.sandbox.services.storage_versions import write_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Backend, Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json
    from envctl.sandbox.services.composer import Environments

_SNAPSHOTS = "composer.snapshots"
_TYPE = "type.googleapis.com/google.cloud.orchestration.airflow.service.v1"


@dataclass(frozen=True, slots=True)
class Actions:
    """The methods."""

    cloud: Cloud
    environments: Environments

    def _begin(
        self, call: Call, kind: str, operation_type: str, arguments: Mapping[str, Any], *, busy: bool
    ) -> Mapping[str, Any]:
        environment = self.environments.find(call.backend, environment_name(call))
        require_state(environment, "RUNNING")
        if busy:
            call.store.put(COLLECTION, environment["name"], {**environment, "state": "UPDATING"})
        return self.environments.operations.start(
            call, f"composer.environments.{kind}", operation_type, environment, arguments
        )

    # -- snapshots ------------------------------------------------------------------------------------

    def save(self, call: Call) -> Mapping[str, Any]:
        """Start saving a snapshot; without a location, into the environment's bucket."""
        environment = self.environments.find(call.backend, environment_name(call))
        bucket = environment["storageConfig"]["bucket"]
        location = (call.body.get("snapshotLocation") or f"gs://{bucket}/snapshots").rstrip("/")
        if not location.startswith("gs://"):
            raise problems(f"Snapshot location must start with 'gs://': '{location}'.")
        self.cloud.buckets.find(_bucket_of(location))
        return self._begin(call, "saveSnapshot", "SAVE_SNAPSHOT", {"location": location}, busy=True)

    def finish_save(self, backend: Backend, arguments: Mapping[str, Any]) -> Json:
        """A snapshot lies in its folder."""
        environment = self.environments.find(backend, arguments["environment"])
        _, project, _, region, _, name = environment["name"].split("/")
        moment = backend.clock.now().strftime("%Y-%m-%dT%H-%M-%S")
        path = f"{arguments['location']}/{project}_{region}_{name}_{moment}"
        record: Json = {
            "config": environment["config"],
            "airflow": backend.store.get(STATE, environment["name"]) or empty_state(),
        }
        backend.store.put(_SNAPSHOTS, path, record)
        write_object(self.cloud, _bucket_of(path), f"{_object_of(path)}/metadata.json", b"{}", "application/json")
        self._idle(backend, environment)
        return {"@type": f"{_TYPE}.SaveSnapshotResponse", "snapshotPath": path}

    def load(self, call: Call) -> Mapping[str, Any]:
        """Start loading a snapshot."""
        path = call.body.get("snapshotPath", "").rstrip("/")
        if call.store.get(_SNAPSHOTS, path) is None:
            raise problems(f"Snapshot '{path}' does not exist.")
        return self._begin(call, "loadSnapshot", "LOAD_SNAPSHOT", {**call.body, "snapshotPath": path}, busy=True)

    def finish_load(self, backend: Backend, arguments: Mapping[str, Any]) -> Json:
        """An environment has what the snapshot had, but for what the request skipped."""
        environment = self.environments.find(backend, arguments["environment"])
        snapshot = backend.store.get(_SNAPSHOTS, arguments["snapshotPath"])
        assert snapshot is not None, "checked when the operation was started; snapshots are never removed"
        software: Json = dict(environment["config"]["softwareConfig"])
        for skip, field in (
            ("skipPypiPackagesInstallation", "pypiPackages"),
            ("skipEnvironmentVariablesSetting", "envVariables"),
            ("skipAirflowOverridesSetting", "airflowConfigOverrides"),
        ):
            if not arguments.get(skip):
                software.pop(field, None)
                saved = snapshot["config"]["softwareConfig"].get(field)
                if saved:
                    software[field] = saved
        backend.store.put(STATE, environment["name"], snapshot["airflow"])
        self._idle(backend, {**environment, "config": {**environment["config"], "softwareConfig": software}})
        return {"@type": f"{_TYPE}.LoadSnapshotResponse"}

    # -- upgrade check --------------------------------------------------------------------------------

    def check_upgrade(self, call: Call) -> Mapping[str, Any]:
        """Start checking whether the custom packages go with another image."""
        image = composer_images.resolve(call.body.get("imageVersion", ""))
        return self._begin(call, "checkUpgrade", "CHECK", {"imageVersion": image.identifier}, busy=True)

    def finish_check(self, backend: Backend, arguments: Mapping[str, Any]) -> Json:
        """The verdict: conflict for packages that the seed calls conflicting."""
        environment = self.environments.find(backend, arguments["environment"])
        packages: Mapping[str, str] = environment["config"]["softwareConfig"].get("pypiPackages", {})
        failure = composer_packages.build_failure(backend, arguments["imageVersion"], packages)
        self._idle(backend, environment)
        project = environment["name"].split("/")[1]
        response: Json = {
            "@type": f"{_TYPE}.CheckUpgradeResponse",
            "buildLogUri": f"https://console.cloud.google.com/cloud-build/builds/{environment['uuid']}?project={project}",
            "containsPypiModulesConflict": "CONFLICT" if failure else "NO_CONFLICT",
            "imageVersion": arguments["imageVersion"],
        }
        if packages:
            response["pypiDependencies"] = dict(packages)
        if failure:
            response["pypiConflictBuildLogExtract"] = failure.partition("details. ")[2]
        return response

    # -- database -------------------------------------------------------------------------------------

    def failover(self, call: Call) -> Mapping[str, Any]:
        """Start moving the database to its other zone; only with high resilience."""
        environment = self.environments.find(call.backend, environment_name(call))
        if environment["config"].get("resilienceMode") != "HIGH_RESILIENCE":
            raise failed_precondition(
                "Database failover is only supported in environments with resilience mode HIGH_RESILIENCE."
            )
        return self._begin(call, "databaseFailover", "DATABASE_FAILOVER", {}, busy=True)

    def finish_failover(self, backend: Backend, arguments: Mapping[str, Any]) -> Json:
        """The database runs in its other zone."""
        environment = self.environments.find(backend, arguments["environment"])
        moves = (backend.store.get("composer.failovers", environment["name"]) or {"count": 0})["count"]
        backend.store.put("composer.failovers", environment["name"], {"count": moves + 1})
        self._idle(backend, environment)
        return {"@type": f"{_TYPE}.DatabaseFailoverResponse"}

    def database(self, call: Call) -> Json:
        """Where the database runs."""
        environment = self.environments.find(call.backend, environment_name(call))
        moves = (call.store.get("composer.failovers", environment["name"]) or {"count": 0})["count"]
        first, second = zones_of(call["location"])[:2]
        if moves % 2:
            first, second = second, first
        shown: Json = {"primaryGceZone": first}
        if environment["config"].get("resilienceMode") == "HIGH_RESILIENCE":
            shown |= {"secondaryGceZone": second, "isFailoverReplicaAvailable": True}
        return shown

    def _idle(self, backend: Backend, environment: Mapping[str, Any]) -> None:
        backend.store.put(COLLECTION, environment["name"], {**environment, "state": "RUNNING"})

    def abandon(self, backend: Backend, arguments: Mapping[str, Any]) -> None:
        """An action failed; the environment runs on."""
        self._idle(backend, self.environments.find(backend, arguments["environment"]))


def _bucket_of(path: str) -> str:
    return path.removeprefix("gs://").partition("/")[0]


def _object_of(path: str) -> str:
    return path.removeprefix("gs://").partition("/")[2]


def action_routes(cloud: Cloud, environments: Environments, one: str) -> tuple[Route, ...]:
    """Routes of the actions; `one` is the template of an environment."""
    api = Actions(cloud, environments)
    name = "composer.projects.locations.environments"
    right = "composer.environments"
    return (
        Route(f"{name}.saveSnapshot", "POST", f"{one}:saveSnapshot", api.save, f"{right}.saveSnapshot"),
        Route(f"{name}.loadSnapshot", "POST", f"{one}:loadSnapshot", api.load, f"{right}.loadSnapshot"),
        Route(f"{name}.checkUpgrade", "POST", f"{one}:checkUpgrade", api.check_upgrade, f"{right}.update"),
        Route(f"{name}.databaseFailover", "POST", f"{one}:databaseFailover", api.failover, f"{right}.update"),
        Route(
            f"{name}.fetchDatabaseProperties",
            "GET",
            f"{one}:fetchDatabaseProperties",
            api.database,
            f"{right}.get",
        ),
    )


def action_operations(cloud: Cloud, environments: Environments) -> tuple[OperationKind, ...]:
    """Operations of the actions."""
    api = Actions(cloud, environments)
    table = (
        ("saveSnapshot", 10, api.finish_save),
        ("loadSnapshot", 20, api.finish_load),
        ("checkUpgrade", 12, api.finish_check),
        ("databaseFailover", 8, api.finish_failover),
    )
    return tuple(
        OperationKind(f"composer.environments.{name}", timedelta(minutes=minutes), finish, api.abandon)
        for name, minutes, finish in table
    )
