"""Import ids: under which id an object that exists already is taken into a stack's state."""

from __future__ import annotations

from collections.abc import Mapping

from envctl.stacks.declaration import Input, Ref, Resource, StackProgram

# Formats: "Import" sections of the provider's resource pages (registry, provider 9 and 10, read 2026-11).
_FORMATS: Mapping[str, str] = {
    "gcp:artifactregistry/repository:Repository": "projects/{project}/locations/{location}/repositories/{repositoryId}",
    "gcp:composer/environment:Environment": "projects/{project}/locations/{region}/environments/{name}",
    "gcp:compute/firewall:Firewall": "projects/{project}/global/firewalls/{name}",
    "gcp:compute/network:Network": "projects/{project}/global/networks/{name}",
    "gcp:compute/router:Router": "projects/{project}/regions/{region}/routers/{name}",
    "gcp:compute/routerNat:RouterNat": "{project}/{region}/{router}/{name}",
    "gcp:compute/subnetwork:Subnetwork": "projects/{project}/regions/{region}/subnetworks/{name}",
    "gcp:container/cluster:Cluster": "projects/{project}/locations/{location}/clusters/{name}",
    "gcp:kms/cryptoKey:CryptoKey": "{keyRing}/cryptoKeys/{name}",
    "gcp:kms/keyRing:KeyRing": "projects/{project}/locations/{location}/keyRings/{name}",
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": "projects/{project}/locations/{location}/buckets/{bucketId}",
    "gcp:projects/service:Service": "{project}/{service}",
    "gcp:secretmanager/secret:Secret": "projects/{project}/secrets/{secretId}",
    "gcp:serviceaccount/account:Account": (
        "projects/{project}/serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com"
    ),
    "gcp:storage/bucket:Bucket": "{project}/{name}",
}

KEPT = frozenset(
    {
        "gcp:kms/keyRing:KeyRing",
        "gcp:kms/cryptoKey:CryptoKey",
        "gcp:storage/bucket:Bucket",
    }
)
"""Types that a destroy leaves in the cloud and whose create fails when they are there: look for them before `up`.

Enabled APIs and memberships stay too, but making them again is no error.
"""


def import_id(program: StackProgram, name: str) -> str | None:
    """The id under which the provider imports a declared resource; None for types that cannot be, or need not be.

    References are replaced by the ids and names that the program itself gives.
    """
    resource = program.resource(name)
    form = _FORMATS.get(resource.type)
    if form is None:
        return None
    return form.format_map({key: _known(program, value) for key, value in resource.inputs.items()})


def adoptable(program: StackProgram) -> dict[str, str]:
    """Logical name to import id of everything that an earlier stack may have left behind."""
    return {
        resource.name: found
        for resource in program.resources
        if resource.type in KEPT and (found := import_id(program, resource.name)) is not None
    }


def _known(program: StackProgram, value: Input) -> Input:
    if not isinstance(value, Ref):
        return value
    target: Resource = program.resource(value.resource)
    if value.output == "id":
        return import_id(program, value.resource)
    return target.inputs.get(value.output)
