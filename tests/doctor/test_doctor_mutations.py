"""Take any rows of the needed bindings away: exactly these are reported, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from doctor_patients import GEN2, GEN3, KEY, RICH, Answers, case, environment, grants, healthy, numbered
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envctl.doctor.checks import permissions
from envctl.doctor.checks.permissions import PEOPLE, bindings_of, wanted_permissions
from envctl.doctor.examine import examine
from envctl.doctor.facts import Known, Subject
from envctl.doctor.model import Finding, Status
from envctl.doctor.roles import RoleCatalogue
from envctl.iam_conditions import Deployment
from envctl.iam_roles import load_operations
from envctl.spec.model import Environment

OPERATIONS = (
    "create",
    "update",
    "packages",
    "upgrade",
    "delete",
    "doctor-read",
    "upload-dag",
    "open-airflow-ui",
    "grant-bindings",
    "enable-apis",
)
PATIENTS: dict[str, dict[str, Any]] = {
    "generation 3": {"imageVersion": GEN3},
    "generation 2": {"imageVersion": GEN2},
    "generation 2, foreign account": {
        "imageVersion": GEN2,
        "serviceAccount": {"email": "runner@other-project.iam.gserviceaccount.com"},
    },
    "generation 3, vault": {"imageVersion": GEN3, "secrets": {"backend": "vault"}},
}
Row = tuple[str, str, str, str | None]


def failed(findings: tuple[Finding, ...]) -> set[tuple[str, str, str]]:
    """Role, member and resource of every failed right."""
    return {(f.role, f.principal, f.resource) for f in findings if f.status is Status.FAILED and f.role}


@pytest.mark.parametrize("name", PATIENTS)
def test_a_healthy_patient_has_nothing_wrong(name: str) -> None:
    spec = environment(RICH, **PATIENTS[name])
    found = examine(case(spec, healthy(spec), *OPERATIONS))
    bad = [(f.id, f.status, f.why, f.evidence) for f in found if f.status in {Status.FAILED, Status.UNKNOWN}]
    assert bad == []


def needed_by(spec: Environment, row: Row) -> set[str]:
    """The permissions for which a row is there."""
    patient = case(spec, healthy(spec), *OPERATIONS)
    wanted = wanted_permissions(patient)
    return {
        permission
        for item in bindings_of(patient)
        if (item.resource, item.role, item.member) == row[:3]
        for name in item.ids
        for permission in wanted.get(name, ())
    }


def covered(spec: Environment, row: Row, rows: list[Row]) -> bool:
    """Whether other grants of the same member, on the same resource or above it, hold all that the row is for."""
    roles = RoleCatalogue()
    left = 0
    for other in rows:
        inside = (
            "/projects/acme-data/" in row[0] + "/" or "/buckets/" in row[0]
        )  # the patients' buckets are the project's
        above = other[0].endswith("/projects/acme-data") and inside
        if other != row and other[2] == row[2] and (other[0] == row[0] or above) and other[3] is None:
            left |= roles.role_bits(other[1]) or 0
    wanted = roles.bits(needed_by(spec, row))
    return left & wanted == wanted


@pytest.mark.parametrize("name", PATIENTS)
def test_a_row_taken_away_is_reported_alone_unless_another_grant_covers_it(name: str) -> None:
    spec = environment(RICH, **PATIENTS[name])
    rows = list(dict.fromkeys(grants(spec)))
    for row, lost in each_alone(name).items():
        assert all((role, member) == (row[1], row[2]) for role, member, _ in lost), (row, lost)
        assert bool(lost) is not covered(spec, row, rows), row


CHANGES = ("update", "packages", "upgrade")


@pytest.mark.parametrize("operation", CHANGES)
@pytest.mark.parametrize("name", PATIENTS)
def test_under_a_running_environment_a_lost_row_is_seen_before_every_change(name: str, operation: str) -> None:
    spec = environment(RICH, **PATIENTS[name])
    rows = list(dict.fromkeys(grants(spec)))
    runs = {item.principal for item in case(spec, healthy(spec), "update").bindings} - PEOPLE
    lasting = {
        (item.resource, item.role, numbered(item.member))
        for item in case(spec, healthy(spec), operation).bindings
        if item.needed and item.principal in runs and item.id not in ONCE
    }
    everything = each_alone(name)
    for row in rows:
        if row[:3] not in lasting or not everything[row]:
            continue
        left = [other for other in rows if other != row]
        found = examine(case(spec, healthy(spec, rows=left), operation))
        lost = [
            item for item in found if item.status is Status.FAILED and item.role == row[1] and item.principal == row[2]
        ]
        assert lost, (operation, row)
        assert all(item.severity.value == "error" for item in lost), (operation, row)
    assert len(lasting) > 10


ONCE = frozenset({"agent.custom-bucket", "env.custom-bucket"})
"""Rows that no operation but the creation asks for."""


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), name=st.sampled_from(sorted(PATIENTS)))
def test_any_rows_taken_away_are_exactly_those_reported(data: st.DataObject, name: str) -> None:
    spec = environment(RICH, **PATIENTS[name])
    rows = list(dict.fromkeys(grants(spec)))
    alone = each_alone(name)
    chosen = data.draw(st.lists(st.sampled_from(rows), unique=True, max_size=12))
    lost = taken(spec, rows, chosen)
    expected = set().union(*(alone[row] for row in chosen))
    # What one row alone does not show, several together may: two grants that cover each other.
    together = {(row[1], row[2], row[0]) for row in chosen}
    assert expected <= lost <= expected | together


@cache
def each_alone(name: str) -> dict[Row, set[tuple[str, str, str]]]:
    """What is reported when one row alone is taken away."""
    spec = environment(RICH, **PATIENTS[name])
    rows = list(dict.fromkeys(grants(spec)))
    return {row: taken(spec, rows, [row]) for row in rows}


def taken(spec: Any, rows: list[Row], chosen: list[Row]) -> set[tuple[str, str, str]]:
    left = [row for row in rows if row not in chosen]
    return failed(examine(case(spec, healthy(spec, rows=left), *OPERATIONS)))


DEPLOYMENT = Deployment(
    "gs://acme-state/envctl",
    "gcpkms://projects/keys-prj/locations/eu/keyRings/r/cryptoKeys/pulumi",
    quota_project="other-project",
)


@dataclass(frozen=True, slots=True)
class Patient:
    """Blocks of the file, circumstances that facts tell, and how envctl is run."""

    blocks: Mapping[str, Any]
    flags: frozenset[str] = frozenset()
    deployment: Deployment | None = None


FOREIGN = {"serviceAccount": {"email": "runner@other-project.iam.gserviceaccount.com"}}
EVERYBODY: Mapping[str, Patient] = {
    **{name: Patient(blocks) for name, blocks in PATIENTS.items()},
    "generation 2, vault": Patient({"imageVersion": GEN2, "secrets": {"backend": "vault"}}),
    "generation 2, foreign account, its own network": Patient(
        {"imageVersion": GEN2, **FOREIGN, "network": {"mode": "public"}}
    ),
    "generation 2, public in a shared network": Patient(
        {"imageVersion": GEN2, "network": {**RICH["network"], "mode": "public"}}
    ),
    "generation 2, before the API for Airflow commands": Patient({"imageVersion": "composer-2.3.1-airflow-2.5.1"}),
    "generation 2, Cloud Build as Compute's account": Patient(
        {"imageVersion": GEN2}, flags=frozenset({"compute-build-account"})
    ),
    "generation 2, Cloud Build as its legacy account": Patient(
        {"imageVersion": GEN2}, flags=frozenset({"legacy-build-account"})
    ),
    "generation 3, makes everything": Patient(
        {
            "imageVersion": GEN3,
            "network": {"mode": "private", "vpc": {"create": True}},
            "encryption": {"key": {"create": True}},
            "repository": {"name": "python"},
            "secrets": {"backend": "secret-manager", "create": {"crm": {}}},
            "monitoring": {"alerts": True},
            "retention": {"logDays": 30},
        }
    ),
    "generation 3, a key of its own that is there": Patient(
        {"imageVersion": GEN3, "encryption": {"key": {"create": True, "name": KEY}}, "repository": {"name": "python"}}
    ),
    "generation 3, secrets encrypted by its key": Patient({"imageVersion": GEN3, "secrets": {"backend": "kms-gcs"}}),
    "generation 3, pipelines that stage in a bucket of the file": Patient(
        {
            "imageVersion": GEN3,
            "buckets": {"staging": {"name": "acme-staging", "access": {"objectAdmin": ["environment"]}}},
        }
    ),
    "generation 3, state and its key at Google, a quota project": Patient(
        {"imageVersion": GEN3}, deployment=DEPLOYMENT
    ),
    "generation 3, federated": Patient(
        {
            "imageVersion": GEN3,
            "access": {
                "deployers": [
                    "user:d@example.com",
                    "serviceAccount:ci@acme-data.iam.gserviceaccount.com",
                    "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/gh/subject/main",
                ]
            },
        }
    ),
}
"""So many that every row of the table is needed by somebody."""
BUILD_IDENTITY = {
    "compute-build-account": "cloudbuild.useComputeServiceAccount",
    "legacy-build-account": "cloudbuild.useBuildServiceAccount",
}


def answers_of(patient: Patient, spec: Environment, *, granted: bool) -> Answers:
    """Facts with everything granted, or with nothing; the constraints are in force that make the flags hold."""
    rows = None if granted else []
    answers = healthy(spec, rows=rows, flags=patient.flags, deployment=patient.deployment)
    for flag in patient.flags:
        rule = {"spec": {"rules": [{"enforce": True}]}}
        answers[Subject.CONSTRAINT, f"acme-data/constraints/{BUILD_IDENTITY[flag]}"] = Known(rule)
    if not granted:  # also what the fixture grants beside the rows
        answers |= dict.fromkeys([key for key in answers if key[0] is Subject.POLICY], Known({"etag": "x"}))
    return answers


@cache
def outcomes() -> dict[str, set[Status]]:
    """Every status of every row, over all patients, all operations, with everything granted and with nothing."""
    found: dict[str, set[Status]] = {}
    for who in EVERYBODY.values():
        spec = environment(RICH, **who.blocks)
        for granted in (True, False):
            patient = case(spec, answers_of(who, spec, granted=granted), *load_operations())
            for item in examine(patient):
                told = {name for binding in patient.bindings if item.id in binding.ids for name in binding.ids}
                for name in {item.id, *told}:
                    found.setdefault(name, set()).add(item.status)
    return found


@pytest.mark.parametrize("identifier", sorted(permissions.CHECK.ids))
def test_every_row_is_fine_for_one_and_missing_for_another(identifier: str) -> None:
    assert outcomes()[identifier] >= {Status.OK, Status.FAILED}
