"""What `envctl images update` found, as text and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envctl.report.style import PLAIN, Style, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envctl.image_versions import ImageEnd
    from envctl.resolution.image import ImageRecord
    from envctl.resolution.images.updating import ImagesUpdate

_MOST = 5


def render_images_update(update: ImagesUpdate, style: Style = PLAIN) -> str:
    """Pages, images added with their doubts, images whose list is another, new versions, ends of support."""
    lines = [
        f"{printable(page.place)}: {'unchanged since the last time' if page.unchanged else f'sha256:{page.sha256[:12]}'}"
        for page in update.pages
    ]
    lines += [_added(one, style) for one in update.added]
    for one in update.other:
        verb = "is replaced by that of the page" if one.taken else "stays"
        lines.append(f"{style('~', 'yellow')} {one.name}: the known list ({printable(one.known)}) {verb}")
        lines += [f"    {text}" for text in _some(one.differences)]
    for one in update.contradictions:
        title = f"{one.image}: the table of differences with {one.older} does not fit the lists of the page"
        lines.append(f"{style('warning', 'yellow', 'bold')}: {title}")
        lines += [f"    the table says {text}" for text in _some(one.differences)]
    if update.new:
        lines.append(f"new image versions: {', '.join(update.new)}")
    lines += [f"support of {one.name} ends on {one.now}, not {_end(one.before)}" for one in update.ends]
    lines += [f"support of {name} has ended on {end}" for name, end in update.ended]
    if update.gone:
        lines.append(f"{len(update.gone)} images are no longer on the page; their lists stay")
    lines.append(f"{len(update.added)} added, {len(update.other)} with another list, {update.same} as they were")
    return "\n".join(lines) + "\n"


def _added(record: ImageRecord, style: Style) -> str:
    part = "" if record.complete else " (part)"
    doubt = f": {printable(record.doubt)}" if record.doubt else ""
    return f"{style('+', 'green')} {record.name}, {record.packages} packages{part}{doubt}"


def _some(texts: Sequence[str]) -> list[str]:
    rest = len(texts) - _MOST
    return [*texts[:_MOST], *([f"and {rest} more"] if rest > 0 else [])]


def _end(end: ImageEnd | None) -> str:
    return "unknown" if end is None else str(end)


def images_update_document(update: ImagesUpdate) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "format": "envctl.images-update/v1",
        "pages": [{"place": one.place, "sha256": one.sha256, "unchanged": one.unchanged} for one in update.pages],
        "added": [
            {"image": one.name, "packages": one.packages, "complete": one.complete, "doubt": one.doubt}
            for one in update.added
        ],
        "other": [
            {"image": one.name, "known": one.known, "differences": list(one.differences), "taken": one.taken}
            for one in update.other
        ],
        "contradictions": [
            {"image": one.image, "older": one.older, "differences": list(one.differences)}
            for one in update.contradictions
        ],
        "same": update.same,
        "new": list(update.new),
        "ends": [
            {"image": one.name, "before": _end_document(one.before), "now": _end_document(one.now)}
            for one in update.ends
        ],
        "ended": [{"image": name, "end": _end_document(end)} for name, end in update.ended],
        "gone": list(update.gone),
    }


def _end_document(end: ImageEnd | None) -> dict[str, Any] | None:
    return None if end is None else {"day": end.day, "computed": end.computed}
