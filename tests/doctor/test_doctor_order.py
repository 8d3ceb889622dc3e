"""The order of repairs: on the screen, and as scripts for those who have to run them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from doctor_patients import GEN2, KEY, ME, RICH, case, environment, grants, healthy

from envctl.doctor.baseline import accept
from envctl.doctor.examine import Stage, examine, stage_of
from envctl.doctor.facts import Absent, Known, Subject
from envctl.doctor.model import DoctorReport, FixKind, Status
from envctl.report.doctor_formats import sarif_document
from envctl.report.doctor_scripts import fix_scripts, joined
from envctl.report.doctor_text import render_doctor

FOREIGN_KEY = KEY.replace("acme-data", "keys-prj")


def sick(*, exists: bool = True) -> DoctorReport:
    spec = environment(RICH, imageVersion=GEN2, encryption={"key": {"name": FOREIGN_KEY}})
    lost = ("composer.admin", "hostServiceAgentUser", "cryptoKeyEncrypterDecrypter", "composer.worker")
    rows = [row for row in grants(spec) if not row[1].endswith(lost)]
    answers = healthy(spec, exists=exists, rows=rows)
    answers[Subject.SERVICES, "acme-data"] = Known(["compute.googleapis.com", "composer.googleapis.com"])
    ring = f"//cloudkms.googleapis.com/{FOREIGN_KEY.partition('/cryptoKeys')[0]}"
    answers[Subject.POLICY, ring] = Known({"etag": "x"})
    answers[Subject.ACCOUNT, "ci@acme-data.iam.gserviceaccount.com"] = Absent()
    patient = case(spec, answers, "update" if exists else "create")
    return DoctorReport("prod", ("update",), examine(patient), (), "test", "2026-08-22")


@pytest.mark.parametrize("exists", [True, False])
def test_repairs_stand_in_the_order_in_which_they_work(exists: bool) -> None:
    report = sick(exists=exists)
    stages = [stage_of(item, ME) for item in report.failed if item.severity.value == "error"]
    assert stages == sorted(stages)
    assert stages[0] is Stage.CALLER
    assert {Stage.IDENTITY, Stage.GRANT} <= set(stages)
    assert (Stage.API in stages) is exists


def test_all_apis_are_one_command() -> None:
    text = render_doctor(sick())
    off = [line for line in text.splitlines() if "gcloud services enable" in line]
    assert len([line for line in off if line.count(".googleapis.com") > 5]) == 1
    assert "APIs are off: " in text


def test_joined_commands_keep_their_first_place_and_their_project() -> None:
    enable = "gcloud services enable {} --project={}"
    assert joined(
        [
            "a",
            enable.format("x.googleapis.com", "p"),
            "b",
            enable.format("y.googleapis.com", "p"),
            "a",
            enable.format("x.googleapis.com", "q"),
        ]
    ) == (
        "a",
        enable.format("x.googleapis.com y.googleapis.com", "p"),
        "b",
        enable.format("x.googleapis.com", "q"),
    )


def test_each_person_gets_a_script_that_a_shell_reads_and_that_may_run_twice(tmp_path: Path) -> None:
    scripts = fix_scripts(sick(), "acme-data")
    people = {name.partition("-")[2] for name in scripts}
    assert people == {"project-admin-acme-data.sh", "host-project-admin-acme-net.sh", "key-admin-keys-prj.sh"}
    log = tmp_path / "log"
    (tmp_path / "gcloud").write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {log}\n')
    (tmp_path / "sleep").write_text("#!/bin/sh\n")
    for tool in ("gcloud", "sleep"):
        (tmp_path / tool).chmod(0o755)
    for name, text in scripts.items():
        path = tmp_path / name
        path.write_text(text)
        done = subprocess.run(
            ["/bin/sh", str(path)], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, check=True
        )
        assert b"7 minutes" in done.stdout
    ran = log.read_text().splitlines()
    assert not [line for line in ran if "accounts create" in line]  # the tool says that the account is there
    project = next(text for name, text in scripts.items() if "project-admin-acme-data" in name and "host" not in name)
    assert project.index("composer.admin") < project.index("services enable") < project.index("accounts create ci")
    assert project.index("accounts create ci") < project.index("composer.worker")
    assert project.index("services enable") < project.index("sleep 60")


def test_no_script_holds_what_up_will_do() -> None:
    spec = environment()
    report = DoctorReport("prod", ("create",), examine(case(spec, healthy(spec, exists=False, rows=[]), "create")))
    assert report.coming
    texts = "".join(fix_scripts(report, "acme-data").values())
    for item in report.coming:
        commands = [fix.text for fix in item.fixes if fix.kind is FixKind.COMMAND]
        assert all(text not in texts for text in commands)


def test_a_baseline_is_counted_and_sarif_carries_repair_and_line() -> None:
    report = sick()
    first = report.failed[0]
    accepted = DoctorReport("prod", ("update",), accept(report.findings, frozenset({first.fingerprint})))
    assert ", 1 accepted, " in render_doctor(accepted).splitlines()[0]
    shown = DoctorReport("prod", ("update",), report.findings, lines={first.fingerprint: 7})
    results = sarif_document(shown)["runs"][0]["results"]
    mine = next(item for item in results if item["partialFingerprints"]["envctl/v1"] == first.fingerprint)
    assert mine["locations"][0]["physicalLocation"]["region"]["startLine"] == 7
    assert mine["properties"]["repairs"][-1]["text"].startswith("gcloud ")
    assert "Repair: gcloud " in mine["message"]["text"]
    assert all("repairs" in item["properties"] for item in results if item.get("properties"))
    assert {item.status for item in report.findings} >= {Status.FAILED, Status.OK}
