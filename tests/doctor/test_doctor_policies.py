from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from doctor_worlds import ACCOUNT, world
from hypothesis import given
from hypothesis import strategies as st

from envctl.doctor.conditions import RequestContext, Truth, evaluate_condition, evaluate_over
from envctl.doctor.denials import denied_form, names_permission
from envctl.doctor.evaluate import Evaluator
from envctl.doctor.policies import (
    AllowPolicy,
    MalformedPolicy,
    parse_allow_policy,
    parse_boundary,
    parse_deny_policies,
)
from envctl.doctor.principals import is_service_agent, normal_member, project_of_principal

BINDING = {"role": "roles/viewer", "members": ["user:a@example.com"]}


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_policies_of_all_versions(version: int) -> None:
    policy = parse_allow_policy({"version": version, "etag": "x", "bindings": [BINDING]})
    assert policy.complete
    assert policy.version == version
    assert policy.bindings[0].members == ("user:a@example.com",)


def test_a_policy_that_was_never_set_is_empty_and_complete() -> None:
    assert parse_allow_policy({"etag": "ACAB"}) == AllowPolicy((), "ACAB")
    assert parse_allow_policy({}) == AllowPolicy(())


def test_a_version_of_the_future_proves_no_absence() -> None:
    assert not parse_allow_policy({"version": 4, "bindings": [BINDING]}).complete


@pytest.mark.parametrize("document", [None, [], "x", 3, {"bindings": "x"}, {"error": {"code": 403}}, {"bindings": {}}])
def test_what_is_no_policy_is_refused(document: Any) -> None:
    with pytest.raises(MalformedPolicy):
        parse_allow_policy(document)


@pytest.mark.parametrize(
    "binding",
    [
        None,
        3,
        {},
        {"role": ""},
        {"role": 3, "members": []},
        {"role": "r", "members": [3]},
        {"role": "r", "members": "m"},
    ],
)
def test_a_binding_that_makes_no_sense_is_named_and_its_neighbours_count(binding: Any) -> None:
    policy = parse_allow_policy({"bindings": [BINDING, binding, BINDING]})
    assert len(policy.bindings) == 2
    assert policy.oddities[0].startswith("binding 2: ")


def test_the_same_binding_twice_counts_once() -> None:
    policy = parse_allow_policy({"bindings": [BINDING, BINDING, BINDING]})
    access = Evaluator(world({ACCOUNT: policy})).access("user:a@example.com", ACCOUNT)
    assert len(access.verdict("iam.serviceAccounts.get").evidence) <= 1


@given(
    document=st.recursive(
        st.none() | st.integers() | st.text(max_size=6),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(
                st.sampled_from(["bindings", "role", "members", "condition", "expression", "version", "etag"]),
                x,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_no_document_crashes_the_parsers(document: Any) -> None:
    for parse in (parse_allow_policy, parse_deny_policies, parse_boundary):
        with suppress(MalformedPolicy):
            parse(document)


def test_deny_policies_without_rules_are_odd_and_not_empty() -> None:
    found = parse_deny_policies({"policies": [{"name": "policies/x/denypolicies/a"}, {"name": "b", "rules": [{}]}]})
    assert found.rules == ()
    assert len(found.oddities) == 2


@pytest.mark.parametrize(
    ("pattern", "permission", "expected"),
    [
        ("iam.googleapis.com/serviceAccounts.actAs", "iam.serviceAccounts.actAs", True),
        ("iam.googleapis.com/serviceAccounts.*", "iam.serviceAccounts.actAs", True),
        ("iam.googleapis.com/*.*", "iam.serviceAccounts.actAs", True),
        ("iam.googleapis.com/serviceAccounts.get", "iam.serviceAccounts.actAs", False),
        ("storage.googleapis.com/*", "iam.serviceAccounts.actAs", False),
        ("cloudresourcemanager.googleapis.com/projects.delete", "resourcemanager.projects.delete", True),
    ],
)
def test_permissions_of_deny_rules(pattern: str, permission: str, expected: bool) -> None:
    assert names_permission(pattern, permission) is expected
    assert "googleapis.com/" in denied_form(permission)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("user:Ann@Example.com", "user:ann@example.com"),
        ("principal://goog/subject/Ann@Example.com", "user:ann@example.com"),
        ("principalSet://goog/group/G@example.com", "group:g@example.com"),
        ("principalSet://goog/public:all", "allUsers"),
        (
            "principal://iam.googleapis.com/projects/-/serviceAccounts/x@p.iam.gserviceaccount.com",
            "serviceaccount:x@p.iam.gserviceaccount.com",
        ),
        (
            "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/A",
            "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/A",
        ),
        ("nonsense", "nonsense"),
    ],
)
def test_two_spellings_of_a_principal_are_one(text: str, normal: str) -> None:
    assert normal_member(text) == normal
    assert normal_member(normal) == normal


@pytest.mark.parametrize(
    ("member", "agent", "project"),
    [
        ("serviceAccount:service-1@cloudcomposer-accounts.iam.gserviceaccount.com", True, None),
        ("serviceAccount:1@cloudservices.gserviceaccount.com", True, None),
        ("serviceAccount:bq-1@bigquery-encryption.iam.gserviceaccount.com", True, None),
        ("serviceAccount:service-1@gcp-sa-pubsub.iam.gserviceaccount.com", True, None),
        ("serviceAccount:x@acme.iam.gserviceaccount.com", False, "acme"),
        ("serviceAccount:1-compute@developer.gserviceaccount.com", False, None),
        ("user:service-1@gcp-sa-x.example.com", False, None),
    ],
)
def test_service_agents_are_told_from_accounts_of_ones_own(member: str, agent: bool, project: str | None) -> None:
    assert is_service_agent(member) is agent
    assert project_of_principal(member) == project


def test_custom_constraints_are_evaluated_over_objects() -> None:
    resource = {"resource": {"config": {"size": "SMALL"}, "labels": {"team": "data"}}}
    assert evaluate_over("resource.config.size == 'SMALL'", resource) is Truth.YES
    assert evaluate_over("resource.config.size == 'LARGE'", resource) is Truth.NO
    assert evaluate_over("resource.config.absent == 'x'", resource) is Truth.UNKNOWN
    assert evaluate_over("'team' in resource.labels", resource) is Truth.YES
    assert evaluate_over("((", resource) is Truth.UNKNOWN


@given(expression=st.text(max_size=40))
def test_no_text_crashes_the_evaluation_of_conditions(expression: str) -> None:
    from datetime import UTC, datetime

    context = RequestContext("projects/p", "t", "s", datetime(2026, 1, 1, tzinfo=UTC))
    assert evaluate_condition(expression, context) in Truth
