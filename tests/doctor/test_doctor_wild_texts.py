"""Error texts that no signature of the research knows: kinds of them, and rights that a text itself names."""

from __future__ import annotations

import re

import pytest
from doctor_patients import CRM, case, environment, healthy

from envctl.doctor.error_text import causes_of
from envctl.doctor.model import Status
from envctl.doctor.named_right import named_rights, narrowest_role
from envctl.iam_roles import load_table

ROWS = load_table("wild-texts")["rows"]
EXAMPLES = [(row["id"], text) for row in ROWS for text in row["examples"]]


def test_the_table_is_whole() -> None:
    known = {row["id"] for table in ("bindings", "preconditions") for row in load_table(table)["rows"]}
    ids = [row["id"] for row in ROWS]
    assert len(ids) == len(set(ids))
    assert not set(ids) & {row["id"] for row in load_table("signatures")["rows"]}
    own = {"build.identity", "access.members-exist", "env.image-eol"}
    for row in ROWS:
        assert len(row["examples"]) >= 2, row["id"]
        assert set(row["check"]) <= known | own, row["id"]
        assert row["check"] or row["commands"], row["id"]
        re.compile(row["regex"])


@pytest.mark.parametrize(("identifier", "text"), EXAMPLES)
def test_every_text_has_its_kind_among_its_first_causes(identifier: str, text: str) -> None:
    found = [cause.signature for cause in causes_of(text)]
    assert identifier in found[:2], found


@pytest.mark.parametrize(
    "text",
    [
        "the deployment went fine",
        "INFO - Marking task as SUCCESS",
        "Loaded 3 DAGs from /home/airflow/gcs/dags",
        "Running upgrade to revision 9",
        "The environment my-env was created.",
        "2026-11-20 10:00:00 INFO listening on 10.0.0.1:8080",
    ],
)
def test_a_harmless_line_has_no_cause(text: str) -> None:
    assert causes_of(text) == ()


ACCOUNT = "composer-prod@acme-data.iam.gserviceaccount.com"
NAMED = [
    (
        (
            "Permission 'cloudkms.cryptoKeys.getIamPolicy' denied on resource "
            "'//cloudkms.googleapis.com/projects/vault/locations/eu/keyRings/r/cryptoKeys/k' (or it may not exist)."
        ),
        (
            "cloudkms.cryptoKeys.getIamPolicy",
            None,
            "//cloudkms.googleapis.com/projects/vault/locations/eu/keyRings/r/cryptoKeys/k",
        ),
    ),
    (
        f"{ACCOUNT} does not have storage.objects.list access to the Google Cloud Storage bucket.",
        ("storage.objects.list", f"serviceAccount:{ACCOUNT}", None),
    ),
    (
        "User [jo@example.com] does not have permission to access projects instance [acme-data:getIamPolicy] (or it may not exist)",
        ("resourcemanager.projects.getIamPolicy", "user:jo@example.com", f"{CRM}/projects/acme-data"),
    ),
    (
        "[acme-data:setIamPolicy]: The caller is not allowed",
        ("resourcemanager.projects.setIamPolicy", None, f"{CRM}/projects/acme-data"),
    ),
    (
        'Required "container.clusters.get" permission(s) for "projects/acme-data/locations/eu/clusters/c".',
        ("container.clusters.get", None, "//container.googleapis.com/projects/acme-data/locations/eu/clusters/c"),
    ),
    (
        "Required 'compute.firewalls.create' permission for 'projects/net-prj/global/firewalls/f'",
        ("compute.firewalls.create", None, "//compute.googleapis.com/projects/net-prj/global/firewalls/f"),
    ),
    (
        f"Caller {ACCOUNT} is missing permission secretmanager.secrets.list",
        ("secretmanager.secrets.list", f"serviceAccount:{ACCOUNT}", None),
    ),
]


@pytest.mark.parametrize(("text", "expected"), NAMED)
def test_the_right_is_read_off_the_text(text: str, expected: tuple[str, str | None, str | None]) -> None:
    (right,) = named_rights([text])
    assert (right.permission, right.member, right.resource) == expected
    cause = next(item for item in causes_of(text) if item.signature == "iam.generic")
    assert narrowest_role(right.permission) is not None
    assert (narrowest_role(right.permission) or "") in cause.means
    assert ("does not name" in cause.means) is (None in expected)
    assert {words.partition(":")[0] for words in cause.needs} >= set(right.unsaid)


@pytest.mark.parametrize(
    ("permission", "role"),
    [
        ("artifactregistry.repositories.downloadArtifacts", "roles/artifactregistry.reader"),
        ("storage.objects.create", "roles/storage.objectCreator"),
        ("container.clusters.get", "roles/container.clusterViewer"),
        ("secretmanager.versions.access", "roles/secretmanager.secretAccessor"),
        ("cloudkms.cryptoKeyVersions.useToDecrypt", "roles/cloudkms.cryptoKeyDecrypter"),
    ],
)
def test_the_role_is_the_narrowest(permission: str, role: str) -> None:
    assert narrowest_role(permission) == role


def test_the_facts_decide_a_right_that_the_text_names_in_full() -> None:
    spec = environment()
    patient = case(spec, healthy(spec), "update")
    text = "Caller {} lacks '{}' here: Permission '{}' denied on resource '//cloudresourcemanager.googleapis.com/projects/acme-data'"
    for permission, status in (("composer.environments.get", Status.OK), ("bigquery.jobs.create", Status.FAILED)):
        cause = next(
            item
            for item in causes_of(text.format(ACCOUNT, "x", permission), patient)
            if item.signature == "iam.generic"
        )
        assert cause.decided[0].status is status
        assert cause.decided[0].principal == f"serviceAccount:{ACCOUNT}"
        commands = [fix.text for fix in cause.decided[0].fixes]
        assert bool(commands) is (status is Status.FAILED)
        assert all("--role=roles/bigquery.jobUser" in line and ACCOUNT in line for line in commands)
