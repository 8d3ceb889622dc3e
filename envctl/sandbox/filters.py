"""Filters of lists: the language of AIP-160 (https://google.aip.dev/160, read 2026-11), as far as lists here have a use for it.

Comparisons of fields with `=`, `!=`, `<`, `<=`, `>`, `>=` and `:` (a text contains, a list has, a map has the key, `*` for "is
there"), joined by AND, OR, NOT, `-` and parentheses; OR binds closer than AND, two terms side by side are an AND. Compute's
older `eq` and `ne` with a regular expression are read too. Bare words and functions answer 501.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import translate
from typing import Any

from envctl.sandbox.failures import ApiError, Status, invalid
from envctl.sandbox.masks import camel_path

Item = Mapping[str, Any]
Predicate = Callable[[Item], bool]

_QUOTED = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
_TOKEN = re.compile(rf"""(?:{_QUOTED}|<=|>=|!=|[()=<>:]|[^\s()=<>!:"']+)""")
# A value may hold what separates elsewhere: instants have colons.
_VALUE = re.compile(rf"(?:{_QUOTED}|[^\s()\"'][^\s()]*)")
_PATTERN = re.compile(rf"(?:{_QUOTED}|[^\s\"']\S*)")
_MARKS = frozenset({"=", "!=", "<", "<=", ">", ">=", ":"})
_COMPARISONS = _MARKS | {"eq", "ne"}


def selected(items: Sequence[Item], text: str) -> list[Item]:
    """The items that a filter lets through; all of them for an empty one.

    Raises:
        ApiError: 400 for what is no filter, 501 for parts of the language that are not read.
    """
    if not text.strip():
        return list(items)
    fits = _Parser(text).parsed()
    return [item for item in items if fits(item)]


def _unreadable(text: str) -> ApiError:
    return invalid(f"Invalid list filter: {text}")


@dataclass(slots=True)
class _Parser:
    text: str
    position: int = 0

    def parsed(self) -> Predicate:
        result = self._all()
        if self._next() is not None:
            raise _unreadable(self.text)
        return result

    def _all(self) -> Predicate:
        parts = [self._any()]
        while self._next() not in {None, ")"}:
            if self._next() == "AND":
                self._take()
            parts.append(self._any())
        return lambda item: all(part(item) for part in parts)

    def _any(self) -> Predicate:
        parts = [self._term()]
        while self._next() == "OR":
            self._take()
            parts.append(self._term())
        return lambda item: any(part(item) for part in parts)

    def _term(self) -> Predicate:
        word = self._take()
        if word == "NOT" or (word.startswith("-") and len(word) > 1):
            if word != "NOT":
                self.position -= len(word) - 1
            inner = self._term()
            return lambda item: not inner(item)
        if word == "(":
            inner = self._all()
            if self._take() != ")":
                raise _unreadable(self.text)
            return inner
        if word in {")", "AND", "OR", *_MARKS}:
            raise _unreadable(self.text)
        if self._next() not in _COMPARISONS:
            raise ApiError(Status.UNIMPLEMENTED, f"The sandbox reads comparisons in filters, not {word!r}.")
        comparison = self._take()
        value = _plain(self._take(_PATTERN if comparison in {"eq", "ne"} else _VALUE))
        path = camel_path(_plain(word)).split(".")
        return lambda item: _holds(_values(item, path), comparison, value)

    def _next(self) -> str | None:
        """What comes next; None at the end."""
        self._skip()
        match = _TOKEN.match(self.text, self.position)
        if match is None and self.position < len(self.text):
            raise _unreadable(self.text)
        return match[0] if match else None

    def _take(self, form: re.Pattern[str] = _TOKEN) -> str:
        self._skip()
        match = form.match(self.text, self.position)
        if match is None:
            raise _unreadable(self.text)
        self.position = match.end()
        return match[0]

    def _skip(self) -> None:
        while self.text[self.position : self.position + 1].isspace():
            self.position += 1


def _plain(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1]) if token[:1] in "\"'" else token


def _values(item: Any, path: Sequence[str]) -> list[Any]:
    """What an item has at a path; several values where the path leads through a list."""
    if isinstance(item, list):
        return [value for entry in item for value in _values(entry, path)]
    if not path:
        return [item]
    if not isinstance(item, Mapping):
        return []
    for end in range(len(path), 0, -1):  # keys of maps may hold dots
        key = ".".join(path[:end])
        if key in item:
            inner = item[key]
            return [inner] if end == len(path) else _values(inner, path[end:])
    return []


def _holds(values: Sequence[Any], comparison: str, wanted: str) -> bool:
    if comparison in {"!=", "ne"}:
        return not _holds(values, "=" if comparison == "!=" else "eq", wanted)
    if comparison == ":":
        return any(_has(value, wanted) for value in values)
    if not values and comparison == "=":
        return wanted in {"", "false", "0"}  # proto3 leaves out what is zero
    return any(_compared(value, comparison, wanted) for value in values)


def _has(value: Any, wanted: str) -> bool:
    if wanted == "*":
        return value not in (None, "", [], {})
    if isinstance(value, Mapping):
        return wanted in value
    if isinstance(value, list):
        return any(_has(entry, wanted) for entry in value)
    if isinstance(value, str):
        pattern = translate(wanted.lower() if "*" in wanted else f"*{wanted.lower()}*")
        return re.match(pattern, value.lower()) is not None
    return _compared(value, "=", wanted)


def _compared(value: Any, comparison: str, wanted: str) -> bool:
    if isinstance(value, list):
        return any(_compared(entry, comparison, wanted) for entry in value)
    if comparison == "eq":
        try:
            return re.fullmatch(wanted, _text(value)) is not None
        except re.error as error:
            raise invalid(f"Invalid list filter: {wanted}") from error
    if comparison == "=":
        return re.match(translate(wanted), _text(value)) is not None if "*" in wanted else _text(value) == wanted
    left, right = _ordered(_text(value)), _ordered(wanted)
    if type(left) is not type(right):
        return False
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[comparison]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _ordered(text: str) -> Any:
    """A text as what it is compared by: a number, an instant, else itself."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return text
    return instant.timestamp()
