"""An image upgrade: what the image itself moves, and what the new one says to the list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envctl.report.deps_formats import render_markdown
from envctl.report.deps_images import change_counts, image_changes_document, render_image_changes
from envctl.report.deps_text import render_result
from envctl.report.markdown import cell, code, table
from envctl.report.style import PLAIN, Style
from envctl.resolution.findings import Report
from envctl.resolution.wire import result_document

if TYPE_CHECKING:
    from envctl.resolution.comparisons import Upgrade


def render_upgrade(found: Upgrade, style: Style = PLAIN) -> str:
    """The packages that differ between the images, then the verdict of the new one."""
    return f"{render_image_changes(found.changes, style).rstrip()}\n\n{render_result(found.after, style)}"


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
        f"Verdict so far {found.before.verdict.value}, on the new image **{found.after.verdict.value}**. {counts}.",
        *(line for doubt in changes.doubts for line in ("", f"> {cell(doubt)}")),
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


def upgrade_document(found: Upgrade) -> dict[str, Any]:
    """The document `envctl.deps-upgrade/v1`; `before` and `after` are results as those of `envctl.deps/v1`."""
    changes = {key: value for key, value in image_changes_document(found.changes).items() if key != "format"}
    return {
        "format": "envctl.deps-upgrade/v1",
        "changes": changes,
        "before": result_document(found.before),
        "after": result_document(found.after),
    }
