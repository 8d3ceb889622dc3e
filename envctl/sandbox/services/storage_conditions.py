"""Preconditions of Cloud Storage: what a request says must be so, or must not.

https://cloud.google.com/storage/docs/request-preconditions, read 2026-11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import ApiError, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Call


def require_conditions(call: Call, resource: Mapping[str, Any] | None, *, of: str = "") -> None:
    """Refuse a request whose preconditions do not hold.

    Args:
        call: its `ifGenerationMatch`, `ifMetagenerationNotMatch` and the like are read.
        resource: what is there now; None for nothing, whose generation is 0.
        of: `Source` for the preconditions on the source of a copy.

    Raises:
        ApiError: 412, or 304 for a read of what the client has already.
    """
    for field in ("generation", "metageneration"):
        have = resource[field] if resource else "0"
        name = f"if{of}{field.capitalize()}"
        wanted, unwanted = call.query(f"{name}Match"), call.query(f"{name}NotMatch")
        if wanted and int(wanted) != int(have):
            raise precondition_failed()
        if unwanted and int(unwanted) == int(have):
            if call.request.method == "GET":
                raise ApiError(Status.FAILED_PRECONDITION, "", http=304)
            raise precondition_failed()


def precondition_failed() -> ApiError:
    """412 in the words of Cloud Storage."""
    return ApiError(
        Status.FAILED_PRECONDITION,
        "At least one of the pre-conditions you specified did not hold.",
        http=412,
        reason="conditionNotMet",
    )
