"""Waiting for Google's long-running operations, by name: any process can attach to one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, assert_never

from envctl.google.pauses import Sleeper
from envctl.google.refusals import Refusal, read_refusal, rpc_refusal
from envctl.google.repeating import once
from envctl.google.transport import NoAnswerError, Transport

Note = Callable[[str, str, float], None]
"""Operation name, state, elapsed seconds."""

_OUTAGE = 15 * 60.0
"""Seconds that an operation may be out of sight, one poll after the other failing, before it is given up."""

_UNSEEN = 3
"""Polls in a row that may answer 404: a new operation, like every new thing, is not visible everywhere at once."""


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


class LeftRunning(Exception):
    """The wait was given up on request; the operation goes on in the cloud."""

    def __init__(self, operation: str) -> None:
        super().__init__(operation)
        self.operation = operation


class OutOfSight(Exception):
    """An operation was started and cannot be followed: what came of it is not known."""

    def __init__(self, operation: str, why: str) -> None:
        super().__init__(f"the operation {operation} cannot be followed, and it is not known what came of it: {why}")
        self.operation = operation
        self.why = why


class OperationFailed(Exception):
    """The operation ended with an error; `status` is the name of its code."""

    def __init__(self, operation: str, status: str, message: str) -> None:
        super().__init__(message)
        self.operation = operation
        self.status = status


class TooLong(Exception):
    """The operation did not end in the time that it was given; it goes on."""

    def __init__(self, operation: str, seconds: float) -> None:
        super().__init__(f"Operation {operation} did not end within {seconds / 60:.0f} minutes")
        self.operation = operation


@dataclass(frozen=True, slots=True)
class Waiter:
    """Waits for operations.

    Attributes:
        transport: asks.
        sleeper: lets the time between two polls pass.
        note: told the operation's name before the first poll, and after every poll.
        cancel: when set, the wait ends and the operation goes on.
    """

    transport: Transport
    sleeper: Sleeper
    note: Note
    cancel: threading.Event

    def wait(
        self,
        style: OperationStyle,
        service: str,
        operation: Mapping[str, Any],
        where: str = "",
        pace: Polling | None = None,
    ) -> Mapping[str, Any]:
        """The operation as it ended well.

        A poll that fails in a way that passes is no end: the operation goes on without being looked at.

        Args:
            style: of the API.
            service: prefix of the API.
            operation: what the API answered, or a mapping with its `name` alone.
            where: the folder of compute and container operations.
            pace: of the polls.

        Raises:
            OperationFailed: it ended with an error.
            OutOfSight: it vanished, may not be read, or could not be read for a quarter of an hour.
            TooLong: it did not end in time.
            LeftRunning: `cancel` was set.
        """
        pace = pace or Polling()
        name = str(operation.get("name", ""))
        path = name if style is OperationStyle.GOOGLE else f"{where}/operations/{name}"
        delay, elapsed, dark, unseen = pace.first, 0.0, 0.0, 0
        ended = is_done(style, operation)
        while not ended:
            if self.cancel.is_set():
                raise LeftRunning(path)
            if elapsed >= pace.give_up:
                raise TooLong(path, pace.give_up)
            self.note(path, _state(style, operation), elapsed)
            self.sleeper.sleep(delay, self.cancel)
            elapsed += delay
            if self.cancel.is_set():
                raise LeftRunning(path)
            seen = self._poll(service, path)
            if isinstance(seen, Mapping):
                operation, dark, unseen = seen, 0.0, 0
                ended = is_done(style, operation)
            else:
                wanted = seen.retry_after or 0.0 if isinstance(seen, Refusal) else 0.0
                delay = max(delay, min(wanted, _OUTAGE))
                dark += delay
                unseen = unseen + 1 if isinstance(seen, Refusal) and seen.code == 404 else 0
                if _is_lost(seen, dark, unseen):
                    raise OutOfSight(path, _why(seen))
            delay = min(delay * 2, pace.longest)
        error = operation.get("error")
        if isinstance(error, Mapping):
            self.note(path, "FAILED", elapsed)
            raise OperationFailed(path, *rpc_refusal(error))
        self.note(path, "DONE", elapsed)
        return operation

    def _poll(self, service: str, path: str) -> Mapping[str, Any] | Refusal | NoAnswerError:
        try:
            answer = once(self.transport).call("GET", service, path)
        except NoAnswerError as error:
            return error
        return read_refusal(answer) or answer.body or {}


def is_done(style: OperationStyle, operation: Mapping[str, Any]) -> bool:
    """Whether an answer tells of the end, or is no operation at all."""
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


def _is_lost(seen: Refusal | NoAnswerError, dark: float, unseen: int) -> bool:
    """Whether a poll that gave no operation is the last one."""
    if isinstance(seen, NoAnswerError):
        return dark >= _OUTAGE
    if seen.code == 404:
        return unseen > _UNSEEN
    return not seen.passing or dark >= _OUTAGE


def _why(seen: Refusal | NoAnswerError) -> str:
    return seen.described if isinstance(seen, Refusal) else f"{seen.summary} {seen.detail}".strip()
