"""Bodies that no API takes, and requests that nobody would send: refused, never a crash."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from discovery_judge import document_name, judge
from discovery_tables import DATA, build_requests
from sandbox_client import PARENT, START, Client

from envctl.sandbox import control, payloads
from envctl.sandbox.clock import Clock
from envctl.sandbox.cloud import Cloud
from envctl.sandbox.failures import ApiError
from envctl.sandbox.messages import Request
from envctl.sandbox.parameters import honoured

CREATE = "composer.projects.locations.environments.create"
ENVIRONMENTS = f"https://composer.googleapis.com/v1/{PARENT}/environments"
SERVICES = Path(payloads.__file__).parent / "services"
TABLES = payloads._table()["documents"]


def test_the_shipped_request_messages_are_those_of_the_documents() -> None:
    assert json.loads((DATA / "requests.json").read_text()) == build_requests()


def check(body: Any) -> Any:
    return payloads.checked("composer", "v1", CREATE, body, keeps_nulls=False)


def test_names_and_numbers_get_their_usual_form() -> None:
    body = {
        "name": "n",
        "config": {
            "node_config": {"service_account": "x", "network": None},
            "workloadsConfig": {"worker": {"min_count": "2", "cpu": "0.5"}},
            "softwareConfig": {"envVariables": {"some_name": "v"}},
        },
    }
    assert check(body) == {
        "name": "n",
        "config": {
            "nodeConfig": {"serviceAccount": "x"},
            "workloadsConfig": {"worker": {"minCount": 2, "cpu": 0.5}},
            "softwareConfig": {"envVariables": {"some_name": "v"}},
        },
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"colour": 1}, 'Invalid JSON payload received. Unknown name "colour": Cannot find field.'),
        (
            {"config": {"colour": 1}},
            "Invalid JSON payload received. Unknown name \"colour\" at 'config': Cannot find field.",
        ),
        ({"config": "x"}, "Invalid value at 'config' (TYPE_MESSAGE), \"x\""),
        ({"labels": ["x"]}, "Invalid value at 'labels' (TYPE_MAP), [\"x\"]"),
        ({"labels": {"a": 1}}, "Invalid value at 'labels.a' (TYPE_STRING), 1"),
        (
            {"config": {"workloadsConfig": {"scheduler": {"count": "many"}}}},
            "Invalid value at 'config.workloadsConfig.scheduler.count' (TYPE_INT32), \"many\"",
        ),
    ],
)
def test_what_the_message_does_not_have_is_refused(body: Any, message: str) -> None:
    with pytest.raises(ApiError) as refused:
        check(body)
    assert refused.value.message == message
    assert refused.value.http == 400


def test_storage_and_compute_refuse_what_they_do_not_know_unless_it_is_empty(client: Client) -> None:
    client.judges_requests = False
    url = "https://storage.googleapis.com/storage/v1/b?project=acme"
    refused = client.refused(400, "POST", url, {"name": "acme-one", "website": {"colour": 1}})
    assert refused["message"] == (
        "Invalid JSON payload received. Unknown name \"colour\" at 'website': Cannot find field."
    )
    client.ok("POST", url, {"name": "acme-one", "colour": [], "website": {"colour": None}})
    assert "colour" not in client.ok("GET", "https://storage.googleapis.com/storage/v1/b/acme-one")


@pytest.mark.parametrize("content", [b"{", b"[]", b'"x"', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(composer: Client, content: bytes) -> None:
    error = composer.refused(400, "POST", ENVIRONMENTS, content=content)
    assert error["message"].startswith("Invalid JSON payload received.")


class Monkey:
    """Makes requests that fit the documents more or less."""

    WORDS = (
        *("", "x", "a-b", "projects/acme/x", "10s", "5", "n", "europe-west1", "gs://x", "user:a@b.c", "roles/x"),
        *("ENCRYPT_DECRYPT", "10.0.0.0/8", "global/networks/n"),
    )
    NAMES = ("n", "x", "c", "a-b", "runner", "dev", "1", "r", "k")

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def value(self, document: str, kind: str, depth: int = 0) -> Any:
        if self.dice.random() < 0.03:
            return self.dice.choice([None, True, 0, -1, 3.5, "", "x", [], ["x"], {}, {"a": 1}])
        match kind[0]:
            case "$":
                fields = TABLES[document]["messages"][kind[1:]]
                count = 0 if depth > 4 else self.dice.randint(0, min(4, len(fields)))
                names = self.dice.sample(sorted(fields), count)
                return {name: self.value(document, fields[name], depth + 1) for name in names}
            case "[":
                return [self.value(document, kind[1:], depth + 1) for _ in range(self.dice.randint(0, 2))]
            case "{":
                return {self.dice.choice("abc"): self.value(document, kind[1:], depth + 1)}
            case "i" | "u" | "l" | "L":
                return self.dice.choice([self.dice.randint(-1, 5), 2**31 - 1, 2**31, 2**63 - 1, 2**63, 2**64, 2**70])
            case "=":
                return self.dice.choice(kind[1:].split("|"))
            case "D":
                return self.dice.choice(["3600s", "86400s", "0.5s", "99999999999999s"])
            case "T":
                return "2026-12-01T00:00:00Z"
            case "n":
                return 1.5
            case "b":
                return self.dice.random() < 0.5
            case _:
                return self.dice.choice(self.WORDS)

    def request(self, cloud: Cloud) -> Request:
        service = self.dice.choice(cloud.router.services)
        route = self.dice.choice(service.routes)
        fitting = [base for base, version in service.bases.items() if not route.versions or version in route.versions]

        def fill(match: re.Match[str]) -> str:
            fixed = {"project": "acme", "location": "europe-west1", "region": "europe-west1"}
            return fixed.get(match[1]) or self.dice.choice(self.NAMES)

        path = re.sub(r"\{(\w+)\}", fill, route.template)
        base = self.dice.choice(fitting)
        document = document_name(service.name, service.bases[base])
        message, parameters = TABLES[document]["methods"].get(route.method, ("", {}))
        query = {name: self.text(name, kind) for name, kind in parameters.items() if self.wanted(route.method, name)}
        if self.dice.random() < 0.02:
            query["colour"] = "blue"
        body = self.value(document, "$" + message) if message else None
        return Request.to(route.verb, f"https://{service.hosts[0]}/{base}/{path}?{urlencode(query)}", body=body)

    def wanted(self, method: str, name: str) -> bool:
        if name in {"project", "secretId", "keyRingId", "cryptoKeyId", "repositoryId", "bucketId"}:
            return True
        return self.dice.random() < (0.25 if name in honoured(method) else 0.01)

    def text(self, name: str, kind: str) -> str:
        if name == "project":
            return "acme"
        match kind.removeprefix("[")[0]:
            case "i" | "u" | "l" | "L":
                return str(self.dice.choice([0, 1, 3, 2**31, -1]))
            case "b":
                return self.dice.choice(["true", "false", "x"])
            case "=":
                return self.dice.choice(kind.removeprefix("[")[1:].split("|"))
            case _:
                return self.dice.choice(self.NAMES + self.WORDS)


@pytest.mark.parametrize("seed", range(4))
def test_no_request_crashes_the_emulator_or_gets_an_answer_that_is_not_valid(cloud: Cloud, seed: int) -> None:
    control.seed(cloud, {"projects": [{"id": "acme", "apis": "all"}]})
    monkey = Monkey(seed)
    succeeded = 0
    for _ in range(1500):
        request = monkey.request(cloud)
        response = cloud.handle(request)
        assert judge(cloud, request, response, requests=False) == []
        succeeded += response.status < 300
    assert succeeded > 100


@pytest.mark.parametrize("seed", range(2))
def test_whatever_was_asked_the_file_holds_what_memory_holds(tmp_path: Path, seed: int) -> None:
    first = Cloud(tmp_path / "sandbox.json", Clock(START))
    control.seed(first, {"projects": [{"id": "acme", "apis": "all"}]})
    monkey = Monkey(100 + seed)
    for _ in range(800):
        first.handle(monkey.request(first))
    control.advance(first, 7200)
    second = Cloud(tmp_path / "sandbox.json")
    with second.exclusive():
        assert second.backend.store.dump() == first.backend.store.dump()


WITHOUT_EFFECT = {
    "LoadSnapshotRequest.skipGcsDataCopying": "snapshots hold no files of the bucket",
    "StopAirflowCommandRequest.force": "every command has ended when it can be stopped",
    "QueryTestablePermissionsRequest.fullResourceName": "all resources can be tested for the same permissions",
    "DisableServiceRequest.checkIfServiceHasUsage": "the sandbox counts no usage",
    "DisableServiceRequest.disableDependentServices": "the sandbox knows of no API that needs another",
    "EncryptRequest.additionalAuthenticatedDataCrc32c": "read, under a name that is put together",
    "DecryptRequest.additionalAuthenticatedDataCrc32c": "read, under a name that is put together",
    "UpdateCryptoKeyPrimaryVersionRequest.cryptoKeyVersionId": "read, in single quotes",
    "RegionSetPolicyRequest.bindings": "read as the policy itself",
    "RegionSetPolicyRequest.etag": "read as the policy itself",
    "CreateClusterRequest.parent": "the path says it",
    "CreateNodePoolRequest.parent": "the path says it",
}
REFUSED_BY_NAME = {"UpdateNodePoolRequest", "ClusterUpdate"}


@pytest.mark.parametrize("document", sorted(TABLES))
def test_every_field_of_a_request_is_read_or_without_effect_for_a_reason(document: str) -> None:
    service = document.partition(".")[0]
    sources = "".join(path.read_text() for path in SERVICES.glob(f"{service}*.py"))
    silent = []
    for message, _ in TABLES[document]["methods"].values():
        if not message.endswith("Request") or message in REFUSED_BY_NAME:
            continue
        fields = TABLES[document]["messages"][message]
        silent += [f"{message}.{field}" for field in fields if f'"{field}"' not in sources]
    assert set(silent) - set(WITHOUT_EFFECT) == set()


def test_an_update_that_the_sandbox_does_not_know_is_refused_by_name(client: Client) -> None:
    control.seed(client.cloud, {"projects": [{"id": "acme", "apis": "all"}]})
    clusters = f"https://container.googleapis.com/v1/{PARENT}/clusters"
    client.ok("POST", clusters, {"cluster": {"name": "c", "initialNodeCount": 1}})
    control.advance(client.cloud, 3600)
    pool = f"{clusters}/c/nodePools/default-pool"
    assert "node pool update 'fastSocket'" in client.refused(501, "PUT", pool, {"fastSocket": {}})["message"]
    update = {"update": {"desiredMeshCertificates": {"enableCertificates": True}}}
    assert "desiredMeshCertificates" in client.refused(501, "PUT", f"{clusters}/c", update)["message"]
