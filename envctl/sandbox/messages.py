"""What goes into the emulator and what comes out: one HTTP exchange as values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Json = dict[str, Any]
"""A JSON object under construction."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    Args:
        method: verb in upper case.
        host: host name, with or without a port.
        path: path as sent, percent-encoded, without the query.
        query: values per name, decoded.
        headers: names in any case.
        body: raw bytes.
    """

    method: str
    host: str
    path: str
    query: Mapping[str, Sequence[str]] = field(default_factory=dict[str, "Sequence[str]"])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    @classmethod
    def to(
        cls,
        method: str,
        url: str,
        *,
        body: object = None,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Request:
        """A request for `url`, with `body` as JSON unless it is None, else with `content`."""
        parts = urlsplit(url)
        return cls(
            method=method.upper(),
            host=parts.netloc,
            path=parts.path,
            query=parse_qs(parts.query, keep_blank_values=True),
            headers=headers or {},
            body=content if body is None else json.dumps(body).encode(),
        )

    def header(self, name: str) -> str:
        """The value of a header, whatever its case; empty when absent."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), "")

    def parameter(self, name: str, default: str = "") -> str:
        """The last value of a query parameter."""
        values = self.query.get(name)
        return values[-1] if values else default


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; None when there is none."""
        return json.loads(self.body) if self.body else None
