"""Facts in which any one value, at any depth, was replaced by something odd: no check crashes."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
from doctor_patients import GEN2, GEN3, RICH, case, environment, healthy, live_environment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envctl.doctor.bundle import load_facts, parse_bundle, render_bundle
from envctl.doctor.error_text import causes_of
from envctl.doctor.examine import examine
from envctl.doctor.facts import Answer, Known, Subject
from envctl.doctor.model import DoctorReport
from envctl.errors import InvalidInputError
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
    (Subject.SET_CONSTRAINTS, "//cloudresourcemanager.googleapis.com/projects/acme-data"): [
        {"name": "projects/123/policies/gcp.resourceLocations", "spec": {"rules": [{"allowAll": True}]}},
        {"name": "projects/123/policies/custom.a", "spec": {"rules": [{"enforce": True}]}},
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


def damaged(text: str, choose: random.Random) -> bytes:
    """A text that was cut off, or had bytes or lines removed, doubled, swapped or overwritten."""
    raw = bytearray(text.encode())
    match choose.randrange(6):
        case 0:
            del raw[choose.randrange(len(raw) + 1) :]
        case 1:
            for _ in range(choose.randint(1, 20)):
                raw[choose.randrange(len(raw))] = choose.randrange(256)
        case 2:
            start = choose.randrange(len(raw))
            del raw[start : start + choose.randint(1, 2000)]
        case 3:
            start = choose.randrange(len(raw))
            raw[start:start] = raw[start : start + choose.randint(1, 2000)]
        case 4:
            lines = text.splitlines(keepends=True)
            choose.shuffle(lines)
            raw = bytearray("".join(lines).encode())
        case _:
            for old, new in choose.sample(SWAPS, 3):
                raw = bytearray(bytes(raw).replace(old, new, choose.randint(1, 5)))
    return bytes(raw)


SWAPS = (
    (b'"', b"'"),
    (b"[", b"{"),
    (b"]", b"}"),
    (b"null", b"NaN"),
    (b":", b": -1e999,"),
    (b"projects", b"\x1b[2J\\u0000<script>"),
    (b"roles/", b"roles//\\ud800"),
    (b"serviceAccount:", b"deleted:serviceAccount:"),
    (b"@", b"@@"),
    (b"123", b"99999999999999999999999999999999999999999999"),
    (b"T", b"T99:99:99+99:99"),
    (b"europe-west1", b"../../etc/passwd"),
    (b"10.", b"999.10."),
    (b"true", b'"true"'),
    (b'"version": 3', b'"version": "x"'),
)
GCLOUD = {
    "project--acme-data.json": {
        "projectId": "acme-data",
        "projectNumber": "123",
        "parent": {"type": "folder", "id": "1"},
    },
    "ancestors-policy--acme-data.json": [
        {
            "type": "project",
            "id": "acme-data",
            "policy": {"version": 3, "bindings": [{"role": "roles/composer.worker", "members": ["user:a@b.c"]}]},
        },
        {"type": "organization", "id": "9", "policy": {"etag": "x"}},
    ],
    "services--acme-data.json": [{"config": {"name": "composer.googleapis.com"}, "state": "ENABLED"}],
    "service-account--acme-data--composer-prod@acme-data.iam.gserviceaccount.com.json": {
        "email": "x",
        "disabled": False,
    },
    "service-account--acme-data--composer-prod@acme-data.iam.gserviceaccount.com.iam.json": {
        "bindings": [
            {
                "role": "roles/iam.serviceAccountUser",
                "members": ["group:g@b.c"],
                "condition": {"title": "t", "expression": 'request.time < timestamp("2030-01-01T00:00:00Z")'},
            }
        ]
    },
    "constraints--acme-data.json": [
        {
            "name": "projects/123/policies/gcp.resourceLocations",
            "spec": {"rules": [{"values": {"allowedValues": ["x"]}}]},
        },
        {"constraint": "constraints/compute.vmExternalIpAccess", "listPolicy": {"allValues": "DENY"}},
    ],
    "routers--acme-net--europe-west1.json": [{"name": "r", "nats": [{"name": "n"}]}],
    "subnetwork--acme-net--europe-west1--eu.json": {
        "secondaryIpRanges": [{"rangeName": "a", "ipCidrRange": "10.0.0.0/8"}]
    },
    "region--acme-data--europe-west1.json": {"quotas": [{"metric": "CPUS", "limit": 10, "usage": 9}]},
    "environment--acme-data--europe-west1--prod.json": {"state": "RUNNING", "config": {"softwareConfig": {}}},
    "group--g@b.c.json": [{"preferredMemberKey": {"id": "a@b.c"}, "type": "USER"}],
    "bucket--acme-composer.iam.json": {"bindings": []},
    "deny--acme-data.json": [
        {"name": "policies/x/denypolicies/d", "rules": [{"denyRule": {"deniedPrincipals": ["x"]}}]}
    ],
    "firewalls--acme-net.json": [{"name": "w", "allowed": [{"IPProtocol": "tcp", "ports": ["1-3"]}]}],
}
OPERATIONS = ("create", "update", "packages", "upgrade", "delete", "save-snapshot")


def diagnosed(spec: Any, facts: Any, text: str) -> None:
    """A whole run on facts: every check, the causes of an error text, every format."""
    patient = case(spec, dict(facts.answers), *OPERATIONS)
    report = DoctorReport("prod", ("create",), examine(patient), causes_of(text, patient), facts.origin)
    for form in DoctorFormat:
        shown = write_doctor(report, form, verbose=True)
        assert "\x1b[2J" not in shown
        assert "<script>" not in shown or form is not DoctorFormat.HTML


@pytest.mark.slow
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(seed=st.integers(0, 2**32))
def test_damaged_bundles_are_refused_or_read(patient: Any, seed: int, tmp_path: Path) -> None:
    spec, answers = patient
    choose = random.Random(seed)
    path = tmp_path / "facts.json"
    text = render_bundle(case(spec, answers, "create").facts)
    if choose.random() < 0.7:
        document = json.loads(text)
        for _ in range(choose.randint(1, 12)):
            answer = choose.randrange(len(document["answers"]))
            inside = choose.choice(places(document["answers"][answer]))
            document = replaced(document, ("answers", answer, *inside), choose.choice(ODD))
        path.write_text(json.dumps(document))
    else:
        path.write_bytes(damaged(text, choose))
    try:
        facts = load_facts(path)
    except InvalidInputError:
        return
    diagnosed(spec, facts, damaged(ERROR, choose).decode(errors="replace"))


@pytest.mark.slow
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(seed=st.integers(0, 2**32))
def test_damaged_folders_are_refused_or_read(patient: Any, seed: int, tmp_path: Path) -> None:
    spec, _ = patient
    choose = random.Random(seed)
    folder = tmp_path / "gcloud"
    rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, value in GCLOUD.items():
        odd = choose.random() < 0.3
        text = json.dumps(replaced(value, choose.choice(places(value)), choose.choice(ODD)) if odd else value)
        suffix = choose.choice((".json", ".json", ".yaml"))
        target = folder / (name.removesuffix(".json") + suffix)
        target.write_bytes(damaged(text, choose) if choose.random() < 0.4 else text.encode())
    try:
        facts = load_facts(folder)
    except InvalidInputError:
        return
    diagnosed(spec, facts, ERROR)


ERROR = (
    "Error 403: Composer API Service Agent role is missing. Please bind roles/composer.serviceAgent back on "
    "service-1@cloudcomposer-accounts.iam.gserviceaccount.com, x\n"
    "Constraint constraints/compute.vmExternalIpAccess violated for project 1.\n"
)
