"""Behaviour of single services where a client meets it: refusals, in-use checks, derived values."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from sandbox_client import PARENT, Client

from envctl.sandbox import control
from envctl.sandbox.cloud import Cloud

KMS = f"https://cloudkms.googleapis.com/v1/{PARENT}/keyRings"
COMPUTE = "https://compute.googleapis.com/compute/v1/projects/acme"
REGION = f"{COMPUTE}/regions/europe-west1"
GKE = f"https://container.googleapis.com/v1/{PARENT}/clusters"
SECRETS = "https://secretmanager.googleapis.com/v1/projects/acme/secrets"
BUCKETS = "https://storage.googleapis.com/storage/v1/b"
COMPOSER = "https://composer.googleapis.com/v1"


@pytest.fixture
def client(client: Client) -> Client:
    control.seed(client.cloud, {"projects": [{"id": "acme", "apis": "all"}]})
    return client


def end(client: Client, verb: str, url: str, body: object = None) -> Any:
    """Call, let the operation end, and give back its record."""
    answer = client.ok(verb, url, body)
    cloud = client.cloud
    with cloud.exclusive():
        for record in cloud.operations.pending():
            cloud.operations.finish(record["key"])
        keys = [name for name, _ in cloud.backend.store.items("operations") if name.endswith(answer["name"])]
        return cloud.operations.get(keys[0])


# -- KMS ------------------------------------------------------------------------------------------------


def test_rings_and_keys_cannot_be_deleted(client: Client) -> None:
    client.ok("POST", f"{KMS}?keyRingId=r")
    client.ok("POST", f"{KMS}/r/cryptoKeys?cryptoKeyId=k", {"purpose": "ENCRYPT_DECRYPT"})
    assert client.call("DELETE", f"{KMS}/r").status == 501
    assert client.refused(409, "POST", f"{KMS}?keyRingId=r")["message"].endswith("keyRings/r already exists.")


def test_a_version_is_destroyed_thirty_days_after_it_was_scheduled(client: Client) -> None:
    client.ok("POST", f"{KMS}?keyRingId=r")
    client.ok("POST", f"{KMS}/r/cryptoKeys?cryptoKeyId=k", {"purpose": "ENCRYPT_DECRYPT"})
    version = f"{KMS}/r/cryptoKeys/k/cryptoKeyVersions/1"
    assert client.ok("POST", f"{version}:destroy", {})["state"] == "DESTROY_SCHEDULED"
    client.refused(400, "POST", f"{version}:destroy", {})
    control.advance(client.cloud, timedelta(days=31).total_seconds())
    assert client.ok("GET", version)["state"] == "DESTROYED"
    client.refused(400, "POST", f"{version}:restore", {})


def test_a_key_for_signing_has_no_primary_version(client: Client) -> None:
    client.ok("POST", f"{KMS}?keyRingId=r")
    template = {"algorithm": "EC_SIGN_P256_SHA256"}
    body = {"purpose": "ASYMMETRIC_SIGN", "versionTemplate": template}
    assert "primary" not in client.ok("POST", f"{KMS}/r/cryptoKeys?cryptoKeyId=k", body)
    client.refused(400, "POST", f"{KMS}/r/cryptoKeys?cryptoKeyId=l", {"purpose": "ASYMMETRIC_SIGN"})


@pytest.mark.parametrize("period", ["86399s", "3153600001s"])
def test_a_rotation_of_a_key_has_bounds(client: Client, period: str) -> None:
    client.ok("POST", f"{KMS}?keyRingId=r")
    keys, next_time = f"{KMS}/r/cryptoKeys", "2026-12-31T00:00:00Z"
    body = {"purpose": "ENCRYPT_DECRYPT", "rotationPeriod": period, "nextRotationTime": next_time}
    client.refused(400, "POST", f"{keys}?cryptoKeyId=k", body)
    client.ok("POST", f"{keys}?cryptoKeyId=k", {**body, "rotationPeriod": "86400s"})
    client.refused(400, "PATCH", f"{keys}/k?updateMask=rotationPeriod", {"rotationPeriod": period})
    client.refused(400, "POST", f"{keys}?cryptoKeyId=l", {**body, "rotationPeriod": "1 day"})


# -- Compute --------------------------------------------------------------------------------------------


def network(client: Client) -> None:
    end(client, "POST", f"{COMPUTE}/global/networks", {"name": "n", "autoCreateSubnetworks": False})
    subnetwork = {"name": "s", "network": "projects/acme/global/networks/n", "ipCidrRange": "10.0.0.0/20"}
    end(client, "POST", f"{REGION}/subnetworks", subnetwork)


def test_a_network_in_use_cannot_be_deleted(client: Client) -> None:
    network(client)
    operation = client.ok("DELETE", f"{COMPUTE}/global/networks/n")
    done = client.ok("POST", f"{COMPUTE}/global/operations/{operation['name']}/wait")
    assert done["httpErrorStatusCode"] == 400
    assert done["error"]["errors"] == [
        {
            "code": "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE",
            "message": (
                "The network resource 'projects/acme/global/networks/n' is already being used by "
                "'projects/acme/regions/europe-west1/subnetworks/s'"
            ),
        }
    ]
    client.ok("GET", f"{COMPUTE}/global/networks/n")
    end(client, "DELETE", f"{REGION}/subnetworks/s")
    end(client, "DELETE", f"{COMPUTE}/global/networks/n")
    error = client.refused(404, "GET", f"{COMPUTE}/global/networks/n")
    assert error["message"] == "The resource 'projects/acme/global/networks/n' was not found"
    assert "status" not in error


@pytest.mark.parametrize("block", ["10.0.8.0/24", "10.0.0.0/8"])
def test_subnetworks_of_a_network_do_not_overlap(client: Client, block: str) -> None:
    network(client)
    body = {"name": "t", "network": "projects/acme/global/networks/n", "ipCidrRange": block}
    message = client.refused(400, "POST", f"{REGION}/subnetworks", body)["message"]
    assert message == (f"Invalid IPCidrRange: {block} conflicts with existing subnetwork 's' in region 'europe-west1'.")


def test_a_subnetwork_of_a_network_that_is_not_there_is_refused(client: Client) -> None:
    body = {"name": "t", "network": "projects/acme/global/networks/none", "ipCidrRange": "10.0.0.0/24"}
    client.refused(404, "POST", f"{REGION}/subnetworks", body)


def test_nats_of_a_router_are_replaced_as_a_whole(client: Client) -> None:
    network(client)
    end(client, "POST", f"{REGION}/routers", {"name": "r", "network": "global/networks/n"})
    nat = {
        "name": "nat",
        "natIpAllocateOption": "AUTO_ONLY",
        "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
    }
    end(client, "PATCH", f"{REGION}/routers/r", {"nats": [nat]})
    assert client.ok("GET", f"{REGION}/routers/r")["nats"][0]["name"] == "nat"
    end(client, "PATCH", f"{REGION}/routers/r", {"nats": []})
    assert "nats" not in client.ok("GET", f"{REGION}/routers/r")


# -- Kubernetes Engine ----------------------------------------------------------------------------------


def test_a_cluster_in_motion_refuses_another_operation(client: Client) -> None:
    operation = client.ok("POST", GKE, {"cluster": {"name": "c", "initialNodeCount": 1}})
    error = client.refused(400, "POST", f"{GKE}/c/nodePools", {"nodePool": {"name": "p"}})
    assert error["message"] == f"Cluster is running incompatible operation {operation['name']}."


def test_nodes_of_a_spot_pool_are_labelled(client: Client) -> None:
    end(client, "POST", GKE, {"cluster": {"name": "c", "initialNodeCount": 1}})
    pool = {"name": "p", "config": {"spot": True, "diskSizeGb": 50}, "initialNodeCount": 0}
    end(client, "POST", f"{GKE}/c/nodePools", {"nodePool": pool})
    config = client.ok("GET", f"{GKE}/c/nodePools/p")["config"]
    assert config["resourceLabels"]["goog-gke-node-pool-provisioning-model"] == "spot"
    assert config["bootDisk"]["sizeGb"] == "50"


def test_a_cluster_that_fails_is_broken_and_can_be_deleted(client: Client) -> None:
    fault = {"kind": "operation", "operation": "container.CREATE_CLUSTER", "status": "RESOURCE_EXHAUSTED"}
    client.cloud.faults.add({**fault, "message": "Insufficient regional quota"})
    record = end(client, "POST", GKE, {"cluster": {"name": "c", "initialNodeCount": 1}})
    assert record["error"] == {"code": 8, "message": "Insufficient regional quota"}
    assert client.ok("GET", f"{GKE}/c")["status"] == "ERROR"
    end(client, "DELETE", f"{GKE}/c")
    assert client.call("GET", f"{GKE}/c").status == 404


# -- Secret Manager -------------------------------------------------------------------------------------


def test_only_enabled_versions_can_be_read(client: Client) -> None:
    client.ok("POST", f"{SECRETS}?secretId=s", {"replication": {"automatic": {}}})
    data = base64.b64encode(b"one").decode()
    client.ok("POST", f"{SECRETS}/s:addVersion", {"payload": {"data": data}})
    client.ok("POST", f"{SECRETS}/s/versions/1:disable", {})
    message = client.refused(400, "GET", f"{SECRETS}/s/versions/1:access")["message"]
    assert message.endswith("/secrets/s/versions/1] is in DISABLED state.")
    client.ok("POST", f"{SECRETS}/s/versions/1:destroy", {})
    client.refused(400, "POST", f"{SECRETS}/s/versions/1:enable", {})
    client.refused(404, "GET", f"{SECRETS}/s/versions/2:access")


def test_a_secret_whose_etag_is_stale_is_not_changed(client: Client) -> None:
    secret = client.ok("POST", f"{SECRETS}?secretId=s", {"replication": {"automatic": {}}})
    client.ok("PATCH", f"{SECRETS}/s?updateMask=labels", {"labels": {"a": "b"}, "etag": secret["etag"]})
    client.refused(400, "PATCH", f"{SECRETS}/s?updateMask=labels", {"labels": {}, "etag": secret["etag"]})


@pytest.mark.parametrize(
    "secret",
    [
        {"rotation": {"rotationPeriod": "3599s", "nextRotationTime": "2026-12-31T00:00:00Z"}},
        {"rotation": {"rotationPeriod": "3600s"}},
        {"rotation": {"nextRotationTime": "2026-12-31T00:00:00Z"}, "topics": []},
        {"ttl": "0s"},
        {"ttl": "a week"},
    ],
)
def test_a_rotation_of_a_secret_has_bounds(client: Client, secret: dict[str, Any]) -> None:
    topics = [{"name": "projects/acme/topics/t"}]
    body = {"replication": {"automatic": {}}, "topics": topics, **secret}
    client.refused(400, "POST", f"{SECRETS}?secretId=s", body)
    good = {"rotationPeriod": "3600s", "nextRotationTime": "2026-12-31T00:00:00Z"}
    client.ok("POST", f"{SECRETS}?secretId=s", {"replication": {"automatic": {}}, "topics": topics, "rotation": good})


# -- Storage --------------------------------------------------------------------------------------------


def test_a_bucket_name_is_taken_for_everybody(client: Client) -> None:
    client.ok("POST", f"{BUCKETS}?project=acme", {"name": "acme-one"})
    mine = client.refused(409, "POST", f"{BUCKETS}?project=acme", {"name": "acme-one"})
    assert mine["message"].endswith("you already own it.")
    theirs = client.refused(409, "POST", f"{BUCKETS}?project=other", {"name": "acme-one"})
    assert theirs["message"].startswith("The requested bucket name is not available.")


def test_a_patch_merges_objects_and_null_removes(client: Client) -> None:
    body = {"name": "acme-one", "labels": {"a": "1", "b": "2"}, "versioning": {"enabled": True}}
    client.ok("POST", f"{BUCKETS}?project=acme", body)
    client.judges_requests = False  # null in a map is not in the documents
    changed = client.ok("PATCH", f"{BUCKETS}/acme-one", {"labels": {"a": None, "c": "3"}})
    assert changed["labels"] == {"b": "2", "c": "3"}
    assert changed["versioning"] == {"enabled": True}
    assert changed["metageneration"] == "2"


def test_listing_with_a_delimiter_shows_folders_and_pages(client: Client) -> None:
    client.ok("POST", f"{BUCKETS}?project=acme", {"name": "acme-one"})
    for name in ("dags/a.py", "dags/b.py", "data/x.csv", "top.txt"):
        upload = f"https://storage.googleapis.com/upload/storage/v1/b/acme-one/o?uploadType=media&name={name}"
        client.ok("POST", upload, content=b"x", headers={"Content-Type": "text/plain"})
    listing = client.ok("GET", f"{BUCKETS}/acme-one/o?delimiter=/")
    assert listing["prefixes"] == ["dags/", "data/"]
    assert [item["name"] for item in listing["items"]] == ["top.txt"]
    first = client.ok("GET", f"{BUCKETS}/acme-one/o?maxResults=3")
    rest = client.ok("GET", f"{BUCKETS}/acme-one/o?maxResults=3&pageToken={first['nextPageToken']}")
    names = [item["name"] for item in [*first["items"], *rest["items"]]]
    assert names == ["dags/a.py", "dags/b.py", "data/x.csv", "top.txt"]


# -- Service Usage, IAM ---------------------------------------------------------------------------------


def test_services_are_listed_in_pages_of_fifty(client: Client) -> None:
    apis = [f"api{number:02}.googleapis.com" for number in range(60)]
    control.seed(client.cloud, {"projects": [{"id": "big", "apis": apis}]})
    url = "https://serviceusage.googleapis.com/v1/projects/big/services?filter=state:ENABLED"
    first = client.ok("GET", url)
    assert len(first["services"]) == 50
    second = client.ok("GET", f"{url}&pageToken={first['nextPageToken']}")
    assert "nextPageToken" not in second
    assert len(second["services"]) == 17


def test_a_custom_role_is_deleted_softly(client: Client) -> None:
    roles = "https://iam.googleapis.com/v1/projects/acme/roles"
    role = {"title": "R", "includedPermissions": ["storage.buckets.get"]}
    client.ok("POST", roles, {"roleId": "reader", "role": role})
    client.ok("DELETE", f"{roles}/reader")
    assert client.ok("GET", f"{roles}/reader")["deleted"] is True
    assert client.ok("GET", roles) == {}
    client.refused(409, "POST", roles, {"roleId": "reader", "role": role})
    client.ok("POST", f"{roles}/reader:undelete", {})
    assert "deleted" not in client.ok("GET", f"{roles}/reader")
    wrong = {"title": "R", "includedPermissions": ["storage.buckets.paint"]}
    client.refused(400, "POST", roles, {"roleId": "painter", "role": wrong})


# -- Composer -------------------------------------------------------------------------------------------


def run(client: Client, *words: str) -> tuple[list[str], int]:
    dev = f"{COMPOSER}/{PARENT}/environments/dev"
    command, subcommand, *parameters = words
    body = {"command": command, "subcommand": subcommand, "parameters": parameters}
    execution = client.ok("POST", f"{dev}:executeAirflowCommand", body)
    polled = client.ok("POST", f"{dev}:pollAirflowCommand", {**execution, "nextLineNumber": 1})
    lines = [line["content"] for line in polled.get("output", [])]
    return lines, polled["exitInfo"].get("exitCode", 0)


def test_airflow_keeps_variables_connections_and_pools(client: Client) -> None:
    client.account()
    client.environment()
    assert run(client, "variables", "set", "stage", "dev") == (["Variable stage created"], 0)
    assert run(client, "variables", "get", "stage") == (["dev"], 0)
    assert run(client, "variables", "get", "nothing")[1] == 1
    assert run(client, "connections", "add", "crm", "--conn-uri", "https://x")[1] == 0
    assert run(client, "connections", "add", "crm", "--conn-uri", "https://y")[1] == 1
    assert run(client, "pools", "set", "crm", "4", "calls") == (["Pool crm created"], 0)
    pools = json.loads(run(client, "pools", "list", "-o", "json")[0][0])
    assert {entry["pool"]: entry["slots"] for entry in pools} == {"crm": 4, "default_pool": 128}
    assert run(client, "pools", "delete", "default_pool")[1] == 1
    assert run(client, "version", "") == (["2.11.1+composer"], 0)
    lines, code = run(client, "dags", "trigger", "x")
    assert code == 2
    assert lines == ["The sandbox runs no Airflow; not run: airflow dags trigger"]


def test_a_snapshot_brings_packages_and_variables_back(client: Client) -> None:
    client.account()
    client.environment()
    dev = f"{COMPOSER}/{PARENT}/environments/dev"
    packages = f"{dev}?updateMask=config.softwareConfig.pypiPackages"
    run(client, "variables", "set", "stage", "before")
    client.wait(
        client.ok("PATCH", packages, {"config": {"softwareConfig": {"pypiPackages": {"requests": ""}}}}), COMPOSER
    )
    path = client.wait(client.ok("POST", f"{dev}:saveSnapshot", {}), COMPOSER)["response"]["snapshotPath"]
    assert path.startswith("gs://europe-west1-dev-")
    run(client, "variables", "set", "stage", "after")
    client.wait(client.ok("PATCH", packages, {"config": {}}), COMPOSER)
    client.wait(client.ok("POST", f"{dev}:loadSnapshot", {"snapshotPath": path}), COMPOSER)
    assert client.ok("GET", dev)["config"]["softwareConfig"]["pypiPackages"] == {"requests": ""}
    assert run(client, "variables", "get", "stage") == (["before"], 0)
    client.refused(400, "POST", f"{dev}:loadSnapshot", {"snapshotPath": "gs://none/none"})


def test_an_upgrade_check_says_conflict_for_packages_that_the_seed_names(client: Client) -> None:
    client.account()
    client.environment()
    dev = f"{COMPOSER}/{PARENT}/environments/dev"
    body = {"config": {"softwareConfig": {"pypiPackages": {"google-ads": "==21.0.0"}}}}
    client.wait(client.ok("PATCH", f"{dev}?updateMask=config.softwareConfig.pypiPackages", body), COMPOSER)
    image = {"imageVersion": "composer-3-airflow-3"}
    assert _check(client, dev, image) == "NO_CONFLICT"
    control.seed(client.cloud, {"conflictingPackages": ["google-ads"]})
    assert _check(client, dev, image) == "CONFLICT"


def _check(client: Client, dev: str, image: dict[str, str]) -> str:
    done = client.wait(client.ok("POST", f"{dev}:checkUpgrade", image), COMPOSER)
    return done["response"]["containsPypiModulesConflict"]


def test_values_of_workload_secrets_are_never_shown(client: Client) -> None:
    client.account()
    client.environment()
    name = f"{PARENT}/environments/dev/userWorkloadsSecrets/crm"
    value = base64.b64encode(b"hunter2").decode()
    many = f"{COMPOSER}/{PARENT}/environments/dev/userWorkloadsSecrets"
    assert client.ok("POST", many, {"name": name, "data": {"password": value}})["data"] == {"password": "**********"}
    assert client.ok("GET", f"{many}/crm")["data"] == {"password": "**********"}
    client.refused(409, "POST", many, {"name": name})


def test_composer_2_has_no_workload_secrets(client: Client) -> None:
    client.account()
    client.environment(softwareConfig={"imageVersion": "composer-2.13.8-airflow-2.10.5"})
    many = f"{COMPOSER}/{PARENT}/environments/dev/userWorkloadsSecrets"
    client.refused(400, "GET", many)


def test_the_database_moves_only_with_high_resilience(client: Client) -> None:
    client.account()
    client.environment("dev")
    client.environment(
        "prod", resilienceMode="HIGH_RESILIENCE", nodeConfig={"serviceAccount": "runner@acme.iam.gserviceaccount.com"}
    )
    dev, prod = (f"{COMPOSER}/{PARENT}/environments/{name}" for name in ("dev", "prod"))
    client.refused(400, "POST", f"{dev}:databaseFailover", {})
    before = client.ok("GET", f"{prod}:fetchDatabaseProperties")
    client.wait(client.ok("POST", f"{prod}:databaseFailover", {}), COMPOSER)
    after = client.ok("GET", f"{prod}:fetchDatabaseProperties")
    assert after["primaryGceZone"] == before["secondaryGceZone"]


def test_orgpolicies_come_from_the_seed(client: Client) -> None:
    rules = [{"values": {"allowedValues": ["in:eu-locations"]}}]
    control.seed(client.cloud, {"orgPolicies": {"projects/acme": {"gcp.resourceLocations": rules}}})
    base = "https://orgpolicy.googleapis.com/v2/projects/acme/policies"
    assert client.ok("GET", f"{base}/gcp.resourceLocations:getEffectivePolicy")["spec"]["rules"] == rules
    enforced = client.ok("GET", f"{base}/compute.disableSerialPortLogging:getEffectivePolicy")
    assert enforced["spec"]["rules"] == [{"enforce": False}]


def test_policies_are_listed_where_they_are_set() -> None:
    client = Client(Cloud())
    rules = [{"values": {"allowedValues": ["in:eu-locations"]}}]
    custom = {"condition": "resource.config.environmentSize != ''", "actionType": "ALLOW", "methodTypes": ["CREATE"]}
    document = {
        "containers": {"folders/1": {"parent": {"type": "organization", "id": "9"}}, "organizations/9": {}},
        "projects": [{"id": "acme", "number": "123", "apis": "all", "parent": {"type": "folder", "id": "1"}}],
        "orgPolicies": {
            "projects/acme": {"compute.disableSerialPortLogging": [{"enforce": True}]},
            "organizations/9": {"gcp.resourceLocations": rules, "custom.size": [{"enforce": True}]},
        },
        "customConstraints": {"organizations/9": {"custom.size": custom}},
    }
    control.seed(client.cloud, document)
    base = "https://orgpolicy.googleapis.com/v2"
    assert client.ok("GET", f"{base}/projects/123/policies")["policies"] == [
        {"name": "projects/123/policies/compute.disableSerialPortLogging", "spec": {"rules": [{"enforce": True}]}}
    ]
    assert client.ok("GET", f"{base}/folders/1/policies") == {}
    above = client.ok("GET", f"{base}/organizations/9/policies")["policies"]
    assert [item["name"].rpartition("/")[2] for item in above] == ["gcp.resourceLocations", "custom.size"]
    assert client.ok("GET", f"{base}/organizations/9/customConstraints")["customConstraints"] == [
        {**custom, "name": "organizations/9/customConstraints/custom.size"}
    ]
    control.seed(client.cloud, {"settings": {"enforce": True, "caller": "user:nobody@example.com"}})
    for path in ("projects/acme/policies", "folders/1/policies", "organizations/9/customConstraints"):
        client.refused(403, "GET", f"{base}/{path}")
