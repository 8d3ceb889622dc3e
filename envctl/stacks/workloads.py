"""Kubernetes secrets and config maps for the pods that tasks start (generation 3)."""

from __future__ import annotations

from envctl.spec.model import UserWorkloads
from envctl.stacks.components import Group
from envctl.stacks.declaration import CallerSecret, Input, Options, Ref, Resource
from envctl.stacks.environment import ENVIRONMENT
from envctl.stacks.scope import Scope


def config_map_resource_name(name: str) -> str:
    """Logical name of the config map under `userWorkloads.configMaps.<name>`."""
    return f"config-map-{name}"


def workload_secret_resource_name(name: str) -> str:
    """Logical name of the Kubernetes secret under `userWorkloads.secrets.<name>`."""
    return f"workload-secret-{name}"


def workload_resources(scope: Scope, workloads: UserWorkloads) -> list[Resource]:
    """Config maps, then secrets, each in order of its name; values of secrets come from the caller's environment."""
    resources: list[Resource] = []
    for name in sorted(workloads.config_maps):
        written = workloads.config_maps[name]
        data = dict(sorted(written.data.items()))
        logical, origin = config_map_resource_name(name), ("userWorkloads", "configMaps", name)
        resources.append(_resource(scope, "UserWorkloadsConfigMap", logical, written.name or name, data, origin))
    for name in sorted(workloads.secrets):
        secret = workloads.secrets[name]
        values = {key: CallerSecret(value.env, base64=True) for key, value in sorted(secret.data.items())}
        logical, origin = workload_secret_resource_name(name), ("userWorkloads", "secrets", name)
        resources.append(_resource(scope, "UserWorkloadsSecret", logical, secret.name or name, values, origin))
    return resources


def _resource(
    scope: Scope, kind: str, logical: str, name: str, data: dict[str, Input], origin: tuple[str, ...]
) -> Resource:
    return Resource(
        name=logical,
        type=f"gcp:composer/{kind[0].lower()}{kind[1:]}:{kind}",
        parent=Group.WORKLOADS,
        inputs={
            "name": name,
            "project": scope.project,
            "region": scope.region,
            "environment": Ref(ENVIRONMENT, "name"),
            "data": data,
        },
        origin=origin,
        fields={"data": (*origin, "data"), "name": (*origin, "name")},
        options=Options(delete_before_replace=True),
    )
