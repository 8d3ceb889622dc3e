"""What becomes of operations that a killed run left open, without the CLI."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from envctl.engine.pulumi_cli.pending import pending_of, settle_pending, without_pending
from envctl.errors import DetachedError, RefusedError
from envctl.provider.protocol import WAIT_GIVEN_UP, CallContext, Live, OperationDetached, ProviderError

TYPE = "gcp:secretmanager/secretVersion:SecretVersion"
URN = f"urn:pulumi:dev::acme::{TYPE}::crm"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": '"hunter2"'}
NOW = datetime(2026, 11, 20, tzinfo=UTC)


class Cloud:
    """Answers with what it was given, and remembers which inputs it was asked for."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[Any] = []

    def _say(self) -> Live | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def locate(self, urn: str, type_: str, inputs: Any, context: CallContext) -> Live | None:
        self.asked.append(inputs)
        return self._say()

    def read(self, urn: str, type_: str, id_: str, inputs: Any, outputs: Any, context: CallContext) -> Live | None:
        self.asked.append(id_)
        return self._say()

    def sensitive_outputs(self, type_: str) -> frozenset[str]:
        return frozenset({"secretData"})

    check = diff = create = update = delete = locate


def row(**given: Any) -> dict[str, Any]:
    return {"urn": URN, "type": TYPE, "custom": True, "inputs": {"secretData": SECRET}, **given}


def settle(answer: Any, kind: str, rows: list[dict[str, Any]], pending: dict[str, Any] | None = None) -> Any:
    cloud = Cloud(answer)
    deployment = {"resources": rows, "pending_operations": [{"type": kind, "resource": pending or row()}]}
    context = CallContext(lambda _o, _s, _e: None, threading.Event())
    settled = settle_pending(deployment, cloud, context, NOW)  # type: ignore[arg-type]
    assert pending_of(settled.deployment) == []
    assert pending_of(deployment), "the document that was given stays as it is"
    return settled, cloud


def test_a_creation_that_took_place_enters_the_state_with_its_secrets_marked() -> None:
    settled, cloud = settle(Live("v/1", {"secretData": "hunter2", "version": "1"}), "creating", [])
    assert cloud.asked == [{"secretData": "hunter2"}]
    (adopted,) = settled.deployment["resources"]
    assert adopted["id"] == "v/1"
    assert adopted["outputs"] == {"secretData": SECRET, "version": "1"}
    assert adopted["created"] == "2026-11-20T00:00:00Z"
    assert "adopted as v/1" in settled.told[0][1]


def test_a_creation_that_did_not_take_place_is_forgotten() -> None:
    settled, _ = settle(None, "creating", [])
    assert settled.deployment["resources"] == []
    assert "did not take place" in settled.told[0][1]


def test_the_replacement_takes_the_place_of_what_it_replaces() -> None:
    settled, _ = settle(Live("v/2", {}), "creating", [row(id="v/1")])
    assert [(r["id"], r.get("delete", False)) for r in settled.deployment["resources"]] == [
        ("v/1", True),
        ("v/2", False),
    ]
    settled, _ = settle(Live("v/1", {}), "creating", [row(id="v/1", pendingReplacement=True)])
    assert [r["id"] for r in settled.deployment["resources"]] == ["v/1"]
    assert "pendingReplacement" not in settled.deployment["resources"][0]


def test_what_is_there_may_be_the_old_one() -> None:
    settled, _ = settle(Live("v/1", {}), "creating", [row(id="v/1")])
    assert settled.deployment["resources"] == [row(id="v/1")]
    assert "did not take place" in settled.told[0][1]


@pytest.mark.parametrize(("live", "left"), [(None, 0), (Live("v/1", {"version": "9"}), 1)])
def test_a_deletion_is_looked_after(live: Live | None, left: int) -> None:
    settled, cloud = settle(live, "deleting", [row(id="v/1")], row(id="v/1"))
    assert cloud.asked == ["v/1"]
    assert len(settled.deployment["resources"]) == left


def test_an_update_is_read_again() -> None:
    settled, _ = settle(Live("v/1", {"version": "9"}), "updating", [row(id="v/1")], row(id="v/1"))
    assert settled.deployment["resources"][0]["outputs"] == {"version": "9"}
    settled, _ = settle(None, "updating", [row(id="v/1")], row(id="v/1"))
    assert settled.deployment["resources"] == [row(id="v/1")]


@pytest.mark.parametrize("kind", ["creating", "updating"])
def test_an_unsure_cloud_is_refused(kind: str) -> None:
    with pytest.raises(RefusedError) as caught:
        settle(ProviderError("try later", status="UNAVAILABLE"), kind, [row(id="v/1")], row(id="v/1"))
    assert caught.value.code == "state-pending"
    assert "try later" in caught.value.detail
    assert URN in caught.value.detail


def test_an_unknown_kind_is_refused_and_a_read_is_nothing() -> None:
    with pytest.raises(RefusedError, match="not known"):
        settle(None, "dreaming", [])
    settled, cloud = settle(None, "reading", [])
    assert cloud.asked == []
    assert len(settled.told) == 1


def test_a_running_operation_is_told_by_name() -> None:
    with pytest.raises(DetachedError) as caught:
        settle(OperationDetached("operations/7"), "creating", [])
    assert "operations/7" in caught.value.detail


def test_components_and_providers_are_registered_again() -> None:
    settled, cloud = settle(None, "creating", [], row(custom=False))
    assert cloud.asked == []
    assert json.dumps(settled.deployment["resources"]) == "[]"


def test_a_creation_that_was_not_awaited_counts_as_pending() -> None:
    half = row(id="v/1", outputs={"version": "?"}, initErrors=[f"{WAIT_GIVEN_UP}; operation operations/7 goes on"])
    other = row(id="v/0", urn=f"{URN}-other", initErrors=["it is in a bad shape"])
    deployment = {"resources": [half, other]}
    assert pending_of(deployment) == [("creating", URN)]
    context = CallContext(lambda _o, _s, _e: None, threading.Event())
    cloud = Cloud(Live("v/1", {"version": "1"}))
    settled = settle_pending(deployment, cloud, context, NOW)  # type: ignore[arg-type]
    assert cloud.asked == [{"secretData": "hunter2"}]
    rows = {each["urn"]: each for each in settled.deployment["resources"]}
    assert rows[URN]["outputs"] == {"version": "1"}
    assert "initErrors" not in rows[URN]
    assert rows[f"{URN}-other"] == other
    assert without_pending(deployment) == {"resources": [other]}
