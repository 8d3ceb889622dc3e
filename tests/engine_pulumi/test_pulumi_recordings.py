"""Recorded event streams of the real CLI, through translation and fold, against what was looked at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pulumi.automation import EngineEvent as PulumiEvent

from envctl.engine.events import EngineEvent, MessageEvent, OutputsEvent, Phase, StepEvent
from envctl.engine.fold import fold_events
from envctl.engine.pulumi_cli.engine import outputs_of
from envctl.engine.pulumi_cli.translation import translate_event
from envctl.engine.urns import name_of
from envctl.plan.model import Mode

HERE = Path(__file__).parent / "recordings"
NAMES = sorted(path.stem for path in HERE.glob("*.jsonl"))


def events_of(name: str) -> list[EngineEvent]:
    found: list[EngineEvent] = []
    for line in HERE.joinpath(f"{name}.jsonl").read_text().splitlines():
        event = PulumiEvent.from_json(json.loads(line))
        refreshing = name.startswith("refresh")
        found.extend(translate_event(event, preview=name.startswith("preview"), refreshing=refreshing))
    outputs = outputs_of(found)
    return [*found, OutputsEvent(outputs)] if outputs is not None else found


def golden(name: str) -> dict[str, Any]:
    """What envctl understands of a recording."""
    events = events_of(name)
    folded = fold_events(events, Mode.DESTROY if name == "destroy" else Mode.APPLY, lambda _urn, _path: None)
    return {
        "changes": [
            {
                "name": change.name,
                "action": change.action.value,
                "reason": change.reason.value,
                "properties": {
                    p.path: [repr(p.before), repr(p.after)] + (["replaces"] if p.replaces else [])
                    for p in change.properties
                },
            }
            for change in sorted(folded.changes, key=lambda c: c.urn)
        ],
        "drift": [
            {"name": d.name, "kind": d.kind.value, "properties": {p.path: repr(p.after) for p in d.properties}}
            for d in sorted(folded.drift, key=lambda d: d.urn)
        ],
        "failed": [name_of(e.urn) for e in events if isinstance(e, StepEvent) and e.phase is Phase.FAILED],
        "errors": [e.message for e in events if isinstance(e, MessageEvent) and e.severity == "error"],
        "outputs": {key: repr(value) for key, value in folded.outputs.items()},
        "incomplete": list(folded.incomplete),
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_means_what_it_meant(name: str) -> None:
    assert golden(name) == json.loads(HERE.joinpath(f"{name}.golden.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_passes_the_edge(name: str) -> None:
    text = repr(events_of(name))
    assert "hunter2" not in text
    assert "sesame" not in text


def test_the_recordings_hold_what_they_are_for() -> None:
    assert {
        "preview-of-nothing-yet",
        "preview-replaces",
        "preview-after-drift",
        "refresh-after-drift",
        "up-fails",
        "up-replaces",
        "destroy",
    } <= set(NAMES)
