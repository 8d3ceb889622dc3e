"""How many calls live facts cost, where everything that costs some comes together, and everything exists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from doctor_patients import GEN2, GEN3, ME, environment

from envctl.actions.clouds import InProcessTransport
from envctl.doctor.examine import examine
from envctl.doctor.facts import Absent, Facts, Known, Subject, Unreadable
from envctl.doctor.intake import make_case
from envctl.doctor.live import collect_facts
from envctl.doctor.model import Finding, Status
from envctl.doctor.org_policy import constraint_answer, custom_constraints, listed_policy
from envctl.google.transport import Answer, Transport
from envctl.iam_roles import load_operations
from envctl.sandbox import control
from envctl.sandbox.cloud import Cloud
from envctl.sandbox.messages import Request
from envctl.spec.model import Environment, Integration

MOST_CALLS = 40
REGION = "europe-west1"
KEY_RING = f"projects/keys-prj/locations/{REGION}/keyRings/r"
ACCOUNT = "composer-prod@acme-data.iam.gserviceaccount.com"
HEAVY: Mapping[str, Any] = {
    "project": "acme-data",
    "region": REGION,
    "serviceAccount": {"name": "composer-prod"},
    "access": {"users": ["group:analysts@example.com"], "dagAuthors": ["group:data@example.com"]},
    "network": {"mode": "private", "hostProject": "acme-net", "network": "shared", "subnetwork": "eu"},
    "encryption": {"key": {"name": f"{KEY_RING}/cryptoKeys/k"}},
    "integrations": [item.value for item in Integration],
    "buckets": {"environment": {"name": "acme-composer"}, "staging": {"name": "acme-staging"}},
    "secrets": {"backend": "secret-manager"},
    "snapshots": {"schedule": "0 3 * * *", "location": "gs://acme-snapshots/x"},
    "packages": {
        "index": {"repository": f"projects/packages-prj/locations/{REGION}/repositories/py"},
        "inline": {"rich": ""},
    },
    "nodePools": {"heavy": {"machineType": "e2-standard-8"}},
}
EU = [{"values": {"allowedValues": ["in:eu-locations"]}}]
CUSTOM = {
    "actionType": "DENY",
    "condition": "resource.config.environmentSize == 'ENVIRONMENT_SIZE_SMALL'",
    "methodTypes": ["CREATE"],
    "resourceTypes": ["composer.googleapis.com/Environment"],
}


class Counting:
    """Counts the calls that go through it."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.calls: list[str] = []

    def call(
        self, method: str, service: str, path: str, query: Mapping[str, str] | None = None, body: Any | None = None
    ) -> Answer:
        self.calls.append(f"{method} {service}/{path}")
        return self.transport.call(method, service, path, query, body)


def heavy_cloud(*, exists: bool = False, **more: Any) -> Cloud:
    """Four projects in two folders, every object of the file, a deny policy, a custom role, organization policies."""
    cloud = Cloud()
    folders = {"acme-net": "2", "keys-prj": "2"}
    numbers = {"acme-data": "123", "acme-net": "456", "keys-prj": "321", "packages-prj": "789"}
    organization = {"parent": {"type": "organization", "id": "9"}}
    control.seed(
        cloud,
        {
            "settings": {"enforce": False, "caller": ME},
            "containers": {"folders/1": organization, "folders/2": organization, "organizations/9": {}},
            "projects": [
                {
                    "id": name,
                    "number": number,
                    "apis": "all",
                    "parent": {"type": "folder", "id": folders.get(name, "1")},
                }
                for name, number in numbers.items()
            ],
            "orgPolicies": {
                "organizations/9": {"gcp.resourceLocations": EU},
                "folders/1": {"compute.disableSerialPortLogging": [{"enforce": True}]},
            },
            "requests": [
                {"method": verb, "url": f"https://{url}", "body": body}
                for verb, url, body in (
                    (
                        "POST",
                        "iam.googleapis.com/v1/projects/acme-data/serviceAccounts",
                        {"accountId": "composer-prod"},
                    ),
                    ("POST", f"cloudkms.googleapis.com/v1/{KEY_RING.removesuffix('/r')}?keyRingId=r", {}),
                    (
                        "POST",
                        f"cloudkms.googleapis.com/v1/{KEY_RING}/cryptoKeys?cryptoKeyId=k",
                        {"purpose": "ENCRYPT_DECRYPT"},
                    ),
                    *(
                        (
                            "POST",
                            "storage.googleapis.com/storage/v1/b?project=acme-data",
                            {"name": name, "location": REGION},
                        )
                        for name in ("acme-composer", "acme-snapshots")
                    ),
                    (
                        "POST",
                        f"artifactregistry.googleapis.com/v1/projects/packages-prj/locations/{REGION}/repositories?repositoryId=py",
                        {"format": "PYTHON"},
                    ),
                    (
                        "POST",
                        "compute.googleapis.com/compute/v1/projects/acme-net/global/networks",
                        {"name": "shared", "autoCreateSubnetworks": False},
                    ),
                )
            ],
        },
    )
    control.advance(cloud, 600)
    later: tuple[tuple[str, str, Any], ...] = (
        (
            "POST",
            f"compute.googleapis.com/compute/v1/projects/acme-net/regions/{REGION}/subnetworks",
            {"name": "eu", "network": "projects/acme-net/global/networks/shared", "ipCidrRange": "10.0.0.0/20"},
        ),
        (
            "POST",
            "iam.googleapis.com/v1/projects/acme-data/roles",
            {"roleId": "runner", "role": {"title": "Runner", "includedPermissions": ["storage.objects.list"]}},
        ),
        (
            "POST",
            "iam.googleapis.com/v2/policies/cloudresourcemanager.googleapis.com%2Fprojects%2Facme-data/denypolicies?policyId=d",
            {
                "rules": [
                    {
                        "denyRule": {
                            "deniedPrincipals": ["principalSet://goog/public:all"],
                            "deniedPermissions": ["storage.googleapis.com/buckets.delete"],
                        }
                    }
                ]
            },
        ),
    )
    for verb, url, body in later:
        response = cloud.handle(Request.to(verb, f"https://{url}", body=body))
        assert response.status == 200, response.body
    place = "//cloudresourcemanager.googleapis.com/projects/acme-data"
    binding = {"role": "projects/acme-data/roles/runner", "members": [f"serviceAccount:{ACCOUNT}"]}
    control.seed(cloud, {"policies": {place: {"bindings": [binding]}}, **more})
    if exists:
        url = f"https://composer.googleapis.com/v1/projects/acme-data/locations/{REGION}/environments"
        config = {
            "softwareConfig": {"imageVersion": GEN3},
            "nodeConfig": {"serviceAccount": ACCOUNT},
            "encryptionConfig": {"kmsKeyName": f"{KEY_RING}/cryptoKeys/k"},
        }
        name = f"projects/acme-data/locations/{REGION}/environments/prod"
        body = {"name": name, "storageConfig": {"bucket": "acme-composer"}, "config": config}
        response = cloud.handle(Request.to("POST", url, body=body))
        assert response.status == 200, response.body
        control.advance(cloud, 3600)
    control.advance(cloud, 600)
    return cloud


def heavy(generation: int, **blocks: Any) -> Environment:
    return environment(HEAVY, imageVersion=GEN2 if generation == 2 else GEN3, **blocks)


def look(cloud: Cloud, spec: Environment, *operations: str) -> tuple[list[str], Facts, tuple[Finding, ...]]:
    transport = Counting(InProcessTransport(cloud))
    facts = collect_facts(make_case("prod", spec, None, operations), transport, ME)
    return transport.calls, facts, examine(make_case("prod", spec, None, operations, facts))


@pytest.mark.parametrize("generation", [2, 3])
@pytest.mark.parametrize(
    "operations",
    [
        ("create",),
        ("update",),
        ("packages",),
        ("upgrade",),
        ("delete",),
        ("update", "packages", "upgrade"),  # the most that a plain `envctl doctor` looks at
    ],
    ids="+".join,
)
def test_the_heaviest_environment_keeps_to_the_number_of_calls(generation: int, operations: tuple[str, ...]) -> None:
    cloud = heavy_cloud(exists=operations != ("create",))
    calls, facts, found = look(cloud, heavy(generation), *operations)
    assert len(calls) <= MOST_CALLS, "\n".join(sorted(calls))
    assert len(calls) == len(set(calls))
    assert any("/roles/runner" in call for call in calls)
    assert any(call.endswith("/denypolicies/d") for call in calls)
    unread = {key: answer for key, answer in facts.answers.items() if isinstance(answer, Unreadable)}
    assert not unread
    assert not [item for item in found if any("not in the facts" in text for text in item.evidence)]


@pytest.mark.parametrize("generation", [2, 3])
def test_what_every_operation_asks_for_is_little_more(generation: int) -> None:
    """What `--collect` and `--error` read."""
    calls, _, found = look(heavy_cloud(exists=True), heavy(generation), *load_operations())
    assert len(calls) <= MOST_CALLS + 4, "\n".join(sorted(calls))
    assert not [item for item in found if any("not in the facts" in text for text in item.evidence)]


def test_policies_that_merge_are_asked_for_one_by_one() -> None:
    merged = [
        {"values": {"allowedValues": ["in:us-locations"]}, "condition": {"expression": "resource.matchTag('a/b')"}}
    ]
    calls, facts, _ = look(
        heavy_cloud(orgPolicies={"projects/acme-data": {"gcp.resourceLocations": merged}}), heavy(2), "create"
    )
    asked = [call for call in calls if "getEffectivePolicy" in call]
    assert [call.rpartition("/")[2] for call in asked if "/projects/acme-data/" in call] == [
        "gcp.resourceLocations:getEffectivePolicy"
    ]
    assert isinstance(constraint_answer(facts, "acme-data", "gcp.resourceLocations"), Known)


def test_the_nearest_policy_decides() -> None:
    cloud = heavy_cloud(orgPolicies={"projects/acme-data": {"compute.disableSerialPortLogging": [{"enforce": False}]}})
    _, facts, found = look(cloud, heavy(2), "create")
    status = {item.id: item.status for item in found}
    assert status["constraint.compute.disableSerialPortLogging"] is Status.OK
    assert status["constraint.gcp.resourceLocations"] is Status.FAILED
    _, _, found = look(heavy_cloud(), heavy(2), "create")
    status = {item.id: item.status for item in found}
    assert status["constraint.compute.disableSerialPortLogging"] is Status.FAILED
    assert constraint_answer(facts, "acme-data", "iam.disableServiceAccountCreation") == Absent()


def test_lists_agree_with_effective_policies() -> None:
    cloud = heavy_cloud()
    denied = {"kind": "deny", "permission": "orgpolicy.policies.list", "principal": ME}
    _, lists, by_lists = look(cloud, heavy(2), "create")
    control.seed(cloud, {"faults": [denied]})
    calls, facts, one_by_one = look(cloud, heavy(2), "create")
    assert sum("getEffectivePolicy" in call for call in calls) > 8
    first = {item.id: item.status for item in by_lists if item.id.startswith("constraint.")}
    second = {item.id: item.status for item in one_by_one if item.id.startswith("constraint.")}
    del lists, facts
    needless = {name for name, status in second.items() if status is Status.SKIPPED}
    open_now = {name for name, status in second.items() if status is Status.UNKNOWN}
    assert open_now == set()
    assert {name: status for name, status in first.items() if name not in needless} == {
        name: status for name, status in second.items() if name not in needless
    }


@pytest.mark.parametrize("enforced", [True, False])
def test_custom_constraints_are_read_where_a_policy_enforces_one(enforced: bool) -> None:
    policy = {"organizations/9": {"custom.size": [{"enforce": enforced}]}}
    document = {"organizations/9": {"custom.size": CUSTOM, "custom.other": {**CUSTOM, "condition": "true"}}}
    cloud = heavy_cloud(orgPolicies=policy, customConstraints=document)
    calls, facts, found = look(cloud, heavy(3, size="small"), "create")
    assert len(calls) <= MOST_CALLS
    assert [call for call in calls if "customConstraints" in call] == [
        "GET orgpolicy/v2/organizations/9/customConstraints"
    ]
    (finding,) = [item for item in found if item.id == "constraint.custom"]
    assert finding.status is (Status.FAILED if enforced else Status.SKIPPED)
    assert ("custom.size" in finding.why) is enforced
    assert isinstance(custom_constraints(facts, "acme-data"), Known)


def test_custom_constraints_that_may_not_be_read_name_the_permission() -> None:
    cloud = heavy_cloud(
        orgPolicies={"organizations/9": {"custom.size": [{"enforce": True}]}},
        faults=[{"kind": "deny", "permission": "orgpolicy.customConstraints.list", "principal": ME}],
    )
    _, _, found = look(cloud, heavy(3), "create")
    (finding,) = [item for item in found if item.id == "constraint.custom"]
    assert finding.status is Status.UNKNOWN
    assert finding.evidence[0].endswith("reading it needs orgpolicy.customConstraints.list")


def test_custom_constraints_on_other_resources_do_not_concern_an_environment() -> None:
    policy = {"organizations/9": {"custom.size": [{"enforce": True}]}}
    document = {"organizations/9": {"custom.size": {**CUSTOM, "resourceTypes": ["compute.googleapis.com/Instance"]}}}
    _, _, found = look(heavy_cloud(orgPolicies=policy, customConstraints=document), heavy(3), "create")
    assert {item.status for item in found if item.id == "constraint.custom"} == {Status.SKIPPED}


def test_an_api_that_is_off_is_asked_once() -> None:
    cloud = heavy_cloud()
    service = "https://serviceusage.googleapis.com/v1/projects/acme-data/services/orgpolicy.googleapis.com:disable"
    assert cloud.handle(Request.to("POST", service, body={})).status == 200
    control.advance(cloud, 600)
    calls, _, found = look(cloud, heavy(2), "create")
    assert len([call for call in calls if "orgpolicy/v2/projects/acme-data" in call]) == 1
    (finding,) = [item for item in found if item.id == "constraint.gcp.resourceLocations"]
    assert finding.status is Status.UNKNOWN
    assert "orgpolicy.googleapis.com is off" in finding.evidence[0]
    assert finding.evidence[0].endswith("orgpolicy.policy.get")


def test_what_does_not_exist_costs_no_second_call() -> None:
    fresh = environment(
        imageVersion=GEN2, buckets={"environment": {"name": "none-yet"}}, encryption={"key": {"create": True}}
    )
    cloud = Cloud()
    control.seed(
        cloud,
        {
            "settings": {"enforce": False, "caller": ME},
            "projects": [{"id": "acme-data", "number": "123", "apis": "all"}],
        },
    )
    calls, facts, found = look(cloud, fresh, "create")
    assert facts.ask(Subject.BUCKET, "none-yet") == Absent()
    assert not [call for call in calls if "none-yet/iam" in call or ("serviceAccounts/" in call and ":" in call)]
    assert {item.status for item in found if item.id == "env.sa-exists"} == {Status.SKIPPED}


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ([], Absent()),
        ([{"name": "projects/1/policies/a.b", "spec": {"rules": [{"enforce": True}]}}], "known"),
        ([{"name": "projects/1/policies/a.b", "dryRunSpec": {"rules": [{"enforce": True}]}}], Absent()),
        ([{"name": "projects/1/policies/a.b", "spec": {"reset": True}}], None),
        ([{"name": "projects/1/policies/a.b", "spec": {"inheritFromParent": True, "rules": []}}], None),
        ([{"name": "projects/1/policies/a.b", "spec": {"rules": [{"enforce": True, "condition": {}}, {"condition": {"x": 1}}]}}], None),
        ([{"name": "projects/1/policies/a.b", "spec": []}], None),
        ([None], None),
        ([{"name": 3}], None),
        ({"policies": []}, None),
    ],
)  # fmt: skip
def test_a_list_decides_only_where_it_makes_sense_and_stands_alone(policies: Any, expected: Any) -> None:
    place = "//cloudresourcemanager.googleapis.com/projects/p"
    facts = Facts(
        {(Subject.PROJECT, "p"): Known({"ancestors": []}), (Subject.SET_CONSTRAINTS, place): Known(policies)},
        make_case("x", environment(), None).now,
        "t",
    )
    found = listed_policy(facts, "p", "a.b")
    assert isinstance(found, Known) if expected == "known" else found == expected, found


@pytest.mark.parametrize(("size", "status"), [(3 * 2**30, Status.OK), (30 * 2**30, Status.FAILED)])
def test_the_size_of_the_database_is_read_from_its_metric(size: int, status: Status) -> None:
    name = f"projects/acme-data/locations/{REGION}/environments/prod"
    cloud = heavy_cloud(exists=True, databaseBytes={name: size})
    _, facts, found = look(cloud, heavy(3), "upgrade")
    assert facts.value(Subject.DATABASE, name) == {"sizeGb": size / 2**30}
    assert {item.id: item.status for item in found}["env.db-size"] is status
