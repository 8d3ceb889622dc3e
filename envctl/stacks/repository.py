"""The Artifact Registry repository for own packages or images."""

from __future__ import annotations

from envctl.spec.model import Repository
from envctl.stacks.components import Group
from envctl.stacks.declaration import Input, Options, Resource
from envctl.stacks.scope import Scope

REPOSITORY = "repository"


def repository_resources(scope: Scope, repository: Repository, kms_key: Input) -> list[Resource]:
    """The repository, encrypted with the stack's key when there is one."""
    inputs: dict[str, Input] = {
        "repositoryId": repository.name,
        "project": scope.project,
        "location": scope.region,
        "format": repository.format,
        "mode": "STANDARD_REPOSITORY",
        "labels": scope.labels,
    }
    if kms_key is not None:
        inputs["kmsKeyName"] = kms_key
    return [
        Resource(
            name=REPOSITORY,
            type="gcp:artifactregistry/repository:Repository",
            parent=Group.REPOSITORY,
            inputs=inputs,
            origin=("repository",),
            fields={
                "repositoryId": ("repository", "name"),
                "format": ("repository", "format"),
                "kmsKeyName": ("encryption", "key"),
                "labels": ("labels",),
            },
            options=Options(delete_before_replace=True, protect=scope.protect),
        )
    ]
