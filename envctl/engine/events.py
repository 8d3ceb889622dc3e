"""What an engine reports while it runs, in the words of Pulumi's engine events.

Both engines speak these types; callbacks only append them, `envctl.engine.fold` reads them afterwards.
Secrets and values known only after apply are `Opaque` here: no event ever carries a payload of either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from envctl.plan.values import JsonValue


class Op(StrEnum):
    """Pulumi's step operations (`apitype.OpType`), as far as an engine reports them."""

    SAME = "same"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    REPLACE = "replace"
    CREATE_REPLACEMENT = "create-replacement"
    DELETE_REPLACED = "delete-replaced"
    READ = "read"
    READ_REPLACEMENT = "read-replacement"
    READ_DISCARD = "discard"
    DISCARD_REPLACED = "discard-replaced"
    REFRESH = "refresh"
    REMOVE_PENDING_REPLACE = "remove-pending-replace"
    IMPORT = "import"
    IMPORT_REPLACEMENT = "import-replacement"


class Phase(StrEnum):
    """Where a step is: about to start (or planned, in a preview), done, or failed."""

    PRE = "pre"
    DONE = "done"
    FAILED = "failed"


class PropertyDiffKind(StrEnum):
    """Pulumi's `PropertyDiff` kinds."""

    ADD = "add"
    ADD_REPLACE = "add-replace"
    DELETE = "delete"
    DELETE_REPLACE = "delete-replace"
    UPDATE = "update"
    UPDATE_REPLACE = "update-replace"

    @property
    def replaces(self) -> bool:
        """Whether this difference alone replaces the resource."""
        return self.value.endswith("-replace")


@dataclass(frozen=True, slots=True)
class ResourceState:
    """A resource before or after a step, as the state file would hold it, without payloads of secrets.

    `unfinished` says that its last creation or change did not end well (`initErrors` of the state file): the next
    apply updates it again.
    """

    urn: str
    type: str
    custom: bool
    id: str | None = None
    parent: str | None = None
    provider: str = ""
    protect: bool = False
    retain_on_delete: bool = False
    unfinished: bool = False
    inputs: Mapping[str, JsonValue] = field(default_factory=dict)
    outputs: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepEvent:
    """One phase of one step. `logical` is false for the parts of a replacement that are not the change itself."""

    phase: Phase
    op: Op
    urn: str
    type: str
    old: ResourceState | None
    new: ResourceState | None
    diffs: tuple[str, ...] = ()
    replace_keys: tuple[str, ...] = ()
    detailed_diff: Mapping[str, PropertyDiffKind] = field(default_factory=dict)
    logical: bool = True


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """A message of the engine, the provider or the program; `severity` is error, warning, info or debug."""

    severity: str
    message: str
    urn: str | None = None


@dataclass(frozen=True, slots=True)
class OperationEvent:
    """A Google long-running operation that a step waits for; `fraction` is elapsed over expected, if known."""

    urn: str
    operation: str
    elapsed_seconds: float
    state: str


@dataclass(frozen=True, slots=True)
class SummaryEvent:
    """The engine's own count of steps, with which the fold reconciles its result."""

    changes: Mapping[Op, int]
    duration_seconds: float
    preview: bool


@dataclass(frozen=True, slots=True)
class OutputsEvent:
    """The stack's exports, masked."""

    outputs: Mapping[str, JsonValue]


EngineEvent = StepEvent | MessageEvent | OperationEvent | SummaryEvent | OutputsEvent
