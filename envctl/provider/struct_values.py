"""Between property values and the `Struct` of Pulumi's wire protocol: unknowns and secrets are marked in it.

The marks are Pulumi's own (`sdk/go/common/resource/properties.go`, 3.256).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from envctl.plan.values import Opaque

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWNS = frozenset(
    {
        UNKNOWN,
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
"""The unknown text, and those for bool, number, array and object that older engines send."""
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a mark, not a secret
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"


def from_struct(struct: Struct | None) -> dict[str, Any]:
    """Plain properties: whole numbers as int, unknowns as `Opaque.UNKNOWN`, secrets and outputs unwrapped."""
    if struct is None:
        return {}
    from google.protobuf.json_format import MessageToDict

    return {key: _from(value) for key, value in MessageToDict(struct).items()}


def _from(value: Any) -> Any:
    if isinstance(value, str):
        return Opaque.UNKNOWN if value in _UNKNOWNS else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_from(item) for item in value]
    if isinstance(value, Mapping):
        mark = value.get(_SIGNATURE)
        if mark == _SECRET:
            return _from(value.get("value"))
        if mark == _OUTPUT:
            return _from(value["value"]) if "value" in value else Opaque.UNKNOWN
        return {key: _from(item) for key, item in value.items()}
    return value


def to_struct(properties: Mapping[str, Any], secrets: frozenset[str] = frozenset()) -> Struct:
    """The wire form; top-level properties named in `secrets` are wrapped as secrets."""
    from google.protobuf.struct_pb2 import Struct

    struct = Struct()
    for key, value in properties.items():
        plain = _to(value)
        if key in secrets and plain != UNKNOWN:
            plain = {_SIGNATURE: _SECRET, "value": plain}
        struct[key] = plain
    return struct


def _to(value: Any) -> Any:
    if value is Opaque.UNKNOWN:
        return UNKNOWN
    if isinstance(value, Mapping):
        return {str(key): _to(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to(item) for item in value]
    return value
