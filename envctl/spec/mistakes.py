"""What pydantic objects to, said in the words of the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from envctl.diagnostics import Diagnostic, Hint
from envctl.spec.codes import problem
from envctl.spec.forms import ACCOUNT_NAME, NAME, OWNER_ID, PROJECT_ID, REGION, VARIABLE_NAME
from envctl.spec.nearest import nearest
from envctl.spec.shape import FILE_KEYS, keys_of, models_at
from envctl.spec.tree import Entries, Items, KeyPath, Leaf, Node, at, child, key_span, nearest_span, show

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "`true` or `false`",
    "model_type": "a block of keys",
    "model_attributes_type": "a block of keys",
    "dict_type": "a block of keys",
    "list_type": "a list",
}
_FORMS = {
    PROJECT_ID: "the id of a project: 6 to 30 of a-z, 0-9 and `-`, beginning with a letter",
    REGION: "a region such as `europe-west1`",
    NAME: "1 to 63 of a-z, 0-9 and `-`, beginning with a letter and not ending with `-`",
    ACCOUNT_NAME: "6 to 30 of a-z, 0-9 and `-`, beginning with a letter and not ending with `-`",
    OWNER_ID: "12 of a-z and 0-9, beginning with a letter",
    VARIABLE_NAME: "the name of an environment variable",
}
_MOST_KEYS = 12
"""A longer list of keys is no help on a terminal."""
_MOST_LEVELS = 3
_TRUTH_WORDS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


@dataclass(frozen=True, slots=True)
class Mistake:
    """One objection: `path` is the value (or absent key) that it is about."""

    path: KeyPath
    diagnostic: Diagnostic
    absent: bool = False


def mistakes(error: ValidationError, tree: Entries, model: type[BaseModel]) -> list[Mistake]:
    """Every objection once, in pydantic's order; the branches of a union become one."""
    found: dict[tuple[KeyPath, str], Mistake] = {}
    expected: dict[KeyPath, list[str]] = {}
    for details in error.errors(include_url=False):
        path, skip = _path(details, tree)
        if skip:
            continue
        kind = details["type"]
        if kind in _EXPECTED:
            words = expected.setdefault(path, [])
            if _EXPECTED[kind] not in words:
                words.append(_EXPECTED[kind])
            made = _wrong_type(path, tree, words)
        else:
            made = _mistake(details, path, tree, model)
        found[path, made.diagnostic.code] = made
    return list(found.values())


def _path(details: ErrorDetails, tree: Entries) -> tuple[KeyPath, bool]:
    """Pydantic's location without its marks of union branches, and whether the branch does not matter.

    A branch does not matter when it wants a single value where a block stands, or the reverse: the other branch
    says the better thing.
    """
    path: list[str | int] = []
    node: Node | None = tree
    location = details["loc"]
    names_a_key = details["type"] in {"missing", "extra_forbidden"}
    branched = False
    for index, segment in enumerate(location):
        below = child(node, segment)
        if below is None and not (names_a_key and index == len(location) - 1):
            branched = True
            continue
        path.append(segment)
        node = below
    wants_leaf = details["type"] == "string_type"
    skip = branched and location[-1] != "[key]" and wants_leaf and not isinstance(node, Leaf)
    return tuple(path), skip


def _wrong_type(path: KeyPath, tree: Entries, expected: list[str]) -> Mistake:
    node = at(tree, path)
    wanted = " or ".join(expected)
    found = "one with decimals" if expected == ["a whole number"] and _kind(node) == "a number" else _kind(node)
    detail = f"`{show(path)}` must be {wanted}, not {found}."
    return Mistake(path, problem("wrong-type", detail, nearest_span(tree, path), _type_hints(node, expected)))


def _type_hints(node: Node | None, expected: list[str]) -> Iterator[Hint]:
    if not isinstance(node, Leaf):
        return
    value = node.value
    if "text" in expected and isinstance(value, int | float):
        written = node.span.text[node.span.column - 1 : (node.span.end_column or 1) - 1]
        text = written if written and not written.startswith("*") else json.dumps(value)
        yield Hint(f'quote it: "{text}"', replacement=f'"{text}"')
    if "`true` or `false`" in expected and isinstance(value, str) and value.lower() in _TRUTH_WORDS:
        word = _TRUTH_WORDS[value.lower()]
        yield Hint(f"YAML 1.2 reads `{value}` as text: write `{word}`", replacement=word)
    if "a list" in expected and isinstance(value, str):
        yield Hint(f"a list of one is written `[{value}]`", replacement=f"[{value}]")
    if "number" in expected[0] and isinstance(value, str):
        bare = value.replace("_", "")
        if bare.removeprefix("-").replace(".", "", 1).isdigit():
            yield Hint(f"write `{bare}`, without quotes and separators", replacement=bare)


def _kind(node: Node | None) -> str:
    match node:
        case Entries():
            return "a block of keys"
        case Items():
            return "a list"
        case Leaf(value=bool()):
            return "a truth value"
        case Leaf(value=int() | float()):
            return "a number"
        case Leaf(value=str()):
            return "text"
        case _:
            return "nothing"


def _mistake(details: ErrorDetails, path: KeyPath, tree: Entries, model: type[BaseModel]) -> Mistake:
    context = details.get("ctx", {})
    span = nearest_span(tree, path)
    what = f"`{show(path)}`"
    match details["type"]:
        case "extra_forbidden":
            return Mistake(path, _unknown_key(path, tree, model))
        case "missing":
            where = f"in `{show(path[:-1])}`" if path[:-1] else "at the top of the file"
            parent = key_span(tree, path[:-1])
            return Mistake(path, problem("missing-key", f"`{path[-1]}` is required {where}.", parent), absent=True)
        case "enum" | "literal_error":
            allowed = str(context["expected"]).replace("'", "`").replace("True", "`true`")
            return Mistake(
                path, problem("value-not-allowed", f"{what} takes {allowed}.", span, _near(path, tree, allowed))
            )
        case "string_pattern_mismatch":
            form = _FORMS.get(context["pattern"], f"text that matches {context['pattern']}")
            if _is_about_key(details):
                return Mistake(
                    path, problem("value-form", f"The key `{path[-1]}` must be {form}.", key_span(tree, path))
                )
            return Mistake(path, problem("value-form", f"{what} must be {form}.", span))
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal" as kind:
            bound = {"greater_than": ("gt", "more than"), "greater_than_equal": ("ge", "at least")} | {
                "less_than": ("lt", "less than"),
                "less_than_equal": ("le", "at most"),
            }
            key, words = bound[kind]
            return Mistake(path, problem("value-out-of-range", f"{what} must be {words} {context[key]:g}.", span))
        case "string_too_long" | "too_long":
            return Mistake(
                path,
                problem(
                    "value-out-of-range", f"{what} may have at most {context['max_length']} {_units(details)}.", span
                ),
            )
        case "string_too_short" | "too_short":
            least = context["min_length"]
            detail = (
                f"{what} must not be empty." if least == 1 else f"{what} must have at least {least} {_units(details)}."
            )
            return Mistake(path, problem("value-out-of-range", detail, span))
        case _:
            return Mistake(path, problem("value-form", f"{what}: {details['msg']}.", span))


def _is_about_key(details: ErrorDetails) -> bool:
    """Whether the objection is about a key of a free mapping, not about its value."""
    return details["loc"][-1] == "[key]"


def _units(details: ErrorDetails) -> str:
    return "characters" if details["type"].startswith("string") else "items"


def _near(path: KeyPath, tree: Entries, allowed: str) -> list[Hint]:
    node = at(tree, path)
    if not (isinstance(node, Leaf) and isinstance(node.value, str)):
        return []
    close = nearest(node.value, allowed.split("`")[1::2])
    return [Hint(f"did you mean `{close}`?", replacement=close)] if close else []


def _unknown_key(path: KeyPath, tree: Entries, model: type[BaseModel]) -> Diagnostic:
    key = str(path[-1])
    parents = models_at(model, path[:-1])
    known = [name for parent in parents for name in keys_of(parent)]
    if not path[:-1] and "kind" in known:
        known += FILE_KEYS
    where = f"in `{show(path[:-1])}`" if path[:-1] else "at the top of the file"
    hints: list[Hint] = []
    close = nearest(key, known)
    if close:
        hints.append(Hint(f"did you mean `{close}`?", replacement=close))
    elif key == "<<":
        hints.append(Hint("YAML's merge key is not used here: `extends: NAME` takes over a whole file"))
    elif elsewhere := next(_places(key, model, ()), None):
        hints.append(Hint(f"there is a key `{elsewhere}`"))
    elif 0 < len(known) <= _MOST_KEYS:
        hints.append(Hint("the keys here are " + ", ".join(f"`{name}`" for name in sorted(known))))
    return problem("unknown-key", f"There is no `{key}` {where}.", key_span(tree, path), hints)


def _places(key: str, model: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    """Where the key does exist, the nearest to the top first."""
    if path and key in keys_of(model):
        yield ".".join((*path, key))
    if len(path) < _MOST_LEVELS:
        for name in keys_of(model):
            for block in models_at(model, (name,)):
                yield from _places(key, block, (*path, name))
