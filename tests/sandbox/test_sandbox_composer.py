from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from envctl.sandbox.clock import parse_stamp

if TYPE_CHECKING:
    from sandbox_client import Client

    from envctl.sandbox.messages import Response

BASE = "https://composer.googleapis.com/v1"
PARENT = "projects/acme/locations/europe-west1"
DEV = f"{BASE}/{PARENT}/environments/dev"


def patch(client: Client, mask: str, body: Any) -> Response:
    return client.call("PATCH", f"{DEV}?updateMask={mask}", body)


def test_creating_takes_25_virtual_minutes_and_a_handful_of_polls(composer: Client) -> None:
    body = {
        "name": f"{PARENT}/environments/dev",
        "config": {"nodeConfig": {"serviceAccount": "runner@acme.iam.gserviceaccount.com"}},
    }
    started = composer.ok("POST", f"{BASE}/{PARENT}/environments", body)
    assert started["metadata"]["state"] == "PENDING"
    assert set(started) == {"name", "metadata"}
    polls = 0
    operation = started
    while not operation.get("done"):
        operation = composer.ok("GET", f"{BASE}/{started['name']}")
        polls += 1
    metadata = operation["metadata"]
    assert polls <= 5
    assert metadata["state"] == "SUCCEEDED"
    took = parse_stamp(metadata["endTime"]) - parse_stamp(metadata["createTime"])
    assert took == timedelta(minutes=25)
    assert "state" not in operation["response"]
    assert composer.ok("GET", DEV)["state"] == "RUNNING"


def test_the_server_names_bucket_and_addresses(composer: Client) -> None:
    environment = composer.environment("a-rather-long-name")
    bucket = environment["storageConfig"]["bucket"]
    assert bucket.startswith("europe-west1-a-rather-long-n-")
    assert bucket.endswith("-bucket")
    plain = environment["uuid"].replace("-", "")
    assert environment["config"]["airflowUri"] == (f"https://{plain}-dot-europe-west1.composer.googleusercontent.com")
    assert composer.ok("GET", f"https://storage.googleapis.com/storage/v1/b/{bucket}")["location"] == "EUROPE-WEST1"


def test_what_is_given_empty_is_something_else_than_what_is_left_out(composer: Client) -> None:
    def made(name: str, **given: Any) -> Any:
        config = {"nodeConfig": {"serviceAccount": "runner@acme.iam.gserviceaccount.com"}, **given}
        body = {"name": f"{PARENT}/environments/{name}", "config": config}
        composer.wait(composer.ok("POST", f"{BASE}/{PARENT}/environments", body), BASE)
        return composer.ok("GET", f"{BASE}/{PARENT}/environments/{name}")["config"]

    silent = made("silent")
    assert [item["value"] for item in silent["webServerNetworkAccessControl"]["allowedIpRanges"]] == [
        "0.0.0.0/0",
        "::0/0",
    ]
    assert silent["workloadsConfig"]["triggerer"]["count"] == 1
    said = made("said", webServerNetworkAccessControl={}, workloadsConfig={"triggerer": {"cpu": 1, "memoryGb": 1}})
    assert said["webServerNetworkAccessControl"] == {}
    assert said["workloadsConfig"]["triggerer"] == {"cpu": 1, "memoryGb": 1}


def test_deleting_an_environment_leaves_its_bucket(composer: Client) -> None:
    bucket = composer.environment()["storageConfig"]["bucket"]
    composer.wait(composer.ok("DELETE", DEV), BASE)
    error = composer.refused(404, "GET", DEV)
    assert error["message"] == f"No such environment found: {PARENT}/environments/dev"
    assert "errors" not in error
    composer.ok("GET", f"https://storage.googleapis.com/storage/v1/b/{bucket}")


def test_packages_are_refused_at_creation(composer: Client) -> None:
    body = {
        "name": f"{PARENT}/environments/dev",
        "config": {"softwareConfig": {"pypiPackages": {"requests": ""}}},
    }
    error = composer.refused(400, "POST", f"{BASE}/{PARENT}/environments", body)
    assert error["message"].startswith("User-provided PyPi dependencies forbidden at environment creation.")


@pytest.mark.parametrize(
    ("alias", "full"),
    [
        ("composer-3-airflow-2.10.5", "composer-3-airflow-2.10.5-build.33"),
        ("composer-3-airflow-2", "composer-3-airflow-2.11.1-build.19"),
        ("composer-2-airflow-2", "composer-2.15.3-airflow-2.10.5"),
        ("composer-3-airflow-2.10.5-build.4", "composer-3-airflow-2.10.5-build.4"),
    ],
)
def test_an_alias_of_an_image_becomes_a_full_version(composer: Client, alias: str, full: str) -> None:
    environment = composer.environment(softwareConfig={"imageVersion": alias})
    assert environment["config"]["softwareConfig"]["imageVersion"] == full


def test_an_unknown_image_is_refused_with_suggestions(composer: Client) -> None:
    body = {
        "name": f"{PARENT}/environments/dev",
        "config": {"softwareConfig": {"imageVersion": "composer-3-airflow-2.10.9"}},
    }
    error = composer.refused(400, "POST", f"{BASE}/{PARENT}/environments", body)
    assert error["message"].startswith(
        "Found 1 problem:\n\t1) Unsupported image version for new environment: 'composer-3-airflow-2.10.9'."
    )


def test_an_environment_in_motion_refuses_another_change(composer: Client) -> None:
    composer.environment()
    assert patch(composer, "labels", {"labels": {"a": "1"}}).status == 200
    response = patch(composer, "labels", {"labels": {"a": "2"}})
    assert response.status == 400
    assert response.json()["error"]["status"] == "FAILED_PRECONDITION"
    assert composer.call("DELETE", DEV).status == 400


def test_one_kind_of_update_for_each_request(composer: Client) -> None:
    composer.environment()
    body = {"labels": {"a": "1"}, "config": {"softwareConfig": {"envVariables": {"AAA": "1"}}}}
    error = patch(composer, "labels,config.softwareConfig.envVariables", body).json()["error"]
    assert "Only one update type" in error["message"]
    error = patch(composer, "", {}).json()["error"]
    assert error["message"] == "Found 1 problem:\n\t1) Request must not contain an empty update_mask."


def test_a_mask_of_one_key_keeps_the_others(composer: Client) -> None:
    composer.environment()
    composer.wait(patch(composer, "labels", {"labels": {"a": "1", "b": "2"}}).json(), BASE)
    composer.wait(patch(composer, "labels.a", {"labels": {"a": "3"}}).json(), BASE)
    assert composer.ok("GET", DEV)["labels"] == {"a": "3", "b": "2"}
    composer.wait(patch(composer, "labels.b", {}).json(), BASE)
    assert composer.ok("GET", DEV)["labels"] == {"a": "3"}


def test_an_immutable_field_cannot_be_patched(composer: Client) -> None:
    composer.environment()
    body = {"config": {"nodeConfig": {"serviceAccount": "other@acme.iam.gserviceaccount.com"}}}
    assert patch(composer, "config.nodeConfig.serviceAccount", body).status == 400


def test_an_upgrade_never_goes_back(composer: Client) -> None:
    composer.environment(softwareConfig={"imageVersion": "composer-3-airflow-2.10.5-build.10"})
    older = {"config": {"softwareConfig": {"imageVersion": "composer-3-airflow-2.10.5-build.4"}}}
    newer = {"config": {"softwareConfig": {"imageVersion": "composer-3-airflow-2.10.5-build.19"}}}
    assert patch(composer, "config.softwareConfig.imageVersion", older).status == 400
    composer.wait(patch(composer, "config.softwareConfig.imageVersion", newer).json(), BASE)
    image = composer.ok("GET", DEV)["config"]["softwareConfig"]["imageVersion"]
    assert image == "composer-3-airflow-2.10.5-build.19"
