"""Take any rows of the needed bindings away: exactly these are reported, and nothing else."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from doctor_patients import GEN2, GEN3, RICH, case, environment, grants, healthy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envctl.doctor.checks import permissions
from envctl.doctor.checks.permissions import bindings_of, wanted_permissions
from envctl.doctor.examine import examine
from envctl.doctor.model import Finding, Status
from envctl.doctor.roles import RoleCatalogue
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


# A few more patients, so that every row of the table is needed by somebody.
EVERYBODY: dict[str, dict[str, Any]] = {
    **PATIENTS,
    "generation 2, vault": {"imageVersion": GEN2, "secrets": {"backend": "vault"}},
    "generation 2, foreign account, its own network": {
        "imageVersion": GEN2,
        "serviceAccount": {"email": "runner@other-project.iam.gserviceaccount.com"},
        "network": {"mode": "public"},
    },
    "generation 3, makes everything": {
        "imageVersion": GEN3,
        "network": {"mode": "private", "vpc": {"create": True}},
        "encryption": {"key": {"create": True}},
        "repository": {"name": "python"},
        "secrets": {"backend": "secret-manager", "create": {"crm": {}}},
        "monitoring": {"alerts": True},
        "retention": {"logDays": 30},
    },
    "generation 3, federated": {
        "imageVersion": GEN3,
        "access": {
            "deployers": [
                "user:d@example.com",
                "serviceAccount:ci@acme-data.iam.gserviceaccount.com",
                "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/gh/subject/main",
            ]
        },
    },
}
# Rows that no patient above needs, or whose resource has no name in the file: they are skipped in all of them.
SKIPPED_BY_ALL = frozenset(
    {
        "agent.network-user",
        "ar.repository-cmek",
        "boot.kms-admin",
        "caller.kubectl",
        "caller.pulumi-key",
        "caller.pulumi-state",
        "caller.user-project",
        "cb.ar-read",
        "cb.default-builder",
        "df.worker-storage",
        "env.dataflow-staging",
        "env.kms-decrypt",
    }
)


@cache
def outcomes() -> dict[str, set[Status]]:
    """Every status of every row, over all patients, all operations, with everything granted and with nothing."""
    found: dict[str, set[Status]] = {}
    for blocks in EVERYBODY.values():
        spec = environment(RICH, **blocks)
        for rows in (None, []):
            patient = case(spec, healthy(spec, rows=rows), *load_operations())
            for item in examine(patient):
                told = {name for binding in patient.bindings if item.id in binding.ids for name in binding.ids}
                for name in {item.id, *told}:
                    found.setdefault(name, set()).add(item.status)
    return found


@pytest.mark.parametrize("identifier", sorted({*permissions.CHECK.ids} - SKIPPED_BY_ALL))
def test_every_row_is_fine_for_one_and_missing_for_another(identifier: str) -> None:
    assert outcomes()[identifier] >= {Status.OK, Status.FAILED}


def test_rows_that_are_skipped_by_all_patients_are_those_listed() -> None:
    assert {*permissions.CHECK.ids} >= SKIPPED_BY_ALL
    assert not [name for name in SKIPPED_BY_ALL if outcomes().get(name, set()) & {Status.OK, Status.FAILED}]
