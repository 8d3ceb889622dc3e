"""Requests that a client sends twice under one `requestId`: the second gets the answer of the first and does nothing."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import invalid

if TYPE_CHECKING:
    from envctl.sandbox.backend import Call
    from envctl.sandbox.store import Store

_COLLECTION = "requestIds"


@dataclass(frozen=True, slots=True)
class Repeats:
    """The answers of requests with an id, kept in a store."""

    store: Store

    def answer(self, call: Call) -> Mapping[str, Any] | None:
        """What a request with the same id was answered; None for a new one, or one without an id.

        Raises:
            ApiError: the id is no UUID, or that of another request.
        """
        identifier = _identifier(call)
        known = self.store.get(_COLLECTION, identifier) if identifier else None
        if known is None:
            return None
        if known["path"] != call.request.path or known["verb"] != call.request.method:
            raise invalid(f"Invalid value for field 'requestId': '{identifier}'. It belongs to another request.")
        return known["answer"]

    def remember(self, call: Call, answer: Mapping[str, Any]) -> None:
        """Keep the answer of a request that has an id."""
        identifier = _identifier(call)
        if identifier:
            record = {"verb": call.request.method, "path": call.request.path, "answer": dict(answer)}
            self.store.put(_COLLECTION, identifier, record)


def _identifier(call: Call) -> str:
    """The id of a request in its usual form; empty for services that know none."""
    if call.service != "compute":
        return ""
    text = call.query("requestId")
    if not text:
        return ""
    try:
        number = uuid.UUID(text)
    except ValueError as error:
        raise invalid(f"Invalid value for field 'requestId': '{text}'. It must be a UUID.") from error
    if not number.int:
        raise invalid(f"Invalid value for field 'requestId': '{text}'. It must not be zero.")
    return str(number)
