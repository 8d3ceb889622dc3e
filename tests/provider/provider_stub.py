"""A stub like the one behind the recordings: keeps what it is sent, answers at once, knows no rules of Google's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from provider_fakes import FakeCloud, Sent, not_found

from envctl.google.transport import Answer

_DONE = {"done": True, "response": {}}


def stub_cloud() -> FakeCloud:
    """A cloud on which the three recorded stacks can be created."""
    cloud = FakeCloud()
    services: set[str] = set()

    def make(pattern: str, method: str, build: Callable[[Sent, re.Match[str]], Answer]) -> None:
        compiled = re.compile(pattern)

        def rule(sent: Sent) -> Answer | None:
            match = compiled.fullmatch(sent.path)
            return build(sent, match) if match and sent.method == method else None

        cloud.rules.append(rule)

    def keep(path: str, value: Mapping[str, Any]) -> dict[str, Any]:
        cloud.store[path] = dict(value)
        return cloud.store[path]

    def policy_of(path: str) -> dict[str, Any]:
        return cloud.store.setdefault(f"{path}#policy", {"etag": "a", "version": 3})

    def read_policy(sent: Sent, match: re.Match[str]) -> Answer:
        return Answer(200, dict(policy_of(match.group(1))))

    def write_policy(sent: Sent, match: re.Match[str]) -> Answer:
        return Answer(200, keep(f"{match.group(1)}#policy", sent.body.get("policy", sent.body)))

    for method in ("GET", "POST"):
        make(r"(.*):getIamPolicy", method, read_policy)
    make(r"(/storage/storage/v1/b/[^/]+)/iam", "GET", read_policy)
    make(r"(/storage/storage/v1/b/[^/]+)/iam", "PUT", write_policy)
    make(r"(.*):setIamPolicy", "POST", write_policy)

    def operation(name: str, *, done: bool) -> dict[str, Any]:
        return {"name": name, **({} if done else {"metadata": {"state": "RUNNING"}}), **(_DONE if done else {})}

    composer = r"/composer/v1beta1/(projects/p1/locations/[^/]+)"
    running = "projects/p1/locations/europe-west1/operations/0000"
    make(
        rf"{composer}/environments",
        "POST",
        lambda sent, match: _kept(keep, f"/composer/v1beta1/{sent.body['name']}", sent, operation(running, done=False)),
    )
    make(
        rf"{composer}/environments/[^/]+",
        "PATCH",
        lambda sent, match: _merged(cloud, sent, operation(running, done=False)),
    )
    make(
        rf"{composer}/environments/[^/]+",
        "DELETE",
        lambda sent, match: _gone(cloud, sent, operation(running, done=False)),
    )
    make(rf"{composer}/operations/.*", "GET", lambda sent, match: Answer(200, operation(running, done=True)))

    def listed(sent: Sent, match: re.Match[str]) -> Answer:
        return Answer(200, {"services": [{"name": f"projects/1234/services/{name}"} for name in sorted(services)]})

    def enabled(sent: Sent, match: re.Match[str]) -> Answer:
        services.add(match.group(1))
        return Answer(200, operation("operations/acf", done=True))

    make(r"/serviceusage/v1/projects/p1/services", "GET", listed)
    make(r"/serviceusage/v1/projects/p1/services/([^/]+):enable", "POST", enabled)
    keep("/crm/v1/projects/p1", {"projectId": "p1", "lifecycleState": "ACTIVE"})

    def bucket(sent: Sent, match: re.Match[str]) -> Answer:
        kept = keep(f"{sent.path}/{sent.body['name']}", {**sent.body, "id": sent.body["name"], "projectNumber": "1234"})
        return Answer(200, kept)

    make(r"/storage/storage/v1/b", "POST", bucket)
    make(r"/storage/storage/v1/b/[^/]+", "PATCH", lambda sent, match: _merged(cloud, sent, None))
    make(r"/storage/storage/v1/b/[^/]+/o", "GET", lambda sent, match: Answer(200, {}))

    def account(sent: Sent, match: re.Match[str]) -> Answer:
        email = f"{sent.body['accountId']}@p1.iam.gserviceaccount.com"
        name = f"projects/p1/serviceAccounts/{email}"
        value = {"name": name, "email": email, "projectId": "p1", "uniqueId": "1", **sent.body["serviceAccount"]}
        return Answer(200, keep(f"/iam/v1/{name}", value))

    make(r"/iam/v1/projects/p1/serviceAccounts", "POST", account)

    def named(parameter: str) -> Callable[[Sent, re.Match[str]], Answer]:
        def build(sent: Sent, match: re.Match[str]) -> Answer:
            name = f"{match.group(1)}/{sent.query[parameter]}"
            value = {"name": name.split("/", 3)[3], **(sent.body or {})}
            return Answer(200, keep(name, value))

        return build

    make(r"(/kms/v1/[^:]+/keyRings)", "POST", named("keyRingId"))
    make(r"(/kms/v1/[^:]+/cryptoKeys)", "POST", named("cryptoKeyId"))
    make(r"(/secretmanager/v1/[^:]+/secrets)", "POST", named("secretId"))
    make(r"(/artifactregistry/v1/[^:]+/repositories)", "POST", named("repository_id"))

    def versions(sent: Sent, match: re.Match[str]) -> Answer:
        name = f"{match.group(1).split('/', 3)[3]}/cryptoKeyVersions/1"
        return Answer(200, {"cryptoKeyVersions": [{"name": name, "state": "ENABLED"}]})

    def add_version(sent: Sent, match: re.Match[str]) -> Answer:
        path = f"{match.group(1)}/versions/1"
        return Answer(200, keep(path, {"name": path.split("/", 3)[3], "state": "ENABLED"}))

    make(r"(/kms/v1/.+/cryptoKeys/[^/]+)/cryptoKeyVersions", "GET", versions)
    make(r"(/secretmanager/v1/[^:]+):addVersion", "POST", add_version)

    def compute(sent: Sent, match: re.Match[str]) -> Answer:
        keep(f"{sent.path}/{sent.body['name']}", sent.body)
        return Answer(200, {"name": "op", "status": "DONE"})

    make(r"/compute/compute/v1/.+/(networks|subnetworks|firewalls|routers)", "POST", compute)
    make(r"/compute/compute/v1/.+/routers/[^/]+", "PATCH", lambda sent, match: _merged(cloud, sent, {"status": "DONE"}))

    def remove_compute(sent: Sent, match: re.Match[str]) -> Answer:
        return _gone(cloud, sent, {"name": "op", "status": "DONE"})

    make(
        r"/(compute|container)/.+/(networks|subnetworks|firewalls|routers|clusters|nodePools)/[^/]+",
        "DELETE",
        remove_compute,
    )

    def container(sent: Sent, match: re.Match[str]) -> Answer:
        (value,) = sent.body.values()
        keep(f"{sent.path}/{value['name']}", value)
        return Answer(200, {"name": "op", "status": "DONE"})

    def pools(sent: Sent, match: re.Match[str]) -> Answer:
        return Answer(
            200, {"nodePools": [value for path, value in cloud.store.items() if path.startswith(sent.path + "/")]}
        )

    make(r"/container/v1beta1/.+/(clusters|nodePools)", "POST", container)
    make(r"/container/v1beta1/.+/nodePools", "GET", pools)
    return cloud


def _kept(keep: Callable[[str, Mapping[str, Any]], Any], path: str, sent: Sent, answer: dict[str, Any]) -> Answer:
    keep(path, {**sent.body, "state": "RUNNING"})
    return Answer(200, answer)


def _merged(cloud: FakeCloud, sent: Sent, answer: dict[str, Any] | None) -> Answer:
    kept = cloud.store.get(sent.path)
    if kept is None:
        return not_found(sent.path)
    cloud.store[sent.path] = _merge(kept, sent.body)
    return Answer(200, answer or cloud.store[sent.path])


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        current = merged.get(key)
        both = isinstance(current, dict) and isinstance(value, dict)
        merged[key] = _merge(current, value) if both else value  # type: ignore[arg-type]
    return merged


def _gone(cloud: FakeCloud, sent: Sent, answer: dict[str, Any]) -> Answer:
    return Answer(200, answer) if cloud.store.pop(sent.path, None) else not_found(sent.path)
