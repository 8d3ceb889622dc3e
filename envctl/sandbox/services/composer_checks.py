"""What must be there, and allowed, before an environment can be created.

The texts of missing rights are those of real failed operations (public issue threads, 2023 to 2025).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import ApiError, Status, rpc_code
from envctl.sandbox.operations import OperationFailedError
from envctl.sandbox.projects import full_name
from envctl.sandbox.services.composer_images import problems

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud

_FAILED = rpc_code(Status.FAILED_PRECONDITION)


def check_account(cloud: Cloud, call: Call, account: str) -> None:
    """Refuse an account that does not exist in a project of this cloud, or that the caller may not act as."""
    if not account:
        return
    email = account.rpartition("/")[2]
    domain = email.partition("@")[2]
    project = domain.removesuffix(".iam.gserviceaccount.com")
    is_own = project != domain and call.store.get("projects", project) is not None
    if is_own and call.store.get("serviceAccounts", email) is None:
        raise problems(f"Service account '{email}' does not exist.")
    resource = f"//iam.googleapis.com/projects/{call['project']}/serviceAccounts/{email}"
    if not cloud.access.allows(call.principal, "iam.serviceAccounts.actAs", resource):
        raise ApiError(
            Status.PERMISSION_DENIED,
            f"User not authorized to act as service account '{email}'. "
            "The user must be granted iam.serviceAccounts.actAs permission, included in "
            "iam.serviceAccountUser, iam.serviceAccountTokenCreator, or iam.serviceAccountActor role.",
        )


def check_references(call: Call, config: Mapping[str, Any]) -> None:
    """Refuse a network, subnetwork or key that does not exist in a project that the cloud knows.

    The real service finds these out during the operation; here they are refused at once.
    """
    node: Mapping[str, Any] = config.get("nodeConfig") or {}
    references = (
        ("Network", "compute.networks", node.get("network", "")),
        ("Subnetwork", "compute.subnetworks", node.get("subnetwork", "")),
        ("Network attachment", "compute.networkAttachments", node.get("composerNetworkAttachment", "")),
        ("Cloud KMS key", "kms.cryptoKeys", (config.get("encryptionConfig") or {}).get("kmsKeyName", "")),
    )
    missing: list[str] = []
    for what, kind, reference in references:
        path = reference.partition("/v1/")[2] or reference
        project = path.split("/")[1] if path.startswith("projects/") else ""
        if project and call.store.get("projects", project) and call.store.get(kind, path) is None:
            missing.append(f"{what} '{path}' does not exist.")
    if missing:
        raise problems(*missing)


def require_rights(cloud: Cloud, project: str, environment: Mapping[str, Any]) -> None:
    """End a creation that the real service could not bring to its end.

    Raises:
        OperationFailedError: Composer's agent, the environment's account, or the storage agent lacks a right.
    """
    number = cloud.projects.number(project)
    agent = f"service-{number}@cloudcomposer-accounts.iam.gserviceaccount.com"
    if not _has_role(cloud, project, "roles/composer.serviceAgent", agent):
        raise OperationFailedError(
            _FAILED,
            "Cloud Composer API Service Agent role is missing. "
            f"Please bind roles/composer.serviceAgent back on {agent}",
        )
    account: str = environment["config"]["nodeConfig"].get("serviceAccount", "").rpartition("/")[2]
    if not _may(cloud, account, "composer.environments.get", full_name(project)):
        raise OperationFailedError(
            _FAILED,
            "Failed to create environment, but no error was surfaced. This can be caused by a lack of proper "
            f"permissions. Check if this environment's service account {account} has the "
            "'roles/composer.worker' role and that there is proper firewall rules set up for this environment.",
        )
    key: str = environment["config"]["encryptionConfig"].get("kmsKeyName", "")
    storage = f"service-{number}@gs-project-accounts.iam.gserviceaccount.com"
    permission = "cloudkms.cryptoKeyVersions.useToEncrypt"
    if key and not _may(cloud, storage, permission, f"//cloudkms.googleapis.com/{key}"):
        raise OperationFailedError(
            _FAILED,
            "Failed creating customer project bucket or setting its IAM policy: "
            f"Permission '{permission}' denied on resource '{key}' (or it may not exist).",
        )


def _may(cloud: Cloud, email: str, permission: str, resource: str) -> bool:
    return cloud.access.allows(f"serviceAccount:{email}", permission, resource)


def _has_role(cloud: Cloud, project: str, role: str, email: str) -> bool:
    policy = cloud.policies.stored(full_name(project)) or {}
    return any(
        binding["role"] == role and f"serviceAccount:{email}" in binding["members"]
        for binding in policy.get("bindings", ())
    )
