"""A provider over an emulator of this process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from envctl.google.pauses import NoWait
from envctl.google.transport import Answer
from envctl.provider.spec import Settings
from envctl.provider.translator import SandboxProvider
from envctl.sandbox.cloud import Cloud
from envctl.sandbox.messages import Request

PROJECT, REGION = "acme-data-dev", "europe-west1"


class EmulatorTransport:
    """Calls an emulator of this process."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def call(
        self, method: str, service: str, path: str, query: Mapping[str, str] | None = None, body: Any | None = None
    ) -> Answer:
        raw = isinstance(body, bytes)
        request = Request(
            method=method,
            host="localhost",
            path=f"/{service}/{path}",
            query={key: [value] for key, value in (query or {}).items()},
            headers={
                "content-type": "application/octet-stream" if raw else "application/json",
                "authorization": "Bearer sandbox",
            },
            body=body if raw else b"" if body is None else json.dumps(body).encode(),
        )
        response = self.cloud.handle(request)
        return Answer(response.status, response.json())


def emulated_provider(cloud: Cloud) -> SandboxProvider:
    return SandboxProvider(EmulatorTransport(cloud), Settings(project=PROJECT, region=REGION), NoWait())
