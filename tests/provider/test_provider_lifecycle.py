"""Every type of the tables lives through a whole life on the emulator: plan, create, read, import, update, delete."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from emulated import PROJECT, REGION, emulated_provider
from provider_fakes import Notes

from envctl.google.operations import OperationStyle
from envctl.google.pauses import NoWait
from envctl.plan.values import Opaque
from envctl.provider.protocol import Live, OperationDetached, ProviderError
from envctl.provider.registry import all_specs
from envctl.provider.schema import known_types
from envctl.provider.session import Session
from envctl.provider.translator import SandboxProvider
from envctl.provider.values import has_unknown
from envctl.sandbox.cloud import Cloud

MEMBER = "group:data@example.com"
RING = f"projects/{PROJECT}/locations/{REGION}/keyRings/ring"
ACCOUNT = f"projects/{PROJECT}/serviceAccounts/composer@{PROJECT}.iam.gserviceaccount.com"
SECRET = f"projects/{PROJECT}/secrets/airflow"


@dataclass(frozen=True)
class Life:
    """Inputs of a resource, what it needs first, and a change in place."""

    inputs: dict[str, Any]
    needs: tuple[str, ...] = ()
    change: dict[str, Any] = field(default_factory=dict)
    imports: str = ""
    stays: bool = False
    """Deleting only forgets it."""
    no_import: bool = False


ENVIRONMENT = {
    "name": "dev",
    "region": REGION,
    "labels": {"team": "data"},
    "storageConfig": {"bucket": "acme-composer-dev"},
    "config": {
        "environmentSize": "ENVIRONMENT_SIZE_SMALL",
        "nodeConfig": {"serviceAccount": f"composer@{PROJECT}.iam.gserviceaccount.com"},
        "softwareConfig": {
            "imageVersion": "composer-3-airflow-2.10.5-build.10",
            "airflowConfigOverrides": {"core-dags_are_paused_at_creation": "True"},
            "envVariables": {"STAGE": "dev"},
        },
        "workloadsConfig": {
            "scheduler": {"count": 1, "cpu": 0.5, "memoryGb": 2, "storageGb": 1},
            "worker": {"minCount": 1, "maxCount": 3, "cpu": 0.5, "memoryGb": 2, "storageGb": 10},
        },
        "maintenanceWindow": {
            "startTime": "2026-01-01T01:00:00Z",
            "endTime": "2026-01-01T07:00:00Z",
            "recurrence": "FREQ=WEEKLY;BYDAY=FR,SA",
        },
        "dataRetentionConfig": {"taskLogsRetentionConfigs": [{"storageMode": "CLOUD_LOGGING_ONLY"}]},
    },
}


def changed_environment() -> dict[str, Any]:
    changed = json.loads(json.dumps(ENVIRONMENT))
    changed["labels"] = {"team": "core"}
    changed["config"]["softwareConfig"]["envVariables"] = {"STAGE": "test"}
    changed["config"]["workloadsConfig"]["scheduler"]["memoryGb"] = 4
    changed["config"]["environmentSize"] = "ENVIRONMENT_SIZE_MEDIUM"
    return changed


LIVES: dict[str, Life] = {
    "gcp:projects/service:Service": Life({"service": "composer.googleapis.com"}, stays=True),
    "gcp:projects/serviceIdentity:ServiceIdentity": Life(
        {"service": "composer.googleapis.com"}, stays=True, no_import=True
    ),
    "gcp:projects/iAMMember:IAMMember": Life(
        {"project": PROJECT, "role": "roles/composer.user", "member": MEMBER},
        imports=f"{PROJECT} roles/composer.user {MEMBER}",
    ),
    "gcp:projects/iAMCustomRole:IAMCustomRole": Life(
        {"roleId": "dagReader", "title": "DAG reader", "permissions": ["storage.objects.get", "storage.objects.list"]},
        change={"title": "Reader of DAGs"},
    ),
    "gcp:serviceaccount/account:Account": Life(
        {"accountId": "composer", "displayName": "Composer"}, change={"displayName": "Composer dev"}
    ),
    "gcp:serviceaccount/iAMMember:IAMMember": Life(
        {"serviceAccountId": ACCOUNT, "role": "roles/iam.serviceAccountUser", "member": MEMBER},
        ("gcp:serviceaccount/account:Account",),
        imports=f"{ACCOUNT} roles/iam.serviceAccountUser {MEMBER}",
    ),
    "gcp:storage/bucket:Bucket": Life(
        {
            "name": "acme-composer-dev",
            "location": "europe-west1",
            "uniformBucketLevelAccess": True,
            "publicAccessPrevention": "enforced",
            "versioning": {"enabled": True},
            "labels": {"team": "data"},
            "lifecycleRules": [{"action": {"type": "Delete"}, "condition": {"age": 30, "withState": "ANY"}}],
            "forceDestroy": True,
        },
        change={"labels": {"team": "core", "cost": "1"}, "lifecycleRules": [], "versioning": {"enabled": False}},
    ),
    "gcp:storage/bucketObject:BucketObject": Life(
        {"bucket": "acme-composer-dev", "name": "dags/a.py", "content": "print(1)\n", "contentType": "text/x-python"},
        ("gcp:storage/bucket:Bucket",),
        change={"content": "print(2)\n"},
        no_import=True,
    ),
    "gcp:storage/bucketIAMMember:BucketIAMMember": Life(
        {"bucket": "acme-composer-dev", "role": "roles/storage.objectAdmin", "member": MEMBER},
        ("gcp:storage/bucket:Bucket",),
        imports=f"b/acme-composer-dev roles/storage.objectAdmin {MEMBER}",
    ),
    "gcp:kms/keyRing:KeyRing": Life({"name": "ring", "location": REGION}, stays=True),
    "gcp:kms/cryptoKey:CryptoKey": Life(
        {"name": "key", "keyRing": RING, "rotationPeriod": "7776000s", "labels": {"team": "data"}},
        ("gcp:kms/keyRing:KeyRing",),
        change={"rotationPeriod": "2592000s", "labels": {"team": "core"}},
        stays=True,
    ),
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": Life(
        {
            "cryptoKeyId": f"{RING}/cryptoKeys/key",
            "role": "roles/cloudkms.cryptoKeyEncrypterDecrypter",
            "member": MEMBER,
        },
        ("gcp:kms/keyRing:KeyRing", "gcp:kms/cryptoKey:CryptoKey"),
        imports=f"{RING}/cryptoKeys/key roles/cloudkms.cryptoKeyEncrypterDecrypter {MEMBER}",
    ),
    "gcp:secretmanager/secret:Secret": Life(
        {"secretId": "airflow", "replication": {"auto": {}}, "labels": {"team": "data"}, "annotations": {"a": "1"}},
        change={"labels": {"team": "core"}, "annotations": {"a": "2"}},
    ),
    "gcp:secretmanager/secretVersion:SecretVersion": Life(
        {"secret": SECRET, "secretData": "hunter2"},
        ("gcp:secretmanager/secret:Secret",),
        {"enabled": False},
        no_import=True,
    ),
    "gcp:secretmanager/secretIamMember:SecretIamMember": Life(
        {"secretId": SECRET, "role": "roles/secretmanager.secretAccessor", "member": MEMBER},
        ("gcp:secretmanager/secret:Secret",),
        imports=f"{SECRET} roles/secretmanager.secretAccessor {MEMBER}",
    ),
    "gcp:artifactregistry/repository:Repository": Life(
        {
            "repositoryId": "py",
            "location": REGION,
            "format": "PYTHON",
            "description": "packages",
            "cleanupPolicies": [{"id": "old", "action": "DELETE", "condition": {"olderThan": "2592000s"}}],
        },
        change={"description": "our packages"},
    ),
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": Life(
        {"repository": "py", "location": REGION, "role": "roles/artifactregistry.reader", "member": MEMBER},
        ("gcp:artifactregistry/repository:Repository",),
        imports=f"projects/{PROJECT}/locations/{REGION}/repositories/py roles/artifactregistry.reader {MEMBER}",
    ),
    "gcp:compute/network:Network": Life(
        {"name": "vpc", "autoCreateSubnetworks": False}, change={"routingMode": "GLOBAL"}
    ),
    "gcp:compute/subnetwork:Subnetwork": Life(
        {
            "name": "nodes",
            "region": REGION,
            "network": f"projects/{PROJECT}/global/networks/vpc",
            "ipCidrRange": "10.10.0.0/20",
            "privateIpGoogleAccess": True,
            "secondaryIpRanges": [
                {"rangeName": "pods", "ipCidrRange": "10.20.0.0/16"},
                {"rangeName": "services", "ipCidrRange": "10.30.0.0/20"},
            ],
        },
        ("gcp:compute/network:Network",),
        {"privateIpGoogleAccess": False, "logConfig": {"flowSampling": 0.5}},
    ),
    "gcp:compute/subnetworkIAMMember:SubnetworkIAMMember": Life(
        {"subnetwork": "nodes", "region": REGION, "role": "roles/compute.networkUser", "member": MEMBER},
        ("gcp:compute/network:Network", "gcp:compute/subnetwork:Subnetwork"),
        imports=f"projects/{PROJECT}/regions/{REGION}/subnetworks/nodes roles/compute.networkUser {MEMBER}",
    ),
    "gcp:compute/firewall:Firewall": Life(
        {
            "name": "allow-internal",
            "network": f"projects/{PROJECT}/global/networks/vpc",
            "allows": [{"protocol": "tcp", "ports": ["443"]}, {"protocol": "icmp"}],
            "sourceRanges": ["10.10.0.0/20"],
        },
        ("gcp:compute/network:Network",),
        {"sourceRanges": ["10.10.0.0/20", "10.20.0.0/16"]},
    ),
    "gcp:compute/router:Router": Life(
        {"name": "router", "region": REGION, "network": f"projects/{PROJECT}/global/networks/vpc"},
        ("gcp:compute/network:Network",),
    ),
    "gcp:compute/routerNat:RouterNat": Life(
        {
            "name": "nat",
            "router": "router",
            "region": REGION,
            "natIpAllocateOption": "AUTO_ONLY",
            "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
            "logConfig": {"enable": True, "filter": "ERRORS_ONLY"},
        },
        ("gcp:compute/network:Network", "gcp:compute/router:Router"),
        {"minPortsPerVm": 128},
    ),
    "gcp:compute/sharedVPCServiceProject:SharedVPCServiceProject": Life(
        {"hostProject": "acme-host", "serviceProject": PROJECT}
    ),
    "gcp:container/cluster:Cluster": Life(
        {
            "name": "tasks",
            "location": REGION,
            "initialNodeCount": 1,
            "removeDefaultNodePool": True,
            "ipAllocationPolicy": {},
            "networkingMode": "VPC_NATIVE",
            "workloadIdentityConfig": {"workloadPool": f"{PROJECT}.svc.id.goog"},
            "releaseChannel": {"channel": "REGULAR"},
            "privateClusterConfig": {"enablePrivateNodes": True, "enablePrivateEndpoint": False},
            "deletionProtection": False,
            "network": f"projects/{PROJECT}/global/networks/vpc",
            "resourceLabels": {"team": "data"},
        },
        ("gcp:compute/network:Network",),
        {"resourceLabels": {"team": "core"}, "releaseChannel": {"channel": "STABLE"}},
    ),
    "gcp:container/nodePool:NodePool": Life(
        {
            "name": "heavy",
            "location": REGION,
            "cluster": "tasks",
            "initialNodeCount": 0,
            "autoscaling": {"totalMinNodeCount": 0, "totalMaxNodeCount": 4, "locationPolicy": "ANY"},
            "management": {"autoRepair": True, "autoUpgrade": True},
            "nodeConfig": {
                "machineType": "e2-standard-8",
                "spot": True,
                "diskSizeGb": 100,
                "labels": {"pool": "heavy"},
                "workloadMetadataConfig": {"mode": "GKE_METADATA"},
                "shieldedInstanceConfig": {"enableSecureBoot": True, "enableIntegrityMonitoring": True},
                "taints": [{"key": "heavy", "value": "true", "effect": "NO_SCHEDULE"}],
            },
        },
        ("gcp:compute/network:Network", "gcp:container/cluster:Cluster"),
        {"autoscaling": {"totalMinNodeCount": 1, "totalMaxNodeCount": 6, "locationPolicy": "ANY"}},
    ),
    "gcp:composer/environment:Environment": Life(
        ENVIRONMENT,
        ("gcp:serviceaccount/account:Account", "gcp:storage/bucket:Bucket"),
        {key: value for key, value in changed_environment().items() if key in {"labels", "config"}},
    ),
    "gcp:composer/userWorkloadsSecret:UserWorkloadsSecret": Life(
        {"name": "crm", "environment": "dev", "region": REGION, "data": {"key": "aHVudGVyMg=="}},
        (
            "gcp:serviceaccount/account:Account",
            "gcp:storage/bucket:Bucket",
            "gcp:composer/environment:Environment",
        ),
        {"data": {"key": "b3RoZXI="}},
        no_import=True,
    ),
    "gcp:composer/userWorkloadsConfigMap:UserWorkloadsConfigMap": Life(
        {"name": "settings", "environment": "dev", "region": REGION, "data": {"mode": "a"}},
        (
            "gcp:serviceaccount/account:Account",
            "gcp:storage/bucket:Bucket",
            "gcp:composer/environment:Environment",
        ),
        {"data": {"mode": "b"}},
    ),
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": Life(
        {"project": PROJECT, "location": "global", "bucketId": "_Default", "retentionDays": 60},
        change={"retentionDays": 90},
        stays=True,
    ),
    "gcp:monitoring/alertPolicy:AlertPolicy": Life(
        {
            "displayName": "Composer dev: environment unhealthy",
            "combiner": "OR",
            "severity": "CRITICAL",
            "conditions": [
                {
                    "displayName": "environment unhealthy",
                    "conditionThreshold": {
                        "filter": 'metric.type = "composer.googleapis.com/environment/healthy"',
                        "comparison": "COMPARISON_GT",
                        "thresholdValue": 0,
                        "duration": "120s",
                        "aggregations": [{"alignmentPeriod": "300s", "perSeriesAligner": "ALIGN_FRACTION_TRUE"}],
                    },
                }
            ],
            "documentation": {"content": "Look.", "mimeType": "text/markdown"},
            "notificationChannels": [],
            "userLabels": {"team": "data"},
        },
        change={"severity": "WARNING", "userLabels": {"team": "core"}},
    ),
    "gcp:monitoring/notificationChannel:NotificationChannel": Life(
        {"displayName": "mail", "type": "email", "labels": {"email_address": "data@example.com"}},
        change={"displayName": "mail to data"},
    ),
}


@pytest.fixture
def emulator() -> Cloud:
    return Cloud()


@pytest.fixture
def sandbox(emulator: Cloud) -> SandboxProvider:
    return emulated_provider(emulator)


def make(provider: SandboxProvider, token: str) -> tuple[Live, Mapping[str, Any]]:
    checked = provider.check("urn", token, {}, LIVES[token].inputs)
    assert checked.failures == ()
    return provider.create("urn", token, checked.inputs, Notes().context(), preview=False), checked.inputs


def prepare(provider: SandboxProvider, token: str) -> None:
    services = "artifactregistry cloudkms cloudresourcemanager composer compute container iam logging monitoring secretmanager storage"
    for name in services.split():
        inputs = {"service": f"{name}.googleapis.com"}
        if f"{token} {name}" != "gcp:projects/service:Service composer":
            provider.create("urn", "gcp:projects/service:Service", inputs, Notes().context(), preview=False)
    if "sharedVPC" in token:
        inputs = {"service": "compute.googleapis.com", "project": "acme-host"}
        provider.create("urn", "gcp:projects/service:Service", inputs, Notes().context(), preview=False)
        session = Session(provider.transport, NoWait(), Notes().context())
        operation = session.send("POST", "compute/compute/v1", "projects/acme-host/enableXpnHost")
        session.wait(OperationStyle.COMPUTE, "compute/compute/v1", operation, "projects/acme-host/global")
    for need in LIVES[token].needs:
        make(provider, need)


@pytest.mark.parametrize("token", LIVES)
def test_a_resource_lives_through_all_calls(sandbox: SandboxProvider, token: str) -> None:
    life, context = LIVES[token], Notes().context()
    prepare(sandbox, token)
    checked = sandbox.check("urn", token, {}, life.inputs)
    assert checked.failures == ()

    planned = sandbox.create("urn", token, checked.inputs, context, preview=True)
    made = sandbox.create("urn", token, checked.inputs, context, preview=False)
    assert made.id
    for name, value in planned.outputs.items():
        if not has_unknown(value):
            assert made.outputs.get(name) == value or name in {"location", "network", "subnetwork", "project"}, name
    assert not sandbox.diff("urn", token, made.id, checked.inputs, made.outputs, checked.inputs).changes

    read = sandbox.read("urn", token, made.id, checked.inputs, made.outputs, context)
    assert read is not None
    assert read.id == made.id
    assert read.inputs == checked.inputs
    assert read.outputs == made.outputs, "a refresh right after a create finds no drift"

    found = sandbox.locate("urn", token, checked.inputs, context)
    assert found is not None
    assert found.id == made.id

    if not life.no_import:
        imported = sandbox.read("urn", token, life.imports or made.id, {}, {}, context)
        assert imported is not None
        assert imported.id == made.id
        again = sandbox.check("urn", token, {}, imported.inputs)
        assert again.failures == ()
        assert not sandbox.diff("urn", token, made.id, again.inputs, imported.outputs, again.inputs).changes
        assert not sandbox.diff("urn", token, made.id, checked.inputs, imported.outputs, checked.inputs).changes

    inputs, live = checked.inputs, made
    if life.change:
        wanted = sandbox.check("urn", token, inputs, {**life.inputs, **life.change}).inputs
        difference = sandbox.diff("urn", token, made.id, inputs, made.outputs, wanted)
        assert difference.changes
        assert difference.replaces == ()
        preview = sandbox.update("urn", token, made.id, inputs, made.outputs, wanted, context, preview=True)
        live = sandbox.update("urn", token, made.id, inputs, made.outputs, wanted, context, preview=False)
        inputs = wanted
        assert preview.outputs.keys() >= set(life.change)
        assert not sandbox.diff("urn", token, live.id, inputs, live.outputs, inputs).changes
        reread = sandbox.read("urn", token, live.id, inputs, live.outputs, context)
        assert reread is not None
        assert not sandbox.diff("urn", token, live.id, inputs, reread.outputs, inputs).changes

    sandbox.delete("urn", token, live.id, inputs, live.outputs, context)
    if not life.stays:
        assert sandbox.read("urn", token, live.id, inputs, live.outputs, context) is None
    sandbox.delete("urn", token, live.id, inputs, live.outputs, context)


def test_every_type_of_the_schema_has_a_table_and_a_life() -> None:
    assert set(known_types()) == set(all_specs()) == set(LIVES)


def test_creating_twice_is_refused_and_leaves_the_first(sandbox: SandboxProvider) -> None:
    token = "gcp:storage/bucket:Bucket"
    prepare(sandbox, token)
    make(sandbox, token)
    with pytest.raises(ProviderError) as caught:
        make(sandbox, token)
    assert caught.value.status == "ALREADY_EXISTS"
    assert caught.value.partial is None


class InterruptingSleeper:
    """Gives up at the first wait."""

    def sleep(self, seconds: float, cancel: threading.Event) -> None:
        cancel.set()


@pytest.mark.parametrize("token", ["gcp:composer/environment:Environment", "gcp:container/cluster:Cluster"])
def test_a_create_that_nobody_awaited_is_found_when_it_is_done(
    sandbox: SandboxProvider, emulator: Cloud, token: str
) -> None:
    prepare(sandbox, token)
    inputs = sandbox.check("urn", token, {}, LIVES[token].inputs).inputs
    impatient = replace(sandbox, sleeper=InterruptingSleeper())
    with pytest.raises(OperationDetached) as caught:
        impatient.create("urn", token, inputs, Notes().context(), preview=False)
    notes = Notes()
    found = sandbox.locate("urn", token, inputs, notes.context())
    assert found is not None
    assert notes.lines[-1][1] == "DONE"
    assert caught.value.partial is not None
    assert found.id == caught.value.partial.id
    creates = [
        item for item in emulator.requests if item["method"].endswith((".environments.create", ".clusters.create"))
    ]
    assert len(creates) == 1


def test_nothing_is_found_where_nothing_was_made(sandbox: SandboxProvider) -> None:
    token = "gcp:composer/environment:Environment"
    prepare(sandbox, token)
    assert sandbox.locate("urn", token, LIVES[token].inputs, Notes().context()) is None


def test_unknown_inputs_are_planned_as_unknown(sandbox: SandboxProvider) -> None:
    token = "gcp:storage/bucketIAMMember:BucketIAMMember"
    inputs = {**LIVES[token].inputs, "bucket": Opaque.UNKNOWN}
    checked = sandbox.check("urn", token, {}, inputs)
    assert checked.failures == ()
    planned = sandbox.create("urn", token, checked.inputs, Notes().context(), preview=True)
    assert planned.outputs["bucket"] is Opaque.UNKNOWN


CLUSTER, POOL = "gcp:container/cluster:Cluster", "gcp:container/nodePool:NodePool"
STORAGE, NET = "gcp:storage/bucket:Bucket", "gcp:compute"

MORE_CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("gcp:serviceaccount/account:Account", {"disabled": True}),
    ("gcp:serviceaccount/account:Account", {"description": "runs the nodes"}),
    (STORAGE, {"cors": [{"origins": ["*"], "methods": ["GET"], "responseHeaders": ["x"], "maxAgeSeconds": 60}]}),
    (STORAGE, {"website": {"mainPageSuffix": "index.html"}}),
    (STORAGE, {"retentionPolicy": {"retentionPeriod": "3600"}, "versioning": {"enabled": False}}),
    (STORAGE, {"softDeletePolicy": {"retentionDurationSeconds": 0}}),
    (STORAGE, {"publicAccessPrevention": "inherited", "uniformBucketLevelAccess": True}),
    (STORAGE, {"requesterPays": True, "defaultEventBasedHold": True, "storageClass": "NEARLINE"}),
    (STORAGE, {"autoclass": {"enabled": True}}),
    (STORAGE, {"encryption": {"defaultKmsKeyName": f"{RING}/cryptoKeys/key"}}),
    ("gcp:compute/firewall:Firewall", {"disabled": True, "priority": 900}),
    ("gcp:compute/firewall:Firewall", {"logConfig": {"metadata": "INCLUDE_ALL_METADATA"}}),
    ("gcp:compute/router:Router", {"bgp": {"asn": 64514}}),
    ("gcp:compute/subnetwork:Subnetwork", {"ipCidrRange": "10.10.0.0/19"}),
    (
        "gcp:compute/subnetwork:Subnetwork",
        {"secondaryIpRanges": [{"rangeName": "pods", "ipCidrRange": "10.20.0.0/16"}]},
    ),
    ("gcp:artifactregistry/repository:Repository", {"cleanupPolicyDryRun": True, "labels": {"team": "data"}}),
    ("gcp:secretmanager/secret:Secret", {"versionDestroyTtl": "86400s"}),
    ("gcp:projects/iAMCustomRole:IAMCustomRole", {"permissions": ["storage.objects.get"], "stage": "BETA"}),
    ("gcp:logging/projectBucketConfig:ProjectBucketConfig", {"description": "kept for the auditors"}),
    ("gcp:monitoring/alertPolicy:AlertPolicy", {"enabled": False, "documentation": {"content": "Look again."}}),
    (CLUSTER, {"loggingConfig": {"enableComponents": ["SYSTEM_COMPONENTS"]}}),
    (CLUSTER, {"monitoringConfig": {"enableComponents": ["SYSTEM_COMPONENTS"]}}),
    (CLUSTER, {"verticalPodAutoscaling": {"enabled": True}}),
    (CLUSTER, {"nodeLocations": [f"{REGION}-b", f"{REGION}-c"]}),
    (CLUSTER, {"enableShieldedNodes": False}),
    (CLUSTER, {"costManagementConfig": {"enabled": True}}),
    (CLUSTER, {"masterAuthorizedNetworksConfig": {"cidrBlocks": [{"cidrBlock": "203.0.113.0/24"}]}}),
    (CLUSTER, {"privateClusterConfig": {"enablePrivateNodes": False, "enablePrivateEndpoint": False}}),
    (POOL, {"management": {"autoRepair": True, "autoUpgrade": False}}),
    (POOL, {"upgradeSettings": {"maxSurge": 2, "maxUnavailable": 0}}),
    (POOL, {"nodeLocations": [f"{REGION}-b"]}),
    (POOL, {"nodeConfig": {**LIVES[POOL].inputs["nodeConfig"], "labels": {"pool": "light"}, "taints": []}}),
    (POOL, {"nodeConfig": {**LIVES[POOL].inputs["nodeConfig"], "machineType": "e2-standard-4"}}),
]


@pytest.mark.parametrize(("token", "change"), MORE_CHANGES, ids=lambda item: str(item)[:60])
def test_fields_change_in_place(sandbox: SandboxProvider, token: str, change: dict[str, Any]) -> None:
    context = Notes().context()
    prepare(sandbox, token)
    made, inputs = make(sandbox, token)
    checked = sandbox.check("urn", token, inputs, {**LIVES[token].inputs, **change})
    assert checked.failures == ()
    difference = sandbox.diff("urn", token, made.id, inputs, made.outputs, checked.inputs)
    assert difference.changes
    assert difference.replaces == ()
    live = sandbox.update("urn", token, made.id, inputs, made.outputs, checked.inputs, context, preview=False)
    assert not sandbox.diff("urn", token, live.id, checked.inputs, live.outputs, checked.inputs).changes
    read = sandbox.read("urn", token, live.id, checked.inputs, live.outputs, context)
    assert read is not None
    assert read.outputs == live.outputs
    assert read.inputs == checked.inputs
