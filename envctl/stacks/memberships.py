"""Memberships of allow policies, told apart by what they are in the cloud and not by how they are written down."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from string import Formatter
from typing import Any

from envctl.stacks.adoption import FORMATS, Outputs, known_value
from envctl.stacks.context import BindingTarget
from envctl.stacks.declaration import StackProgram

_SUFFIX = " {role} {member}"
_SHORT = frozenset({"secretId", "repository"})
"""Inputs that the provider takes as a name or as a full path."""


def is_membership(type_: str) -> bool:
    """Whether a resource type is one member of one role."""
    return type_.lower().endswith("iammember")


def target_of(type_: str, inputs: Mapping[str, Any]) -> BindingTarget | None:
    """The membership that inputs stand for; None where one of them is not known."""
    named: dict[str, str] = {}
    for field in (*_fields(type_), "role", "member"):
        value = inputs.get(field)
        if not isinstance(value, str):
            return None
        named[field] = value.rsplit("/", 1)[-1] if field in _SHORT else value
    place = FORMATS[type_].removesuffix(_SUFFIX).format_map(named)
    if type_ == "gcp:serviceaccount/iAMMember:IAMMember":  # an account has one address, whatever project stands before
        place = place.rsplit("/", 1)[-1]
    condition = inputs.get("condition") or {}
    text = "\n".join(str(condition.get(key) or "") for key in ("title", "expression")) if condition else ""
    return BindingTarget(f"{type_} {place.removeprefix('b/')}", named["role"], named["member"].lower(), text)


def declared_targets(program: StackProgram, live: Outputs | None = None) -> dict[str, BindingTarget]:
    """Every membership of a program by its logical name, as far as it is known before the program runs.

    `live` are outputs of what exists, by logical name: an address that only the cloud gives is taken from them.
    """
    found: dict[str, BindingTarget] = {}
    for resource in program.resources:
        if not is_membership(resource.type):
            continue
        known = {
            field: known_value(program, resource.inputs.get(field), live or {}) for field in _fields(resource.type)
        }
        target = target_of(resource.type, {**resource.inputs, **known})
        if target is not None:
            found[resource.name] = target
    return found


def removal_command(type_: str, inputs: Mapping[str, Any]) -> str:
    """The gcloud command that takes a membership out of its policy.

    Source: `gcloud * remove-iam-policy-binding`, Google Cloud SDK reference (read 2026-11-30). Without `--condition`
    gcloud asks as soon as the policy holds any condition, so the command always has one.
    """

    def given(field: str) -> str:
        return shlex.quote(str(inputs[field]))

    def base(field: str) -> str:
        return shlex.quote(str(inputs[field]).rsplit("/", 1)[-1])

    match type_:
        case "gcp:projects/iAMMember:IAMMember":
            group, place = "projects", given("project")
        case "gcp:serviceaccount/iAMMember:IAMMember":
            group, place = "iam service-accounts", base("serviceAccountId")
        case "gcp:storage/bucketIAMMember:BucketIAMMember":
            bucket = str(inputs["bucket"]).removeprefix("b/")
            group, place = "storage buckets", shlex.quote(f"gs://{bucket}")
        case "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember":
            project, location, ring, key = map(shlex.quote, str(inputs["cryptoKeyId"]).split("/")[1::2])
            group, place = "kms keys", f"{key} --keyring={ring} --location={location} --project={project}"
        case "gcp:secretmanager/secretIamMember:SecretIamMember":
            group, place = "secrets", f"{base('secretId')} --project={given('project')}"
        case "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember":
            where = f"--location={given('location')} --project={given('project')}"
            group, place = "artifacts repositories", f"{base('repository')} {where}"
        case "gcp:compute/subnetworkIAMMember:SubnetworkIAMMember":
            where = f"--region={given('region')} --project={given('project')}"
            group, place = "compute networks subnets", f"{given('subnetwork')} {where}"
        case _:
            raise KeyError(type_)
    condition = inputs.get("condition") or {}
    shown = ",".join(
        f"{key}={value}" for key in ("expression", "title", "description") if (value := condition.get(key))
    )
    return (
        f"gcloud {group} remove-iam-policy-binding {place} --member={given('member')} --role={given('role')} "
        f"--condition={shlex.quote(shown) if shown else 'None'}"
    )


def _fields(type_: str) -> list[str]:
    form = FORMATS[type_].removesuffix(_SUFFIX)
    return [field for _, field, _, _ in Formatter().parse(form) if field]
