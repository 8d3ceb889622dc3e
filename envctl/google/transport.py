"""How requests of envctl's own clients reach a cloud: over HTTP, or by a call into the emulator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from envctl.errors import OutsideError

Query = Mapping[str, str | tuple[str, ...]]
"""Parameters of a request; one that is repeated has a tuple of values."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and decoded JSON body (None for an empty one) of one call; `content` are the bytes as they came."""

    status: int
    body: Any
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def header(self, name: str) -> str:
        """The value of a header, whatever its case; empty when there is none."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), "")


class NoAnswerError(OutsideError):
    """A request was not answered, or with something that no API of Google's says.

    `sent` tells whether the request may have arrived: then nobody knows what it did.
    """

    code = "network"

    def __init__(
        self, summary: str, *, sent: bool, detail: str = "", hints: tuple[str, ...] = (), code: str = ""
    ) -> None:
        super().__init__(summary, detail=detail, hints=hints, code=code or None)
        self.sent = sent


class Transport(Protocol):
    """Sends one JSON request. `service` is the prefix of a Google API as in the custom endpoints, e.g. `composer/v1beta1`."""

    def call(
        self,
        method: str,
        service: str,
        path: str,
        query: Query | None = None,
        body: Any | None = None,
    ) -> Answer:
        """The answer, whatever its status; a body of bytes goes as it is. Raises `NoAnswerError` only when none came."""
        ...


def decoded(content: bytes) -> Any:
    """JSON when it is JSON, a text when a proxy answered with something else, None for nothing."""
    if not content:
        return None
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")


def google_answer(answer: Answer, asked: str, query: Query | None) -> Answer:
    """The answer, when it is one that an API gives.

    A success without JSON is the page of a proxy or a sign-in, or a body that was cut off; only media are texts.

    Raises:
        NoAnswerError: it is something else.
    """
    success = 200 <= answer.status < 300
    if success and isinstance(answer.body, str) and (query or {}).get("alt") != "media":
        raise NoAnswerError(
            "What came back is no answer of an API",
            sent=True,
            detail=f"{asked}: {answer.status} with {answer.header('content-type') or 'no type'}: {answer.body[:80]!r}",
            hints=("a proxy or a sign-in page may stand between; look at HTTPS_PROXY",),
        )
    return answer
