"""What the accounts behind an environment must be allowed to do, when the cloud enforces policies.

The texts are those of real failed operations (public issue threads, 2023 to 2025).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import Status, rpc_code
from envctl.sandbox.operations import OperationFailedError
from envctl.sandbox.projects import full_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.cloud import Cloud

_FAILED = rpc_code(Status.FAILED_PRECONDITION)


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
