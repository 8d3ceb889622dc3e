"""One run over one stack: what monitor, planner, executor and deletions share."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from envctl.engine.embedded.expected import Expectations
from envctl.engine.embedded.store import StateStore
from envctl.engine.events import EngineEvent, MessageEvent, Op, SummaryEvent
from envctl.engine.protocol import EventSink, RunOptions, RunResult, StackRef
from envctl.engine.urns import is_default_provider
from envctl.provider.protocol import CallContext, Provider


class StoppedError(Exception):
    """The run is ending: nothing new begins."""


@dataclass(slots=True)
class Run:
    """A run in progress."""

    stack: StackRef
    store: StateStore
    provider: Provider
    options: RunOptions
    sink: EventSink
    preview: bool
    now: Callable[[], datetime]
    first_serial: int = 0
    started: float = 0.0
    errors: int = 0
    failed: list[str] = field(default_factory=list[str])
    detached: dict[str, str] = field(default_factory=dict[str, str])
    awaits: dict[str, str] = field(default_factory=dict[str, str])
    fatal: BaseException | None = None
    """What ends the run as an exception: a refusal, or something that nobody foresaw."""
    counts: Counter[Op] = field(default_factory=Counter[Op])
    expectations: Expectations = field(default_factory=lambda: Expectations(None))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def stopping(self) -> bool:
        """Whether no new step may begin. A preview goes on past failures, to tell them all."""
        if self.fatal is not None or self.options.cancel.is_set():
            return True
        return not self.preview and bool(self.errors or self.detached)

    def require_going(self) -> None:
        """Raises `StoppedError` when no new step may begin."""
        if self.stopping:
            raise StoppedError

    def emit(self, event: EngineEvent) -> None:
        """Hands on an event; those of several threads come one after the other."""
        with self._lock:
            self.sink(event)

    def say(self, urn: str, severity: str, message: str) -> None:
        """Tells a message; an error fails the run, and the resource that it is about."""
        if severity == "error":
            self.mark_failed(urn)
        self.emit(MessageEvent(severity, message, urn or None))

    def mark_failed(self, urn: str) -> None:
        """Notes that a resource did not reach its goal."""
        with self._lock:
            self.errors += 1
            if urn and urn not in self.failed:
                self.failed.append(urn)

    def mark_fatal(self, error: BaseException) -> None:
        """Notes the exception that ends the run; the first one counts."""
        with self._lock:
            if self.fatal is None:
                self.fatal = error

    def count(self, op: Op, urn: str) -> None:
        """Counts a step for the summary; providers that the engine makes by itself do not count."""
        if not is_default_provider(urn):
            with self._lock:
                self.counts[op] += 1

    def context(self, note: Callable[[str, str, float], None]) -> CallContext:
        """What a provider gets with a call."""
        return CallContext(note=note, cancel=self.options.cancel)

    def hurried(self, note: Callable[[str, str, float], None]) -> CallContext:
        """What a provider gets with a call that must not wait for operations."""
        ended = threading.Event()
        ended.set()
        return CallContext(note=note, cancel=ended)

    def summary(self, elapsed: float) -> SummaryEvent:
        """The engine's own count."""
        return SummaryEvent(dict(self.counts), elapsed, self.preview)

    def result(self) -> RunResult:
        """How the run ended, so far as it ended without an exception."""
        interrupted = self.options.cancel.is_set()
        return RunResult(
            ok=not (self.errors or self.detached or interrupted),
            interrupted=interrupted,
            failed=tuple(self.failed),
            detached=dict(self.detached),
            awaits=dict(self.awaits),
            state_serial=self.first_serial if self.preview else self.store.serial,
        )
