"""What a program asks for: the wanted shape of one resource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from envctl.engine.embedded.values import Value


@dataclass(frozen=True, slots=True)
class Alias:
    """An earlier identity of a resource: a whole URN, or the parts that were different."""

    urn: str = ""
    name: str = ""
    type: str = ""
    parent: str = ""
    no_parent: bool = False
    project: str = ""
    stack: str = ""


@dataclass(frozen=True, slots=True)
class Goal:
    """The wanted shape of a resource. None of the three switches means: as the parent has it, else off."""

    type: str
    name: str
    custom: bool
    parent: str = ""
    inputs: dict[str, Value] = field(default_factory=dict)
    provider: str = ""
    version: str = ""
    protect: bool | None = None
    retain_on_delete: bool | None = None
    delete_before_replace: bool | None = None
    dependencies: tuple[str, ...] = ()
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    deleted_with: str = ""
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    additional_secret_outputs: tuple[str, ...] = ()
    import_id: str = ""
    custom_timeouts: Mapping[str, float] = field(default_factory=dict)
    replacement_trigger: Value = None
    aliases: tuple[Alias, ...] = ()

    def inherit(self, parent: Goal | None) -> Goal:
        """The goal with what a parent hands down: protection, retention and `deletedWith`."""
        if parent is None:
            return self
        return replace(
            self,
            protect=parent.protect if self.protect is None else self.protect,
            retain_on_delete=parent.retain_on_delete if self.retain_on_delete is None else self.retain_on_delete,
            deleted_with=self.deleted_with or parent.deleted_with,
        )
