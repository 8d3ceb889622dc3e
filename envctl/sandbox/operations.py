"""Long-running operations as declared state machines on the virtual clock.

A service declares a kind: how long it takes, what it does when it ends. A started operation is a record in the
store, so another process can poll it. Nothing runs in the background: whoever looks at the clock after its end
applies the effect, in order of the ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from envctl.sandbox.clock import parse_stamp, stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from envctl.sandbox.backend import Backend
    from envctl.sandbox.faults import Faults
    from envctl.sandbox.messages import Json

    Effect = Callable[[Backend, Mapping[str, Any]], "Mapping[str, Any] | None"]

COLLECTION = "operations"
_PENDING = "operations.pending"

# What a poll stands for at least: pollers of the real APIs wait about this long between two reads.
_POLL_FLOOR = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class OperationKind:
    """A sort of operation.

    Args:
        name: unique, `SERVICE.WHAT`.
        duration: virtual time from start to end.
        complete: applies the effect, given the record's `arguments`; its value becomes the response.
        abandon: undoes the transitional state when the operation ends in an error.
    """

    name: str
    duration: timedelta
    complete: Effect
    abandon: Effect | None = None


class OperationFailedError(Exception):
    """The effect of an operation cannot be had; carries a `google.rpc.Status`."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(slots=True)
class Operations:
    """All operations of a cloud."""

    backend: Backend
    faults: Faults
    kinds: Iterable[OperationKind]
    _by_name: dict[str, OperationKind] = field(default_factory=dict[str, OperationKind], init=False)

    def __post_init__(self) -> None:
        self._by_name = {kind.name: kind for kind in self.kinds}

    def start(
        self,
        kind: str,
        key: str,
        arguments: Mapping[str, Any],
        *,
        duration: timedelta | None = None,
        view: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """Start an operation.

        Args:
            kind: a declared name.
            key: `SERVICE:NAME` of the operation, NAME as the service spells it.
            arguments: what the effect gets.
            duration: instead of the declared one.
            view: what the service needs to show the operation (type, target...).

        Returns:
            The record.
        """
        now = self.backend.clock.now()
        length = duration if duration is not None else self._by_name[kind].duration
        record: dict[str, Any] = {
            "kind": kind,
            "key": key,
            "start": stamp(now),
            "end": stamp(now + length),
            "arguments": dict(arguments),
            "view": dict(view or {}),
            "polls": 0,
            "done": False,
        }
        error = self.faults.operation_error(kind)
        if error is not None:
            record["doomed"] = error
        self.backend.store.put(COLLECTION, key, record)
        self.backend.store.put(_PENDING, key, {"end": record["end"]})
        return record

    def get(self, key: str) -> Mapping[str, Any] | None:
        """The record of an operation, without moving time."""
        return self.backend.store.get(COLLECTION, key)

    def poll(self, key: str) -> Mapping[str, Any] | None:
        """The record of an operation after the time that a poll stands for."""
        record = self.get(key)
        if record is None or record["done"]:
            return record
        whole = parse_stamp(record["end"]) - parse_stamp(record["start"])
        step = max(whole / max(self.backend.settings.polls, 1), _POLL_FLOOR)
        self.backend.store.put(COLLECTION, key, {**record, "polls": record["polls"] + 1})
        self.backend.clock.advance(step)
        self.settle()
        return self.get(key)

    def finish(self, key: str) -> Mapping[str, Any] | None:
        """The record of an operation after its end."""
        record = self.get(key)
        if record is None or record["done"]:
            return record
        self.backend.clock.advance_to(parse_stamp(record["end"]))
        self.settle()
        return self.get(key)

    def pending(self, prefix: str = "") -> list[Mapping[str, Any]]:
        """Records that have not ended, those that end first in front."""
        waiting = sorted(self.backend.store.items(_PENDING, prefix), key=lambda item: item[1]["end"])
        records = [self.get(key) for key, _ in waiting]
        return [record for record in records if record is not None]

    def settle(self) -> None:
        """Apply the effects of everything whose end has come."""
        now = self.backend.clock.now()
        for record in self.pending():
            if parse_stamp(record["end"]) > now:
                break
            self._end(record, now)

    def _end(self, record: Mapping[str, Any], now: datetime) -> None:
        kind = self._by_name[record["kind"]]
        ended: dict[str, Any] = {**record, "done": True, "end": min(record["end"], stamp(now))}
        error = record.get("doomed")
        if error is None:
            try:
                ended["response"] = kind.complete(self.backend, record["arguments"])
            except OperationFailedError as failure:
                error = {"code": failure.code, "message": failure.message}
        if error is not None:
            ended["error"] = error
            if kind.abandon is not None:
                kind.abandon(self.backend, record["arguments"])
        self.backend.store.put(COLLECTION, record["key"], ended)
        self.backend.store.delete(_PENDING, record["key"])


def outcome(record: Mapping[str, Any]) -> Json:
    """What every API shows of an ended operation, `done` with `error` or `response`; nothing before its end."""
    if not record["done"]:
        return {}
    end = "error" if "error" in record else "response"
    return {"done": True, end: record[end]}
