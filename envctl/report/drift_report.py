"""Drift, as text and as a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from envctl.plan.wire import dump_drift as dump_one
from envctl.report.plan_text import render_drift_rows
from envctl.report.style import PLAIN, Style

if TYPE_CHECKING:
    from envctl.actions.drift import DriftReport


def render_drift(found: Sequence[DriftReport], style: Style = PLAIN) -> str:
    """One block per environment."""
    blocks: list[str] = []
    for each in found:
        if not each.applied:
            blocks.append(f"{style(each.environment, 'bold')}: was never applied; nothing can have drifted.")
        elif not each.drift:
            blocks.append(f"{style(each.environment, 'bold')}: no drift; the live cloud is as the state says.")
        else:
            blocks.append(f"{style(each.environment, 'bold')}\n{render_drift_rows(each.drift, style)}")
    return "\n\n".join(blocks)


def dump_drift(found: Sequence[DriftReport]) -> dict[str, Any]:
    """The document `envctl.drift/v1`."""
    return {
        "format": "envctl.drift/v1",
        "environments": [
            {"environment": each.environment, "applied": each.applied, "drift": [dump_one(d) for d in each.drift]}
            for each in found
        ],
    }
