"""Facts in which any one value, at any depth, was replaced by something odd: no check crashes."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from doctor_patients import GEN2, GEN3, RICH, case, environment, healthy, live_environment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envctl.doctor.bundle import parse_bundle, render_bundle
from envctl.doctor.examine import examine
from envctl.doctor.facts import Answer, Known, Subject
from envctl.doctor.model import DoctorReport
from envctl.report.doctor_formats import DoctorFormat, write_doctor

ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e400,
    "",
    "x" * 300,
    "\x1b[2J",
    "10.0.0.0/33",
    [],
    [[]],
    {},
    {"a": []},
    [None, 3, {}],
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def replaced(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    changed = copy.copy(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], odd)
    return changed


RICHEST = {
    (Subject.PERIMETERS, "acme-data"): [{"title": "p", "status": {"restrictedServices": ["storage.googleapis.com"]}}],
    (Subject.CUSTOM_CONSTRAINTS, "acme-data"): [
        {"name": "custom.a", "condition": "resource.name != ''", "actionType": "ALLOW", "methodTypes": ["CREATE"]}
    ],
    (Subject.FIREWALLS, "acme-net"): [
        {"name": "w", "direction": "INGRESS", "allowed": [{"IPProtocol": "tcp", "ports": ["1-3"]}]}
    ],
    (Subject.ROUTERS, "projects/acme-net/regions/europe-west1"): [
        {"name": "r", "nats": [{"name": "n", "subnetworks": [{"secondaryIpRangeNames": ["pods"]}]}]}
    ],
    (Subject.DENY, "//cloudresourcemanager.googleapis.com/projects/acme-data"): [
        {
            "name": "policies/x/denypolicies/d",
            "rules": [{"denyRule": {"deniedPrincipals": ["x"], "deniedPermissions": ["y"]}}],
        }
    ],
    (Subject.BOUNDARIES, "acme-data"): [{"policy": "p", "principalSet": "//x", "rules": [{"resources": ["//y"]}]}],
    (Subject.CHANGES, "//x"): [
        {"time": "2026-11-20T09:59:00Z", "action": "ADD", "role": "roles/owner", "member": "user:x"}
    ],
    (Subject.ROLE, "projects/acme-data/roles/x"): {"includedPermissions": ["a.b.c"]},
    (Subject.TEST, "//cloudresourcemanager.googleapis.com/projects/acme-data"): {
        "member": "user:dev@example.com",
        "asked": ["composer.environments.create"],
        "granted": [],
    },
}


@pytest.fixture(scope="module", params=[GEN2, GEN3])
def patient(request: pytest.FixtureRequest) -> tuple[Any, dict[tuple[Subject, str], Answer]]:
    spec = environment(RICH, imageVersion=request.param)
    answers = healthy(spec)
    answers.update({key: Known(value) for key, value in RICHEST.items()})
    answers[Subject.ENVIRONMENT, "projects/acme-data/locations/europe-west1/environments/prod"] = Known(
        live_environment(spec, labels={"a": "b"})
    )
    return spec, answers


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(seed=st.integers(0, 2**32))
def test_any_value_may_be_odd(patient: Any, seed: int) -> None:
    spec, answers = patient
    choose = random.Random(seed)
    changed = dict(answers)
    for _ in range(choose.randint(1, 4)):
        key = choose.choice(sorted(answers, key=str))
        answer = changed[key]
        if isinstance(answer, Known):
            path = choose.choice(places(answer.value))
            changed[key] = Known(replaced(answer.value, path, choose.choice(ODD)))
    found = examine(case(spec, changed, "create", "update", "packages", "upgrade", "delete", "save-snapshot"))
    report = DoctorReport("prod", ("create",), found)
    assert write_doctor(report, DoctorFormat.TEXT, verbose=True)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(seed=st.integers(0, 2**32))
def test_any_value_of_a_bundle_may_be_odd(patient: Any, seed: int) -> None:
    import json
    from pathlib import Path

    from envctl.errors import InvalidInputError

    spec, answers = patient
    document = json.loads(render_bundle(case(spec, answers, "create").facts))
    choose = random.Random(seed)
    document["answers"] = choose.sample(document["answers"], 12)
    path = choose.choice(places(document))
    text = json.dumps(replaced(document, path, choose.choice(ODD)))
    try:
        facts = parse_bundle(text, Path("x.json"))
    except InvalidInputError:
        return
    examine(case(spec, dict(facts.answers), "create", "packages"))
