from __future__ import annotations

import copy
import functools
import json
import operator
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from plans import sample_plan

from envctl.errors import ExitCode, RefusedError
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
        ('{"format": "envctl.plan/v1"}', "plan-unsealed"),
        ('{"format": "envctl.plan/v1", "digest": null}', "plan-edited"),
        ('{"format": "envctl.plan/v1", "digest": "\\ud800"}', "plan-edited"),
        ('{"format": "envctl.plan/v1", "title": "\\ud800", "digest": ""}', "plan-edited"),
        ("[" * 100_000, "plan-unreadable"),
    ],
)
def test_what_is_no_plan_is_refused(text, code):
    with pytest.raises(RefusedError) as caught:
        parse_plan(text, "plan.json")
    assert caught.value.code == code


def sealed(document):
    """The document with a seal that fits, as somebody would make it who knows how."""
    rest = {key: value for key, value in document.items() if key != "digest"}
    return {**rest, "digest": digest(rest)}


def test_a_plan_that_another_envctl_sealed_and_this_one_cannot_read_is_refused():
    document = dump_plan(sample_plan())
    document["changes"][1]["action"] = "explode"
    with pytest.raises(RefusedError) as caught:
        parse_plan(json.dumps(sealed(document)), "plan.json")
    assert caught.value.code == "plan-damaged"


def places(node, path=()):
    """Where every leaf of a document stands, and every empty list and object."""
    if isinstance(node, dict | list) and node:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places(value, (*path, key))
    else:
        yield path


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["no-op", "create"])
DOCUMENT = dump_plan(sample_plan())


@given(st.sampled_from(list(places(DOCUMENT))), LEAVES | st.just({}) | st.just([]), st.booleans())
def test_any_edit_of_any_leaf_is_refused(path, value, remove):
    document = copy.deepcopy(DOCUMENT)
    *parents, last = path
    holder = functools.reduce(operator.getitem, parents, document)
    assume(remove or json.dumps(holder[last]) != json.dumps(value))
    if remove:
        del holder[last]
    else:
        holder[last] = value
    with pytest.raises(RefusedError) as caught:
        parse_plan(json.dumps(document), "plan.json")
    assert caught.value.exit_code == ExitCode.REFUSED
    assert caught.value.code in {"plan-edited", "plan-unsealed", "plan-format"}


@given(st.sampled_from(["gates", "warnings", "anything"]), LEAVES)
def test_what_is_added_is_refused_too(name, value):
    document = {**DOCUMENT, name: value}
    assume(json.dumps(document) != json.dumps(DOCUMENT))
    with pytest.raises(RefusedError) as caught:
        parse_plan(json.dumps(document), "plan.json")
    assert caught.value.code == "plan-edited"


def test_other_blanks_and_another_order_are_no_edit():
    text = json.dumps(dict(reversed(DOCUMENT.items())), indent=4)
    assert parse_plan(text, "plan.json") == parse_plan(json.dumps(DOCUMENT), "plan.json")


def test_a_plan_of_an_older_envctl_has_a_message_of_its_own():
    old = {key: value for key, value in DOCUMENT.items() if key != "digest"}
    with pytest.raises(RefusedError) as caught:
        parse_plan(json.dumps(old), "plan.json")
    assert caught.value.code == "plan-unsealed"
    assert "older envctl" in caught.value.detail
    assert caught.value.hints == ("Make the plan again with `envctl preview ENV --out FILE`.",)


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
