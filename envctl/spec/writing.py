"""A document as YAML text that the loader reads back as the same values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from envctl.spec.source import parse_source
from envctl.spec.tree import KeyPath, plain

# Texts that a reader of YAML 1.2 takes for nothing else, in block and in flow style.
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+-]*(?::[A-Za-z0-9_./@+-]+)*")
_WORDS = frozenset({"true", "false", "null"})
_WIDTH = 100


def write_document(document: Mapping[str, Any], comments: Mapping[KeyPath, str] | None = None, head: str = "") -> str:
    """The text of an environment file.

    Args:
        document: plain values; the order of the keys is kept.
        comments: remarks by path, each written above its key.
        head: a remark above everything.

    Raises:
        TypeError: a value is none that a file can hold.
    """
    lines = [f"# {line}".rstrip() for line in head.splitlines()]
    lines += _mapping(document, comments or {}, (), 0)
    return "\n".join(lines) + "\n"


def with_key(text: str, key: str, value: str) -> str:
    """The text of a file with one more key at its top, or with another value of a key that is there.

    Comments and everything else stay as they are.

    Raises:
        ValueError: the text is none of which one line can be changed (one block in braces, an anchor, no key at all).
    """
    before = parse_source(text, Path("file")).tree
    if before is None or not before.entries:
        raise ValueError("there is no key")
    lines = text.splitlines(keepends=True)
    written = scalar(value)
    entry = before.entries.get(key)
    if entry is None:
        first = min(entry.key_span.line for entry in before.entries.values())
        lines.insert(first - 1, f"{key}: {written}\n")
    else:
        span = entry.node.span
        line = lines[span.line - 1]
        lines[span.line - 1] = line[: span.column - 1] + written + line[(span.end_column or len(line)) - 1 :]
    changed = "".join(lines)
    after = parse_source(changed, Path("file")).tree
    if after is None or plain(after) != {**cast("dict[str, object]", plain(before)), key: value}:
        raise ValueError("its form does not allow it")
    return changed


def _mapping(values: Mapping[str, Any], comments: Mapping[KeyPath, str], path: KeyPath, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for key, value in values.items():
        here = (*path, key)
        for line in comments.get(here, "").splitlines():
            yield f"{indent}# {line}"
        start = f"{indent}{scalar(key)}:"
        short = _flow(value)
        fits = depth and len(start) + len(short) < _WIDTH and here not in comments
        if not isinstance(value, Mapping | list) or not value or (fits and _leaf_only(value)):
            yield f"{start} {short}"
        elif isinstance(value, Mapping):
            yield start
            yield from _mapping(value, comments, here, depth + 1)
        else:
            yield start
            yield from (f"{indent}  - {_flow(item)}" for item in value)


def _leaf_only(value: Mapping[str, Any] | Sequence[Any]) -> bool:
    items = value.values() if isinstance(value, Mapping) else value
    return not any(isinstance(item, Mapping | list) for item in items)


def _flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return scalar(value)


def scalar(value: Any) -> str:
    """A single value as YAML 1.2 writes it; texts that look like something else are quoted, `${` is doubled."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return json.dumps(value)
        case str():
            text = value.replace("${", "$${")
            if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
                return text
            return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\x7f").replace("\x85", "\\x85")
        case _:
            raise TypeError(f"{type(value).__name__} cannot stand in an environment file")
