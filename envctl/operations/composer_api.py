"""The Composer API as envctl's operations use it: one request, and the wait for the operation it starts."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from envctl.errors import DetachedError, OutsideError
from envctl.google import operations
from envctl.google.operations import Note, OperationStyle, Polling
from envctl.google.pauses import Sleeper
from envctl.google.refusals import read_refusal
from envctl.google.transport import Answer, Transport

SERVICE = "composer/v1beta1"

_PACE = Polling(first=5.0, longest=10.0, give_up=3 * 3600.0)
"""A package build takes minutes, an environment's slowest change about an hour."""

_AGAIN = ("the same command again waits for it and goes on",)


@dataclass(frozen=True, slots=True)
class Waiter:
    """How to wait for a long-running operation; any process can attach to it by its name.

    Attributes:
        sleeper: lets the time between two polls pass.
        note: told the operation's name before the first poll, and after every poll.
        cancel: when set, the wait ends and the operation goes on.
    """

    sleeper: Sleeper
    note: Note
    cancel: threading.Event = field(default_factory=threading.Event)


def ask_update(transport: Transport, name: str, mask: str, body: Mapping[str, Any]) -> Answer:
    """What the API answers to one update of an environment: an operation, or a refusal."""
    return transport.call("PATCH", SERVICE, name, {"updateMask": mask}, body)


def wait_for(transport: Transport, operation: str, waiter: Waiter, failure: str) -> None:
    """Returns when the operation has succeeded; `failure` is the summary when it ends with an error.

    Raises:
        OutsideError: the operation failed, with the API's message.
        DetachedError: the wait was given up, or the operation cannot be followed; it goes on.
    """
    waiting = operations.Waiter(transport, waiter.sleeper, waiter.note, waiter.cancel)
    try:
        waiting.wait(OperationStyle.GOOGLE, SERVICE, {"name": operation}, pace=_PACE)
    except operations.OperationFailed as failed:
        raise OutsideError(failure, detail=f"{failed}\noperation: {operation}", code="operation-failed") from failed
    except operations.LeftRunning as left:
        raise DetachedError(
            "The operation goes on in the cloud", detail=f"operation: {operation}", hints=_AGAIN
        ) from left
    except (operations.OutOfSight, operations.TooLong) as lost:
        raise DetachedError(
            "The operation was started, and its end is not known", detail=str(lost), hints=_AGAIN
        ) from lost


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


def refused(answer: Answer, summary: str) -> None:
    """Returns when the answer is no refusal; raises `OutsideError` with the API's message otherwise."""
    refusal = read_refusal(answer)
    if refusal is not None:
        raise OutsideError(summary, detail=refusal.described, code="api-refused")
