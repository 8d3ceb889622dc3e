"""A resolved environment on screen, as Markdown and as data (`envctl.spec/v1`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from envctl.report.markdown import cell, code, table
from envctl.report.style import PLAIN, Style, printable
from envctl.spec.loader import Loaded
from envctl.spec.origins import OriginKind, Row
from envctl.spec.tree import show

FORMAT = "envctl.spec/v1"
_WIDEST = 60


def render_spec(loaded: Loaded, rows: Sequence[Row], style: Style = PLAIN) -> str:
    """The values as YAML reads, with the origin of each at the side."""
    lines: list[tuple[str, str]] = []
    above: tuple[str | int, ...] = ()
    for row in rows:
        lines += _headings(above, row.path)
        lines.append((_leaf(row), row.source))
        above = row.path
    width = min(max((len(text) for text, source in lines if source), default=0), _WIDEST)
    head = f"{style(loaded.name, 'bold')}  {loaded.spec.kind}"
    body = [
        f"{printable(text):<{width}}  {style(source, 'dim')}" if source else style(printable(text), "bold")
        for text, source in lines
    ]
    return "\n".join([head, "", *body]) + "\n"


def _headings(above: tuple[str | int, ...], path: tuple[str | int, ...]) -> list[tuple[str, str]]:
    """The keys that open since the row above."""
    shared = 0
    while shared < min(len(above), len(path)) - 1 and above[shared] == path[shared]:
        shared += 1
    return [(f"{'  ' * depth}{_key(path[depth])}", "") for depth in range(shared, len(path) - 1)]


def _leaf(row: Row) -> str:
    last = row.path[-1]
    value = row.value if isinstance(row.value, str) and _plain(row.value) else json.dumps(row.value, ensure_ascii=False)
    label = "-" if isinstance(last, int) else f"{last}:"
    return f"{'  ' * (len(row.path) - 1)}{label} {value}"


def _key(segment: str | int) -> str:
    return "-" if isinstance(segment, int) else f"{segment}:"


def _plain(value: str) -> bool:
    """Whether the text reads as text without quotes."""
    return (
        bool(value)
        and value.isprintable()
        and value == value.strip()
        and not value.replace(".", "", 1).isdigit()
        and value
        not in {
            "true",
            "false",
            "null",
        }
    )


def render_spec_markdown(loaded: Loaded, rows: Sequence[Row]) -> str:
    """A table of every value with its origin."""
    cells = [(code(show(row.path)), code(json.dumps(row.value, ensure_ascii=False)), cell(row.source)) for row in rows]
    head = f"### envctl show: {cell(loaded.name)} ({cell(loaded.spec.kind)})"
    return "\n".join([head, "", *table(("field", "value", "origin"), cells), ""])


def dump_spec(loaded: Loaded, rows: Sequence[Row]) -> dict[str, Any]:
    """The document of `envctl show ENV --format json`."""
    return {
        "format": FORMAT,
        "name": loaded.name,
        "kind": loaded.spec.kind,
        "foundation": loaded.foundation.name if loaded.foundation else None,
        "values": [_dump_row(row) for row in rows],
        "spec": loaded.spec.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def _dump_row(row: Row) -> dict[str, Any]:
    origin: dict[str, Any] = {"kind": row.kind.value}
    if row.kind is OriginKind.FILE and row.span is not None:
        origin |= {"file": row.span.file.as_posix(), "line": row.span.line, "column": row.span.column}
    elif row.kind is OriginKind.PROFILE:
        origin["profile"] = row.source.removeprefix("profile ")
    return {"path": list(row.path), "value": row.value, "origin": origin}
