"""The tree of an environment file: plain values, each with the place it was written.

Nodes are immutable; merging and interpolation build new trees that keep the spans of what they took over,
so a value can name its line after any number of steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from envctl.diagnostics import SourceSpan

KeyPath = tuple[str | int, ...]
"""The way from the root of a file to a value: keys as written (camelCase) and 0-based indexes."""

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Leaf:
    """A single value."""

    value: Scalar
    span: SourceSpan


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Node, ...]
    span: SourceSpan


@dataclass(frozen=True, slots=True)
class Entry:
    """A key's place and its value."""

    key_span: SourceSpan
    node: Node


@dataclass(frozen=True, slots=True)
class Entries:
    """A mapping, in the order of the file."""

    entries: Mapping[str, Entry]
    span: SourceSpan

    def get(self, key: str) -> Node | None:
        """The value under `key`, or None when the key is absent."""
        entry = self.entries.get(key)
        return entry.node if entry else None


Node = Leaf | Items | Entries


def plain(node: Node) -> object:
    """The tree as dicts, lists and scalars."""
    if isinstance(node, Leaf):
        return node.value
    if isinstance(node, Items):
        return [plain(item) for item in node.items]
    return {key: plain(entry.node) for key, entry in node.entries.items()}


def text_entries(values: Mapping[str, str]) -> Entries:
    """A mapping of texts that no file holds."""
    nowhere = SourceSpan(Path("-"), 1)
    return Entries({key: Entry(nowhere, Leaf(value, nowhere)) for key, value in values.items()}, nowhere)


def child(node: Node | None, segment: str | int) -> Node | None:
    """The value one step below, or None when there is no such step."""
    if isinstance(node, Entries):
        return node.get(str(segment))
    if isinstance(node, Items) and isinstance(segment, int) and 0 <= segment < len(node.items):
        return node.items[segment]
    return None


def at(node: Node | None, path: KeyPath) -> Node | None:
    """The value at `path`, or None."""
    for segment in path:
        node = child(node, segment)
    return node


def value_at(node: Node | None, *path: str | int) -> Scalar:
    """The scalar at `path`; None when absent or not a scalar."""
    found = at(node, path)
    return found.value if isinstance(found, Leaf) else None


def text_at(node: Node | None, *path: str | int) -> str | None:
    """The text at `path`; None when absent or not text."""
    value = value_at(node, *path)
    return value if isinstance(value, str) else None


def nearest_span(root: Node, path: KeyPath) -> SourceSpan:
    """Where `path` was written, or the closest of its parents that was."""
    span, node = root.span, root
    for segment in path:
        below = child(node, segment)
        if below is None:
            break
        span, node = below.span, below
    return span


def key_span(root: Node, path: KeyPath) -> SourceSpan:
    """Where the last key of `path` was written; for list items and absent keys the nearest place."""
    parent = at(root, path[:-1])
    if path and isinstance(parent, Entries) and (entry := parent.entries.get(str(path[-1]))):
        return entry.key_span
    return nearest_span(root, path)


def spans(node: Node, path: KeyPath = ()) -> Iterator[tuple[KeyPath, SourceSpan]]:
    """Every path of the tree with its place, parents before children."""
    yield path, node.span
    if isinstance(node, Items):
        for index, item in enumerate(node.items):
            yield from spans(item, (*path, index))
    elif isinstance(node, Entries):
        for key, entry in node.entries.items():
            yield from spans(entry.node, (*path, key))


def without(root: Node, path: KeyPath) -> Node:
    """The tree without the value at `path`; list items keep no hole."""
    head, rest = path[0], path[1:]
    if isinstance(root, Entries) and (entry := root.entries.get(str(head))):
        kept = {key: value for key, value in root.entries.items() if key != head}
        if rest:
            kept = dict(root.entries) | {str(head): replace(entry, node=without(entry.node, rest))}
        return replace(root, entries=kept)
    if isinstance(root, Items) and isinstance(head, int) and 0 <= head < len(root.items):
        middle = (without(root.items[head], rest),) if rest else ()
        return replace(root, items=(*root.items[:head], *middle, *root.items[head + 1 :]))
    return root


def show(path: KeyPath) -> str:
    """A path as people write it: `buckets.staging.lifecycle[0]`."""
    text = ""
    for segment in path:
        text += f"[{segment}]" if isinstance(segment, int) else f".{segment}" if text else segment
    return text
