"""What reaches the real plugin and envctl's own clients when a served sandbox stands in for Google."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from projects import DEV, write_project
from pulumi_twins import needs_cli, use_cli

from envctl.actions.clouds import CloudName, custom_endpoints
from envctl.actions.planning import PlanOptions, prepare
from envctl.actions.program import build_program
from envctl.actions.workspace import EngineName, open_workspace
from envctl.engine.pulumi_cli.install import plugin_version
from envctl.errors import OutsideError
from envctl.google.http_transport import ENDPOINTS
from envctl.sandbox.cloud import Cloud
from envctl.sandbox.environment import client_environment
from envctl.sandbox.server import RunningServer, serve


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    running = serve(Cloud())
    for name, value in client_environment(running).items():
        monkeypatch.setenv(name, value)
    yield running
    running.stop()


def provider_arguments() -> set[str]:
    """Names of the provider's arguments in the program, from the source of `pulumi_gcp`: importing it takes seconds."""
    found = importlib.util.find_spec("pulumi_gcp")
    assert found is not None
    assert found.origin is not None
    source = Path(found.origin).with_name("provider.py").read_text()
    snake = re.findall(r"^    def (\w+)\(self\) -> ", source, re.MULTILINE)
    return {re.sub(r"_(\w)", lambda match: match[1].upper(), name) for name in snake}


def test_every_endpoint_is_an_argument_of_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    for endpoint in ENDPOINTS.values():
        monkeypatch.setenv(endpoint.variable, "http://127.0.0.1:1/")
    endpoints = custom_endpoints()
    assert len(endpoints) == len({endpoint.variable for endpoint in ENDPOINTS.values()})
    assert endpoints.keys() <= provider_arguments()


def test_the_plugin_goes_with_the_package() -> None:
    assert plugin_version() == version("pulumi-gcp")


@pytest.mark.pulumi
class TestOnTheRealCli:
    pytestmark = needs_cli

    def test_a_run_on_google_names_the_missing_plugin(
        self, served: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use_cli(monkeypatch, tmp_path / "home")
        workspace = open_workspace(write_project(tmp_path / "project", dev=DEV), CloudName.GCP)
        with pytest.raises(OutsideError) as caught:
            prepare(workspace, "dev", PlanOptions(gates=False))
        assert caught.value.code == "plugin-missing"
        assert plugin_version() in caught.value.detail

    def test_own_clients_and_provider_see_the_served_sandbox(
        self, served: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use_cli(monkeypatch, tmp_path / "home")
        workspace = open_workspace(write_project(tmp_path / "project", dev=DEV), CloudName.GCP)
        assert workspace.engine_name is EngineName.PULUMI
        program = build_program(workspace, workspace.load("dev"))  # asks the served cloud for the project's number
        provider = dict(program.declared.provider)
        assert provider.keys() <= provider_arguments()
        assert provider["project"] == "acme-data-dev"
        assert provider["region"] == "europe-west1"
        endpoints = [value for name, value in provider.items() if name.endswith("CustomEndpoint")]
        assert endpoints
        assert all("127.0.0.1" in str(value) for value in endpoints)
