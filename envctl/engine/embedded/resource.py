"""A row of the state: one resource as Pulumi's deployment version 3 writes it.

Field names and omissions of the JSON form: `ResourceV3` in Pulumi 3.256
(https://github.com/pulumi/pulumi/blob/v3.256.0/sdk/go/common/apitype/core.go).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from envctl.engine.embedded.values import Value, mask
from envctl.engine.events import ResourceState
from envctl.engine.urns import provider_urn

Encode = Callable[[Value], Value]


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource in the state. Rows are never changed; a step makes a new one."""

    urn: str
    type: str
    custom: bool
    id: str | None = None
    inputs: dict[str, Value] = field(default_factory=dict)
    outputs: dict[str, Value] = field(default_factory=dict)
    parent: str = ""
    provider: str = ""
    protect: bool = False
    external: bool = False
    delete: bool = False
    """Replaced, and to be deleted: the new resource of the same URN stands beside it."""
    pending_replacement: bool = False
    """Deleted in order to be replaced; its creation is still due."""
    taint: bool = False
    retain_on_delete: bool = False
    dependencies: tuple[str, ...] = ()
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    deleted_with: str = ""
    replace_with: tuple[str, ...] = ()
    init_errors: tuple[str, ...] = ()
    additional_secret_outputs: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    custom_timeouts: Mapping[str, float] = field(default_factory=dict)
    import_id: str = ""
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    replacement_trigger: Value = None
    created: str = ""
    modified: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields of Pulumi that this engine neither sets nor reads; kept as they came."""

    def needs(self) -> set[str]:
        """URNs that must exist before this resource: parent, provider and every kind of dependency."""
        urns = {*self.dependencies, *self.replace_with}
        for dependencies in self.property_dependencies.values():
            urns.update(dependencies)
        urns.add(self.parent)
        urns.add(self.deleted_with)
        if self.provider:
            urns.add(provider_urn(self.provider))
        urns.discard("")
        return urns

    def as_event(self) -> ResourceState:
        """The row as events carry it, without payloads of secrets."""
        return ResourceState(
            urn=self.urn,
            type=self.type,
            custom=self.custom,
            id=self.id,
            parent=self.parent or None,
            provider=self.provider,
            protect=self.protect,
            retain_on_delete=self.retain_on_delete,
            unfinished=bool(self.init_errors),
            inputs=mask(self.inputs),
            outputs=mask(self.outputs),
        )


_TEXTS = {
    "parent": "parent",
    "provider": "provider",
    "deletedWith": "deleted_with",
    "importID": "import_id",
    "created": "created",
    "modified": "modified",
}
_FLAGS = {
    "delete": "delete",
    "protect": "protect",
    "taint": "taint",
    "external": "external",
    "pendingReplacement": "pending_replacement",
    "retainOnDelete": "retain_on_delete",
}
_LISTS = {
    "dependencies": "dependencies",
    "replaceWith": "replace_with",
    "initErrors": "init_errors",
    "additionalSecretOutputs": "additional_secret_outputs",
    "aliases": "aliases",
    "ignoreChanges": "ignore_changes",
    "replaceOnChanges": "replace_on_changes",
}
_OTHERS = {
    "urn",
    "type",
    "custom",
    "id",
    "inputs",
    "outputs",
    "propertyDependencies",
    "customTimeouts",
    "replacementTrigger",
}
_KNOWN = _OTHERS | _TEXTS.keys() | _FLAGS.keys() | _LISTS.keys()


def to_json(row: Resource, encode: Encode) -> dict[str, Any]:
    """The row as JSON; `encode` turns marked values into Pulumi's signatures."""
    document: dict[str, Any] = {"urn": row.urn, "custom": row.custom}
    for name in ("delete",):
        if getattr(row, name):
            document[name] = True
    if row.id:
        document["id"] = row.id
    document["type"] = row.type
    if row.inputs:
        document["inputs"] = encode(row.inputs)
    if row.outputs:
        document["outputs"] = encode(row.outputs)
    for table in (_TEXTS, _FLAGS):
        for name, attribute in table.items():
            if value := getattr(row, attribute):
                document[name] = value
    for name, attribute in _LISTS.items():
        if value := getattr(row, attribute):
            document[name] = list(value)
    if row.property_dependencies:
        document["propertyDependencies"] = {key: list(urns) for key, urns in row.property_dependencies.items()}
    if row.custom_timeouts:
        document["customTimeouts"] = dict(row.custom_timeouts)
    if row.replacement_trigger is not None:
        document["replacementTrigger"] = encode(row.replacement_trigger)
    document.update(row.extra)
    return document


def from_json(document: Mapping[str, Any], decode: Encode) -> Resource:
    """The row of a JSON object; raises `KeyError`, `TypeError` or `AttributeError` when it is not one."""
    row = Resource(
        urn=document["urn"],
        type=document["type"],
        custom=bool(document.get("custom")),
        id=document.get("id"),
        inputs=decode(document.get("inputs") or {}),
        outputs=decode(document.get("outputs") or {}),
        property_dependencies={
            key: tuple(urns or ()) for key, urns in (document.get("propertyDependencies") or {}).items()
        },
        custom_timeouts=dict(document.get("customTimeouts") or {}),
        replacement_trigger=decode(document.get("replacementTrigger")),
        extra={key: value for key, value in document.items() if key not in _KNOWN},
    )
    changes: dict[str, Any] = {}
    for name, attribute in _TEXTS.items():
        if name in document:
            changes[attribute] = document[name] or ""
    for name, attribute in _FLAGS.items():
        if name in document:
            changes[attribute] = bool(document[name])
    for name, attribute in _LISTS.items():
        if name in document:
            changes[attribute] = tuple(document[name] or ())
    return replace(row, **changes) if changes else row
