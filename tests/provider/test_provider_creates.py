"""Creates whose answer, or whose end, nobody saw."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from emulated import PROJECT, REGION, EmulatorTransport, emulated_provider
from provider_fakes import CountingSleeper, Notes, failed
from provider_stub import stub_cloud

from envctl.google.transport import Answer, NoAnswerError
from envctl.provider.protocol import ProviderError
from envctl.provider.spec import Settings
from envctl.provider.translator import SandboxProvider
from envctl.sandbox.cloud import Cloud

NETWORK = "gcp:compute/network:Network"
NETWORKS = f"projects/{PROJECT}/global/networks"
POLICY = {"displayName": "late", "combiner": "OR", "conditions": [{"displayName": "c"}]}


class Disturbed(EmulatorTransport):
    """Loses the answer to the first POST of a path, after it took effect."""

    def __init__(self, cloud: Cloud, path: str) -> None:
        super().__init__(cloud)
        self.path = path

    def call(self, method: str, service: str, path: str, query: Any = None, body: Any = None) -> Answer:
        answer = super().call(method, service, path, query, body)
        if method == "POST" and self.path and path.endswith(self.path):
            self.path = ""
            raise NoAnswerError("cut off", sent=True)
        return answer


def emulator() -> Cloud:
    cloud = Cloud()
    settings = {"settings": {"apisOn": True}}
    from envctl.sandbox import control
    from envctl.sandbox.messages import Request

    assert control.handle(cloud, Request.to("POST", "http://localhost/_control/seed", body=settings)).status == 200
    return cloud


def test_compute_carries_out_one_change_for_one_request_id() -> None:
    transport = EmulatorTransport(emulator())
    query, body = {"requestId": str(uuid.uuid4())}, {"name": "n", "autoCreateSubnetworks": False}
    first = transport.call("POST", "compute/compute/v1", NETWORKS, query, body)
    again = transport.call("POST", "compute/compute/v1", NETWORKS, query, body)
    assert (first.status, again.status) == (200, 200)
    assert first.body["name"] == again.body["name"]
    other = transport.call("POST", "compute/compute/v1", NETWORKS, {"requestId": str(uuid.uuid4())}, body)
    assert other.body.get("name") != first.body["name"]


def test_a_network_that_is_still_being_made_is_found() -> None:
    cloud = emulator()
    transport = EmulatorTransport(cloud)
    transport.call("POST", "compute/compute/v1", NETWORKS, None, {"name": "n", "autoCreateSubnetworks": False})
    assert transport.call("GET", "compute/compute/v1", f"{NETWORKS}/n").status == 404
    inputs = {"name": "n", "autoCreateSubnetworks": False}
    live = emulated_provider(cloud).locate("urn", NETWORK, inputs, Notes().context())
    assert live is not None
    assert live.id == f"{NETWORKS}/n"


@pytest.mark.parametrize(
    ("type_", "path", "inputs"),
    [
        (NETWORK, "/networks", {"name": "n", "autoCreateSubnetworks": False}),
        ("gcp:serviceaccount/account:Account", "/serviceAccounts", {"accountId": "composer-dev"}),
        ("gcp:secretmanager/secret:Secret", "/secrets", {"secretId": "s", "replication": {"auto": {}}}),
        ("gcp:storage/bucket:Bucket", "b", {"name": "acme-b", "location": "EU"}),
        ("gcp:monitoring/alertPolicy:AlertPolicy", "/alertPolicies", POLICY),
    ],
)
def test_what_was_made_by_a_lost_call_is_taken_and_not_made_again(type_: str, path: str, inputs: Any) -> None:
    cloud = emulator()
    provider = SandboxProvider(Disturbed(cloud, path), Settings(project=PROJECT, region=REGION), CountingSleeper())
    live = provider.create("urn", type_, inputs, Notes().context(), preview=False)
    assert live.id
    posts = [item for item in cloud.requests if item["verb"] == "POST" and item["path"].endswith(path)]
    assert len(posts) == 1


def test_what_is_there_already_is_somebody_elses() -> None:
    cloud = emulator()
    inputs = {"name": "n", "autoCreateSubnetworks": False}
    emulated_provider(cloud).create("urn", NETWORK, inputs, Notes().context(), preview=False)
    with pytest.raises(ProviderError) as caught:
        emulated_provider(cloud).create("urn", NETWORK, inputs, Notes().context(), preview=False)
    assert (caught.value.status, caught.value.partial) == ("ALREADY_EXISTS", None)


@pytest.mark.parametrize("times", [1, 100])
def test_what_was_made_and_cannot_be_read_back_is_not_lost(times: int) -> None:
    cloud = stub_cloud()
    denied = [failed(403, "PERMISSION_DENIED", "no")] * times

    def rule(sent: Any) -> Answer | None:
        made = any(item.method == "POST" for item in cloud.sent)
        return denied.pop() if made and denied and sent.method == "GET" else None

    cloud.rules.insert(0, rule)
    provider = SandboxProvider(cloud, Settings(project="p1", region="europe-west1"), CountingSleeper())
    with pytest.raises(ProviderError) as caught:
        provider.create("urn", NETWORK, {"name": "n"}, Notes().context(), preview=False)
    assert caught.value.partial is not None
    assert caught.value.partial.id == "projects/p1/global/networks/n"
