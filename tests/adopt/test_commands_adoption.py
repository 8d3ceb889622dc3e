"""import, diff and eject from the command line."""

from __future__ import annotations

import json

import pytest
from projects import DEV, workspace_of, write_project
from raw_worlds import PROJECT, REGION, full_three

from envctl.cli import run
from envctl.commands.console import CONSOLE


@pytest.fixture
def envctl(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ENVCTL_CLOUD", "sandbox")
    monkeypatch.setenv("NO_COLOR", "1")
    CONSOLE.quiet = CONSOLE.verbose = False
    CONSOLE.color = None
    (tmp_path / "environments").mkdir()
    (tmp_path / "envctl.yaml").write_text("name: acme\n")

    def call(*arguments):
        code = run(["-C", str(tmp_path), *arguments])
        captured = capsys.readouterr()
        return int(code), captured.out, captured.err

    call.root = tmp_path
    return call


@pytest.fixture
def legacy(envctl):
    workspace = workspace_of(envctl.root)
    full_three(workspace)
    workspace.cloud.emulator().save()
    return envctl


def test_import_then_an_empty_preview(legacy):
    code, _, err = legacy("import", "old", "--project", PROJECT, "--region", REGION, "--yes")
    assert code == 0
    assert "old: 16 resources are managed now." in err
    assert "Nothing is left to do: the preview of old is empty." in err
    assert "Kubernetes secret crm: its values cannot be read" in err
    code, _, err = legacy("preview", "old", "--expect-no-changes")
    assert code == 0, err


def test_a_dry_run_shows_the_file_on_stdout(legacy):
    code, out, err = legacy("import", "old", "--project", PROJECT, "--region", REGION, "--dry-run")
    assert code == 0
    assert out.startswith("# Written by `envctl import`")
    assert "resources would be managed" in err
    assert list((legacy.root / "environments").iterdir()) == []


def test_all_of_a_project_as_a_document(legacy):
    code, out, _ = legacy("import", "--project", PROJECT, "--yes", "--format", "json")
    assert code == 0
    document = json.loads(out)
    assert document["format"] == "envctl.import/v1"
    (only,) = document["environments"]
    assert (only["environment"], only["done"], only["pending"]) == ("old", True, [])
    assert {item["name"] for item in only["ignored"]} >= {"config.softwareConfig.envVariables.CRM_PASSWORD"}
    assert "correct horse" not in out


def test_nobody_to_ask_is_a_refusal(legacy):
    code, _, err = legacy("import", "old", "--project", PROJECT, "--region", REGION)
    assert code == 5
    assert "--yes" in err
    assert list((legacy.root / "environments").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "import needs ENV"),
        (("old",), "--project and --region are needed"),
        (("--project", PROJECT, "--name", "x"), "import needs ENV"),
        (("old", "--format", "markdown"), "'markdown' is not one of 'text', 'json'"),
    ],
)
def test_what_is_missing_is_said(envctl, arguments, said):
    code, _, err = envctl("import", *arguments)
    assert code == 2
    assert said in err


def test_diff_and_eject(envctl):
    write_project(envctl.root, dev=DEV, qa=DEV.replace("EU", "US").replace("composer-dev", "composer-qa"))
    code, out, _ = envctl("diff", "dev", "qa", "--expect-no-changes")
    assert code == 10
    assert "  buckets.staging.location\n" in out
    code, out, _ = envctl("diff", "dev", "dev", "--format", "json", "--expect-no-changes")
    assert (code, json.loads(out)["files"]) == (0, [])
    code, out, _ = envctl("diff", "dev", "qa", "--format", "markdown")
    assert out.startswith("# dev and qa\n")
    code, _, err = envctl("eject", "dev", str(envctl.root / "out"))
    assert code == 0, err
    assert "__main__.py" in err
    assert envctl("eject", "dev", str(envctl.root / "out"))[0] == 5
