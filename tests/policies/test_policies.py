from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pulumi_policy import EnforcementLevel

from envctl.errors import ExitCode, InvalidInputError
from envctl.plan.values import Opaque
from envctl.policies.catalogue import SHIPPED, load_rules
from envctl.policies.rule import Level
from envctl.policies.run import Declared, Excuse, PolicyBrokenError, evaluate

ENVIRONMENT = "gcp:composer/environment:Environment"
BUCKET = "gcp:storage/bucket:Bucket"
CLUSTER = "gcp:container/cluster:Cluster"
MEMBER = "gcp:projects/iAMMember:IAMMember"
TODAY = date(2026, 11, 20)

GOOD_ENVIRONMENT = {
    "config": {
        "enablePrivateEnvironment": True,
        "encryptionConfig": {"kmsKeyName": "projects/p/locations/l/keyRings/r/cryptoKeys/k"},
        "maintenanceWindow": {"recurrence": "FREQ=WEEKLY;BYDAY=SU"},
        "softwareConfig": {"imageVersion": "composer-3-airflow-2.10.5-build.10"},
        "webServerNetworkAccessControl": {"allowedIpRanges": [{"value": "203.0.113.0/24"}]},
    }
}
GOOD_BUCKET = {
    "encryption": {"defaultKmsKeyName": "k"},
    "publicAccessPrevention": "enforced",
    "uniformBucketLevelAccess": True,
}


def without(tree, path):
    head, _, rest = path.partition(".")
    if not rest:
        return {key: value for key, value in tree.items() if key != head}
    return {**tree, head: without(tree[head], rest)}


def having(tree, path, value):
    head, _, rest = path.partition(".")
    return {**tree, head: having(tree.get(head, {}), rest, value) if rest else value}


def ask(type_, inputs, profile="critical", *, protect=True, levels=None, exceptions=(), rules=SHIPPED):
    resource = Declared(f"urn:pulumi:p::a::{type_}::thing", type_, "thing", inputs, protect=protect)
    return evaluate(rules, [resource], profile, levels=levels or {}, exceptions=exceptions, today=TODAY)


def ids(violations):
    return {violation.rule.id for violation in violations}


def test_what_is_right_breaks_no_rule():
    assert ask(ENVIRONMENT, GOOD_ENVIRONMENT) == ()
    assert ask(BUCKET, GOOD_BUCKET) == ()


WRONG = [
    ("private-environment", ENVIRONMENT, without(GOOD_ENVIRONMENT, "config.enablePrivateEnvironment")),
    ("cmek-required", ENVIRONMENT, without(GOOD_ENVIRONMENT, "config.encryptionConfig")),
    ("cmek-required", BUCKET, without(GOOD_BUCKET, "encryption")),
    ("maintenance-window", ENVIRONMENT, without(GOOD_ENVIRONMENT, "config.maintenanceWindow")),
    ("web-server-restricted", ENVIRONMENT, without(GOOD_ENVIRONMENT, "config.webServerNetworkAccessControl")),
    (
        "web-server-restricted",
        ENVIRONMENT,
        having(GOOD_ENVIRONMENT, "config.webServerNetworkAccessControl.allowedIpRanges", [{"value": "0.0.0.0/0"}]),
    ),
    (
        "image-not-near-end",
        ENVIRONMENT,
        having(
            having(GOOD_ENVIRONMENT, "config.softwareConfig.imageVersion", "composer-2.0.31-airflow-2.3.3"),
            "config.privateEnvironmentConfig",
            {},
        ),
    ),
    ("public-access-prevention", BUCKET, having(GOOD_BUCKET, "publicAccessPrevention", "inherited")),
    ("uniform-bucket-access", BUCKET, having(GOOD_BUCKET, "uniformBucketLevelAccess", False)),
    ("no-public-ip", CLUSTER, {"privateClusterConfig": {"enablePrivateNodes": False}}),
    ("no-primitive-roles", MEMBER, {"role": "roles/editor", "member": "user:a@example.com"}),
    ("no-all-users", MEMBER, {"role": "roles/browser", "member": "allUsers"}),
    ("no-account-keys", "gcp:serviceaccount/key:Key", {}),
    ("no-authoritative-policies", "gcp:projects/iAMPolicy:IAMPolicy", {}),
]


@pytest.mark.parametrize(("rule", "type_", "inputs"), WRONG)
def test_what_is_wrong_breaks_exactly_its_rule(rule, type_, inputs):
    violations = ask(type_, inputs)
    assert ids(violations) == {rule}
    assert violations[0].message


def test_an_unprotected_environment_breaks_its_rule():
    assert ids(ask(ENVIRONMENT, GOOD_ENVIRONMENT, protect=False)) == {"protected-production"}


def test_every_shipped_rule_has_a_wrong_example():
    assert {rule.id for rule in SHIPPED} == {rule for rule, _, _ in WRONG} | {
        "protected-production",
        "monthly-cost-limit",  # has tests of its own
    }


def test_a_value_known_only_after_apply_is_neither_right_nor_wrong():
    (violation,) = ask(BUCKET, having(GOOD_BUCKET, "publicAccessPrevention", Opaque.UNKNOWN))
    assert (violation.rule.id, violation.message) == ("public-access-prevention", None)


def test_levels_grow_with_the_profile():
    open_environment = without(GOOD_ENVIRONMENT, "config.enablePrivateEnvironment")
    levels = {
        profile: [v.level for v in ask(ENVIRONMENT, open_environment, profile)]
        for profile in ("trial", "standard", "critical", "foundation")
    }
    assert levels == {
        "trial": [],
        "standard": [Level.ADVISORY],
        "critical": [Level.MANDATORY],
        "foundation": [Level.ADVISORY],
    }


def test_a_project_sets_levels_of_its_own():
    bad = having(GOOD_BUCKET, "publicAccessPrevention", "inherited")
    assert ask(BUCKET, bad, levels={"public-access-prevention": "disabled"}) == ()
    (violation,) = ask(BUCKET, bad, levels={"public-access-prevention": "advisory"})
    assert violation.level is Level.ADVISORY


@pytest.mark.parametrize(("until", "holds"), [(TODAY, True), (date(2026, 11, 19), False)])
def test_an_exception_holds_until_its_day(until, holds):
    excuse = Excuse("public-access-prevention", "a public website", until)
    (violation,) = ask(BUCKET, having(GOOD_BUCKET, "publicAccessPrevention", "x"), exceptions=[excuse])
    assert (violation.exception is excuse) is holds
    assert violation.expired is not holds


def test_a_project_brings_rules_of_its_own(tmp_path: Path):
    (tmp_path / "team.py").write_text(
        "from envctl.policies.rule import EVERYWHERE, Rule, setting\n"
        "def _has_team(args):\n"
        '    """Every bucket says whose it is."""\n'
        '    return None if setting(args.props, "labels.team") else "no team"\n'
        'RULES = (Rule("label-team", EVERYWHERE, "add it", {"gcp:storage/bucket:Bucket": _has_team}),)\n'
    )
    rules = load_rules(tmp_path)
    assert ids(ask(BUCKET, GOOD_BUCKET, rules=rules)) == {"label-team"}
    assert rules[-1].summary == "Every bucket says whose it is."


@pytest.mark.parametrize(
    "text",
    ["RULES = 3\n", "import nothing_of_that_name\n", "x = 1\n", "from envctl.policies.network import RULES\n"],
)
def test_a_rule_file_that_is_wrong_is_named(tmp_path: Path, text):
    (tmp_path / "own.py").write_text(text)
    with pytest.raises(InvalidInputError, match=r"own\.py"):
        load_rules(tmp_path)


@pytest.mark.parametrize(
    ("check", "line", "said"),
    [
        ("lambda a: a.nope", 4, "AttributeError"),
        ("lambda a: helper(a)", 3, "ZeroDivisionError"),
        ("lambda a: setting(a, 'x.y').z", 4, "AttributeError"),
        ("lambda: None", 4, "TypeError"),
    ],
)
def test_a_rule_that_raises_is_named_with_its_line(tmp_path: Path, check, line, said):
    (tmp_path / "broken.py").write_text(
        "from envctl.policies.rule import EVERYWHERE, Rule, setting\n"
        "def helper(a):\n"
        "    return 1 / 0\n"
        f'RULES = (Rule("own-broken", EVERYWHERE, "x", {{"{BUCKET}": {check}}}),)\n'
    )
    with pytest.raises(PolicyBrokenError, match="own-broken") as caught:
        ask(BUCKET, GOOD_BUCKET, rules=load_rules(tmp_path))
    assert caught.value.detail.startswith(f"{tmp_path / 'broken.py'}:{line}: {said}: ")
    assert (caught.value.exit_code, caught.value.code) == (ExitCode.INVALID, "policy-broken")


def test_the_folder_of_the_pack_is_not_a_folder_of_rules():
    assert load_rules(Path(__file__).parents[2] / "policies") == SHIPPED


def test_rules_are_policies_of_the_sdk():
    names = [rule.as_policy().name for rule in SHIPPED]
    assert len(set(names)) == len(SHIPPED)
    policy = next(rule for rule in SHIPPED if rule.id == "no-all-users").as_policy()
    assert policy.enforcement_level is EnforcementLevel.MANDATORY
    assert all(rule.page and rule.cure for rule in SHIPPED)
