"""Calls to the cloud on behalf of one provider call: errors made uniform, retries, waiting for operations."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, assert_never

from envctl.provider.protocol import CallContext, OperationDetached, ProviderError
from envctl.provider.transport import Answer, Transport
from envctl.provider.turns import Turns

_CODES = {
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

_RETRIED = frozenset({429, 503})
_ATTEMPTS = 6

_BUSY_LONGEST = 60.0
_BUSY_GIVE_UP = 60 * 60.0
"""Seconds. Composer's updates and GKE's upgrades of a control plane take up to an hour."""


class Sleeper(Protocol):
    """Lets time pass between two polls: really, or on the emulator's clock."""

    def sleep(self, seconds: float, cancel: threading.Event) -> None:
        """Returns after `seconds`, or earlier when `cancel` is set."""
        ...


@dataclass(frozen=True, slots=True)
class RealSleeper:
    """Waits by the wall clock."""

    def sleep(self, seconds: float, cancel: threading.Event) -> None:
        """Returns after `seconds`, or at once when `cancel` is set."""
        cancel.wait(seconds)


@dataclass(frozen=True, slots=True)
class NoWait:
    """Does not wait: for an emulator whose clock moves with each poll."""

    def sleep(self, seconds: float, cancel: threading.Event) -> None:
        """Returns at once."""


class OperationStyle(StrEnum):
    """How an API reports work that goes on after the answer."""

    NONE = "none"
    GOOGLE = "google"
    """`google.longrunning.Operation`: `name`, `done`, `error`, `response`."""
    COMPUTE = "compute"
    """`status` DONE, errors in `error.errors`, found under the scope of the resource."""
    CONTAINER = "container"
    """`status` DONE, message in `error` or `statusMessage`."""


@dataclass(frozen=True, slots=True)
class Polling:
    """Seconds between two looks at an operation: starts with `first`, doubles, stays at `longest`."""

    first: float = 1.0
    longest: float = 10.0
    give_up: float = 2 * 3600.0


@dataclass(slots=True)
class Session:
    """One provider call's way to the cloud."""

    transport: Transport
    sleeper: Sleeper
    context: CallContext
    clock: Callable[[], float] = field(default=time.time)
    turns: Turns = field(default_factory=Turns)

    def send(
        self, method: str, service: str, path: str, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        """The decoded body of a successful answer. Retries quota and availability errors; raises `ProviderError`."""
        delay, attempts = 1.0, _ATTEMPTS
        while True:
            answer = self.transport.call(method, service, path, query, body)
            if answer.status < 300:
                return answer.body if answer.body is not None else {}
            attempts -= 1
            if answer.status not in _RETRIED or not attempts or self.context.cancel.is_set():
                raise refusal(answer, f"{method} {service}/{path}")
            self.sleeper.sleep(delay, self.context.cancel)
            delay *= 2

    def insist(self, call: Callable[[], Any], busy: Callable[[ProviderError], bool], look: Callable[[], object]) -> Any:
        """What `call` returns, sent again with growing pauses as long as its refusal is one that `busy` knows.

        `look` is called before each repetition: it reads what is busy. Raises the last refusal after an hour, or
        when the run is cancelled.
        """
        delay, waited = 5.0, 0.0
        while True:
            try:
                return call()
            except ProviderError as error:
                if not busy(error) or waited >= _BUSY_GIVE_UP or self.context.cancel.is_set():
                    raise
                self.sleeper.sleep(delay, self.context.cancel)
                if self.context.cancel.is_set():
                    raise
            waited += delay
            delay = min(delay * 2, _BUSY_LONGEST)
            look()

    def find(self, service: str, path: str, query: Mapping[str, str] | None = None) -> Any | None:
        """The resource at a path, or None when the cloud says that there is none."""
        try:
            return self.send("GET", service, path, query)
        except ProviderError as error:
            if error.status == "NOT_FOUND":
                return None
            raise

    def find_settled(self, service: str, path: str, attempts: int = 10) -> Any:
        """A resource that was just made: looks again for a while when it is not visible yet."""
        delay = 1.0
        for _ in range(attempts - 1):
            found = self.find(service, path)
            if found is not None:
                return found
            if self.context.cancel.is_set():
                break
            self.sleeper.sleep(delay, self.context.cancel)
            delay = min(delay * 2, 10.0)
        return self.send("GET", service, path)

    def wait(
        self, style: OperationStyle, service: str, operation: Any, where: str = "", polling: Polling | None = None
    ) -> Any:
        """What a finished operation returned; `where` is the folder of compute and container operations.

        Raises `ProviderError` with the operation's message, `OperationDetached` when the caller gives up.
        """
        if style is OperationStyle.NONE or not isinstance(operation, Mapping):
            return operation
        pace = polling or Polling()
        delay, elapsed = pace.first, 0.0
        name = str(operation.get("name", ""))
        path = name if style is OperationStyle.GOOGLE else f"{where}/operations/{name}"
        while not _is_done(style, operation):
            if self.context.cancel.is_set():
                raise OperationDetached(path)
            if elapsed >= pace.give_up:
                raise ProviderError(
                    f"Operation {path} did not end within {pace.give_up / 60:.0f} minutes", status="DEADLINE_EXCEEDED"
                )
            self.context.note(path, _state(style, operation), elapsed)
            self.sleeper.sleep(delay, self.context.cancel)
            elapsed += delay
            delay = min(delay * 2, pace.longest)
            if self.context.cancel.is_set():
                raise OperationDetached(path)
            operation = self.send("GET", service, path)
        _raise_failed(style, operation, path)
        self.context.note(path, "DONE", elapsed)
        return operation.get("response", {}) if style is OperationStyle.GOOGLE else operation


@contextmanager
def suppress_missing() -> Generator[None]:
    """What is gone already is deleted: NOT_FOUND counts as done."""
    try:
        yield
    except ProviderError as error:
        if error.status != "NOT_FOUND":
            raise


def refusal(answer: Answer, method: str) -> ProviderError:
    """The error that an answer carries, in the API's words."""
    body = answer.body if isinstance(answer.body, Mapping) else {}
    error = body.get("error")
    if isinstance(error, Mapping):
        status = str(error.get("status") or _CODES.get(answer.status, f"HTTP {answer.status}"))
        return ProviderError(str(error.get("message") or status), status=status, method=method, reason=_reason(error))
    status = _CODES.get(answer.status, f"HTTP {answer.status}")
    text = str(error or answer.body or f"the API answered {answer.status} without a message")
    return ProviderError(text, status=status, method=method)


def _reason(error: Mapping[str, Any]) -> str:
    """Google's word for a refusal: of `google.rpc.ErrorInfo`, or of the older list that storage and compute send."""
    for item in (*(error.get("details") or ()), *(error.get("errors") or ())):
        if isinstance(item, Mapping) and item.get("reason"):
            return str(item["reason"])
    return ""


def _is_done(style: OperationStyle, operation: Mapping[str, Any]) -> bool:
    match style:
        case OperationStyle.NONE:
            return True
        case OperationStyle.GOOGLE:
            # A running one may be just a name (service usage); what has another name is the resource itself.
            return operation.get("done") is True or "operations/" not in str(operation.get("name", ""))
        case OperationStyle.COMPUTE | OperationStyle.CONTAINER:
            return operation.get("status") == "DONE"
        case _:
            assert_never(style)


def _state(style: OperationStyle, operation: Mapping[str, Any]) -> str:
    if style is OperationStyle.GOOGLE:
        metadata = operation.get("metadata")
        return str(metadata.get("state", "RUNNING")) if isinstance(metadata, Mapping) else "RUNNING"
    return str(operation.get("status", "RUNNING"))


def _raise_failed(style: OperationStyle, operation: Mapping[str, Any], path: str) -> None:
    error = operation.get("error")
    if not isinstance(error, Mapping):
        return
    if style is OperationStyle.COMPUTE:
        problems = error.get("errors") or [{}]
        text = "; ".join(str(item.get("message", item.get("code", ""))) for item in problems)
        raise ProviderError(text, status=str(problems[0].get("code", "UNKNOWN")), method=path)
    code = error.get("code", 2)
    raise ProviderError(str(error.get("message", "")), status=_RPC.get(code, f"code {code}"), method=path)
