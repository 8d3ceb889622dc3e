"""An import ends in an empty preview: for what envctl made, and for what nobody made for it."""

from __future__ import annotations

import pytest
from projects import bring_up, plan, workspace_of, write_project
from raw_worlds import ACCOUNT, HOME, PROJECT, REGION, THREE, WORLDS, api, environment, full_three, plain_three, project

from envctl.actions.adopt import adopt, wanted_of
from envctl.actions.adopt_looking import Wanted
from envctl.actions.drift import find_drift
from envctl.errors import OutsideError, RefusedError, UsageError

OLD = Wanted("old", PROJECT, REGION, "old")
LIVE = f"composer/v1/{HOME}/environments/old"


def empty_project(root):
    (root / "environments").mkdir(parents=True)
    (root / "envctl.yaml").write_text("name: acme\n")
    return root


def writes(workspace):
    verbs = {"POST", "PATCH", "PUT", "DELETE"}
    reading = ("getIamPolicy", "generateServiceIdentity")
    return [
        r["method"]
        for r in workspace.cloud.emulator().requests
        if r["verb"] in verbs and not r["method"].endswith(reading)
    ]


@pytest.mark.parametrize("world", WORLDS)
def test_an_import_of_what_nobody_made_for_envctl_ends_in_an_empty_preview(tmp_path, world):
    workspace = workspace_of(empty_project(tmp_path))
    WORLDS[world](workspace)
    before = api(workspace, "GET", LIVE)
    workspace.cloud.emulator().forget_requests()
    done = adopt(workspace, OLD)
    assert done.done
    assert writes(workspace) == []
    assert api(workspace, "GET", LIVE) == before
    again = workspace_of(tmp_path)
    prepared = plan(again, "old", gates=False)
    assert [c.name for c in prepared.plan.pending] == []
    assert prepared.plan.steps == ()
    assert prepared.plan.empty
    assert find_drift(again, "old").drift == ()
    assert "environment" in done.imported


def test_what_a_file_cannot_hold_is_named_with_its_reason_and_stays_as_it_is(tmp_path):
    workspace = workspace_of(empty_project(tmp_path))
    full_three(workspace)
    done = adopt(workspace, OLD, dry_run=True)
    left = {item.name: item.reason for item in done.left}
    assert "literal-secret" in left["airflow.env.CRM_PASSWORD"]
    assert "airflow.env.STAGE" not in left
    assert "roles/secretmanager.secretAccessor of serviceAccount:runner" in " ".join(left)
    assert {"Kubernetes secret crm", "bucket acme-landing"} <= set(left)
    assert "correct horse" not in done.text
    assert [item.name for item in done.ignored] == [
        "config.dataRetentionConfig.taskLogsRetentionConfigs",
        "config.softwareConfig.envVariables.CRM_PASSWORD",
    ]
    assert "service-account/iam.serviceAccountUser/user-ops@acme.example" in {item.name for item in done.absent}
    assert all(item.reason for item in (*done.left, *done.absent, *done.ignored))


def test_the_file_says_what_is_there(tmp_path):
    workspace = workspace_of(empty_project(tmp_path))
    full_three(workspace)
    adopt(workspace, OLD)
    spec = workspace_of(tmp_path).load("old").environment
    assert spec.packages.inline == {"pendulum": ">=3,<4", "pandas": "[gcp]==2.1.4"}
    assert spec.labels == {"team": "legacy", "cost-center": "12"}
    assert spec.network.mode == "private"
    assert spec.access.users == ["group:analysts@acme.example", "user:ann@acme.example"]
    assert (spec.workloads.worker.max_count, spec.workloads.scheduler.storage_gb) == (5, 2)
    assert (spec.maintenance.hours, spec.maintenance.days) == (6, ["SA", "SU"])
    assert spec.user_workloads.config_maps["settings"].data == {"mode": "fast"}


def test_a_dry_run_writes_nothing(tmp_path):
    workspace = workspace_of(empty_project(tmp_path))
    plain_three(workspace)
    done = adopt(workspace, OLD, dry_run=True)
    assert done.text.startswith("# Written by")
    assert (done.written, done.done) == (None, False)
    assert list((tmp_path / "environments").iterdir()) == []
    assert list((workspace.directory / "import").iterdir()) == []
    assert not list(workspace.directory.rglob("stacks/**/old*.json"))


def test_after_the_import_the_file_is_the_truth(tmp_path):
    workspace = workspace_of(empty_project(tmp_path))
    full_three(workspace)
    adopt(workspace, OLD)
    file = tmp_path / "environments" / "old.yaml"
    text = file.read_text()
    grant = "    - service-account/iam.serviceAccountUser/user-ops@acme.example\n"
    kept = "    - config.dataRetentionConfig.taskLogsRetentionConfigs\n"
    assert grant in text
    file.write_text(text.replace(grant, "").replace(kept, "").replace("team: legacy", "team: data"))
    again = workspace_of(tmp_path)
    pending = plan(again, "old", gates=False).plan.pending
    assert sorted((c.name, c.action.value) for c in pending) == [
        ("environment", "update"),
        ("service-account/iam.serviceAccountUser/user-ops@acme.example", "create"),
    ]
    bring_up(again, "old")
    live = api(again, "GET", LIVE)
    assert live["labels"]["team"] == "data"
    assert live["config"]["softwareConfig"]["envVariables"]["CRM_PASSWORD"] == "correct horse"
    assert live["config"]["dataRetentionConfig"]["taskLogsRetentionConfig"]["storageMode"] == (
        "CLOUD_LOGGING_AND_CLOUD_STORAGE"
    )
    assert plan(workspace_of(tmp_path), "old", gates=False).plan.empty


RICH = f"""\
project: {PROJECT}
region: {REGION}
imageVersion: composer-3-airflow-2.10.5-build.10
serviceAccount: {{name: composer-dev}}
labels: {{team: data}}
buckets:
  staging: {{location: europe-west1, access: {{objectAdmin: [environment]}}}}
network: {{mode: private, vpc: {{create: true}}}}
encryption: {{key: {{create: true}}}}
secrets: {{create: {{crm: {{}}}}}}
integrations: [bigquery]
access: {{users: ['group:a@acme.example'], dagAuthors: ['group:b@acme.example']}}
"""


def forget_state(root):
    import shutil

    for path in (root / ".envctl" / "sandbox").iterdir():
        if not path.name.startswith("sandbox.json"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_what_envctl_made_is_taken_over_again_by_its_file_when_the_state_is_lost(tmp_path):
    workspace = workspace_of(write_project(tmp_path, dev=RICH))
    bring_up(workspace, "dev")
    workspace.cloud.emulator().save()
    forget_state(tmp_path)
    again = workspace_of(tmp_path)
    text = (tmp_path / "environments" / "dev.yaml").read_text()
    assert plan(again, "dev", gates=False).plan.pending
    again.cloud.emulator().forget_requests()
    done = adopt(again, Wanted("dev", PROJECT, REGION, "dev"))
    assert writes(again) == []
    assert (done.pending, done.absent, done.written) == ((), (), None)
    assert (tmp_path / "environments" / "dev.yaml").read_text() == text
    assert plan(again, "dev", gates=False).plan.empty
    assert {"network", "key", "bucket-staging", "secret-crm", "alert-health"} <= set(done.imported)


def test_what_envctl_made_is_imported_when_file_and_state_are_lost(tmp_path):
    workspace = workspace_of(write_project(tmp_path, dev=RICH))
    bring_up(workspace, "dev")
    workspace.cloud.emulator().save()
    forget_state(tmp_path)
    (tmp_path / "environments" / "dev.yaml").unlink()
    again = workspace_of(tmp_path)
    done = adopt(again, Wanted("dev", PROJECT, REGION, "dev"))
    assert done.pending == ()
    assert plan(workspace_of(tmp_path), "dev", gates=False).plan.empty


def test_every_environment_of_a_project_gets_a_file_name_of_its_own(tmp_path):
    workspace = workspace_of(empty_project(tmp_path))
    plain_three(workspace)
    west = f"projects/{PROJECT}/locations/europe-west4"
    body = {
        "config": {
            "nodeConfig": {"serviceAccount": f"runner@{PROJECT}.iam.gserviceaccount.com"},
            "softwareConfig": {"imageVersion": "composer-3-airflow-2.10.5-build.10"},
        }
    }
    for name in ("old", "young"):
        api(workspace, "POST", f"composer/v1/{west}/environments", {"name": f"{west}/environments/{name}", **body})
    found = wanted_of(workspace, PROJECT, None)
    assert [(each.stem, each.region, each.name) for each in found] == [
        ("old-europe-west1", "europe-west1", "old"),
        ("old-europe-west4", "europe-west4", "old"),
        ("young", "europe-west4", "young"),
    ]
    assert [each.stem for each in wanted_of(workspace, PROJECT, "europe-west4")] == ["old", "young"]
    for each in found[:2]:
        adopt(workspace_of(tmp_path), each)
    again = workspace_of(tmp_path)
    assert [again.load(each.stem).environment.name for each in found[:2]] == ["old", "old"]
    assert all(plan(again, each.stem, gates=False).plan.empty for each in found[:2])


def test_a_project_without_environments_says_so(tmp_path):
    workspace = workspace_of(empty_project(tmp_path))
    project(workspace)
    with pytest.raises(UsageError) as caught:
        wanted_of(workspace, PROJECT, None)
    assert caught.value.code == "import-nothing"


def test_an_environment_that_is_not_there_leaves_no_file(tmp_path):
    workspace = workspace_of(empty_project(tmp_path))
    project(workspace)
    with pytest.raises(OutsideError) as caught:
        adopt(workspace, OLD)
    assert caught.value.code == "import-missing"
    assert list((tmp_path / "environments").iterdir()) == []


def test_what_is_managed_is_not_imported_twice(tmp_path):
    workspace = workspace_of(empty_project(tmp_path))
    plain_three(workspace)
    adopt(workspace, OLD)
    with pytest.raises(RefusedError) as caught:
        adopt(workspace_of(tmp_path), OLD)
    assert caught.value.code == "import-managed"


def test_a_file_that_says_something_else_than_the_cloud_is_refused_before_anything_is_written(tmp_path):
    workspace = workspace_of(empty_project(tmp_path))
    plain_three(workspace)
    text = adopt(workspace, OLD, dry_run=True).text
    file = tmp_path / "environments" / "old.yaml"
    file.write_text(text.replace("size: small", "size: medium"))
    again = workspace_of(tmp_path)
    with pytest.raises(RefusedError) as caught:
        adopt(again, OLD)
    assert (caught.value.code, caught.value.detail) == ("import-differs", "environment: config.environmentSize")
    assert again.engine("old").serial() == 0


def test_a_file_of_another_environment_is_not_mistaken_for_this_one(tmp_path):
    workspace = workspace_of(write_project(tmp_path, old=RICH))
    with pytest.raises(RefusedError) as caught:
        adopt(workspace, Wanted("old", PROJECT, "europe-west4", "old"))
    assert caught.value.code == "import-other"


def test_an_import_takes_up_where_a_stopped_one_ended(tmp_path):
    workspace = workspace_of(empty_project(tmp_path))
    full_three(workspace)
    fault = {
        "kind": "fail",
        "method": "composer.projects.locations.environments.get",
        "status": "PERMISSION_DENIED",
        "message": "not now",
    }
    ordered = []

    def break_it(event):
        if not ordered:
            ordered.append(workspace.cloud.emulator().faults.add(fault))

    with pytest.raises(OutsideError, match="stopped") as caught:
        adopt(workspace, OLD, watch=break_it)
    assert "not now" in caught.value.detail
    assert caught.value.code == "import-stopped"
    done = adopt(workspace_of(tmp_path), OLD)
    assert done.pending == ()
    assert plan(workspace_of(tmp_path), "old", gates=False).plan.empty


def test_out_writes_a_file_and_leaves_the_state_alone(tmp_path):
    workspace = workspace_of(empty_project(tmp_path / "p"))
    plain_three(workspace)
    out = tmp_path / "old.yaml"
    done = adopt(workspace, OLD, out=out)
    assert (done.written, done.done, out.read_text()) == (out, False, done.text)
    assert list((tmp_path / "p" / "environments").iterdir()) == []
    with pytest.raises(RefusedError) as caught:
        adopt(workspace, OLD, out=out)
    assert caught.value.code == "import-file-exists"


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        ({}, []),
        ({"allowedIpRanges": [{"value": "192.0.2.0/32"}]}, []),
        ({"allowedIpRanges": [{"value": "203.0.113.0/24"}]}, ["203.0.113.0/24"]),
        (None, None),
    ],
    ids=["closed by hand", "closed by envctl", "ranges", "open"],
)
def test_the_file_says_who_reaches_the_web_server_and_that_no_triggerer_runs(tmp_path, access, expected):
    workspace = workspace_of(empty_project(tmp_path))
    project(workspace)
    config = {
        "nodeConfig": {"serviceAccount": ACCOUNT},
        "softwareConfig": {"imageVersion": THREE},
        "workloadsConfig": {"triggerer": {"cpu": 0.5, "memoryGb": 1}},
    }
    environment(workspace, "old", config if access is None else {**config, "webServerNetworkAccessControl": access})
    assert adopt(workspace, OLD).done
    again = workspace_of(tmp_path)
    spec = again.load("old").environment
    assert spec.workloads.triggerer.count == 0
    ranges = spec.web_server.allowed_ranges
    assert (None if ranges is None else [item.cidr for item in ranges]) == expected
    assert plan(again, "old", gates=False).plan.pending == ()


def test_a_file_claims_no_label_of_envctl_or_google(tmp_path):
    workspace = workspace_of(empty_project(tmp_path))
    plain_three(workspace)
    marks = {"envctl-owner": "k3v9x0q2m7aa_theirs", "envctl-stack": "theirs", "managed-by": "envctl"}
    body = {"labels": {"team": "data", "goog-terraform-provisioned": "true", **marks}}
    api(workspace, "PATCH", f"{LIVE}?updateMask=labels", body)
    done = adopt(workspace, OLD)
    assert "labels: {team: data}\n" in done.text or "labels:\n  team: data\n" in done.text
    assert not [key for key in (*marks, "goog-") if key in done.text.partition("adopted:")[0]]
    assert plan(workspace_of(tmp_path), "old", gates=False).plan.empty
    assert api(workspace, "GET", LIVE)["labels"]["envctl-owner"] == "k3v9x0q2m7aa_theirs"
