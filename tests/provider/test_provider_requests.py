"""The real provider's requests are the judge: for the recorded stacks the sandbox provider sends the same.

Known deviations, all of them harmless, are taken out by `normalised` or listed in `DEVIATIONS`:

- The real provider repeats reads until it has seen a result three times in a row; equal reads in a row count once here.
- Names of operations and etags are the stub's; changes of compute carry a `requestId` here, so that one may be sent twice.
- The real provider gathers the APIs of one project that are enabled within seconds into one `services:batchEnable`; here
  each is enabled by `services/NAME:enable`, which is what the real one sends for a single API.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from provider_fakes import CountingSleeper, FakeCloud, Notes
from provider_stub import stub_cloud

from envctl.provider.protocol import Live
from envctl.provider.spec import Settings
from envctl.provider.translator import SandboxProvider

RECORDED = [json.loads(line) for line in (Path(__file__).parent / "cases/requests.jsonl").read_text().splitlines()]

ACCOUNT = "projects/p1/serviceAccounts/composer-dev@p1.iam.gserviceaccount.com"


@dataclass(frozen=True)
class Recorded:
    """One resource of a recorded stack: its inputs, and which of the recorded requests are its own."""

    stack: str
    token: str
    inputs: dict[str, Any]
    own: str
    phases: tuple[str, ...] = ("create", "refresh", "destroy")
    update: dict[str, Any] = field(default_factory=dict)


def environment(value: str) -> dict[str, Any]:
    return {
        "name": "env",
        "region": "europe-west1",
        "labels": {"v": value},
        "storageConfig": {"bucket": "b-0"},
        "config": {
            "environmentSize": "ENVIRONMENT_SIZE_SMALL",
            "nodeConfig": {"serviceAccount": "composer-dev@p1.iam.gserviceaccount.com"},
            "softwareConfig": {
                "imageVersion": "composer-3-airflow-2.10.5-build.4",
                "airflowConfigOverrides": {"core-x": value},
                "envVariables": {"AAA": value},
                "pypiPackages": {"a": f"=={value}"},
            },
            "workloadsConfig": {"scheduler": {"count": 1, "cpu": 0.5, "memoryGb": 2, "storageGb": 1}},
        },
    }


def bucket(value: str) -> dict[str, Any]:
    return {"name": "b-0", "location": "EU", "uniformBucketLevelAccess": True, "labels": {"v": value}}


RESOURCES = {
    "account": Recorded(
        "base",
        "gcp:serviceaccount/account:Account",
        {"accountId": "composer-dev", "displayName": "d"},
        r"/iam/v1/projects/p1/serviceAccounts(/[^:]+)?",
    ),
    "account member": Recorded(
        "base",
        "gcp:serviceaccount/iAMMember:IAMMember",
        {"serviceAccountId": ACCOUNT, "role": "roles/iam.serviceAccountUser", "member": "user:a@b.c"},
        r"/iam/v1/projects/p1/serviceAccounts/.+IamPolicy",
    ),
    "project member": Recorded(
        "base",
        "gcp:projects/iAMMember:IAMMember",
        {
            "project": "p1",
            "role": "roles/composer.worker",
            "member": "serviceAccount:composer-dev@p1.iam.gserviceaccount.com",
        },
        r"/crm/v1/projects/p1:.+IamPolicy",
    ),
    "bucket": Recorded(
        "base",
        "gcp:storage/bucket:Bucket",
        bucket("1"),
        r"/storage/storage/v1/b(/b-0(/o)?)?",
        ("create", "update", "refresh", "destroy"),
        bucket("2"),
    ),
    "bucket member": Recorded(
        "base",
        "gcp:storage/bucketIAMMember:BucketIAMMember",
        {
            "bucket": "b-0",
            "role": "roles/storage.objectAdmin",
            "member": "serviceAccount:composer-dev@p1.iam.gserviceaccount.com",
        },
        r"/storage/storage/v1/b/b-0/iam",
    ),
    "environment": Recorded(
        "base",
        "gcp:composer/environment:Environment",
        environment("1"),
        r"/composer/v1beta1/.*",
        ("create", "update", "refresh", "destroy"),
        environment("2"),
    ),
}

_SECRET = "projects/p1/secrets/airflow-variables-x"
_RING = "projects/p1/locations/europe-west1/keyRings/kr"
_REPOSITORIES = r"/artifactregistry/v1/projects/p1/locations/europe-west1/repositories"
_COMPUTE = r"/compute/compute/v1/projects/p1"
_CONTAINER = r"/container/v1beta1/projects/p1/locations/europe-west1/clusters"

RESOURCES |= {
    "key ring": Recorded(
        "base",
        "gcp:kms/keyRing:KeyRing",
        {"name": "kr", "location": "europe-west1"},
        r"/kms/v1/projects/p1/locations/europe-west1/keyRings(/kr)?",
        ("create", "refresh"),
    ),
    "key": Recorded(
        "base",
        "gcp:kms/cryptoKey:CryptoKey",
        {"name": "k", "keyRing": _RING, "rotationPeriod": "7776000s"},
        r"/kms/v1/.+/cryptoKeys(/k(/cryptoKeyVersions(/1:destroy)?)?)?",
    ),
    "key member": Recorded(
        "base",
        "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
        {
            "cryptoKeyId": f"{_RING}/cryptoKeys/k",
            "role": "roles/cloudkms.cryptoKeyEncrypterDecrypter",
            "member": "serviceAccount:service-1234@gs-project-accounts.iam.gserviceaccount.com",
        },
        r"/kms/v1/.+IamPolicy",
    ),
    "secret": Recorded(
        "base",
        "gcp:secretmanager/secret:Secret",
        {"secretId": "airflow-variables-x", "replication": {"auto": {}}},
        r"/secretmanager/v1/projects/p1/secrets(/airflow-variables-x)?",
    ),
    "secret version": Recorded(
        "base",
        "gcp:secretmanager/secretVersion:SecretVersion",
        {"secret": _SECRET, "secretData": "hunter2"},
        r"/secretmanager/v1/projects/p1/secrets/airflow-variables-x(:addVersion|/versions/.+)",
    ),
    "secret member": Recorded(
        "base",
        "gcp:secretmanager/secretIamMember:SecretIamMember",
        {
            "secretId": _SECRET,
            "role": "roles/secretmanager.secretAccessor",
            "member": "serviceAccount:composer-dev@p1.iam.gserviceaccount.com",
        },
        r"/secretmanager/v1/.+IamPolicy",
    ),
    "repository": Recorded(
        "base",
        "gcp:artifactregistry/repository:Repository",
        {"repositoryId": "py", "location": "europe-west1", "format": "PYTHON"},
        rf"{_REPOSITORIES}(/py)?",
    ),
    "service": Recorded(
        "base",
        "gcp:projects/service:Service",
        {"service": "composer.googleapis.com", "disableOnDestroy": False},
        r"/serviceusage/v1/.+|/crm/v1/projects/p1",
        ("create", "refresh"),
    ),
    "network": Recorded(
        "net",
        "gcp:compute/network:Network",
        {"name": "n", "autoCreateSubnetworks": False},
        rf"{_COMPUTE}/global/networks(/n)?",
    ),
    "subnetwork": Recorded(
        "net",
        "gcp:compute/subnetwork:Subnetwork",
        {
            "name": "sn",
            "region": "europe-west1",
            "network": "projects/p1/global/networks/n",
            "ipCidrRange": "10.0.0.0/20",
            "privateIpGoogleAccess": True,
        },
        rf"{_COMPUTE}/regions/europe-west1/subnetworks(/sn)?",
    ),
    "firewall": Recorded(
        "net",
        "gcp:compute/firewall:Firewall",
        {
            "name": "fw",
            "network": "projects/p1/global/networks/n",
            "allows": [{"protocol": "tcp", "ports": ["443"]}],
            "sourceRanges": ["10.0.0.0/8"],
        },
        rf"{_COMPUTE}/global/firewalls(/fw)?",
    ),
    "cluster": Recorded(
        "gke",
        "gcp:container/cluster:Cluster",
        {"name": "c", "location": "europe-west1", "initialNodeCount": 1, "deletionProtection": False},
        rf"{_CONTAINER}(/c)?",
    ),
    "node pool": Recorded(
        "gke",
        "gcp:container/nodePool:NodePool",
        {
            "name": "np",
            "location": "europe-west1",
            "cluster": "c",
            "initialNodeCount": 1,
            "nodeConfig": {"machineType": "e2-standard-4"},
        },
        rf"{_CONTAINER}/c/nodePools(/np)?",
    ),
}

DEVIATIONS: dict[tuple[str, str], dict[str, str]] = {
    ("bucket member", "destroy"): {
        "etag": "the stub of the recording lost the etag of this one policy; the sandbox provider sends the one it read"
    },
    ("key", "create"): {"nextRotationTime": "the moment of the call plus the rotation period"},
}
"""By resource and phase: keys of bodies that are left out of the comparison, each with the reason."""


def normalised(requests: list[dict[str, Any]], dropped: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """Requests without what differs by chance, equal reads in a row as one."""
    result: list[dict[str, Any]] = []
    for item in requests:
        entry = {
            "method": item["method"],
            "path": re.sub(r"/operations/[^/]+$", "/operations/*", item["path"]),
            "query": {key: value for key, value in item["query"].items() if key != "requestId"},
            "body": without(item["body"], dropped),
        }
        if entry["path"].endswith((":batchEnable", ":enable")) and "/services" in entry["path"]:
            entry = {"enable": "composer.googleapis.com" in json.dumps(item)}
        if result and entry == result[-1] and ("GET" in entry.values() or item["path"].endswith(":getIamPolicy")):
            continue
        result.append(entry)
    return result


def without(value: Any, dropped: frozenset[str]) -> Any:
    if isinstance(value, dict):
        kept = {key: without(item, dropped) for key, item in value.items() if key not in dropped}
        return {key: "*" if key == "etag" else item for key, item in kept.items()}
    return [without(item, dropped) for item in value] if isinstance(value, list) else value


def expected(case: Recorded, phase: str) -> list[dict[str, Any]]:
    own = re.compile(case.own)
    return [
        item
        for item in RECORDED
        if item["stack"] == case.stack and item["phase"] == phase and own.fullmatch(item["path"])
    ]


def sent_since(cloud: FakeCloud, start: int, own: str) -> list[dict[str, Any]]:
    return [
        {"method": item.method, "path": item.path, "query": item.query, "body": item.body}
        for item in cloud.sent[start:]
        if re.fullmatch(own, item.path)
    ]


def replay(case: Recorded) -> dict[str, list[dict[str, Any]]]:
    """What the provider sends in each phase."""
    cloud = stub_cloud()
    provider = SandboxProvider(cloud, Settings(project="p1", region="europe-west1"), CountingSleeper())
    context = Notes().context()
    checked = provider.check("urn", case.token, {}, case.inputs)
    assert checked.failures == ()
    seen: dict[str, list[dict[str, Any]]] = {}

    def phase(name: str, start: int) -> None:
        seen[name] = sent_since(cloud, start, case.own)

    start = len(cloud.sent)
    live: Live = provider.create("urn", case.token, checked.inputs, context, preview=False)
    phase("create", start)
    inputs = checked.inputs
    if case.update:
        start = len(cloud.sent)
        wanted = provider.check("urn", case.token, inputs, case.update).inputs
        live = provider.update("urn", case.token, live.id, inputs, live.outputs, wanted, context, preview=False)
        inputs = wanted
        phase("update", start)
    start = len(cloud.sent)
    read = provider.read("urn", case.token, live.id, inputs, live.outputs, context)
    assert read is not None
    phase("refresh", start)
    difference = provider.diff("urn", case.token, read.id, inputs, read.outputs, inputs)
    assert not difference.changes, difference
    start = len(cloud.sent)
    provider.delete("urn", case.token, read.id, inputs, read.outputs, context)
    phase("destroy", start)
    return seen


@pytest.mark.parametrize("name", RESOURCES)
def test_requests_equal_the_real_providers(name: str) -> None:
    case = RESOURCES[name]
    seen = replay(case)
    for phase in case.phases:
        dropped = frozenset(DEVIATIONS.get((name, phase), {}))
        wanted = normalised(expected(case, phase), dropped)
        assert wanted, "the recording has requests of this resource"
        assert normalised(seen[phase], dropped) == wanted, phase


NEVER_SENT = {
    r"/storage/storage/v1/b/b-0/anywhereCaches/": "Anywhere Cache is not used by envctl; the real one lists caches before a delete",
    r"/compute/compute/v1/projects/1234": "the real one looks up the id of a project it has by number; here the id is given",
}


def test_router_and_nat_share_one_resource() -> None:
    cloud = stub_cloud()
    provider = SandboxProvider(cloud, Settings(project="p1", region="europe-west1"), CountingSleeper())
    context = Notes().context()
    router, nat = "gcp:compute/router:Router", "gcp:compute/routerNat:RouterNat"
    router_inputs = {"name": "r", "region": "europe-west1", "network": "projects/p1/global/networks/n"}
    nat_inputs = provider.check(
        "urn",
        nat,
        {},
        {
            "name": "nat",
            "router": "r",
            "region": "europe-west1",
            "natIpAllocateOption": "AUTO_ONLY",
            "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
        },
    ).inputs
    own = rf"{_COMPUTE}/regions/europe-west1/routers(/r)?"
    case = Recorded("net", router, {}, own)

    made = provider.create("urn", router, router_inputs, context, preview=False)
    gate = provider.create("urn", nat, nat_inputs, context, preview=False)
    assert normalised(sent_since(cloud, 0, own)) == normalised(expected(case, "create"))
    assert gate.id == "p1/europe-west1/r/nat"

    start = len(cloud.sent)
    assert provider.read("urn", nat, gate.id, nat_inputs, gate.outputs, context) is not None
    assert not provider.diff("urn", nat, gate.id, nat_inputs, gate.outputs, nat_inputs).changes
    assert normalised(sent_since(cloud, start, own)) == normalised(expected(case, "refresh"))

    start = len(cloud.sent)
    provider.delete("urn", nat, gate.id, nat_inputs, gate.outputs, context)
    provider.delete("urn", router, made.id, router_inputs, made.outputs, context)
    assert normalised(sent_since(cloud, start, own)) == normalised(expected(case, "destroy"))


def test_every_recorded_request_belongs_to_a_case() -> None:
    patterns = [case.own for case in RESOURCES.values()] + [rf"{_COMPUTE}/regions/[^/]+/routers(/r)?", *NEVER_SENT]
    stray = [item["path"] for item in RECORDED if not any(re.fullmatch(text, item["path"]) for text in patterns)]
    assert stray == []
