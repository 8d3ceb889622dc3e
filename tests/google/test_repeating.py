"""What is sent again, how often, and what a create does when nobody knows what it did."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from envctl.google.repeating import CallKind, Found, Repeating, kind_of
from envctl.google.transport import Answer, NoAnswerError

LOST = NoAnswerError("cut off", sent=True)
NEVER_SENT = NoAnswerError("no route", sent=False)


@dataclass
class Cloud:
    """Answers from a list, the last for ever."""

    script: list[Answer | NoAnswerError]
    sent: list[tuple[str, str]] = field(default_factory=list)

    def call(self, method: str, service: str, path: str, query: Any = None, body: Any = None) -> Answer:
        self.sent.append((method, path))
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, NoAnswerError):
            raise step
        return step


@dataclass
class Clock:
    slept: list[float] = field(default_factory=list)
    then: Callable[[], None] = lambda: None

    def sleep(self, seconds: float, cancel: threading.Event) -> None:
        self.slept.append(seconds)
        self.then()


def failed(status: int, **headers: str) -> Answer:
    return Answer(status, {"error": {"message": "m"}}, headers={k.replace("_", "-"): v for k, v in headers.items()})


OK = Answer(200, {"name": "made"})


def repeating(cloud: Cloud, clock: Clock | None = None, jitter: float = 1.0) -> Repeating:
    return Repeating(cloud, clock or Clock(), threading.Event(), lambda: jitter)


@pytest.mark.parametrize(
    ("method", "path", "query", "kind"),
    [
        ("GET", "projects/p", None, CallKind.READ),
        ("POST", "projects/p:getIamPolicy", None, CallKind.READ),
        ("POST", "projects/p/global/networks/n/testIamPermissions", None, CallKind.READ),
        ("PATCH", "environments/e", None, CallKind.WRITE),
        ("PUT", "b/x/iam", None, CallKind.WRITE),
        ("DELETE", "environments/e", None, CallKind.WRITE),
        ("POST", "projects/p/services/s:enable", None, CallKind.WRITE),
        ("POST", "projects/p:setIamPolicy", None, CallKind.WRITE),
        ("POST", "projects/p/global/networks", {"requestId": "1"}, CallKind.WRITE),
        ("POST", "projects/p/global/networks", None, CallKind.CREATE),
        ("POST", "projects/p/secrets/s:addVersion", None, CallKind.CREATE),
        ("POST", "e:executeAirflowCommand", None, CallKind.WRITE),
        ("POST", "b/x/o", {"uploadType": "media"}, CallKind.WRITE),
        ("POST", "b/x/o", {"uploadType": "media", "ifGenerationMatch": "0"}, CallKind.CREATE),
    ],
)
def test_the_kind_of_a_call(method: str, path: str, query: Any, kind: CallKind) -> None:
    assert kind_of(method, path, query) is kind


@pytest.mark.parametrize("hiccup", [*map(failed, (429, 500, 502, 503, 504)), LOST])
@pytest.mark.parametrize(("method", "path"), [("GET", "x"), ("DELETE", "x"), ("PATCH", "x"), ("POST", "x:enable")])
def test_reads_and_repeatable_writes_outlive_hiccups(hiccup: Any, method: str, path: str) -> None:
    cloud = Cloud([hiccup, hiccup, OK])
    assert repeating(cloud).call(method, "kms/v1", path) is OK
    assert len(cloud.sent) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 501])
def test_refusals_that_say_something_come_at_once(status: int) -> None:
    cloud = Cloud([failed(status), OK])
    assert repeating(cloud).call("GET", "kms/v1", "x").status == status


def test_what_was_never_sent_is_an_error_at_once() -> None:
    cloud = Cloud([NEVER_SENT, OK])
    with pytest.raises(NoAnswerError):
        repeating(cloud).call("GET", "kms/v1", "x")


@pytest.mark.parametrize(("hiccup", "times"), [(failed(429), 2), (failed(503), 1), (failed(500), 1)])
def test_a_create_that_nobody_looks_after_is_repeated_only_when_it_was_turned_away(hiccup: Answer, times: int) -> None:
    cloud = Cloud([hiccup, OK])
    repeating(cloud).call("POST", "kms/v1", "things")
    assert len(cloud.sent) == times


def test_a_lost_create_that_nobody_looks_after_is_an_error() -> None:
    cloud = Cloud([LOST, OK])
    with pytest.raises(NoAnswerError):
        repeating(cloud).call("POST", "kms/v1", "things")
    assert len(cloud.sent) == 1


def test_pauses_grow_and_have_jitter_and_a_bound() -> None:
    longest, shortest = Clock(), Clock()
    assert repeating(Cloud([failed(503)]), longest, 1.0).call("GET", "kms/v1", "x").status == 503
    assert longest.slept == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    repeating(Cloud([failed(503)]), shortest, 0.0).call("GET", "kms/v1", "x")
    assert shortest.slept[:3] == [0.5, 1.0, 2.0]
    assert 60 < sum(shortest.slept) <= 90


def test_the_api_may_ask_for_a_longer_pause_but_not_for_one_beyond_the_bound() -> None:
    clock = Clock()
    assert repeating(Cloud([failed(429, retry_after="40"), OK]), clock).call("GET", "kms/v1", "x") is OK
    assert clock.slept == [40.0]
    late = Clock()
    assert repeating(Cloud([failed(429, retry_after="600"), OK]), late).call("GET", "kms/v1", "x").status == 429
    assert late.slept == []


def test_an_interrupt_ends_the_repetition() -> None:
    cancel = threading.Event()
    cloud = Cloud([failed(503)])
    assert Repeating(cloud, Clock(then=cancel.set), cancel).call("GET", "kms/v1", "x").status == 503
    assert len(cloud.sent) == 1


def test_two_are_never_on_top_of_each_other() -> None:
    cloud = Cloud([OK])
    inner = Repeating(cloud)
    assert Repeating.over(inner, Clock(), threading.Event()).transport is cloud
    assert Repeating.of(inner) is inner


def create(cloud: Cloud, *seen: str | None, clock: Clock | None = None) -> tuple[Answer | Found[str], int]:
    looks: list[str | None] = []

    def look() -> str | None:
        looks.append(seen[min(len(looks), len(seen) - 1)])
        return looks[-1]

    return repeating(cloud, clock).create("kms/v1", "things", None, {}, look), len(looks)


@pytest.mark.parametrize("hiccup", [*map(failed, (500, 502, 503, 504)), LOST])
def test_a_create_is_repeated_only_after_a_look(hiccup: Any) -> None:
    cloud = Cloud([hiccup, OK])
    assert create(cloud, None) == (OK, 1)
    assert len(cloud.sent) == 2
    cloud = Cloud([hiccup, OK])
    assert create(cloud, "made") == (Found("made"), 1)
    assert len(cloud.sent) == 1


def test_a_create_that_was_turned_away_needs_no_look() -> None:
    assert create(Cloud([failed(429), OK]), "somebody else's") == (OK, 0)


def test_what_exists_after_an_own_try_is_ours() -> None:
    cloud = Cloud([LOST, failed(409)])
    assert create(cloud, None, "made") == (Found("made"), 2)


def test_what_exists_before_any_own_try_is_somebody_elses() -> None:
    answer, looks = create(Cloud([failed(409)]), "made")
    assert isinstance(answer, Answer)
    assert (answer.status, looks) == (409, 0)
    answer, looks = create(Cloud([failed(429), failed(409)]), "made")
    assert isinstance(answer, Answer)
    assert (answer.status, looks) == (409, 0)


def test_a_create_looks_once_more_before_it_gives_up() -> None:
    clock = Clock()
    cloud = Cloud([LOST])
    with pytest.raises(NoAnswerError):
        create(cloud, None, clock=clock)
    assert len(cloud.sent) == len(clock.slept) + 1
    assert create(Cloud([LOST]), *[None] * len(clock.slept), "made")[0] == Found("made")
