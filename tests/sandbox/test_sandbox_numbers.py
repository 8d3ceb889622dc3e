"""Numbers that the emulator makes are those that clients can read, and states have the names of their version."""

from __future__ import annotations

import pytest
from sandbox_client import PARENT, Client

from envctl.sandbox import control

NETWORKS = "https://compute.googleapis.com/compute/v1/projects/acme/global/networks"
BUCKETS = "https://storage.googleapis.com/storage/v1/b"
ALERTS = "https://monitoring.googleapis.com/v3/projects/acme/notificationChannels"
INT64 = 2**63 - 1
UINT64 = 2**64 - 1


@pytest.fixture
def client(client: Client) -> Client:
    control.seed(client.cloud, {"projects": [{"id": "acme", "apis": "all"}]})
    return client


def test_ids_fit_the_signed_number_that_the_real_plugin_reads(client: Client) -> None:
    numbers: set[int] = set()
    for index in range(100):
        operation = client.ok("POST", NETWORKS, {"name": f"n-{index}", "autoCreateSubnetworks": False})
        bucket = client.ok("POST", f"{BUCKETS}?project=acme", {"name": f"acme-{index}"})
        numbers |= {int(operation["id"]), int(operation["targetId"]), int(bucket["generation"])}
    assert len(numbers) == 300
    assert max(numbers) <= INT64
    assert min(numbers) >= 10**15


def test_ids_in_names_and_of_accounts_have_the_length_of_googles(client: Client) -> None:
    for index in range(60):
        channel = client.ok("POST", ALERTS, {"type": "email", "labels": {"email_address": "a@example.com"}})
        assert int(channel["name"].rpartition("/")[2]) <= UINT64
        base = "https://iam.googleapis.com/v1/projects/acme/serviceAccounts"
        account = client.ok("POST", base, {"accountId": f"runner-{index}"})
        for field in ("uniqueId", "oauth2ClientId"):
            assert 10**20 <= int(account[field]) <= 10**20 + UINT64, field


@pytest.mark.parametrize(("version", "word"), [("v1", "SUCCEEDED"), ("v1beta1", "SUCCESSFUL")])
def test_an_operation_of_composer_ends_in_the_state_of_its_version(composer: Client, version: str, word: str) -> None:
    base = f"https://composer.googleapis.com/{version}"
    config = {"nodeConfig": {"serviceAccount": "runner@acme.iam.gserviceaccount.com"}}
    body = {"name": f"{PARENT}/environments/dev", "config": config}
    done = composer.wait(composer.ok("POST", f"{base}/{PARENT}/environments", body), base)
    assert done["metadata"]["state"] == word
    numbered = composer.ok("GET", f"{base}/{done['name']}?$alt=json;enum-encoding=int")
    assert numbered["metadata"]["state"] == 3
    listed = composer.ok("GET", f"{base}/{PARENT}/operations")["operations"]
    assert [entry["metadata"]["state"] for entry in listed] == [word]
