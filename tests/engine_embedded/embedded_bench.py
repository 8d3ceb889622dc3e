"""One stack of the embedded engine on a cloud in memory, for tests and for the processes that they start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from memory_cloud import THING, Cloud, MemoryProvider

from envctl.engine.embedded.engine import EmbeddedEngine
from envctl.engine.events import EngineEvent, MessageEvent, Op, Phase, StepEvent
from envctl.engine.protocol import RunOptions, RunResult, StackRef

STACK = StackRef("shop", "dev")


class Bench:
    """One stack on one cloud: runs programs and remembers what happened last."""

    def __init__(self, directory: Path, cloud: Cloud | None = None) -> None:
        self.directory = directory
        self.cloud = cloud or Cloud()
        self.environment: dict[str, str] = {"PULUMI_CONFIG_PASSPHRASE": "open sesame"}
        self.events: list[EngineEvent] = []
        self.options = RunOptions(refresh=False, parallel=4)

    @property
    def engine(self) -> EmbeddedEngine:
        return EmbeddedEngine(
            STACK,
            self.directory,
            MemoryProvider(self.cloud),
            environment=self.environment,
            git_commit="abc1234",
            now=lambda: datetime(2026, 3, 1, 12, tzinfo=UTC),
        )

    def _begin(self, changes: Mapping[str, Any]) -> RunOptions:
        self.events = []
        self.cloud.calls.clear()
        return replace(self.options, **{"cancel": type(self.options.cancel)(), **changes})

    def preview(self, program: Callable[[], None], **options: Any) -> RunResult:
        return self.engine.preview(program, self._begin(options), self.events.append)

    def up(self, program: Callable[[], None], **options: Any) -> RunResult:
        return self.engine.up(program, self._begin(options), self.events.append)

    def destroy(self, *, preview: bool = False, **options: Any) -> RunResult:
        return self.engine.destroy(lambda: None, self._begin(options), self.events.append, preview=preview)

    def refresh(self, *, preview: bool = False, **options: Any) -> RunResult:
        return self.engine.refresh(lambda: None, self._begin(options), self.events.append, preview=preview)

    def steps(self, phase: Phase = Phase.PRE) -> list[StepEvent]:
        return [e for e in self.events if isinstance(e, StepEvent) and e.phase is phase]

    def ops(self) -> list[tuple[Op, str]]:
        """Steps on things, other than sames, as (op, name)."""
        return [
            (s.op, s.urn.rsplit("::", 1)[1])
            for s in self.steps()
            if s.op not in (Op.SAME, Op.REFRESH) and s.type == THING
        ]

    def messages(self, severity: str = "error") -> list[str]:
        return [e.message for e in self.events if isinstance(e, MessageEvent) and e.severity == severity]

    def names(self) -> set[str]:
        return {id_.partition("/")[2] for id_ in self.cloud.things}
