"""What holds for every test: no network but loopback, and markers for what needs more than Python."""

from __future__ import annotations

import os
import shutil
import socket
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_socket
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from envctl.masking import forget_secrets

ROOT = Path(__file__).parents[1]

# Time limits of single examples would say more about a busy machine than about the code. The examples are the same in
# every run, so that a change is what turns a run red; `--slow` draws fresh ones.
settings.register_profile("envctl", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.register_profile("envctl-slow", settings.get_profile("envctl"), derandomize=False)
settings.load_profile("envctl")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the long fuzzing and soak tests too")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--slow"):
        settings.load_profile("envctl-slow")
    else:
        # Hypothesis mixes constants of the code that is loaded by then into its examples: which depends on the tests that
        # ran before in the same process. It has no setting for that.
        providers._get_local_constants = providers.Constants


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow") and not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason="long; run with --slow"))
        if item.get_closest_marker("online") and not index_answers():
            item.add_marker(pytest.mark.skip(reason="no package index answers"))
        if item.get_closest_marker("pulumi") and not pulumi_is_there():
            item.add_marker(pytest.mark.skip(reason="the Pulumi CLI is not there and Go is not, to build it"))
        if item.get_closest_marker("registry") and not registry_is_there():
            item.add_marker(pytest.mark.skip(reason="the registry program is not there and Go is not, to build it"))
        if item.get_closest_marker("browser") and chromium_path() is None:
            item.add_marker(pytest.mark.skip(reason="no Chromium is found"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    forget_secrets()  # a process knows those of one run
    if item.get_closest_marker("online"):
        pytest_socket.enable_socket()
        pytest_socket._remove_restrictions()
    else:
        pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


def pytest_runtest_teardown() -> None:
    pytest_socket._remove_restrictions()


@cache
def index_answers() -> bool:
    """Whether the package index that pip is set up for takes a connection."""
    from envctl.resolution.index.settings import load_index_settings

    address = urlsplit(load_index_settings(os.environ).indexes[0])
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        with socket.create_connection((address.hostname or "", port), timeout=5):
            return True
    except OSError:
        return False


@cache
def pulumi_is_there() -> bool:
    """Whether the CLI was built or found. Where Go is, it must have been: the tests run then, and fail."""
    built = ROOT / ".cache" / "pulumi" / "bin" / "pulumi"
    return built.exists() or shutil.which("pulumi") is not None or shutil.which("go") is not None


REGISTRY = ROOT / ".cache" / "registry" / "bin" / "registry"


@cache
def registry_is_there() -> bool:
    """Whether the registry program was built. Where Go is, it must have been: the tests run then, and fail."""
    return REGISTRY.exists() or shutil.which("go") is not None


@cache
def chromium_path() -> str | None:
    """The Chromium that loads pages without a screen; None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "headless_shell")
    return next((path for name in names if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def chromium() -> str:
    """For tests with the marker `browser`, which are skipped where it is not there."""
    path = chromium_path()
    assert path is not None
    return path
