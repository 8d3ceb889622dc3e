"""The frozen document `envctl.plan/v1`: a plan as JSON and back.

A document is sealed over all that it says: `digest` is SHA-256 over the canonical JSON of everything else in it. That
finds what was changed by hand or on the way; it does not prove who wrote the file, which is why `up --plan` also makes
the plan again and compares.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from envctl.diagnostics import Severity, SourceSpan
from envctl.errors import RefusedError
from envctl.plan.model import (
    Action,
    Change,
    Drift,
    DriftKind,
    Effect,
    GateResult,
    GateStatus,
    Impact,
    KeepReason,
    Kept,
    Loss,
    LossKind,
    Mode,
    OperationStep,
    Plan,
    PropertyAction,
    PropertyChange,
    Reason,
    Seal,
    StepMoment,
)
from envctl.plan.values import JsonValue, Opaque

FORMAT = "envctl.plan/v1"
_SEAL = "digest"


def dump_plan(plan: Plan) -> dict[str, Any]:
    """The document: plain JSON, masks beside values, no payload of a secret; sealed over the whole."""
    low, high = plan.minutes()
    document = {
        "format": FORMAT,
        "environment": plan.environment,
        "stack": plan.stack,
        "project": plan.project,
        "cloud": plan.cloud,
        "engine": plan.engine,
        "mode": plan.mode.value,
        "created": plan.created.isoformat(),
        "envctlVersion": plan.envctl_version,
        "refreshed": plan.refreshed,
        "summary": {
            **{action.value: count for action, count in sorted(plan.counts().items())},
            "operations": len(plan.steps),
            "drifted": len(plan.drift),
            "expectedMinutes": [low, high],
        },
        **_dump_body(plan),
        "gates": [_dump_gate(gate) for gate in plan.gates],
        "warnings": list(plan.warnings),
        "incomplete": list(plan.incomplete),
        "outputs": dump_value(dict(plan.outputs)),
        "seal": None
        if plan.seal is None
        else {
            "spec": plan.seal.spec,
            "program": plan.seal.program,
            "stateSerial": plan.seal.state_serial,
            "changes": plan.seal.changes,
        },
    }
    return {**document, _SEAL: _digest_document(document)}


def _digest_document(document: Mapping[str, Any]) -> str:
    return digest({key: value for key, value in document.items() if key != _SEAL})


def digest_changes(plan: Plan) -> str:
    """SHA-256 over what the plan does: changes, steps and drift, not when or by whom it was made."""
    return digest(_dump_body(plan))


def digest(document: JsonValue) -> str:
    """SHA-256 over the canonical JSON of a document (sorted keys, no blanks, marks spelled out)."""
    text = json.dumps(dump_value(document), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()  # JSON can hold halves of pairs


def _dump_body(plan: Plan) -> dict[str, Any]:
    return {
        "changes": [_dump_change(change) for change in plan.changes],
        "operations": [_dump_step(step) for step in plan.steps],
        "drift": [dump_drift(drift) for drift in plan.drift],
    }


def dump_drift(drift: Drift) -> dict[str, Any]:
    """One row of drift, as it stands in plans and in drift documents."""
    return {
        "urn": drift.urn,
        "type": drift.type,
        "name": drift.name,
        "kind": drift.kind.value,
        "properties": [_dump_property(p) for p in drift.properties],
    }


def _dump_change(change: Change) -> dict[str, Any]:
    return {
        "urn": change.urn,
        "type": change.type,
        "name": change.name,
        "action": change.action.value,
        "reason": change.reason.value,
        "component": change.component,
        "group": change.group,
        "id": change.id,
        "protected": change.protected,
        "movedFrom": change.moved_from,
        "source": _dump_span(change.source),
        "properties": [_dump_property(p) for p in change.properties],
        "impact": _dump_impact(change.impact),
        "kept": None
        if change.kept is None
        else {"reason": change.kept.reason.value, "by": change.kept.by, "command": change.kept.command},
        "loss": None
        if change.loss is None
        else {"kind": change.loss.kind.value, "count": change.loss.count, "atLeast": change.loss.at_least},
    }


def _dump_step(step: OperationStep) -> dict[str, Any]:
    return {
        "id": step.id,
        "title": step.title,
        "moment": step.moment.value,
        "source": _dump_span(step.source),
        "properties": [_dump_property(p) for p in step.properties],
        "impact": _dump_impact(step.impact),
    }


def _dump_impact(impact: Impact) -> dict[str, Any]:
    return {
        "effects": [effect.value for effect in impact.effects],
        "minutes": list(impact.minutes),
        "note": impact.note,
        "source": impact.source,
    }


def _dump_gate(gate: GateResult) -> dict[str, Any]:
    return {
        "id": gate.id,
        "gate": gate.gate,
        "status": gate.status.value,
        "severity": gate.severity.value,
        "summary": gate.summary,
        "detail": gate.detail,
        "hints": list(gate.hints),
        "source": _dump_span(gate.source),
    }


def _dump_property(change: PropertyChange) -> dict[str, Any]:
    """Masks stand beside values: `before` and `after` are null where the mask is set."""
    return {
        "path": change.path,
        "action": change.action.value,
        "before": dump_value(change.before),
        "after": dump_value(change.after),
        "replaces": change.replaces,
        "source": _dump_span(change.source),
    }


def _dump_span(span: SourceSpan | None) -> dict[str, Any] | None:
    if span is None:
        return None
    return {"file": span.file.as_posix(), "line": span.line, "column": span.column}


_MARK = "$envctl"


def dump_value(value: JsonValue) -> Any:
    """JSON with `{"$envctl": "secret"}` or `{"$envctl": "unknown"}` where a payload is kept out."""
    if isinstance(value, Opaque):
        return {_MARK: value.value}
    if isinstance(value, Mapping):
        return {key: dump_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [dump_value(item) for item in value]
    return value


def parse_value(value: Any) -> JsonValue:
    """The inverse of `dump_value`."""
    if isinstance(value, dict):
        if set(value) == {_MARK}:
            return Opaque(value[_MARK])
        return {key: parse_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [parse_value(item) for item in value]
    return value


_AGAIN = "Make the plan again with `envctl preview ENV --out FILE`."


def parse_plan(text: str, origin: str) -> Plan:
    """The plan of a saved document.

    Raises:
        RefusedError: the text is no plan, one of another format version, or not what was saved; `origin` names it.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RefusedError("This is not a saved plan", detail=f"{origin}: {error}", code="plan-unreadable") from error
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise RefusedError(
            "This plan has another format",
            detail=f"{origin} says {found!r}; this envctl reads {FORMAT!r}.",
            hints=(_AGAIN,),
            code="plan-format",
        )
    if _SEAL not in document:
        raise RefusedError(
            "This plan carries no seal",
            detail=f"{origin} was saved by an older envctl, or the seal was taken out of it: what it shows may not be "
            "what was planned.",
            hints=(_AGAIN,),
            code="plan-unsealed",
        )
    if document[_SEAL] != _digest_document(document):
        raise RefusedError(
            "This plan was changed after it was saved",
            detail=f"{origin} does not fit its seal: what it shows is not what was planned.",
            hints=(_AGAIN,),
            code="plan-edited",
        )
    try:
        return _parse(document)
    except (KeyError, TypeError, ValueError) as error:
        raise RefusedError(
            "This plan is damaged", detail=f"{origin}: {type(error).__name__} at {error}", code="plan-damaged"
        ) from error


def _parse(document: dict[str, Any]) -> Plan:
    seal = document["seal"]
    return Plan(
        environment=document["environment"],
        stack=document["stack"],
        project=document["project"],
        cloud=document["cloud"],
        engine=document["engine"],
        mode=Mode(document["mode"]),
        created=datetime.fromisoformat(document["created"]),
        envctl_version=document["envctlVersion"],
        refreshed=document["refreshed"],
        changes=tuple(_parse_change(item) for item in document["changes"]),
        steps=tuple(_parse_step(item) for item in document["operations"]),
        drift=tuple(
            Drift(
                item["urn"],
                item["type"],
                item["name"],
                DriftKind(item["kind"]),
                tuple(_parse_property(p) for p in item["properties"]),
            )
            for item in document["drift"]
        ),
        gates=tuple(_parse_gate(item) for item in document["gates"]),
        warnings=tuple(document["warnings"]),
        incomplete=tuple(document["incomplete"]),
        outputs=parse_value(document["outputs"]),
        seal=None if seal is None else Seal(seal["spec"], seal["program"], seal["stateSerial"], seal["changes"]),
    )


def _parse_change(item: dict[str, Any]) -> Change:
    return Change(
        urn=item["urn"],
        type=item["type"],
        name=item["name"],
        action=Action(item["action"]),
        reason=Reason(item["reason"]),
        properties=tuple(_parse_property(p) for p in item["properties"]),
        impact=_parse_impact(item["impact"]),
        group=item["group"],
        id=item["id"],
        component=item["component"],
        protected=item["protected"],
        moved_from=item.get("movedFrom"),
        source=_parse_span(item["source"]),
        kept=_parse_kept(item["kept"]),
        loss=_parse_loss(item["loss"]),
    )


def _parse_kept(item: dict[str, Any] | None) -> Kept | None:
    return None if item is None else Kept(KeepReason(item["reason"]), item["by"], item["command"])


def _parse_loss(item: dict[str, Any] | None) -> Loss | None:
    return None if item is None else Loss(LossKind(item["kind"]), item["count"], item["atLeast"])


def _parse_step(item: dict[str, Any]) -> OperationStep:
    return OperationStep(
        id=item["id"],
        title=item["title"],
        moment=StepMoment(item["moment"]),
        properties=tuple(_parse_property(p) for p in item["properties"]),
        impact=_parse_impact(item["impact"]),
        source=_parse_span(item["source"]),
    )


def _parse_impact(item: dict[str, Any]) -> Impact:
    low, high = item["minutes"]
    return Impact(tuple(Effect(e) for e in item["effects"]), (low, high), item["note"], item["source"])


def _parse_gate(item: dict[str, Any]) -> GateResult:
    return GateResult(
        id=item["id"],
        gate=item["gate"],
        status=GateStatus(item["status"]),
        severity=Severity(item["severity"]),
        summary=item["summary"],
        detail=item["detail"],
        hints=tuple(item["hints"]),
        source=_parse_span(item["source"]),
    )


def _parse_property(item: dict[str, Any]) -> PropertyChange:
    return PropertyChange(
        path=item["path"],
        action=PropertyAction(item["action"]),
        before=parse_value(item["before"]),
        after=parse_value(item["after"]),
        replaces=item["replaces"],
        source=_parse_span(item["source"]),
    )


def _parse_span(item: dict[str, Any] | None) -> SourceSpan | None:
    return None if item is None else SourceSpan(Path(item["file"]), item["line"], item["column"])
