"""What will happen, as data: the renderers and the apply read it, nothing recomputes it.

A `Change` is the folded row of one resource, whatever number of engine steps it takes; an `OperationStep` is
something that the Composer API does besides the infrastructure; drift is a list of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from envctl.diagnostics import Severity, SourceSpan
from envctl.plan.values import JsonValue


class Action(StrEnum):
    """What happens to one resource. Both orders of a replacement are verbs of their own."""

    NO_OP = "no-op"
    CREATE = "create"
    UPDATE = "update"
    CREATE_THEN_DELETE = "create-then-delete"
    DELETE_THEN_CREATE = "delete-then-create"
    DELETE = "delete"
    FORGET = "forget"
    """Leaves envctl's state and stays in the cloud."""
    READ = "read"
    IMPORT = "import"
    """Exists in the cloud and enters envctl's state."""

    @property
    def replaces(self) -> bool:
        """Whether the resource is deleted and made again, in either order."""
        return self in {Action.CREATE_THEN_DELETE, Action.DELETE_THEN_CREATE}


class Reason(StrEnum):
    """Why an action was chosen."""

    NEW = "new"
    CHANGED = "changed"
    UNFINISHED = "unfinished"
    """Nothing differs as far as is known, and its last change did not end well: it is looked at again."""
    CANNOT_UPDATE_IN_PLACE = "cannot-update-in-place"
    NO_LONGER_DECLARED = "no-longer-declared"
    GONE_FROM_CLOUD = "gone-from-cloud"
    REPLACED_WITH_DEPENDENCY = "replaced-with-dependency"
    DESTROY = "destroy"
    SHARED = "shared"
    """Project-wide by nature, or retained by the file: kept in the cloud when the stack lets go of it."""
    ADOPTED = "adopted"


class PropertyAction(StrEnum):
    """What happens to one leaf of a resource's inputs."""

    ADD = "add"
    REMOVE = "remove"
    CHANGE = "change"


@dataclass(frozen=True, slots=True)
class PropertyChange:
    """One changed leaf; `path` is `config.softwareConfig.imageVersion` or `rules[0].action`."""

    path: str
    action: PropertyAction
    before: JsonValue
    after: JsonValue
    replaces: bool = False
    source: SourceSpan | None = None


class Effect(StrEnum):
    """What a change does to running work."""

    REBUILD = "rebuild"
    RESTART = "restart"
    TASKS_KILLED = "tasks-killed"
    DATA_LOST = "data-lost"
    DOWNTIME = "downtime"


@dataclass(frozen=True, slots=True)
class Impact:
    """Effects, expected minutes (low, high), and where that is known from."""

    effects: tuple[Effect, ...] = ()
    minutes: tuple[float, float] = (0.0, 0.0)
    note: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One resource. `group` is the URN of the component that holds it, None at the top."""

    urn: str
    type: str
    name: str
    action: Action
    reason: Reason
    properties: tuple[PropertyChange, ...] = ()
    impact: Impact = Impact()
    group: str | None = None
    id: str | None = None
    component: bool = False
    protected: bool = False
    source: SourceSpan | None = None


class StepMoment(StrEnum):
    """Whether a step comes before or after the infrastructure."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class OperationStep:
    """Something that the Composer API does: custom packages, variables, a snapshot."""

    id: str
    title: str
    moment: StepMoment
    properties: tuple[PropertyChange, ...] = ()
    impact: Impact = Impact()
    source: SourceSpan | None = None


class DriftKind(StrEnum):
    """How the cloud differs from the state."""

    CHANGED = "changed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Drift:
    """A resource that somebody changed outside envctl: `before` is what the state says, `after` the cloud."""

    urn: str
    type: str
    name: str
    kind: DriftKind
    properties: tuple[PropertyChange, ...] = ()


class GateStatus(StrEnum):
    """The answer of one gate."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class GateResult:
    """One question asked before anything is applied: package clashes, a doctor's check, a policy."""

    id: str
    gate: str
    status: GateStatus
    severity: Severity
    summary: str
    detail: str = ""
    hints: tuple[str, ...] = ()
    source: SourceSpan | None = None


class Mode(StrEnum):
    """What the plan is for."""

    APPLY = "apply"
    DESTROY = "destroy"


@dataclass(frozen=True, slots=True)
class Seal:
    """What a saved plan was made from. A saved plan is applied only while all of it still holds.

    `spec` is SHA-256 over the resolved environment, `program` over the declared resources, `changes` over
    every change, step and drift of the plan itself.
    """

    spec: str
    program: str
    state_serial: int
    changes: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that one apply does, and what it was made from."""

    environment: str
    stack: str
    project: str
    cloud: str
    engine: str
    mode: Mode
    created: datetime
    envctl_version: str
    changes: tuple[Change, ...]
    steps: tuple[OperationStep, ...] = ()
    drift: tuple[Drift, ...] = ()
    gates: tuple[GateResult, ...] = ()
    warnings: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    """Why the plan cannot be trusted; a plan with any entry is never applied."""
    refreshed: bool = True
    outputs: Mapping[str, JsonValue] = field(default_factory=dict)
    seal: Seal | None = None

    @property
    def pending(self) -> tuple[Change, ...]:
        """The changes that do something, in the order in which the engine planned them."""
        return tuple(c for c in self.changes if c.action not in {Action.NO_OP, Action.READ} and not c.component)

    @property
    def loses_environment(self) -> bool:
        """Whether a Composer environment that was made whole is deleted or replaced: its database goes with it."""
        return any(
            Effect.DATA_LOST in change.impact.effects and change.type == "gcp:composer/environment:Environment"
            for change in self.pending
        )

    @property
    def empty(self) -> bool:
        """Whether applying the plan would do nothing."""
        return not self.pending and not self.steps

    def counts(self) -> dict[Action, int]:
        """How many resources meet each action, components left out."""
        result: dict[Action, int] = {}
        for change in self.changes:
            if not change.component:
                result[change.action] = result.get(change.action, 0) + 1
        return result

    def minutes(self) -> tuple[float, float]:
        """Expected minutes, low and high: the longest change, as most run side by side, plus every step."""
        low = max((c.impact.minutes[0] for c in self.pending), default=0.0)
        high = max((c.impact.minutes[1] for c in self.pending), default=0.0)
        return (
            low + sum(s.impact.minutes[0] for s in self.steps),
            high + sum(s.impact.minutes[1] for s in self.steps),
        )
