from __future__ import annotations

import pytest
from projects import DEV, plan, workspace_of, write_project

from envctl.actions.validate import ValidateRequest, validate
from envctl.diagnostics import Severity

OWN = """\
from envctl.policies.rule import EVERYWHERE, Rule
RULES = (Rule({id}, EVERYWHERE, "add it", {{"gcp:storage/bucket:Bucket": lambda a: None}}),)
"""
EXCUSE = "policies: [{policy: %s, reason: why, until: '2099-01-01'}]\n"


def project(root, level, policy, own=None):
    write_project(root, dev=DEV + EXCUSE % policy)
    (root / "envctl.yaml").write_text(f"name: acme\npolicies: {{levels: {{{level}: disabled}}}}\n")
    if own is not None:
        (root / "policies").mkdir()
        (root / "policies" / "own.py").write_text(OWN.format(id=own))
    return root


def said(root):
    found = [each for each in validate(ValidateRequest(root)).diagnostics if each.code == "policy-unknown"]
    assert {each.severity for each in found} <= {Severity.WARNING}
    return [(str(each.span), [hint.text for hint in each.hints]) for each in found]


def planned(root):
    return [each for each in plan(workspace_of(root), "dev").plan.warnings if "No policy" in each]


def test_misspelt_policies_are_named_with_what_was_meant(tmp_path):
    root = project(tmp_path, "cmek-requird", "label-teem", own='"label-team"')
    assert said(root) == [
        ("envctl.yaml:2:21", ["did you mean `cmek-required`?"]),
        ("environments/dev.yaml:9:21", ["did you mean `label-team`?"]),
    ]
    assert planned(root) == [
        "envctl.yaml:2:21: No policy is called `cmek-requird`. (did you mean `cmek-required`?)",
        "environments/dev.yaml:9:21: No policy is called `label-teem`. (did you mean `label-team`?)",
    ]


def test_shipped_policies_and_those_of_the_project_are_known(tmp_path):
    root = project(tmp_path, "label-team", "cmek-required", own='"label-team"')
    assert (said(root), planned(root)) == ([], [])


def test_validate_runs_no_rules_and_says_nothing_where_ids_are_computed(tmp_path):
    root = project(tmp_path, "label-teem", "cmek-required", own='"label-" + "team"')
    assert said(root) == []
    assert len(planned(root)) == 1


@pytest.mark.parametrize("text", ["raise SystemExit(9)\n", "RULES = (\n"])
def test_validate_says_nothing_about_rules_that_it_cannot_read(tmp_path, text):
    root = project(tmp_path, "nope", "cmek-required", own='"x"')
    (root / "policies" / "own.py").write_text(text)
    assert said(root) == []
