"""The provider side of Pulumi's resource protocol, in process: what an engine asks of a provider.

Property values are JSON with `Opaque.UNKNOWN` for values known after apply; secrets arrive as plain values and
the engine marks them again afterwards (the provider declares which outputs are sensitive).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from envctl.masking import mask

Properties = Mapping[str, Any]

WAIT_GIVEN_UP = "the wait was given up"
"""Begins what a state keeps as the reason why a resource is not known to be finished."""


class DiffKind(StrEnum):
    """Pulumi's `PropertyDiff.Kind`."""

    ADD = "add"
    ADD_REPLACE = "add-replace"
    DELETE = "delete"
    DELETE_REPLACE = "delete-replace"
    UPDATE = "update"
    UPDATE_REPLACE = "update-replace"


@dataclass(frozen=True, slots=True)
class CheckFailure:
    """An input that the provider refuses; `property` is a path such as `config.nodeConfig`."""

    property: str
    reason: str


@dataclass(frozen=True, slots=True)
class Checked:
    """Inputs with defaults filled in, and what is wrong with them."""

    inputs: Properties
    failures: tuple[CheckFailure, ...] = ()


@dataclass(frozen=True, slots=True)
class Diff:
    """What an update would do; keys of `detailed` are property paths (`config.nodeConfig.tags[0]`)."""

    changes: bool
    detailed: Mapping[str, DiffKind] = field(default_factory=dict)
    replaces: tuple[str, ...] = ()
    delete_before_replace: bool = False


@dataclass(frozen=True, slots=True)
class Live:
    """A resource as the cloud has it: provider id, outputs, and the inputs that would give them."""

    id: str
    outputs: Properties
    inputs: Properties = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallContext:
    """Passed to every call that talks to the cloud.

    `note` gets (operation name, state, elapsed seconds) on every poll. When `cancel` is set, a provider starts
    nothing new and raises `OperationDetached` from a running wait.
    """

    note: Callable[[str, str, float], None]
    cancel: threading.Event


class ProviderError(Exception):
    """The cloud refused or failed; the message is the API's own.

    `status` is HTTP or `google.rpc` code name, `reason` Google's own word for why where it gives one
    (`SERVICE_DISABLED`). APIs repeat what they were sent: secrets in the message are masked, for it ends in states and
    logs of others.
    """

    def __init__(
        self, message: str, *, status: str = "", method: str = "", partial: Live | None = None, reason: str = ""
    ) -> None:
        super().__init__(mask(message))
        self.status = status
        self.method = method
        self.reason = reason
        self.partial = partial
        """Set when the resource exists all the same (created, but not in its final shape)."""


class OperationDetached(Exception):
    """The wait was given up on request; the operation goes on in the cloud."""

    def __init__(self, operation: str, *, partial: Live | None = None) -> None:
        super().__init__(operation)
        self.operation = operation
        self.partial = partial


class Provider(Protocol):
    """Create, read, update and delete of every resource type that the programs use."""

    def check(self, urn: str, type_: str, old: Properties, new: Properties) -> Checked:
        """Validates and completes inputs. `old` are the inputs of the last run, empty for a new resource."""
        ...

    def diff(
        self,
        urn: str,
        type_: str,
        id_: str,
        old_inputs: Properties,
        old_outputs: Properties,
        new_inputs: Properties,
        ignore_changes: tuple[str, ...],
    ) -> Diff:
        """Compares checked inputs; may see `Opaque.UNKNOWN` in the new ones."""
        ...

    def create(self, urn: str, type_: str, inputs: Properties, context: CallContext, *, preview: bool) -> Live:
        """Creates. In a preview nothing is called and outputs known only after apply are `Opaque.UNKNOWN` (id "" then)."""
        ...

    def read(
        self, urn: str, type_: str, id_: str, inputs: Properties, outputs: Properties, context: CallContext
    ) -> Live | None:
        """The live resource, or None when it does not exist. With empty inputs and outputs: an import by id."""
        ...

    def update(
        self,
        urn: str,
        type_: str,
        id_: str,
        old_inputs: Properties,
        old_outputs: Properties,
        new_inputs: Properties,
        context: CallContext,
        *,
        preview: bool,
        ignore_changes: tuple[str, ...] = (),
    ) -> Live:
        """Changes in place."""
        ...

    def delete(
        self, urn: str, type_: str, id_: str, inputs: Properties, outputs: Properties, context: CallContext
    ) -> None:
        """Deletes; a resource that is already gone is a success."""
        ...

    def sensitive_outputs(self, type_: str) -> frozenset[str]:
        """Top-level outputs that are always secret."""
        ...


@runtime_checkable
class Locator(Protocol):
    """What a provider can do besides: find what an interrupted create may have made."""

    def locate(self, urn: str, type_: str, inputs: Properties, context: CallContext) -> Live | None:
        """The live resource that these inputs would have made, or None when there is none.

        Waits for an operation that still creates it, and raises `OperationDetached` when `context.cancel` ends the wait.
        """
        ...
