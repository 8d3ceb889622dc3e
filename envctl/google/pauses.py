"""Letting time pass between two calls: really, or on the emulator's clock."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol


class Sleeper(Protocol):
    """Lets time pass between two calls."""

    def sleep(self, seconds: float, cancel: threading.Event) -> None:
        """Returns after `seconds`, or earlier when `cancel` is set."""
        ...


@dataclass(frozen=True, slots=True)
class RealSleeper:
    """Waits by the wall clock."""

    def sleep(self, seconds: float, cancel: threading.Event) -> None:
        """Returns after `seconds`, or at once when `cancel` is set."""
        cancel.wait(seconds)


@dataclass(frozen=True, slots=True)
class NoWait:
    """Does not wait: for an emulator whose clock moves with each poll."""

    def sleep(self, seconds: float, cancel: threading.Event) -> None:
        """Returns at once."""
