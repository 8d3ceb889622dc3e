"""Waiting for operations by name, through everything that may happen to a poll."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from test_repeating import LOST, Clock, Cloud, failed, repeating

from envctl.google.operations import (
    LeftRunning,
    OperationFailed,
    OperationStyle,
    OutOfSight,
    Polling,
    TooLong,
    Waiter,
)
from envctl.google.transport import Answer

RUNNING = Answer(200, {"name": "operations/o", "metadata": {"state": "RUNNING"}})
DONE = Answer(200, {"name": "operations/o", "done": True, "response": {"x": 1}})
GONE, DENIED = failed(404), failed(403)


def wait(*script: Any, noted: list[Any] | None = None, cancel: threading.Event | None = None, **pace: float) -> Any:
    cloud, stop = Cloud(list(script)), cancel or threading.Event()
    notes: list[Any] = [] if noted is None else noted

    def note(name: str, state: str, elapsed: float) -> None:
        notes.append((name, state, len(cloud.sent)))

    waiter = Waiter(repeating(cloud), Clock(), note, stop)
    return waiter.wait(OperationStyle.GOOGLE, "composer/v1beta1", {"name": "operations/o"}, pace=Polling(**pace))


def test_the_name_is_noted_before_the_first_poll() -> None:
    noted: list[Any] = []
    assert wait(RUNNING, DONE, noted=noted)["response"] == {"x": 1}
    assert noted[0] == ("operations/o", "RUNNING", 0)
    assert noted[-1][1] == "DONE"


@pytest.mark.parametrize("hiccup", [*map(failed, (429, 500, 502, 503, 504)), LOST])
def test_polls_that_fail_do_not_end_the_wait(hiccup: Any) -> None:
    assert wait(*[hiccup] * 40, DONE)["response"] == {"x": 1}


def test_a_new_operation_may_not_be_visible_at_once() -> None:
    assert wait(GONE, GONE, GONE, DONE)["response"] == {"x": 1}


@pytest.mark.parametrize("lost", [GONE, DENIED, failed(503), LOST])
def test_what_cannot_be_followed_has_no_known_end(lost: Any) -> None:
    with pytest.raises(OutOfSight, match="operations/o cannot be followed") as caught:
        wait(RUNNING, lost)
    assert caught.value.operation == "operations/o"
    assert caught.value.why


def test_a_failed_operation_tells_why() -> None:
    noted: list[Any] = []
    ended = Answer(200, {"name": "operations/o", "done": True, "error": {"code": 9, "message": "no quota"}})
    with pytest.raises(OperationFailed, match="no quota") as caught:
        wait(ended, noted=noted)
    assert caught.value.status == "FAILED_PRECONDITION"
    assert noted[-1][1] == "FAILED"


def test_an_interrupt_leaves_it_running() -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(LeftRunning):
        wait(RUNNING, cancel=cancel)


def test_a_wait_has_a_bound() -> None:
    with pytest.raises(TooLong, match="did not end within 1 minutes"):
        wait(RUNNING, give_up=60)
