"""What tools of others ask for beside resources: billing, places, searches, batches, encryption, repeated requests."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from sandbox_client import PARENT, Client

from envctl.sandbox import control
from envctl.sandbox.services.composer_packages import clash

COMPUTE = "https://compute.googleapis.com/compute/v1/projects/acme"
CRM = "https://cloudresourcemanager.googleapis.com"
KEYS = f"https://cloudkms.googleapis.com/v1/{PARENT}/keyRings/r/cryptoKeys"
BILLING = "https://cloudbilling.googleapis.com/v1/projects/acme/billingInfo"
STORAGE = "https://storage.googleapis.com/storage/v1/b"


@pytest.fixture
def client(client: Client) -> Client:
    parent = {"type": "folder", "id": "11"}
    projects = [
        {"id": "acme", "number": "42", "apis": "all", "parent": parent, "labels": {"team": "data"}},
        {"id": "other", "apis": "all"},
    ]
    control.seed(client.cloud, {"containers": {"folders/11": {"displayName": "teams"}}, "projects": projects})
    return client


# -- projects -------------------------------------------------------------------------------------------


def test_a_project_is_paid_for_until_somebody_takes_the_account_away(client: Client) -> None:
    assert client.ok("GET", BILLING) == {
        "name": "projects/acme/billingInfo",
        "projectId": "acme",
        "billingAccountName": "billingAccounts/000000-000000-000000",
        "billingEnabled": True,
    }
    client.ok("PUT", BILLING, {"billingAccountName": ""})
    assert "billingEnabled" not in client.ok("GET", BILLING)
    client.refused(400, "PUT", BILLING, {"billingAccountName": "mine"})


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["acme", "other"]),
        ("id:acme", ["acme"]),
        ("projectId=other", ["other"]),
        ("labels.team:*", ["acme"]),
        ("state:ACTIVE AND labels.team=data", ["acme"]),
        ("parent:folders/11", ["acme"]),
        ("displayName=oth*", ["other"]),
    ],
)
def test_projects_are_searched(client: Client, query: str, found: list[str]) -> None:
    listed = client.ok("GET", f"{CRM}/v3/projects:search?query={quote(query)}")
    assert [project["projectId"] for project in listed.get("projects", [])] == found


@pytest.mark.parametrize(
    ("query", "found"), [("parent.type:folder parent.id:11", ["acme"]), ("lifecycleState:ACTIVE", ["acme", "other"])]
)
def test_projects_are_listed_by_a_filter(client: Client, query: str, found: list[str]) -> None:
    listed = client.ok("GET", f"{CRM}/v1/projects?filter={quote(query)}")
    assert [project["projectId"] for project in listed["projects"]] == found


def test_projects_below_a_folder_are_listed(client: Client) -> None:
    listed = client.ok("GET", f"{CRM}/v3/projects?parent=folders/11")
    assert [project["projectId"] for project in listed["projects"]] == ["acme"]
    client.refused(400, "GET", f"{CRM}/v3/projects?parent=acme")


def test_a_search_shows_only_what_the_caller_may_see(client: Client) -> None:
    client.cloud.faults.add({"kind": "deny", "permission": "resourcemanager.projects.get", "resource": "*/other"})
    listed = client.ok("GET", f"{CRM}/v3/projects:search")
    assert [project["projectId"] for project in listed["projects"]] == ["acme"]


# -- compute --------------------------------------------------------------------------------------------


def test_regions_and_zones_are_listed(client: Client) -> None:
    regions = {entry["name"]: entry for entry in client.ok("GET", f"{COMPUTE}/regions")["items"]}
    assert len(regions) > 40
    zones = [zone.rpartition("/")[2] for zone in regions["europe-west1"]["zones"]]
    assert zones == ["europe-west1-b", "europe-west1-c", "europe-west1-d"]
    listed = client.ok("GET", f"{COMPUTE}/zones?filter={quote('name:europe-west1-*')}")["items"]
    assert [entry["name"] for entry in listed] == zones
    client.ok("GET", f"{COMPUTE}/zones/europe-west1-d")
    client.refused(404, "GET", f"{COMPUTE}/zones/europe-west1-a")


def test_a_list_of_all_scopes_says_which_are_empty(client: Client) -> None:
    client.ok("POST", f"{COMPUTE}/regions/europe-west1/addresses", {"name": "a"})
    control.advance(client.cloud, 60)
    items = client.ok("GET", f"{COMPUTE}/aggregated/addresses")["items"]
    assert [entry["name"] for entry in items["regions/europe-west1"]["addresses"]] == ["a"]
    assert items["regions/us-west1"]["warning"]["code"] == "NO_RESULTS_ON_PAGE"
    assert items["global"]["warning"]["code"] == "NO_RESULTS_ON_PAGE"


def test_a_request_that_is_sent_twice_is_done_once(client: Client) -> None:
    identifier = "7d7d8f3a-0000-4000-8000-000000000001"
    url, body = f"{COMPUTE}/global/networks?requestId={identifier}", {"name": "n", "autoCreateSubnetworks": False}
    first = client.ok("POST", url, body)
    assert client.ok("POST", url, body)["name"] == first["name"]
    assert len(client.ok("GET", f"{COMPUTE}/global/operations")["items"]) == 1
    control.advance(client.cloud, 60)
    client.refused(409, "POST", f"{COMPUTE}/global/networks", body)
    client.refused(400, "POST", f"{COMPUTE}/global/firewalls?requestId={identifier}", {"name": "f"})
    client.refused(400, "POST", f"{COMPUTE}/global/networks?requestId=again", body)
    client.refused(400, "POST", f"{COMPUTE}/global/networks?requestId={'0' * 32}", body)


# -- storage --------------------------------------------------------------------------------------------


def test_a_batch_answers_each_request_in_order(client: Client) -> None:
    client.ok("POST", f"{STORAGE}?project=acme", {"name": "acme-one"})
    parts = [
        ("PATCH /storage/v1/b/acme-one HTTP/1.1", {"labels": {"a": "b"}}),
        ("GET https://storage.googleapis.com/storage/v1/b/acme-one/o/none HTTP/1.1", None),
        ("DELETE /storage/v1/b/acme-one HTTP/1.1", None),
    ]
    content = b""
    for index, (line, body) in enumerate(parts):
        payload = json.dumps(body) if body is not None else ""
        content += f"--edge\r\nContent-Type: application/http\r\nContent-ID: <x+{index}>\r\n\r\n{line}\r\n".encode()
        content += f"Content-Type: application/json\r\n\r\n{payload}\r\n".encode()
    content += b"--edge--"
    headers = {"Content-Type": 'multipart/mixed; boundary="edge"'}
    response = client.cloud.handle(_request("https://storage.googleapis.com/batch/storage/v1", content, headers))
    assert response.status == 200
    text = response.body.decode()
    assert [line for line in text.splitlines() if line.startswith("HTTP/1.1")] == [
        "HTTP/1.1 200 OK",
        "HTTP/1.1 404 Not Found",
        "HTTP/1.1 204 No Content",
    ]
    assert "Content-ID: <response-x+1>" in text
    assert client.call("GET", f"{STORAGE}/acme-one").status == 404


@pytest.mark.parametrize("kind", ["application/json", "multipart/mixed"])
def test_what_is_no_batch_is_refused(client: Client, kind: str) -> None:
    url = "https://storage.googleapis.com/batch/storage/v1"
    assert client.cloud.handle(_request(url, b"{}", {"Content-Type": kind})).status == 400


def _request(url: str, content: bytes, headers: dict[str, str]) -> Any:
    from envctl.sandbox.messages import Request

    return Request.to("POST", url, content=content, headers=headers)


# -- encryption -----------------------------------------------------------------------------------------


def base(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture
def keys(client: Client) -> Client:
    client.ok("POST", f"{KEYS.removesuffix('/r/cryptoKeys')}?keyRingId=r")
    client.ok("POST", f"{KEYS}?cryptoKeyId=k", {"purpose": "ENCRYPT_DECRYPT"})
    return client


def test_what_a_key_encrypted_it_decrypts_whatever_its_primary_is_now(keys: Client) -> None:
    sealed = keys.ok("POST", f"{KEYS}/k:encrypt", {"plaintext": base(b"hunter2")})
    assert sealed["name"].endswith("/cryptoKeyVersions/1")
    assert b"hunter2" not in base64.b64decode(sealed["ciphertext"])
    keys.ok("POST", f"{KEYS}/k/cryptoKeyVersions", {})
    keys.ok("POST", f"{KEYS}/k:updatePrimaryVersion", {"cryptoKeyVersionId": "2"})
    opened = keys.ok("POST", f"{KEYS}/k:decrypt", {"ciphertext": sealed["ciphertext"]})
    assert opened["plaintext"] == base(b"hunter2")
    assert "usedPrimary" not in opened
    again = keys.ok("POST", f"{KEYS}/k/cryptoKeyVersions/1:encrypt", {"plaintext": base(b"hunter2")})
    assert again["name"].endswith("/1")
    assert again["ciphertext"] != sealed["ciphertext"]


def test_nothing_else_decrypts_it(keys: Client) -> None:
    keys.ok("POST", f"{KEYS}?cryptoKeyId=l", {"purpose": "ENCRYPT_DECRYPT"})
    body = {"plaintext": base(b"x"), "additionalAuthenticatedData": base(b"for ann")}
    sealed = keys.ok("POST", f"{KEYS}/k:encrypt", body)["ciphertext"]
    keys.ok("POST", f"{KEYS}/k:decrypt", {"ciphertext": sealed, "additionalAuthenticatedData": base(b"for ann")})
    for key, given in (
        ("l", {"ciphertext": sealed, "additionalAuthenticatedData": base(b"for ann")}),
        ("k", {"ciphertext": sealed}),
        ("k", {"ciphertext": base(b"\0\0\0\1" + bytes(40)), "additionalAuthenticatedData": base(b"for ann")}),
        ("k", {"ciphertext": base(b"short")}),
        ("k", {}),
        ("k", {"ciphertext": "?"}),
    ):
        keys.refused(400, "POST", f"{KEYS}/{key}:decrypt", given)


def test_checksums_are_compared(keys: Client) -> None:
    keys.refused(400, "POST", f"{KEYS}/k:encrypt", {"plaintext": base(b"x"), "plaintextCrc32c": "1"})


def test_a_version_that_is_disabled_or_destroyed_decrypts_nothing(keys: Client) -> None:
    sealed = keys.ok("POST", f"{KEYS}/k:encrypt", {"plaintext": base(b"x")})["ciphertext"]
    keys.ok("PATCH", f"{KEYS}/k/cryptoKeyVersions/1?updateMask=state", {"state": "DISABLED"})
    for method, body in (("decrypt", {"ciphertext": sealed}), ("encrypt", {"plaintext": base(b"x")})):
        assert "is not enabled" in keys.refused(400, "POST", f"{KEYS}/k:{method}", body)["message"]
    keys.ok("POST", f"{KEYS}/k/cryptoKeyVersions/1:destroy", {})
    control.advance(keys.cloud, timedelta(days=31).total_seconds())
    keys.ok("GET", f"{KEYS}/k/cryptoKeyVersions/1")
    keys.refused(400, "POST", f"{KEYS}/k:decrypt", {"ciphertext": sealed})
    assert keys.cloud.backend.store.items("kms.material") == []


# -- packages -------------------------------------------------------------------------------------------

IMAGE = "composer-3-airflow-2.10.5-build.19"


@pytest.mark.parametrize(
    ("packages", "text"),
    [
        ({"requests": ""}, ""),
        ({"requests": ">=2"}, ""),
        ({"no-such-package": "==1.0"}, ""),
        ({"requests": "this is no version"}, ""),
    ],
)
def test_a_build_that_nothing_speaks_against_succeeds(packages: dict[str, str], text: str) -> None:
    assert clash(IMAGE, packages) == text


def test_a_pin_that_airflow_refuses_fails_the_build_in_the_words_of_pip(client: Client) -> None:
    client.account()
    client.environment(softwareConfig={"imageVersion": IMAGE})
    url = f"https://composer.googleapis.com/v1/{PARENT}/environments/dev?updateMask=config.softwareConfig.pypiPackages"
    body = {"config": {"softwareConfig": {"pypiPackages": {"flask": "==3.0.0"}}}}
    done = client.wait(client.ok("PATCH", url, body), "https://composer.googleapis.com/v1")
    assert done["error"]["code"] == 9
    assert done["error"]["message"].startswith(
        "Failed to install Python packages. Check the build logs for details. ERROR: Cannot install apache-airflow==2.10.5+composer "
        "and flask==3.0.0 because these package versions have conflicting dependencies."
    )
    assert client.ok("GET", url.partition("?")[0])["state"] == "RUNNING"
    checked = client.ok("POST", f"{url.partition('?')[0]}:checkUpgrade", {"imageVersion": IMAGE})
    done = client.wait(checked, "https://composer.googleapis.com/v1")
    assert done["response"]["containsPypiModulesConflict"] == "NO_CONFLICT"


def test_a_pin_that_another_package_of_the_image_refuses_fails_the_check_afterwards() -> None:
    assert " has requirement protobuf" in clash(IMAGE, {"protobuf": "==3.0.0"})
    assert " has requirement protobuf" in clash("composer-2.15.3-airflow-2.10.5", {"Protobuf": "==3.0.0"})


def test_packages_are_not_judged_on_an_image_whose_list_is_not_known() -> None:
    assert clash("composer-9-airflow-9.9.9", {"flask": "==3.0.0"}) == ""
