"""How a file and the base it extends become one tree.

Mappings merge key by key at every depth, anything else replaces, and `null` removes what the base says.
"""

from __future__ import annotations

from dataclasses import replace

from envctl.spec.tree import Entries, Entry, Leaf, Node


def merge(base: Node, over: Node) -> Node:
    """`over` laid on `base`; keys of the base come first, each value keeps its own place.

    A `null` of `over` stays in the result as a mark, so that a chain of files merges step by step;
    `without_nulls` takes the marks out at the end.
    """
    if not (isinstance(base, Entries) and isinstance(over, Entries)):
        return over
    merged: dict[str, Entry] = dict(base.entries)
    for key, entry in over.entries.items():
        below = merged.get(key)
        merged[key] = replace(entry, node=merge(below.node, entry.node)) if below else entry
    return Entries(merged, over.span)


def without_nulls(node: Node) -> Node:
    """The tree without the keys whose value is `null`. Nulls inside lists stay: there they remove nothing."""
    if not isinstance(node, Entries):
        return node
    kept = {
        key: replace(entry, node=without_nulls(entry.node))
        for key, entry in node.entries.items()
        if not (isinstance(entry.node, Leaf) and entry.node.value is None)
    }
    return replace(node, entries=kept)
