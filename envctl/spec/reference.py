"""The reference pages, made from the models and the table of codes: Markdown."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from envctl.diagnostics import Severity
from envctl.spec.codes import CODES
from envctl.spec.schema import blocks_below, field_texts
from envctl.spec.shape import alternatives


def render_reference(*models: type[BaseModel]) -> str:
    """One section a block: its keys with type, default and meaning; `Environment` first."""
    return "\n".join(_section(model) for model in blocks_below(*models).values())


def render_codes() -> str:
    """`docs/codes.md`: every code that a problem of the files can carry."""
    lines = [
        "# Codes of problems in files",
        "",
        "Every problem that `envctl validate` names has a code. `envctl explain CODE` shows its entry.",
        "An **error** stops every command with exit code 3; a *warning* stops nothing.",
        "",
        "This page is made from `envctl/spec/codes.py`; a test compares the two.",
        "",
    ]
    for code in CODES.values():
        word = "**error**" if code.severity is Severity.ERROR else "*warning*"
        lines += [f"## {code.code}", "", f"{code.summary} ({word}).", "", code.explanation, ""]
    return "\n".join(lines).rstrip() + "\n"


def _section(model: type[BaseModel]) -> str:
    texts = field_texts(model)
    rows = [
        f"| `{field.alias or name}` | {_type(field.annotation)} | {_default(field)} | {_cell(texts[name])} |"
        for name, field in model.model_fields.items()
    ]
    head = [
        f"### {model.__name__}",
        "",
        inspect.cleandoc(model.__doc__ or ""),
        "",
        "| Key | Type | Default | Meaning |",
    ]
    return "\n".join([*head, "|---|---|---|---|", *rows, ""])


def _type(annotation: object) -> str:
    return " or ".join(dict.fromkeys(_words(alternatives(annotation))))


def _words(annotations: Iterable[object]) -> Iterable[str]:
    for each in annotations:
        origin, arguments = get_origin(each), get_args(each)
        if origin is list:
            yield f"list of {_type(arguments[0])}"
        elif origin is dict:
            yield f"mapping to {_type(arguments[1])}"
        elif origin is Literal:
            yield ", ".join(f"`{str(value).lower() if isinstance(value, bool) else value}`" for value in arguments)
        elif isinstance(each, type) and issubclass(each, BaseModel):
            yield f"[{each.__name__}](#{each.__name__.lower()})"
        elif isinstance(each, type) and issubclass(each, StrEnum):
            yield ", ".join(f"`{member.value}`" for member in each)
        else:
            yield {str: "text", int: "whole number", float: "number", bool: "`true`, `false`"}[_plain(each)]


def _plain(annotation: object) -> type:
    assert isinstance(annotation, type)
    return annotation


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True)  # pyright: ignore[reportCallIssue]
    if value is None or value in ([], {}) or isinstance(value, BaseModel):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`[{', '.join(map(str, value))}]`" if isinstance(value, list) else f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")
