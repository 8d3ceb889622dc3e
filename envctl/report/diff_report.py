"""Two environments side by side: text, Markdown, and a document."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from envctl.report.markdown import cell, code
from envctl.report.style import PLAIN, Style, printable

if TYPE_CHECKING:
    from envctl.actions.diff import Comparison, Difference, Side

_HEADINGS = ("In the files", "In the cloud")


def render_comparison(found: Comparison, style: Style = PLAIN) -> str:
    """One block per difference: the path, then both values with their places."""
    width = max(len(found.a), len(found.b))
    blocks: list[str] = []
    for heading, differences in _parts(found):
        lines = [style(heading, "bold") if differences else f"{style(heading, 'bold')}: no difference"]
        for each in differences:
            lines.append(f"  {printable(each.path)}")
            lines += [_line(name, side, width, style) for name, side in ((found.a, each.a), (found.b, each.b))]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def render_comparison_markdown(found: Comparison) -> str:
    """Tables for a pull request or a page."""
    blocks: list[str] = [f"# {cell(found.a)} and {cell(found.b)}"]
    for heading, differences in _parts(found):
        if not differences:
            blocks.append(f"## {heading}\n\nNo difference.")
            continue
        rows = [f"| {code(each.path)} | {_both(each.a)} | {_both(each.b)} |" for each in differences]
        blocks.append(
            "\n".join([f"## {heading}", "", f"| | {cell(found.a)} | {cell(found.b)} |", "|---|---|---|", *rows])
        )
    return "\n\n".join(blocks) + "\n"


def dump_comparison(found: Comparison) -> dict[str, Any]:
    """The document `envctl.diff/v1`; `live` is null when the cloud was not asked."""
    return {
        "format": "envctl.diff/v1",
        "a": found.a,
        "b": found.b,
        "files": [_dump(each) for each in found.files],
        "live": None if found.live is None else [_dump(each) for each in found.live],
    }


def _parts(found: Comparison) -> list[tuple[str, Sequence[Difference]]]:
    parts: list[tuple[str, Sequence[Difference]]] = [(_HEADINGS[0], found.files)]
    if found.live is not None:
        parts.append((_HEADINGS[1], found.live))
    return parts


def _line(name: str, side: Side, width: int, style: Style) -> str:
    place = f"  {style(printable(side.source), 'dim')}" if side.source else ""
    return f"    {name:{width}}  {printable(_value(side))}{place}"


def _value(side: Side) -> str:
    return "(nothing)" if side.source is None else json.dumps(side.value, ensure_ascii=False)


def _both(side: Side) -> str:
    return "" if side.source is None else f"{code(_value(side))} ({cell(side.source)})"


def _dump(each: Difference) -> dict[str, Any]:
    sides = (("a", each.a), ("b", each.b))
    return {
        "path": each.path,
        **{name: None if side.source is None else {"value": side.value, "source": side.source} for name, side in sides},
    }
