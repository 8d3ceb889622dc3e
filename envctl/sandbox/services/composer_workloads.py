"""User workloads secrets and config maps of Composer 3, and the list of workloads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import already_exists, not_found
from envctl.sandbox.paging import page
from envctl.sandbox.routing import Route
from envctl.sandbox.services.composer import environment_name
from envctl.sandbox.services.composer_images import problems

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Call
    from envctl.sandbox.messages import Json
    from envctl.sandbox.services.composer import Environments


# What the API shows in the place of each value of a secret.
_HIDDEN = "**********"


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """One kind of Kubernetes object that users may put into an environment.

    Args:
        environments: to find the environment.
        collection: last but one part of the object's name.
        store: name of the collection in the store.
        secret: the values of `data` are never shown.
    """

    environments: Environments
    collection: str
    store: str
    secret: bool

    def _environment(self, call: Call) -> str:
        environment = self.environments.find(call.backend, environment_name(call))
        if not environment["config"]["softwareConfig"]["imageVersion"].startswith("composer-3-"):
            raise problems("This method is supported only in Cloud Composer 3 environments.")
        return environment["name"]

    def _shown(self, value: Mapping[str, Any]) -> Json:
        shown: Json = dict(value)
        if self.secret and shown.get("data"):
            shown["data"] = dict.fromkeys(shown["data"], _HIDDEN)
        return shown

    def _find(self, call: Call) -> Mapping[str, Any]:
        name = f"{self._environment(call)}/{self.collection}/{call['object']}"
        found = call.store.get(self.store, name)
        if found is None:
            raise not_found(f"Resource not found: {name}")
        return found

    def create(self, call: Call) -> Json:
        """Put an object into an environment."""
        prefix = f"{self._environment(call)}/{self.collection}/"
        name = call.body.get("name", "")
        if not name.startswith(prefix) or not name.removeprefix(prefix):
            raise problems(f"Name must start with '{prefix}'; got '{name}'.")
        if call.store.get(self.store, name) is not None:
            raise already_exists(f"Resource already exists: {name}")
        call.store.put(self.store, name, dict(call.body))
        return self._shown(call.body)

    def get(self, call: Call) -> Json:
        """An object of an environment."""
        return self._shown(self._find(call))

    def list(self, call: Call) -> Json:
        """The objects of an environment."""
        prefix = f"{self._environment(call)}/{self.collection}/"
        found = [self._shown(value) for value in call.store.values(self.store, prefix)]
        return page(call, self.collection, found)

    def update(self, call: Call) -> Json:
        """Replace an object of an environment."""
        name = self._find(call)["name"]
        value: Json = {**call.body, "name": name}
        call.store.put(self.store, name, value)
        return self._shown(value)

    def delete(self, call: Call) -> Json:
        """Take an object out of an environment."""
        call.store.delete(self.store, self._find(call)["name"])
        return {}


@dataclass(frozen=True, slots=True)
class Workloads:
    """The parts that an environment runs."""

    environments: Environments

    def list(self, call: Call) -> Json:
        """One entry for each replica that the configuration asks for."""
        environment = self.environments.find(call.backend, environment_name(call))
        config = environment["config"]["workloadsConfig"]
        found: list[Json] = []
        for field, kind, part in _PARTS:
            if field not in config:
                continue
            count = config[field].get("count") or config[field].get("minCount") or 1
            found += [
                {
                    "name": f"{environment['name']}/workloads/airflow-{part}-{number}",
                    "type": kind,
                    "status": {"state": "OK"},
                }
                for number in range(count)
            ]
        return page(call, "workloads", found)


_PARTS = (
    ("scheduler", "SCHEDULER", "scheduler"),
    ("dagProcessor", "DAG_PROCESSOR", "dag-processor"),
    ("triggerer", "TRIGGERER", "triggerer"),
    ("webServer", "WEB_SERVER", "webserver"),
    ("worker", "CELERY_WORKER", "worker"),
)


def workload_routes(environments: Environments, one: str) -> tuple[Route, ...]:
    """Routes of these methods; `one` is the template of an environment."""
    name = "composer.projects.locations.environments"
    routes: list[Route] = []
    for collection, store, right, secret in (
        ("userWorkloadsSecrets", "composer.secrets", "composer.userworkloadssecrets", True),
        ("userWorkloadsConfigMaps", "composer.configMaps", "composer.userworkloadsconfigmaps", False),
    ):
        api = Kubernetes(environments, collection, store, secret)
        many = f"{one}/{collection}"
        item = many + "/{object}"
        routes += [
            Route(f"{name}.{collection}.{method}", verb, template, handler, f"{right}.{method}")
            for method, verb, template, handler in (
                ("create", "POST", many, api.create),
                ("list", "GET", many, api.list),
                ("get", "GET", item, api.get),
                ("update", "PUT", item, api.update),
                ("delete", "DELETE", item, api.delete),
            )
        ]
    workloads = Workloads(environments)
    return (
        *routes,
        Route(f"{name}.workloads.list", "GET", f"{one}/workloads", workloads.list, "composer.environments.get"),
    )
