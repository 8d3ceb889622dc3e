"""The Google APIs that a stack needs: enabled before everything else, never disabled.

What an environment needs comes from the table of preconditions (`envctl.iam_roles.required_apis`).
"""

from __future__ import annotations

from envctl.spec.model import Foundation
from envctl.stacks.components import Group
from envctl.stacks.declaration import Options, Resource
from envctl.stacks.scope import Scope

_TYPE_API = {
    "artifactregistry": "artifactregistry",
    "composer": "composer",
    "compute": "compute",
    "container": "container",
    "kms": "cloudkms",
    "logging": "logging",
    "monitoring": "monitoring",
    "projects": "cloudresourcemanager",
    "secretmanager": "secretmanager",
    "serviceaccount": "iam",
    "storage": "storage",
}


def foundation_apis(spec: Foundation) -> tuple[str, ...]:
    """Short names of what the foundation's own resources need, sorted."""
    needed = {"cloudresourcemanager", "iam"}
    if spec.network is not None:
        needed.add("compute")
    if spec.encryption is not None:
        needed.add("cloudkms")
    if spec.repository is not None:
        needed.add("artifactregistry")
    if spec.buckets:
        needed.add("storage")
    return tuple(sorted(needed))


def api_resources(scope: Scope, apis: tuple[str, ...]) -> list[Resource]:
    """One enabled service per API.

    APIs belong to the project, not to the stack: a destroy leaves them on, or it would break its neighbours.
    """
    return [
        Resource(
            name=f"api-{api}",
            type="gcp:projects/service:Service",
            parent=Group.APIS,
            inputs={
                "project": scope.project,
                "service": f"{api}.googleapis.com",
                "disableOnDestroy": False,
                "disableDependentServices": False,
            },
            origin=("project",),
            options=Options(retain_on_delete=True),
        )
        for api in apis
    ]


def api_of(resource_type: str) -> str | None:
    """Logical name of the API resource that a type's own calls need; None for the API resources themselves."""
    module = resource_type.split(":")[1].split("/", maxsplit=1)[0]
    if resource_type in {"gcp:projects/service:Service", "gcp:projects/serviceIdentity:ServiceIdentity"}:
        return None
    return f"api-{_TYPE_API[module]}"
