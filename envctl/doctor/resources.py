"""Resources as IAM sees them: full names, the attributes conditions see, and their parents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

PROJECTS: Final = "//cloudresourcemanager.googleapis.com/projects/"

_TYPES: Final = {
    ("storage.googleapis.com", "buckets"): "storage.googleapis.com/Bucket",
    ("cloudkms.googleapis.com", "cryptoKeys"): "cloudkms.googleapis.com/CryptoKey",
    ("cloudkms.googleapis.com", "keyRings"): "cloudkms.googleapis.com/KeyRing",
    ("secretmanager.googleapis.com", "secrets"): "secretmanager.googleapis.com/Secret",
    ("secretmanager.googleapis.com", "versions"): "secretmanager.googleapis.com/SecretVersion",
    ("iam.googleapis.com", "serviceAccounts"): "iam.googleapis.com/ServiceAccount",
    ("compute.googleapis.com", "subnetworks"): "compute.googleapis.com/Subnetwork",
    ("artifactregistry.googleapis.com", "repositories"): "artifactregistry.googleapis.com/Repository",
    ("cloudresourcemanager.googleapis.com", "projects"): "cloudresourcemanager.googleapis.com/Project",
    ("cloudresourcemanager.googleapis.com", "folders"): "cloudresourcemanager.googleapis.com/Folder",
    ("cloudresourcemanager.googleapis.com", "organizations"): "cloudresourcemanager.googleapis.com/Organization",
}


def project_resource(project: str) -> str:
    """Full name of a project."""
    return PROJECTS + project


def split_name(resource: str) -> tuple[str, str]:
    """Service and relative name of a full name: `//cloudkms.googleapis.com/projects/p/...` gives both parts."""
    service, _, relative = resource.removeprefix("//").partition("/")
    return service, relative


def type_of(resource: str) -> str | None:
    """The `resource.type` that conditions see; None for kinds that are not listed here."""
    service, relative = split_name(resource)
    parts = relative.split("/")
    return _TYPES.get((service, parts[-2])) if len(parts) >= 2 else None


def is_container(resource: str) -> bool:
    """True for projects, folders and organizations: permissions asked there are about what lies inside."""
    return split_name(resource)[0] == "cloudresourcemanager.googleapis.com"


def project_of(resource: str) -> str | None:
    """The project named in a resource's own name; None when the name holds none (buckets, folders)."""
    _, relative = split_name(resource)
    parts = relative.split("/")
    if parts[0] == "projects" and len(parts) >= 2 and parts[1] not in {"_", "-"}:
        return parts[1]
    return None


def own_chain(resource: str) -> Iterator[str]:
    """The resource and those of its parents below the project that carry policies (a key's key ring)."""
    yield resource
    service, relative = split_name(resource)
    parts = relative.split("/")
    if service == "cloudkms.googleapis.com" and "cryptoKeys" in parts:
        yield f"//{service}/{'/'.join(parts[: parts.index('cryptoKeys')])}"
    if service == "secretmanager.googleapis.com" and "versions" in parts:
        yield f"//{service}/{'/'.join(parts[: parts.index('versions')])}"
