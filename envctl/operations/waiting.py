"""Waiting for a Google long-running operation: by its name, so that any process can attach to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from envctl.errors import DetachedError, OutsideError

if TYPE_CHECKING:
    from google.api_core.exceptions import GoogleAPICallError
    from google.cloud.orchestration.airflow.service_v1 import EnvironmentsClient

Note = Callable[[str, str, float], None]
"""Operation name, state, elapsed seconds."""


@dataclass(frozen=True, slots=True)
class Waiter:
    """How to wait.

    Attributes:
        seconds: between two polls; 0 in the emulator of this process, whose clock moves with each poll.
        note: told once when the operation is known, and after every poll.
        cancel: when set, the wait ends and the operation goes on.
        sleep: waits that many seconds or until `cancel`; replaced in tests.
    """

    seconds: float
    note: Note
    cancel: threading.Event = field(default_factory=threading.Event)
    sleep: Callable[[float], None] | None = None

    def wait(self, client: EnvironmentsClient, operation: str, failure: str) -> None:
        """Returns when the operation has succeeded.

        Raises:
            OutsideError: the operation ended with an error; `failure` is the summary, the API's message the detail.
            DetachedError: `cancel` was set.
        """
        from google.api_core.exceptions import GoogleAPICallError

        started = time.monotonic()
        self.note(operation, "PENDING", 0.0)
        while True:
            try:
                current = client.transport.operations_client.get_operation(operation)
            except GoogleAPICallError as error:
                raise describe_api_error(error, "The operation cannot be read", operation=operation) from error
            elapsed = time.monotonic() - started
            if current.done:
                if current.HasField("error"):
                    self.note(operation, "FAILED", elapsed)
                    raise OutsideError(
                        failure, detail=f"{current.error.message}\noperation: {operation}", code="operation-failed"
                    )
                self.note(operation, "SUCCEEDED", elapsed)
                return
            self.note(operation, "RUNNING", elapsed)
            if self.cancel.is_set():
                raise DetachedError(
                    "The operation goes on in the cloud",
                    detail=f"operation: {operation}",
                    hints=("the same command again waits for it and goes on",),
                )
            (self.sleep or self.cancel.wait)(self.seconds)


def describe_api_error(error: GoogleAPICallError, summary: str, *, operation: str = "") -> OutsideError:
    """Google's error as ours: code, message, and the place to look."""
    status = error.grpc_status_code.name if error.grpc_status_code is not None else str(error.code or "")
    tail = f"\noperation: {operation}" if operation else ""
    return OutsideError(summary, detail=f"{status}: {error.message}{tail}", code="api-refused")
