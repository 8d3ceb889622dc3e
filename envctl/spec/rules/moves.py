"""Keys that were other ones: `moved: {from: KEY}`."""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Hint
from envctl.spec.moved import keyed_entries, movable, moves
from envctl.spec.rules.subject import Subject, Violation
from envctl.spec.tree import KeyPath, show


def check_moves(subject: Subject) -> Iterator[Violation]:
    """Each moved entry has a key of its own to come from, and a name that outlives the line."""
    blocks = dict(keyed_entries(subject.spec))
    came: dict[KeyPath, str] = {}
    for path, earlier in moves(subject.spec).items():
        block, key = path[:-1], str(path[-1])
        place = (*path, "moved", "from")
        entries = blocks[block]
        if not (movable(block, key) and movable(block, earlier)):
            detail = "`environment` is the bucket that Composer works on, fixed at creation: it cannot be moved."
            yield Violation("moved-reserved", place, detail)
        elif earlier == key:
            yield Violation("moved-from-there", place, f"`{show(path)}` cannot come from itself.")
        elif earlier in entries:
            there = show((*block, earlier))
            onward = entries[earlier].moved
            if onward is None:
                hint = f"remove `{there}`, or the line"
            elif onward.from_ == key:
                hint = "a swap goes by a third key, each move with an `up` of its own"
            else:
                hint = f"one at a time: `{show(path)}` with an `up` of its own, then what is to be called `{earlier}`"
            yield Violation("moved-from-there", place, f"`{there}` is still in the file.", (Hint(hint),))
        elif (other := came.setdefault((*block, earlier), key)) != key:
            detail = f"`{show((*block, other))}` comes from `{earlier}` already."
            yield Violation("moved-from-there", place, detail)
        elif not subject.written(*path, "name"):
            name = entries[key].name
            detail = f"It keeps the name `{name}` of its old key, as long as this line stands."
            yield Violation("moved-name", place, detail, (Hint(f"write `name: {name}` beside it"),))
