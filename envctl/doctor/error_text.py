"""From a raw error text to its causes: signatures, what they took out of the text, and the checks that decide."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from envctl.doctor.case import Case
from envctl.doctor.examine import examine
from envctl.doctor.model import Cause, Finding, Status
from envctl.doctor.registry import check_ids
from envctl.iam_roles import load_operations, load_table

_PERMISSION = re.compile(r"\b[a-z][a-zA-Z]+\.[a-zA-Z]+\.[a-zA-Z]+\b")
_ANY_BINDING = "any-binding"
_LONG_WORD = re.compile(r"[\w.\-]{300,}")
LONGEST_TEXT = 200_000
"""Characters of a log that are looked at, from its end: errors come last."""
_PIECE, _OVERLAP = 2_000, 500
"""Characters of a line that are searched at once: some patterns take quadratic time, and a log is not ours."""


def causes_of(text: str, case: Case | None = None) -> tuple[Cause, ...]:
    """Possible causes of an error text, the likeliest first.

    A cause whose check failed comes before all others; the rest keep the order of the table, in which the most
    specific text stands first.
    """
    pieces = list(_pieces(text))
    found: list[Cause] = []
    for place, row in enumerate(load_table("signatures")["rows"]):
        pattern = re.compile(row["regex"], re.MULTILINE)
        match = next((match for piece in pieces if (match := pattern.search(piece))), None)
        if match is None:
            continue
        groups = tuple(group for group in match.groups() if group and not group.rstrip().endswith(":"))
        found.append(Cause(row["id"], row["means"], place, groups, _checks(row, groups)))
    found += _named_permissions(pieces, found)
    if case is not None:
        found = [_decide(cause, case) for cause in found]
    return tuple(
        replace(cause, rank=rank)
        for rank, cause in enumerate(sorted(found, key=lambda c: (not c.confirmed, c.rank)), start=1)
    )


def _checks(row: Mapping[str, Any], groups: tuple[str, ...]) -> tuple[str, ...]:
    """The rows of a signature, those first that what it took out of the text points at."""
    listed = [item for item in row["check"] if item != _ANY_BINDING]
    pointed: list[str] = []
    for group in groups:
        for part in re.split(r"[,\s]+", group):
            name = part.strip(".,'\"")
            if name.startswith("constraints/"):
                pointed.append("constraint." + name.removeprefix("constraints/"))
            elif name.endswith(".googleapis.com"):
                pointed += [item["id"] for item in load_table("preconditions")["rows"] if item["subject"] == name]
            elif _PERMISSION.fullmatch(name):
                pointed += rows_for_permission(name)
    known = {item["id"] for table in ("bindings", "preconditions") for item in load_table(table)["rows"]}
    specific = [item for item in listed if item in pointed] or pointed
    return tuple(dict.fromkeys(item for item in (*specific, *listed) if item in known))


def rows_for_permission(permission: str) -> list[str]:
    """Rows of the bindings table that give a permission which some operation needs."""
    named = [
        check["binding"]
        for operation in load_operations().values()
        for check in operation["checks"]
        if permission in check["permissions"] and "left_out" not in check
    ]
    held = [
        row["id"]
        for row in load_table("bindings")["rows"]
        if permission in row["permissions"] and "left_out" not in row
    ]
    return list(dict.fromkeys((*named, *held)))


def _pieces(text: str) -> Iterator[str]:
    """The lines of a text, long ones in overlapping pieces, words that no error holds cut short."""
    for line in text[-LONGEST_TEXT:].splitlines():
        short = _LONG_WORD.sub(lambda match: f"{match[0][:100]} ... {match[0][-100:]}", line)
        yield short[:_PIECE]
        for start in range(_PIECE - _OVERLAP, len(short) - _OVERLAP, _PIECE - _OVERLAP):
            yield short[start : start + _PIECE]


def _named_permissions(pieces: list[str], found: Iterable[Cause]) -> list[Cause]:
    """Permissions that the text names in a wording no signature knows."""
    if list(found):
        return []
    names = [
        name
        for name in dict.fromkeys(name for piece in pieces for name in _PERMISSION.findall(piece))
        if rows_for_permission(name)
    ]
    return [
        Cause(
            "iam.generic",
            f"the text names the permission {name}",
            1000 + place,
            (name,),
            tuple(rows_for_permission(name)),
        )
        for place, name in enumerate(names)
    ]


def _decide(cause: Cause, case: Case) -> Cause:
    everywhere = replace(case, operations=tuple(load_operations()))
    runnable = [item for item in cause.checks if item in set(check_ids())]
    order = {item: place for place, item in enumerate(cause.checks)}
    decided: list[Finding] = sorted(examine(everywhere, runnable), key=lambda item: order[item.id])
    needs = tuple(dict.fromkeys(text for item in decided if item.status is Status.UNKNOWN for text in item.evidence))
    return replace(cause, decided=tuple(decided), needs=needs)
