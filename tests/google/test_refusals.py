"""One reading of every envelope that Google's APIs refuse in."""

from __future__ import annotations

from typing import Any

import pytest

from envctl.google.refusals import read_refusal, rpc_refusal
from envctl.google.transport import Answer, NoAnswerError, google_answer


def refusal_of(status: int, body: Any, headers: dict[str, str] | None = None) -> Any:
    found = read_refusal(Answer(status, body, headers=headers or {}))
    assert found is not None
    return found


@pytest.mark.parametrize("status", [200, 204, 299])
def test_a_success_is_no_refusal(status: int) -> None:
    assert read_refusal(Answer(status, {"error": "a field of that name"})) is None


def test_googles_front_end_names_status_and_reason() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED"}
    detail = {**info, "metadata": {"service": "composer.googleapis.com"}}
    found = refusal_of(403, {"error": {"message": "off", "status": "PERMISSION_DENIED", "details": [detail]}})
    assert (found.status, found.reason, found.message) == ("PERMISSION_DENIED", "SERVICE_DISABLED", "off")
    assert found.api_off == "composer.googleapis.com"
    assert not found.passing


def test_storage_and_compute_name_the_api_in_a_link() -> None:
    link = "Enable it by visiting https://console.developers.google.com/apis/api/compute.googleapis.com/overview"
    item = {"reason": "accessNotConfigured", "message": f"Compute Engine API has not been used. {link}"}
    found = refusal_of(403, {"error": {"code": 403, "message": "no", "errors": [item]}})
    assert (found.status, found.api_off) == ("PERMISSION_DENIED", "compute.googleapis.com")


def test_a_refusal_that_names_no_api_still_says_that_one_is_off() -> None:
    found = refusal_of(403, {"error": {"message": "no", "details": [{"reason": "SERVICE_DISABLED"}]}})
    assert found.api_off == "asked"


@pytest.mark.parametrize("body", [None, "<html>", {}, {"error": "text"}, [], {"error": {}}])
def test_what_is_not_googles_is_a_refusal_too(body: Any) -> None:
    found = refusal_of(502, body)
    assert (found.status, found.reason, found.api_off, found.passing) == ("HTTP 502", "", None, True)
    assert found.message


@pytest.mark.parametrize(
    ("headers", "details", "seconds"),
    [
        ({"Retry-After": "7"}, [], 7.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, [], 0.0),
        ({"retry-after": "soon"}, [], None),
        ({}, [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3.5s"}], 3.5),
        ({}, [], None),
    ],
)
def test_the_wish_to_be_left_alone_is_read(headers: dict[str, str], details: list[Any], seconds: float | None) -> None:
    assert refusal_of(429, {"error": {"message": "slow", "details": details}}, headers).retry_after == seconds


@pytest.mark.parametrize(
    ("status", "reason", "untouched", "unsure"),
    [
        (429, "", True, False),
        (403, "rateLimitExceeded", True, False),
        (403, "forbidden", False, False),
        (500, "", False, True),
        (501, "", False, False),
        (502, "", False, True),
        (503, "", False, True),
        (504, "", False, True),
        (409, "", False, False),
    ],
)
def test_what_may_be_sent_again(status: int, reason: str, *, untouched: bool, unsure: bool) -> None:
    found = refusal_of(status, {"error": {"message": "x", "errors": [{"reason": reason}] if reason else []}})
    assert (found.untouched, found.unsure, found.passing) == (untouched, unsure, untouched or unsure)


def test_failed_operations_are_read_in_both_forms() -> None:
    assert rpc_refusal({"code": 9, "message": "no quota"}) == ("FAILED_PRECONDITION", "no quota")
    listed = {"errors": [{"code": "IN_USE", "message": "a"}, {"code": "X", "message": "b"}]}
    assert rpc_refusal(listed) == ("IN_USE", "a; b")


def test_a_page_is_no_success_and_media_may_be_texts() -> None:
    page = Answer(200, "<html>", b"<html>", {"Content-Type": "text/html"})
    with pytest.raises(NoAnswerError, match="no answer of an API") as caught:
        google_answer(page, "GET x", None)
    assert caught.value.sent
    assert "text/html" in caught.value.detail
    assert google_answer(page, "GET x", {"alt": "media"}) is page
