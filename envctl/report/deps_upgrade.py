"""An image upgrade: what the image itself moves, and what the new one says to the list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envctl.report.deps_formats import render_markdown
from envctl.report.deps_images import change_counts, image_changes_document, render_image_changes
from envctl.report.deps_text import render_result, verdict_word
from envctl.report.markdown import cell, code, table
from envctl.report.style import PLAIN, Style
from envctl.resolution.findings import Report
from envctl.resolution.wire import result_document

if TYPE_CHECKING:
    from envctl.resolution.comparisons import Upgrade


def render_upgrade(found: Upgrade, style: Style = PLAIN) -> str:
    """The packages that differ between the images, then the verdict of the new one."""
    ended = f"{style('note', 'cyan', 'bold')}: {_ended(found)}\n" if found.ended else ""
    return f"{render_image_changes(found.changes, style)}{ended}\n{render_result(found.after, style)}"


def render_upgrade_markdown(found: Upgrade) -> str:
    """The verdict of the new image first; the packages that differ stand in a folded table."""
    changes = found.changes
    rows = [(code(name), code(version), "removed") for name, version in changes.removed]
    rows += [(code(name), "added", code(version)) for name, version in changes.added]
    rows += [
        (code(one.name), code(one.before), code(one.after) + (" (older)" if one.down else "")) for one in changes.moved
    ]
    counts = f"Preinstalled packages: {change_counts(changes)}"
    lines = [
        f"### envctl: upgrade from {cell(changes.before)} to {cell(changes.after)}",
        "",
        f"Verdict so far {verdict_word(found.before)}, on the new image **{verdict_word(found.after)}**. {counts}.",
        *(
            line
            for text in (*changes.doubts, *([_ended(found)] if found.ended else []))
            for line in ("", f"> {cell(text)}")
        ),
        "",
        render_markdown(Report((found.after,))).rstrip(),
        "",
        "<details><summary>Preinstalled packages</summary>",
        "",
        *table(("package", cell(changes.before), cell(changes.after)), rows),
        "",
        "</details>",
        "",
    ]
    return "\n".join(lines)


def _ended(found: Upgrade) -> str:
    return f"Support for {found.changes.after} ended on {found.ended}."


def upgrade_document(found: Upgrade) -> dict[str, Any]:
    """The document `envctl.deps-upgrade/v1`; `before` and `after` are results as those of `envctl.deps/v1`."""
    changes = {key: value for key, value in image_changes_document(found.changes).items() if key != "format"}
    return {
        "format": "envctl.deps-upgrade/v1",
        "changes": changes,
        "ended": found.ended._asdict() if found.ended else None,
        "before": result_document(found.before),
        "after": result_document(found.after),
    }
