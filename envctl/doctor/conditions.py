"""IAM conditions: three answers (true, false, unknown) from Google's own CEL library.

Bound attributes: `resource.name`, `resource.type`, `resource.service`, `request.time` and the function
`extract` (IAM documentation, "Attribute reference for IAM Conditions", 2026-08). Everything else that IAM allows
(tags, API attributes, levels, addresses) cannot be known before the request and makes the answer unknown, unless
the rest of the expression decides it. The library is imported only when a condition exists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cel_expr_python import cel


class Truth(StrEnum):
    """What is known about a statement."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The attributes of one imagined request; None for those that are not known."""

    name: str | None
    type: str | None
    service: str | None
    time: datetime

    def bound(self) -> Mapping[str, Any]:
        """The known attributes under their CEL names."""
        known = {
            "resource.name": self.name,
            "resource.type": self.type,
            "resource.service": self.service,
            "request.time": self.time,
        }
        return {key: value for key, value in known.items() if value is not None}


def evaluate_condition(expression: str | None, context: RequestContext) -> Truth:
    """Whether the condition holds for this request; unknown for what cannot be evaluated, parse errors included."""
    if expression is None:
        return Truth.UNKNOWN
    program = _compiled(expression)
    if program is None:
        return Truth.UNKNOWN
    try:
        value = program.eval(data=context.bound()).value()
    except (RuntimeError, ValueError, TypeError):  # what the C++ library raises for states it cannot evaluate
        return Truth.UNKNOWN
    if value is True:
        return Truth.YES
    return Truth.NO if value is False else Truth.UNKNOWN


_BEGINNING = re.compile(r"""resource\.name\.startsWith\(\s*(?:"([^"\\]*)"|'([^'\\]*)')\s*\)""")


def name_beginnings(expression: str | None) -> tuple[str, ...] | None:
    """The texts that names are to begin with, where a condition asks nothing else of names; None where it does."""
    if expression is None or "resource.name" in _BEGINNING.sub("", expression):
        return None
    return tuple(double or single for double, single in _BEGINNING.findall(expression))


def evaluate_over(expression: str, values: Mapping[str, Any]) -> Truth:
    """Whether a CEL expression holds over JSON objects, e.g. `resource` for custom constraints; unknown for unset fields."""
    from cel_expr_python import cel

    document = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    try:
        value = cel.NewEnv(variables=dict.fromkeys(values, document)).compile(expression).eval(data=values).value()
    except (RuntimeError, ValueError, TypeError):  # does not parse, or cannot be evaluated
        return Truth.UNKNOWN
    if value is True:
        return Truth.YES
    return Truth.NO if value is False else Truth.UNKNOWN


@cache
def _compiled(expression: str) -> cel.Expression | None:
    try:
        return _environment().compile(expression)
    except RuntimeError:  # does not parse, or names something that is not bound here
        return None


@cache
def _environment() -> cel.Env:
    from cel_expr_python import cel

    text = cel.Type.STRING
    overload = cel.Overload("string_extract_string", text, [text, text], is_member=True, impl=_extract)
    return cel.NewEnv(
        variables={
            "resource.name": text,
            "resource.type": text,
            "resource.service": text,
            "request.time": cel.Type.TIMESTAMP,
        },
        extensions=[cel.CelExtension("iam", [cel.FunctionDecl("extract", [overload])])],
    )


def _extract(value: str, template: str) -> str:
    """IAM's `extract`: the text at the place of `{...}` in the template; empty when the template does not match."""
    before, opened, rest = template.partition("{")
    _, closed, after = rest.partition("}")
    if not opened or not closed:
        return ""
    start = value.find(before)
    if start < 0:
        return ""
    start += len(before)
    if not after:
        return value[start:]
    end = value.find(after, start)
    return value[start:end] if end >= 0 else ""
