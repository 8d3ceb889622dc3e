"""What is left in the cloud and what is lost, decided when a plan lets go of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from projects import DEV, bring_up, call, plan, run, tear_down, workspace_of, write_project

from envctl.actions.apply import check_applicable
from envctl.commands.applied import render_applied
from envctl.errors import RefusedError
from envctl.ownership.refused_deletes import refused_delete
from envctl.plan.model import Action, Change, KeepReason, Kept, Loss, LossKind, Mode, Reason
from envctl.report.plan_text import render_plan
from envctl.report.style import PLAIN

EMAIL = "runner@acme-data-dev.iam.gserviceaccount.com"
MEMBER = f"serviceAccount:{EMAIL}"
GIVEN = DEV.replace("{name: composer-dev}", f"{{email: {EMAIL}}}")
OLD = GIVEN.replace("composer-3-airflow-2.10.5-build.10", "composer-2-airflow-2.10.5")
ANALYSTS = "group:analysts@acme.example"
USERS = f"access: {{users: ['{ANALYSTS}']}}\n"
USER_ROW = "project/composer.user/group-analysts@acme.example"
FOUNDATION = f"kind: foundation\nproject: acme-data-dev\nregion: europe-west1\n{USERS}"


def members(workspace, role):
    policy = call(workspace, "POST", "crm/v1/projects/acme-data-dev:getIamPolicy", {})
    return {m for b in policy.get("bindings", ()) if b["role"] == role for m in b["members"]}


def change(prepared, name):
    return next(each for each in prepared.plan.changes if each.name == name)


def edit(root: Path, name: str, *pairs: tuple[str, str]) -> None:
    path = root / "environments" / f"{name}.yaml"
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def given_account(workspace):
    call(workspace, "POST", "iam/v1/projects/acme-data-dev/serviceAccounts", {"accountId": "runner"})


def rows(workspace, stack, **changes):
    """The state, with fields of its memberships changed as an older version would have written them."""
    engine = workspace.engine(stack)
    document = engine.export_state()
    for row in document["deployment"]["resources"]:
        if row["type"].lower().endswith("iammember"):
            row.update(changes)
    engine.import_state(document)


# -- accounts that no stack owns


def test_the_roles_of_a_given_account_survive_whoever_is_destroyed_first(tmp_path):
    root = write_project(tmp_path, old=OLD.replace("labels:", "name: blue\nlabels:"))
    workspace = workspace_of(root)
    given_account(workspace)
    bring_up(workspace, "old")
    (root / "environments" / "new.yaml").write_text(GIVEN.replace("labels:", "name: green\nlabels:"))
    workspace = workspace_of(root)
    bring_up(workspace, "new")
    tear_down(workspace, "old")
    assert MEMBER in members(workspace, "roles/composer.worker")
    (root / "environments" / "old.yaml").unlink()
    workspace = workspace_of(root)
    left = plan(workspace, "new", mode=Mode.DESTROY)
    row = change(left, f"project/composer.worker/serviceAccount-{EMAIL}")
    assert row.action is Action.FORGET
    assert row.kept == Kept(
        KeepReason.FOUND,
        command="gcloud projects remove-iam-policy-binding acme-data-dev "
        f"--member={MEMBER} --role=roles/composer.worker --condition=None",
    )
    applied = run(left)
    assert MEMBER in members(workspace, "roles/composer.worker")
    assert any(row.kept.command in line for line in applied.kept)


def test_an_environment_that_moves_to_another_account_leaves_the_old_ones_roles(tmp_path):
    root = write_project(tmp_path, dev=GIVEN)
    workspace = workspace_of(root)
    given_account(workspace)
    bring_up(workspace, "dev")
    edit(root, "dev", (f"{{email: {EMAIL}}}", "{name: composer-dev}"))
    workspace = workspace_of(root)
    moved = plan(workspace, "dev")
    assert change(moved, f"project/composer.worker/serviceAccount-{EMAIL}").kept.reason is KeepReason.FOREIGN_ACCOUNT
    run(moved)
    assert MEMBER in members(workspace, "roles/composer.worker")


def test_an_account_that_the_stack_made_loses_its_roles_with_it(tmp_path):
    workspace = workspace_of(write_project(tmp_path))
    bring_up(workspace, "dev")
    assert members(workspace, "roles/composer.worker")
    tear_down(workspace, "dev")
    assert members(workspace, "roles/composer.worker") == set()


def test_a_membership_under_another_name_is_not_taken_away_with_the_old_one(tmp_path):
    root = write_project(tmp_path)
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    edit(root, "dev", ("{name: composer-dev}", "{email: composer-dev@acme-data-dev.iam.gserviceaccount.com}"))
    workspace = workspace_of(root)
    row = change(plan(workspace, "dev"), "project/composer.worker/environment")
    assert (row.action, row.kept) == (Action.FORGET, Kept(KeepReason.DECLARED))


# -- people: who else declares it now


def test_a_right_that_another_file_declares_since_is_left_to_it(tmp_path):
    root = write_project(tmp_path, dev=DEV + USERS)
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    (root / "environments" / "shared.yaml").write_text(FOUNDATION)
    edit(root, "dev", (USERS, ""))
    workspace = workspace_of(root)
    row = change(plan(workspace, "dev"), USER_ROW)
    assert (row.action, row.kept) == (Action.FORGET, Kept(KeepReason.DECLARED, "shared"))
    bring_up(workspace, "dev")
    assert ANALYSTS in members(workspace, "roles/composer.user")


def test_a_right_that_another_file_no_longer_declares_goes_though_the_state_says_keep(tmp_path):
    root = write_project(tmp_path, dev=DEV + USERS)
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    rows(workspace, "dev", retainOnDelete=True)
    edit(root, "dev", (USERS, ""))
    workspace = workspace_of(root)
    row = change(plan(workspace, "dev"), USER_ROW)
    assert (row.action, row.kept) == (Action.DELETE, None)
    bring_up(workspace, "dev")
    assert ANALYSTS not in members(workspace, "roles/composer.user")


@pytest.mark.parametrize("damaged", [False, True])
def test_a_right_that_another_state_holds_or_may_hold_stays(tmp_path, damaged):
    root = write_project(tmp_path, dev=DEV + USERS, shared=FOUNDATION)
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    bring_up(workspace, "shared")
    (root / "environments" / "shared.yaml").unlink()
    if damaged:
        (root / ".envctl" / "sandbox" / "stacks" / "shared.json").write_bytes(b"")
    workspace = workspace_of(root)
    ending = plan(workspace, "dev", mode=Mode.DESTROY)
    reason = KeepReason.UNREADABLE if damaged else KeepReason.HELD
    assert change(ending, USER_ROW).kept == Kept(reason, "shared")
    run(ending)
    assert ANALYSTS in members(workspace, "roles/composer.user")


def test_a_right_that_was_there_before_stays_through_runs_edits_and_a_destroy(tmp_path):
    root = write_project(tmp_path, dev=DEV + USERS)
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    rows(workspace, "dev", importID=f"acme-data-dev roles/composer.user {ANALYSTS}")
    engine = workspace.engine("dev")
    document = engine.export_state()
    for row in document["deployment"]["resources"]:  # the mark is that of this one alone
        if row.get("importID") and not row["urn"].endswith(USER_ROW):
            del row["importID"]
    engine.import_state(document)
    assert plan(workspace, "dev").plan.empty
    edit(root, "dev", ("team: data", "team: other"))
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    ending = plan(workspace, "dev", mode=Mode.DESTROY)
    row = change(ending, USER_ROW)
    assert row.kept is not None
    assert (row.kept.reason, row.action) == (KeepReason.FOUND, Action.FORGET)
    run(ending)
    assert ANALYSTS in members(workspace, "roles/composer.user")


def test_apis_and_agents_stay_whatever_a_state_says(tmp_path):
    workspace = workspace_of(write_project(tmp_path))
    bring_up(workspace, "dev")
    engine = workspace.engine("dev")
    document = engine.export_state()
    for row in document["deployment"]["resources"]:
        row.pop("retainOnDelete", None)
    engine.import_state(document)
    ending = plan(workspace, "dev", mode=Mode.DESTROY)
    shared = [c for c in ending.plan.changes if c.type.startswith("gcp:projects/service")]
    assert shared
    assert {(c.action, c.kept) for c in shared} == {(Action.FORGET, Kept(KeepReason.GOOGLE))}
    before = len(workspace.cloud.emulator().requests)
    run(ending)
    sent = workspace.cloud.emulator().requests[before:]
    assert not [r for r in sent if "disable" in r["path"]]


# -- data


def put(workspace, bucket, count):
    for number in range(count):
        call(workspace, "POST", f"storage/upload/storage/v1/b/{bucket}/o?uploadType=media&name=o{number}", "x")


STAGING = "acme-data-dev-dev-staging"
SECRETS = "secrets: {create: {crm: {}}}\n"


@pytest.mark.parametrize(("count", "loss"), [(0, None), (1, Loss(LossKind.OBJECTS, 1)), (3, Loss(LossKind.OBJECTS, 3))])
def test_a_bucket_that_goes_says_how_many_objects_go_with_it(tmp_path, count, loss):
    root = write_project(tmp_path)
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    put(workspace, STAGING, count)
    edit(root, "dev", ("buckets:\n  staging: {location: EU}\n", ""))
    prepared = plan(workspace_of(root), "dev")
    row = change(prepared, "bucket-staging")
    assert (row.action, row.loss) == (Action.DELETE, loss)
    assert bool(prepared.plan.losses) is (loss is not None)


def test_a_replaced_bucket_loses_its_objects(tmp_path):
    root = write_project(tmp_path)
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    put(workspace, STAGING, 2)
    edit(root, "dev", ("location: EU", "location: US"))
    row = change(plan(workspace_of(root), "dev"), "bucket-staging")
    assert row.action.replaces
    assert row.loss == Loss(LossKind.OBJECTS, 2)


def test_a_bucket_that_stays_when_it_is_replaced_loses_nothing(tmp_path):
    root = write_project(tmp_path, dev=DEV.replace("{location: EU}", "{location: EU, retain: true}"))
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    put(workspace, STAGING, 2)
    edit(root, "dev", ("location: EU", "location: US"))
    row = change(plan(workspace_of(root), "dev"), "bucket-staging")
    assert row.action.replaces
    assert row.loss is None
    assert row.impact.note == "the old one stays in the cloud"


def test_a_secret_counts_the_versions_that_are_left(tmp_path):
    root = write_project(tmp_path, dev=DEV + SECRETS)
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    path = next(r["id"] for r in workspace.engine("dev").export_state()["deployment"]["resources"] if "crm" in r["urn"])
    for _ in range(3):
        call(workspace, "POST", f"secretmanager/v1/{path}:addVersion", {"payload": {"data": "eA=="}})
    call(workspace, "POST", f"secretmanager/v1/{path}/versions/1:destroy", {})
    edit(root, "dev", (SECRETS, ""))
    assert change(plan(workspace_of(root), "dev"), "secret-crm").loss == Loss(LossKind.SECRET_VERSIONS, 2)


def test_a_count_that_nobody_may_read_is_a_loss_of_unknown_size(tmp_path):
    root = write_project(tmp_path)
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    edit(root, "dev", ("buckets:\n  staging: {location: EU}\n", ""))
    workspace = workspace_of(root)
    fault = {"kind": "fail", "method": "storage.objects.list", "status": "PERMISSION_DENIED", "message": "no"}
    workspace.cloud.control("POST", "fault", fault)
    assert change(plan(workspace, "dev"), "bucket-staging").loss == Loss(LossKind.OBJECTS, None)


def test_an_environment_is_data_unless_its_creation_failed(tmp_path):
    workspace = workspace_of(write_project(tmp_path))
    bring_up(workspace, "dev")
    assert change(plan(workspace, "dev", mode=Mode.DESTROY), "environment").loss == Loss(LossKind.ENVIRONMENT, 1)


# -- the bucket under a live environment

OWN_BUCKET = DEV.replace("buckets:\n", "buckets:\n  environment: {}\n")
IN_USE = "acme-data-dev-dev-environment"


def test_no_edit_deletes_the_bucket_under_a_live_environment(tmp_path):
    root = write_project(tmp_path, dev=OWN_BUCKET)
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    edit(root, "dev", ("  environment: {}", "  dags: {}"))
    prepared = plan(workspace_of(root), "dev")
    with pytest.raises(RefusedError) as caught:
        check_applicable(prepared, allow_unknown=True)
    assert caught.value.code == "bucket-in-use"
    assert IN_USE in caught.value.summary
    assert "environments/dev.yaml:" in caught.value.detail
    assert "buckets.environment" in caught.value.hints[0]
    with pytest.raises(RefusedError):
        run(prepared)
    call(workspace, "GET", f"storage/storage/v1/b/{IN_USE}")


def test_the_live_environment_counts_where_the_state_does_not_know_it(tmp_path):
    root = write_project(tmp_path, dev=OWN_BUCKET)
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    workspace.engine("dev").forget(
        next(
            row["urn"]
            for row in workspace.engine("dev").export_state()["deployment"]["resources"]
            if row["type"] == "gcp:composer/environment:Environment"
        )
    )
    edit(root, "dev", ("  environment: {}", "  dags: {}"))
    prepared = plan(workspace_of(root), "dev")
    assert prepared.in_use == {"bucket-environment": "dev"}


def test_an_environment_and_its_bucket_go_together(tmp_path):
    workspace = workspace_of(write_project(tmp_path, dev=OWN_BUCKET))
    bring_up(workspace, "dev")
    ending = plan(workspace, "dev", mode=Mode.DESTROY)
    assert ending.in_use == {}
    assert change(ending, "bucket-environment").action is Action.DELETE
    assert run(ending).outcome.value == "succeeded"


# -- what the cloud would not delete

TAKEN = DEV.replace("{location: EU}", "{location: EU, name: acme-by-hand, import: true}")
ENTRY = "buckets:\n  staging: {location: EU, name: acme-by-hand, import: true}\n"


def taken_with_an_object(root):
    workspace = workspace_of(write_project(root, dev=TAKEN))
    call(workspace, "POST", "storage/storage/v1/b?project=acme-data-dev", {"name": "acme-by-hand", "location": "EU"})
    put(workspace, "acme-by-hand", 1)
    bring_up(workspace, "dev")


@pytest.mark.parametrize("mode", [Mode.APPLY, Mode.DESTROY])
def test_a_delete_that_the_cloud_refuses_is_refused_in_the_preview(tmp_path, mode):
    taken_with_an_object(tmp_path)
    if mode is Mode.APPLY:
        edit(tmp_path, "dev", (ENTRY, ""))
    prepared = plan(workspace_of(tmp_path), "dev", mode=mode)
    with pytest.raises(RefusedError) as caught:
        check_applicable(prepared, allow_unknown=True)
    assert caught.value.code == "delete-refused"
    assert "acme-by-hand" in caught.value.detail
    assert "`retain: false`" in caught.value.hints[0]
    assert "envctl up dev --cloud sandbox" in caught.value.hints[0]
    assert "`retain: true`" in caught.value.hints[1]


@pytest.mark.parametrize(("retain", "left"), [("false", False), ("true", True)])
def test_its_ways_out_work(tmp_path, retain, left):
    taken_with_an_object(tmp_path)
    edit(tmp_path, "dev", (", import: true", f", retain: {retain}"))
    bring_up(workspace_of(tmp_path), "dev")
    edit(
        tmp_path,
        "dev",
        (
            f"staging: {{location: EU, name: acme-by-hand, retain: {retain}}}",
            "{}" if not left else "staging: {existing: acme-by-hand}",
        ),
    )
    bring_up(workspace_of(tmp_path), "dev")
    items = call(workspace_of(tmp_path), "GET", "storage/storage/v1/b?project=acme-data-dev").get("items", ())
    assert ("acme-by-hand" in {item["name"] for item in items}) is left


def test_a_cluster_whose_protection_nobody_took_off_is_not_deleted():
    deleted = Change("u", "gcp:container/cluster:Cluster", "cluster", Action.DELETE, Reason.DESTROY, id="x")
    assert refused_delete(deleted, {"inputs": {}}) is not None
    assert refused_delete(deleted, {"inputs": {"deletionProtection": True}}) is not None
    assert refused_delete(deleted, {"inputs": {"deletionProtection": False}}) is None


def test_a_bucket_of_ours_is_not_said_to_stay_with_composer(tmp_path):
    workspace = workspace_of(write_project(tmp_path, dev=OWN_BUCKET))
    bring_up(workspace, "dev")
    gone = plan(workspace, "dev", mode=Mode.DESTROY)
    assert change(gone, "environment").impact.note == ""
    assert change(gone, "bucket-environment").action is Action.DELETE


def test_a_loss_is_said_once(tmp_path):
    workspace = workspace_of(write_project(tmp_path))
    bring_up(workspace, "dev")
    put(workspace, STAGING, 2)
    told = render_plan(plan(workspace, "dev", mode=Mode.DESTROY).plan)
    assert told.count("deletes 2 objects") == 1
    assert "all its objects" not in told
    assert "loses data" not in told
    assert "a bucket that Composer made stays" in told


def test_what_stays_is_told_in_lines_of_a_terminals_width(tmp_path):
    workspace = workspace_of(write_project(tmp_path))
    bring_up(workspace, "dev")
    told = render_applied(tear_down(workspace, "dev"), PLAIN)
    assert max(map(len, told.partition("What stays")[2].splitlines())) <= 110
