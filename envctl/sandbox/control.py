"""What stands beside the APIs: reset, seed, faults, the clock, the log of requests, a dump."""

from __future__ import annotations

import contextlib
import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from envctl.errors import EnvctlError, UsageError
from envctl.sandbox.backend import parse_body
from envctl.sandbox.failures import ApiError, SandboxStoreError
from envctl.sandbox.messages import Request, Response
from envctl.sandbox.projects import TITLES, full_name
from envctl.sandbox.services.monitoring_series import DATABASE_BYTES
from envctl.sandbox.services.orgpolicy import COLLECTION as ORG_POLICIES
from envctl.sandbox.services.orgpolicy import CUSTOM as CUSTOM_CONSTRAINTS
from envctl.sandbox.settings import DEFAULT_CALLER, load_settings, save_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

PREFIX = "/_control/"
_LARGEST = 2**63 - 1
_SEED_KEYS = (
    "settings",
    "containers",
    "projects",
    "policies",
    "tokens",
    "groups",
    "conflictingPackages",
    "orgPolicies",
    "customConstraints",
    "databaseBytes",
    "requests",
    "faults",
)


def reset(cloud: Cloud) -> None:
    """Make a cloud empty; its clock starts again. Files that are no sandbox are put aside as `*.damaged`."""
    try:
        with cloud.exclusive():
            pass
    except SandboxStoreError:
        cloud.backend.store.put_aside()
    with cloud.exclusive():
        cloud.backend.store.clear()
        cloud.backend.restart_clock()
        cloud.forget_requests()


def seed(cloud: Cloud, document: Mapping[str, Any]) -> None:
    """Put things into a cloud.

    Args:
        cloud: where to.
        document: sections as in `docs/sandbox.md`; `requests` are played against the cloud, operations that
            they start are ended.

    Raises:
        UsageError: a section or a value in it is not known, or a request of the seed was refused.
    """
    unknown = set(document) - set(_SEED_KEYS)
    if unknown:
        raise UsageError(f"A seed has no section {min(unknown)!r}", hints=(f"Sections: {', '.join(_SEED_KEYS)}.",))
    with cloud.exclusive():
        store = cloud.backend.store
        if "settings" in document:
            save_settings(store, document["settings"])
        for name, value in document.get("containers", {}).items():
            store.put("containers", name, {"createTime": cloud.backend.clock.stamp(), **value})
        for project in document.get("projects", ()):
            _seed_project(cloud, project)
        for token, principal in document.get("tokens", {}).items():
            store.put("tokens", token, {"principal": principal})
        for group, members in document.get("groups", {}).items():
            store.put("groups", group, {"members": list(members)})
        for package in document.get("conflictingPackages", ()):
            entry = {"name": package} if isinstance(package, str) else dict(package)
            store.put("packages.conflicting", entry["name"].lower(), entry)
        for place, constraints in document.get("orgPolicies", {}).items():
            for constraint, rules in constraints.items():
                store.put(ORG_POLICIES, f"{place}/policies/{constraint}", {"rules": rules})
        for place, constraints in document.get("customConstraints", {}).items():
            for constraint, body in constraints.items():
                name = f"{place}/customConstraints/{constraint}"
                store.put(CUSTOM_CONSTRAINTS, name, {**body, "name": name})
        for environment, size in document.get("databaseBytes", {}).items():
            _seed_database(cloud, environment, size)
    for entry in document.get("requests", ()):
        _play(cloud, entry)
    with cloud.exclusive():
        policies = document.get("policies", {})
        for resource, policy in policies.items():
            _set_policy(cloud, resource, policy)
        for project in document.get("projects", ()):
            policies = {**policies, full_name(project["id"]): project.get("policy", {})}
        for resource, policy in policies.items():
            with _refusing_policy(resource):
                cloud.policies.check_members(policy)
        for fault in document.get("faults", ()):
            cloud.faults.add(fault)


def _set_policy(cloud: Cloud, resource: str, policy: Mapping[str, Any]) -> None:
    with _refusing_policy(resource):
        cloud.policies.seed(resource, policy)


@contextlib.contextmanager
def _refusing_policy(resource: str) -> Generator[None]:
    try:
        yield
    except ApiError as error:
        raise UsageError(f"The policy of {resource} in the seed is not valid", detail=error.message) from error


def _seed_project(cloud: Cloud, project: Mapping[str, Any]) -> None:
    allowed = {"id", "number", "owner", "parent", "labels", "apis", "policy"}
    unknown = set(project) - allowed
    if unknown or "id" not in project:
        raise UsageError(
            f"A project of a seed has no field {min(unknown)!r}" if unknown else "A project of a seed needs an id",
            hints=(f"Fields: {', '.join(sorted(allowed))}.",),
        )
    identifier = project["id"]
    number = str(project.get("number", ""))
    if number and not (number.isascii() and number.isdigit() and 0 < int(number) <= _LARGEST):
        raise UsageError(f"{number!r} is no number of a project", hints=(f"Numbers are from 1 to {_LARGEST}.",))
    if cloud.projects.find(identifier) is None:
        cloud.projects.create(
            identifier,
            owner=project.get("owner", DEFAULT_CALLER),
            number=number,
            parent=project.get("parent"),
            labels=project.get("labels"),
        )
    apis = project.get("apis", ())
    for api in TITLES if apis == "all" else apis:
        cloud.projects.enable(identifier, api if "." in api else f"{api}.googleapis.com")
    if "policy" in project:
        _set_policy(cloud, full_name(identifier), project["policy"])


def _seed_database(cloud: Cloud, environment: str, size: object) -> None:
    if not re.fullmatch(r"projects/[^/]+/locations/[^/]+/environments/[^/]+", environment):
        raise UsageError(
            f"{environment!r} in the seed is no environment",
            hints=("Names look like projects/P/locations/L/environments/E.",),
        )
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST:
        raise UsageError(f"The database of {environment} in the seed has no size in bytes", detail=f"Given: {size!r}.")
    cloud.backend.store.put(DATABASE_BYTES, environment, {"bytes": size})


def _play(cloud: Cloud, entry: Mapping[str, Any]) -> None:
    response = cloud.handle(Request.to(entry["method"], entry["url"], body=entry.get("body")))
    if response.status >= 400:
        raise UsageError(
            f"The seed's request {entry['method']} {entry['url']} was refused",
            detail=f"HTTP {response.status}: {response.body.decode(errors='replace')}",
        )
    with cloud.exclusive():
        for record in cloud.operations.pending():
            cloud.operations.finish(record["key"])


def advance(cloud: Cloud, seconds: float) -> Json:
    """Move the clock forward and let operations end whose time has come; the value is the clock."""
    if seconds < 0:
        raise UsageError("The clock of the sandbox does not run backwards")
    with cloud.exclusive():
        cloud.backend.clock.advance(timedelta(seconds=seconds))
        cloud.operations.settle()
    return clock(cloud)


def clock(cloud: Cloud) -> Json:
    """The virtual time and the operations that run."""
    with cloud.exclusive():
        running = [
            {"name": record["key"], "kind": record["kind"], "end": record["end"]}
            for record in cloud.operations.pending()
        ]
        return {"now": cloud.backend.clock.stamp(), "running": running}


def handle(cloud: Cloud, request: Request) -> Response:
    """The answer of a control endpoint: `/_control/NAME`."""
    name = request.path.removeprefix(PREFIX).strip("/")
    handler = ENDPOINTS.get((request.method, name))
    if handler is None:
        known = ", ".join(f"{verb} {endpoint}" for verb, endpoint in ENDPOINTS)
        return _response(404, {"error": f"No control endpoint {request.method} {name}. There are: {known}."})
    try:
        return _response(200, handler(cloud, parse_body(request.body)))
    except ApiError as error:
        return _response(400, {"error": error.message})
    except EnvctlError as error:
        return _response(400, {"error": error.summary, "detail": error.detail, "hints": list(error.hints)})


def _response(status: int, value: object) -> Response:
    return Response(status, {"Content-Type": "application/json"}, json.dumps(value).encode())


def _reset(cloud: Cloud, body: Json) -> object:
    del body
    reset(cloud)
    return {}


def _seed(cloud: Cloud, body: Json) -> object:
    seed(cloud, body)
    return {}


def _add_fault(cloud: Cloud, body: Json) -> object:
    with cloud.exclusive():
        return cloud.faults.add(body)


def _list_faults(cloud: Cloud, body: Json) -> object:
    del body
    with cloud.exclusive():
        return {"faults": cloud.faults.listed()}


def _clear_faults(cloud: Cloud, body: Json) -> object:
    del body
    with cloud.exclusive():
        cloud.faults.clear()
    return {}


def _clock(cloud: Cloud, body: Json) -> object:
    del body
    return clock(cloud)


def _advance(cloud: Cloud, body: Json) -> object:
    return advance(cloud, float(body.get("seconds", 0)))


def _requests(cloud: Cloud, body: Json) -> object:
    del body
    with cloud.exclusive():
        return {"requests": cloud.requests}


def _dump(cloud: Cloud, body: Json) -> object:
    del body
    with cloud.exclusive():
        return cloud.backend.store.dump()


def _settings(cloud: Cloud, body: Json) -> object:
    del body
    with cloud.exclusive():
        return load_settings(cloud.backend.store).as_json()


ENDPOINTS: Final[Mapping[tuple[str, str], Callable[[Cloud, Json], object]]] = {
    ("POST", "reset"): _reset,
    ("POST", "seed"): _seed,
    ("POST", "fault"): _add_fault,
    ("GET", "fault"): _list_faults,
    ("DELETE", "fault"): _clear_faults,
    ("GET", "clock"): _clock,
    ("POST", "clock"): _advance,
    ("GET", "requests"): _requests,
    ("GET", "settings"): _settings,
    ("GET", "dump"): _dump,
}
"""Verb and name -> what answers."""
