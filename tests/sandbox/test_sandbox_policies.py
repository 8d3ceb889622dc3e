"""Allow policies: roles that there are not, and seeds as gcloud prints them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from sandbox_client import Client

from envctl.errors import UsageError
from envctl.sandbox import control

PROJECT = "https://cloudresourcemanager.googleapis.com/v1/projects/acme"
MEMBER = "user:ann@example.com"
ACCOUNT = {
    "method": "POST",
    "url": "https://iam.googleapis.com/v1/projects/acme/serviceAccounts",
    "body": {"accountId": "runner"},
}
RUNNER = "serviceAccount:runner@acme.iam.gserviceaccount.com"


def granting(role: str) -> dict[str, Any]:
    return {"policy": {"bindings": [{"role": role, "members": [MEMBER]}]}}


@pytest.mark.parametrize(
    ("role", "message"),
    [
        ("roles/composer.wroker", "Role roles/composer.wroker is not supported for this resource."),
        ("roles/Viewer", "Role roles/Viewer is not supported for this resource."),
        ("roles/", "Role roles/ is not supported for this resource."),
        ("composer.worker", "Role composer.worker must be in the format roles/ROLE or projects/PROJECT/roles/ROLE."),
        ("projects/acme/roles/none", "Role projects/acme/roles/none does not exist in the resource's hierarchy."),
    ],
)
def test_a_role_that_there_is_not_is_refused(client: Client, role: str, message: str) -> None:
    client.ok("GET", PROJECT)
    assert client.refused(400, "POST", f"{PROJECT}:setIamPolicy", granting(role))["message"] == message


@pytest.mark.parametrize("role", ["roles/composer.worker", "roles/notebooks.admin", "roles/viewer", "roles/reader"])
def test_a_role_that_there_is_or_may_be_is_taken(client: Client, role: str) -> None:
    client.ok("POST", f"{PROJECT}:setIamPolicy", granting(role))


def test_a_custom_role_can_be_granted_once_it_is_made(client: Client) -> None:
    body = {"roleId": "reader", "role": {"title": "R", "includedPermissions": ["storage.buckets.get"]}}
    client.ok("POST", "https://iam.googleapis.com/v1/projects/acme/roles", body)
    client.ok("POST", f"{PROJECT}:setIamPolicy", granting("projects/acme/roles/reader"))


def test_a_seed_takes_a_policy_as_gcloud_prints_it(client: Client) -> None:
    audits = [{"service": "allServices", "auditLogConfigs": [{"logType": "ADMIN_READ"}]}]
    policy = {
        "version": 1,
        "etag": "BwXhqDVVOVo=",
        "bindings": [{"role": "roles/viewer", "members": [MEMBER]}],
        "auditConfigs": audits,
    }
    control.seed(client.cloud, {"projects": [{"id": "acme", "policy": policy}]})
    assert client.ok("POST", f"{PROJECT}:getIamPolicy", {}) == policy
    changed = client.ok("POST", f"{PROJECT}:setIamPolicy", {"policy": {"etag": policy["etag"], "bindings": []}})
    assert changed["auditConfigs"] == audits
    assert changed["etag"] != policy["etag"]


def test_a_seed_may_grant_to_accounts_that_it_makes(client: Client) -> None:
    policy = {"bindings": [{"role": "roles/composer.worker", "members": [RUNNER]}]}
    control.seed(client.cloud, {"projects": [{"id": "acme", "policy": policy}], "requests": [ACCOUNT]})
    assert client.ok("POST", f"{PROJECT}:getIamPolicy", {})["bindings"] == policy["bindings"]


def test_a_seed_may_not_grant_to_accounts_that_nobody_makes(client: Client) -> None:
    policy = {"bindings": [{"role": "roles/composer.worker", "members": [RUNNER]}]}
    with pytest.raises(UsageError, match="is not valid") as refused:
        control.seed(client.cloud, {"projects": [{"id": "acme", "policy": policy}]})
    assert refused.value.detail == "Service account runner@acme.iam.gserviceaccount.com does not exist."


def test_a_role_is_not_deleted_with_a_stale_etag(client: Client) -> None:
    body = {"roleId": "reader", "role": {"title": "R", "includedPermissions": ["storage.buckets.get"]}}
    base = "https://iam.googleapis.com/v1/projects/acme/roles"
    made = client.ok("POST", base, body)
    client.refused(409, "DELETE", f"{base}/reader?etag=AAAA")
    gone = client.ok("DELETE", f"{base}/reader?etag={quote(made['etag'], safe='')}")
    client.refused(409, "POST", f"{base}/reader:undelete", {"etag": made["etag"]})
    client.ok("POST", f"{base}/reader:undelete", {"etag": gone["etag"]})
