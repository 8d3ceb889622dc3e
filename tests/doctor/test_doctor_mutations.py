"""Take any rows of the needed bindings away: exactly these are reported, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from doctor_patients import GEN2, GEN3, RICH, case, environment, grants, healthy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envctl.doctor.examine import examine
from envctl.doctor.model import Finding, Status
from envctl.doctor.roles import RoleCatalogue
from envctl.iam_roles import load_operations

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


def redundant(rows: list[Row], taken: list[Row]) -> set[Row]:
    """Rows that other grants cover: taking them away hurts nobody."""
    roles = RoleCatalogue()
    left = [row for row in rows if row not in taken]
    return {row for row in taken if any(other[2] == row[2] and covers(roles, other, row) for other in left)}


def covers(roles: RoleCatalogue, other: Row, row: Row) -> bool:
    wide = roles.role_bits(other[1]) or 0
    needed = roles.role_bits(row[1]) or 0
    inherits = other[0] == row[0] or (other[0].endswith("/projects/acme-data") and row[0] != other[0])
    return inherits and other[3] is None and bool(wide & needed)


@pytest.mark.parametrize("name", PATIENTS)
def test_a_healthy_patient_has_nothing_wrong(name: str) -> None:
    spec = environment(RICH, **PATIENTS[name])
    found = examine(case(spec, healthy(spec), *OPERATIONS))
    bad = [(f.id, f.status, f.why, f.evidence) for f in found if f.status in {Status.FAILED, Status.UNKNOWN}]
    assert bad == []


@pytest.mark.parametrize("name", PATIENTS)
def test_every_single_row_is_missed_when_it_is_taken_away(name: str) -> None:
    spec = environment(RICH, **PATIENTS[name])
    rows = grants(spec)
    reported: set[str] = set()
    for row in dict.fromkeys(rows):
        left = [item for item in rows if item != row]
        found = examine(case(spec, healthy(spec, rows=left), *OPERATIONS))
        lost = failed(found)
        assert all((role, member) == (row[1], row[2]) for role, member, _ in lost), (row, lost)
        reported |= {f.id for f in found if f.status is Status.FAILED}
    assert len(reported) > 25


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), name=st.sampled_from(sorted(PATIENTS)))
def test_any_rows_taken_away_are_exactly_those_reported(data: st.DataObject, name: str) -> None:
    spec = environment(RICH, **PATIENTS[name])
    rows = list(dict.fromkeys(grants(spec)))
    alone = ALONE.setdefault(name, {row: taken(spec, rows, [row]) for row in rows})
    chosen = data.draw(st.lists(st.sampled_from(rows), unique=True, max_size=12))
    lost = taken(spec, rows, chosen)
    expected = set().union(*(alone[row] for row in chosen))
    # What one row alone does not show, several together may: two grants that cover each other.
    together = {(row[1], row[2], row[0]) for row in chosen}
    assert expected <= lost <= expected | together


ALONE: dict[str, dict[Row, set[tuple[str, str, str]]]] = {}


def taken(spec: Any, rows: list[Row], chosen: list[Row]) -> set[tuple[str, str, str]]:
    left = [row for row in rows if row not in chosen]
    return failed(examine(case(spec, healthy(spec, rows=left), *OPERATIONS)))


def test_the_operations_of_this_test_name_every_row_that_environments_need() -> None:
    named = {check["binding"] for name in load_operations() for check in load_operations()[name]["checks"]}
    assert len(named) > 80
