from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from projects import DEV, call, workspace_of, write_project

from envctl import __version__
from envctl.cli import run
from envctl.commands.console import CONSOLE
from envctl.errors import ExitCode


@pytest.fixture(autouse=True)
def plain_console(monkeypatch):
    monkeypatch.setenv("ENVCTL_CLOUD", "sandbox")
    monkeypatch.setenv("NO_COLOR", "1")
    CONSOLE.quiet = CONSOLE.verbose = False
    CONSOLE.color = None


@pytest.fixture
def project(tmp_path):
    return write_project(tmp_path)


@pytest.fixture
def envctl(project, capsys):
    def call(*arguments: str):
        code = run(["-C", str(project), *arguments])
        captured = capsys.readouterr()
        return int(code), captured.out, captured.err

    return call


def test_help_names_every_verb(envctl):
    code, out, _ = envctl("--help")
    assert code == 0
    for verb in (
        "init",
        "validate",
        "show",
        "preview",
        "up",
        "destroy",
        "drift",
        "status",
        "history",
        "state",
        "schema",
        "sandbox",
    ):
        assert f"\n  {verb} " in out


def test_version(envctl):
    assert envctl("--version")[:2] == (0, f"envctl {__version__}\n")


@pytest.mark.parametrize("arguments", [["bogus"], ["preview", "--nope"], ["preview", "dev", "--format", "x"], ["up"]])
def test_a_wrong_command_line_is_2_and_shows_the_way(envctl, arguments):
    code, out, err = envctl(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error[usage]: ")
    assert "hint: " in err


@pytest.mark.parametrize("arguments", [[], ["state"]])
def test_no_arguments_show_the_help_and_nothing_else(capsys, arguments):
    code = run(arguments)
    captured = capsys.readouterr()
    assert (int(code), captured.out) == (2, "")
    assert captured.err.startswith("Usage: envctl")
    assert "error" not in captured.err.splitlines()[0]
    assert "hint:" not in captured.err


def test_a_folder_without_a_project(tmp_path_factory, capsys):
    code = run(["-C", str(tmp_path_factory.mktemp("empty")), "validate"])
    assert code == ExitCode.USAGE
    assert "envctl init" in capsys.readouterr().err


def test_validate_names_the_faults_of_requirements_files_too(envctl, project):
    file = project / "environments" / "dev.yaml"
    file.write_text(file.read_text() + "packages: {requirements: [dev.txt]}\n")
    (project / "environments" / "dev.txt").write_text("holidays==0.58\npandas==\n")
    code, out, err = envctl("validate")
    assert code == ExitCode.INVALID
    assert "requirement-invalid" in out + err
    assert "environments/dev.txt:2" in out + err


def test_the_history_of_a_name_that_nothing_stands_for_is_refused(envctl):
    code, out, err = envctl("history", "nope")
    assert (code, out) == (2, "")
    assert "unknown-environment" in err


def test_an_incomplete_plan_is_not_saved(envctl, project, tmp_path):
    file = project / "environments" / "dev.yaml"
    file.write_text(file.read_text() + "protect: true\n")
    assert envctl("up", "dev", "--yes")[0] == 0
    file.write_text(file.read_text().replace("region: europe-west1", "region: europe-west4"))
    code, out, err = envctl("preview", "dev", "--out", str(tmp_path / "dev.plan"))
    assert code == ExitCode.REFUSED
    assert "This plan is incomplete" in out
    assert "error[protected]" in err
    assert not (tmp_path / "dev.plan").exists()
    assert "was not written" in err


def test_preview_up_and_destroy_refuse_a_protected_environment_alike(envctl, project):
    file = project / "environments" / "dev.yaml"
    file.write_text(file.read_text() + "protect: true\n")
    assert envctl("up", "dev", "--yes")[0] == 0
    destroying = [envctl("preview", "dev", "--destroy"), envctl("destroy", "dev", "--yes")]
    file.write_text(file.read_text().replace("region: europe-west1", "region: europe-west4"))
    replacing = [envctl("preview", "dev"), envctl("up", "dev", "--yes"), envctl("preview", "dev", "--format", "json")]
    for code, _, err in (*destroying, *replacing):
        assert code == ExitCode.REFUSED
        assert "error[protected]: dev is protected" in err
        assert "write `protect: false` in the file" in err
    assert json.loads(replacing[2][1])["incomplete"]


def test_a_start_from_nothing_validates_and_previews(tmp_path, capsys):
    root = tmp_path / "fresh"
    assert run(["init", str(root), "--project", "acme-data-dev"]) == 0
    assert run(["-C", str(root), "validate"]) == 0
    capsys.readouterr()
    assert run(["-C", str(root), "preview", "dev", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == "envctl.plan/v1"


def test_a_wrong_file_is_3_with_its_line(envctl, project):
    (project / "environments" / "dev.yaml").write_text(DEV + "bukets: {}\n")
    code, out, _ = envctl("validate")
    assert code == 3
    assert "environments/dev.yaml:9:1" in out
    assert "buckets" in out
    code, out, err = envctl("preview", "dev")
    assert (code, out) == (3, "")
    assert "environments/dev.yaml:9:1" in err


def test_data_goes_to_stdout_and_progress_to_stderr(envctl):
    code, out, err = envctl("preview", "dev", "--format", "json")
    assert code == 0
    assert err == ""
    assert json.loads(out)["summary"]["create"] == 19


def test_up_without_a_terminal_needs_yes(envctl):
    code, out, err = envctl("up", "dev")
    assert code == 5
    assert "19 to create" in out
    assert "confirmation-missing" in err
    code, out, _ = envctl("up", "dev", "--yes")
    assert code == 0
    assert "Applied dev: 19 created." in out


def test_expect_no_changes_is_10_until_there_are_none(envctl):
    assert envctl("preview", "dev", "--expect-no-changes")[0] == 10
    assert envctl("up", "dev", "--yes")[0] == 0
    assert envctl("preview", "dev", "--expect-no-changes")[0] == 0
    assert envctl("drift", "--expect-no-changes")[0] == 0


def test_a_saved_plan_is_shown_again_and_applied_once(envctl, tmp_path):
    file = str(tmp_path / "dev.json")
    assert envctl("preview", "dev", "--out", file)[0] == 0
    assert "19 to create" in envctl("show", file)[1]
    assert envctl("up", "--plan", file)[0] == 0
    code, _, err = envctl("up", "--plan", file)
    assert code == 5
    assert "plan-stale" in err


def test_a_failed_create_is_4_with_the_message_and_the_way_on(envctl):
    fault = {
        "kind": "operation",
        "operation": "composer.environments.create",
        "status": "INTERNAL",
        "message": "zone is full",
    }
    assert envctl("sandbox", "fault", json.dumps(fault))[0] == 0
    code, out, _ = envctl("up", "dev", "--yes")
    assert code == 4
    assert "zone is full" in out
    assert "envctl up dev --cloud sandbox" in out
    assert envctl("sandbox", "fault", "--clear")[0] == 0
    assert envctl("up", "dev", "--yes")[0] == 0
    assert envctl("preview", "dev", "--expect-no-changes")[0] == 0


def test_a_hand_in_the_console_is_drift(envctl):
    assert envctl("up", "dev", "--yes")[0] == 0
    path = "storage/storage/v1/b/acme-data-dev-dev-staging"
    assert envctl("sandbox", "call", "PATCH", path, '{"labels": {"team": "nobody"}}')[0] == 0
    code, out, _ = envctl("drift", "dev", "--expect-no-changes")
    assert code == 10
    assert "labels.team" in out
    document = json.loads(envctl("drift", "dev", "--format", "json")[1])
    assert document["environments"][0]["drift"][0]["name"] == "bucket-staging"


def test_status_and_history_as_documents(envctl):
    assert envctl("up", "dev", "--yes")[0] == 0
    status = json.loads(envctl("status", "dev", "--format", "json")[1])["environments"][0]
    assert (status["live"], status["lastRun"]["outcome"]) == ("RUNNING", "succeeded")
    runs = json.loads(envctl("history", "dev", "--format", "json")[1])["runs"]
    assert [run["command"] for run in runs] == ["up dev"]


def test_the_gcp_cloud_without_credentials_fails_at_once_and_names_the_way(envctl, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.delenv("GOOGLE_OAUTH_ACCESS_TOKEN", raising=False)
    code, _, err = envctl("preview", "dev", "--cloud", "gcp")
    assert code == 4
    assert "gcloud auth application-default login" in err
    assert "--cloud sandbox" in err


def test_a_bug_asks_for_a_report_and_names_the_file(envctl, project, monkeypatch):
    monkeypatch.setattr("envctl.actions.validate.validate", lambda _request: 1 / 0)
    code, _, err = envctl("validate")
    assert code == 70
    report = Path(err.split("attach\n", 1)[1].strip())
    assert "ZeroDivisionError" in report.read_text()
    report.unlink()


def test_a_plan_written_to_a_folder_that_is_not_there(envctl, tmp_path):
    code, _, err = envctl("preview", "dev", "--out", str(tmp_path / "no" / "plan.json"))
    assert code == 4
    assert "file-unwritable" in err


def test_ctrl_c_stops_a_running_apply_and_the_same_command_goes_on(project):
    """A real process, a real signal: the create is slow because the emulator waits on request."""
    command = [sys.executable, "-m", "envctl", "-C", str(project)]
    environment = {**os.environ, "ENVCTL_CLOUD": "sandbox", "NO_COLOR": "1"}
    # each poll takes a second and there are over a hundred, so that the signal never comes too late on a busy machine
    delay = {"kind": "delay", "method": "composer.projects.locations.operations.get", "seconds": 1, "times": 10_000}
    for order in (["fault", json.dumps(delay)], ["seed", json.dumps({"settings": {"polls": 10_000}})]):
        subprocess.run([*command, "sandbox", *order], check=True, env=environment, capture_output=True)
    process = subprocess.Popen(
        [*command, "up", "dev", "--yes"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "operation projects/" in line:
            break
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate()
    assert process.returncode == 75, out
    assert "envctl up dev --cloud sandbox" in out
    subprocess.run([*command, "sandbox", "fault", "--clear"], check=True, env=environment, capture_output=True)
    again = subprocess.run(
        [*command, "up", "dev", "--yes"], env=environment, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stdout + again.stderr
    rest = subprocess.run(
        [*command, "preview", "dev", "--expect-no-changes"], env=environment, capture_output=True, check=False
    )
    assert rest.returncode == 0


def test_up_all_goes_foundations_first_and_ends_with_a_table(envctl, project):
    from projects import DEV

    (project / "environments" / "shared.yaml").write_text(
        "kind: foundation\nproject: acme-data-dev\nregion: europe-west1\nnetwork: {create: true}\n"
    )
    (project / "environments" / "broken.yaml").write_text(
        DEV.replace("composer-dev", "composer-broken")
        + "access: {deployers: [serviceAccount:nobody@acme-data-dev.iam.gserviceaccount.com]}\n"
    )
    code, out, _ = envctl("up", "--all", "--yes")
    assert code == 4
    summary = out.split("Summary\n", 1)[1].splitlines()
    assert [line.split(maxsplit=1) for line in summary] == [["shared", "done"], ["broken", "failed"], ["dev", "done"]]


def test_what_builds_on_a_failed_foundation_is_not_tried(envctl, project):
    (project / "environments" / "shared.yaml").write_text(
        "kind: foundation\nproject: acme-data-dev\nregion: europe-west1\nnetwork: {create: true}\n"
    )
    fault = {"kind": "fail", "method": "compute.networks.insert", "status": "PERMISSION_DENIED", "message": "no"}
    envctl("sandbox", "fault", json.dumps(fault))
    code, out, _ = envctl("up", "--all", "--yes")
    assert code == 4
    assert [line.split(maxsplit=1) for line in out.split("Summary\n", 1)[1].splitlines()] == [
        ["shared", "failed"],
        ["dev", "not tried"],
    ]


def test_yes_alone_does_not_replace_an_environment(envctl, project):
    assert envctl("up", "dev", "--yes")[0] == 0
    path = project / "environments" / "dev.yaml"
    path.write_text(path.read_text().replace("europe-west1", "europe-west3"))
    code, out, err = envctl("up", "dev", "--yes")
    assert code == 5
    assert "to replace" in out
    assert "--confirm dev" in err
    assert envctl("up", "dev", "--yes", "--confirm", "prod")[0] == 2
    assert envctl("up", "dev", "--yes", "--confirm", "dev")[0] == 0


STAGING = "acme-data-dev-dev-staging"


def put(project, count):
    for number in range(count):
        path = f"storage/upload/storage/v1/b/{STAGING}/o?uploadType=media&name=o{number}"
        call(workspace_of(project), "POST", path, "x")


def test_a_destroy_of_data_wants_the_environments_name(envctl, project):
    assert envctl("up", "dev", "--yes")[0] == 0
    put(project, 2)
    code, out, err = envctl("destroy", "dev", "--yes")
    assert code == 5
    assert "deletes 2 objects" in out
    assert "deletes the Airflow database and its history" in out
    assert "This deletes data: it is applied with `--confirm dev`, or by typing that name." in out
    assert "error[confirmation-name]" in err
    assert "storage.Bucket bucket-staging: 2 objects" in err
    assert "add `--confirm dev`" in err
    assert envctl("destroy", "dev", "--yes", "--confirm", "prod")[0] == 2
    assert envctl("destroy", "dev", "--yes", "--confirm", "dev")[0] == 0


def test_a_destroy_without_data_wants_a_yes_alone(envctl, project):
    (project / "environments" / "shared.yaml").write_text(
        "kind: foundation\nproject: acme-data-dev\nregion: europe-west1\nnetwork: {create: true}\n"
    )
    assert envctl("up", "shared", "--yes")[0] == 0
    assert envctl("destroy", "shared", "--yes")[0] == 0


@pytest.mark.parametrize("path", ["up", "plan", "all"])
def test_an_edit_that_deletes_data_wants_the_name_on_every_path(envctl, project, path):
    assert envctl("up", "dev", "--yes")[0] == 0
    put(project, 1)
    file = project / "environments" / "dev.yaml"
    file.write_text(file.read_text().replace("buckets:\n  staging: {location: EU}\n", ""))
    (project / "environments" / "shared.yaml").write_text(
        "kind: foundation\nproject: acme-data-dev\nregion: europe-west1\nnetwork: {create: true}\n"
    )
    saved = str(project / "dev.plan")
    assert envctl("preview", "dev", "--out", saved)[0] == 0
    command = {"up": ("up", "dev", "--yes"), "plan": ("up", "--plan", saved), "all": ("up", "--all", "--yes")}[path]
    code, _, err = envctl(*command)
    assert code == 5
    assert "confirmation-name" in err
    assert envctl("sandbox", "call", "GET", f"storage/storage/v1/b/{STAGING}")[0] == 0
    assert envctl(*command, "--confirm", "dev")[0] == 0
    assert envctl("sandbox", "call", "GET", f"storage/storage/v1/b/{STAGING}")[0] == 2


def test_an_empty_bucket_goes_without_a_name(envctl, project):
    assert envctl("up", "dev", "--yes")[0] == 0
    file = project / "environments" / "dev.yaml"
    file.write_text(file.read_text().replace("buckets:\n  staging: {location: EU}\n", ""))
    code, out, _ = envctl("up", "dev", "--yes")
    assert code == 0
    assert "loses data" not in out
    assert "it is empty" in out


def test_the_bucket_under_a_live_environment_is_refused_in_preview_and_up(envctl, project):
    file = project / "environments" / "dev.yaml"
    file.write_text(file.read_text().replace("buckets:\n", "buckets:\n  environment: {}\n"))
    assert envctl("up", "dev", "--yes")[0] == 0
    file.write_text(file.read_text().replace("  environment: {}", "  dags: {}"))
    for command in (("preview", "dev"), ("up", "dev", "--yes", "--confirm", "dev", "--allow-unknown")):
        code, _, err = envctl(*command)
        assert code == 5
        assert "error[bucket-in-use]: The bucket acme-data-dev-dev-environment holds the DAGs of dev" in err
        assert "environments/dev.yaml:8" in err
        assert "bring the entry `buckets.environment` back" in err
    assert envctl("preview", "dev", "--expect-no-changes")[0] == 5


def test_a_plan_says_why_a_membership_stays_in_every_format(envctl, project):
    text = DEV + "access: {users: ['group:analysts@acme.example']}\n"
    (project / "environments" / "dev.yaml").write_text(text)
    (project / "environments" / "other.yaml").write_text(text.replace("composer-dev", "composer-other"))
    assert envctl("up", "dev", "--yes")[0] == 0
    row = "project/composer.user/group-analysts@acme.example"
    _, out, _ = envctl("preview", "dev", "--destroy")
    assert f". projects.IAMMember {row}" in out
    assert "stays in the cloud: other declares it, too" in out
    _, out, _ = envctl("preview", "dev", "--destroy", "--format", "markdown")
    assert f"| leave in the cloud | projects.IAMMember `{row}` | stays: other declares it, too |" in out
    assert "**deletes the Airflow database and its history**" in out
    _, out, _ = envctl("preview", "dev", "--destroy", "--format", "json")
    found = next(change for change in json.loads(out)["changes"] if change["name"] == row)
    assert found["action"] == "forget"
    assert found["kept"] == {"reason": "declared", "by": "other", "command": ""}


def test_a_stack_whose_file_is_gone_is_not_forgotten(envctl, project):
    assert envctl("up", "dev", "--yes")[0] == 0
    file = project / "environments" / "dev.yaml"
    file.rename(project / "environments" / "devel.yaml")
    code, out, err = envctl("status")
    assert code == 0
    assert "devel" in out
    assert "dev: its file is gone" in err
    assert "dev: its file is gone" in envctl("preview", "--all")[2]
    code, _, err = envctl("destroy", "dev", "--yes")
    assert code == 5
    assert "stack-without-file" in err
    code, out, _ = envctl("state", "list", "dev")
    assert code == 0
    assert "composer.Environment" in out


def test_one_damaged_state_does_not_hide_the_others(envctl, project):
    (project / "environments" / "qa.yaml").write_text(DEV.replace("composer-dev", "composer-qa"))
    assert envctl("up", "--all", "--yes")[0] == 0
    (project / ".envctl" / "sandbox" / "stacks" / "dev.json").write_text("{")
    for verb in ("status", "drift"):
        code, out, err = envctl(verb)
        assert code == 5, verb
        assert "qa" in out
        assert "state-unreadable" in err


def test_history_counts_what_was_done_and_tells_refusals_apart(envctl, project):
    from envctl.engine.embedded.lock import stack_lock
    from envctl.engine.embedded.store import now_utc

    fault = {"kind": "fail", "method": "storage.buckets.insert", "status": "PERMISSION_DENIED", "message": "no"}
    envctl("sandbox", "fault", json.dumps(fault))
    assert envctl("up", "dev", "--yes")[0] == 4
    assert envctl("up", "dev", "--yes")[0] == 0
    path = project / "environments" / "dev.yaml"
    path.write_text(path.read_text().replace("team: data", "team: other"))
    with stack_lock(project / ".envctl" / "sandbox" / "locks" / "dev.json", "dev", now_utc):
        code, _, err = envctl("up", "dev", "--yes")
    assert code == 5
    assert "stack-locked" in err
    runs = json.loads(envctl("history", "dev", "--format", "json")[1])["runs"]
    assert [run["outcome"] for run in runs] == ["failed", "succeeded", "refused"]
    assert runs[0]["planned"] == {"create": 19}
    assert runs[0]["changes"]["create"] + runs[1]["changes"]["create"] == 19
    assert runs[2]["changes"] == {}
    assert "succeeded" in envctl("status", "dev")[1]


def test_a_lock_is_not_taken_from_a_process_that_lives_without_force(envctl, project):
    from envctl.engine.embedded.lock import stack_lock
    from envctl.engine.embedded.store import now_utc

    assert "It was not locked." in envctl("state", "unlock", "dev")[2]
    with stack_lock(project / ".envctl" / "sandbox" / "locks" / "dev.json", "dev", now_utc) as holder:
        code, _, err = envctl("state", "unlock", "dev")
        assert code == 5
        assert f"process {holder.pid}: {holder.command}" in err
        assert f"since {holder.since}" in err
        assert "envctl state unlock dev --force" in err
        code, _, err = envctl("state", "unlock", "dev", "--force")
        assert code == 0
        assert "which still runs" in err


def test_an_environment_waits_for_its_foundation(envctl, project):
    (project / "environments" / "shared.yaml").write_text(
        "kind: foundation\nproject: acme-data-dev\nregion: europe-west1\nnetwork: {create: true}\n"
    )
    text = (project / "environments" / "dev.yaml").read_text()
    (project / "environments" / "dev.yaml").write_text(f"foundation: shared\n{text}")
    _, shown, _ = envctl("preview", "dev")
    assert "The foundation shared is not applied" in shown
    code, _, said = envctl("up", "dev", "--yes")
    assert code == 5
    assert "error[foundation-absent]" in said
    assert "envctl up shared" in said


@pytest.mark.parametrize("stdout", [">&-", ">/dev/full"])
def test_a_stdout_that_takes_nothing_is_no_bug(tmp_path, stdout):
    command = f"{sys.executable} -c 'from envctl.cli import main; main()' images list {stdout}"
    ended = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.splitlines()[0]) == (
        4,
        "error[stdout-unwritable]: Nothing can be written to stdout",
    )
