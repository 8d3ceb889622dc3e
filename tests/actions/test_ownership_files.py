"""Files that say whose things are, on the emulator from `validate` to `destroy`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from projects import DEV, bring_up, call, plan, tear_down, workspace_of, write_project

from envctl.actions.validate import ValidateRequest, validate
from envctl.cli import run
from envctl.errors import ExitCode, InvalidInputError
from envctl.plan.model import Action
from envctl.spec.project import load_project
from envctl.stacks.marks import mark_of

ID = "k3v9x0q2m7aa"
WITHOUT_ID = "name: acme\n"
LAKE = "storage/storage/v1/b/acme-lake"
VPC = "network: {vpc: {create: true}}\n"


def make_bucket(workspace: Any) -> None:
    call(workspace, "POST", "storage/storage/v1/b?project=acme-data-dev", {"name": "acme-lake", "location": "EU"})


def members_of_lake(workspace: Any) -> set[str]:
    return {each for binding in call(workspace, "GET", f"{LAKE}/iam")["bindings"] for each in binding["members"]}


def test_a_slip_in_the_key_of_the_environments_bucket_stops_before_the_cloud(tmp_path: Path) -> None:
    base = "abstract: true\nbuckets: {environment: {versioning: true}}\n"
    root = write_project(tmp_path, dev="extends: base\n" + DEV, base=base)
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    file = root / "environments" / "base.yaml"
    file.write_text(base.replace("environment:", "environmnt:"))
    assert run(["-C", str(root), "validate"]) == ExitCode.INVALID
    for verb in (["preview"], ["up", "--yes"]):
        assert run(["-C", str(root), verb[0], "dev", "--cloud", "sandbox", *verb[1:]]) == ExitCode.INVALID
    assert call(workspace, "GET", "storage/storage/v1/b/acme-data-dev-dev-environment")["versioning"] == {
        "enabled": True
    }


def test_a_bucket_of_two_files_is_touched_by_neither(tmp_path: Path) -> None:
    root = write_project(tmp_path, dev=DEV.replace("{location: EU}", "{location: EU, name: acme-lake}"))
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    second = DEV.replace("composer-dev", "composer-qa").replace("{location: EU}", "{location: EU, name: acme-lake}")
    (root / "environments" / "qa.yaml").write_text(second)
    workspace = workspace_of(root)
    for name, other in (("dev", "qa"), ("qa", "dev")):
        with pytest.raises(InvalidInputError) as error:
            plan(workspace, name)
        (found,) = error.value.diagnostics
        assert (found.code, found.span.file.stem) == ("named-by-two-files", name)
        assert found.detail.endswith(f"and so does environments/{other}.yaml:8.")


def test_a_thing_of_several_files_is_one_problem(tmp_path: Path) -> None:
    lake = DEV.replace("{location: EU}", "{location: EU, name: acme-lake}")
    names = ("dev", "qa", "prod")
    root = write_project(tmp_path, **{name: lake.replace("composer-dev", f"composer-{name}") for name in names})
    found = validate(ValidateRequest(root)).diagnostics
    assert [each.code for each in found] == ["named-by-two-files"]
    assert all(f"environments/{name}.yaml" in found[0].detail for name in names)


def test_the_first_up_gives_the_project_an_id_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_project(tmp_path)
    (root / "envctl.yaml").write_text(WITHOUT_ID)

    def envctl(*arguments: str) -> str:
        assert run(["-C", str(root), *arguments, "--cloud", "sandbox"]) == ExitCode.DONE
        return capsys.readouterr().err

    assert "id:" not in envctl("preview", "dev")
    envctl("preview", "dev", "--out", str(root / "plan.json"))
    envctl("up", "--plan", str(root / "plan.json"))
    assert (root / "envctl.yaml").read_text() == WITHOUT_ID
    said = envctl("up", "dev", "--yes")
    identity = load_project(root).id
    assert f"Wrote `id: {identity}` into envctl.yaml" in said
    assert "Wrote" not in envctl("up", "dev", "--yes")
    bucket = call(workspace_of(root), "GET", "storage/storage/v1/b/acme-data-dev-dev-staging")
    assert bucket["labels"]["envctl-owner"] == f"{identity}_dev"


def test_an_older_stack_is_marked_without_replacing_anything(tmp_path: Path) -> None:
    root = write_project(tmp_path, dev=DEV + VPC)
    (root / "envctl.yaml").write_text(WITHOUT_ID)
    bring_up(workspace_of(root), "dev")
    (root / "envctl.yaml").write_text(f"{WITHOUT_ID}id: {ID}\n")
    workspace = workspace_of(root)
    changes = {each.name: each.action for each in plan(workspace, "dev").plan.pending}
    assert set(changes.values()) == {Action.UPDATE}
    assert {"bucket-staging", "service-account", "firewall-internal", "router"} <= set(changes)
    assert not {"environment", "network", "subnetwork"} & set(changes)
    bring_up(workspace, "dev")
    assert plan(workspace, "dev").plan.empty
    account = call(
        workspace,
        "GET",
        "iam/v1/projects/acme-data-dev/serviceAccounts/composer-dev@acme-data-dev.iam.gserviceaccount.com",
    )
    assert mark_of(account).text == f"{ID}_dev"


def test_everything_new_is_marked_and_a_second_plan_is_empty(tmp_path: Path) -> None:
    workspace = workspace_of(write_project(tmp_path, dev=DEV + VPC))
    bring_up(workspace, "dev")
    assert plan(workspace, "dev").plan.empty
    for path in (
        "compute/compute/v1/projects/acme-data-dev/global/networks/dev-network",
        "compute/compute/v1/projects/acme-data-dev/regions/europe-west1/subnetworks/dev-subnet",
        "composer/v1/projects/acme-data-dev/locations/europe-west1/environments/dev",
    ):
        assert mark_of(call(workspace, "GET", path)).text == f"{ID}_dev"


def test_an_existing_bucket_gets_members_and_outlives_the_stack(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    make_bucket(workspace)
    before = call(workspace, "GET", LAKE)
    file = root / "environments" / "dev.yaml"
    lake = "  lake: {existing: acme-lake, access: {objectViewer: [environment]}}\n"
    file.write_text(DEV + lake + "airflow: {env: {LAKE: '${buckets.lake.name}'}}\n")
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    assert call(workspace, "GET", LAKE) == before
    assert "serviceAccount:composer-dev@acme-data-dev.iam.gserviceaccount.com" in members_of_lake(workspace)
    tear_down(workspace, "dev")
    assert call(workspace, "GET", LAKE)["name"] == "acme-lake"
    assert "serviceAccount:composer-dev@acme-data-dev.iam.gserviceaccount.com" not in members_of_lake(workspace)


def test_an_environment_lives_in_an_existing_bucket_that_its_stack_does_not_own(tmp_path: Path) -> None:
    other = DEV.replace("composer-dev", "composer-qa").replace("EU", "US")
    root = write_project(tmp_path, qa=other)
    workspace = workspace_of(root)
    bring_up(workspace, "qa")
    body = {
        "name": "acme-lake",
        "location": "europe-west1",
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}},
    }
    call(workspace, "POST", "storage/storage/v1/b?project=acme-data-dev", body)
    write_project(tmp_path, dev=DEV + "  environment: {existing: acme-lake}\n", qa=other)
    workspace = workspace_of(root)
    bring_up(workspace, "dev")
    live = call(workspace, "GET", "composer/v1/projects/acme-data-dev/locations/europe-west1/environments/dev")
    assert live["storageConfig"] == {"bucket": "acme-lake"}
    assert plan(workspace, "dev").plan.empty
    tear_down(workspace, "dev")
    assert call(workspace, "GET", LAKE)["name"] == "acme-lake"
