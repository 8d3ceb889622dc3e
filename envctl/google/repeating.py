"""The one policy of sending again, by kind of call. `docs/reliability.md` says what follows from it.

Source of the pace: "Retry strategy" in Google's Cloud Storage documentation (exponential backoff with jitter, reads and
idempotent writes only), read 2026-11-21.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Generic, TypeVar, assert_never

from envctl.google.pauses import RealSleeper, Sleeper
from envctl.google.refusals import read_refusal
from envctl.google.transport import Answer, NoAnswerError, Query, Transport

T = TypeVar("T")

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 32.0
_TOTAL = 90.0
"""Seconds that a call may take with all its repetitions; an answer that names a later moment ends it at once."""

_ASKING = frozenset(
    {"getIamPolicy", "testIamPermissions", "getAncestry", "pollAirflowCommand", "checkUpgrade", "search"}
)
"""Methods that read by POST."""

_SETTING = frozenset(
    {
        "destroy",
        "disable",
        "disableXpnResource",
        "enable",
        "enableXpnResource",
        "executeAirflowCommand",  # envctl sets and deletes by it: the second time finds it so already
        "expandIpCidrRange",
        "generateServiceIdentity",
        "lockRetentionPolicy",
        "setIamPolicy",
        "setLegacyAbac",
        "setManagement",
        "setPrivateIpGoogleAccess",
        "setResourceLabels",
        "setSize",
        "undelete",
        "updateAsync",
    }
)
"""Methods that write by POST and leave the same behind when they are sent twice."""


_EXISTS = frozenset({409, 412})
"""The thing is there; 412 where the request said that it must not be (`ifGenerationMatch=0`)."""


class CallKind(StrEnum):
    """What sending a call twice does."""

    READ = "read"
    WRITE = "repeatable write"
    """The second time changes nothing more."""
    CREATE = "create"
    """The second time may make a second one, or be refused because of the first."""


def kind_of(method: str, path: str, query: Query | None = None) -> CallKind:
    """The kind of a call, by its verb and, for a POST, the method that its path ends with."""
    if method == "GET":
        return CallKind.READ
    if method != "POST":
        return CallKind.WRITE
    asked = path.replace(":", "/").rpartition("/")[2]
    if asked in _ASKING:
        return CallKind.READ
    uploads = (query or {}).get("uploadType") == "media" and "ifGenerationMatch" not in (query or {})
    if asked in _SETTING or uploads or (query or {}).get("requestId"):
        return CallKind.WRITE
    return CallKind.CREATE


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What a create made whose answer did not come, as a look at the cloud found it."""

    value: T


@dataclass(frozen=True, slots=True)
class Repeating:
    """A transport whose calls outlive hiccups of the network and of Google.

    Reads and repeatable writes are sent again on 429, 500, 502, 503, 504, after resets and cut-off answers; a create by
    `call` only when it was turned away for the moment (429), by `create` after a look, too.
    """

    transport: Transport
    sleeper: Sleeper = field(default_factory=RealSleeper)
    cancel: threading.Event = field(default_factory=threading.Event)
    jitter: Callable[[], float] = random.random

    @classmethod
    def over(cls, transport: Transport, sleeper: Sleeper, cancel: threading.Event) -> Repeating:
        """A transport that repeats, and stops repeating when `cancel` is set; never two of them on top of each other."""
        if isinstance(transport, Repeating):
            return replace(transport, sleeper=sleeper, cancel=cancel)
        return cls(transport, sleeper, cancel)

    @classmethod
    def of(cls, transport: Transport) -> Repeating:
        """The transport itself when it repeats, else one that does."""
        return transport if isinstance(transport, Repeating) else cls(transport)

    def call(
        self,
        method: str,
        service: str,
        path: str,
        query: Query | None = None,
        body: Any | None = None,
    ) -> Answer:
        """The answer; the last one when all were refusals that pass. Raises `NoAnswerError` when no answer came in time."""
        kind = kind_of(method, path, query)
        trying = _Trying(self)
        while True:
            try:
                answer = self.transport.call(method, service, path, query, body)
            except NoAnswerError as error:
                if kind is CallKind.CREATE or not error.sent or not trying.again(None):
                    raise
                continue
            refusal = read_refusal(answer)
            if refusal is None or not _repeats(kind, untouched=refusal.untouched, unsure=refusal.unsure):
                return answer
            if not trying.again(refusal.retry_after):
                return answer

    def create(
        self,
        service: str,
        path: str,
        query: Query | None,
        body: Any,
        look: Callable[[], T | None],
    ) -> Answer | Found[T]:
        """The answer of a POST that makes something, or what is there when its answer did not come.

        Whenever nobody knows what a try did, `look` goes first: what it finds was made by that try. A refusal because
        the thing exists means the same after such a try; as the first answer it is a refusal like every other.

        Raises:
            NoAnswerError: no answer came in time, and there is nothing to be found.
        """
        trying, unsure = _Trying(self), False
        while True:
            failure: Answer | NoAnswerError
            wait: float | None = None
            try:
                failure = self.transport.call("POST", service, path, query, body)
            except NoAnswerError as error:
                if not error.sent:
                    raise
                failure, unsure = error, True
            else:
                refusal = read_refusal(failure)
                if refusal is None:
                    return failure
                exists = refusal.code in _EXISTS and unsure
                if not refusal.passing and not exists:
                    return failure
                unsure, wait = unsure or refusal.unsure, refusal.retry_after
                if exists:
                    found = look()
                    return failure if found is None else Found(found)
            goes_on = trying.again(wait)
            if unsure and (found := look()) is not None:
                return Found(found)
            if not goes_on:
                if isinstance(failure, NoAnswerError):
                    raise failure
                return failure


def once(transport: Transport) -> Transport:
    """The transport without repetition, for who repeats in a way of their own."""
    return transport.transport if isinstance(transport, Repeating) else transport


@dataclass(slots=True)
class _Trying:
    """How long one call has been tried."""

    of: Repeating
    started: float = field(default_factory=time.monotonic)
    waited: float = 0.0
    pause: float = _FIRST_PAUSE

    def again(self, wanted: float | None) -> bool:
        """Waits for the next try; False when there is none: the time is over, or the run was interrupted."""
        if self.of.cancel.is_set():
            return False
        pause = max(wanted or 0.0, self.pause * (0.5 + self.of.jitter() / 2))
        if max(self.waited, time.monotonic() - self.started) + pause > _TOTAL:
            return False
        self.of.sleeper.sleep(pause, self.of.cancel)
        self.waited += pause
        self.pause = min(self.pause * 2, _LONGEST_PAUSE)
        return not self.of.cancel.is_set()


def _repeats(kind: CallKind, *, untouched: bool, unsure: bool) -> bool:
    match kind:
        case CallKind.READ | CallKind.WRITE:
            return untouched or unsure
        case CallKind.CREATE:
            return untouched
        case _:
            assert_never(kind)
