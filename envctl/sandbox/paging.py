"""Pages of lists."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envctl.sandbox.backend import Call
    from envctl.sandbox.messages import Json


def page(
    call: Call, key: str, items: Sequence[Any], *, default_size: int = 500, size_parameter: str = "pageSize"
) -> Json:
    """The page of a list that the call asks for.

    Args:
        call: its `pageToken` and size are read.
        key: field that holds the items; left out when there are none, as proto3 does.
        items: the whole list.
        default_size: when the call names none.
        size_parameter: name of the query parameter for the size.
    """
    token = call.query("pageToken")
    start = 0
    if token:
        try:
            start = int(base64.urlsafe_b64decode(token.encode()).decode())
        except (ValueError, binascii.Error) as error:
            raise invalid("Request contains an invalid argument: page token.") from error
    size = call.number(size_parameter, default_size)
    answer: Json = {}
    chunk = list(items[start : start + size])
    if chunk:
        answer[key] = chunk
    if start + size < len(items):
        answer["nextPageToken"] = base64.urlsafe_b64encode(str(start + size).encode()).decode()
    return answer
