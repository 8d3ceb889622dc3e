"""Which memberships may go: the rule alone, on rows."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from envctl.ownership.members import Claims, foreign_accounts, held_elsewhere, reason_to_keep, targets_in
from envctl.plan.model import KeepReason
from envctl.stacks.memberships import removal_command, target_of

PROJECT = "gcp:projects/iAMMember:IAMMember"
NOBODY = Claims(frozenset(), {}, frozenset())


def row(member: str = "group:data@acme.example", /, type_: str = PROJECT, **fields: Any) -> dict[str, Any]:
    inputs = {"project": "p", "role": "roles/viewer", "member": member, **fields.pop("inputs", {})}
    return {"urn": f"urn:pulumi:dev::acme::{type_}::row", "type": type_, "custom": True, "inputs": inputs, **fields}


def target(**fields: Any) -> Any:
    found = target_of(PROJECT, row(**fields)["inputs"])
    assert found is not None
    return found


def reason(given: dict[str, Any], claims: Claims = NOBODY) -> tuple[KeepReason, str] | None:
    kept = reason_to_keep(given, claims)
    return None if kept is None else (kept.reason, kept.by)


def test_what_this_stack_made_and_nobody_else_wants_goes() -> None:
    assert reason(row()) is None
    assert held_elsewhere(row(), {"other": []}) is None


def test_every_reason_to_stay() -> None:
    agent = "serviceAccount:service-1@cloudcomposer-accounts.iam.gserviceaccount.com"
    assert reason(row(agent)) == (KeepReason.GOOGLE, "")
    assert reason(row(type_="gcp:projects/service:Service")) == (KeepReason.GOOGLE, "")
    assert reason(row(importID="p roles/viewer group:data@acme.example")) == (KeepReason.FOUND, "")
    here = Claims(frozenset({target()}), {}, frozenset())
    assert reason(row(), here) == (KeepReason.DECLARED, "")
    there = Claims(frozenset(), {"one": frozenset(), "two": frozenset({target()})}, frozenset())
    assert reason(row(), there) == (KeepReason.DECLARED, "two")
    account = "serviceAccount:Runner@p.iam.gserviceaccount.com"
    runs = Claims(frozenset(), {}, frozenset({account.lower()}))
    assert reason(row(account), runs) == (KeepReason.FOREIGN_ACCOUNT, account)
    assert reason(row(inputs={"project": None})) == (KeepReason.UNREADABLE, "row")


def test_other_states_keep_what_they_hold_and_what_nobody_can_read_in_them() -> None:
    held = held_elsewhere(row(), {"one": [], "two": [row()]})
    assert held is not None
    assert (held.reason, held.by) == (KeepReason.HELD, "two")
    unread = held_elsewhere(row(), {"one": [row("group:other@acme.example")], "two": None})
    assert unread is not None
    assert (unread.reason, unread.by) == (KeepReason.UNREADABLE, "two")


def test_a_member_is_the_same_in_whatever_letters_and_another_with_another_condition() -> None:
    condition = {"title": "crm", "expression": 'resource.name.startsWith("x")'}
    assert targets_in([row("group:Data@acme.example")]) == targets_in([row()])
    plain, limited = row(), row(inputs={"condition": condition})
    other = row(inputs={"condition": {**condition, "expression": "true"}})
    assert len(targets_in([plain, limited, other])) == 3


def test_names_and_full_paths_are_one_place() -> None:
    secret = "gcp:secretmanager/secretIamMember:SecretIamMember"
    short, full = (row(type_=secret, inputs={"secretId": name}) for name in ("crm", "projects/p/secrets/crm"))
    assert targets_in([short]) == targets_in([full])
    account = "gcp:serviceaccount/iAMMember:IAMMember"
    mail = "serviceAccounts/a@p.iam.gserviceaccount.com"
    ids = (f"projects/p/{mail}", f"projects/-/{mail}")
    assert len(targets_in([row(type_=account, inputs={"serviceAccountId": each}) for each in ids])) == 1


def environment(email: str) -> dict[str, Any]:
    inputs = {"config": {"nodeConfig": {"serviceAccount": email}}}
    return {"urn": "u", "type": "gcp:composer/environment:Environment", "inputs": inputs}


def test_accounts_are_foreign_unless_the_state_holds_them() -> None:
    own = {"urn": "u", "type": "gcp:serviceaccount/account:Account", "outputs": {"email": "mine@p"}}
    assert foreign_accounts([environment("mine@p"), own], None) == frozenset()
    assert foreign_accounts([environment("old@p"), own], "new@p") == {
        "serviceAccount:old@p".lower(),
        "serviceaccount:new@p",
    }


@pytest.mark.parametrize(
    ("type_", "inputs", "command"),
    [
        (PROJECT, {"project": "p"}, "gcloud projects remove-iam-policy-binding p"),
        (
            "gcp:serviceaccount/iAMMember:IAMMember",
            {"serviceAccountId": "projects/p/serviceAccounts/a@p"},
            "gcloud iam service-accounts remove-iam-policy-binding a@p",
        ),
        (
            "gcp:storage/bucketIAMMember:BucketIAMMember",
            {"bucket": "b/lake"},
            "gcloud storage buckets remove-iam-policy-binding gs://lake",
        ),
        (
            "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
            {"cryptoKeyId": "projects/p/locations/l/keyRings/r/cryptoKeys/k"},
            "gcloud kms keys remove-iam-policy-binding k --keyring=r --location=l --project=p",
        ),
        (
            "gcp:secretmanager/secretIamMember:SecretIamMember",
            {"project": "p", "secretId": "projects/p/secrets/crm"},
            "gcloud secrets remove-iam-policy-binding crm --project=p",
        ),
        (
            "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
            {"project": "p", "location": "l", "repository": "py"},
            "gcloud artifacts repositories remove-iam-policy-binding py --location=l --project=p",
        ),
        (
            "gcp:compute/subnetworkIAMMember:SubnetworkIAMMember",
            {"project": "p", "region": "r", "subnetwork": "s"},
            "gcloud compute networks subnets remove-iam-policy-binding s --region=r --project=p",
        ),
    ],
)
def test_a_command_names_the_whole_membership(type_: str, inputs: dict[str, str], command: str) -> None:
    given = {**inputs, "role": "roles/viewer", "member": "user:a b@acme.example"}
    tail = "--member='user:a b@acme.example' --role=roles/viewer"
    assert removal_command(type_, given) == f"{command} {tail} --condition=None"
    condition = {"title": "only", "expression": 'resource.name == "x"'}
    words = shlex.split(removal_command(type_, {**given, "condition": condition}))
    assert words[-1] == '--condition=expression=resource.name == "x",title=only'
