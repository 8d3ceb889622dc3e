"""Kubernetes secrets and config maps for the pods that tasks start (generation 3)."""

from __future__ import annotations

from envctl.spec.model import UserWorkloads
from envctl.stacks.components import Group
from envctl.stacks.declaration import CallerSecret, Input, Options, Ref, Resource
from envctl.stacks.environment import ENVIRONMENT
from envctl.stacks.scope import Scope

CONFIG_MAP = "config-map"
WORKLOAD_SECRET = "workload-secret"  # noqa: S105
"""Logical names begin with these; the key follows."""


def workload_resources(scope: Scope, workloads: UserWorkloads) -> list[Resource]:
    """Config maps, then secrets, each in order of its name; values of secrets come from the caller's environment."""
    resources: list[Resource] = []
    for name in sorted(workloads.config_maps):
        written = workloads.config_maps[name]
        data = dict(sorted(written.data.items()))
        resources.append(
            _resource(scope, "UserWorkloadsConfigMap", CONFIG_MAP, name, written.name, data, ("configMaps", name))
        )
    for name in sorted(workloads.secrets):
        secret = workloads.secrets[name]
        values = {key: CallerSecret(value.env, base64=True) for key, value in sorted(secret.data.items())}
        resources.append(
            _resource(scope, "UserWorkloadsSecret", WORKLOAD_SECRET, name, secret.name, values, ("secrets", name))
        )
    return resources


def _resource(
    scope: Scope, kind: str, prefix: str, key: str, name: str | None, data: dict[str, Input], place: tuple[str, ...]
) -> Resource:
    origin = ("userWorkloads", *place)
    return Resource(
        name=f"{prefix}-{key}",
        type=f"gcp:composer/{kind[0].lower()}{kind[1:]}:{kind}",
        parent=Group.WORKLOADS,
        inputs={
            "name": name or key,
            "project": scope.project,
            "region": scope.region,
            "environment": Ref(ENVIRONMENT, "name"),
            "data": data,
        },
        origin=origin,
        fields={"data": (*origin, "data"), "name": (*origin, "name")},
        options=Options(delete_before_replace=True),
    )
