"""Each way in which the CLI, its backend or the cloud fails has its own code, and leaves the state as it was."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pulumi_resources import account, bucket
from pulumi_twins import STACK, Side, Twins, collect_quietly, needs_cli, normal_state, use_cli

from envctl.engine.protocol import RunOptions, StackRef
from envctl.engine.pulumi_cli.command import find_command
from envctl.engine.pulumi_cli.engine import PulumiEngine, PulumiSettings
from envctl.engine.pulumi_cli.failures import provider_message, translate_text
from envctl.engine.pulumi_cli.locks import read_checkpoint
from envctl.engine.urns import name_of
from envctl.errors import EnvctlError, ExitCode

OPTIONS = RunOptions(refresh=False)


def program() -> None:
    bucket("files")


def quiet(_event: object) -> None:
    pass


@pytest.fixture(scope="module")
def side(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    """One stack that is up."""
    with pytest.MonkeyPatch.context() as patch:
        use_cli(patch, tmp_path_factory.mktemp("home"))
        made = Twins(tmp_path_factory.mktemp("stack")).real
        assert made.engine.up(program, OPTIONS, quiet).ok
        yield made
    collect_quietly()


def other(side: Side, stack: StackRef = STACK, **settings: Any) -> PulumiEngine:
    """The same stack, opened by another command with other settings."""
    engine: Any = side.engine
    return PulumiEngine(stack, replace(engine.settings, **settings))


def refusal(act: Callable[[], Any]) -> EnvctlError:
    with pytest.raises(EnvctlError) as caught:
        act()
    collect_quietly()
    assert caught.value.summary
    return caught.value


@pytest.fixture
def fake_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def install(script: str) -> None:
        path = tmp_path / "bin" / "pulumi"
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}/usr/bin{os.pathsep}/bin")

    return install


def test_no_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    error = refusal(find_command)
    assert (error.code, error.exit_code) == ("pulumi-missing", ExitCode.OUTSIDE)
    assert any("envctl setup" in hint for hint in error.hints)


def test_a_cli_that_is_too_old(fake_cli: Callable[[str], None]) -> None:
    fake_cli("echo v3.100.0")
    error = refusal(find_command)
    assert (error.code, error.exit_code) == ("pulumi-too-old", ExitCode.OUTSIDE)
    assert "3.100.0" in error.detail


def test_a_cli_that_does_not_run(fake_cli: Callable[[str], None]) -> None:
    fake_cli("exit 3")
    assert refusal(find_command).code == "pulumi-broken"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions", "backend-login"),
        ("error: the stack is currently locked by 1 lock(s).", "stack-locked"),
        ("google: could not find default credentials", "credentials"),
        ("rpc error: something new", "pulumi-failed"),
    ],
)
def test_words_of_the_cli(text: str, code: str) -> None:
    assert translate_text(text).code == code


@pytest.mark.parametrize(
    "said",
    [
        "not yours",
        "1 error occurred:\n\t* not yours",
        "1 error occurred:\n\t* updating urn:pulumi:dev::acme::a:b:C::d: 1 error occurred:\n\t* not yours",
        "creating urn:pulumi:dev::acme::gcp:storage/bucket:Bucket::files: 1 error occurred:\n\t* not yours\n\n",
    ],
)
def test_what_the_provider_said_stands_alone(said: str) -> None:
    assert provider_message(said) == "not yours"


@pytest.mark.pulumi
class TestOnTheRealCli:
    pytestmark = needs_cli

    @pytest.fixture(autouse=True)
    def _cli(self, side: Side) -> Iterator[None]:
        before = side.rows()
        yield
        assert normal_state(other(side).export_state()) == before, "the state is as it was"

    def test_a_checkpoint_file_is_what_the_cli_exports(self, side: Side) -> None:
        engine = other(side)
        read = read_checkpoint(engine.settings.backend, STACK)
        assert read is not None
        assert read == engine._export()

    def test_a_wrong_passphrase(self, side: Side) -> None:
        engine = other(side, environment={"PULUMI_CONFIG_PASSPHRASE": "wrong"})
        error = refusal(lambda: engine.up(program, OPTIONS, quiet))
        assert (error.code, error.exit_code) == ("passphrase-wrong", ExitCode.REFUSED)

    def test_no_passphrase(self, side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
        error = refusal(lambda: other(side, environment={}).up(program, OPTIONS, quiet))
        assert error.code == "passphrase-missing"

    @pytest.mark.parametrize("host", [socket.gethostname(), "elsewhere"])
    def test_a_locked_stack(self, side: Side, host: str) -> None:
        engine = other(side)
        folder = Path(engine.settings.backend.removeprefix("file://")) / ".pulumi/locks/organization/acme/dev"
        folder.mkdir(parents=True, exist_ok=True)
        lock = folder / "11111111-2222-3333-4444-555555555555.json"
        held = {"pid": os.getpid(), "username": "ada", "hostname": host, "timestamp": "2126-11-20T10:00:00Z"}
        lock.write_text(json.dumps(held))
        try:
            error = refusal(lambda: engine.up(program, OPTIONS, quiet))
            assert (error.code, error.exit_code) == ("stack-locked", ExitCode.REFUSED)
            assert f"ada@{host}" in error.detail
            document = side.engine.export_state()
            assert refusal(lambda: engine.import_state(document)).code == "stack-locked"
            assert engine.preview(program, OPTIONS, quiet).ok, "looking is allowed"
            assert lock.exists()
            engine.cancel()
            assert not lock.exists()
        finally:
            lock.unlink(missing_ok=True)

    def test_no_plugin(self, side: Side) -> None:
        error = refusal(lambda: other(side, provider=None).preview(program, OPTIONS, quiet))
        assert (error.code, error.exit_code) == ("plugin-missing", ExitCode.OUTSIDE)
        assert any("envctl setup" in hint for hint in error.hints)

    def test_a_backend_that_cannot_be_reached(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        settings = PulumiSettings(tmp_path / "x", "s3://no-such-bucket?endpoint=127.0.0.1:1&disableSSL=true&region=x")
        error = refusal(lambda: PulumiEngine(STACK, settings).export_state())
        assert (error.code, error.exit_code) == ("backend-unreachable", ExitCode.OUTSIDE)

    def test_a_state_of_another_stack(self, side: Side) -> None:
        text = json.dumps(side.engine.export_state()).replace("urn:pulumi:dev::acme::", "urn:pulumi:dev::other::")
        error = refusal(lambda: other(side).import_state(json.loads(text)))
        assert (error.code, error.exit_code) == ("state-foreign", ExitCode.REFUSED)

    def test_credentials_that_expire_on_the_way(self, side: Side) -> None:
        fault = {"kind": "fail", "method": "iam.projects.serviceAccounts.create", "code": 401, "message": "expired"}
        side.cloud.faults.add({**fault, "status": "UNAUTHENTICATED"})

        def more() -> None:
            program()
            account("late")

        events: list[Any] = []
        result = other(side).up(more, OPTIONS, events.append)
        collect_quietly()
        assert not result.ok
        assert [name_of(urn) for urn in result.failed] == ["late"]
        assert any("expired" in getattr(event, "message", "") for event in events)
