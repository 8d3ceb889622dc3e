"""One reading of what Google's APIs say when they refuse, in all of their envelopes.

APIs behind Google's front end send `error` with `status` and `details` (`google.rpc.Status`); Cloud Storage and Compute a
list `errors` with a `reason` each. Source: "Errors" in Google's API design guide (AIP-193), read 2026-11-21.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from envctl.google.transport import Answer

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""`google.rpc.Code` by HTTP status; storage and compute do not name it in their errors."""

_RPC = {
    1: "CANCELLED",
    2: "UNKNOWN",
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    6: "ALREADY_EXISTS",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    10: "ABORTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
}

_REFUSED_FROM = 300
_BUSY = 429
_UNSURE = frozenset({500, 502, 503, 504})
_LIMITED = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})
"""Reasons with which Cloud Storage and Compute say 429 as a 403."""
SWITCHED_OFF = frozenset({"SERVICE_DISABLED", "accessNotConfigured"})
"""Reasons with which an API that is not switched on refuses."""
_API_LINK = re.compile(r"/apis?/(?:api/|library/)?([\w-]+\.googleapis\.com)")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal of an API.

    Attributes:
        code: HTTP status.
        status: name of the `google.rpc.Code`, `HTTP 502` where there is none.
        reason: Google's own word for why (`SERVICE_DISABLED`), empty where it gives none.
        message: the API's text.
        api_off: the API that is not switched on (`compute.googleapis.com`, `asked` when it is not named), else None.
        retry_after: seconds that the API wants to be left alone, None when it does not say.
    """

    code: int
    status: str
    reason: str
    message: str
    api_off: str | None = None
    retry_after: float | None = None

    @property
    def described(self) -> str:
        """Code and message in a line."""
        return f"{self.code}: {self.message}"

    @property
    def untouched(self) -> bool:
        """Whether the request was turned away for the moment and did nothing: it may be sent again, whatever it was."""
        return self.code == _BUSY or (self.code == 403 and self.reason in _LIMITED)

    @property
    def unsure(self) -> bool:
        """Whether it says nothing about the question: the request may have taken effect."""
        return self.code in _UNSURE

    @property
    def passing(self) -> bool:
        """Whether the same request may be answered a little later."""
        return self.untouched or self.unsure


def read_refusal(answer: Answer) -> Refusal | None:
    """What an answer refuses; None when it is a success."""
    if answer.status < _REFUSED_FROM:
        return None
    error = answer.body.get("error") if isinstance(answer.body, Mapping) else None
    told: Mapping[str, Any] = error if isinstance(error, Mapping) else {}
    status = str(told.get("status") or _STATUSES.get(answer.status, f"HTTP {answer.status}"))
    text = told.get("message") or (not told and (error or answer.body)) or ""
    message = str(text) or (status if told else f"the API answered {answer.status} without a message")
    return Refusal(answer.status, status, _reason(told), message, _api_off(told), _retry_after(answer, told))


def accept(answer: Answer, refused: Callable[[Refusal], Exception]) -> Any:
    """The body of a success, {} for an empty one. Raises what `refused` makes of a refusal."""
    refusal = read_refusal(answer)
    if refusal is not None:
        raise refused(refusal)
    return answer.body if answer.body is not None else {}


def rpc_refusal(error: Mapping[str, Any]) -> tuple[str, str]:
    """Status and message of a `google.rpc.Status`, or of the list of errors that a compute operation ends with."""
    problems = error.get("errors")
    if isinstance(problems, list) and problems:
        text = "; ".join(str(item.get("message", item.get("code", ""))) for item in problems)
        return str(problems[0].get("code", "UNKNOWN")), text
    code = error.get("code", 2)
    return _RPC.get(code, f"code {code}"), str(error.get("message") or "the API gave no reason")


def _items(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = (*(told.get("details") or ()), *(told.get("errors") or ()))
    return [item for item in listed if isinstance(item, Mapping)]


def _reason(told: Mapping[str, Any]) -> str:
    """Of `google.rpc.ErrorInfo`, or of the older list that storage and compute send."""
    return next((str(item["reason"]) for item in _items(told) if item.get("reason")), "")


def _api_off(told: Mapping[str, Any]) -> str | None:
    for item in _items(told):
        if item.get("reason") in SWITCHED_OFF:
            metadata = item.get("metadata")
            named = metadata.get("service") if isinstance(metadata, Mapping) else None
            link = _API_LINK.search(str(item.get("message") or told.get("message")))
            return str(named) if named else link[1] if link else "asked"
    return None


def _retry_after(answer: Answer, told: Mapping[str, Any]) -> float | None:
    """Of the header `Retry-After` (seconds or a date, RFC 9110 10.2.3), or of `google.rpc.RetryInfo`."""
    given = answer.header("retry-after").strip()
    if given.isdigit():
        return float(given)
    if given:
        from datetime import UTC, datetime
        from email.utils import parsedate_to_datetime

        try:
            return max(0.0, (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds())
        except (TypeError, ValueError):
            return None
    for item in _items(told):
        delay = str(item.get("retryDelay") or "")
        if re.fullmatch(r"\d+(\.\d+)?s", delay):
            return float(delay[:-1])
    return None
