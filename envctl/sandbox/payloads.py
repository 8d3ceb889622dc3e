"""Request bodies checked against what Google's discovery documents say they may hold.

Google's front ends refuse unknown names and wrong types before a service sees the request; they accept names in
snake case, numbers in strings, and drop nulls. Cloud Storage and Compute ignore unknown names and give null a meaning.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import ApiError, Status
from envctl.sandbox.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.messages import Json


# Fields of request messages that stand in the path; the documents leave them out, clients send them all the same.
_IN_THE_PATH = frozenset({"name", "parent", "resource"})


@cache
def _tables() -> Mapping[str, Mapping[str, Any]]:
    return json.loads(read_table("sandbox/requests.json"))["services"]


def checked(service: str, method: str, body: Json, *, strict: bool) -> Json:
    """A request body with names and numbers in their usual form.

    Args:
        service: name of the service.
        method: id of the method.
        body: as sent.
        strict: whether the service refuses unknown names and drops nulls.

    Raises:
        ApiError: 400 for unknown names and wrong types.
    """
    table = _tables().get(service)
    if table is None or method not in table["methods"]:
        return body
    return _Check(table["messages"], strict).message(table["methods"][method], body, "")


@dataclass(frozen=True, slots=True)
class _Check:
    messages: Mapping[str, Mapping[str, str]]
    strict: bool

    def message(self, name: str, value: Any, path: str) -> Json:
        if not isinstance(value, dict):
            raise _wrong(path, "TYPE_MESSAGE", value)
        fields = self.messages[name]
        result: Json = {}
        for key, item in value.items():
            if item is None and self.strict:
                continue
            known = key if key in fields else _camel(key)
            if known in fields:
                where = f"{path}.{known}" if path else known
                result[known] = item if item is None else self.value(fields[known], item, where)
            elif self.strict and (path or known not in _IN_THE_PATH):
                raise _unknown(key, path)
            else:
                result[key] = item
        return result

    def value(self, kind: str, value: Any, path: str) -> Any:
        match kind[0]:
            case "$":
                return self.message(kind[1:], value, path)
            case "[":
                if not isinstance(value, list):
                    raise _wrong(path, "TYPE_LIST", value)
                if kind == "[s" and all(type(item) is str for item in value):
                    return value
                return [self.value(kind[1:], item, f"{path}[{index}]") for index, item in enumerate(value)]
            case "{":
                if not isinstance(value, dict):
                    raise _wrong(path, "TYPE_MAP", value)
                return {
                    key: item if item is None else self.value(kind[1:], item, f"{path}.{key}")
                    for key, item in value.items()
                }
            case "s":
                return _text(value, path)
            case "e":
                # A number that no client knows a name for; services that care refuse it.
                return value if isinstance(value, int) and not isinstance(value, bool) else _text(value, path)
            case "l":
                return str(_integer(value, path, "TYPE_INT64"))
            case "i":
                return _integer(value, path, "TYPE_INT32")
            case "n":
                return _number(value, path)
            case "b":
                return _truth(value, path)
            case _:
                return value


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _wrong(path, "TYPE_STRING", value)
    return value


def _integer(value: Any, path: str, kind: str) -> int:
    if isinstance(value, str) and re.fullmatch(r"-?\d+", value):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(path, kind, value)
    return value


def _number(value: Any, path: str) -> float:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError as error:
            raise _wrong(path, "TYPE_DOUBLE", value) from error
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(path, "TYPE_DOUBLE", value)
    return value


def _truth(value: Any, path: str) -> bool:
    if value in ("true", "false"):
        return value == "true"
    if not isinstance(value, bool):
        raise _wrong(path, "TYPE_BOOL", value)
    return value


def _unknown(name: str, path: str) -> ApiError:
    where = f" at '{path}'" if path else ""
    return _bad(path, f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.')


def _wrong(path: str, kind: str, value: Any) -> ApiError:
    return _bad(path, f"Invalid value at '{path}' ({kind}), {json.dumps(value)}")


def _bad(path: str, message: str) -> ApiError:
    violation = {"field": path, "description": message} if path else {"description": message}
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
    return ApiError(Status.INVALID_ARGUMENT, message, details=(detail,))
