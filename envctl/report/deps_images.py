"""Images of the catalogue as text and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envctl.image_versions import end_of
from envctl.report.style import PLAIN, Style, printable
from envctl.resolution.image import Basis
from envctl.resolution.image_files import record_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envctl.resolution.catalogue import ImageChoice
    from envctl.resolution.image import ImageRecord
    from envctl.resolution.image_changes import ImageChanges


def render_images(records: Sequence[ImageRecord], style: Style = PLAIN) -> str:
    """A line per image: name, Python, pip, algorithm, packages, how well they are known, end of support; pairs below."""
    width = max((len(one.name) for one in records), default=5)
    lines = [style(f"{'image'.ljust(width)}  python   pip     resolver  packages      supported until", "bold")]
    for one in records:
        count = f"{one.packages}{'' if one.complete else ' (part)'}"
        count = f"{one.packages} (likely)" if one.basis is Basis.RECONSTRUCTED else count
        row = f"{one.name.ljust(width)}  {one.python:<7}  {one.pip:<6}  {one.resolver.value:<8}  {count:<12}  {_until(one.name)}"
        lines.append(row.rstrip())
        lines += [f"  = {pair}, {_until(pair)}" if _until(pair) else f"  = {pair}" for pair in one.pairs]
    return "\n".join(lines) + "\n"


def _until(name: str) -> str:
    end = end_of(name)
    return str(end) if end is not None else ""


def render_image(choice: ImageChoice, style: Style = PLAIN) -> str:
    """The facts of an image and its packages, one per line as `pip freeze` prints them."""
    image = choice.image
    if image is None:
        return f"{printable(choice.note)}\n"
    record = image.record
    python = f"Python {record.python}{'' if record.python_stated else ' (inferred)'}"
    pip = f"pip {record.pip}{'' if record.pip_stated else ' (inferred)'}"
    lines = [
        style(choice.name, "bold"),
        f"  basis {choice.basis.value if choice.basis else '-'}, {len(image.packages)} packages",
        f"  {python}, {pip}, {record.resolver.value} resolver",
        f"  source {printable(record.source)}, {record.date or 'no date'}",
    ]
    if (end := end_of(choice.name)) is not None:
        lines.append(f"  supported until {end}")
    if choice.note:
        lines.append(f"  {printable(choice.note)}")
    lines += [f"  not satisfied by the image itself: {one}" for one in image.left_out]
    lines.append("")
    lines += [f"{one.spelling}=={one.version}" for one in image.packages.values()]
    return "\n".join(lines) + "\n"


def render_image_changes(changes: ImageChanges, style: Style = PLAIN) -> str:
    """Removed, added, moved packages; versions that fall are marked."""
    lines = [style(f"{changes.before} -> {changes.after}", "bold")]
    lines += [f"{style('-', 'red')} {name} {version}" for name, version in changes.removed]
    lines += [f"{style('+', 'green')} {name} {version}" for name, version in changes.added]
    lines += [
        f"{style('~', 'yellow')} {one.name} {one.before} -> {one.after}{' (older)' if one.down else ''}"
        for one in changes.moved
    ]
    lines += [change_counts(changes), *(f"{style('note', 'cyan', 'bold')}: {printable(one)}" for one in changes.doubts)]
    return "\n".join(lines) + "\n"


def change_counts(changes: ImageChanges) -> str:
    """How many packages were added, removed, moved, are the same, and of how many nobody knows."""
    known = (
        f"{len(changes.added)} added, {len(changes.removed)} removed, {len(changes.moved)} moved, {changes.same} same"
    )
    return f"{known}, {changes.unknown} unknown: one image is known in part" if changes.unknown else known


def images_document(records: Sequence[ImageRecord]) -> dict[str, Any]:
    """The catalogue as JSON."""
    rows = [{**record_document(one), "resolver": one.resolver.value, **_support(one.name)} for one in records]
    return {"format": "envctl.images/v1", "images": rows}


def _support(name: str) -> dict[str, Any]:
    end = end_of(name)
    return {"support_end": end.day if end else None, "support_end_computed": end.computed if end else None}


def image_document(choice: ImageChoice) -> dict[str, Any]:
    """One image as JSON."""
    image = choice.image
    return {
        "format": "envctl.image-packages/v1",
        "image": choice.name,
        "basis": choice.basis.value if choice.basis else None,
        "note": choice.note,
        "list": record_document(image.record) if image else None,
        **_support(choice.name),
        "packages": {name: one.version for name, one in image.packages.items()} if image else {},
    }


def image_changes_document(changes: ImageChanges) -> dict[str, Any]:
    """A difference as JSON."""
    return {
        "format": "envctl.image-changes/v1",
        "before": changes.before,
        "after": changes.after,
        "added": dict(changes.added),
        "removed": dict(changes.removed),
        "moved": [{"name": one.name, "from": one.before, "to": one.after, "older": one.down} for one in changes.moved],
        "same": changes.same,
        "unknown": changes.unknown,
        "doubts": list(changes.doubts),
    }
