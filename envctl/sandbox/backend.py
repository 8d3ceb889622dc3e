"""What every service of the emulator works on: store, time, switches, and the call at hand."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from envctl.sandbox.clock import Clock, parse_stamp, stamp
from envctl.sandbox.failures import invalid
from envctl.sandbox.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.messages import Json, Request
    from envctl.sandbox.store import Store

# A request takes time in the real world; without a step, everything would have been made in one instant.
_TICK = timedelta(milliseconds=100)
_INT64 = 2**63
_SMALLEST_ID = 10**18


@dataclass(slots=True)
class Backend:
    """Store and clock, and the things that need both."""

    store: Store
    clock: Clock
    _serial: int = field(default=0, init=False)
    _saved: tuple[timedelta, int] | None = field(default=None, init=False)
    _settings: Settings | None = field(default=None, init=False)
    _settings_record: Mapping[str, Any] | None = field(default=None, init=False)

    @property
    def settings(self) -> Settings:
        """The switches as they are now."""
        record = self.store.get("control", "settings")
        if self._settings is None or record is not self._settings_record:
            self._settings_record = record
            self._settings = load_settings(self.store)
        return self._settings

    def load_clock(self) -> None:
        """Take over the time that the store remembers."""
        record = self.store.get("control", "clock")
        if record is not None:
            self.clock.start = parse_stamp(record["start"])
            self.clock.elapsed = timedelta(microseconds=record["elapsedMicroseconds"])
            self._serial = record["serial"]
            self._saved = (self.clock.elapsed, self._serial)

    def save_clock(self) -> None:
        """Let the store remember the time and the count of unique values, if they moved.

        The count matters even when no time has passed: with an old count, another process would give out the
        same etags again.
        """
        if self._saved == (self.clock.elapsed, self._serial):
            return
        self._saved = (self.clock.elapsed, self._serial)
        self.store.put(
            "control",
            "clock",
            {
                "start": stamp(self.clock.start),
                "elapsedMicroseconds": self.clock.elapsed // timedelta(microseconds=1),
                "serial": self._serial,
            },
        )

    def restart_clock(self) -> None:
        """Put the clock back to its first instant, for a cloud that starts over."""
        self.clock.elapsed = timedelta(0)
        self._serial = 0
        self._saved = None
        self.save_clock()

    def tick(self) -> None:
        """Let the time pass that a changing request takes."""
        self.clock.advance(_TICK)

    def unique(self, purpose: str) -> bytes:
        """32 bytes that differ at each call and are the same again in a cloud with the same history."""
        self._serial += 1
        seed = f"{stamp(self.clock.start)}/{self._serial}/{purpose}"
        return hashlib.sha256(seed.encode()).digest()

    def new_uuid(self, purpose: str) -> str:
        """A fresh UUID."""
        return str(uuid.UUID(bytes=self.unique(purpose)[:16], version=4))

    def new_id(self, purpose: str) -> str:
        """A fresh id as Google numbers its resources: 19 digits, a positive signed 64-bit number.

        The documents of Compute call ids unsigned; Google's are signed, and the real plugin reads nothing larger.
        """
        value = int.from_bytes(self.unique(purpose), "big") % (_INT64 - _SMALLEST_ID)
        return str(_SMALLEST_ID + value)

    def new_account_id(self, purpose: str) -> str:
        """A fresh id of an account: 21 digits, 10^20 and an unsigned 64-bit number, as all of Google's are."""
        return str(10**20 + int.from_bytes(self.unique(purpose)[:8], "big"))

    def new_generation(self) -> str:
        """A fresh generation of stored data: microseconds of the epoch, later ones always larger, as Cloud Storage gives."""
        self._serial += 1
        return str(int(self.clock.now().timestamp()) * 10**6 + self._serial)

    def new_etag(self) -> str:
        """A fresh etag, in the form that the IAM family uses."""
        import base64

        return base64.b64encode(b"\x07" + self.unique("etag")[:7]).decode()


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way through a service.

    Args:
        backend: what the cloud knows.
        request: the exchange as it came.
        service: name of the service.
        version: version of the API, as in the path.
        method: id of the method in Google's discovery documents.
        parameters: values of the path template, decoded; `project` is the id even when a number was sent.
        principal: who calls.
        body: the request's JSON, enum values as names; empty when there is none.
    """

    backend: Backend
    request: Request
    service: str
    version: str
    method: str
    parameters: Mapping[str, str]
    principal: str
    body: Mapping[str, Any]

    def __getitem__(self, name: str) -> str:
        return self.parameters[name]

    @property
    def store(self) -> Store:
        """The store."""
        return self.backend.store

    def query(self, name: str, default: str = "") -> str:
        """A query parameter."""
        return self.request.parameter(name, default)

    def number(self, name: str, default: int) -> int:
        """A query parameter that is a whole number; the default when it is missing or zero.

        Raises:
            ApiError: it is no number.
        """
        text = self.query(name)
        if text and not re.fullmatch(r"\d{1,9}", text):
            raise invalid(f"Invalid value at '{name}' (TYPE_INT32), \"{text}\"")
        return int(text or 0) or default

    @property
    def now(self) -> str:
        """The virtual present as RFC 3339."""
        return self.backend.clock.stamp()


def parse_body(content: bytes) -> Json:
    """A request's JSON object; empty for no content.

    Raises:
        ApiError: the content is not a JSON object.
    """
    if not content.strip():
        return {}
    try:
        body = json.loads(content)
    except ValueError as error:
        raise invalid(f"Invalid JSON payload received. {error}") from error
    if not isinstance(body, dict):
        raise invalid("Invalid JSON payload received. The root must be an object.")
    return body
