"""Artifact Registry, v1: repositories."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import already_exists, invalid, not_found
from envctl.sandbox.filters import selected
from envctl.sandbox.masks import masked, split_mask, without_zeros
from envctl.sandbox.operations import OperationKind, outcome
from envctl.sandbox.paging import page
from envctl.sandbox.routing import Route, Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Backend, Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

COLLECTION = "artifactregistry.repositories"
_TYPE = "type.googleapis.com/google.devtools.artifactregistry.v1"
_IDENTIFIER = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_CHANGEABLE = frozenset(
    {"description", "labels", "cleanupPolicies", "cleanupPolicyDryRun", "dockerConfig", "virtualRepositoryConfig"}
)


@dataclass(frozen=True, slots=True)
class Repositories:
    """The methods on repositories."""

    cloud: Cloud

    def create(self, call: Call) -> Json:
        """Start making a repository."""
        identifier = call.query("repositoryId")
        if not _IDENTIFIER.fullmatch(identifier):
            raise invalid(f"Invalid repository id '{identifier}': must match {_IDENTIFIER.pattern}.")
        name = f"{_location(call)}/repositories/{identifier}"
        if call.store.get(COLLECTION, name) is not None:
            raise already_exists("the repository already exists")
        if not call.body.get("format"):
            raise invalid("Repository format must be specified.")
        mode = call.body.get("mode", "MODE_UNSPECIFIED")
        repository: Json = {
            **{key: value for key, value in call.body.items() if key not in {"createTime", "updateTime", "sizeBytes"}},
            "name": name,
            "mode": "STANDARD_REPOSITORY" if mode == "MODE_UNSPECIFIED" else mode,
            "satisfiesPzi": True,
            "vulnerabilityScanningConfig": {
                "enablementState": "SCANNING_DISABLED",
                "enablementStateReason": "API containerscanning.googleapis.com is not enabled.",
                "lastEnableTime": call.now,
            },
        }
        if call.body["format"] != "DOCKER":
            del repository["vulnerabilityScanningConfig"]
        return self._start(call, "create", {"name": name, "repository": without_zeros(repository)})

    def finish_create(self, backend: Backend, arguments: Mapping[str, Any]) -> Json:
        """A repository exists; the answer of the operation lacks its times (recorded)."""
        now = backend.clock.stamp()
        record: Json = {**arguments["repository"], "createTime": now, "updateTime": now}
        backend.store.put(COLLECTION, arguments["name"], record)
        return {"@type": f"{_TYPE}.Repository", **arguments["repository"]}

    def get(self, call: Call) -> Json:
        """A repository."""
        return dict(self._find(call))

    def list(self, call: Call) -> Json:
        """The repositories of a location."""
        found = selected(call.store.values(COLLECTION, f"{_location(call)}/repositories/"), call.query("filter"))
        return page(call, "repositories", sorted(found, key=lambda entry: entry["name"]), default_size=100)

    def patch(self, call: Call) -> Json:
        """Change a repository, at once."""
        old = self._find(call)
        paths = split_mask(call.query("updateMask"))
        unknown = [path for path in paths if path.partition(".")[0] not in _CHANGEABLE]
        if unknown:
            raise invalid(f"Field '{unknown[0]}' of a repository cannot be updated.")
        new = without_zeros(masked(old, call.body, paths))
        new["updateTime"] = call.now
        call.store.put(COLLECTION, old["name"], new)
        return new

    def delete(self, call: Call) -> Json:
        """Start removing a repository."""
        return self._start(call, "delete", {"name": self._find(call)["name"]})

    def finish_delete(self, backend: Backend, arguments: Mapping[str, Any]) -> Json:
        """A repository is gone."""
        backend.store.delete(COLLECTION, arguments["name"])
        self.cloud.policies.forget(f"//artifactregistry.googleapis.com/{arguments['name']}")
        return {"@type": "type.googleapis.com/google.protobuf.Empty"}

    def list_packages(self, call: Call) -> Json:
        """The packages of a repository: none, as the emulator takes no uploads."""
        self._find(call)
        return page(call, "packages", [], default_size=100)

    def operation(self, call: Call) -> Json:
        """An operation, a poll later."""
        name = f"{_location(call)}/operations/{call['operation']}"
        record = self.cloud.operations.poll(f"artifactregistry:{name}")
        if record is None:
            raise not_found("Requested entity was not found.")
        return _operation(record)

    def get_policy(self, call: Call) -> Json:
        """Who may use a repository."""
        version = call.number("options.requestedPolicyVersion", 1)
        return self.cloud.policies.get(f"//artifactregistry.googleapis.com/{self._find(call)['name']}", version)

    def set_policy(self, call: Call) -> Json:
        """Replace who may use a repository."""
        resource = f"//artifactregistry.googleapis.com/{self._find(call)['name']}"
        return self.cloud.policies.set(resource, call.body.get("policy") or {})

    def test_permissions(self, call: Call) -> Json:
        """Which of the permissions asked the caller has on a repository."""
        resource = f"//artifactregistry.googleapis.com/{self._find(call)['name']}"
        held = self.cloud.access.allowed(call.principal, call.body.get("permissions", []), resource)
        return {"permissions": held} if held else {}

    def _start(self, call: Call, action: str, arguments: Mapping[str, Any]) -> Json:
        name = f"{_location(call)}/operations/{call.backend.new_uuid('artifactregistry')}"
        record = self.cloud.operations.start(
            f"artifactregistry.repositories.{action}", f"artifactregistry:{name}", arguments, view={"name": name}
        )
        return _operation(record)

    def _find(self, call: Call) -> Mapping[str, Any]:
        found = call.store.get(COLLECTION, f"{_location(call)}/repositories/{call['repository']}")
        if found is None:
            raise not_found("Requested entity was not found.")
        return found


def _location(call: Call) -> str:
    return f"projects/{call['project']}/locations/{call['location']}"


def _operation(record: Mapping[str, Any]) -> Json:
    metadata = {"@type": f"{_TYPE}.OperationMetadata"}
    return {"name": record["view"]["name"], "metadata": metadata, **outcome(record)}


def declare(cloud: Cloud) -> Service:
    """Artifact Registry on a cloud."""
    api = Repositories(cloud)
    location = "projects/{project}/locations/{location}"
    many = f"{location}/repositories"
    one = many + "/{repository}"
    table = (
        ("create", "POST", many, api.create, "create", location),
        ("list", "GET", many, api.list, "list", location),
        ("get", "GET", one, api.get, "get", one),
        ("patch", "PATCH", one, api.patch, "update", one),
        ("delete", "DELETE", one, api.delete, "delete", one),
        ("getIamPolicy", "GET", one + ":getIamPolicy", api.get_policy, "getIamPolicy", one),
        ("setIamPolicy", "POST", one + ":setIamPolicy", api.set_policy, "setIamPolicy", one),
        ("testIamPermissions", "POST", one + ":testIamPermissions", api.test_permissions, "", ""),
    )
    return Service(
        name="artifactregistry",
        hosts=("artifactregistry.googleapis.com",),
        prefixes=("artifactregistry",),
        bases={"v1": "v1"},
        api="artifactregistry.googleapis.com",
        routes=(
            *(
                Route(
                    f"artifactregistry.projects.locations.repositories.{method}",
                    verb,
                    template,
                    handler,
                    f"artifactregistry.repositories.{right}" if right else "",
                    resource,
                )
                for method, verb, template, handler, right, resource in table
            ),
            Route(
                "artifactregistry.projects.locations.repositories.packages.list",
                "GET",
                one + "/packages",
                api.list_packages,
                "artifactregistry.packages.list",
                one,
            ),
            Route(
                "artifactregistry.projects.locations.operations.get",
                "GET",
                location + "/operations/{operation}",
                api.operation,
            ),
        ),
        operations=(
            OperationKind("artifactregistry.repositories.create", timedelta(seconds=5), api.finish_create),
            OperationKind("artifactregistry.repositories.delete", timedelta(seconds=5), api.finish_delete),
        ),
    )
