"""Rights of a member that does not ask itself: policies alone decide, and what they do not decide is unknown."""

from __future__ import annotations

import pytest
from doctor_patients import CRM, ME, NOW, Answers, environment, grants, healthy
from test_doctor_live import InProcessTransport, seeded

from envctl.doctor import questions
from envctl.doctor.examine import examine
from envctl.doctor.facts import Facts, Known, Subject
from envctl.doctor.intake import make_case
from envctl.doctor.live import collect_facts
from envctl.doctor.model import Finding, FixKind, Status
from envctl.iam_targets import CALLER
from envctl.spec.model import Environment

CI = "serviceAccount:ci@acme-tools.iam.gserviceaccount.com"
PROJECT = f"{CRM}/projects/acme-data"
ADMIN = "caller.composer-admin"


def judged(spec: Environment, answers: Answers, member: str = CI) -> dict[str, Finding]:
    """What is found of the member before a creation, by id."""
    found = examine(make_case("prod", spec, None, ("create",), Facts(answers, NOW, "test"), NOW, judged=member))
    return {item.id: item for item in found if item.principal == member}


def with_rights(spec: Environment, member: str) -> Answers:
    """Facts in which the member holds in policies what whoever runs envctl needs."""
    rows = [(resource, role, member if who == ME else who, text) for resource, role, who, text in grants(spec)]
    return healthy(spec, exists=False, rows=rows)


def own_tests(member: str, spec: Environment, *, granted: bool) -> Answers:
    """Answers of testIamPermissions that give all, or nothing, to the member that asked."""
    case = make_case("prod", spec, None, ("create",), Facts(healthy(spec, exists=False), NOW, "test"), NOW)
    return {
        (Subject.TEST, place): Known(
            {"member": member, "asked": list(asked), "granted": list(asked) if granted else []}
        )
        for place, asked in questions.tested_permissions(case).items()
    }


def test_tests_of_somebody_else_give_nothing() -> None:
    spec = environment()
    answers = {**healthy(spec, exists=False), **own_tests(ME, spec, granted=True)}
    found = judged(spec, answers)
    assert found[ADMIN].status is Status.FAILED
    assert not any("testIamPermissions" in text for item in found.values() for text in item.evidence)


def test_tests_of_somebody_else_take_nothing() -> None:
    spec = environment()
    answers = {**with_rights(spec, CI), **own_tests(ME, spec, granted=False)}
    found = judged(spec, answers)
    assert {item.status for item in found.values()} <= {Status.OK, Status.SKIPPED}
    assert found[ADMIN].status is Status.OK


def test_who_asks_about_itself_is_told_by_its_own_tests() -> None:
    spec = environment()
    answers = {**healthy(spec, exists=False, rows=[]), **own_tests(ME, spec, granted=True)}
    assert judged(spec, answers, ME)[ADMIN].status is Status.OK


def test_what_policies_do_not_decide_is_unknown() -> None:
    spec = environment()
    answers = healthy(spec, exists=False)
    group = {"role": "roles/composer.admin", "members": ["group:unread@example.com"]}
    policy = answers[Subject.POLICY, PROJECT]
    assert isinstance(policy, Known)
    policy.value["bindings"].append(group)
    found = judged(spec, answers)
    assert found[ADMIN].status is Status.UNKNOWN
    assert any("group:unread@example.com" in text for text in found[ADMIN].evidence)
    del answers[Subject.POLICY, PROJECT]
    assert judged(spec, answers)[ADMIN].status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("roles", "coming"),
    [
        ((), False),
        (("roles/resourcemanager.projectIamAdmin",), False),  # every preview reads before anything is granted
        (("roles/composer.viewer",), False),
        (("roles/resourcemanager.projectIamAdmin", "roles/composer.viewer"), True),
    ],
)
def test_a_declared_right_comes_only_where_the_member_may_write_it_and_not_too_late(
    roles: tuple[str, ...], coming: bool
) -> None:
    spec = environment(access={"deployers": [CI]})
    rows = [row for row in grants(spec) if row[2] != CI]
    answers = healthy(spec, exists=False, rows=[*rows, *((PROJECT, role, CI, None) for role in roles)])
    admin = judged(spec, answers)[ADMIN]
    assert admin.status is Status.FAILED
    assert admin.coming is coming
    assert any(fix.kind is FixKind.COMMAND for fix in admin.fixes)


def test_a_live_look_at_another_member_tests_nothing() -> None:
    spec = environment()
    case = make_case("prod", spec, None, ("create",), judged=CI)
    facts = collect_facts(case, InProcessTransport(seeded(spec)), ME)
    assert facts.names(Subject.TEST) == ()
    found = {
        item.id: item for item in examine(make_case("prod", spec, None, ("create",), facts)) if item.principal == CI
    }
    assert found[ADMIN].status is Status.FAILED
    own = collect_facts(make_case("prod", spec, None, ("create",), judged=ME), InProcessTransport(seeded(spec)), ME)
    assert own.names(Subject.TEST) != ()


def test_credentials_of_machines_are_not_those_of_the_member() -> None:
    spec = environment()
    answers = healthy(spec, exists=False)
    caller = answers[Subject.CALLER, "-"]
    assert isinstance(caller, Known)
    answers[Subject.CALLER, "-"] = Known({**caller.value, "signedIn": "user:machine@example.com"})
    facts = Facts(answers, NOW, "test")
    found = examine(make_case("prod", spec, None, ("create",), facts, NOW, judged=CI))
    assert not [item for item in found if item.principal in {"user:machine@example.com", ME, CALLER}]
