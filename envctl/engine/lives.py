"""Whether whoever holds a stack still works, in words that both engines use."""

from __future__ import annotations

from enum import StrEnum

from envctl.errors import RefusedError


class Life(StrEnum):
    """What this machine can tell of the holder of a lock."""

    ALIVE = "alive"
    DEAD = "dead"
    ELSEWHERE = "elsewhere"
    """On another machine, or nobody knows where."""


_WORDS = {
    Life.ALIVE: "which still runs: stop it before anything else changes the stack",
    Life.DEAD: "which is dead",
    Life.ELSEWHERE: "which this machine cannot look at: it may still run",
}


def told(holder: object, life: Life) -> str:
    """A holder and what is known of its life."""
    return f"{holder}, {_WORDS[life]}"


def held_by_living(stack: str, holders: str) -> RefusedError:
    """The refusal to take a lock away from a process that works; `holders` names it with command and time."""
    force = f"when it hangs for good, take the lock away all the same:\n    envctl state unlock {stack} --force"
    return RefusedError(
        f"The stack {stack} is locked by a process that is alive",
        detail=holders,
        hints=("wait for its end, or stop it", force),
        code="stack-locked",
    )
