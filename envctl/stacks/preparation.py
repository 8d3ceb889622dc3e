"""What an apply does between two resources of a program, where no resource type of the provider does it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preparation:
    """Something to do once, after the resources `after` are done and before those of `before` begin; logical names.

    `act` runs in a worker thread and gives the warnings to show; what it raises fails the resources that wait.
    """

    after: tuple[str, ...]
    before: frozenset[str]
    act: Callable[[], Iterable[str]]
