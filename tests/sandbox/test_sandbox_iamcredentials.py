"""Access tokens that the emulator lends for service accounts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sandbox_client import Client

from envctl.sandbox import control
from envctl.sandbox.cloud import Cloud

RUNNER = "runner@acme.iam.gserviceaccount.com"
NAME = f"//iam.googleapis.com/projects/acme/serviceAccounts/{RUNNER}"
PROJECT = "//cloudresourcemanager.googleapis.com/projects/acme"
SCOPE = ["https://www.googleapis.com/auth/cloud-platform"]


def lend(client: Client, email: str = RUNNER, status: int = 200, **body: Any) -> Any:
    url = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{email}:generateAccessToken"
    sent = {"scope": SCOPE, **body}
    return client.ok("POST", url, sent) if status == 200 else client.refused(status, "POST", url, sent)


def permissions(client: Client, *names: str) -> list[str]:
    url = "https://cloudresourcemanager.googleapis.com/v1/projects/acme:testIamPermissions"
    return client.ok("POST", url, {"permissions": list(names)}).get("permissions", [])


def test_a_token_stands_for_its_account(client: Client, cloud: Cloud) -> None:
    client.account()
    binding = {"role": "roles/composer.worker", "members": [f"serviceAccount:{RUNNER}"]}
    token = lend(client)["accessToken"]
    control.seed(cloud, {"settings": {"enforce": True}, "policies": {PROJECT: {"bindings": [binding]}}})
    asked = ("logging.logEntries.create", "resourcemanager.projects.setIamPolicy")
    assert permissions(Client(cloud, token), *asked) == ["logging.logEntries.create"]
    assert permissions(client, *asked) == []


def test_the_end_of_a_token_is_by_the_clock_of_the_client(client: Client) -> None:
    client.account()
    before = datetime.now(UTC)
    told = lend(client, lifetime="600s")["expireTime"]
    ends = datetime.strptime(told, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert timedelta(seconds=599) <= ends - before.replace(microsecond=0) <= timedelta(seconds=660)


def test_asking_again_keeps_nothing_new(client: Client, cloud: Cloud) -> None:
    client.account()
    first = lend(client)["accessToken"]
    assert lend(client)["accessToken"] == first
    assert [name for name, _ in cloud.backend.store.items("tokens")] == [first]


def test_lending_needs_the_right_on_the_account_when_enforced(client: Client, cloud: Cloud) -> None:
    client.account()
    lender = {"role": "roles/iam.serviceAccountTokenCreator", "members": ["user:ann@example.com"]}
    user = {"role": "roles/iam.serviceAccountUser", "members": ["user:bob@example.com"]}
    tokens = {"t-ann": "user:ann@example.com", "t-bob": "user:bob@example.com"}
    policies = {NAME: {"bindings": [lender, user]}}
    control.seed(cloud, {"settings": {"enforce": True}, "tokens": tokens, "policies": policies})
    lend(Client(cloud, "t-ann"))
    error = lend(Client(cloud, "t-bob"), status=403)
    assert error["message"] == (
        "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
    )
    assert error["details"][0]["metadata"]["permission"] == "iam.serviceAccounts.getAccessToken"


def test_an_account_that_is_not_there_lends_nothing(client: Client) -> None:
    error = lend(client, "nobody@acme.iam.gserviceaccount.com", 404)
    assert error["status"] == "NOT_FOUND"


@pytest.mark.parametrize("body", [{"scope": []}, {"lifetime": "7200s"}, {"lifetime": "0s"}, {"lifetime": "soon"}])
def test_what_cannot_be_asked_is_refused(client: Client, body: dict[str, Any]) -> None:
    client.account()
    assert lend(client, status=400, **body)["status"] == "INVALID_ARGUMENT"


def test_a_chain_of_lenders_is_not_there_and_says_so(client: Client) -> None:
    client.account()
    error = lend(client, status=501, delegates=["projects/-/serviceAccounts/middle@acme.iam.gserviceaccount.com"])
    assert error["status"] == "UNIMPLEMENTED"
    assert "delegates" in error["message"]
    assert lend(client, delegates=[])["accessToken"]
