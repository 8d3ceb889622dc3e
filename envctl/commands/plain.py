"""Reads the plain form of a command line from the command's own declaration, without typer.

Plain is: every option by one of its declared names, its value in the next word or after `=`, each value what its type
takes as it stands. Everything else (help, joined letters, shortened and unknown names, wrong or missing values,
variables of the environment) is not read here: the answer is None, and typer reads the same declaration and says what
is wrong.
So this module has no messages and knows no option; a property test compares it with typer.
"""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

from envctl.commands.parameters import Argument, Option

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HARMLESS = {"metavar", "help", "show_default", "formats", "min", "max"}
"""Settings that say nothing of an option that is not given. A command with any other one is left to typer. The last
three go with types that are not read here."""


class _Word(NamedTuple):
    """A parameter: how one word becomes its value, and whether it takes many."""

    name: str
    type: type
    many: bool


def read_plain(verb: Callable[..., Any], words: Sequence[str]) -> dict[str, Any] | None:
    """The keyword arguments that a plain command line gives to a command; None when typer has to read it."""
    declared = _declared(verb)
    if declared is None:
        return None
    options, place, needed = declared
    given: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        option, equals, joined = word.partition("=") if word.startswith("--") else (word, "", "")
        taken = options.get(option) if word.startswith("-") else place
        if taken is None or not word or (taken.name in given and not taken.many):
            return None
        if taken.type is bool:
            if equals:
                return None
            given[taken.name] = True
            continue
        value = _value(taken.type, word if taken is place else joined if equals else next(rest, ""))
        if value is None:
            return None
        if taken.many:
            given.setdefault(taken.name, []).append(value)
        else:
            given[taken.name] = value
    return given if needed <= given.keys() else None


def _declared(verb: Callable[..., Any]) -> tuple[dict[str, _Word], _Word | None, set[str]] | None:
    """The options by name, the argument, and what must be given; None when any of it is not plain."""
    options: dict[str, _Word] = {}
    place: _Word | None = None
    hints = get_type_hints(verb, include_extras=True)
    hints.pop("return", None)
    for name, hint in hints.items():
        inner, *about = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        if len(about) != 1 or not isinstance(about[0], (Option, Argument)) or about[0].settings.keys() - _HARMLESS:
            return None
        kinds = [kind for kind in get_args(inner) if kind is not NoneType] or [inner]
        many = get_origin(kinds[0]) is list
        taken = _Word(name, get_args(kinds[0])[0] if many else kinds[0], many)
        if isinstance(about[0], Argument):
            if place is not None or not many:
                return None
            place = taken
        elif any("/" in option for option in about[0].names):
            return None
        else:
            options.update(dict.fromkeys(about[0].names, taken))
    code = verb.__code__
    with_default = len(verb.__defaults__ or ())
    return options, place, set(code.co_varnames[: code.co_argcount - with_default])


def _value(type_: type, word: str) -> Any:
    """The value of a word; None when typer must judge it."""
    if not word or word.startswith("-") or "\0" in word:
        return None
    if type_ is str:
        return word
    if type_ is Path:  # typer refuses what is there and cannot be read
        return Path(word) if os.access(word, os.R_OK) or not os.path.lexists(word) else None
    if issubclass(type_, Enum):
        return next((member for member in type_ if member.value == word), None)
    return None
