"""Request bodies checked against what Google's discovery documents say they may hold.

Google's front ends refuse unknown names, wrong types and numbers out of range before a service sees the request; they
accept names in snake case, numbers in strings, and drop nulls. Cloud Storage and Compute give null a meaning; Google's
ignore unknown names, which are refused here like everywhere else: a field that does nothing is a silent wrong answer.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import ApiError, Status
from envctl.sandbox.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envctl.sandbox.messages import Json


# Fields of request messages that stand in the path; the documents leave them out, clients send them all the same.
_IN_THE_PATH = frozenset({"name", "parent", "resource"})


# Versions that have no document of their own: of the same methods, with another start of the path.
_SAME_DOCUMENT = {("storage", "upload"): "storage.v1", ("storage", "download"): "storage.v1"}
_DURATION = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?s")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_RANGES = {"i": range(-(2**31), 2**31), "u": range(2**32), "l": range(-(2**63), 2**63), "L": range(2**64)}
_WORDS = {"i": "TYPE_INT32", "u": "TYPE_UINT32", "l": "TYPE_INT64", "L": "TYPE_UINT64"}


@cache
def _table() -> Mapping[str, Any]:
    return json.loads(read_table("sandbox/requests.json"))


def standard_parameters() -> Sequence[str]:
    """Names of the query parameters that every method of Google's has."""
    return _table()["standardParameters"]


def query_of(service: str, version: str, method: str) -> Mapping[str, str] | None:
    """The types of a method's query parameters by name; None when no document describes the method's version."""
    document = _document(service, version)
    return document["methods"][method][1] if document and method in document["methods"] else None


def _document(service: str, version: str) -> Mapping[str, Any] | None:
    name = _SAME_DOCUMENT.get((service, version), f"{service}.{version}")
    return _table()["documents"].get(name)


def checked(service: str, version: str, method: str, body: Json, *, keeps_nulls: bool) -> Json:
    """A request body with names and numbers in their usual form.

    Args:
        service: name of the service.
        version: version of the API; a version without a document (Compute's beta) has the messages of v1 and more.
        method: id of the method.
        body: as sent.
        keeps_nulls: whether null means something to the service; else it is as if left out.

    Raises:
        ApiError: 400 for unknown names, wrong types and numbers out of range.
    """
    document = _document(service, version)
    known = document or _document(service, "v1")
    if known is None or method not in known["methods"]:
        return body
    message = known["methods"][method][0]
    check = Check(known["messages"], refuses_unknown=document is not None, keeps_nulls=keeps_nulls)
    if not message:
        for name in body:
            raise _unknown(name, "")
        return body
    return check.message(message, body, "")


@dataclass(frozen=True, slots=True)
class Check:
    """Values against the types of a document.

    Args:
        messages: message -> field -> type, as in the table.
        refuses_unknown: whether names that a message does not have are refused, else kept.
        keeps_nulls: whether null is kept, else dropped.
    """

    messages: Mapping[str, Mapping[str, str]]
    refuses_unknown: bool = True
    keeps_nulls: bool = False

    def message(self, name: str, value: Any, path: str) -> Json:
        """A message with the usual names. Raises `ApiError` as `checked`."""
        if not isinstance(value, dict):
            raise _wrong(path, "TYPE_MESSAGE", value)
        fields = self.messages[name]
        result: Json = {}
        for key, item in value.items():
            if item is None and not self.keeps_nulls:
                continue
            known = key if key in fields else _camel(key)
            if known in fields:
                where = f"{path}.{known}" if path else known
                result[known] = item if item is None else self.value(fields[known], item, where)
            elif self.keeps_nulls and item in (None, "", [], {}):
                # The real plugin sends empty fields of other versions; nothing of them is lost.
                continue
            elif self.refuses_unknown and (path or known not in _IN_THE_PATH):
                raise _unknown(key, path)
            else:
                result[key] = item
        return result

    def value(self, kind: str, value: Any, path: str) -> Any:
        """A value of a type of the table. Raises `ApiError` as `checked`."""
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
            case "D" | "T":
                return _time(kind, value, path, empty=self.keeps_nulls)
            case "=":
                return self._word(kind[1:].split("|"), value, path)
            case "l" | "L":
                return str(_integer(value, path, kind[0]))
            case "i" | "u":
                return _integer(value, path, kind[0])
            case "n":
                return _number(value, path)
            case "b":
                return _truth(value, path)
            case _:
                return value

    def _word(self, words: Sequence[str], value: Any, path: str) -> Any:
        """One of the values of an enum; a number that no client knows a word for is left to the service."""
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if _text(value, path) not in words and (value or not self.keeps_nulls):
            raise _wrong(path, "TYPE_ENUM", value)
        return value


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _wrong(path, "TYPE_STRING", value)
    return value


def _time(kind: str, value: Any, path: str, *, empty: bool) -> str:
    """A duration (`3.5s`) or an instant (RFC 3339), as proto3 writes them."""
    text = _text(value, path)
    if not text and empty:
        return text
    if not (_DURATION if kind == "D" else _INSTANT).fullmatch(text):
        word = "Duration" if kind == "D" else "Timestamp"
        raise _wrong(path, f"type.googleapis.com/google.protobuf.{word}", value)
    return text


def _integer(value: Any, path: str, kind: str) -> int:
    number = value
    if isinstance(value, float) and value.is_integer():
        number = int(value)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value):
        number = int(value)
    if isinstance(number, bool) or not isinstance(number, int) or number not in _RANGES[kind]:
        raise _wrong(path, _WORDS[kind], value)
    return number


def _number(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _wrong(path, "TYPE_DOUBLE", value)
    try:
        number = float(value)
    except (ValueError, OverflowError) as error:
        raise _wrong(path, "TYPE_DOUBLE", value) from error
    if not math.isfinite(number):
        raise _wrong(path, "TYPE_DOUBLE", value)
    return number if isinstance(value, str) else value


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
