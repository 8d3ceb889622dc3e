"""What two runs compare inputs by, without keeping them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from envctl.plan.values import JsonValue, Opaque


class _UnknownError(Exception):
    """Something in the inputs is known only after apply."""


def inputs_digest(inputs: Mapping[str, JsonValue]) -> str | None:
    """SHA-256 over the canonical JSON of inputs as events carry them; None when something is known only after apply.

    A secret counts as a secret: its payload is in no event.
    """
    try:
        text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_masked)
    except _UnknownError:
        return None
    return hashlib.sha256(text.encode()).hexdigest()


def _masked(value: object) -> JsonValue:
    if value is Opaque.UNKNOWN:
        raise _UnknownError
    assert value is Opaque.SECRET
    return {"envctl:masked": "secret"}
