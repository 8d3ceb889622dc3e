"""Edits of a list of requirements as values: what a changed list would be, before any file is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envctl.resolution.dependency import parse_requirement
from envctl.resolution.findings import Edit
from envctl.resolution.requirements import Requested, merge, place

if TYPE_CHECKING:
    from collections.abc import Sequence


def apply_edits(packages: Sequence[Requested], edits: Sequence[Edit]) -> list[Requested]:
    """The list after the edits; an edit that replaces a line keeps its place."""
    changed: list[Requested] = []
    removed = {edit.remove for edit in edits if edit.remove is not None}
    gone = {(edit.remove, edit.source) for edit in edits}
    added = [edit for edit in edits if edit.add is not None]
    used: set[Edit] = set()
    for one in packages:
        texts = {line.text for line in one.lines} | {one.text}
        if not texts & removed:
            changed.append(one)
            continue
        replaced = False
        for edit in added:
            if edit.remove in texts and edit.add is not None:
                used.add(edit)
                replaced = True
                changed.append(Requested(parse_requirement(edit.add)[0], one.lines))
        kept = tuple(line for line in one.lines if (line.text, place(line.span)) not in gone)
        if kept and not replaced:
            whole = merge(line.dependency for line in (*kept, *one.constraints))
            changed.append(Requested(whole, kept, one.constraints))
    changed.extend(
        Requested(parse_requirement(edit.add)[0], ()) for edit in added if edit not in used and edit.add is not None
    )
    return changed


def replacing(line: Requested, add: str | None) -> tuple[Edit, ...]:
    """Every line of the package goes; the first makes place for the new one."""
    if not line.lines:
        return (Edit(line.text, add, line.source),)
    first, *others = line.lines
    return (
        Edit(first.text, add, place(first.span)),
        *(Edit(one.text, None, place(one.span)) for one in others),
    )
