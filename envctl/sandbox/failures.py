"""Refusals of an API as values, and the three envelopes that Google's services put them in.

Which envelope a service uses is read off real traffic: Cloud Storage and Compute always send an `errors`
list and no `status`; everything behind ESF sends `status`, and the list only to clients of the Go API family,
which ask with `prettyPrint=false`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, assert_never

from envctl.errors import OutsideError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envctl.sandbox.messages import Json


class Status(StrEnum):
    """Canonical codes of google.rpc.Code."""

    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"
    UNAUTHENTICATED = "UNAUTHENTICATED"


# google/rpc/code.proto: number, HTTP status it maps to; and the `reason` word of the older envelope.
_CODES: Mapping[Status, tuple[int, int, str]] = {
    Status.CANCELLED: (1, 499, "cancelled"),
    Status.UNKNOWN: (2, 500, "backendError"),
    Status.INVALID_ARGUMENT: (3, 400, "badRequest"),
    Status.DEADLINE_EXCEEDED: (4, 504, "gatewayTimeout"),
    Status.NOT_FOUND: (5, 404, "notFound"),
    Status.ALREADY_EXISTS: (6, 409, "alreadyExists"),
    Status.PERMISSION_DENIED: (7, 403, "forbidden"),
    Status.RESOURCE_EXHAUSTED: (8, 429, "rateLimitExceeded"),
    Status.FAILED_PRECONDITION: (9, 400, "failedPrecondition"),
    Status.ABORTED: (10, 409, "aborted"),
    Status.UNIMPLEMENTED: (12, 501, "notImplemented"),
    Status.INTERNAL: (13, 500, "backendError"),
    Status.UNAVAILABLE: (14, 503, "backendError"),
    Status.UNAUTHENTICATED: (16, 401, "authError"),
}


def rpc_code(status: Status) -> int:
    """The number of a canonical code, as in `google.rpc.Status.code`."""
    return _CODES[status][0]


def status_of_rpc_code(code: int) -> Status:
    """The canonical code of a number; `UNKNOWN` for numbers outside the table."""
    return next((status for status, row in _CODES.items() if row[0] == code), Status.UNKNOWN)


def status_of_http(code: int) -> Status:
    """The canonical code that an HTTP status stands for."""
    return next((status for status, row in _CODES.items() if row[1] == code), Status.UNKNOWN)


class Envelope(StrEnum):
    """How a service wraps its errors."""

    ESF = "esf"
    STORAGE = "storage"
    COMPUTE = "compute"


class ApiError(Exception):
    """An API says no; the adapter in `cloud` turns it into an answer.

    Args:
        status: canonical code.
        message: text of the answer.
        http: HTTP status, when it differs from what the canonical code maps to.
        reason: word of the older envelope, when it differs.
        details: `google.rpc` detail messages, each with its `@type`.
        headers: further headers of the answer.
        page: a page in place of the JSON, as something between client and API sends it.
    """

    def __init__(
        self,
        status: Status,
        message: str,
        *,
        http: int | None = None,
        reason: str | None = None,
        details: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        page: str | None = None,
    ) -> None:
        super().__init__(message)
        number, default_http, default_reason = _CODES[status]
        self.status = status
        self.message = message
        self.code = number
        self.http = http if http is not None else default_http
        self.reason = reason if reason is not None else default_reason
        self.details = tuple(details)
        self.headers = dict(headers or {})
        self.page = page


def not_found(message: str) -> ApiError:
    """404 with this text."""
    return ApiError(Status.NOT_FOUND, message)


def already_exists(message: str) -> ApiError:
    """409 with this text."""
    return ApiError(Status.ALREADY_EXISTS, message)


def invalid(message: str) -> ApiError:
    """400 with this text."""
    return ApiError(Status.INVALID_ARGUMENT, message)


def failed_precondition(message: str) -> ApiError:
    """400 for a request that the state of the resource forbids."""
    return ApiError(Status.FAILED_PRECONDITION, message)


def error_body(error: ApiError, envelope: Envelope, *, listed: bool) -> Json:
    """The JSON body of a refusal.

    Args:
        error: the refusal.
        envelope: the service's form.
        listed: whether an ESF service adds the older `errors` list.
    """
    entry = {"message": error.message, "domain": "global", "reason": error.reason}
    match envelope:
        case Envelope.ESF:
            body: Json = {"code": error.http, "message": error.message}
            if listed:
                body["errors"] = [entry]
            body["status"] = error.status.value
            if error.details:
                body["details"] = [dict(detail) for detail in error.details]
        case Envelope.STORAGE:
            body = {"code": error.http, "message": error.message, "errors": [entry]}
        case Envelope.COMPUTE:
            body = {"code": error.http, "message": error.message, "errors": [entry]}
            if error.details:
                body["status"] = error.status.value
                body["details"] = [dict(detail) for detail in error.details]
        case _:
            assert_never(envelope)
    return {"error": body}


class ConnectionDroppedError(OutsideError):
    """A fault closed the connection before an answer was complete."""

    code = "sandbox-connection-dropped"

    def __init__(self, method: str) -> None:
        super().__init__(
            "The sandbox dropped the connection",
            detail=f"A fault of the sandbox cut off the call of {method}.",
        )
        self.method = method


class SandboxStoreError(RefusedError):
    """The file of the sandbox cannot be read or is not one."""

    code = "sandbox-store"
