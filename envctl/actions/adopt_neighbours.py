"""What stands around a live environment: who has which role, which objects name its account, what a file cannot hold."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from envctl.errors import OutsideError
from envctl.google.names import environment_name, is_default_account, is_service_agent
from envctl.google.refusals import accept
from envctl.google.transport import Answer, Transport
from envctl.stacks.marks import mark_of
from envctl.stacks.reading import Document

_DONE = 200
_DEPLOYER = "roles/composer.admin"
_OPERATOR = frozenset({"roles/composer.user", "roles/logging.viewer", "roles/monitoring.viewer"})
_USER = "roles/composer.user"
_WORKER = "roles/composer.worker"


@dataclass(frozen=True, slots=True)
class Left:
    """Something that is there and that no file of envctl's takes over, with the reason."""

    name: str
    reason: str


@dataclass(slots=True)
class Neighbours:
    """What was found: blocks for the file, and what is left alone."""

    document: Document = field(default_factory=dict[str, Any])
    left: list[Left] = field(default_factory=list[Left])


def live_environments(transport: Transport, project: str, region: str | None) -> list[tuple[str, str]]:
    """Region and name of every Composer environment of a project, sorted.

    Raises:
        OutsideError: they cannot be listed.
    """
    parent = f"projects/{project}/locations/{region or '-'}"
    found: list[tuple[str, str]] = []
    for item in _listed(transport, "composer/v1beta1", f"{parent}/environments", "environments"):
        parts = str(item["name"]).split("/")
        found.append((parts[3], parts[5]))
    return sorted(found)


def look_around(transport: Transport, inputs: Mapping[str, Any], bucket: str) -> Neighbours:
    """The neighbours of an environment.

    Args:
        transport: to the cloud.
        inputs: the environment as the provider reads it.
        bucket: name of its bucket.

    Raises:
        OutsideError: the project's policy cannot be read.
    """
    around = Neighbours()
    config: Mapping[str, Any] = inputs.get("config") or {}
    node: Mapping[str, Any] = config.get("nodeConfig") or {}
    account = f"serviceAccount:{str(node.get('serviceAccount', '')).rpartition('/')[2]}"
    project, region = str(inputs["project"]), str(inputs["region"])
    _project_roles(transport, project, account, around)
    _roles_on_objects(transport, project, region, account, around)
    _user_workloads(transport, inputs, around)
    _referred_to(transport, inputs, bucket, around)
    return around


def _project_roles(transport: Transport, project: str, account: str, around: Neighbours) -> None:
    policy = _answer(
        transport.call(
            "POST",
            "crm/v1",
            f"projects/{project}:getIamPolicy",
            None,
            {"options": {"requestedPolicyVersion": 3}},
        ),
        f"the policy of {project}",
    )
    roles: dict[str, set[str]] = defaultdict(set)
    own: list[str] = []
    for binding in policy.get("bindings", ()):
        role = str(binding["role"])
        for member in binding["members"]:
            if binding.get("condition"):
                if member == account:
                    title = binding["condition"].get("title", "")
                    around.left.append(
                        Left(f"{role} of {member} on {project}, condition {title!r}", "files hold no conditions")
                    )
            elif member == account:
                own.append(role)
            elif _is_person(member):
                roles[member].add(role)
    own = sorted(role for role in own if role != _WORKER)
    if own:
        around.document["iam"] = {
            "extraBindings": [{"role": role, "on": f"projects/{project}", "members": ["environment"]} for role in own]
        }
    access: dict[str, list[str]] = {"users": [], "operators": [], "deployers": []}
    for member in sorted(roles):
        if _DEPLOYER in roles[member]:
            access["deployers"].append(member)
        if roles[member] >= _OPERATOR:
            access["operators"].append(member)
        elif _USER in roles[member]:
            access["users"].append(member)
    around.document["access"] = {key: members or None for key, members in access.items()}


def _is_person(member: str) -> bool:
    kind = member.partition(":")[0]
    return kind in {"user", "group", "domain", "serviceAccount"} and not (
        is_service_agent(member) or is_default_account(member) or member.endswith("@appspot.gserviceaccount.com")
    )


def _roles_on_objects(transport: Transport, project: str, region: str, account: str, around: Neighbours) -> None:
    """Roles of the account on single buckets, secrets and repositories: a file binds on what it declares only."""
    for name, service, path, method in _objects(transport, project, region, around):
        body = {} if method == "POST" else None
        answer = transport.call(method, service, path, None, body)
        if answer.status != _DONE:
            around.left.append(Left(name, f"its policy cannot be read ({answer.status})"))
            continue
        around.left.extend(
            Left(
                f"{binding['role']} of {account} on {name}",
                "a file gives roles only on what it declares; it stays as it is",
            )
            for binding in answer.body.get("bindings", ())
            if account in binding["members"]
        )


def _objects(
    transport: Transport, project: str, region: str, around: Neighbours
) -> Iterator[tuple[str, str, str, str]]:
    lists = (
        ("storage/storage/v1", f"b?project={project}", "items"),
        ("secretmanager/v1", f"projects/{project}/secrets", "secrets"),
        ("artifactregistry/v1", f"projects/{project}/locations/{region}/repositories", "repositories"),
    )
    for service, path, key in lists:
        try:
            items = _listed(transport, service, path, key)
        except OutsideError as error:
            what = {"items": "buckets"}.get(key, key)
            around.left.append(
                Left(f"{what} of {project}", f"they cannot be listed: {error.detail.partition('. ')[0]}")
            )
            continue
        for item in items:
            if key == "items":
                yield f"bucket {item['name']}", service, f"b/{item['name']}/iam", "GET"
            else:
                what = "secret" if key == "secrets" else "repository"
                short = str(item["name"]).rpartition("/")[2]
                yield f"{what} {short}", service, f"{item['name']}:getIamPolicy", "GET"


def _user_workloads(transport: Transport, inputs: Mapping[str, Any], around: Neighbours) -> None:
    """Config maps go into the file; the values of secrets nobody can read."""
    if not str((inputs.get("config") or {}).get("softwareConfig", {}).get("imageVersion", "")).startswith("composer-3"):
        return
    parent = environment_name(inputs["project"], inputs["region"], inputs["name"])
    maps: Document = {}
    for item in _listed(transport, "composer/v1beta1", f"{parent}/userWorkloadsConfigMaps", "userWorkloadsConfigMaps"):
        maps[str(item["name"]).rpartition("/")[2]] = {"data": item.get("data") or {}}
    if maps:
        around.document["userWorkloads"] = {"configMaps": maps}
    for item in _listed(transport, "composer/v1beta1", f"{parent}/userWorkloadsSecrets", "userWorkloadsSecrets"):
        name = str(item["name"]).rpartition("/")[2]
        around.left.append(
            Left(f"Kubernetes secret {name}", "its values cannot be read; declare it under userWorkloads.secrets")
        )


def _referred_to(transport: Transport, inputs: Mapping[str, Any], bucket: str, around: Neighbours) -> None:
    """What the file names and does not own, and whose it is as far as labels tell."""
    config: Mapping[str, Any] = inputs.get("config") or {}
    node: Mapping[str, Any] = config.get("nodeConfig") or {}
    software: Mapping[str, Any] = config.get("softwareConfig") or {}
    snapshots = (config.get("recoveryConfig") or {}).get("scheduledSnapshotsConfig") or {}
    named = (
        ("network", node.get("network")),
        ("subnetwork", node.get("subnetwork")),
        ("network attachment", node.get("composerNetworkAttachment")),
        ("key", (config.get("encryptionConfig") or {}).get("kmsKeyName")),
    )
    reason = "the file names it and does not own it: others may use it too"
    if account := str(node.get("serviceAccount") or "").rpartition("/")[2]:
        whose = _made_by(transport, "iam/v1", f"projects/-/serviceAccounts/{account}", "serviceAccount: {name: ...}")
        around.left.append(Left(f"service account {account}", whose or reason))
    around.left.extend(Left(f"{what} {name}", reason) for what, name in named if name)
    whose = _made_by(transport, "storage/storage/v1", f"b/{bucket}", "buckets: {environment: {name: ...}}")
    around.left.append(Left(f"bucket {bucket}", whose or "the environment's own bucket belongs to Composer"))
    texts = (str(snapshots.get("snapshotLocation", "")), *map(str, (software.get("envVariables") or {}).values()))
    others = {found for text in texts for found in re.findall(r"gs://([a-z0-9._-]+)", text)} - {bucket}
    around.left.extend(
        Left(f"bucket {other}", "the environment names it; nothing says that it is its own") for other in sorted(others)
    )


def _made_by(transport: Transport, service: str, path: str, declaration: str) -> str | None:
    """Which stack made an object, and how a file takes it over; None where nothing says it, or nobody may look."""
    try:
        answer = transport.call("GET", service, path)
    except OutsideError:
        return None
    mark = mark_of(answer.body or {}) if answer.status == _DONE else None
    if mark is None:
        return None
    return (
        f"its label says that the stack {mark.stack} made it ({mark.text}); the file leaves it out until it says "
        f"`{declaration}` and `import: true`"
    )


def _listed(transport: Transport, service: str, path: str, key: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    path, _, text = path.partition("?")
    query = dict(pair.split("=", 1) for pair in text.split("&") if pair)
    while True:
        body = _answer(transport.call("GET", service, path, query), path)
        found.extend(body.get(key, ()))
        if not body.get("nextPageToken"):
            return found
        query["pageToken"] = body["nextPageToken"]


def _answer(answer: Answer, what: str) -> Mapping[str, Any]:
    return accept(
        answer,
        lambda refusal: OutsideError(
            "The cloud did not say what is there", detail=f"{what}: {refusal.described}", code="import-unreadable"
        ),
    )
