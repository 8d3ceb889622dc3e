"""Markdown of plans, drift, status and history: complete, and safe against the names in it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import sample_plan, touch, urn

from envctl.actions.drift import DriftReport
from envctl.actions.live import LiveOperation
from envctl.actions.status import Status
from envctl.diagnostics import Severity
from envctl.operations.journal import Outcome, Run
from envctl.plan.model import Action, Drift, DriftKind, GateResult, GateStatus, Mode, PropertyAction, PropertyChange
from envctl.plan.values import Opaque
from envctl.report.drift_report import render_drift_markdown
from envctl.report.markdown import cell, code, table
from envctl.report.plan_markdown import render_plan_markdown
from envctl.report.status_report import render_history_markdown, render_status_markdown

EVIL = "a|b`c`<script>x</script>\n| d | [e](http://f) *g* \x1b[2J"
BUCKET = "gcp:storage/bucket:Bucket"
START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SIGN = re.compile(r"(?<!\\)(?:\\\\)*\|")


def check_table(text: str, rows: int) -> list[str]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == rows + 2
    assert len({len(SIGN.findall(line)) for line in lines}) == 1
    assert "<script>" not in text
    assert "\x1b" not in text
    return lines[2:]


def a_run(**values) -> Run:
    given_ = {
        "id": "1",
        "command": "up dev",
        "who": "ada",
        "started": START,
        "ended": START + timedelta(seconds=90),
        "commit": "abc123",
        "outcome": Outcome.SUCCEEDED,
        "message": "",
        "changes": {"create": 3},
        "planned": {},
        "operations": (),
    }
    return Run(**{**given_, **values})


def a_status(**values) -> Status:
    given_ = {
        "environment": "dev",
        "kind": "environment",
        "project": "acme-data-dev",
        "image_version": "composer-3-airflow-2.10.5-build.10",
        "resources": 7,
        "state_serial": 3,
        "live": "RUNNING",
        "operations": (),
        "problem": None,
        "last_run": None,
        "outputs": {},
    }
    return Status(**{**given_, **values})


def test_an_empty_plan_says_where_how_much_and_what_to_heed():
    plan = sample_plan()
    same = tuple(replace(each, action=Action.NO_OP, properties=()) for each in plan.changes)
    gate = GateResult("packages.unknown", "packages", GateStatus.UNKNOWN, Severity.ERROR, "The index is silent")
    advice = GateResult("cost", "policy", GateStatus.OK, Severity.WARNING, "Expensive")
    quiet = GateResult("fine", "policy", GateStatus.OK, Severity.ERROR, "Nothing to say")
    text = render_plan_markdown(
        replace(plan, changes=same, steps=(), drift=(), gates=(gate, advice, quiet), warnings=("Look here",))
    )
    shown = text.split("<details>")[0]
    assert shown.startswith("### envctl plan: prod\n\nProject `acme-data-prod`, cloud sandbox, embedded engine.\n")
    assert "No changes. 4 resources are as the file says." in shown
    assert "> **unknown** `packages.unknown`: The index is silent" in shown
    assert "> **advice** `cost`: Expensive" in shown
    assert "> warning: Look here" in shown
    assert "Nothing to say" not in shown
    assert "|" not in shown


def test_a_plan_of_a_destroy_and_one_that_cannot_be_trusted_say_so():
    plan = sample_plan(mode=Mode.DESTROY, incomplete=("The bucket is taken",), refreshed=False)
    text = render_plan_markdown(plan)
    assert text.startswith("### envctl destroy: prod")
    assert "live cloud not read (--no-refresh)" in text
    assert "> incomplete, cannot be applied: The bucket is taken" in text


def test_drift_is_a_table_of_state_and_cloud():
    changes = (
        touch("labels.team", "data", EVIL),
        PropertyChange("labels.new", PropertyAction.ADD, None, "x"),
        PropertyChange("labels.old", PropertyAction.REMOVE, "y", None),
        touch("secret", Opaque.SECRET, Opaque.SECRET),
    )
    found = [
        DriftReport("new", applied=False, drift=()),
        DriftReport("same", applied=True, drift=()),
        DriftReport(
            "dev",
            applied=True,
            drift=(
                Drift(urn(BUCKET, EVIL), BUCKET, EVIL, DriftKind.CHANGED, changes),
                Drift(urn(BUCKET, "gone"), BUCKET, "gone", DriftKind.DELETED),
            ),
        ),
    ]
    text = render_drift_markdown(found)
    rows = check_table(text, 5)
    assert "### envctl drift: new\n\nWas never applied" in text
    assert "### envctl drift: same\n\nNo drift" in text
    assert rows[0].startswith("| storage.Bucket <code>a\\|b\\`c\\`&lt;script&gt;")
    assert rows[1].endswith('| `labels.new` |  | `"x"` |')
    assert rows[2].endswith('| `labels.old` | `"y"` |  |')
    assert rows[3].endswith("| `(secret)` | `(secret)` |")
    assert rows[4] == "| storage.Bucket `gone` |  |  | **deleted** |"


def test_status_is_one_table_with_what_is_wrong_below():
    operation = LiveOperation(f"projects/p/operations/{EVIL}", "UPDATE", START)
    text = render_status_markdown(
        [
            a_status(last_run=a_run(), outputs={"airflowUri": "https://airflow.example.com"}),
            a_status(environment="qa", live="ERROR", problem=EVIL, operations=(operation,)),
            a_status(environment="net", kind="foundation", live=None, image_version=None),
        ]
    )
    rows = check_table(text, 3)
    assert "`up dev` succeeded" in rows[0]
    assert "`https://airflow.example.com`" in rows[0]
    assert rows[2] == "| net | foundation | `acme-data-dev` |  |  | 7 |  |  |"
    assert "- qa: **problem**: a\\|b\\`c\\`&lt;script&gt;" in text
    assert "- qa: UPDATE is running since " in text


def test_history_is_a_table_from_the_newest():
    runs = [
        a_run(),
        a_run(command="destroy dev", outcome=Outcome.KILLED, ended=None, message=EVIL, operations=("o/1",)),
    ]
    text = render_history_markdown("dev", runs)
    rows = check_table(text, 2)
    assert "`destroy dev` | killed |  |" in rows[0]
    assert "still running when last seen: o/1" in rows[0]
    assert "| succeeded | 90 s | ada | `abc123` | 3 create |" in rows[1]
    assert render_history_markdown("dev", []).endswith("No run is recorded here.\n")


@given(st.text())
def test_no_text_breaks_a_cell(text):
    row = table(("a", "b"), [(cell(text), code(text))])[2]
    assert len(SIGN.findall(row)) == 3
    assert "\n" not in row
    assert not re.search(r"<(?!/?code>)", row)


@pytest.mark.parametrize(("text", "written"), [("", ""), (" ", ""), ("a>=1", "`a>=1`"), ("a<1", "<code>a&lt;1</code>")])
def test_code_reads_as_it_is(text, written):
    assert code(text) == written
