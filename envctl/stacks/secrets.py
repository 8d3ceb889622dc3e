"""Secret Manager secrets without values: people put values there, envctl never does."""

from __future__ import annotations

from collections.abc import Mapping

from envctl.spec.model import ManagedSecret
from envctl.spec.names import secret_name
from envctl.stacks.components import Group
from envctl.stacks.declaration import Options, Resource
from envctl.stacks.scope import Scope


def secret_resource_name(key: str) -> str:
    """Logical name of the secret under `secrets.create.<key>`."""
    return f"secret-{key}"


def secret_resources(scope: Scope, secrets: Mapping[str, ManagedSecret]) -> list[Resource]:
    """One empty secret per entry that is not `existing`, in order of their keys."""
    return [
        Resource(
            name=secret_resource_name(key),
            type="gcp:secretmanager/secret:Secret",
            parent=Group.SECRETS,
            inputs={
                "secretId": secrets[key].name or secret_name(scope.name, key),
                "project": scope.project,
                "replication": {"auto": {}},
                "labels": scope.labels_with(secrets[key].labels),
            },
            origin=("secrets", "create", key),
            fields={
                "secretId": ("secrets", "create", key, "name"),
                "labels": ("secrets", "create", key, "labels") if secrets[key].labels else ("labels",),
            },
            options=Options(delete_before_replace=True, protect=scope.protect),
        )
        for key in sorted(secrets)
        if secrets[key].existing is None
    ]
