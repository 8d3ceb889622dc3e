from __future__ import annotations

import time

import pytest
from doctor_patients import GEN2, GEN3, RICH, case, environment, grants, healthy

from envctl.doctor.error_text import causes_of, rows_for_permission
from envctl.doctor.facts import Known, Subject, Unreadable
from envctl.doctor.model import DoctorReport, Status
from envctl.doctor.registry import page_of
from envctl.iam_roles import load_table
from envctl.report.doctor_formats import DoctorFormat, write_doctor
from envctl.report.doctor_text import render_doctor

SIGNATURES = {row["id"]: row for row in load_table("signatures")["rows"]}


@pytest.mark.parametrize("identifier", SIGNATURES)
def test_every_signature_is_the_first_cause_of_its_example(identifier: str) -> None:
    causes = causes_of(SIGNATURES[identifier]["example"])
    assert causes[0].signature == identifier
    assert causes[0].rank == 1
    assert causes[0].checks or identifier in {"iam.generic", "build.conflict"}


@pytest.mark.parametrize("identifier", SIGNATURES)
def test_the_text_may_stand_anywhere_in_a_log(identifier: str) -> None:
    example = SIGNATURES[identifier]["example"]
    log = "2026-11-20 10:00:00 INFO starting\n" * 50 + example + "\nTraceback (most recent call last):\n"
    assert identifier in [cause.signature for cause in causes_of(log)]


@pytest.mark.parametrize("identifier", SIGNATURES)
def test_every_signature_has_a_page(identifier: str) -> None:
    page = page_of(identifier)
    assert page is not None
    assert page.related == tuple(SIGNATURES[identifier]["check"])


@pytest.mark.parametrize(
    "text",
    [
        "ERROR: Cannot install a and b because these package versions have conflicting dependencies.",
        "google-genai 1.26.0 requires pydantic<3.0.0,>=2.0.0, but you have pydantic 1.10.27 which is incompatible.",
        "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/",
        "This behaviour is the source of the following dependency conflicts.",
    ],
)
def test_what_pip_says_of_a_clash_leads_to_the_clash_check(text: str) -> None:
    cause = causes_of("Failed to install PyPI packages.\n" + text)[0]
    assert cause.signature == "build.conflict"
    assert "envctl deps check" in cause.means


def test_what_the_text_names_comes_first() -> None:
    (cause,) = causes_of("Constraint constraints/compute.vmExternalIpAccess violated for project 1.")
    assert cause.groups == ("constraints/compute.vmExternalIpAccess",)
    assert cause.checks[0] == "constraint.compute.vmExternalIpAccess"
    apis = causes_of(
        "Please enable all APIs Cloud Composer depends on. List of APIs: [sqladmin.googleapis.com, dns.googleapis.com]"
    )[0]
    assert apis.checks[:2] == ("api.sqladmin", "api.dns") or set(apis.checks[:2]) == {"api.sqladmin", "api.dns"}


def test_a_permission_in_an_unknown_wording_leads_to_its_rows() -> None:
    causes = causes_of("boom: you need dataflow.jobs.create, sorry")
    assert [cause.signature for cause in causes] == ["iam.generic"]
    assert "env.dataflow-dev" in causes[0].checks
    assert rows_for_permission("nothing.like.this") == []


def test_text_that_nobody_knows_has_no_cause() -> None:
    assert causes_of("the cat sat on the mat") == ()
    assert causes_of("") == ()


def test_facts_decide_and_the_confirmed_cause_comes_first() -> None:
    spec = environment(RICH, imageVersion=GEN2)
    rows = [row for row in grants(spec) if row[1] != "roles/container.hostServiceAgentUser"]
    patient = case(spec, healthy(spec, rows=rows), "create")
    text = (
        "googleapi: Error 403: The caller does not have permission, forbidden\n"
        "container.hostServiceAgent.use is missing on host project"
    )
    causes = causes_of(text, patient)
    assert causes[0].signature == "svpc.host-agent"
    assert causes[0].confirmed
    assert [item.id for item in causes[0].decided if item.status is Status.FAILED] == ["gke.host-user"]
    assert causes[1].signature == "caller.forbidden"
    assert not causes[1].confirmed


def test_facts_that_are_missing_are_named() -> None:
    spec = environment()
    answers = healthy(spec)
    answers[Subject.POLICY, "//cloudresourcemanager.googleapis.com/projects/acme-data"] = Unreadable(
        "resourcemanager.projects.getIamPolicy", "403"
    )
    text = SIGNATURES["agent.role-missing"]["example"].replace("service-1@", "service-123@")
    cause = causes_of(text, case(spec, answers, "create"))[0]
    assert not cause.confirmed
    assert any("resourcemanager.projects.getIamPolicy" in text for text in cause.needs)


@pytest.mark.parametrize("filler", ["x" * 5_000_000, "a " * 2_000_000, "[airflow" * 500_000, "Error 403: " * 300_000])
def test_a_very_long_log_is_read_from_its_end_in_little_time(filler: str) -> None:
    started = time.process_time()
    assert "vpcsc" in [cause.signature for cause in causes_of(filler + " " + SIGNATURES["vpcsc"]["example"])]
    assert time.process_time() - started < 5


AGENT = "service-123456789@cloudcomposer-accounts.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f"Error 400: Service account {AGENT} does not exist., badRequest", (AGENT, "project 123456789")),
        (
            f"Composer API Service Agent role is missing. Please bind roles/composer.serviceAgent back on {AGENT}, x",
            (AGENT, "project 123456789"),
        ),
        (
            "User not authorized to act as service account '1st@p.iam.gserviceaccount.com'",
            ("1st@p.iam.gserviceaccount.com",),
        ),
        (
            "X API has not been used in project 123456789012 before or it is disabled: /apis/api/dns.googleapis.com/x",
            ("X", "project 123456789012", "dns.googleapis.com"),
        ),
    ],
)
def test_accounts_and_projects_are_taken_out_of_the_text(text: str, named: tuple[str, ...]) -> None:
    assert causes_of(text)[0].groups == named


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("agent.not-provisioned", "gcloud beta services identity create --service=composer.googleapis.com"),
        ("agent.v2ext-new", "--role=roles/composer.ServiceAgentV2Ext"),
        ("api.missing", "gcloud services enable container.googleapis.com --project=PROJECT"),
        ("build.conflict", "envctl deps fix ENV"),
        ("svpc.host-agent", "gcloud projects add-iam-policy-binding HOST_PROJECT "),
    ],
)
def test_a_cause_ends_with_what_repairs_it(identifier: str, expected: str) -> None:
    (fix,) = causes_of(SIGNATURES[identifier]["example"])[0].fixes
    assert expected in fix.text


def test_what_up_will_grant_confirms_no_cause() -> None:
    spec = environment()
    answers = healthy(spec, exists=False, rows=[])
    cause = causes_of(SIGNATURES["env.no-error"]["example"], case(spec, answers, "create"))[0]
    assert "env.worker" in {item.id for item in cause.decided if item.coming}
    assert not cause.confirmed
    assert [fix.text for fix in cause.fixes] == ["envctl up prod"]
    later = causes_of(SIGNATURES["env.no-error"]["example"], case(spec, healthy(spec, rows=[]), "update"))[0]
    assert later.confirmed
    assert later.fixes == ()  # the failed finding has its own


def test_the_repair_of_an_open_cause_names_the_environments_own_objects() -> None:
    spec = environment()
    answers = healthy(spec)
    answers[Subject.POLICY, "//cloudresourcemanager.googleapis.com/projects/acme-data"] = Unreadable("a.b.c", "403")
    text = SIGNATURES["agent.role-missing"]["example"].replace("service-1@", "service-123@")
    cause = causes_of(text, case(spec, answers, "create"))[0]
    assert "gcloud projects add-iam-policy-binding acme-data " in cause.fixes[-1].text
    assert "service-123@cloudcomposer-accounts" in cause.fixes[-1].text


def test_pages_say_who_a_row_is_about_and_how_it_is_granted() -> None:
    page = page_of("agent.v2ext-project")
    assert page is not None
    assert page.title == "Composer's service agent holds roles/composer.ServiceAgentV2Ext on the project"
    assert "composer_agent" not in page.text
    assert (
        "    gcloud projects add-iam-policy-binding PROJECT --member=serviceAccount:service-PROJECT_NUMBER@"
        in page.text
    )
    for row in load_table("bindings")["rows"]:
        found = page_of(row["id"])
        assert found is not None
        assert "_" not in found.title.replace(row["role"], "")


def test_a_disabled_key_explains_a_denied_key() -> None:
    spec = environment(RICH)
    answers = healthy(spec)
    key = "projects/acme-data/locations/europe-west1/keyRings/r/cryptoKeys/k"
    answers[Subject.KEY, key] = Known({"primary": {"state": "DISABLED"}})
    cause = causes_of(SIGNATURES["cmek.denied"]["example"], case(spec, answers, "create"))[0]
    assert cause.confirmed
    assert [item.id for item in cause.decided if item.status is Status.FAILED] == ["kms.state"]


@pytest.mark.parametrize("identifier", SIGNATURES)
@pytest.mark.parametrize("rich", [True, False])
def test_a_cause_whose_checks_are_all_skipped_still_shows_a_repair(identifier: str, rich: bool) -> None:
    spec = environment(RICH, imageVersion=GEN2) if rich else environment()
    patient = case(spec, healthy(spec, exists=False), "create")
    cause = next(item for item in causes_of(SIGNATURES[identifier]["example"], patient) if item.signature == identifier)
    if all(item.status is Status.SKIPPED for item in cause.decided):
        assert cause.fixes
        assert not any(
            word in fix.text for fix in cause.fixes for word in (" PROJECT", "=PROJECT", "ENVIRONMENT_ACCOUNT")
        )


def test_what_does_not_concern_the_environment_is_said_and_repaired_by_the_table() -> None:
    spec = environment(imageVersion=GEN3)
    (cause,) = causes_of(SIGNATURES["df.worker-role"]["example"], case(spec, healthy(spec), "create"))
    assert cause.elsewhere
    assert cause.fixes[0].text == (
        "gcloud projects add-iam-policy-binding acme-data "
        "--member=serviceAccount:composer-prod@acme-data.iam.gserviceaccount.com --role=roles/dataflow.worker --condition=None"
    )
    report = DoctorReport("prod", ("create",), (), (cause,), "test")
    assert f"does not concern this environment: {cause.decided[0].why}" in render_doctor(report)
    assert f"Does not concern this environment: {cause.decided[0].why}" in write_doctor(report, DoctorFormat.HTML)


def test_a_check_that_is_fine_leaves_no_repair() -> None:
    spec = environment(RICH, imageVersion=GEN2)
    (cause,) = causes_of(SIGNATURES["df.worker-role"]["example"], case(spec, healthy(spec), "create"))
    assert {item.status for item in cause.decided} == {Status.OK}
    assert cause.fixes == ()


def agent(number: str) -> str:
    return (
        "Composer API Service Agent role is missing. Please bind roles/composer.serviceAgent back on "
        f"service-{number}@cloudcomposer-accounts.iam.gserviceaccount.com, x"
    )


def test_an_agent_of_another_project_is_a_wrong_project_number() -> None:
    spec = environment()
    cause, other = causes_of(agent("999"), case(spec, healthy(spec), "create"))
    assert (cause.signature, other.signature) == ("policy.wrong-project-number", "agent.role-missing")
    assert page_of(cause.signature) is not None
    assert not other.confirmed
    (finding,) = cause.decided
    assert finding.status is Status.FAILED
    assert "project 999, and acme-data is 123" in finding.why
    assert cause.confirmed
    assert [fix.text for fix in finding.fixes] == ["gcloud projects describe 999"]


def test_numbers_that_the_facts_know_are_no_finding() -> None:
    spec = environment(RICH, imageVersion=GEN2)
    patient = case(spec, healthy(spec), "create")
    for number in ("123", "456"):
        decided = [item.id for cause in causes_of(agent(number), patient) for item in cause.decided]
        assert "policy.wrong-project-number" not in decided


def test_a_bare_number_may_be_that_of_a_tenant_project() -> None:
    spec = environment()
    text = "X API has not been used in project 123456789012 before or it is disabled: /apis/api/dns.googleapis.com/x"
    cause = causes_of(text, case(spec, healthy(spec), "create"))[0]
    (finding,) = [item for item in cause.decided if item.id == "policy.wrong-project-number"]
    assert finding.status is Status.UNKNOWN
    assert any("project 123456789012" in text and "acme-data is 123" in text for text in cause.needs)
    assert any("resourcemanager.projects.get" in text for text in cause.needs)


def test_no_number_in_the_facts_is_no_reason_to_call_another_one_wrong() -> None:
    spec = environment()
    answers = healthy(spec)
    for project in ("acme-data", "acme-net", "other-project", "keys-prj"):
        answers[Subject.PROJECT, project] = Unreadable("resourcemanager.projects.get", "403")
    decided = [item.id for cause in causes_of(agent("999"), case(spec, answers, "create")) for item in cause.decided]
    assert "policy.wrong-project-number" not in decided


def test_rows_that_mean_one_binding_are_decided_by_its_finding() -> None:
    spec = environment(RICH, imageVersion=GEN2)
    rows = [row for row in grants(spec) if row[1] != "roles/bigquery.dataEditor"]
    text = SIGNATURES["df.preflight"]["example"]
    fine = next(
        item for item in causes_of(text, case(spec, healthy(spec), "create")) if item.signature == "df.preflight"
    )
    assert {"env.bq-data", "env.bq-job"} <= {item.id for item in fine.decided}
    assert all("roles/pubsub.editor" in fix.text for fix in fine.fixes)  # the one row that no check decides
    short = next(
        item
        for item in causes_of(text, case(spec, healthy(spec, rows=rows), "update"))
        if item.signature == "df.preflight"
    )
    assert short.confirmed
    assert [item.id for item in short.decided if item.status is Status.FAILED] == ["env.bq-data"]
