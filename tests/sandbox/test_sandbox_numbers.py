"""Numbers that the emulator makes are those that clients can read, and states have the names of their version."""

from __future__ import annotations

import pytest
from sandbox_client import PARENT, Client

from envctl.errors import UsageError
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


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, "2147483648", 2**70, 1e30])
def test_a_number_that_its_field_cannot_hold_is_refused(client: Client, number: object) -> None:
    base = "https://logging.googleapis.com/v2/projects/acme/locations/global/buckets?bucketId=mine"
    client.judges_requests = False
    message = client.refused(400, "POST", base, {"retentionDays": number})["message"]
    assert message.startswith("Invalid value at 'retentionDays' (TYPE_INT32), ")


@pytest.mark.parametrize("number", [2**63, "9223372036854775808", "x", True])
def test_a_long_number_that_its_field_cannot_hold_is_refused(client: Client, number: object) -> None:
    client.judges_requests = False
    policy = {"retentionPeriod": number}
    client.refused(400, "POST", f"{BUCKETS}?project=acme", {"name": "acme-x", "retentionPolicy": policy})
    kept = client.ok(
        "POST", f"{BUCKETS}?project=acme", {"name": "acme-x", "retentionPolicy": {"retentionPeriod": INT64}}
    )
    assert kept["retentionPolicy"]["retentionPeriod"] == str(INT64)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_what_json_has_no_number_for_is_refused(composer: Client, number: object) -> None:
    composer.judges_requests = False
    config = {"workloadsConfig": {"worker": {"cpu": number}}}
    body = {"name": f"{PARENT}/environments/dev", "config": config}
    composer.refused(400, "POST", f"https://composer.googleapis.com/v1/{PARENT}/environments", body)


def test_a_word_that_its_enum_does_not_have_is_refused(client: Client) -> None:
    client.judges_requests = False
    role = {"roleId": "reader", "role": {"title": "R", "stage": "NEARLY"}}
    message = client.refused(400, "POST", "https://iam.googleapis.com/v1/projects/acme/roles", role)["message"]
    assert message == "Invalid value at 'role.stage' (TYPE_ENUM), \"NEARLY\""


@pytest.mark.parametrize("number", ["0", "-1", "x", str(2**63), "٣"])
def test_a_seeded_project_has_a_number_that_is_one(client: Client, number: str) -> None:
    with pytest.raises(UsageError, match="is no number of a project"):
        control.seed(client.cloud, {"projects": [{"id": "other", "number": number}]})


def test_a_seeded_database_has_a_size_that_its_metric_can_hold(client: Client) -> None:
    name = f"{PARENT}/environments/dev"
    with pytest.raises(UsageError, match="has no size in bytes"):
        control.seed(client.cloud, {"databaseBytes": {name: 2**63}})


def test_enum_values_are_numbers_that_the_official_clients_know(composer: Client) -> None:
    """Metadata of operations included: every value, whatever the version, and no word left."""
    from google.cloud.orchestration.airflow import service_v1, service_v1beta1

    for version, types in (("v1", service_v1), ("v1beta1", service_v1beta1)):
        base = f"https://composer.googleapis.com/{version}"
        config = {"nodeConfig": {"serviceAccount": "runner@acme.iam.gserviceaccount.com"}}
        body = {"name": f"{PARENT}/environments/{version}", "config": config}
        done = composer.wait(composer.ok("POST", f"{base}/{PARENT}/environments", body), base)
        for operation in (done["name"], composer.ok("DELETE", f"{base}/{body['name']}")["name"]):
            metadata = composer.ok("GET", f"{base}/{operation}?$alt=json;enum-encoding=int")["metadata"]
            assert types.OperationMetadata.State(metadata["state"]).name in {"SUCCEEDED", "SUCCESSFUL", "RUNNING"}
            kind = types.OperationMetadata.Type(metadata["operationType"]).name
            assert kind == ("CREATE" if operation == done["name"] else "DELETE")
