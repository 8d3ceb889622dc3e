"""A process that dies in the middle of a creation: `python cut_off.py DIRECTORY before|after`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from pulumi_resources import account, bucket
from pulumi_twins import PASSPHRASE, STACK, provider_of

from envctl.engine.protocol import RunOptions
from envctl.engine.pulumi_cli.engine import PulumiEngine, PulumiSettings
from envctl.google.transport import Answer
from envctl.provider.translator import SandboxProvider
from envctl.sandbox.cloud import Cloud


@dataclass(frozen=True)
class Deadly:
    """A transport under which the process is killed at the creation of a bucket."""

    inner: Any
    when: str

    def call(
        self, method: str, service: str, path: str, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Answer:
        fatal = (method, service, path.strip("/")) == ("POST", "storage/storage/v1", "b")
        if fatal and self.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = self.inner.call(method, service, path, query, body)
        if fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


def engine_in(directory: Path, provider: SandboxProvider) -> PulumiEngine:
    return PulumiEngine(
        STACK,
        PulumiSettings(
            directory / "stack",
            f"file://{directory / 'backend'}",
            environment={"PULUMI_CONFIG_PASSPHRASE": PASSPHRASE},
            provider=provider,
        ),
    )


def program() -> None:
    who = account("runner")
    bucket("files", depends_on=[who])


if __name__ == "__main__":
    place = Path(sys.argv[1])
    provider = provider_of(Cloud.load(place / "sandbox.json"))
    mortal = SandboxProvider(Deadly(provider.transport, sys.argv[2]), provider.settings, provider.sleeper)
    engine_in(place, mortal).up(program, RunOptions(refresh=False), lambda _event: None)
