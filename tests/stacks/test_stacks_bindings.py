from __future__ import annotations

from typing import Any

import pytest

from envctl.errors import EnvctlError
from envctl.iam_roles import Binding, Requirement
from envctl.iam_targets import BindingCondition
from envctl.stacks.bindings import Holders, binding_resources
from envctl.stacks.memberships import target_of


def binding(**fields: Any) -> Binding:
    given: dict[str, Any] = {
        "id": "row",
        "principal": "named",
        "member": "group:data@example.com",
        "role": "roles/viewer",
        "resource_kind": "project",
        "resource": "//cloudresourcemanager.googleapis.com/projects/acme-data-prod",
        "target": "project",
        "requirement": Requirement.REQUIRED,
        "why": "",
        "when": "",
        "source": (),
        "confidence": "high",
        "managed": True,
    }
    return Binding(**{**given, **fields})


@pytest.mark.parametrize(
    ("resource", "kind", "inputs"),
    [
        (
            "//compute.googleapis.com/projects/net/regions/europe-west1/subnetworks/data",
            "SubnetworkIAMMember",
            {"project": "net", "region": "europe-west1", "subnetwork": "data"},
        ),
        ("//storage.googleapis.com/projects/_/buckets/other", "BucketIAMMember", {"bucket": "other"}),
        (
            "//secretmanager.googleapis.com/projects/p/secrets/crm",
            "SecretIamMember",
            {"project": "p", "secretId": "crm"},
        ),
        (
            "//cloudkms.googleapis.com/projects/p/locations/l/keyRings/r/cryptoKeys/k",
            "CryptoKeyIAMMember",
            {"cryptoKeyId": "projects/p/locations/l/keyRings/r/cryptoKeys/k"},
        ),
        (
            "//artifactregistry.googleapis.com/projects/p/locations/l/repositories/py",
            "RepositoryIamMember",
            {"project": "p", "location": "l", "repository": "py"},
        ),
        (
            "//iam.googleapis.com/projects/p/serviceAccounts/a@p.iam.gserviceaccount.com",
            "IAMMember",
            {"serviceAccountId": "projects/p/serviceAccounts/a@p.iam.gserviceaccount.com"},
        ),
    ],
)
def test_what_the_stack_does_not_own_is_found_by_its_full_name(
    resource: str, kind: str, inputs: dict[str, str]
) -> None:
    [member] = binding_resources([binding(resource=resource, target="")], Holders())
    assert member.type.rsplit(":", 1)[-1] == kind
    assert member.inputs == {**inputs, "role": "roles/viewer", "member": "group:data@example.com"}


def test_a_condition_is_part_of_the_name_and_of_the_membership() -> None:
    conditions = [None, BindingCondition("only crm", 'resource.name.startsWith("x")')]
    plain, limited = binding_resources([binding(condition=each) for each in conditions], Holders())
    assert (plain.name, limited.name) == (
        "project/viewer/group-data@example.com",
        "project/viewer/group-data@example.com/only-crm",
    )
    assert limited.inputs["condition"] == {"title": "only crm", "expression": 'resource.name.startsWith("x")'}
    assert target_of(plain.type, plain.inputs) != target_of(limited.type, limited.inputs)


def test_a_custom_role_keeps_its_full_name() -> None:
    [member] = binding_resources([binding(role="projects/p/roles/mine")], Holders())
    assert member.name == "project/projects/p/roles/mine/group-data@example.com"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"member": "serviceAccount:service-${projectNumber}@compute-system.iam.gserviceaccount.com"}, "no member"),
        ({"resource": None, "target": ""}, "no place"),
        ({"resource": "//bigquery.googleapis.com/projects/p/datasets/d", "target": ""}, "no place"),
    ],
)
def test_a_binding_that_cannot_be_declared_is_an_error(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvctlError, match=message):
        binding_resources([binding(**fields)], Holders())


def test_two_rows_for_one_membership_are_an_error() -> None:
    with pytest.raises(EnvctlError, match="Two role bindings have one name"):
        binding_resources([binding(), binding(id="other")], Holders())
