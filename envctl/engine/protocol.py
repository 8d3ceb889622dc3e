"""What every engine can do: the embedded one and the Pulumi CLI answer to the same interface."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from envctl.engine.events import EngineEvent, Op

Program = Callable[[], None]
"""Declares resources through the Pulumi SDK; called once per run, inside a stack."""

EventSink = Callable[[EngineEvent], None]
"""Gets every event in order; must return at once."""


@dataclass(frozen=True, slots=True)
class StackRef:
    """Names a stack: Pulumi's project name (from `envctl.yaml`) and the stack's (the file's stem)."""

    project: str
    stack: str


@dataclass(frozen=True, slots=True)
class ExpectedStep:
    """A step that a shown plan allows: anything else stops the apply before it happens.

    `changed_keys` are the top-level input names that the plan showed as changed; `inputs_digest` is SHA-256
    over the canonical JSON of the planned inputs where nothing in them was unknown, else None.
    """

    urn: str
    op: Op
    inputs_digest: str | None = None
    changed_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run.

    `expected` constrains an apply to the steps of a plan; None means unconstrained. `keep` says of rows by their URNs
    whether they are let go (and stay in the cloud) where they would be deleted, whatever the state says.
    """

    refresh: bool = True
    parallel: int = 8
    expected: Sequence[ExpectedStep] | None = None
    keep: Mapping[str, bool] = field(default_factory=dict[str, bool])
    cancel: threading.Event = field(default_factory=threading.Event)
    message: str = ""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended; the events tell the rest.

    `failed` lists URNs whose step failed, `detached` maps URNs to operations that go on in the cloud. `awaits` does
    the same for a preview: operations of an earlier run that an apply waits for.
    """

    ok: bool
    interrupted: bool = False
    failed: tuple[str, ...] = ()
    detached: Mapping[str, str] = field(default_factory=dict)
    awaits: Mapping[str, str] = field(default_factory=dict)
    state_serial: int = 0


class Engine(Protocol):
    """Runs one program for one stack.

    Every method raises `OutsideError` when Pulumi or the backend fails, `RefusedError` when the stack is
    locked, the state is unreadable, or an apply leaves its `expected` steps. A failed resource step is not an
    exception: it is in the result.
    """

    name: str

    def preview(self, program: Program, options: RunOptions, sink: EventSink) -> RunResult:
        """Plans without changing anything; with `options.refresh` compares with the live cloud first (drift comes as refresh steps)."""
        ...

    def up(self, program: Program, options: RunOptions, sink: EventSink) -> RunResult:
        """Applies."""
        ...

    def destroy(self, program: Program, options: RunOptions, sink: EventSink, *, preview: bool) -> RunResult:
        """Deletes every resource of the stack, or plans it."""
        ...

    def refresh(self, program: Program, options: RunOptions, sink: EventSink, *, preview: bool) -> RunResult:
        """Reads every resource; without `preview` writes what it saw into the state."""
        ...

    def export_state(self) -> dict[str, Any]:
        """The stack's checkpoint as Pulumi's `stack export` writes it (`{"version": 3, "deployment": {...}}`); secrets stay encrypted."""
        ...

    def import_state(self, document: Mapping[str, Any]) -> None:
        """Replaces the stack's checkpoint after checking form and URNs."""
        ...

    def neighbours(self) -> Mapping[str, Sequence[Mapping[str, Any]] | None]:
        """Rows of every other stack of this backend, by its name; None for one whose state cannot be read.

        Secrets in them are masked or encrypted.
        """
        ...

    def set_aside(self) -> tuple[str, ...]:
        """Gives a state of which nothing can be read another name, so that a new one can begin, and says which; nothing for any other."""
        ...

    def outputs(self) -> dict[str, Any]:
        """The stack's exports after the last run, secrets masked."""
        ...

    def serial(self) -> int:
        """Counts the writes of the state: equal numbers mean equal state; 0 before the first write."""
        ...
