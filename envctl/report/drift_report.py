"""Drift, as text, as Markdown and as a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from envctl.plan.model import Drift, DriftKind, PropertyAction
from envctl.plan.wire import dump_drift as dump_one
from envctl.report.markdown import cell, code, table
from envctl.report.plan_text import describe_value, render_drift_rows, short_type
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


def render_drift_markdown(found: Sequence[DriftReport]) -> str:
    """One section per environment, with a table of what the state says and what the cloud has."""
    blocks: list[str] = []
    for each in found:
        head = f"### envctl drift: {cell(each.environment)}"
        if not each.applied:
            blocks.append(f"{head}\n\nWas never applied; nothing can have drifted.")
        elif not each.drift:
            blocks.append(f"{head}\n\nNo drift; the live cloud is as the state says.")
        else:
            rows = [row for drift in each.drift for row in _rows(drift)]
            blocks.append("\n".join([head, "", *table(("resource", "property", "state", "cloud"), rows)]))
    return "\n\n".join(blocks) + "\n"


def _rows(drift: Drift) -> list[tuple[str, ...]]:
    name = f"{cell(short_type(drift.type))} {code(drift.name)}"
    if drift.kind is DriftKind.DELETED:
        return [(name, "", "", "**deleted**")]
    return [
        (
            name,
            code(each.path),
            "" if each.action is PropertyAction.ADD else code(describe_value(each.before)),
            "" if each.action is PropertyAction.REMOVE else code(describe_value(each.after)),
        )
        for each in drift.properties
    ] or [(name, "", "", "changed")]


def dump_drift(found: Sequence[DriftReport]) -> dict[str, Any]:
    """The document `envctl.drift/v1`."""
    return {
        "format": "envctl.drift/v1",
        "environments": [
            {"environment": each.environment, "applied": each.applied, "drift": [dump_one(d) for d in each.drift]}
            for each in found
        ],
    }
