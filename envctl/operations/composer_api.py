"""The Composer API as envctl's operations use it: one request, and the wait for the operation it starts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from envctl.errors import DetachedError, OutsideError
from envctl.provider.transport import Answer, Transport

SERVICE = "composer/v1beta1"

Note = Callable[[str, str, float], None]
"""Operation name, state, elapsed seconds."""

_REFUSED_FROM = 400


@dataclass(frozen=True, slots=True)
class Waiter:
    """How to wait for a long-running operation; any process can attach to it by its name.

    Attributes:
        seconds: between two polls; 0 in the emulator of this process, whose clock moves with each poll.
        note: told when the operation is known, and after every poll.
        cancel: when set, the wait ends and the operation goes on.
    """

    seconds: float
    note: Note
    cancel: threading.Event = field(default_factory=threading.Event)


def update_environment(transport: Transport, name: str, mask: str, body: Mapping[str, Any], failure: str) -> str:
    """Starts one update and gives its operation's name; `failure` is the summary when the API refuses.

    Raises:
        OutsideError: the API refused, or did not answer.
    """
    answer = transport.call("PATCH", SERVICE, name, {"updateMask": mask}, body)
    refused(answer, failure)
    return str(answer.body["name"])


def wait_for(transport: Transport, operation: str, waiter: Waiter, failure: str) -> None:
    """Returns when the operation has succeeded; `failure` is the summary when it ends with an error.

    Raises:
        OutsideError: the operation failed, with the API's message, or cannot be read.
        DetachedError: the wait was given up; the operation goes on.
    """
    started = time.monotonic()
    while True:
        answer = transport.call("GET", SERVICE, operation)
        refused(answer, "The operation cannot be read", operation)
        elapsed = time.monotonic() - started
        current: dict[str, Any] = answer.body
        if current.get("done"):
            error = current.get("error")
            waiter.note(operation, "FAILED" if error else "SUCCEEDED", elapsed)
            if error:
                detail = f"{error.get('message', 'the API gave no reason')}\noperation: {operation}"
                raise OutsideError(failure, detail=detail, code="operation-failed")
            return
        waiter.note(operation, str(current.get("metadata", {}).get("state", "RUNNING")), elapsed)
        if waiter.cancel.wait(waiter.seconds):
            raise DetachedError(
                "The operation goes on in the cloud",
                detail=f"operation: {operation}",
                hints=("the same command again waits for it and goes on",),
            )


def running_operation(transport: Transport, environment: str) -> str | None:
    """Name of the operation that runs on an environment, None when none does.

    Raises:
        OutsideError: the API refused, or did not answer.
    """
    parent = environment.rpartition("/environments/")[0]
    answer = transport.call("GET", SERVICE, f"{parent}/operations")
    refused(answer, "The operations cannot be listed")
    for operation in (answer.body or {}).get("operations", []):
        if not operation.get("done") and operation.get("metadata", {}).get("resource") == environment:
            return str(operation["name"])
    return None


def refused(answer: Answer, summary: str, operation: str = "") -> None:
    """Returns when the answer is no refusal; raises `OutsideError` with the API's message otherwise."""
    if answer.status < _REFUSED_FROM:
        return
    told: dict[str, Any] = answer.body if isinstance(answer.body, dict) else {}
    error = told.get("error")
    message = error.get("message", "") if isinstance(error, dict) else str(answer.body)
    tail = f"\noperation: {operation}" if operation else ""
    raise OutsideError(summary, detail=f"{answer.status}: {message}{tail}", code="api-refused")
