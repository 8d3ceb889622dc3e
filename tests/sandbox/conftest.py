"""A cloud at a fixed time."""

from __future__ import annotations

import pytest
from sandbox_client import START, Client

from envctl.sandbox.clock import Clock
from envctl.sandbox.cloud import Cloud


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(clock=Clock(START))


@pytest.fixture
def client(cloud: Cloud) -> Client:
    return Client(cloud)


@pytest.fixture
def composer(client: Client) -> Client:
    """A project with Composer on and an account to run environments."""
    client.enable("composer")
    client.account()
    return client
