"""A saved plan that somebody changed: `show` and `up --plan` refuse it alike."""

from __future__ import annotations

import json

import pytest
from projects import DEV, call, workspace_of, write_project

from envctl.cli import run
from envctl.commands.console import CONSOLE
from envctl.plan.wire import digest


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("ENVCTL_CLOUD", "sandbox")
    monkeypatch.setenv("NO_COLOR", "1")
    CONSOLE.quiet = CONSOLE.verbose = False
    CONSOLE.color = None
    return write_project(tmp_path, dev=DEV)


@pytest.fixture
def envctl(project, capsys):
    def command(*arguments):
        code = run(["-C", str(project), *arguments])
        told = capsys.readouterr()
        return int(code), told.out, told.err

    return command


@pytest.fixture
def saved(project, envctl):
    """A plan that creates everything, and the way to change what the file says of itself."""
    file = project / "plan.json"
    assert envctl("preview", "dev", "--out", str(file))[0] == 0

    def change(edit):
        document = json.loads(file.read_text())
        edit(document)
        file.write_text(json.dumps(document, indent=1) + "\n")
        return str(file)

    return change


def nothing_to_do(document):
    for change in document["changes"]:
        change["action"] = "no-op"


def without_seal(document):
    del document["digest"]


def sealed_again(document):
    nothing_to_do(document)
    del document["digest"]
    document["digest"] = digest(document)


def requests_that_change(project):
    return [r for r in workspace_of(project).cloud.emulator().requests if r["verb"] != "GET"]


@pytest.mark.parametrize(("edit", "code"), [(nothing_to_do, "plan-edited"), (without_seal, "plan-unsealed")])
@pytest.mark.parametrize("verb", [("show",), ("show", "--format", "json"), ("up", "--plan")], ids=" ".join)
def test_what_was_edited_is_neither_shown_nor_applied(project, envctl, saved, edit, code, verb):
    file = saved(edit)
    arguments = (*verb, file) if verb[0] == "up" else (verb[0], file, *verb[1:])
    exit_code, out, err = envctl(*arguments)
    assert (exit_code, out) == (5, "")
    assert f"error[{code}]" in err
    assert "envctl preview ENV --out FILE" in err
    assert requests_that_change(project) == []


def test_a_forged_seal_does_not_get_past_what_would_be_done(project, envctl, saved):
    exit_code, out, err = envctl("up", "--plan", saved(sealed_again))
    assert (exit_code, out) == (5, "")
    assert "error[plan-stale]" in err
    assert "the plan said nothing, now it would be create" in err
    assert requests_that_change(project) == []


def test_an_untouched_plan_is_shown_and_applied(project, envctl, saved):
    file = saved(lambda document: None)
    code, out, _ = envctl("show", file)
    assert code == 0
    assert "to create" in out
    assert envctl("up", "--plan", file)[0] == 0
    assert call(
        workspace_of(project), "GET", "composer/v1/projects/acme-data-dev/locations/europe-west1/environments/dev"
    )


@pytest.mark.parametrize("name", ["plan.bin", "plan", "dev.out"])
def test_a_plan_is_shown_whatever_its_file_is_called(project, envctl, monkeypatch, name):
    monkeypatch.chdir(project)
    assert envctl("preview", "dev", "--out", name)[0] == 0
    code, out, err = envctl("show", name)
    assert (code, err) == (0, "")
    assert "Plan for dev" in out


def test_an_environment_goes_before_a_file_of_its_name(project, envctl, monkeypatch):
    monkeypatch.chdir(project)
    assert envctl("preview", "dev", "--out", "dev")[0] == 0
    assert "Plan for dev" not in envctl("show", "dev")[1]
    assert "Plan for dev" in envctl("show", "./dev")[1]
