"""`envctl sandbox` on a served sandbox: the same commands, and the token that they find by themselves."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from projects import DEV, write_project

from envctl.actions.sandbox import open_sandbox, serve_sandbox
from envctl.cli import run
from envctl.commands.lifecycle import interruptible


@dataclass
class Served:
    url: str
    lines: list[str]
    kept: Path
    stop: Callable[[], None]


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """`envctl sandbox serve` in a thread; its user's state lies in a folder of the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("ENVCTL_SANDBOX_URL", raising=False)
    monkeypatch.delenv("ENVCTL_SANDBOX_TOKEN", raising=False)
    stopped, ready = threading.Event(), threading.Event()
    lines: list[str] = []

    def serve() -> None:
        for line in serve_sandbox(cloud, "127.0.0.1", 0, stopped):
            lines.append(line)
            if "ENVCTL_SANDBOX_URL=" in line:
                ready.set()

    cloud = open_sandbox(write_project(tmp_path / "project", dev=DEV))
    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(30)

    def stop() -> None:
        stopped.set()
        thread.join()

    url = next(line for line in lines if "ENVCTL_SANDBOX_URL=" in line).partition("=")[2]
    kept = tmp_path / "state" / "envctl" / "sandbox" / f"{url.rpartition(':')[2]}.token"
    yield Served(url, lines, kept, stop)
    stop()


def test_the_token_is_told_and_kept_for_the_user_alone(served: Served) -> None:
    token = served.kept.read_text().strip()
    assert served.kept.stat().st_mode & 0o777 == 0o600
    assert served.kept.parent.stat().st_mode & 0o777 == 0o700
    assert f"  export ENVCTL_SANDBOX_TOKEN={token}" in served.lines
    served.stop()
    assert not served.kept.exists()


def test_commands_find_the_token_of_a_served_sandbox(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENVCTL_SANDBOX_URL", served.url)
    monkeypatch.chdir(tmp_path)  # no project is needed to talk to a served one
    assert run(["sandbox", "seed", '{"projects": [{"id": "acme", "number": "42"}]}']) == 0
    assert run(["sandbox", "call", "GET", "crm/v1/projects/acme"]) == 0
    assert json.loads(capsys.readouterr().out)["projectNumber"] == "42"
    assert run(["sandbox", "reset"]) == 0
    assert run(["sandbox", "clock"]) == 0


@pytest.mark.parametrize("served_one", [True, False])
def test_a_call_takes_a_query(
    served: Served,
    served_one: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if served_one:
        monkeypatch.setenv("ENVCTL_SANDBOX_URL", served.url)
    monkeypatch.chdir(tmp_path / "project")
    secrets = "secretmanager/v1/projects/acme/secrets"
    assert run(["sandbox", "seed", '{"projects": [{"id": "acme", "apis": "all"}]}']) == 0
    body = '{"replication": {"automatic": {}}, "labels": {"a": "b", "c": "d"}}'
    assert run(["sandbox", "call", "POST", f"{secrets}?secretId=s", body]) == 0
    assert run(["sandbox", "call", "PATCH", f"{secrets}/s?updateMask=labels.a", '{"labels": {"a": "x"}}']) == 0
    capsys.readouterr()
    assert run(["sandbox", "call", "GET", f"{secrets}?filter=labels.a%3Dx&pageSize=1"]) == 0
    assert json.loads(capsys.readouterr().out)["secrets"][0]["labels"] == {"a": "x", "c": "d"}
    assert run(["sandbox", "call", "GET", f"{secrets}?colour=blue"]) == 2
    assert 'Unknown name "colour"' in capsys.readouterr().err


@pytest.mark.parametrize("method", ['"storage.bucket.list"', "7"])
def test_a_fault_that_nothing_can_meet_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    monkeypatch.delenv("ENVCTL_SANDBOX_URL", raising=False)
    monkeypatch.chdir(write_project(tmp_path / "project", dev=DEV))
    assert run(["sandbox", "fault", f'{{"kind": "fail", "method": {method}}}']) == 2
    assert "did you mean `storage.buckets.list`?" in capsys.readouterr().err or method == "7"
    assert run(["sandbox", "call", "GET", "storage/storage/v1/b?project=acme"]) == 0


def test_the_token_in_the_environment_wins_and_none_or_a_wrong_one_is_explained(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENVCTL_SANDBOX_URL", served.url)
    token = served.kept.read_text().strip()
    served.kept.unlink()
    assert run(["sandbox", "reset"]) == 2
    told = capsys.readouterr().err
    assert "error[sandbox-token-unknown]" in told
    assert "export ENVCTL_SANDBOX_TOKEN=" in told
    monkeypatch.setenv("ENVCTL_SANDBOX_TOKEN", "of-another-one")
    assert run(["sandbox", "reset"]) == 2
    assert "401: This call needs the server's token" in capsys.readouterr().err
    monkeypatch.setenv("ENVCTL_SANDBOX_TOKEN", token)
    assert run(["sandbox", "reset"]) == 0


def test_other_tools_get_the_token_from_the_variables(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sandbox", "env", "--url", served.url]) == 0
    told = capsys.readouterr().out.splitlines()
    assert f"export ENVCTL_SANDBOX_TOKEN={served.kept.read_text().strip()}" in told


def test_a_token_of_this_machine_is_not_told_to_another(served: Served) -> None:
    from envctl.sandbox.control_token import find_token

    port = served.url.rpartition(":")[2]
    assert find_token(f"http://localhost:{port}") == served.kept.read_text().strip()
    assert find_token(f"http://sandbox.example:{port}") == ""
    assert find_token(f"http://127.0.0.1.example:{port}") == ""


def test_stopping_the_sandbox_speaks_of_no_steps(capsys):
    with interruptible("Stopping the sandbox.") as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
    told = capsys.readouterr().err
    assert "Stopping the sandbox." in told
    assert "step" not in told


def test_serving_says_how_another_terminal_takes_the_variables(served: Served) -> None:
    assert any('eval "$(envctl sandbox env)"' in line for line in served.lines)
