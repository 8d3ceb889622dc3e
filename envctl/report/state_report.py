"""The resources of a state, as text and as a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from envctl.report.plan_text import short_type
from envctl.report.style import printable

if TYPE_CHECKING:
    from envctl.actions.state import StateRow


def render_state_rows(rows: Sequence[StateRow]) -> str:
    """One line per resource, in the order of the state."""
    width = max((len(short_type(row.type)) for row in rows), default=0)
    lines = [
        f"{short_type(row.type):{width}}  {printable(row.name)}{'  (protected)' if row.protected else ''}"
        for row in rows
    ]
    return "\n".join(lines) or "The state is empty."


def dump_state_rows(environment: str, rows: Sequence[StateRow]) -> dict[str, Any]:
    """The document `envctl.state-list/v1`; `id` is what the cloud calls the resource."""
    return {
        "format": "envctl.state-list/v1",
        "environment": environment,
        "resources": [
            {"name": row.name, "type": row.type, "urn": row.urn, "id": row.id, "protected": row.protected}
            for row in rows
        ],
    }
