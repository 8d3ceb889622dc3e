"""`drift`: what somebody changed outside envctl."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from envctl.actions.program import build_program
from envctl.engine.events import EngineEvent, MessageEvent
from envctl.engine.fold import fold_drift
from envctl.engine.protocol import RunOptions
from envctl.errors import OutsideError
from envctl.plan.hiding import without_secrets_in_drift
from envctl.plan.model import Drift

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What one stack's state says otherwise than the live cloud."""

    environment: str
    applied: bool
    drift: tuple[Drift, ...]


def find_drift(workspace: Workspace, environment: str) -> DriftReport:
    """Reads every resource of the stack; changes neither state nor cloud.

    Raises:
        OutsideError: a resource could not be read.
    """
    loaded = workspace.load(environment)
    engine = workspace.engine(environment)
    if engine.serial() == 0:
        return DriftReport(environment, applied=False, drift=())
    events: list[EngineEvent] = []
    program = build_program(workspace, loaded)
    result = engine.refresh(program.run, RunOptions(), events.append, preview=True)
    if not result.ok:
        messages = [e.message for e in events if isinstance(e, MessageEvent) and e.severity == "error"]
        raise OutsideError("The live cloud could not be read", detail="\n".join(messages), code="refresh-failed")
    return DriftReport(environment, applied=True, drift=without_secrets_in_drift(fold_drift(events)))
