from __future__ import annotations

import json
from pathlib import Path

import pytest
from projects import write_project

from envctl.cli import run


@pytest.mark.parametrize("member", ["ann@example.com", "ann"])
def test_a_caller_without_its_kind_is_refused(tmp_path, capsys, member):
    root = write_project(tmp_path)
    assert run(["-C", str(root), "doctor", "dev", "--offline", "--as", member]) == 2
    assert f"user:{member}" in capsys.readouterr().err


def test_a_caller_with_its_kind_is_taken(tmp_path):
    root = write_project(tmp_path)
    assert run(["-C", str(root), "doctor", "dev", "--offline", "--as", "user:ann@example.com"]) == 0


def quota_rows(root: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Resources of the right to use a quota that `envctl iam` lists."""
    assert run(["-C", str(root), "iam", "dev", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["bindings"]
    return [row["resource"].rpartition("/")[2] for row in rows if "caller.user-project" in (row["id"], *row["also"])]


@pytest.mark.parametrize(
    ("setting", "variables", "listed"),
    [
        ("", {}, []),
        ("", {"GOOGLE_BILLING_PROJECT": "acme-tools"}, ["acme-tools"]),
        ("", {"USER_PROJECT_OVERRIDE": "true"}, ["acme-data-dev"]),
        ("billingProject: acme-tools\n", {}, ["acme-tools"]),
        ("billingProject: acme-tools\n", {"GOOGLE_BILLING_PROJECT": "acme-other"}, ["acme-other"]),
        ("billingProject: acme-tools\n", {"USER_PROJECT_OVERRIDE": "false"}, []),
    ],
)
def test_the_variables_of_the_provider_win_over_the_file_in_a_role_set(
    tmp_path, capsys, monkeypatch, setting, variables, listed
):
    root = write_project(tmp_path)
    (root / "envctl.yaml").write_text(f"name: acme\n{setting}")
    for name in ("GOOGLE_BILLING_PROJECT", "USER_PROJECT_OVERRIDE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert quota_rows(root, capsys) == listed


@pytest.mark.parametrize("text", ["", "  \n"])
@pytest.mark.parametrize("names", [[], ["dev"]])
def test_an_empty_error_text_is_a_usage_error(tmp_path, capsys, text, names):
    root = write_project(tmp_path)
    assert run(["-C", str(root), "doctor", *names, "--offline", "--error", text]) == 2
    assert "error text is empty" in capsys.readouterr().err
