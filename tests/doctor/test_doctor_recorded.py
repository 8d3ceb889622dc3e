"""A real project's policy: 58 bindings, agents of many services, deleted members."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from doctor_patients import CRM, GEN2, NOW, environment

from envctl.doctor.bundle import parse_bundle
from envctl.doctor.evaluate import Evaluator, Reason, State
from envctl.doctor.examine import examine
from envctl.doctor.facts import Absent, Facts, Known, Subject
from envctl.doctor.intake import make_case
from envctl.doctor.observed import build_world
from envctl.iam_roles import load_operations

POLICY = Path(__file__).parents[1] / "cases" / "doctor" / "recorded" / "project-policy.json"
PROJECT = f"{CRM}/projects/recorded-project"


@pytest.fixture(scope="module")
def facts() -> Facts:
    return Facts(
        {
            (Subject.PROJECT, "recorded-project"): Known(
                {"projectId": "recorded-project", "projectNumber": "1234567890", "ancestors": []}
            ),
            (Subject.POLICY, PROJECT): Known(json.loads(POLICY.read_text())),
            (Subject.ENVIRONMENT, "projects/recorded-project/locations/us-central1/environments/prod"): Absent(),
        },
        NOW,
        "recording",
    )


def decide(facts: Facts, member: str, permission: str) -> tuple[State, Reason]:
    verdict = Evaluator(build_world(facts, NOW)).decide(member, permission, PROJECT)
    return verdict.state, verdict.reason


AGENT = "serviceAccount:service-1234567890@{}.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("member", "operation"),
    [
        (AGENT.format("cloudcomposer-accounts"), "create-environment"),
        (AGENT.format("container-engine-robot"), "create-environment"),
    ],
)
def test_the_agents_of_the_recorded_project_hold_what_creation_needs(facts: Facts, member: str, operation: str) -> None:
    principal = {"cloudcomposer-accounts": "composer_agent", "container-engine-robot": "gke_agent"}[
        member.partition("@")[2].partition(".")[0]
    ]
    permissions = {
        permission
        for check in load_operations()[operation]["checks"]
        if check["principal"] == principal and check["resource"] == "project"
        for permission in check["permissions"]
    }
    assert permissions
    for permission in permissions:
        assert decide(facts, member, permission) == (State.GRANTED, Reason.BINDING), permission


def test_strangers_hold_nothing_in_the_recorded_project(facts: Facts) -> None:
    assert decide(facts, "user:nobody@example.net", "composer.environments.create")[0] is State.MISSING


def test_a_deleted_member_of_the_recorded_project_is_told(facts: Facts) -> None:
    policy = json.loads(POLICY.read_text())
    deleted = next(member for item in policy["bindings"] for member in item["members"] if member.startswith("deleted:"))
    role = next(item["role"] for item in policy["bindings"] if deleted in item["members"])
    live = deleted.removeprefix("deleted:").partition("?")[0]
    world = build_world(facts, NOW)
    permission = {"roles/composer.worker": "composer.environments.get"}.get(role, "resourcemanager.projects.get")
    verdict = Evaluator(world).decide(live, permission, PROJECT)
    bits = world.roles.role_bits(role)
    assert bits is not None
    expected = Reason.DELETED_PRINCIPAL if bits & world.roles.bit(permission) else Reason.NO_BINDING
    assert (verdict.state, verdict.reason) == (State.MISSING, expected)


@pytest.mark.parametrize("image", [GEN2, "composer-3-airflow-2.10.5-build.10"])
def test_the_doctor_blames_google_for_nothing_in_the_recorded_project(facts: Facts, image: str) -> None:
    spec = environment(project="recorded-project", region="us-central1", imageVersion=image)
    found = examine(make_case("prod", spec, None, ("create",), facts, NOW))
    status = {item.id: item.status.value for item in found}
    assert status["agent.base"] == "ok"
    if image == GEN2:
        assert status["gke.base"] == "ok"
        assert status["gapis.editor"] == "ok"
        assert status["agent.v2ext-env-sa"] == "ok"  # the extension role stands on the project


def test_the_recording_survives_a_bundle(facts: Facts) -> None:
    from envctl.doctor.bundle import render_bundle

    again = parse_bundle(render_bundle(facts), Path("x.json"))
    assert again.answers == facts.answers
