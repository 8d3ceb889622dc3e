"""Everything that the real Pulumi provider sent for three stacks is answered."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envctl.sandbox import control

if TYPE_CHECKING:
    from sandbox_client import Client

REQUESTS = Path(__file__).parents[1] / "provider" / "cases" / "requests.jsonl"
APIS = [
    "artifactregistry",
    "cloudkms",
    "composer",
    "compute",
    "container",
    "secretmanager",
]


def requests(stack: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in REQUESTS.read_text().splitlines()]
    return [entry for entry in found if entry["stack"] == stack]


class Session:
    """Sends requests as the provider did, with the etags and operation names that this cloud answers."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.etags: dict[str, str] = {}
        self.operations: list[str] = []

    def send(self, entry: dict[str, Any]) -> Any:
        path, body = entry["path"], json.loads(json.dumps(entry["body"]))
        if "/operations/" in path:
            # The stub's operations were done at once; here they are polled to the end.
            return self.finish()
        policy = body.get("policy", body) if isinstance(body, dict) else {}
        resource = re.sub(r"(:[sg]etIamPolicy|/iam)$", "", path)
        if path.endswith(("setIamPolicy", "/iam")) and "etag" in policy:
            policy["etag"] = self.etags[resource]
        query = "&".join(f"{key}={value}" for key, value in entry["query"].items())
        response = self.client.call(entry["method"], f"http://127.0.0.1:9{path}?{query}", body)
        answer = response.json() or {}
        if path.endswith(("IamPolicy", "/iam")) and "etag" in answer:
            self.etags[resource] = answer["etag"]
        if entry["method"] != "GET":
            self.finish()
        return response.status, answer

    def finish(self) -> None:
        cloud = self.client.cloud
        with cloud.exclusive():
            for record in cloud.operations.pending():
                cloud.operations.finish(record["key"])


@pytest.mark.parametrize("stack", ["base", "net", "gke"])
def test_the_requests_of_the_real_provider_are_answered(client: Client, stack: str) -> None:
    project = {"id": "p1", "number": "1234", "apis": APIS}
    requests_before = [
        {
            "method": "POST",
            "url": "https://compute.googleapis.com/compute/v1/projects/p1/global/networks",
            "body": {"name": "default", "autoCreateSubnetworks": True},
        }
    ]
    control.seed(client.cloud, {"projects": [project], "requests": requests_before if stack == "gke" else []})
    # The provider sends nulls, and fields of the beta API.
    client.judges_requests = False
    session = Session(client)
    refused = []
    for entry in requests(stack):
        result = session.send(entry)
        if result is None:
            continue
        status, answer = result
        if status >= 400:
            refused.append(f"{entry['phase']} {entry['method']} {status} {answer['error']['message']}")
    assert refused == EXPECTED_REFUSALS[stack]


CLUSTER = "Not found: projects/p1/locations/europe-west1/clusters/c."
POOL = 'Not found: node pool "np" not found.'

# The provider asks whether a cluster or pool is there before it makes it and after it deleted it; the stub
# answered those reads, a cloud does not.
EXPECTED_REFUSALS: dict[str, list[str]] = {
    "base": [],
    "net": [],
    "gke": [f"{phase} GET 404 {text}" for phase in ("create", "update") for text in (CLUSTER, POOL)],
}
