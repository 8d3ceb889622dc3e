from __future__ import annotations

import pytest
from doctor_cases import ALWAYS_CONCERNED, INFORMATION, SITUATIONS, Situation
from doctor_patients import GEN2, GEN3, RICH, case, environment, grants, healthy

from envctl.doctor.checks import permissions
from envctl.doctor.examine import examine
from envctl.doctor.facts import Absent, Facts, Known, Subject, Unreadable
from envctl.doctor.model import Finding, FixKind, Status
from envctl.doctor.registry import check_ids, checks, page_of
from envctl.iam_roles import load_table

ROWS = {row["id"]: row for row in load_table("bindings")["rows"]}
APIS = {row["id"]: row for row in load_table("preconditions")["rows"] if row["kind"] == "api" and "left_out" not in row}


def findings(identifier: str, situation: Situation) -> list[Finding]:
    spec = environment(situation.base, **situation.blocks)
    answers = healthy(spec, exists=situation.exists)
    answers.update(situation.change)
    if situation.edit:
        situation.edit(answers, spec)
    patient = case(spec, answers, *situation.operations, libraries=situation.libraries)
    return [item for item in examine(patient) if item.id == identifier]


def test_every_check_has_its_three_situations() -> None:
    family = set(permissions.CHECK.ids) | APIS.keys()
    assert set(check_ids()) == family | SITUATIONS.keys() | INFORMATION.keys()
    assert len(check_ids()) == len(set(check_ids()))


@pytest.mark.parametrize("identifier", SITUATIONS)
def test_fine(identifier: str) -> None:
    found = findings(identifier, SITUATIONS[identifier][0])
    assert found, "no finding at all"
    assert {item.status for item in found} <= {Status.OK, Status.SKIPPED}
    assert Status.OK in {item.status for item in found}


@pytest.mark.parametrize("identifier", SITUATIONS)
def test_failed(identifier: str) -> None:
    found = [item for item in findings(identifier, SITUATIONS[identifier][1]) if item.status is Status.FAILED]
    assert found
    assert all(item.why for item in found)


@pytest.mark.parametrize("identifier", sorted(SITUATIONS.keys() - ALWAYS_CONCERNED.keys()))
def test_not_concerned(identifier: str) -> None:
    situation = SITUATIONS[identifier][2]
    found = findings(identifier, situation)
    assert all(item.status is Status.SKIPPED and item.why for item in found)
    if not found:  # concerned before other operations only
        (check,) = [check for check in checks() if identifier in check.ids]
        assert check.operations
        assert not set(check.operations) & set(situation.operations)


@pytest.mark.parametrize("identifier", sorted(SITUATIONS.keys() - {"env.explicit-sa", "env.image-eol", "kms.location"}))
def test_facts_that_could_not_be_read_never_make_a_check_fine(identifier: str) -> None:
    """403 on every fact: nothing may be ok that looked at a fact, and nothing may fail."""
    situation = SITUATIONS[identifier][0]
    spec = environment(situation.base, **situation.blocks)
    answers = {
        key: answer if key[0] in {Subject.PROJECT, Subject.ENVIRONMENT} else Unreadable("some.permission.get", "403")
        for key, answer in healthy(spec, exists=situation.exists).items()
    }
    patient = case(spec, answers, *situation.operations, libraries=situation.libraries)
    found = [item for item in examine(patient) if item.id == identifier]
    assert found
    by_file_alone = identifier.startswith("airflow.")
    if not by_file_alone and identifier not in {
        "env.reserved-vars",
        "env.state",
        "hint.library-without-right",
        "policy.agents-dropped",
    }:
        assert Status.OK not in {item.status for item in found}
    assert Status.FAILED not in {item.status for item in found}


@pytest.mark.parametrize("identifier", APIS)
def test_apis(identifier: str) -> None:
    row = APIS[identifier]
    generation = GEN2 if row["generations"] == [2] or row["generations"] == [1, 2] else GEN3
    backend = "vault" if "vault" in identifier else "secret-manager"
    spec = environment(RICH, imageVersion=generation, secrets={"backend": backend})
    fine = [item for item in examine(case(spec, healthy(spec), "create")) if item.id == identifier]
    assert [item.status for item in fine] == [Status.OK]
    answers = healthy(spec)
    services = answers[Subject.SERVICES, "acme-data"]
    assert isinstance(services, Known)
    answers[Subject.SERVICES, "acme-data"] = Known([name for name in services.value if name != row["subject"]])
    failed = [item for item in examine(case(spec, answers, "create")) if item.id == identifier]
    assert [item.status for item in failed] == [Status.FAILED]
    assert row["subject"] in failed[0].why
    answers[Subject.SERVICES, "acme-data"] = Unreadable("serviceusage.services.list", "403")
    unknown = [item for item in examine(case(spec, answers, "create")) if item.id == identifier]
    assert [item.status for item in unknown] == [Status.UNKNOWN]


def test_apis_that_are_off_before_creation_are_only_noted() -> None:
    spec = environment()
    answers = healthy(spec, exists=False)
    answers[Subject.SERVICES, "acme-data"] = Known([])
    found = [
        item
        for item in examine(case(spec, answers, "create"))
        if item.id.startswith("api.") and item.status is Status.FAILED
    ]
    assert found
    assert {item.severity.value for item in found} == {"note"}
    assert all(item.fixes[0].kind is FixKind.UP for item in found)


def test_google_is_not_blamed_for_what_it_writes_later() -> None:
    spec = environment(imageVersion=GEN2)
    answers = healthy(spec, exists=False, rows=[])
    answers[Subject.SERVICES, "acme-data"] = Known([])
    found = {item.id: item for item in examine(case(spec, answers, "create"))}
    assert found["agent.base"].status is Status.SKIPPED
    assert found["gke.base"].status is Status.SKIPPED


def test_what_up_will_grant_is_noted_before_and_an_error_under_a_running_environment() -> None:
    spec = environment()
    rows = [row for row in grants(spec) if row[1] != "roles/composer.worker"]
    before = {f.id: f for f in examine(case(spec, healthy(spec, exists=False, rows=rows), "create"))}["env.worker"]
    after = {f.id: f for f in examine(case(spec, healthy(spec, rows=rows), "update"))}["env.worker"]
    assert (before.status, before.severity.value) == (Status.FAILED, "note")
    assert (after.status, after.severity.value) == (Status.FAILED, "error")
    assert [fix.kind for fix in before.fixes] == [FixKind.UP, FixKind.COMMAND]
    assert before.fixes[0].text.startswith("+ roles/composer.worker on project")
    assert before.fixes[1].text == (
        "gcloud projects add-iam-policy-binding acme-data --member=serviceAccount:composer-prod@acme-data.iam.gserviceaccount.com "
        "--role=roles/composer.worker --condition=None"
    )


def test_a_denied_right_is_not_repaired_by_another_grant() -> None:
    spec = environment()
    answers = healthy(spec)
    rule = {
        "deniedPrincipals": ["principalSet://goog/public:all"],
        "deniedPermissions": ["iam.googleapis.com/serviceAccounts.actAs"],
    }
    place = "//cloudresourcemanager.googleapis.com/organizations/9"
    answers[Subject.DENY, place] = Known([{"name": "policies/x/denypolicies/no-act-as", "rules": [{"denyRule": rule}]}])
    found = {f.id: f for f in examine(case(spec, answers, "create"))}["caller.act-as-env-sa"]
    assert found.status is Status.FAILED
    assert found.fixes == ()
    assert "no-act-as" in found.evidence[0]


def test_a_right_that_was_granted_a_moment_ago_is_told_apart_from_one_that_is_absent() -> None:
    spec = environment()
    account = "//iam.googleapis.com/projects/acme-data/serviceAccounts/composer-prod@acme-data.iam.gserviceaccount.com"
    answers = healthy(spec)
    answers[Subject.TEST, account] = Known(
        {"member": "user:dev@example.com", "asked": ["iam.serviceAccounts.actAs"], "granted": []}
    )
    found = {f.id: f for f in examine(case(spec, answers, "create"))}["caller.act-as-env-sa"]
    assert found.status is Status.UNKNOWN
    assert "7 minutes" in found.evidence[0]
    gone = healthy(spec, rows=[row for row in grants(spec) if row[1] != "roles/iam.serviceAccountUser"])
    assert {f.id: f for f in examine(case(spec, gone, "create"))}["caller.act-as-env-sa"].status is Status.FAILED
    change = {"action": "ADD", "role": "roles/iam.serviceAccountUser", "member": "user:dev@example.com"}
    gone[Subject.CHANGES, account] = Known([{**change, "time": "2026-11-20T09:57:00Z"}])
    assert {f.id: f for f in examine(case(spec, gone, "create"))}["caller.act-as-env-sa"].status is Status.UNKNOWN
    gone[Subject.CHANGES, account] = Known([{**change, "time": "2026-11-20T09:50:00Z"}])
    assert {f.id: f for f in examine(case(spec, gone, "create"))}["caller.act-as-env-sa"].status is Status.FAILED


def test_without_facts_only_the_file_is_judged() -> None:
    spec = environment(encryption={"key": {"name": "projects/p-p/locations/global/keyRings/r/cryptoKeys/k"}})
    found = examine(case(spec, {}, "create"))
    assert {item.id for item in found} == {item for check in checks() if check.offline for item in check.ids}
    assert {item.id for item in found if item.status is Status.FAILED} == {"kms.location"}


@pytest.mark.parametrize("identifier", check_ids())
def test_every_check_has_a_page(identifier: str) -> None:
    page = page_of(identifier)
    assert page is not None
    assert page.title
    assert len(page.text) > 60
    assert "TODO" not in page.text


def test_every_precondition_has_a_check_or_a_reason() -> None:
    for row in load_table("preconditions")["rows"]:
        assert ("left_out" in row) is not (row["id"] in check_ids()), row["id"]


def test_the_oddest_facts_crash_no_check() -> None:
    odd_values = [
        None,
        0,
        "",
        [],
        {},
        [None],
        {"bindings": 3},
        [{"nats": 7}],
        {"spec": {"rules": [3]}},
        "\x1b[31m",
        {"status": 1},
        [[]],
        True,
    ]
    for place, odd in enumerate(odd_values):
        spec = environment(RICH, imageVersion=(GEN2, GEN3)[place % 2])
        healthy_answers = healthy(spec)
        for subject in Subject:
            answers = {key: Known(odd) if key[0] is subject else answer for key, answer in healthy_answers.items()}
            examine(case(spec, answers, "create", "update", "packages", "upgrade", "delete"))


def test_nothing_is_fine_when_the_bundle_is_empty() -> None:
    spec = environment()
    facts = Facts(
        {(Subject.ENVIRONMENT, "projects/acme-data/locations/europe-west1/environments/prod"): Absent()},
        case(spec).now,
        "x",
    )
    found = examine(case(spec, dict(facts.answers), "create"))
    rights = [item for item in found if item.role and item.status is not Status.SKIPPED]
    assert rights
    assert {item.status for item in rights} == {Status.UNKNOWN}


@pytest.mark.parametrize(("key", "status"), [("name", Status.SKIPPED), ("existing", Status.FAILED)])
def test_a_bucket_that_the_file_does_not_make_has_to_be_there(key: str, status: Status) -> None:
    situation = Situation(
        {"buckets": {"environment": {key: "acme-dags"}}}, change={(Subject.BUCKET, "acme-dags"): Absent()}
    )
    (found,) = findings("bucket.location", situation)
    assert (found.status, found.resource) == (status, "acme-dags")


def test_an_existing_bucket_in_another_region_is_reported() -> None:
    known = Known({"location": "US", "projectNumber": "123"})
    situation = Situation(
        {"buckets": {"environment": {"existing": "acme-dags"}}}, change={(Subject.BUCKET, "acme-dags"): known}
    )
    (found,) = findings("bucket.location", situation)
    assert found.status is Status.FAILED
