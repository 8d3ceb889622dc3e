from __future__ import annotations

import pytest
from provider_fakes import CountingSleeper, FakeCloud, Notes

from envctl.google.pauses import Sleeper
from envctl.provider.spec import Settings
from envctl.provider.translator import SandboxProvider


@pytest.fixture
def cloud() -> FakeCloud:
    return FakeCloud()


@pytest.fixture
def sleeper() -> CountingSleeper:
    return CountingSleeper()


@pytest.fixture
def provider(cloud: FakeCloud, sleeper: Sleeper) -> SandboxProvider:
    return SandboxProvider(cloud, Settings(project="p1", region="europe-west1"), sleeper)


@pytest.fixture
def notes() -> Notes:
    return Notes()
