"""A cloud that answers minimally and writes down what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from envctl.google.transport import Answer
from envctl.provider.protocol import CallContext


@dataclass(slots=True)
class Sent:
    """One recorded request."""

    method: str
    path: str
    query: dict[str, str]
    body: Any


@dataclass(slots=True)
class FakeCloud:
    """Keeps resources by path; `rules` come first and may answer anything."""

    sent: list[Sent] = field(default_factory=list)
    store: dict[str, Any] = field(default_factory=dict)
    rules: list[Callable[[Sent], Answer | None]] = field(default_factory=list)

    def call(
        self,
        method: str,
        service: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any | None = None,
    ) -> Answer:
        request = Sent(method, f"/{service}/{path}", dict(query or {}), body)
        self.sent.append(request)
        for rule in self.rules:
            answer = rule(request)
            if answer is not None:
                return answer
        if method == "GET":
            found = self.store.get(request.path)
            return Answer(200, found) if found is not None else not_found(request.path)
        if method == "DELETE":
            return Answer(200, {}) if self.store.pop(request.path, None) is not None else not_found(request.path)
        return Answer(200, body if isinstance(body, dict) else {})

    def writes(self) -> list[Sent]:
        return [item for item in self.sent if item.method != "GET"]


def not_found(path: str) -> Answer:
    return Answer(404, {"error": {"code": 404, "message": f"{path} not found.", "status": "NOT_FOUND"}})


def failed(code: int, status: str, message: str) -> Answer:
    return Answer(code, {"error": {"code": code, "message": message, "status": status}})


@dataclass(slots=True)
class CountingSleeper:
    """Lets no time pass and adds up what was asked for."""

    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float, cancel: threading.Event) -> None:
        self.slept.append(seconds)


@dataclass(slots=True)
class Notes:
    """What a provider reported of its operations."""

    lines: list[tuple[str, str, float]] = field(default_factory=list)
    cancel: threading.Event = field(default_factory=threading.Event)

    def context(self) -> CallContext:
        return CallContext(
            note=lambda name, state, elapsed: self.lines.append((name, state, elapsed)), cancel=self.cancel
        )
