"""Calls to the cloud on behalf of one provider call: errors made uniform, busy things awaited."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from envctl.google.operations import (
    LeftRunning,
    OperationFailed,
    OperationStyle,
    OutOfSight,
    Polling,
    TooLong,
    Waiter,
)
from envctl.google.pauses import Sleeper
from envctl.google.refusals import Refusal, accept
from envctl.google.repeating import Found, Repeating
from envctl.google.transport import Transport
from envctl.provider.protocol import CallContext, OperationDetached, ProviderError
from envctl.provider.turns import Turns

_BUSY_LONGEST = 60.0
_BUSY_GIVE_UP = 60 * 60.0
"""Seconds. Composer's updates and GKE's upgrades of a control plane take up to an hour."""


@dataclass(slots=True)
class Session:
    """One provider call's way to the cloud."""

    transport: Transport
    sleeper: Sleeper
    context: CallContext
    clock: Callable[[], float] = field(default=time.time)
    turns: Turns = field(default_factory=Turns)
    created: bool = False
    """Whether the cloud said yes to a create: what fails from then on leaves something behind."""

    def send(
        self, method: str, service: str, path: str, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        """The decoded body of a successful answer, repeated by the kind of call; raises `ProviderError`."""
        answer = self.repeating().call(method, service, path, query, body)
        return accept(answer, lambda refusal: refused(refusal, f"{method} {service}/{path}"))

    def create(
        self,
        service: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        look: Callable[[], tuple[str, Mapping[str, Any]] | None],
    ) -> Any | Found[tuple[str, Mapping[str, Any]]]:
        """The decoded body of the answer to a POST that makes something, or what `look` found after an answer was lost.

        Raises `ProviderError`.
        """
        made = self.repeating().create(service, path, query, body, look)
        if isinstance(made, Found):
            self.created = True
            return made
        answer = accept(made, lambda refusal: refused(refusal, f"POST {service}/{path}"))
        self.created = True
        return answer

    def repeating(self) -> Repeating:
        """The way to the cloud that outlives hiccups, until the run is cancelled."""
        return Repeating.over(self.transport, self.sleeper, self.context.cancel)

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
        waiter = Waiter(self.transport, self.sleeper, self.context.note, self.context.cancel)
        try:
            ended = waiter.wait(style, service, operation, where, polling)
        except LeftRunning as left:
            raise OperationDetached(left.operation) from left
        except OperationFailed as failed:
            raise ProviderError(str(failed), status=failed.status, method=failed.operation) from failed
        except TooLong as late:
            raise ProviderError(str(late), status="DEADLINE_EXCEEDED", method=late.operation) from late
        except OutOfSight as lost:
            raise ProviderError(str(lost), status="UNKNOWN", method=lost.operation) from lost
        return ended.get("response", {}) if style is OperationStyle.GOOGLE else ended


@contextmanager
def suppress_missing() -> Generator[None]:
    """What is gone already is deleted: NOT_FOUND counts as done."""
    try:
        yield
    except ProviderError as error:
        if error.status != "NOT_FOUND":
            raise


def refused(refusal: Refusal, method: str) -> ProviderError:
    """A refusal of an API as the error of a provider."""
    return ProviderError(refusal.message, status=refusal.status, method=method, reason=refusal.reason)
