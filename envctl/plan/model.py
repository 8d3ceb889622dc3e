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
    MOVE = "move"
    """Gets another name in envctl's state; the cloud is not touched."""

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
    """The file says `import: true`, or an `import` runs: it exists and enters the state."""
    TAKEN_BACK = "taken-back"
    """A recorded run of this stack left it in the cloud; it enters the state again."""
    ALREADY_GRANTED = "already-granted"
    """A membership that is there: it enters the state as found, and this stack will never delete it."""
    RENAMED = "renamed"
    """The file says that the resource was called otherwise."""


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


class KeepReason(StrEnum):
    """Why something is left in the cloud though the stack lets go of it."""

    FOUND = "found"
    """It was there before this stack: the row entered the state by an import."""
    DECLARED = "declared"
    """A file of this project declares it now."""
    HELD = "held"
    """Another state of this backend holds it."""
    UNREADABLE = "unreadable"
    """Another state of this backend cannot be read, and may hold it."""
    FOREIGN_ACCOUNT = "foreign-account"
    """It is of an account that this stack does not own: other repositories, which nobody sees from here, may use it."""
    GOOGLE = "google"
    """It belongs to the project: an enabled API, or an agent of Google's and its rights."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Why a change leaves something in the cloud.

    `by` names the file or the stack that needs it, or the member; `command` removes it, where that is for people to do.
    """

    reason: KeepReason
    by: str = ""
    command: str = ""


class LossKind(StrEnum):
    """What is counted where data goes with a resource."""

    OBJECTS = "objects"
    """Objects of a bucket, older versions included."""
    SECRET_VERSIONS = "secret-versions"  # noqa: S105
    KEY_VERSIONS = "key-versions"
    PACKAGES = "packages"
    """Packages and images of a repository."""
    ENVIRONMENT = "environment"
    """An environment's database and history."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Data that goes with a resource. `count` is None where it could not be read; with `at_least` there is more."""

    kind: LossKind
    count: int | None
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One resource. `group` is the URN of the component that holds it, None at the top.

    `kept` says why the resource (of a replacement: the old one) stays in the cloud, where that was decided for this
    plan; `loss` is the data that the change deletes, None when it deletes none.
    `moved_from` is its logical name so far, when the file gives it another one; it may change besides.
    """

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
    kept: Kept | None = None
    loss: Loss | None = None
    moved_from: str | None = None


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
    def losses(self) -> tuple[Change, ...]:
        """The changes that delete data: whoever applies them has to name the environment."""
        return tuple(change for change in self.pending if change.loss is not None)

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
