"""How requests of envctl's own clients reach a cloud: over HTTP, or by a call into the emulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Query = Mapping[str, str | tuple[str, ...]]
"""Parameters of a request; one that is repeated has a tuple of values."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and decoded JSON body (None for an empty one) of one call; `content` are the bytes as they came."""

    status: int
    body: Any
    content: bytes = b""


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
        """The answer, whatever its status; a body of bytes goes as it is. Raises `OutsideError` only when no answer came."""
        ...
