from __future__ import annotations

from typing import Any

import pytest
from doctor_worlds import ACCOUNT, BUCKET, CRM, FOLDER, ORGANIZATION, PROJECT, deny, policy, world

from envctl.doctor.evaluate import Evaluator, Reason, State, Verdict
from envctl.doctor.policies import Boundary
from envctl.doctor.principals import Group
from envctl.doctor.world import CallerTest, Gap, World

ANN = "user:ann@example.com"
ACT = "iam.serviceAccounts.actAs"
USER = "roles/iam.serviceAccountUser"
POOL = "iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/gh"


def ask(place: World, principal: str = ANN, permission: str = ACT, resource: str = ACCOUNT) -> Verdict:
    return Evaluator(place).decide(principal, permission, resource)


def test_a_binding_on_the_resource_grants() -> None:
    verdict = ask(world({ACCOUNT: policy((USER, ANN))}))
    assert (verdict.state, verdict.reason) == (State.GRANTED, Reason.BINDING)
    assert verdict.evidence == (f"{USER} on {ACCOUNT} for {ANN}",)


@pytest.mark.parametrize("place", [PROJECT, FOLDER, ORGANIZATION])
def test_rights_are_inherited_from_everything_above(place: str) -> None:
    assert ask(world({place: policy((USER, ANN))})).state is State.GRANTED


def test_no_binding_is_missing_and_says_where_it_looked() -> None:
    verdict = ask(world())
    assert (verdict.state, verdict.reason) == (State.MISSING, Reason.NO_BINDING)
    assert PROJECT in verdict.evidence[0]


def test_addresses_ignore_case() -> None:
    assert ask(world({ACCOUNT: policy((USER, "user:Ann@Example.COM"))})).state is State.GRANTED


def test_an_unreadable_policy_never_becomes_missing() -> None:
    gap = Gap("the allow policy of the folder", "resourcemanager.folders.getIamPolicy", "403")
    verdict = ask(world({FOLDER: gap}))
    assert (verdict.state, verdict.reason) == (State.UNKNOWN, Reason.UNREADABLE)
    assert "resourcemanager.folders.getIamPolicy" in verdict.evidence[0]
    assert ask(world({FOLDER: gap, ACCOUNT: policy((USER, ANN))})).state is State.GRANTED


def test_a_parent_that_nobody_named_leaves_absence_open() -> None:
    place = world()
    lost = World(place.policies, place.roles, place.now, parents={}, directory=place.directory)
    assert ask(lost).state is State.UNKNOWN


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({}, State.UNKNOWN),
        ({"group:g@example.com": Group(frozenset({ANN}))}, State.GRANTED),
        ({"group:g@example.com": Group(frozenset())}, State.MISSING),
        ({"group:g@example.com": Group(frozenset(), complete=False)}, State.UNKNOWN),
        ({"group:g@example.com": Group(frozenset({"group:h@example.com"}))}, State.UNKNOWN),
        (
            {
                "group:g@example.com": Group(frozenset({"group:h@example.com"})),
                "group:h@example.com": Group(frozenset({ANN, "group:g@example.com"})),
            },
            State.GRANTED,
        ),
    ],
)
def test_groups_count_only_when_facts_give_their_members(groups: dict[str, Group], expected: State) -> None:
    assert ask(world({ACCOUNT: policy((USER, "group:g@example.com"))}, groups=groups)).state is expected


@pytest.mark.parametrize(
    ("member", "principal", "expected"),
    [
        ("allUsers", ANN, State.GRANTED),
        ("allUsers", f"principal://{POOL}/subject/main", State.GRANTED),
        ("allAuthenticatedUsers", ANN, State.GRANTED),
        ("allAuthenticatedUsers", f"principal://{POOL}/subject/main", State.MISSING),
        ("domain:example.com", ANN, State.GRANTED),
        ("domain:sub.example.com", ANN, State.MISSING),
        ("domain:example.com", "serviceAccount:x@example.com", State.MISSING),
        (f"principalSet://{POOL}/*", f"principal://{POOL}/subject/main", State.GRANTED),
        (f"principalSet://{POOL}/attribute.repository/acme/x", f"principal://{POOL}/subject/main", State.UNKNOWN),
        (f"principalSet://{POOL}2/*", f"principal://{POOL}/subject/main", State.MISSING),
        (f"principal://{POOL}/subject/main", f"principal://{POOL}/subject/main", State.GRANTED),
        (f"principal://{POOL}/subject/Main", f"principal://{POOL}/subject/main", State.MISSING),
        (
            "principalSet://cloudresourcemanager.googleapis.com/projects/123/type/ServiceAccount",
            "serviceAccount:x@acme.iam.gserviceaccount.com",
            State.GRANTED,
        ),
        (
            "principalSet://cloudresourcemanager.googleapis.com/organizations/9/type/ServiceAccount",
            "serviceAccount:x@other.iam.gserviceaccount.com",
            State.UNKNOWN,
        ),
        ("deleted:user:ann@example.com?uid=1", ANN, State.MISSING),
        ("nonsense", ANN, State.MISSING),
        ("", ANN, State.MISSING),
    ],
)
def test_member_forms(member: str, principal: str, expected: State) -> None:
    assert ask(world({ACCOUNT: policy((USER, member))}), principal).state is expected


def test_known_attributes_decide_a_principal_set() -> None:
    wanted = f"principalSet://{POOL}/attribute.repository/acme/x"
    who = f"principal://{POOL}/subject/main"
    place = {ACCOUNT: policy((USER, wanted))}
    assert ask(world(place, sets={who: frozenset({wanted})}), who).state is State.GRANTED
    assert ask(world(place, sets={who: frozenset()}), who).state is State.MISSING


def test_a_deleted_account_of_the_same_address_is_named() -> None:
    verdict = ask(world({ACCOUNT: policy((USER, "deleted:user:ann@example.com?uid=1"))}))
    assert verdict.reason is Reason.DELETED_PRINCIPAL


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('request.time < timestamp("2026-12-01T00:00:00Z")', State.GRANTED),
        ('request.time < timestamp("2026-11-01T00:00:00Z")', State.MISSING),
        ('request.time.getHours("Europe/Berlin") == 11', State.GRANTED),
        ('resource.type == "iam.googleapis.com/ServiceAccount"', State.GRANTED),
        ('resource.service == "storage.googleapis.com"', State.MISSING),
        ('resource.matchTag("9/env", "prod")', State.UNKNOWN),
        ("api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['roles/x'])", State.UNKNOWN),
        ("this is not CEL", State.UNKNOWN),
        ('"text"', State.UNKNOWN),
        ('resource.name == "anything"', State.UNKNOWN),
        ('resource.name == "anything" || resource.type != ""', State.GRANTED),
    ],
)
def test_conditions(expression: str, expected: State) -> None:
    assert ask(world({ACCOUNT: policy((USER, ANN, expression))})).state is expected


@pytest.mark.parametrize(
    ("expression", "permission", "expected"),
    [
        ('resource.name.startsWith("projects/_/buckets/b")', "storage.objects.get", State.GRANTED),
        ('resource.name.startsWith("projects/_/buckets/b/objects/dags/")', "storage.objects.get", State.UNKNOWN),
        ('resource.name.startsWith("projects/_/buckets/c")', "storage.buckets.update", State.MISSING),
        ('resource.name.extract("buckets/{n}/objects") == "b"', "storage.objects.get", State.GRANTED),
        ('resource.type == "storage.googleapis.com/Object"', "storage.buckets.update", State.MISSING),
        ('resource.type == "storage.googleapis.com/Object"', "storage.objects.get", State.GRANTED),
    ],
)
def test_conditions_see_the_objects_of_a_bucket(expression: str, permission: str, expected: State) -> None:
    place = world({BUCKET: policy(("roles/storage.admin", ANN, expression))})
    assert ask(place, permission=permission, resource=BUCKET).state is expected


def test_a_condition_on_a_name_leaves_questions_about_a_whole_project_open() -> None:
    bound = policy(("roles/storage.admin", ANN, 'resource.name.startsWith("projects/_/buckets/b")'))
    assert ask(world({PROJECT: bound}), permission="storage.objects.get", resource=PROJECT).state is State.UNKNOWN


def test_secret_names_carry_the_project_number() -> None:
    secret = "//secretmanager.googleapis.com/projects/acme/secrets/airflow-connections-x"
    role = "roles/secretmanager.secretAccessor"
    by_number = policy((role, ANN, 'resource.name.startsWith("projects/123/secrets/airflow-")'))
    by_id = policy((role, ANN, 'resource.name.startsWith("projects/acme/secrets/airflow-")'))
    question = {"permission": "secretmanager.versions.access", "resource": secret}
    assert ask(world({PROJECT: by_number, secret: policy()}), **question).state is State.GRANTED
    assert ask(world({PROJECT: by_id, secret: policy()}), **question).state is not State.GRANTED


def test_a_policy_read_in_an_old_version_hides_its_conditions() -> None:
    place = world({ACCOUNT: policy((f"{USER}_withcond_0a1b2c", ANN))})
    assert ask(place).state is State.UNKNOWN


def test_custom_roles_count_when_they_are_known() -> None:
    role = "projects/acme/roles/runner"
    place = {ACCOUNT: policy((role, ANN))}
    assert ask(world(place)).reason is Reason.ROLE_UNKNOWN
    assert ask(world(place, custom={role: None})).state is State.UNKNOWN
    assert ask(world(place, custom={role: [ACT]})).state is State.GRANTED
    assert ask(world(place, custom={role: ["custom.made.up"]})).state is State.MISSING
    assert ask(world(place, custom={role: ["custom.made.up"]}), permission="custom.made.up").state is State.GRANTED


def test_an_unknown_predefined_role_leaves_the_answer_open() -> None:
    assert ask(world({ACCOUNT: policy(("roles/brandnew.thing", ANN))})).reason is Reason.ROLE_UNKNOWN


def test_basic_roles_reach_objects_only_through_convenience_members() -> None:
    editor = policy(("roles/editor", ANN))
    question: dict[str, Any] = {"permission": "storage.objects.get", "resource": BUCKET}
    assert ask(world({PROJECT: editor}), **question).state is State.MISSING
    legacy = policy(("roles/storage.legacyObjectReader", "projectEditor:acme"))
    assert ask(world({PROJECT: editor, BUCKET: legacy}), **question).state is State.GRANTED
    assert ask(world({BUCKET: legacy}), **question).state is State.MISSING
    gap = Gap("p", "resourcemanager.projects.getIamPolicy", "403")
    assert ask(world({PROJECT: gap, BUCKET: legacy}), **question).state is State.UNKNOWN
    by_number = policy(("roles/storage.legacyObjectReader", "projectEditor:123"))
    assert ask(world({PROJECT: editor, BUCKET: by_number}), **question).state is State.GRANTED


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            deny(["principal://goog/subject/ann@example.com"], ["iam.googleapis.com/serviceAccounts.actAs"]),
            State.MISSING,
        ),
        (deny(["principalSet://goog/public:all"], ["iam.googleapis.com/serviceAccounts.actAs"]), State.MISSING),
        (deny(["principalSet://goog/public:all"], ["iam.googleapis.com/serviceAccounts.*"]), State.MISSING),
        (deny(["principalSet://goog/public:all"], ["iam.googleapis.com/serviceAccounts.get"]), State.GRANTED),
        (
            deny(
                ["principalSet://goog/public:all"],
                ["iam.googleapis.com/serviceAccounts.*"],
                exceptionPermissions=["iam.googleapis.com/serviceAccounts.actAs"],
            ),
            State.GRANTED,
        ),
        (
            deny(
                ["principalSet://goog/public:all"],
                ["iam.googleapis.com/serviceAccounts.actAs"],
                exceptionPrincipals=["principal://goog/subject/ann@example.com"],
            ),
            State.GRANTED,
        ),
        (
            deny(
                ["principalSet://goog/public:all"],
                ["iam.googleapis.com/serviceAccounts.actAs"],
                exceptionPrincipals=["principalSet://goog/group/g@example.com"],
            ),
            State.UNKNOWN,
        ),
        (
            deny(
                ["principalSet://goog/public:all"],
                ["iam.googleapis.com/serviceAccounts.actAs"],
                denialCondition={"expression": "resource.matchTag('9/env', 'prod')"},
            ),
            State.UNKNOWN,
        ),
        (
            deny(["principalSet://goog/group/g@example.com"], ["iam.googleapis.com/serviceAccounts.actAs"]),
            State.UNKNOWN,
        ),
        (Gap("deny policies", "iam.denypolicies.list", "403"), State.UNKNOWN),
    ],
)
@pytest.mark.parametrize("place", [PROJECT, ORGANIZATION])
def test_deny_policies(place: str, rule: Any, expected: State) -> None:
    assert ask(world({ACCOUNT: policy((USER, ANN))}, deny={place: rule})).state is expected


def test_deny_policies_spell_resource_manager_by_its_address() -> None:
    rule = deny(["principalSet://goog/public:all"], ["cloudresourcemanager.googleapis.com/projects.getIamPolicy"])
    place = world({PROJECT: policy(("roles/owner", ANN))}, deny={PROJECT: rule})
    assert ask(place, permission="resourcemanager.projects.getIamPolicy", resource=PROJECT).reason is Reason.DENIED


def test_a_boundary_keeps_out_what_its_version_is_known_to_block() -> None:
    def boundary(resources: tuple[str, ...], permissions: frozenset[str] | None) -> Boundary:
        return Boundary("pab", f"{CRM}/projects/acme", resources, permissions)

    who = "serviceAccount:x@acme.iam.gserviceaccount.com"
    allowed = {ACCOUNT: policy((USER, who))}
    elsewhere = (f"{CRM}/projects/other",)
    assert ask(world(allowed, boundaries=(boundary(elsewhere, frozenset({ACT})),)), who).reason is Reason.BOUNDARY
    assert ask(world(allowed, boundaries=(boundary(elsewhere, None),)), who).state is State.UNKNOWN
    assert ask(world(allowed, boundaries=(boundary(elsewhere, frozenset({"x.y.z"})),)), who).state is State.GRANTED
    assert ask(world(allowed, boundaries=(boundary((ORGANIZATION,), frozenset({ACT})),)), who).state is State.GRANTED
    agent = "serviceAccount:service-123@cloudcomposer-accounts.iam.gserviceaccount.com"
    granted = {ACCOUNT: policy((USER, agent))}
    assert ask(world(granted, boundaries=(boundary(elsewhere, frozenset({ACT})),)), agent).state is State.GRANTED


def test_the_callers_own_test_beats_every_computation() -> None:
    tested = {(ANN, ACCOUNT): CallerTest(frozenset({ACT}), frozenset({ACT}))}
    assert ask(world(tested=tested)).reason is Reason.TESTED
    refused = {(ANN, ACCOUNT): CallerTest(frozenset({ACT}), frozenset())}
    assert ask(world({ACCOUNT: policy((USER, ANN))}, tested=refused)).state is State.MISSING
    assert (
        ask(world({ACCOUNT: policy((USER, ANN))}, tested=refused), permission="iam.serviceAccounts.get").state
        is State.GRANTED
    )


def test_resources_may_be_named_by_project_number() -> None:
    by_number = ACCOUNT.replace("projects/acme", "projects/123")
    assert ask(world({ACCOUNT: policy((USER, ANN))}), resource=by_number).state is State.GRANTED


def test_a_policy_with_parts_that_make_no_sense_proves_no_absence() -> None:
    from envctl.doctor.policies import parse_allow_policy

    odd = parse_allow_policy({"bindings": [{"members": [ANN]}, {"role": USER, "members": "x"}, 3]})
    assert len(odd.oddities) == 3
    assert ask(world({ACCOUNT: odd})).state is State.UNKNOWN
