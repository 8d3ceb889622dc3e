"""The resources of a state, as text and as a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from envctl.report.plan_text import short_type
from envctl.report.style import printable

if TYPE_CHECKING:
    from envctl.actions.migration import Migrated
    from envctl.actions.state import StateRow


def render_state_rows(rows: Sequence[StateRow]) -> str:
    """One line per resource, in the order of the state."""
    width = max((len(short_type(row.type)) for row in rows), default=0)
    lines = [
        f"{short_type(row.type):{width}}  {printable(row.name)}{'  (protected)' if row.protected else ''}"
        for row in rows
    ]
    return "\n".join(lines) or "The state is empty."


def render_migrated(done: Migrated) -> str:
    """Where states are now, and what others need to open their secrets."""
    lines = [f"The states are in {done.target}; envctl.yaml says so. Commit it."]
    lines += [f"  {name}: {rows} rows" if rows else f"  {name}" for name, rows in done.stacks.items()]
    if done.source != done.target:
        lines.append(f"What lies in {done.source} is old: it is left as it was, and refers to the new place.")
    if done.secrets_provider != "passphrase":
        lines.append(f"Secrets are encrypted with {done.secrets_provider}: whoever may use that key opens them.")
        return "\n".join(lines)
    lines.append("Secrets are encrypted with a passphrase, which others need, too:")
    if done.keys:
        lines += [f"  {name}: the text in {path}" for name, path in done.keys.items()]
        lines.append(
            "Give it to them by a password store, as PULUMI_CONFIG_PASSPHRASE or as the same file; never by git."
        )
    else:
        lines.append("  PULUMI_CONFIG_PASSPHRASE, as it is set here")
    lines.append(
        "`secretsProvider: gcpkms://...` in envctl.yaml needs none: rights on a key open secrets then. Change it with"
    )
    lines += [f"    pulumi stack change-secrets-provider gcpkms://... --stack {name}" for name in done.stacks]
    return "\n".join(lines)


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
