"""Import ids: under which id an object that exists already is taken into a stack's state."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from string import Formatter
from typing import Any

from envctl.stacks.components import components_for
from envctl.stacks.declaration import Input, Ref, Resource, StackProgram, references

# Formats: "Import" sections of the provider's resource pages (registry, provider 9 and 10, read 2026-11).
FORMATS: Mapping[str, str] = {
    "gcp:artifactregistry/repository:Repository": "projects/{project}/locations/{location}/repositories/{repositoryId}",
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": (
        "projects/{project}/locations/{location}/repositories/{repository} {role} {member}"
    ),
    "gcp:composer/environment:Environment": "projects/{project}/locations/{region}/environments/{name}",
    "gcp:composer/userWorkloadsConfigMap:UserWorkloadsConfigMap": (
        "projects/{project}/locations/{region}/environments/{environment}/userWorkloadsConfigMaps/{name}"
    ),
    "gcp:composer/userWorkloadsSecret:UserWorkloadsSecret": (
        "projects/{project}/locations/{region}/environments/{environment}/userWorkloadsSecrets/{name}"
    ),
    "gcp:compute/firewall:Firewall": "projects/{project}/global/firewalls/{name}",
    "gcp:compute/network:Network": "projects/{project}/global/networks/{name}",
    "gcp:compute/router:Router": "projects/{project}/regions/{region}/routers/{name}",
    "gcp:compute/routerNat:RouterNat": "{project}/{region}/{router}/{name}",
    "gcp:compute/subnetwork:Subnetwork": "projects/{project}/regions/{region}/subnetworks/{name}",
    "gcp:compute/subnetworkIAMMember:SubnetworkIAMMember": (
        "projects/{project}/regions/{region}/subnetworks/{subnetwork} {role} {member}"
    ),
    "gcp:container/cluster:Cluster": "projects/{project}/locations/{location}/clusters/{name}",
    "gcp:container/nodePool:NodePool": "{cluster}/nodePools/{name}",
    "gcp:kms/cryptoKey:CryptoKey": "{keyRing}/cryptoKeys/{name}",
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": "{cryptoKeyId} {role} {member}",
    "gcp:kms/keyRing:KeyRing": "projects/{project}/locations/{location}/keyRings/{name}",
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": "projects/{project}/locations/{location}/buckets/{bucketId}",
    "gcp:projects/iAMMember:IAMMember": "{project} {role} {member}",
    "gcp:projects/service:Service": "{project}/{service}",
    "gcp:secretmanager/secret:Secret": "projects/{project}/secrets/{secretId}",
    "gcp:secretmanager/secretIamMember:SecretIamMember": "projects/{project}/secrets/{secretId} {role} {member}",
    "gcp:serviceaccount/account:Account": (
        "projects/{project}/serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com"
    ),
    "gcp:serviceaccount/iAMMember:IAMMember": "{serviceAccountId} {role} {member}",
    "gcp:storage/bucket:Bucket": "{name}",
    "gcp:storage/bucketIAMMember:BucketIAMMember": "b/{bucket} {role} {member}",
}

# Outputs that are made of inputs, besides those that are inputs themselves.
_MADE_OF: Mapping[tuple[str, str], str] = {
    ("gcp:artifactregistry/repository:Repository", "name"): "{repositoryId}",
    ("gcp:serviceaccount/account:Account", "name"): (
        "projects/{project}/serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com"
    ),
}

Outputs = Mapping[str, Mapping[str, Any]]
"""Live outputs by logical name, for ids that hold what only the cloud knows."""


def import_id(program: StackProgram, name: str, live: Outputs | None = None) -> str | None:
    """The id under which the provider imports a declared resource.

    References are replaced by the ids and names that the program itself gives, or that `live` holds. None for types
    that cannot be imported or whose id only the cloud knows (service identities, alert policies, and without `live`
    members of the bucket that Composer makes).
    """
    resource = program.resource(name)
    form = FORMATS.get(resource.type)
    if form is None:
        return None
    found = _filled(program, resource, form, live or {})
    condition = resource.inputs.get("condition")
    return found if found is None or condition is None else f"{found} {condition['title']}"


def without(program: StackProgram, names: Collection[str]) -> StackProgram:
    """The program without some resources, and without the exports that tell of them.

    Whatever refers to a resource that goes, goes too; whatever only waited for it, waits no longer.
    """
    gone = set(names)
    kept: list[Resource] = []
    for resource in program.resources:
        if resource.name in gone or any(ref.resource in gone for ref in references(resource.inputs)):
            gone.add(resource.name)
            continue
        waits = tuple(name for name in resource.options.depends_on if name not in gone)
        kept.append(replace(resource, options=replace(resource.options, depends_on=waits)))
    return replace(
        program,
        components=components_for(frozenset(resource.parent for resource in kept)),
        resources=tuple(kept),
        exports={
            name: value
            for name, value in program.exports.items()
            if not any(ref.resource in gone for ref in references(value))
        },
    )


def taking_over(program: StackProgram, ids: Mapping[str, str]) -> StackProgram:
    """The program that imports the named resources by their ids."""
    return replace(
        program,
        resources=tuple(
            replace(resource, options=replace(resource.options, import_id=ids.get(resource.name)))
            for resource in program.resources
        ),
    )


def identifying(resource: Resource) -> tuple[Ref, ...]:
    """References that a resource's import id is made of: without what they name, it cannot be there."""
    form = FORMATS.get(resource.type, "")
    fields = [field for _, field, _, _ in Formatter().parse(form) if field]
    return tuple(ref for field in fields for ref in references(resource.inputs.get(field)))


def _filled(program: StackProgram, resource: Resource, form: str, live: Outputs) -> str | None:
    """The form with the resource's inputs in it; None when one of them is not known before the cloud says it."""
    fields = [field for _, field, _, _ in Formatter().parse(form) if field]
    values = {field: known_value(program, resource.inputs.get(field), live) for field in fields}
    return None if None in values.values() else form.format_map(values)


def known_value(program: StackProgram, value: Input, live: Outputs) -> Input:
    """A value as it will be in the cloud; None when that is not known."""
    if not isinstance(value, Ref):
        return value
    target = program.resource(value.resource)
    if value.output == "id":
        return import_id(program, value.resource, live)
    if (seen := output_at(live.get(value.resource, {}), value.output)) is not None:
        return seen
    if form := _MADE_OF.get((target.type, value.output)):
        return _filled(program, target, form, live)
    return known_value(program, target.inputs.get(value.output), live)


def output_at(outputs: Mapping[str, Any], path: str) -> Any:
    """The output at a dotted path; None where there is none."""
    found: Any = outputs
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
