"""How envctl is run: the bucket of the state, the key of its secrets, the project whose quota is used."""

from __future__ import annotations

from typing import Any

import pytest
from doctor_patients import CRM, GEN3, ME, Answers, case, environment, grants, healthy
from test_doctor_live import Counting, seeded

from envctl.actions.clouds import InProcessTransport
from envctl.doctor.examine import examine
from envctl.doctor.facts import Absent, Known, Subject, Unreadable
from envctl.doctor.intake import make_case
from envctl.doctor.live import UNNAMED_CALLER, collect_facts
from envctl.doctor.model import Finding, Status
from envctl.iam_conditions import Deployment
from envctl.iam_roles import required_bindings
from envctl.sandbox import control
from envctl.sandbox.cloud import Cloud

KEY_NAME = "projects/keys-prj/locations/eu/keyRings/r/cryptoKeys/pulumi"
BUCKET = "//storage.googleapis.com/projects/_/buckets/acme-state"
KEY_RESOURCE = f"//cloudkms.googleapis.com/{KEY_NAME}"
DEPLOYMENT = Deployment("gs://acme-state/envctl", f"gcpkms://{KEY_NAME}", "other-project")
ROWS = ("caller.pulumi-state", "caller.pulumi-key", "caller.user-project")
OPERATIONS = ("create", "update", "packages", "upgrade", "delete")
SPEC = environment(imageVersion=GEN3)
MACHINE = "user:machine@example.com"


def mine(findings: tuple[Finding, ...], member: str = ME) -> dict[str, Finding]:
    return {item.id: item for item in findings if item.id in ROWS and item.principal in {member, ""}}


def statuses(findings: tuple[Finding, ...]) -> list[Status]:
    found = mine(findings)
    return [found[name].status for name in ROWS]


@pytest.mark.parametrize(
    ("backend", "bucket"),
    [
        ("gs://acme-state", "acme-state"),
        ("gs://acme-state/envctl/prod?x=y", "acme-state"),
        ("gs://acme-state?x=y", "acme-state"),
        ("gs://", None),
        ("file:///tmp/gs://acme-state", None),
        ("s3://acme-state", None),
        (None, None),
    ],
)
def test_the_bucket_of_a_backend(backend: str | None, bucket: str | None) -> None:
    deployment = Deployment(backend)
    assert deployment.state_bucket == bucket
    assert ("state-in-gcs" in deployment.flags) is (bucket is not None)


@pytest.mark.parametrize(
    ("provider", "key"),
    [
        (f"gcpkms://{KEY_NAME}", KEY_NAME),
        (f"gcpkms://{KEY_NAME}?context=x", KEY_NAME),
        (f"gcpkms://{KEY_NAME}/cryptoKeyVersions/1", KEY_NAME),
        ("gcpkms://projects/p/locations/eu/keyRings/r", None),
        (f"awskms://{KEY_NAME}", None),
        ("passphrase", None),
        (None, None),
    ],
)
def test_the_key_of_a_secrets_provider(provider: str | None, key: str | None) -> None:
    deployment = Deployment(secrets_provider=provider)
    assert deployment.secrets_key == key
    assert ("secrets-in-kms" in deployment.flags) is (key is not None)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_of_the_stack_needs_state_key_and_quota(operation: str) -> None:
    full = healthy(SPEC, deployment=DEPLOYMENT)
    assert statuses(examine(case(SPEC, full, operation))) == [Status.OK] * 3
    bare = healthy(SPEC, rows=[], deployment=DEPLOYMENT)
    assert statuses(examine(case(SPEC, bare, operation))) == [Status.FAILED] * 3


def test_state_in_a_folder_and_a_passphrase_need_no_rights() -> None:
    local = Deployment("file:///state", "passphrase")
    found = examine(case(SPEC, healthy(SPEC, rows=[], deployment=local), "create"))
    assert statuses(found) == [Status.SKIPPED] * 3


def test_what_is_handed_wins_over_what_the_facts_recorded() -> None:
    facts = case(SPEC, healthy(SPEC, rows=[], deployment=DEPLOYMENT)).facts
    handed = Deployment("file://", "passphrase")
    found = mine(examine(make_case("prod", SPEC, None, ("create",), facts, deployment=handed)))
    assert [found[name].status for name in ROWS] == [Status.SKIPPED, Status.SKIPPED, Status.FAILED]
    other = make_case("prod", SPEC, None, ("create",), facts, deployment=Deployment("gs://elsewhere"))
    assert mine(examine(other))["caller.pulumi-state"].resource.endswith("/elsewhere")


def test_the_right_is_judged_on_the_project_whose_quota_it_is() -> None:
    user = ("roles/serviceusage.serviceUsageConsumer", ME, None)
    for quota, granted, status in (
        ("other-project", "other-project", Status.OK),
        ("other-project", "acme-data", Status.FAILED),
        ("acme-data", "acme-data", Status.OK),
        ("acme-data", "other-project", Status.FAILED),
    ):
        rows = [(f"{CRM}/projects/{granted}", *user)]
        answers = healthy(SPEC, rows=rows, deployment=Deployment(quota_project=quota))
        found = mine(examine(case(SPEC, answers, "update")))["caller.user-project"]
        assert (found.status, found.resource) == (status, f"{CRM}/projects/{quota}")
        assert found.severity.value == "error"  # `up` grants it to nobody


@pytest.mark.parametrize(
    ("subject", "name", "row"),
    [
        (Subject.BUCKET, "acme-state", "caller.pulumi-state"),
        (Subject.KEY, KEY_NAME, "caller.pulumi-key"),
    ],
)
def test_what_does_not_exist_is_no_place_for_the_state(subject: Subject, name: str, row: str) -> None:
    answers = healthy(SPEC, deployment=DEPLOYMENT)
    answers[subject, name] = Absent()
    found = mine(examine(case(SPEC, answers, "create")))[row]
    assert found.status is Status.FAILED
    assert "does not exist" in found.why


def test_a_policy_that_cannot_be_read_leaves_it_unknown() -> None:
    answers = healthy(SPEC, rows=[], deployment=DEPLOYMENT)
    answers[Subject.POLICY, BUCKET] = Unreadable("storage.buckets.getIamPolicy", "HTTP 403")
    found = mine(examine(case(SPEC, answers, "create")))["caller.pulumi-state"]
    assert found.status is Status.UNKNOWN
    assert "storage.buckets.getIamPolicy" in " ".join(found.evidence)


def as_another(answers: Answers, signed_in: str) -> Answers:
    caller = answers[Subject.CALLER, "-"]
    assert isinstance(caller, Known)
    return {**answers, (Subject.CALLER, "-"): Known({**caller.value, "signedIn": signed_in})}


def test_state_and_key_are_opened_by_the_machine_and_not_by_the_account_that_is_acted_as() -> None:
    rows = [
        (BUCKET, "roles/storage.objectAdmin", MACHINE, None),
        (KEY_RESOURCE, "roles/cloudkms.cryptoKeyEncrypterDecrypter", ME, None),
    ]
    answers = as_another(healthy(SPEC, rows=rows, deployment=DEPLOYMENT), MACHINE)
    findings = examine(case(SPEC, answers, "create"))
    assert mine(findings, MACHINE)["caller.pulumi-state"].status is Status.OK
    assert mine(findings, MACHINE)["caller.pulumi-key"].status is Status.FAILED
    assert mine(findings, ME).keys() == {"caller.user-project"}


def test_an_account_that_is_acted_as_needs_no_right_on_the_state_though_it_deploys() -> None:
    spec = environment(imageVersion=GEN3, access={"deployers": [ME]})
    answers = as_another(healthy(spec, deployment=DEPLOYMENT), MACHINE)
    findings = examine(case(spec, answers, "create"))
    assert mine(findings, ME).keys() == {"caller.user-project"}
    assert mine(findings, MACHINE)["caller.pulumi-state"].status is Status.FAILED


def test_a_machine_that_does_not_tell_who_it_is_leaves_it_unknown() -> None:
    answers = as_another(healthy(SPEC, deployment=DEPLOYMENT), UNNAMED_CALLER)
    found = mine(examine(case(SPEC, answers, "create")), UNNAMED_CALLER)
    assert found["caller.pulumi-state"].status is Status.UNKNOWN


def test_the_role_set_names_bucket_key_and_project() -> None:
    found = {item.id: item for item in required_bindings(SPEC, deployment=DEPLOYMENT)}
    assert [found[name].resource for name in ROWS] == [BUCKET, KEY_RESOURCE, f"{CRM}/projects/other-project"]
    assert not any(found[name].managed for name in ROWS)
    assert not set(ROWS) & {item.id for item in required_bindings(SPEC)}


# -- live ------------------------------------------------------------------------------------------------

ROLES = {
    "caller.pulumi-state": (BUCKET, "roles/storage.objectAdmin"),
    "caller.pulumi-key": (KEY_RESOURCE, "roles/cloudkms.cryptoKeyEncrypterDecrypter"),
    "caller.user-project": (f"{CRM}/projects/other-project", "roles/serviceusage.serviceUsageConsumer"),
}


def cloud_with(*granted: str, made: bool = True) -> Cloud:
    """Bucket, key and quota project belong to others; the caller has the roles of these rows."""
    cloud = seeded(SPEC, grants(SPEC))
    control.seed(cloud, {"settings": {"enforce": False}})
    kms = "https://cloudkms.googleapis.com/v1/projects/keys-prj/locations/eu/keyRings"
    key = {"purpose": "ENCRYPT_DECRYPT"}
    requests = [
        {
            "method": "POST",
            "url": "https://storage.googleapis.com/storage/v1/b?project=tools-prj",
            "body": {"name": "acme-state", "location": "EU"},
        },
        {"method": "POST", "url": f"{kms}?keyRingId=r", "body": {}},
        {"method": "POST", "url": f"{kms}/r/cryptoKeys?cryptoKeyId=pulumi", "body": key},
    ]
    owner = "user:owner@example.com"
    projects = [{"id": name, "owner": owner, "apis": "all"} for name in ("keys-prj", "other-project", "tools-prj")]
    control.seed(cloud, {"projects": projects, "requests": requests if made else []})
    policies: dict[str, Any] = {  # the emulator keeps a bucket's policy under its short name
        place.replace("/projects/_/buckets/", "/b/"): {
            "bindings": [{"role": role, "members": [ME]}] if name in granted else []
        }
        for name, (place, role) in ROLES.items()
        if made or name == "caller.user-project"
    }
    control.seed(cloud, {"policies": policies, "settings": {"enforce": True, "caller": ME}})
    return cloud


def look(cloud: Cloud, deployment: Deployment = DEPLOYMENT) -> tuple[Counting, tuple[Finding, ...]]:
    transport = Counting(InProcessTransport(cloud))
    asked = make_case("prod", SPEC, None, ("update",), deployment=deployment)
    facts = collect_facts(asked, transport, ME)
    assert facts.value(Subject.CALLER, "-")["stateBackend"] == deployment.backend
    return transport, examine(make_case("prod", SPEC, None, ("update",), facts))


def test_live_the_caller_tests_its_rights_where_it_can_read_no_policy() -> None:
    transport, findings = look(cloud_with(*ROWS))
    assert statuses(findings) == [Status.OK] * 3
    assert all("testIamPermissions" in mine(findings)[name].evidence[0] for name in ROWS)
    assert len(transport.calls) <= 40
    assert len(transport.calls) == len(set(transport.calls))


@pytest.mark.parametrize("row", ROWS)
def test_live_one_right_that_is_missing_is_reported_alone(row: str) -> None:
    _, findings = look(cloud_with(*(name for name in ROWS if name != row)))
    failed = {name for name, item in mine(findings).items() if item.status is Status.FAILED}
    assert failed == {row}
    assert mine(findings)[row].fixes[-1].text.startswith("gcloud ")


def test_live_a_bucket_and_a_key_that_are_not_there_are_reported() -> None:
    _, findings = look(cloud_with(*ROWS, made=False))
    found = mine(findings)
    assert [found[name].status for name in ROWS] == [Status.FAILED, Status.FAILED, Status.OK]
    assert "does not exist" in found["caller.pulumi-state"].why


def test_live_nothing_is_asked_about_a_state_that_is_not_at_google() -> None:
    transport, findings = look(cloud_with(), Deployment("s3://acme-state", "passphrase"))
    assert statuses(findings) == [Status.SKIPPED] * 3
    assert not [call for call in transport.calls if "acme-state" in call or "pulumi" in call or "other-pro" in call]
