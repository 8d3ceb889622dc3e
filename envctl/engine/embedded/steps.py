"""Steps: what the planner decides and the executor does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from envctl.engine.embedded.resource import Resource
from envctl.engine.events import Op, Phase, PropertyDiffKind, StepEvent


class Row(NamedTuple):
    """A resource of the state with its number in the store."""

    number: int
    resource: Resource


@dataclass(frozen=True, slots=True)
class Step:
    """One step on one resource.

    `old` is the row that the step starts from; `new` what shall be, without id and outputs where the provider
    says them.
    """

    op: Op
    old: Row | None = None
    new: Resource | None = None
    diffs: tuple[str, ...] = ()
    replace_keys: tuple[str, ...] = ()
    detailed: Mapping[str, PropertyDiffKind] = field(default_factory=dict)
    ignore_changes: tuple[str, ...] = ()
    keep_old: bool = False
    """Of a creation that replaces: the old resource lives on until the end of the run."""
    abandon: bool = False
    """Of a deletion: the resource dies with another one and is not deleted by itself."""
    then_create: bool = False
    """Of a deletion: the resource is created again afterwards."""
    moved_from: str = ""
    """The URN that the state had for the resource, when an alias led to it."""

    @property
    def urn(self) -> str:
        """The resource's URN."""
        return self.resource.urn

    @property
    def resource(self) -> Resource:
        """The resource after the step, or before it where there is none after."""
        if self.new is not None:
            return self.new
        assert self.old is not None
        return self.old.resource

    @property
    def logical(self) -> bool:
        """Whether the step counts as the change, rather than being a part of a replacement."""
        return self.op not in (Op.CREATE_REPLACEMENT, Op.DELETE_REPLACED, Op.DISCARD_REPLACED, Op.READ_REPLACEMENT)

    def event(self, phase: Phase, new: Resource | None = None) -> StepEvent:
        """The event of one phase; `new` is what the step made of the resource."""
        after = new or self.new
        before = self.old.resource.as_event() if self.old else None
        if before is not None and self.moved_from:
            before = replace(before, urn=self.moved_from)
        return StepEvent(
            phase=phase,
            op=self.op,
            urn=self.urn,
            type=self.resource.type,
            old=before,
            new=after.as_event() if after else None,
            diffs=self.diffs,
            replace_keys=self.replace_keys,
            detailed_diff=self.detailed,
            logical=self.logical,
        )
