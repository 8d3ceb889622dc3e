"""What an import took over and what it left, as text and as a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from envctl.report.style import PLAIN, Style, printable

if TYPE_CHECKING:
    from envctl.actions.adopt import Adoption
    from envctl.actions.adopt_neighbours import Left


def render_adoption(done: Adoption, style: Style = PLAIN) -> str:
    """What is in the state now, what the file leaves out, and what stays as it is; each with its reason."""
    name = style(done.wanted.stem, "bold")
    verb = "are managed now" if done.done else "would be managed"
    lines = [f"{name}: {len(done.imported)} resources {verb}."]
    if done.written is not None:
        lines.append(f"Wrote {done.written}.")
    lines += _list("Not there, listed under `adopted.without`", done.absent, style)
    lines += _list("Differs, listed under `adopted.ignore`", done.ignored, style)
    lines += _list("Left alone", done.left, style)
    if done.pending:
        lines += ["", f"A preview still shows {len(done.pending)} changes: {', '.join(map(printable, done.pending))}."]
    elif done.done:
        lines += ["", f"Nothing is left to do: the preview of {done.wanted.stem} is empty."]
    return "\n".join(lines)


def _list(heading: str, items: Sequence[Left], style: Style) -> list[str]:
    if not items:
        return []
    return ["", style(heading, "bold"), *(f"  {printable(item.name)}: {printable(item.reason)}" for item in items)]


def dump_adoptions(done: Sequence[Adoption]) -> dict[str, Any]:
    """The document `envctl.import/v1`."""
    return {
        "format": "envctl.import/v1",
        "environments": [
            {
                "environment": each.wanted.stem,
                "name": each.wanted.name,
                "project": each.wanted.project,
                "region": each.wanted.region,
                "done": each.done,
                "file": None if each.written is None else str(each.written),
                "text": each.text,
                "imported": list(each.imported),
                "absent": _dump(each.absent),
                "ignored": _dump(each.ignored),
                "left": _dump(each.left),
                "pending": list(each.pending),
            }
            for each in done
        ],
    }


def _dump(items: Sequence[Left]) -> list[dict[str, str]]:
    return [{"name": item.name, "reason": item.reason} for item in items]
