from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from doctor_patients import GEN2, ME, RICH, case, environment, grants, healthy

from envctl.diagnostics import Severity
from envctl.doctor.baseline import FORMAT, accept, load_baseline
from envctl.doctor.error_text import causes_of
from envctl.doctor.examine import examine
from envctl.doctor.facts import Known, Subject
from envctl.doctor.model import DoctorReport, Finding, Fix, FixKind, Status
from envctl.errors import InvalidInputError
from envctl.report.doctor_formats import DoctorFormat, sarif_document, write_doctor, write_doctors
from envctl.report.doctor_json import doctor_document
from envctl.report.doctor_pages import render_checks, render_page
from envctl.report.doctor_text import render_doctor, short_resource
from envctl.report.style import Style

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "doctor-v1.json").read_text())
HOSTILE = "\x1b[31mred\x07</td><script>alert(1)</script>|`x`]]>&\u202eevil\n# heading"


def sick() -> DoctorReport:
    spec = environment(RICH, imageVersion=GEN2)
    rows = [row for place, row in enumerate(grants(spec)) if place % 4 and "sharedVpcAgent" not in row[1]]
    patient = case(spec, healthy(spec, rows=rows, exists=False), "create")
    return DoctorReport("prod", ("create",), examine(patient), (), "test, 2026-11-20 10:00 UTC", "2026-08-22")


def hostile() -> DoctorReport:
    finding = Finding(
        id="caller.act-as-env-sa",
        status=Status.FAILED,
        severity=Severity.ERROR,
        why=HOSTILE,
        principal=f"user:{HOSTILE}",
        resource=f"//storage.googleapis.com/projects/_/buckets/{HOSTILE}",
        missing=(HOSTILE,),
        role=HOSTILE,
        evidence=(HOSTILE,),
        fixes=(Fix(FixKind.COMMAND, HOSTILE), Fix(FixKind.SPEC, HOSTILE), Fix(FixKind.UP, HOSTILE)),
    )
    unknown = Finding("x", Status.UNKNOWN, Severity.ERROR, HOSTILE, HOSTILE, HOSTILE, evidence=(HOSTILE,))
    skipped = Finding("y", Status.SKIPPED, Severity.ERROR, HOSTILE)
    return DoctorReport(HOSTILE, ("create",), (finding, unknown, skipped), (), HOSTILE, "2026-08-22")


@pytest.mark.parametrize("form", DoctorFormat)
def test_nothing_in_a_name_steers_a_terminal_or_a_page(form: DoctorFormat) -> None:
    text = write_doctor(hostile(), form, verbose=True)
    if form in {DoctorFormat.JSON, DoctorFormat.SARIF}:
        json.loads(text)  # JSON escapes control characters itself
        assert "\x1b" not in text
        return
    assert not [sign for sign in "\x1b\x07\u202e" if sign in text]
    if form in {DoctorFormat.HTML, DoctorFormat.MARKDOWN}:
        assert "<script>" not in re.sub(r"```sh.*?```", "", text, flags=re.DOTALL)
    if form is DoctorFormat.JUNIT:
        ET.fromstring(text)


@pytest.mark.parametrize("report", [sick(), hostile()], ids=["sick", "hostile"])
def test_json_keeps_to_its_schema(report: DoctorReport) -> None:
    document = json.loads(json.dumps(doctor_document(report)))
    jsonschema.validate(document, SCHEMA)
    assert sum(document["summary"].values()) == len(document["findings"])


def test_causes_keep_to_the_schema() -> None:
    spec = environment()
    causes = causes_of(
        "roles/composer.serviceAgent: Please bind roles/composer.serviceAgent back", case(spec, healthy(spec), "create")
    )
    document = doctor_document(DoctorReport("error text", (), (), causes))
    jsonschema.validate(json.loads(json.dumps(document)), SCHEMA)
    assert document["causes"][0]["signature"] == "agent.role-missing"


def test_the_first_lines_say_what_to_do() -> None:
    lines = render_doctor(sick()).splitlines()
    assert re.match(r"prod: before create: \d+ to fix, .*\d+ ok", lines[0])
    assert lines[3] == "Fix this first"
    text = "\n".join(lines)
    assert text.index("Fix this first") < text.index("`envctl up` will do this")
    assert "gcloud projects add-iam-policy-binding acme-net" in text
    commands = [line for line in lines if line.strip().startswith("gcloud ")]
    assert all(line.startswith("            gcloud") for line in commands)
    assert not any(line != line.rstrip() for line in lines)


def test_an_error_text_alone_ends_with_where_to_go() -> None:
    report = DoctorReport("error text", (), (), causes_of("Please bind roles/composer.serviceAgent back"))
    agent = "service-PROJECT_NUMBER@cloudcomposer-accounts.iam.gserviceaccount.com"
    tail = f"--member=serviceAccount:{agent} --role=roles/composer.serviceAgent --condition=None"
    assert render_doctor(report).splitlines() == [
        "error text: 1 possible cause, none confirmed",
        "",
        "1. the service agent lost its project role  (possible) [agent.role-missing]",
        "   look at: agent.base",
        "   to repair it:",
        "",
        f"       gcloud projects add-iam-policy-binding PROJECT {tail}",
        "",
        "To have these checked, name the environment: envctl doctor ENV --error TEXT",
        "More about any id: envctl explain agent.base",
    ]


def test_a_look_at_the_file_alone_is_not_called_healthy() -> None:
    report = DoctorReport("prod", ("create",), examine(case(environment(), {}, "create")))
    assert report.failed == ()
    first = render_doctor(report, Style(color=True)).splitlines()[0]
    assert "only the file was looked at: nothing to fix in it" in first
    assert "\x1b[33m" in first or "\x1b[1;33m" in first
    assert "32m" not in first


def test_what_could_not_be_told_is_never_called_fine() -> None:
    spec = environment()
    answers = dict(list(healthy(spec).items())[:1])
    report = DoctorReport("prod", ("create",), examine(case(spec, answers, "create")), (), "t", "2026-08-22")
    assert len(report.unknown) > 1
    assert "nothing to fix" not in render_doctor(report)
    assert "nothing known to fix" in render_doctor(report).splitlines()[0]
    assert f"{len(report.unknown)} of what is not known would be errors" in render_doctor(report)


def test_causes_and_their_repair_reach_pages_and_pull_requests() -> None:
    spec = environment()
    text = "Please bind roles/composer.serviceAgent back\nFailed to create environment, but no error was surfaced"
    causes = causes_of(text, case(spec, healthy(spec, exists=False, rows=[]), "create"))
    report = DoctorReport("prod", ("create",), (), causes, "t", "2026-08-22")
    assert [cause.confirmed for cause in causes] == [True, False]
    for form in (DoctorFormat.HTML, DoctorFormat.MARKDOWN):
        written = write_doctor(report, form)
        assert "2 possible causes of the error text" in written
        assert "0 failed" not in written
        assert "gcloud projects add-iam-policy-binding acme-data" in written
        assert "+ roles/composer.worker on project" in written
        assert "envctl up prod" in written


def test_one_cause_is_said_in_the_singular() -> None:
    report = DoctorReport("error text", (), (), causes_of("Please bind roles/composer.serviceAgent back"))
    for form in (DoctorFormat.HTML, DoctorFormat.MARKDOWN):
        assert "1 possible cause of the error text" in write_doctor(report, form)


def test_findings_of_one_principal_stand_together() -> None:
    text = render_doctor(sick())
    section = text[text.index("Fix this first") : text.index("Look at this")] if "Look at this" in text else text
    heads = [line for line in section.splitlines() if re.match(r"  \S", line)]
    assert len(heads) == len(set(heads))


def test_a_healthy_report_is_short() -> None:
    spec = environment()
    report = DoctorReport("prod", ("create",), examine(case(spec, healthy(spec), "create")), (), "t", "2026-08-22")
    assert render_doctor(report).splitlines()[0].startswith("prod: before create: nothing to fix, ")
    assert len(render_doctor(report).splitlines()) < 5
    assert len(render_doctor(report, verbose=True).splitlines()) > 40


def test_colour_changes_nothing_but_colour() -> None:
    plain = render_doctor(sick())
    colored = render_doctor(sick(), Style(color=True))
    assert colored != plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


def test_sarif_tells_failed_from_unknown() -> None:
    run = sarif_document(hostile())["runs"][0]
    kinds = {(item["kind"], item["level"]) for item in run["results"]}
    assert kinds == {("fail", "error"), ("review", "none")}
    assert all(item["ruleId"] == run["tool"]["driver"]["rules"][item["ruleIndex"]]["id"] for item in run["results"])


def test_junit_counts_what_it_holds() -> None:
    root = ET.fromstring(write_doctor(sick(), DoctorFormat.JUNIT))
    suite = root[0]
    assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))
    assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
    assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error"))
    assert int(suite.attrib["skipped"]) == len(suite.findall("testcase/skipped"))


def before_creation() -> DoctorReport:
    """A prepared person and an empty project: everything that is missing is what `up` will do."""
    spec = environment()
    answers = healthy(spec, exists=False, rows=[row for row in grants(spec) if row[2] == ME])
    answers[Subject.SERVICES, "acme-data"] = Known([])
    return DoctorReport("prod", ("create",), examine(case(spec, answers, "create")), (), "t", "2026-08-22")


@pytest.mark.parametrize("form", DoctorFormat)
def test_what_up_will_do_fails_in_no_format(form: DoctorFormat) -> None:
    report = before_creation()
    text = write_doctor(report, form)
    coming = len(report.coming)
    assert coming > 5
    match form:
        case DoctorFormat.TEXT:
            assert text.splitlines()[0].startswith(f"prod: before create: nothing to fix, {coming} that")
        case DoctorFormat.JSON:
            document = json.loads(text)
            assert (document["summary"]["failed"], document["summary"]["coming"]) == (0, coming)
            assert [row["status"] for row in document["findings"]].count("coming") == coming
            jsonschema.validate(document, SCHEMA)
        case DoctorFormat.SARIF:
            results = json.loads(text)["runs"][0]["results"]
            assert {(row["kind"], row["level"]) for row in results} == {("informational", "none")}
        case DoctorFormat.JUNIT:
            suite = ET.fromstring(text)[0]
            assert (suite.attrib["failures"], suite.attrib["errors"]) == ("0", "0")
            assert any("+ composer.googleapis.com" in row.attrib["message"] for row in suite.iter("skipped"))
        case DoctorFormat.MARKDOWN:
            assert f"0 failed, {coming} that `envctl up` will do, 0 unknown" in text
            assert "| note |" not in text
            assert "gcloud" not in text
        case DoctorFormat.HTML:
            assert "<strong>0 failed</strong>" in text
            assert "<h2>To fix</h2>" not in text
            assert "+ composer.googleapis.com\n" in text


def test_an_unknown_fails_in_junit_only_when_it_would_be_an_error() -> None:
    rows = [Finding("a", Status.UNKNOWN, weight, "w", evidence=("e",)) for weight in Severity]
    suite = ET.fromstring(write_doctor(DoctorReport("p", ("create",), tuple(rows)), DoctorFormat.JUNIT))[0]
    assert (suite.attrib["errors"], suite.attrib["skipped"]) == ("1", "2")
    assert [row.tag for row in suite.iter() if row.tag in {"error", "skipped"}] == [
        "error" if weight is Severity.ERROR else "skipped" for weight in Severity
    ]


def test_a_baseline_accepts_what_is_known_and_nothing_new(tmp_path: Path) -> None:
    report = sick()
    path = tmp_path / "baseline.json"
    known = [item.fingerprint for item in report.findings if item.status is Status.FAILED]
    path.write_text(json.dumps({"format": FORMAT, "accepted": known}))
    accepted = accept(report.findings, load_baseline(path))
    after = DoctorReport(report.environment, report.operations, accepted)
    assert after.failing(Severity.NOTE) == ()
    assert after.summary["failed"] == 0
    assert report.failing(Severity.ERROR) != ()
    new = Finding("kms.state", Status.FAILED, Severity.ERROR, "x", resource="k")
    assert DoctorReport("p", (), accept((*report.findings, new), load_baseline(path))).failing(Severity.NOTE) == (new,)


def test_an_earlier_report_is_a_baseline_too(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(write_doctor(sick(), DoctorFormat.JSON))
    after = DoctorReport("prod", ("create",), accept(sick().findings, load_baseline(path)))
    assert after.failed == ()
    assert after.coming == sick().coming  # what `up` will do needs no excuse, and none remains when it is drift


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": "other"}', '{"format": "envctl.doctor-baseline/v1"}', "[" * 99_999]
)
def test_what_is_no_baseline_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(InvalidInputError):
        load_baseline(path)


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("//cloudresourcemanager.googleapis.com/projects/acme", "project acme"),
        ("//iam.googleapis.com/projects/p/serviceAccounts/a@b", "serviceAccount a@b"),
        ("//storage.googleapis.com/projects/_/buckets/b", "bucket b"),
        ("//artifactregistry.googleapis.com/projects/p/locations/l/repositories/r", "repository r"),
        ("buckets.staging", "buckets.staging"),
        ("", ""),
        ("//x", "//x"),
    ],
)
def test_short_names(resource: str, expected: str) -> None:
    assert short_resource(resource) == expected


def test_the_page_book_is_up_to_date() -> None:
    book = Path(__file__).parents[2] / "docs" / "checks.md"
    command = "python -c 'from envctl.report.doctor_pages import render_checks; print(render_checks(), end=\"\")' > docs/checks.md"
    assert book.read_text() == render_checks(), f"run: {command}"


def test_a_page_reads_like_a_page() -> None:
    from envctl.doctor.registry import page_of

    page = page_of("kms.location")
    assert page is not None
    text = render_page(page)
    assert text.startswith(
        "kms.location\nThe key lies in the environment's region\n\nComposer takes keys of its own region only"
    )


def test_hostile_names_in_facts_pass_through_every_form() -> None:
    spec = environment()
    answers = healthy(spec)
    policy: dict[str, Any] = {"bindings": [{"role": HOSTILE, "members": [HOSTILE, f"user:{HOSTILE}"]}], "etag": HOSTILE}
    answers[Subject.POLICY, "//cloudresourcemanager.googleapis.com/projects/acme-data"] = Known(policy)
    report = DoctorReport("prod", ("create",), examine(case(spec, answers, "create")))
    for form in DoctorFormat:
        assert "\x1b" not in write_doctor(report, form, verbose=True)


@pytest.mark.parametrize("form", DoctorFormat)
def test_several_environments_are_one_valid_document(form: DoctorFormat) -> None:
    text = write_doctors([sick(), hostile()], form)
    assert write_doctors([sick()], form) == write_doctor(sick(), form)
    match form:
        case DoctorFormat.JSON:
            assert len(json.loads(text)["results"]) == 2
            jsonschema.validate(json.loads(text), SCHEMA)
        case DoctorFormat.SARIF:
            assert len(json.loads(text)["runs"]) == 2
        case DoctorFormat.JUNIT:
            assert len(ET.fromstring(text)) == 2
        case DoctorFormat.HTML:
            assert text.count("<h1>") == 2
            assert text.count("</html>") == 1
        case DoctorFormat.TEXT | DoctorFormat.MARKDOWN:
            assert "prod" in text
