from __future__ import annotations

import json
from dataclasses import replace

import pytest
from plans import sample_plan

from envctl.errors import RefusedError
from envctl.plan.model import Action
from envctl.plan.values import Opaque
from envctl.plan.wire import digest, digest_changes, dump_plan, dump_value, parse_plan, parse_value


def test_a_plan_comes_back_from_its_document():
    plan = sample_plan()
    text = json.dumps(dump_plan(plan))
    again = parse_plan(text, "file")
    assert dump_plan(again) == dump_plan(plan)
    assert again.changes[3].properties[0].before is Opaque.SECRET


def test_the_document_counts_what_it_lists():
    summary = dump_plan(sample_plan())["summary"]
    assert summary == {
        "delete": 1,
        "delete-then-create": 1,
        "forget": 1,
        "update": 1,
        "operations": 1,
        "drifted": 1,
        "expectedMinutes": [30.0, 120.0],
    }


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not json", "plan-unreadable"),
        ("[]", "plan-format"),
        ('{"format": "envctl.plan/v2"}', "plan-format"),
        ('{"format": "envctl.plan/v1"}', "plan-damaged"),
    ],
)
def test_what_is_no_plan_is_refused(text, code):
    with pytest.raises(RefusedError) as caught:
        parse_plan(text, "plan.json")
    assert caught.value.code == code


def test_a_torn_plan_is_refused():
    document = dump_plan(sample_plan())
    document["changes"][1]["action"] = "explode"
    with pytest.raises(RefusedError) as caught:
        parse_plan(json.dumps(document), "plan.json")
    assert caught.value.code == "plan-damaged"


def test_the_digest_tells_changes_apart_and_ignores_the_hour():
    plan = sample_plan()
    later = replace(plan, created=plan.created.replace(hour=13), warnings=())
    assert digest_changes(plan) == digest_changes(later)
    other = replace(plan, changes=(replace(plan.changes[1], action=Action.DELETE), *plan.changes[2:]))
    assert digest_changes(plan) != digest_changes(other)


def test_marks_are_values_of_their_own():
    value = {"a": [Opaque.SECRET, {"b": Opaque.UNKNOWN}], "c": "secret"}
    assert parse_value(dump_value(value)) == value
    assert digest({"a": Opaque.SECRET}) != digest({"a": "secret"})
