"""What exists already is taken only by the word of a file, or when this stack left it there."""

from __future__ import annotations

import json
import shutil

import pytest
from projects import DEV, bring_up, call, plan, run, tear_down, workspace_of, write_project

from envctl.actions.adopt import adopt
from envctl.actions.adopt_looking import Wanted
from envctl.actions.apply import refused_whatever_the_flags
from envctl.actions.state import move_resource
from envctl.cli import run as envctl
from envctl.errors import OutsideError, RefusedError
from envctl.plan.model import Action, GateStatus, Mode, Reason

ID = "abcdefghijk1"
BUCKET = "storage/storage/v1/b/acme-data-dev-dev-staging"
TAKEN = "storage/storage/v1/b/acme-shared"
ACCOUNTS = "iam/v1/projects/acme-data-dev/serviceAccounts"
ROLE = "roles/composer.worker"


def project(root, identity=ID, **files):
    write_project(root, **(files or {"dev": DEV}))
    (root / "envctl.yaml").write_text(f"name: acme\nid: {identity}\n")
    return root


def answers(prepared):
    return {gate.id: gate for gate in prepared.plan.gates if gate.gate == "ownership"}


def change(prepared, name):
    return next(c for c in prepared.plan.changes if c.name == name)


def make_bucket(workspace, name="acme-shared", **labels):
    call(
        workspace,
        "POST",
        "storage/storage/v1/b?project=acme-data-dev",
        {"name": name, "location": "EU", "labels": labels},
    )


def named(bucket):
    return DEV.replace("staging: {location: EU}", f"staging: {bucket}")


def lose_state(root):
    for folder in ("stacks", "history", "journal", "airflow"):
        shutil.rmtree(root / ".envctl" / "sandbox" / folder, ignore_errors=True)


def test_a_bucket_that_exists_is_refused_with_its_line_before_anything_is_made(tmp_path):
    workspace = workspace_of(project(tmp_path, dev=named("{location: EU, name: acme-shared}")))
    make_bucket(workspace, team="finance")
    before = call(workspace, "GET", TAKEN)
    prepared = plan(workspace, "dev")
    refused = answers(prepared)["ownership.foreign"]
    assert refused.status is GateStatus.FAILED
    assert "bucket acme-shared exists already" in refused.summary
    assert refused.source.line == 8
    assert any("existing: acme-shared" in hint for hint in refused.hints)
    with pytest.raises(RefusedError) as raised:
        run(prepared)
    assert raised.value.code == "exists-already"
    assert call(workspace, "GET", TAKEN) == before
    assert workspace.engine("dev").serial() == 0


def test_the_owner_is_named_as_far_as_labels_tell(tmp_path):
    workspace = workspace_of(project(tmp_path, dev=named("{location: EU, name: acme-shared}")))
    make_bucket(workspace, **{"envctl-owner": "zzzzzzzzzzz9_prod"})
    detail = answers(plan(workspace, "dev"))["ownership.foreign"].detail
    assert "stack prod of another envctl project" in detail


@pytest.mark.parametrize("what", ["secret", "account"])
def test_secrets_and_accounts_that_exist_are_refused_in_the_preview(tmp_path, what):
    file = DEV + "secrets: {create: {crm: {name: crm}}}\n"
    workspace = workspace_of(project(tmp_path, dev=file))
    if what == "secret":
        body = {"replication": {"automatic": {}}}
        service = "serviceusage/v1/projects/acme-data-dev/services/secretmanager.googleapis.com:enable"
        started = call(workspace, "POST", service, {})
        for _ in range(10):
            if call(workspace, "GET", f"serviceusage/v1/{started['name']}").get("done"):
                break
        call(workspace, "POST", "secretmanager/v1/projects/acme-data-dev/secrets?secretId=crm", body)
    else:
        call(workspace, "POST", ACCOUNTS, {"accountId": "composer-dev"})
    prepared = plan(workspace, "dev")
    refused = answers(prepared)["ownership.foreign"]
    assert refused.status is GateStatus.FAILED
    if what == "account":
        assert "`serviceAccount: {email: composer-dev@acme-data-dev.iam.gserviceaccount.com}`" in refused.hints[0]
    assert "nothing was changed" not in refused_whatever_the_flags(prepared).summary
    with pytest.raises(RefusedError, match="nothing was changed"):
        run(prepared)


def test_import_takes_over_as_it_is_and_the_next_up_brings_the_rest(tmp_path):
    workspace = workspace_of(project(tmp_path, dev=named("{location: EU, name: acme-shared, import: true}")))
    make_bucket(workspace, team="finance")
    prepared = plan(workspace, "dev")
    taken = change(prepared, "bucket-staging")
    assert (taken.action, taken.reason) == (Action.IMPORT, Reason.ADOPTED)
    assert any("come with the next `up`" in warning for warning in prepared.plan.warnings)
    assert run(prepared).outcome.value == "succeeded"
    assert call(workspace, "GET", TAKEN)["labels"] == {"team": "finance"}
    again = plan(workspace_of(tmp_path), "dev")
    assert [(c.name, c.action) for c in again.plan.pending] == [("bucket-staging", Action.UPDATE)]
    run(again)
    assert plan(workspace_of(tmp_path), "dev").plan.empty


def test_an_existing_bucket_gets_members_and_nothing_else(tmp_path):
    file = named("{existing: acme-shared, access: {objectAdmin: [environment]}}")
    workspace = workspace_of(project(tmp_path, dev=file))
    make_bucket(workspace, team="finance")
    before = call(workspace, "GET", TAKEN)
    bring_up(workspace, "dev")
    policy = call(workspace, "GET", TAKEN + "/iam")
    assert "serviceAccount:composer-dev@acme-data-dev.iam.gserviceaccount.com" in json.dumps(policy)
    tear_down(workspace, "dev")
    after = call(workspace, "GET", TAKEN)
    assert {k: after[k] for k in ("labels", "location")} == {k: before[k] for k in ("labels", "location")}


def test_what_a_recorded_destroy_left_is_taken_back(tmp_path):
    file = DEV.replace("profile: trial", "profile: standard\nprotect: false")
    workspace = workspace_of(project(tmp_path, dev=file))
    bring_up(workspace, "dev")
    tear_down(workspace, "dev")
    assert call(workspace, "GET", BUCKET)
    prepared = plan(workspace_of(tmp_path), "dev")
    taken = change(prepared, "bucket-staging")
    assert (taken.action, taken.reason) == (Action.IMPORT, Reason.TAKEN_BACK)
    bring_up(workspace_of(tmp_path), "dev")
    assert plan(workspace_of(tmp_path), "dev").plan.empty


def test_without_the_record_what_a_destroy_left_is_refused(tmp_path):
    file = DEV.replace("profile: trial", "profile: standard\nprotect: false")
    workspace = workspace_of(project(tmp_path, dev=file))
    bring_up(workspace, "dev")
    tear_down(workspace, "dev")
    shutil.rmtree(tmp_path / ".envctl" / "sandbox" / "journal")
    assert answers(plan(workspace_of(tmp_path), "dev"))


def test_a_lost_state_is_one_refusal_and_import_is_the_way_back(tmp_path):
    file = DEV + "airflow: {variables: {stage: dev}, pools: {crm: {slots: 4, description: CRM}}}\n"
    bring_up(workspace_of(project(tmp_path, dev=file)), "dev")
    lose_state(tmp_path)
    workspace = workspace_of(tmp_path)
    prepared = plan(workspace, "dev")
    lost = answers(prepared)
    assert list(lost) == ["ownership.state-lost"]
    assert "envctl import dev" in lost["ownership.state-lost"].hints[0]
    with pytest.raises(RefusedError):
        run(prepared)
    adopt(workspace, Wanted("dev", "acme-data-dev", "europe-west1", "dev"))
    after = plan(workspace_of(tmp_path), "dev").plan
    assert after.empty, [(c.name, c.action) for c in after.pending] + [s.id for s in after.steps]
    assert after.warnings == ()


def test_a_lost_foundation_comes_back_too(tmp_path):
    shared = "kind: foundation\nproject: acme-data-dev\nregion: europe-west1\nnetwork: {subnet: 10.10.0.0/20}\n"
    bring_up(workspace_of(project(tmp_path, shared=shared)), "shared")
    lose_state(tmp_path)
    workspace = workspace_of(tmp_path)
    assert list(answers(plan(workspace, "shared"))) == ["ownership.state-lost"]
    adopt(workspace, Wanted("shared", "acme-data-dev", "europe-west1", "shared"))
    assert plan(workspace_of(tmp_path), "shared").plan.empty


def test_a_clone_with_another_id_is_told_whose_everything_is(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir(), second.mkdir()
    bring_up(workspace_of(project(first)), "dev")
    project(second, "zzzzzzzzzzz9")
    shutil.copytree(first / ".envctl", second / ".envctl")
    lose_state(second)
    workspace = workspace_of(second)
    found = [gate for gate in plan(workspace, "dev").plan.gates if gate.gate == "ownership"]
    assert {gate.id for gate in found} == {"ownership.foreign"}
    assert any(f"another envctl project made it ({ID}_dev)" in gate.detail for gate in found)
    with pytest.raises(RefusedError):
        run(plan(workspace, "dev"))


def test_one_physical_bucket_under_two_names_is_refused(tmp_path):
    bring_up(workspace_of(project(tmp_path)), "dev")
    move_resource(workspace_of(tmp_path), "dev", "bucket-staging", "bucket-staging2")
    prepared = plan(workspace_of(tmp_path), "dev")
    refused = answers(prepared)["ownership.doubled"]
    assert "as bucket-staging2" in refused.summary
    assert "envctl state move dev bucket-staging2 bucket-staging --cloud sandbox" in refused.hints[1]
    assert "`moved: {from: staging2}`" in refused.hints[0]
    assert not any("renamed" in warning for warning in prepared.plan.warnings)
    with pytest.raises(RefusedError):
        run(prepared)
    assert call(workspace_of(tmp_path), "GET", BUCKET)


def test_the_bucket_of_composer_is_never_said_to_be_moved(tmp_path):
    with_own = DEV.replace("staging: {location: EU}", "environment: {}")
    bring_up(workspace_of(project(tmp_path, dev=with_own)), "dev")
    project(tmp_path, dev=DEV.replace("staging: {location: EU}", "main: {}"))
    assert not any("moved" in warning for warning in plan(workspace_of(tmp_path), "dev").plan.warnings)
    project(tmp_path, dev=with_own)
    move_resource(workspace_of(tmp_path), "dev", "bucket-environment", "bucket-main")
    hints = answers(plan(workspace_of(tmp_path), "dev"))["ownership.doubled"].hints
    assert len(hints) == 1
    assert "envctl state move dev bucket-main bucket-environment --cloud sandbox" in hints[0]


def test_a_membership_that_was_there_stays_when_the_stack_goes(tmp_path):
    file = DEV + "access: {users: ['group:analysts@acme.example']}\n"
    workspace = workspace_of(project(tmp_path, dev=file))
    policy = {"bindings": [{"role": "roles/composer.user", "members": ["group:analysts@acme.example"]}]}
    call(workspace, "POST", "crm/v1/projects/acme-data-dev:setIamPolicy", {"policy": policy})
    prepared = plan(workspace, "dev")
    found = next(c for c in prepared.plan.changes if "composer.user" in c.name)
    assert (found.action, found.reason) == (Action.IMPORT, Reason.ALREADY_GRANTED)
    bring_up(workspace, "dev")
    bring_up(workspace_of(tmp_path), "dev")
    tear_down(workspace_of(tmp_path), "dev")
    after = call(workspace, "POST", "crm/v1/projects/acme-data-dev:getIamPolicy", {})
    assert any(
        b["role"] == "roles/composer.user" and b["members"] == ["group:analysts@acme.example"]
        for b in after["bindings"]
    )


def test_a_look_is_one_question_per_object(tmp_path):
    workspace = workspace_of(project(tmp_path))
    plan(workspace, "dev")
    asked = [(r["verb"], r["path"]) for r in workspace.cloud.emulator().requests]
    policies = [path for _, path in asked if path.endswith("acme-data-dev:getIamPolicy")]
    assert len(policies) <= 2  # the look, and the doctor's question


def test_a_destroy_without_its_state_is_refused_while_the_environment_runs(tmp_path, capsys):
    bring_up(workspace_of(project(tmp_path)), "dev")
    lose_state(tmp_path)
    workspace = workspace_of(tmp_path)
    prepared = plan(workspace, "dev", mode=Mode.DESTROY)
    lost = answers(prepared)
    assert list(lost) == ["ownership.state-lost"]
    assert "envctl import dev --cloud sandbox" in lost["ownership.state-lost"].hints[0]
    with pytest.raises(RefusedError) as raised:
        run(prepared)
    assert raised.value.code == "exists-already"
    for words in ("destroy dev --yes --confirm dev", "preview dev --destroy"):
        assert envctl(["-C", str(tmp_path), *words.split(), "--cloud", "sandbox"]) == 5
        said = capsys.readouterr()
        assert "envctl import dev" in said.out + said.err
        assert "No changes" not in said.out
    assert call(workspace, "GET", BUCKET)


def test_a_second_destroy_has_nothing_to_do(tmp_path):
    file = DEV.replace("profile: trial", "profile: standard\nprotect: false")
    bring_up(workspace_of(project(tmp_path, dev=file)), "dev")
    tear_down(workspace_of(tmp_path), "dev")
    again = plan(workspace_of(tmp_path), "dev", mode=Mode.DESTROY).plan
    assert again.empty
    assert again.gates == ()


def test_import_says_of_what_it_leaves_out_which_stack_made_it(tmp_path):
    file = DEV.replace("buckets:\n", "buckets:\n  environment: {}\n")
    bring_up(workspace_of(project(tmp_path, dev=file)), "dev")
    lose_state(tmp_path)
    (tmp_path / "environments" / "dev.yaml").unlink()
    wanted = Wanted("dev", "acme-data-dev", "europe-west1", "dev")
    left = {each.name: each.reason for each in adopt(workspace_of(tmp_path), wanted, dry_run=True).left}
    assert f"the stack dev made it ({ID}_dev)" in left["bucket acme-data-dev-dev-environment"]
    account = "service account composer-dev@acme-data-dev.iam.gserviceaccount.com"
    assert f"the stack dev made it ({ID}_dev)" in left[account]


def test_an_environment_that_exists_is_taken_over_at_the_top_of_the_file(tmp_path):
    bring_up(workspace_of(project(tmp_path / "a", dev=DEV)), "dev")
    other = project(tmp_path / "b", "zzzzzzzzzzz9", dev=DEV)
    shutil.copytree(tmp_path / "a" / ".envctl", other / ".envctl")
    lose_state(other)
    hints = [hint for gate in plan(workspace_of(other), "dev").plan.gates for hint in gate.hints]
    assert any("`import: true` at the top of the file" in hint for hint in hints)


def test_an_import_of_what_is_not_there_names_what_was_looked_for(tmp_path):
    with pytest.raises(OutsideError) as raised:
        adopt(workspace_of(project(tmp_path, dev=DEV)), Wanted("dev", "acme-data-dev", "europe-west1", "dev"))
    assert "dev in project acme-data-dev, region europe-west1" in raised.value.detail


@pytest.mark.parametrize("marked", [True, False])
def test_a_destroy_of_a_renamed_or_unmarked_environment_without_its_state_is_refused(tmp_path, marked):
    root = project(tmp_path, dev=DEV.replace("project:", "name: main\nproject:"))
    if not marked:
        (root / "envctl.yaml").write_text("name: acme\n")
    bring_up(workspace_of(root), "dev")
    lose_state(root)
    if marked:
        (root / "environments/dev.yaml").rename(root / "environments/develop.yaml")
    prepared = plan(workspace_of(root), "develop" if marked else "dev", mode=Mode.DESTROY)
    assert list(answers(prepared)) == ["ownership.state-lost"]
    with pytest.raises(RefusedError):
        run(prepared)


def test_an_import_of_what_another_project_made_says_whose_it_is(tmp_path):
    bring_up(workspace_of(project(tmp_path / "a", dev=DEV)), "dev")
    other = project(tmp_path / "b", "zzzzzzzzzzz9", dev=DEV)
    shutil.copytree(tmp_path / "a" / ".envctl", other / ".envctl")
    lose_state(other)
    with pytest.raises(RefusedError) as raised:
        adopt(workspace_of(other), Wanted("dev", "acme-data-dev", "europe-west1", "dev"))
    assert raised.value.code == "import-foreign"
    assert f"made by the stack dev of the project {ID}" in raised.value.detail


def test_an_import_takes_its_own_marks_under_an_earlier_file_name(tmp_path):
    root = project(tmp_path, dev=DEV.replace("project:", "name: main\nproject:"))
    bring_up(workspace_of(root), "dev")
    lose_state(root)
    (root / "environments/dev.yaml").rename(root / "environments/develop.yaml")
    assert adopt(workspace_of(root), Wanted("develop", "acme-data-dev", "europe-west1", "main")).done
    pending = plan(workspace_of(root), "develop").plan.pending
    assert {change.action for change in pending} == {Action.UPDATE}
    assert all("envctl-owner" in repr(p) for change in pending for p in change.properties)


def test_what_a_file_only_refers_to_must_be_there_before_anything_is_made(tmp_path):
    file = named("{existing: acme-nowhere}") + "secrets: {create: {crm: {existing: nothing-here}}}\n"
    workspace = workspace_of(project(tmp_path, dev=file))
    service = "serviceusage/v1/projects/acme-data-dev/services/secretmanager.googleapis.com:enable"
    started = call(workspace, "POST", service, {})
    while not call(workspace, "GET", f"serviceusage/v1/{started['name']}").get("done"):
        pass
    prepared = plan(workspace, "dev")
    absent = [gate for gate in prepared.plan.gates if gate.id == "ownership.absent"]
    assert ["acme-nowhere" in gate.summary for gate in absent] == [True, False]
    assert absent[0].source.line == 8
    with pytest.raises(RefusedError) as raised:
        run(prepared)
    assert raised.value.code == "existing-absent"
    assert workspace.engine("dev").serial() == 0
