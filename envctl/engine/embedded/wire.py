"""Property values on the wire between the SDK and a resource monitor (`google.protobuf.Struct` with signatures)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct
from google.protobuf.struct_pb2 import Value as WireValue

from envctl.engine.embedded.secret_box import REFERENCE, SECRET, SIGNATURE
from envctl.engine.embedded.values import Reference, Secret, Value, secret
from envctl.engine.urns import UNKNOWN_ID
from envctl.plan.values import Opaque

_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_ASSETS = {"c44067f5952c0a294b673a41bacd8c17": "asset", "0def7320c3a5731c473e5ecbe6d01bc7": "archive"}


class WireError(Exception):
    """The program sent a value that the engine does not support; the text names it."""


def read_struct(struct: Struct) -> dict[str, Value]:
    """Marked values of a struct; raises `WireError` for assets and archives."""
    return _read_fields(struct.fields)


def _read_fields(fields: Mapping[str, WireValue]) -> dict[str, Value]:
    return {key: read_value(fields[key]) for key in sorted(fields)}  # a protobuf map has no order of its own


def read_value(value: WireValue) -> Value:
    """The marked value; whole numbers come back as int."""
    match value.WhichOneof("kind"):
        case "string_value":
            text = value.string_value
            return Opaque.UNKNOWN if text == UNKNOWN_ID else text
        case "struct_value":
            fields = value.struct_value.fields
            if SIGNATURE in fields:
                return _read_special(fields)
            return _read_fields(fields)
        case "list_value":
            return [read_value(item) for item in value.list_value.values]
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "bool_value":
            return value.bool_value
        case _:
            return None


def _read_special(fields: Mapping[str, WireValue]) -> Value:
    signature = fields[SIGNATURE].string_value
    if signature == SECRET:
        return secret(read_value(fields["value"]))
    if signature == REFERENCE:
        return Reference(fields["urn"].string_value, read_value(fields["id"]) if "id" in fields else None)
    if signature == _OUTPUT:
        value = read_value(fields["value"]) if "value" in fields else Opaque.UNKNOWN
        return secret(value) if "secret" in fields and fields["secret"].bool_value else value
    kind = _ASSETS.get(signature, f"value of signature {signature}")
    raise WireError(f"an input is of kind {kind}, which the embedded engine does not support")


def write_struct(values: Mapping[str, Value]) -> Struct:
    """The struct of marked values."""
    struct = Struct()
    for key, value in values.items():
        _write(struct.fields[key], value)
    return struct


def _write(target: WireValue, value: Any) -> None:
    if value is None:
        target.null_value = NULL_VALUE
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    elif isinstance(value, Mapping):
        struct = target.struct_value
        struct.SetInParent()
        for key, item in value.items():
            _write(struct.fields[key], item)
    elif isinstance(value, list | tuple):
        items: ListValue = target.list_value
        items.SetInParent()
        for item in value:
            _write(items.values.add(), item)
    elif value is Opaque.UNKNOWN:
        target.string_value = UNKNOWN_ID
    elif isinstance(value, Secret):
        _write(target, {SIGNATURE: SECRET, "value": value.value})
    elif isinstance(value, Reference):
        known = {} if value.id is None else {"id": value.id}
        _write(target, {SIGNATURE: REFERENCE, "urn": value.urn, **known})
    else:
        raise WireError(f"a provider returned a value of type {type(value).__name__}")
