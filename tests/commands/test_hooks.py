"""The hooks for pre-commit: they name commands that exist, and look at the files that count."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from projects import write_project

from envctl.cli import run

ROOT = Path(__file__).parents[2]
HOOKS = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))}


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_starts_a_command_of_the_package(name, capsys):
    hook = HOOKS[name]
    program, *arguments = shlex.split(hook["entry"])
    assert f'{program} = "envctl.' in (ROOT / "pyproject.toml").read_text("utf-8")
    assert hook["language"] == "python"
    assert hook["pass_filenames"] is False
    assert run([*arguments, "--help"]) == 0
    assert " ".join(arguments) in capsys.readouterr().out


def test_a_hook_refuses_a_broken_file_and_takes_a_good_one(tmp_path, monkeypatch, capsys):
    _, *arguments = shlex.split(HOOKS["envctl-validate"]["entry"])
    root = write_project(tmp_path)
    monkeypatch.chdir(root)
    assert run(arguments) == 0
    (root / "environments" / "dev.yaml").write_text("project: p\nnope: 1\n")
    assert run(arguments) == 3
    assert "nope" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "path", "looks"),
    [
        ("envctl-validate", "environments/dev.yaml", True),
        ("envctl-validate", "envctl.yaml", True),
        ("envctl-validate", "charts/environments/values.yaml", False),
        ("envctl-validate", "requirements/dev.txt", False),
        ("envctl-deps", "environments/dev.yml", True),
        ("envctl-deps", "requirements/dev.txt", True),
        ("envctl-deps", "dags/crm/requirements.txt", True),
        ("envctl-deps", "requirements-dev.in", True),
        ("envctl-deps", "pyproject.toml", True),
        ("envctl-deps", "docs/notes.txt", False),
    ],
)
def test_a_hook_runs_when_its_files_change(name, path, looks):
    assert bool(re.search(HOOKS[name]["files"], path)) is looks


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_are_documented(name):
    assert f"id: {name}" in (ROOT / "docs" / "clash-check.md").read_text("utf-8")
