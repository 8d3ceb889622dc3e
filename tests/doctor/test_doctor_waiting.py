from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from doctor_patients import GEN2, KEY, RICH, Answers, case, environment, healthy
from test_doctor_actions import cloud, prod  # noqa: F401 (fixtures)

from envctl.actions.clouds import SandboxCloud
from envctl.actions.doctor import DiagnoseRequest, caller_of, collect, diagnose
from envctl.diagnostics import Severity
from envctl.doctor.baseline import load_baseline
from envctl.doctor.bundle import load_facts
from envctl.doctor.examine import examine
from envctl.doctor.facts import API_OFF, BUNDLE_ONLY, NOT_ASKED, READERS, Known, Subject, Unreadable
from envctl.doctor.model import DoctorReport, Finding, Status
from envctl.doctor.waiting import LATER
from envctl.errors import InvalidInputError
from envctl.report.doctor_text import render_doctor
from envctl.spec.loader import Loaded


def off(api: str) -> Unreadable:
    return Unreadable("some.permission.get", API_OFF.replace("API_NAME", api))


def report(answers: Answers, *operations: str) -> DoctorReport:
    return DoctorReport("prod", operations, examine(case(environment(RICH, imageVersion=GEN2), answers, *operations)))


def unready(*, exists: bool) -> Answers:
    """Facts of a project in which the API of keys is off."""
    answers = healthy(environment(RICH, imageVersion=GEN2), exists=exists)
    services = answers[Subject.SERVICES, "acme-data"]
    assert isinstance(services, Known)
    answers[Subject.SERVICES, "acme-data"] = Known([api for api in services.value if not api.startswith("cloudkms")])
    answers[Subject.KEY, KEY] = off("cloudkms.googleapis.com")
    answers[Subject.POLICY, f"//cloudkms.googleapis.com/{KEY}"] = off("cloudkms.googleapis.com")
    return answers


def by_id(found: DoctorReport, identifier: str) -> Finding:
    return next(item for item in found.findings if item.id == identifier)


def test_what_an_api_will_tell_once_up_switched_it_on_fails_nothing() -> None:
    found = report(unready(exists=False), "create")
    state = by_id(found, "kms.state")
    assert (state.status, state.severity, state.evidence) == (Status.UNKNOWN, Severity.NOTE, (LATER,))
    assert by_id(found, "agent.cmek").evidence == (LATER,)
    assert found.unknown == ()
    text = render_doctor(found)
    assert text.count(LATER) == 1
    assert "some.permission" not in text


def test_an_api_that_is_off_under_an_environment_still_hides_something() -> None:
    assert by_id(report(unready(exists=True), "update"), "kms.state") in report(unready(exists=True), "update").unknown


def test_apis_of_other_projects_are_not_waited_for() -> None:
    answers = unready(exists=False)
    place = "//compute.googleapis.com/projects/acme-net/regions/europe-west1/subnetworks/eu"
    services = answers[Subject.SERVICES, "acme-data"]
    assert isinstance(services, Known)
    answers[Subject.SERVICES, "acme-data"] = Known([api for api in services.value if not api.startswith("compute")])
    answers[Subject.POLICY, place] = off("compute.googleapis.com")
    found = [item for item in report(answers, "create").findings if place in item.resource]
    assert {item.status for item in found if item.role} >= {Status.UNKNOWN}
    assert LATER not in {text for item in found for text in item.evidence}


def test_an_api_that_up_leaves_off_is_named_with_what_reading_needs() -> None:
    answers = unready(exists=False)
    answers[Subject.CONSTRAINT, "acme-data/constraints/gcp.resourceLocations"] = off("orgpolicy.googleapis.com")
    (text,) = by_id(report(answers, "create"), "constraint.gcp.resourceLocations").evidence
    assert "orgpolicy.googleapis.com is off" in text
    assert "reading it needs that API on and some.permission.get" in text


def test_what_is_never_read_live_is_a_note_that_names_the_permission() -> None:
    answers = healthy(environment(RICH, imageVersion=GEN2), exists=False)
    for subject in (Subject.PERIMETERS, Subject.BOUNDARIES, Subject.CUSTOM_CONSTRAINTS):
        del answers[subject, "acme-data"]
    found = report(answers, "create")
    unknown = {item.id: item for item in found.findings if item.status is Status.UNKNOWN}
    expected = {
        "net.vpcsc": (BUNDLE_ONLY, Subject.PERIMETERS),
        "facts.deny": (BUNDLE_ONLY, Subject.BOUNDARIES),
        "constraint.custom": (NOT_ASKED, Subject.CUSTOM_CONSTRAINTS),
    }
    assert unknown.keys() == expected.keys()
    for name, (cause, subject) in expected.items():
        assert unknown[name].severity is Severity.NOTE
        assert unknown[name].evidence == (f"{cause}; reading it needs {READERS[subject]}",)
    answers[Subject.PERIMETERS, "acme-data"] = Unreadable("a.b.c", "HTTP 403")
    assert by_id(report(answers, "create"), "net.vpcsc").severity is Severity.WARNING


def test_an_open_membership_names_what_reads_it() -> None:
    spec = environment()
    answers = healthy(spec, rows=[])
    place = "//cloudresourcemanager.googleapis.com/projects/acme-data"
    binding = {"role": "roles/composer.worker", "members": ["group:runners@example.com"]}
    answers[Subject.POLICY, place] = Known({"bindings": [binding]})
    finding = by_id(report(answers, "update"), "env.worker")
    assert finding.status is Status.UNKNOWN
    assert any(text.endswith(f"reading it needs {READERS[Subject.GROUP]}") for text in finding.evidence)


def test_the_report_names_the_file_of_its_facts(prod: Loaded, cloud: SandboxCloud, tmp_path: Path) -> None:  # noqa: F811
    live = DiagnoseRequest(loaded=prod, transport=cloud.transport(), caller=caller_of(cloud))
    bundle = tmp_path / "b.json"
    bundle.write_text(collect(live))
    assert diagnose(live).facts.startswith("live, ")
    again = replace(live, facts=bundle, transport=None)
    assert diagnose(again).facts.startswith(f"{bundle} (collected live), ")
    with pytest.raises(InvalidInputError) as refused:
        load_baseline(bundle)
    assert f"a bundle of facts: give it as --facts {bundle}" in refused.value.diagnostics[0].detail


@pytest.mark.parametrize("load", [load_facts, load_baseline])
def test_a_file_that_is_not_there_is_said_in_words(tmp_path: Path, load: object) -> None:
    assert callable(load)
    with pytest.raises(InvalidInputError) as refused:
        load(tmp_path / "none.json")
    assert refused.value.diagnostics[0].detail == f"{tmp_path / 'none.json'}: No such file or directory."
