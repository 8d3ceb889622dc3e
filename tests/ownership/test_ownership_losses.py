"""Counting what goes with a resource: one call, a bound, and what an answer means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from envctl.errors import OutsideError
from envctl.google.transport import Answer, Query
from envctl.ownership.losses import loss_of
from envctl.plan.impact import impact_of
from envctl.plan.model import Action, Change, Loss, LossKind, Reason

BUCKET = "gcp:storage/bucket:Bucket"
SECRET = "gcp:secretmanager/secret:Secret"
KEY = "gcp:kms/cryptoKey:CryptoKey"
REPOSITORY = "gcp:artifactregistry/repository:Repository"
ENVIRONMENT = "gcp:composer/environment:Environment"


@dataclass
class Canned:
    """Gives one answer to everything, and keeps what was asked."""

    answer: Answer | OutsideError
    asked: list[tuple[str, str, Query | None]] = field(default_factory=list)

    def call(self, method: str, service: str, path: str, query: Query | None = None, body: Any | None = None) -> Answer:
        self.asked.append((service, path, query))
        if isinstance(self.answer, OutsideError):
            raise self.answer
        return self.answer


def change(type_: str, id_: str = "x") -> Change:
    return Change("u", type_, "row", Action.DELETE, Reason.DESTROY, impact=impact_of(type_, Action.DELETE), id=id_)


def items(key: str, *states: str, **rest: Any) -> Canned:
    return Canned(Answer(200, {key: [{"state": each} for each in states], **rest}))


@pytest.mark.parametrize(
    ("type_", "answer", "loss"),
    [
        (BUCKET, items("items", "", ""), Loss(LossKind.OBJECTS, 2)),
        (BUCKET, items("items", *[""] * 1000, nextPageToken="t"), Loss(LossKind.OBJECTS, 1000, at_least=True)),
        (BUCKET, Canned(Answer(200, {"kind": "storage#objects"})), None),
        (BUCKET, Canned(Answer(200, None)), None),
        (SECRET, items("versions", "ENABLED", "DISABLED", "DESTROYED"), Loss(LossKind.SECRET_VERSIONS, 2)),
        (SECRET, items("versions", "DESTROYED"), None),
        (SECRET, items("versions", "DESTROYED", nextPageToken="t"), Loss(LossKind.SECRET_VERSIONS, None)),
        (KEY, items("cryptoKeyVersions", "ENABLED", "DESTROY_SCHEDULED"), Loss(LossKind.KEY_VERSIONS, 1)),
        (REPOSITORY, items("packages", ""), Loss(LossKind.PACKAGES, 1)),
        (BUCKET, Canned(Answer(404, {})), None),
        (BUCKET, Canned(Answer(403, {})), Loss(LossKind.OBJECTS, None)),
        (BUCKET, Canned(OutsideError("the connection was dropped")), Loss(LossKind.OBJECTS, None)),
        ("gcp:compute/network:Network", items("items", ""), None),
    ],
)
def test_an_answer_is_a_loss(type_: str, answer: Canned, loss: Loss | None) -> None:
    assert loss_of(change(type_), answer) == loss


def test_one_bounded_call_counts() -> None:
    cloud = items("items", "", nextPageToken="t")
    loss_of(change(BUCKET, "lake"), cloud)
    assert cloud.asked == [("storage/storage/v1", "b/lake/o", {"versions": "true", "maxResults": "1000"})]


def test_an_environment_is_lost_whole_and_one_that_was_never_made_is_not() -> None:
    cloud = items("items")
    assert loss_of(change(ENVIRONMENT), cloud) == Loss(LossKind.ENVIRONMENT, 1)
    unmade = Change("u", ENVIRONMENT, "row", Action.DELETE_THEN_CREATE, Reason.CHANGED, id="x")
    assert loss_of(unmade, cloud) is None
    assert cloud.asked == []
