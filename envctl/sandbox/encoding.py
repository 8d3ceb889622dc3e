"""Forms of JSON that a client may ask for: enum values as numbers, and only some fields.

Numbers come from `data/sandbox/enums.json`, which says for each method what its request and answer are made of
(Google's discovery documents) and which number each enum value has (the official Python clients).
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from envctl.sandbox.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from envctl.sandbox.messages import Json, Request


@cache
def _tables() -> Mapping[str, Mapping[str, Any]]:
    text = read_table("sandbox/enums.json")
    return json.loads(text)["services"]


def wants_numbers(request: Request) -> bool:
    """Whether the client asked for enum values as numbers (`$alt=json;enum-encoding=int`)."""
    alternative = request.parameter("$alt") or request.parameter("alt")
    return "enum-encoding=int" in alternative.replace(" ", "")


def numbers_of_enums(service: str, method: str, value: Any) -> Any:
    """An answer with enum values as numbers."""

    def number(enum: Mapping[str, int], name: Any) -> Any:
        return enum.get(name, name) if isinstance(name, str) else name

    return _converted(service, method, 1, value, number)


def names_of_enums(service: str, method: str, value: Json) -> Json:
    """A request with enum values as names, whatever form the client sent."""

    def name(enum: Mapping[str, int], number: Any) -> Any:
        if isinstance(number, bool) or not isinstance(number, int):
            return number
        return next((key for key, known in enum.items() if known == number), number)

    return _converted(service, method, 0, value, name)


def _converted(
    service: str, method: str, side: int, value: Any, convert: Callable[[Mapping[str, int], Any], Any]
) -> Any:
    table = _tables().get(service)
    if table is None or method not in table["methods"]:
        return value
    return _walk(table, table["methods"][method][side], value, convert)


def _walk(table: Mapping[str, Any], kind: str, value: Any, convert: Callable[[Mapping[str, int], Any], Any]) -> Any:
    if isinstance(value, list):
        return [_walk(table, kind, item, convert) for item in value]
    if kind.startswith("="):
        return convert(table["enums"][kind[1:]], value)
    if not isinstance(value, dict):
        return value
    if kind.startswith("*"):
        return {key: _walk(table, kind[1:], item, convert) for key, item in value.items()}
    if kind == "Any":
        kind = str(value.get("@type", "")).rpartition(".")[2]
    fields = table["messages"].get(kind, {})
    return {key: _walk(table, fields[key], item, convert) if key in fields else item for key, item in value.items()}


def only_fields(value: Any, selection: str) -> Any:
    """The part of an answer that a `fields` parameter names (`a/b,c(d,e)`)."""
    tree, rest = _parse_selection(selection)
    return _selected(value, tree) if not rest else value


def _parse_selection(text: str) -> tuple[Json, str]:
    tree: Json = {}
    while text:
        end = next((index for index, letter in enumerate(text) if letter in ",()"), len(text))
        path, text = text[:end].strip(), text[end:]
        node = tree
        for name in path.split("/"):
            node = node.setdefault(name, {})
        if text.startswith("("):
            inside, text = _parse_selection(text[1:])
            node.update(inside)
            text = text.removeprefix(")")
        if text.startswith(")"):
            return tree, text
        text = text.removeprefix(",")
    return tree, text


def _selected(value: Any, tree: Mapping[str, Any]) -> Any:
    if not tree or "*" in tree:
        return value
    if isinstance(value, list):
        return [_selected(item, tree) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _selected(item, tree[key]) for key, item in value.items() if key in tree}
