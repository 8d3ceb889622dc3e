"""Live progress of a run: one line per resource that is under way, one line left behind when it is done."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from envctl.engine.events import EngineEvent, MessageEvent, Op, OperationEvent, Phase, StepEvent
from envctl.engine.urns import name_of, type_of
from envctl.masking import mask
from envctl.plan.model import Plan
from envctl.report.plan_text import describe_minutes, short_type
from envctl.report.style import Style, printable

_PRESENT: Mapping[Op, str] = {
    Op.CREATE: "creating",
    Op.UPDATE: "changing",
    Op.DELETE: "deleting",
    Op.CREATE_REPLACEMENT: "creating anew",
    Op.DELETE_REPLACED: "deleting the old",
    Op.IMPORT: "adopting",
}
_PAST: Mapping[Op, str] = {
    Op.CREATE: "created",
    Op.UPDATE: "changed",
    Op.DELETE: "deleted",
    Op.CREATE_REPLACEMENT: "created anew",
    Op.DELETE_REPLACED: "deleted the old",
    Op.IMPORT: "adopted",
}
_SHOWN = 8


@dataclass(slots=True)
class _Running:
    title: str
    verb: str
    started: float
    expected: str
    operation: str = ""

    def __str__(self) -> str:
        text = f"  … {self.title}: {self.verb}{_elapsed(time.monotonic() - self.started)}"
        text += f", expected {self.expected}" if self.expected else ""
        return text + (f" [{self.operation}]" if self.operation else "")


class Progress:
    """Shows events of a run on a stream; a context manager.

    On a terminal a few lines at the bottom say what is under way; elsewhere only finished lines are written,
    so that a log of CI stays short.
    """

    def __init__(self, stream: TextIO, style: Style, plan: Plan | None = None, *, quiet: bool = False) -> None:
        self._stream = stream
        self._style = style
        self._quiet = quiet
        self._running: dict[str, _Running] = {}
        self._lock = threading.Lock()
        changes = plan.changes if plan else ()
        self._expected = {c.urn: describe_minutes(c.impact.minutes) for c in changes}
        self._components = {c.urn for c in changes if c.component}
        self._steps = {s.id: (s.title, describe_minutes(s.impact.minutes)) for s in plan.steps} if plan else {}
        self._live: Live | None = None
        if stream.isatty() and not quiet:
            console = Console(file=stream, no_color=not style.color, highlight=False)
            self._live = Live(console=console, transient=True, refresh_per_second=4, get_renderable=self._under_way)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, event: EngineEvent) -> None:
        """Takes one event; safe to call from several threads."""
        if self._quiet:
            return
        with self._lock:
            match event:
                case StepEvent():
                    self._step(event)
                case OperationEvent():
                    self._operation(event)
                case MessageEvent(severity="error", urn=str()):
                    return  # its step has failed: the last lines of the run give the reason once
                case MessageEvent(severity="warning" | "error"):
                    color = "red" if event.severity == "error" else "yellow"
                    name = f"{name_of(event.urn)}: " if event.urn else ""
                    self._line(f"{self._style(event.severity, color, 'bold')}: {printable(name + event.message)}")
                case _:
                    return

    def _step(self, event: StepEvent) -> None:
        if event.op not in _PRESENT or event.urn in self._components or event.type.startswith("pulumi:"):
            return
        title = f"{short_type(type_of(event.urn))} {printable(name_of(event.urn))}"
        key = f"{event.urn} {event.op}"
        if event.phase is Phase.PRE:
            expected = self._expected.get(event.urn, "")
            self._running[key] = _Running(title, _PRESENT[event.op], time.monotonic(), expected)
            if expected and self._live is None:
                self._line(f"  {title}: {_PRESENT[event.op]} (expected {expected})")
            return
        running = self._running.pop(key, None)
        took = _elapsed(time.monotonic() - running.started) if running else ""
        if event.phase is Phase.DONE:
            kept = event.op is Op.DELETE and event.old is not None and event.old.retain_on_delete
            past = "left in the cloud" if kept else _PAST[event.op]
            self._line(f"  {self._style('✓', 'green')} {title}: {past}{took}")
        else:
            self._line(f"  {self._style('✗', 'red', 'bold')} {title}: failed{took}")

    def _operation(self, event: OperationEvent) -> None:
        for key, running in self._running.items():
            if key.startswith(event.urn + " "):
                known, running.operation = running.operation, event.operation.rsplit("/", 1)[-1]
                if not known and running.expected and self._live is None:
                    self._line(f"  {running.title}: operation {event.operation}")
                return
        if event.urn in self._steps:
            title, expected = self._steps[event.urn]
            if event.state in {"SUCCEEDED", "FAILED"}:
                running = self._running.pop(event.urn, None)
                good = event.state == "SUCCEEDED"
                sign = self._style("✓", "green") if good else self._style("✗", "red", "bold")
                took = _elapsed(time.monotonic() - running.started) if running else ""
                self._line(f"  {sign} {title}: {'done' if good else 'failed'}{took}")
                return
            started = time.monotonic() - event.elapsed_seconds
            self._running[event.urn] = _Running(title, "running", started, expected)

    def _line(self, text: str) -> None:
        text = mask(text)
        if self._live is not None:
            self._live.console.print(Text.from_ansi(text), soft_wrap=True)
            return
        self._stream.write(text + "\n")
        self._stream.flush()

    def _under_way(self) -> Group:
        """What is shown below the finished lines; asked four times a second from the display's own thread."""
        # Without our lock: the display holds its own here, and a line that is printed takes both the other way round.
        running = [mask(str(each)) for each in list(self._running.values())]
        lines = running[:_SHOWN]
        if len(running) > _SHOWN:
            lines.append(f"  … and {len(running) - _SHOWN} more")
        return Group(*(Text(line, style="dim", overflow="ellipsis", no_wrap=True) for line in lines))


def _elapsed(seconds: float) -> str:
    """` (3 s)`, nothing below a second."""
    if seconds < 1:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f" ({minutes} min {rest} s)" if minutes else f" ({rest} s)"
