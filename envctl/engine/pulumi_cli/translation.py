"""Pulumi's engine events as ours. Nothing here reads console text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from envctl.engine.events import (
    EngineEvent,
    MessageEvent,
    Op,
    Phase,
    PropertyDiffKind,
    ResourceState,
    StepEvent,
    SummaryEvent,
)
from envctl.engine.pulumi_cli.failures import provider_message
from envctl.plan.values import JsonValue, Opaque

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent as PulumiEvent
    from pulumi.automation.events import StepEventMetadata, StepEventStateMetadata

# Constants of Pulumi's wire format (sdk/go/common/resource/sig and plugin/rpc.go, v3.256.0).
_UNKNOWNS = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105
_REDACTED = "[secret]"


def translate_event(event: PulumiEvent, *, preview: bool, refreshing: bool = False) -> tuple[EngineEvent, ...]:
    """Our events for one of Pulumi's; most of theirs (prelude, stdout, debug...) are none of ours.

    The end of a step of `pulumi refresh` names what became of the resource as its operation; with `refreshing`
    it is a refresh here as well, as it is where a preview refreshes first.
    """
    if event.resource_pre_event is not None:
        return (_step(Phase.PRE, event.resource_pre_event.metadata),)
    if event.res_outputs_event is not None:
        done = _step(Phase.DONE, event.res_outputs_event.metadata)
        return (replace(done, op=Op.REFRESH) if refreshing else done,)
    if event.res_op_failed_event is not None:
        return (_step(Phase.FAILED, event.res_op_failed_event.metadata),)
    if event.diagnostic_event is not None:
        diagnostic = event.diagnostic_event
        if diagnostic.ephemeral or diagnostic.severity == "debug":
            return ()
        severity = "info" if diagnostic.severity.startswith("info") else diagnostic.severity
        message = provider_message(_plain(diagnostic.message).strip())
        return (MessageEvent(severity, message, diagnostic.urn or None),)
    if event.summary_event is not None:
        # The SDK leaves these keys as plain strings.
        changes = {Op(str(op)): count for op, count in event.summary_event.resource_changes.items()}
        return (SummaryEvent(changes, float(event.summary_event.duration_seconds), preview),)
    return ()


def _step(phase: Phase, metadata: StepEventMetadata) -> StepEvent:
    return StepEvent(
        phase=phase,
        op=Op(str(metadata.op.value)),
        urn=metadata.urn,
        type=metadata.type,
        old=_state(metadata.old),
        new=_state(metadata.new),
        diffs=tuple(metadata.diffs or ()),
        replace_keys=tuple(metadata.keys or ()),
        detailed_diff={
            path: PropertyDiffKind(str(diff.diff_kind.value)) for path, diff in (metadata.detailed_diff or {}).items()
        },
        logical=bool(metadata.logical),
    )


def _state(state: StepEventStateMetadata | None) -> ResourceState | None:
    if state is None:
        return None
    return ResourceState(
        urn=state.urn,
        type=state.type,
        custom=bool(state.custom),
        id=state.id or None,
        parent=state.parent or None,
        provider=state.provider,
        protect=bool(state.protect),
        retain_on_delete=bool(state.retain_on_delete),
        unfinished=bool(state.init_errors),
        inputs=_properties(state.inputs),
        outputs=_properties(state.outputs),
    )


def _properties(values: Mapping[str, Any] | None) -> dict[str, JsonValue]:
    return {key: mask(value) for key, value in (values or {}).items()}


def mask(value: Any) -> JsonValue:
    """A value of Pulumi's JSON with payloads of secrets and placeholders of unknowns taken out."""
    if isinstance(value, str):
        if value in _UNKNOWNS:
            return Opaque.UNKNOWN
        return Opaque.SECRET if value == _REDACTED else value
    if isinstance(value, Mapping):
        if value.get(_SIGNATURE) == _SECRET:
            return Opaque.SECRET
        return {str(key): mask(item) for key, item in value.items()}
    if isinstance(value, list):
        return [mask(item) for item in value]
    return value


def _plain(message: str) -> str:
    """Pulumi's messages carry colour tags such as `<{%reset%}>`."""
    import re

    return re.sub(r"<\{%[^%]*%\}>", "", message)
