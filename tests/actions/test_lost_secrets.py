"""A state whose passphrase is gone: said, given up by a command, and whole again after the next `up`."""

from __future__ import annotations

import pytest
from projects import DEV, bring_up, plan, workspace_of, write_project

from envctl.cli import run as run_cli
from envctl.commands.console import CONSOLE

FILE = DEV + "userWorkloads: {secrets: {crm: {data: {token: {env: CRM_TOKEN}}}}}\n"


@pytest.fixture
def envctl(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ENVCTL_CLOUD", "sandbox")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("CRM_TOKEN", "hunter2")
    CONSOLE.quiet = CONSOLE.verbose = False
    CONSOLE.color = None
    root = write_project(tmp_path, dev=FILE)

    def command(*arguments):
        code = run_cli(["-C", str(root), *arguments])
        told = capsys.readouterr()
        return int(code), told.out, told.err

    command.root = root
    return command


def test_a_lost_key_file_is_said_and_given_up_and_the_secrets_are_sent_again(envctl):
    assert envctl("up", "dev", "--yes")[0] == 0
    (key,) = envctl.root.rglob("dev.key")
    key.unlink()
    code, _, err = envctl("preview", "dev")
    assert code == 5
    assert "error[state-passphrase-missing]" in err
    assert "envctl state repair ENV --drop-secrets" in err
    code, out, _ = envctl("state", "repair", "dev", "--drop-secrets")
    assert code == 0
    assert "gave up the secrets in data of urn:pulumi:dev" in out
    assert "kept the state as it was" in out
    workspace = workspace_of(envctl.root)
    (change,) = plan(workspace, "dev").plan.pending
    assert (change.name, change.action.value) == ("workload-secret-crm", "update")
    bring_up(workspace, "dev")
    assert plan(workspace, "dev").plan.empty
    assert envctl("state", "repair", "dev")[1].strip() == "Nothing was wrong."
