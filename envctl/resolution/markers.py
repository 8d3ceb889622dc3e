"""Environment markers, evaluated for the Python of an image on Linux.

Written apart from `packaging.markers` because a check must start in a fraction of a second and metadata holds
thousands of markers: each text is parsed once, and most are `extra == "x"`. A property test holds the two
against each other.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import InvalidVersion

from envctl.resolution.names import extra_name
from envctl.resolution.specifiers import InvalidSpecifierError, specifiers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.resolution.protocol import Target

_TOKEN = re.compile(
    r"\s*(?:(?P<paren>[()])|(?P<string>'[^']*'|\"[^\"]*\")|(?P<op>===|==|~=|!=|<=|>=|<|>|not\s+in\b|in\b)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_.]*))"
)
_ALIASES = {
    "os.name": "os_name",
    "sys.platform": "sys_platform",
    "platform.version": "platform_version",
    "platform.machine": "platform_machine",
    "platform.python_implementation": "platform_python_implementation",
    "python_implementation": "platform_python_implementation",
}
_VARIABLES = frozenset({
    "python_version", "python_full_version", "os_name", "sys_platform", "platform_release", "platform_system",
    "platform_version", "platform_machine", "platform_python_implementation", "implementation_name",
    "implementation_version", "extra",
})  # fmt: skip


class InvalidMarkerError(ValueError):
    """The text is no marker."""


class _Comparison(NamedTuple):
    left: str
    left_is_variable: bool
    operator: str
    right: str
    right_is_variable: bool


_Node = _Comparison | tuple[str, "_Node", "_Node"]


@cache
def marker_environment(target: Target) -> Mapping[str, str]:
    """The values that markers see inside the image, without `extra`."""
    return {
        "implementation_name": "cpython",
        "implementation_version": target.python,
        "os_name": "posix",
        "platform_machine": target.machine,
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": target.python,
        "platform_python_implementation": "CPython",
        "python_version": target.python_minor,
        "sys_platform": "linux",
    }


@cache
def marker_applies(text: str, target: Target, extra: str = "") -> bool:
    """Whether the marker holds for the target when `extra` is asked for (empty: none).

    Raises:
        InvalidMarkerError: the text is no marker.
    """
    return _evaluate(_parse(text), marker_environment(target), extra)


def _evaluate(node: _Node, environment: Mapping[str, str], extra: str) -> bool:
    if not isinstance(node, _Comparison):
        word, left, right = node
        if word == "and":
            return _evaluate(left, environment, extra) and _evaluate(right, environment, extra)
        return _evaluate(left, environment, extra) or _evaluate(right, environment, extra)
    if "extra" in ((node.left if node.left_is_variable else ""), (node.right if node.right_is_variable else "")):
        wanted = node.right if node.left_is_variable else node.left
        return _compare(extra_name(extra), node.operator, extra_name(wanted), plain=True)
    left_value = environment[node.left] if node.left_is_variable else node.left
    right_value = environment[node.right] if node.right_is_variable else node.right
    return _compare(left_value, node.operator, right_value, plain=False)


def _compare(left: str, operator: str, right: str, *, plain: bool) -> bool:
    if operator == "in":
        return left in right
    if operator == "not in":
        return left not in right
    if not plain:
        try:
            clauses = specifiers(f"{operator}{right}")
            # a value that is no version is compared as text, not in the old order of versions
            if all(clause.version is not None or clause.operator == "===" for clause in clauses.clauses):
                return clauses.contains(left)
        except (InvalidSpecifierError, InvalidVersion):
            pass
    match operator:
        case "==" | "===":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case ">=":
            return left >= right
        case _:
            raise InvalidMarkerError(f"{left!r} {operator} {right!r}")


@cache
def _parse(text: str) -> _Node:
    tokens: list[tuple[str, str]] = []
    position = 0
    stripped = text.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None or match.lastgroup is None:
            raise InvalidMarkerError(text)
        tokens.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    node, rest = _parse_or(tokens, 0, text)
    if rest != len(tokens):
        raise InvalidMarkerError(text)
    return node


def _parse_or(tokens: list[tuple[str, str]], at: int, text: str) -> tuple[_Node, int]:
    node, at = _parse_and(tokens, at, text)
    while at < len(tokens) and tokens[at] == ("word", "or"):
        right, at = _parse_and(tokens, at + 1, text)
        node = ("or", node, right)
    return node, at


def _parse_and(tokens: list[tuple[str, str]], at: int, text: str) -> tuple[_Node, int]:
    node, at = _parse_atom(tokens, at, text)
    while at < len(tokens) and tokens[at] == ("word", "and"):
        right, at = _parse_atom(tokens, at + 1, text)
        node = ("and", node, right)
    return node, at


def _parse_atom(tokens: list[tuple[str, str]], at: int, text: str) -> tuple[_Node, int]:
    if at < len(tokens) and tokens[at] == ("paren", "("):
        node, at = _parse_or(tokens, at + 1, text)
        if at >= len(tokens) or tokens[at] != ("paren", ")"):
            raise InvalidMarkerError(text)
        return node, at + 1
    if at + 2 >= len(tokens) or tokens[at + 1][0] != "op":
        raise InvalidMarkerError(text)
    left, left_is_variable = _operand(tokens[at], text)
    right, right_is_variable = _operand(tokens[at + 2], text)
    operator = " ".join(tokens[at + 1][1].split())
    return _Comparison(left, left_is_variable, operator, right, right_is_variable), at + 3


def _operand(token: tuple[str, str], text: str) -> tuple[str, bool]:
    kind, value = token
    if kind == "string":
        return value[1:-1], False
    name = _ALIASES.get(value, value)
    if kind != "word" or name not in _VARIABLES:
        raise InvalidMarkerError(text)
    return name, True
