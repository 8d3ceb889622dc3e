"""Faults, the clock, and the control endpoints."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sandbox_client import PARENT, START, Client

from envctl.errors import UsageError
from envctl.sandbox import control
from envctl.sandbox.clock import Clock
from envctl.sandbox.cloud import Cloud
from envctl.sandbox.failures import ConnectionDroppedError
from envctl.sandbox.messages import Request

BASE = "https://composer.googleapis.com/v1"
DEV = f"{BASE}/{PARENT}/environments/dev"
BUCKETS = "https://storage.googleapis.com/storage/v1/b"

if TYPE_CHECKING:
    from collections.abc import Mapping


def test_the_next_calls_of_a_method_fail_and_then_no_more(client: Client) -> None:
    client.cloud.faults.add(
        {"kind": "fail", "method": "storage.buckets.list", "times": 2, "code": 503, "message": "Try again."}
    )
    for _ in range(2):
        error = client.refused(503, "GET", f"{BUCKETS}?project=acme")
        assert error["message"] == "Try again."
    client.ok("GET", f"{BUCKETS}?project=acme")


def test_a_pattern_names_many_methods(client: Client) -> None:
    client.cloud.faults.add({"kind": "fail", "method": "storage.*", "status": "RESOURCE_EXHAUSTED"})
    assert client.call("GET", f"{BUCKETS}?project=acme").status == 429
    client.ok("GET", "https://cloudresourcemanager.googleapis.com/v1/projects/acme")


def test_a_failed_creation_leaves_a_broken_environment_that_can_be_deleted(composer: Client) -> None:
    text = "Some of the GKE pods failed to become healthy."
    composer.cloud.faults.add(
        {
            "kind": "operation",
            "operation": "composer.environments.create",
            "status": "FAILED_PRECONDITION",
            "message": text,
        }
    )
    body = {
        "name": f"{PARENT}/environments/dev",
        "config": {"nodeConfig": {"serviceAccount": "runner@acme.iam.gserviceaccount.com"}},
    }
    done = composer.wait(composer.ok("POST", f"{BASE}/{PARENT}/environments", body), BASE)
    assert done["error"] == {"code": 9, "message": text}
    assert done["metadata"]["state"] == "FAILED"
    assert "response" not in done
    assert composer.ok("GET", DEV)["state"] == "ERROR"
    composer.wait(composer.ok("DELETE", DEV), BASE)
    assert composer.call("GET", DEV).status == 404


def test_packages_that_the_seed_calls_conflicting_fail_and_change_nothing(composer: Client) -> None:
    composer.environment()
    control.seed(composer.cloud, {"conflictingPackages": [{"name": "google-ads", "specifier": "==21.0.0"}]})

    def install(packages: Mapping[str, str]) -> dict[str, Any]:
        url = f"{DEV}?updateMask=config.softwareConfig.pypiPackages"
        body = {"config": {"softwareConfig": {"pypiPackages": packages}}}
        return composer.wait(composer.ok("PATCH", url, body), BASE)

    assert "error" not in install({"requests": ""})
    failed = install({"requests": "", "google-ads": "==21.0.0"})
    assert failed["error"]["code"] == 9
    assert failed["error"]["message"].startswith("Failed to install Python packages.")
    environment = composer.ok("GET", DEV)
    assert environment["state"] == "RUNNING"
    assert environment["config"]["softwareConfig"]["pypiPackages"] == {"requests": ""}
    assert "error" not in install({"requests": "", "google-ads": "==27.0.0"})


def test_a_delay_is_waited_outside_the_lock_and_only_once() -> None:
    waited: list[float] = []
    client = Client(Cloud(clock=Clock(START), sleep=waited.append))
    client.cloud.faults.add({"kind": "delay", "method": "storage.buckets.list", "seconds": 1.5})
    client.ok("GET", f"{BUCKETS}?project=acme")
    client.ok("GET", f"{BUCKETS}?project=acme")
    assert waited == [1.5]


@pytest.mark.parametrize(("when", "exists"), [("before", False), ("after", True)])
def test_a_dropped_call_may_or_may_not_have_taken_effect(client: Client, when: str, exists: bool) -> None:
    client.cloud.faults.add({"kind": "drop", "method": "storage.buckets.insert", "when": when})
    with pytest.raises(ConnectionDroppedError) as dropped:
        client.call("POST", f"{BUCKETS}?project=acme", {"name": "acme-one"})
    assert dropped.value.method == "storage.buckets.insert"
    assert (client.call("GET", f"{BUCKETS}/acme-one").status == 200) is exists


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"kind": "explode"}, "is not a kind of fault"),
        ({"kind": "fail"}, "needs the field 'method'"),
        ({"kind": "fail", "method": 7}, "needs the field 'method', a text"),
        ({"kind": "fail", "method": ["storage.*"]}, "needs the field 'method', a text"),
        ({"kind": "fail", "method": "storage.bucket.list"}, "has no method 'storage.bucket.list'"),
        ({"kind": "drop", "method": "pubsub.*"}, "has no method 'pubsub.*'"),
        ({"kind": "operation", "operation": "composer.create"}, "has no operation 'composer.create'"),
        ({"kind": "fail", "method": "*", "colour": 1}, "has no field 'colour'"),
        ({"kind": "fail", "method": "*", "status": "SAD"}, "is not a status"),
        ({"kind": "fail", "method": "*", "times": "many"}, "times of a fault is a whole number above zero"),
        ({"kind": "fail", "method": "*", "times": 0}, "times of a fault is a whole number above zero"),
        ({"kind": "fail", "method": "*", "code": "503"}, "code of a fault is a number"),
        ({"kind": "fail", "method": "*", "code": 200}, "is an HTTP status from 400 to 599"),
        ({"kind": "fail", "method": "*", "details": "x"}, "details of a fault is a list of objects"),
        ({"kind": "delay", "method": "*"}, "needs the field 'seconds'"),
        ({"kind": "delay", "method": "*", "seconds": "soon"}, "seconds of a fault is a number of seconds"),
        ({"kind": "drop", "method": "*", "when": "later"}, "when of a fault is `before` or `after`"),
        ({"kind": "deny", "permission": "x.y", "principal": 7}, "needs the field 'principal', a text"),
        ({"kind": "deny"}, "needs the field 'permission'"),
        ({"kind": "operation", "operation": ""}, "needs the field 'operation'"),
    ],
)
def test_a_fault_that_means_nothing_is_refused(cloud: Cloud, document: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as refused:
        cloud.faults.add(document)
    assert text in refused.value.summary
    assert cloud.faults.listed() == []


def post(cloud: Cloud, name: str, body: object = None, verb: str = "POST") -> tuple[int, Any]:
    response = control.handle(cloud, Request.to(verb, f"http://127.0.0.1/_control/{name}", body=body))
    return response.status, json.loads(response.body)


def test_the_clock_ends_operations_without_a_poll(composer: Client) -> None:
    composer.environment()
    composer.ok("PATCH", f"{DEV}?updateMask=labels", {"labels": {"a": "1"}})
    status, before = post(composer.cloud, "clock", verb="GET")
    assert status == 200
    assert [entry["kind"] for entry in before["running"]] == ["composer.environments.update"]
    _, after = post(composer.cloud, "clock", {"seconds": 3600})
    assert after["running"] == []
    stored = composer.cloud.backend.store.get("composer.environments", f"{PARENT}/environments/dev")
    assert stored is not None
    assert stored["labels"] == {"a": "1"}
    assert stored["state"] == "RUNNING"
    assert composer.cloud.backend.clock.now() - START > timedelta(hours=1)


def test_operations_end_in_the_order_of_their_ends(composer: Client) -> None:
    composer.environment("dev")
    composer.environment("prod")
    software = {"config": {"softwareConfig": {"imageVersion": "composer-3-airflow-3"}}}
    mask = "config.softwareConfig.imageVersion"
    slow = composer.ok("PATCH", f"{BASE}/{PARENT}/environments/dev?updateMask={mask}", software)
    quick = composer.ok("PATCH", f"{BASE}/{PARENT}/environments/prod?updateMask=labels", {"labels": {"a": "1"}})
    slow = composer.wait(slow, BASE)
    quick = composer.ok("GET", f"{BASE}/{quick['name']}")
    assert quick["done"]
    assert quick["metadata"]["endTime"] < slow["metadata"]["endTime"]


def test_the_control_endpoints(cloud: Cloud) -> None:
    seed = {
        "projects": [{"id": "acme", "number": "42"}],
        "settings": {"polls": 2},
        "tokens": {"t": "user:x@example.com"},
    }
    assert post(cloud, "seed", seed) == (200, {})
    assert post(cloud, "settings", verb="GET")[1]["polls"] == 2
    assert cloud.projects.number("acme") == "42"
    assert post(cloud, "fault", {"kind": "fail", "method": "storage.*"})[1]["id"] == "1"
    assert len(post(cloud, "fault", verb="GET")[1]["faults"]) == 1
    assert post(cloud, "fault", verb="DELETE") == (200, {})
    assert post(cloud, "fault", verb="GET")[1]["faults"] == []
    Client(cloud).ok("GET", "https://cloudresourcemanager.googleapis.com/v1/projects/acme")
    log = post(cloud, "requests", verb="GET")[1]["requests"]
    assert [entry["method"] for entry in log] == ["cloudresourcemanager.projects.get"]
    assert "acme" in post(cloud, "dump", verb="GET")[1]["projects"]
    assert post(cloud, "reset", {}) == (200, {})
    assert "projects" not in post(cloud, "dump", verb="GET")[1]
    assert post(cloud, "nothing")[0] == 404
    status, answer = post(cloud, "seed", {"colour": 1})
    assert status == 400
    assert "no section 'colour'" in answer["error"]


def test_a_seed_may_hold_requests_whose_operations_end_at_once(client: Client) -> None:
    network = {"name": "n", "autoCreateSubnetworks": False}
    url = "https://compute.googleapis.com/compute/v1/projects/acme/global/networks"
    requests = [{"method": "POST", "url": url, "body": network}]
    control.seed(client.cloud, {"projects": [{"id": "acme", "apis": ["compute"]}], "requests": requests})
    assert client.ok("GET", f"{url}/n")["name"] == "n"
    with pytest.raises(UsageError, match="was refused"):
        control.seed(client.cloud, {"requests": requests})


@pytest.mark.parametrize("settings", [{"colour": 1}, {"polls": "many"}, {"strictProjects": 1}])
def test_settings_that_mean_nothing_are_refused(cloud: Cloud, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        control.seed(cloud, {"settings": settings})


@pytest.mark.parametrize("bindings", ["x", ["x"], [{"role": "roles/viewer", "members": "x"}], [{"members": []}]])
def test_a_seeded_policy_that_is_none_is_refused(cloud: Cloud, bindings: Any) -> None:
    with pytest.raises(UsageError, match="is not valid"):
        control.seed(cloud, {"policies": {"//x.googleapis.com/y": {"bindings": bindings}}})
