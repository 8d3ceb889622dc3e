"""Projects, APIs, callers, permissions and policies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from sandbox_client import PARENT, Client

from envctl.sandbox import control

if TYPE_CHECKING:
    from envctl.sandbox.cloud import Cloud

CRM = "https://cloudresourcemanager.googleapis.com/v1/projects/acme"
IAM = "https://iam.googleapis.com/v1/projects/acme/serviceAccounts"
CONDITION = {"title": "t", "expression": "request.time < timestamp('2027-01-01T00:00:00Z')"}


def test_a_project_appears_on_first_use_and_belongs_to_the_caller(client: Client) -> None:
    project = client.ok("GET", CRM)
    assert re.fullmatch(r"\d{12}", project["projectNumber"])
    policy = client.ok("POST", f"{CRM}:getIamPolicy", {})
    assert policy["bindings"] == [{"role": "roles/owner", "members": ["user:developer@example.com"]}]
    by_number = f"https://cloudresourcemanager.googleapis.com/v1/projects/{project['projectNumber']}"
    assert client.ok("GET", by_number)["projectId"] == "acme"


def test_a_strict_cloud_knows_only_what_was_seeded(client: Client) -> None:
    control.seed(client.cloud, {"settings": {"strictProjects": True}, "projects": [{"id": "known"}]})
    assert client.refused(403, "GET", CRM)["message"] == "The caller does not have permission"
    client.ok("GET", CRM.replace("acme", "known"))


def test_an_api_that_is_off_answers_as_google_does(client: Client) -> None:
    error = client.refused(403, "GET", f"https://composer.googleapis.com/v1/{PARENT}/environments")
    number = client.cloud.projects.number("acme")
    assert error["message"].startswith(
        f"Cloud Composer API has not been used in project {number} before or it is disabled. Enable it by visiting"
    )
    info = error["details"][0]
    assert info["reason"] == "SERVICE_DISABLED"
    assert info["metadata"]["service"] == "composer.googleapis.com"
    assert info["metadata"]["consumer"] == f"projects/{number}"


def test_switching_composer_on_makes_its_agent_with_its_role(client: Client) -> None:
    client.enable("composer")
    number = client.cloud.projects.number("acme")
    policy = client.ok("POST", f"{CRM}:getIamPolicy", {})
    agent = f"serviceAccount:service-{number}@cloudcomposer-accounts.iam.gserviceaccount.com"
    assert {"role": "roles/composer.serviceAgent", "members": [agent]} in policy["bindings"]


def test_a_stale_etag_is_a_conflict(client: Client) -> None:
    policy = client.ok("POST", f"{CRM}:getIamPolicy", {})
    client.ok("POST", f"{CRM}:setIamPolicy", {"policy": policy})
    error = client.refused(409, "POST", f"{CRM}:setIamPolicy", {"policy": policy})
    assert error["status"] == "ABORTED"
    assert "There were concurrent policy changes" in error["message"]


def test_a_stale_etag_of_a_bucket_is_a_failed_precondition(client: Client) -> None:
    buckets = "https://storage.googleapis.com/storage/v1/b"
    client.ok("POST", f"{buckets}?project=acme", {"name": "acme-one"})
    policy = client.ok("GET", f"{buckets}/acme-one/iam")
    body = {"bindings": policy["bindings"], "etag": policy["etag"]}
    client.ok("PUT", f"{buckets}/acme-one/iam", body)
    assert client.refused(412, "PUT", f"{buckets}/acme-one/iam", body)["errors"][0]["reason"] == "conditionNotMet"


def test_conditions_need_version_3_to_be_set_and_to_be_read(client: Client) -> None:
    policy = client.ok("POST", f"{CRM}:getIamPolicy", {})
    binding = {"role": "roles/viewer", "members": ["user:a@example.com"], "condition": CONDITION}
    policy["bindings"].append(binding)
    assert client.refused(400, "POST", f"{CRM}:setIamPolicy", {"policy": {**policy, "version": 1}})
    client.ok("POST", f"{CRM}:setIamPolicy", {"policy": {**policy, "version": 3}})
    read = client.ok("POST", f"{CRM}:getIamPolicy", {"options": {"requestedPolicyVersion": 3}})
    assert read["version"] == 3
    assert binding in read["bindings"]
    read = client.ok("POST", f"{CRM}:getIamPolicy", {})
    assert read["version"] == 1
    hidden = [entry["role"] for entry in read["bindings"] if "_withcond_" in entry["role"]]
    assert len(hidden) == 1


@pytest.mark.parametrize(
    "member", ["someone", "robot:x@example.com", "serviceAccount:gone@acme.iam.gserviceaccount.com"]
)
def test_members_that_cannot_be_are_refused(client: Client, member: str) -> None:
    policy = client.ok("POST", f"{CRM}:getIamPolicy", {})
    policy["bindings"].append({"role": "roles/viewer", "members": [member]})
    client.refused(400, "POST", f"{CRM}:setIamPolicy", {"policy": policy})


def test_a_deleted_account_stays_in_bindings_under_another_name_and_comes_back(client: Client) -> None:
    email = client.account()
    unique = client.ok("GET", f"{IAM}/{email}")["uniqueId"]
    policy = client.ok("POST", f"{CRM}:getIamPolicy", {})
    policy["bindings"].append({"role": "roles/composer.worker", "members": [f"serviceAccount:{email}"]})
    client.ok("POST", f"{CRM}:setIamPolicy", {"policy": policy})

    def members() -> list[str]:
        read = client.ok("POST", f"{CRM}:getIamPolicy", {})
        return next(entry["members"] for entry in read["bindings"] if entry["role"] == "roles/composer.worker")

    client.ok("DELETE", f"{IAM}/{email}")
    assert members() == [f"deleted:serviceAccount:{email}?uid={unique}"]
    client.ok("POST", f"{IAM}/{unique}:undelete", {})
    assert members() == [f"serviceAccount:{email}"]


def test_the_same_name_again_is_another_account(client: Client) -> None:
    email = client.account()
    first = client.ok("GET", f"{IAM}/{email}")["uniqueId"]
    client.ok("DELETE", f"{IAM}/{email}")
    client.account()
    assert client.ok("GET", f"{IAM}/{email}")["uniqueId"] != first
    client.refused(409, "POST", f"{IAM}/{first}:undelete", {})


def test_new_accounts_flap_when_told_to(client: Client) -> None:
    control.seed(client.cloud, {"settings": {"flappingReads": 4}})
    email = client.account()
    statuses = [client.call("GET", f"{IAM}/{email}").status for _ in range(6)]
    assert statuses == [200, 404, 200, 404, 200, 200]


REFUSALS = [
    (
        "composer.environments.create",
        "POST",
        f"https://composer.googleapis.com/v1/{PARENT}/environments",
        {"name": f"{PARENT}/environments/dev"},
        "The caller does not have permission",
    ),
    (
        "iam.serviceAccounts.create",
        "POST",
        IAM,
        {"accountId": "another"},
        "Permission 'iam.serviceAccounts.create' denied on resource (or it may not exist).",
    ),
    (
        "storage.buckets.create",
        "POST",
        "https://storage.googleapis.com/storage/v1/b?project=acme",
        {"name": "acme-one"},
        (
            "developer@example.com does not have storage.buckets.create access to the Google Cloud project. "
            "Permission 'storage.buckets.create' denied on resource (or it may not exist)."
        ),
    ),
    (
        "resourcemanager.projects.setIamPolicy",
        "POST",
        f"{CRM}:setIamPolicy",
        {"policy": {}},
        "The caller does not have permission",
    ),
    (
        "cloudkms.keyRings.create",
        "POST",
        "https://cloudkms.googleapis.com/v1/projects/acme/locations/europe-west1/keyRings?keyRingId=r",
        None,
        (
            "Permission 'cloudkms.keyRings.create' denied on resource 'projects/acme/locations/europe-west1' "
            "(or it may not exist)."
        ),
    ),
    (
        "compute.networks.create",
        "POST",
        "https://compute.googleapis.com/compute/v1/projects/acme/global/networks",
        {"name": "n"},
        "Required 'compute.networks.create' permission for 'projects/acme/global/networks'",
    ),
]


@pytest.mark.parametrize(("permission", "verb", "url", "body", "text"), REFUSALS)
def test_a_denied_permission_is_refused_in_the_words_of_the_service(
    client: Client, permission: str, verb: str, url: str, body: Any, text: str
) -> None:
    control.seed(client.cloud, {"projects": [{"id": "acme", "apis": "all"}]})
    client.cloud.faults.add({"kind": "deny", "permission": permission})
    error = client.refused(403, verb, url, body)
    assert error["message"] == text
    client.cloud.faults.clear()
    assert client.call(verb, url, body).status != 403


def test_acting_as_the_environments_account_can_be_denied(composer: Client) -> None:
    composer.cloud.faults.add({"kind": "deny", "permission": "iam.serviceAccounts.actAs"})
    body = {
        "name": f"{PARENT}/environments/dev",
        "config": {"nodeConfig": {"serviceAccount": "runner@acme.iam.gserviceaccount.com"}},
    }
    error = composer.refused(403, "POST", f"https://composer.googleapis.com/v1/{PARENT}/environments", body)
    assert error["message"].startswith("User not authorized to act as service account 'runner@acme")


def test_what_a_caller_may_do_follows_from_policies_when_enforced(cloud: Cloud) -> None:
    viewer, owner = Client(cloud, "viewer-token"), Client(cloud, "owner-token")
    policy = {"bindings": [{"role": "roles/storage.admin", "members": ["group:data@example.com"]}]}
    control.seed(
        cloud,
        {
            "settings": {"enforce": True, "strictProjects": True},
            "projects": [{"id": "acme", "owner": "user:owner@example.com", "parent": {"type": "folder", "id": "7"}}],
            "containers": {"folders/7": {"displayName": "f"}},
            "tokens": {"viewer-token": "user:viewer@example.com", "owner-token": "user:owner@example.com"},
            "groups": {"data@example.com": ["user:viewer@example.com"]},
            "policies": {"//cloudresourcemanager.googleapis.com/folders/7": policy},
        },
    )
    asked = {"permissions": ["storage.buckets.create", "resourcemanager.projects.setIamPolicy"]}
    assert viewer.ok("POST", f"{CRM}:testIamPermissions", asked) == {"permissions": ["storage.buckets.create"]}
    assert owner.ok("POST", f"{CRM}:testIamPermissions", asked) == {"permissions": asked["permissions"]}
    viewer.ok("POST", "https://storage.googleapis.com/storage/v1/b?project=acme", {"name": "acme-one"})
    viewer.refused(403, "POST", IAM, {"accountId": "another"})
    owner.ok("POST", IAM, {"accountId": "another"})


def test_a_deny_policy_wins_over_roles_when_enforced(client: Client) -> None:
    control.seed(client.cloud, {"projects": [{"id": "acme", "apis": "all"}], "settings": {"enforce": True}})
    base = "https://iam.googleapis.com/v2/policies/cloudresourcemanager.googleapis.com%2Fprojects%2Facme/denypolicies"
    rule = {
        "deniedPrincipals": ["principalSet://goog/public:all"],
        "exceptionPrincipals": ["principal://goog/subject/root@example.com"],
        "deniedPermissions": ["iam.googleapis.com/serviceAccounts.create"],
    }
    client.ok("POST", f"{base}?policyId=no", {"rules": [{"denyRule": rule}]})
    client.ok("POST", IAM, {"accountId": "before-it"})
    control.advance(client.cloud, 60)
    client.refused(403, "POST", IAM, {"accountId": "after-it"})
    client.ok("GET", IAM)


def test_an_environment_whose_accounts_lack_rights_fails_when_enforced(composer: Client) -> None:
    cloud = composer.cloud
    project = "//cloudresourcemanager.googleapis.com/projects/acme"
    base = "https://composer.googleapis.com/v1"
    control.seed(cloud, {"settings": {"enforce": True}})
    body = {
        "name": f"{PARENT}/environments/dev",
        "config": {"nodeConfig": {"serviceAccount": "runner@acme.iam.gserviceaccount.com"}},
    }

    def create() -> Any:
        done = composer.wait(composer.ok("POST", f"{base}/{PARENT}/environments", body), base)
        composer.wait(composer.ok("DELETE", f"{base}/{PARENT}/environments/dev"), base)
        return done.get("error", {}).get("message", "")

    assert "runner@acme.iam.gserviceaccount.com has the 'roles/composer.worker' role" in create()
    with cloud.exclusive():
        cloud.policies.grant(project, "roles/composer.worker", "serviceAccount:runner@acme.iam.gserviceaccount.com")
    assert create() == ""
    policy = composer.ok("POST", f"{CRM}:getIamPolicy", {})
    kept = [entry for entry in policy["bindings"] if entry["role"] != "roles/composer.serviceAgent"]
    composer.ok("POST", f"{CRM}:setIamPolicy", {"policy": {"bindings": kept}})
    assert create().startswith("Cloud Composer API Service Agent role is missing.")


def test_a_key_that_the_storage_agent_cannot_use_ends_a_creation_when_enforced(composer: Client) -> None:
    cloud = composer.cloud
    composer.enable("cloudkms")
    kms = "https://cloudkms.googleapis.com/v1/projects/acme/locations/europe-west1/keyRings"
    composer.ok("POST", f"{kms}?keyRingId=r")
    key = composer.ok("POST", f"{kms}/r/cryptoKeys?cryptoKeyId=k", {"purpose": "ENCRYPT_DECRYPT"})["name"]
    control.seed(cloud, {"settings": {"enforce": True}})
    with cloud.exclusive():
        runner = "serviceAccount:runner@acme.iam.gserviceaccount.com"
        cloud.policies.grant("//cloudresourcemanager.googleapis.com/projects/acme", "roles/composer.worker", runner)
    config = {
        "nodeConfig": {"serviceAccount": "runner@acme.iam.gserviceaccount.com"},
        "encryptionConfig": {"kmsKeyName": key},
    }
    base = "https://composer.googleapis.com/v1"
    body = {"name": f"{PARENT}/environments/dev", "config": config}
    done = composer.wait(composer.ok("POST", f"{base}/{PARENT}/environments", body), base)
    assert (
        f"Permission 'cloudkms.cryptoKeyVersions.useToEncrypt' denied on resource '{key}'" in done["error"]["message"]
    )


def test_references_of_an_environment_must_exist(composer: Client) -> None:
    config = {
        "nodeConfig": {
            "serviceAccount": "runner@acme.iam.gserviceaccount.com",
            "network": "projects/acme/global/networks/nowhere",
            "subnetwork": "projects/elsewhere/regions/europe-west1/subnetworks/unknown-project",
        },
        "encryptionConfig": {"kmsKeyName": "projects/acme/locations/europe-west1/keyRings/r/cryptoKeys/k"},
    }
    url = f"https://composer.googleapis.com/v1/{PARENT}/environments"
    body = {"name": f"{PARENT}/environments/dev", "config": config}
    message = composer.refused(400, "POST", url, body)["message"]
    assert message.startswith("Found 2 problems:\n\t1) Network 'projects/acme/global/networks/nowhere' does not exist.")
    assert "Cloud KMS key" in message


def test_what_is_not_implemented_says_so_by_name(client: Client) -> None:
    error = client.refused(501, "POST", f"{IAM}/x@acme.iam.gserviceaccount.com/keys", {})
    assert error["message"] == "The sandbox does not implement iam.projects.serviceAccounts.keys.create."
    assert error["status"] == "UNIMPLEMENTED"
    assert (
        "GET /v1/nothing/at/all"
        in client.refused(501, "GET", "https://iam.googleapis.com/v1/nothing/at/all")["message"]
    )
    client.refused(501, "GET", "https://example.com/v1/x")
