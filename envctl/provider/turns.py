"""Taking turns: the calls that change one cluster, or one environment, go one after the other.

GKE answers "Cluster is running incompatible operation", Composer FAILED_PRECONDITION, to a change while another one
runs. Within one provider the turns below prevent that, as the mutexes of the real provider do (Terraform's
`google_container_node_pool` locks its cluster); against others the refused call is sent again (`Session.insist`).
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from envctl.provider.protocol import ProviderError

_LOOK = 0.5
"""Seconds between two looks at `cancel` while somebody else has the turn."""


@dataclass(frozen=True, slots=True)
class Turns:
    """Shared by all calls of one provider; safe for threads."""

    taken: set[str] = field(default_factory=set[str])
    changed: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def take(self, key: str, cancel: threading.Event) -> Generator[None]:
        """Holds the turn on `key` while the block runs; waits until it is free.

        Raises `ProviderError` (ABORTED) when `cancel` is set before the turn came: nothing was begun then.
        """
        with self.changed:
            while key in self.taken:
                if cancel.is_set():
                    raise ProviderError(
                        f"not begun: the run was interrupted while another change of {key} went on", status="ABORTED"
                    )
                self.changed.wait(_LOOK)
            self.taken.add(key)
        try:
            yield
        finally:
            with self.changed:
                self.taken.remove(key)
                self.changed.notify_all()
