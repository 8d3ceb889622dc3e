"""From a raw error text to its causes: signatures, what they took out of the text, and the checks that decide."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import command
from envctl.doctor.error_projects import open_numbers, wrong_number
from envctl.doctor.evaluate import State
from envctl.doctor.examine import examine
from envctl.doctor.model import Cause, Finding, Fix, Status
from envctl.doctor.named_right import NamedRight, named_rights, narrowest_role
from envctl.doctor.registry import check_ids
from envctl.doctor.repair import filled, fixes_for, grant_command
from envctl.doctor.unrecognised import unrecognised
from envctl.doctor.words import command_of_row
from envctl.iam_roles import Binding, load_operations, load_table

_PERMISSION = re.compile(r"\b[a-z][a-zA-Z]+\.[a-zA-Z]+\.[a-zA-Z]+\b")
_ACCOUNT = re.compile(r"\b(?:(?:service-|bq-)?(\d+)(?:-compute)?|[\w.-]{1,100})@[\w.-]{0,100}gserviceaccount\.com\b")
_NUMBER = re.compile(r"\bproject (\d{6,20})\b")
_API = re.compile(r"\b[a-z][\w-]{1,60}\.googleapis\.com\b")
_PROJECT_NUMBER = re.compile(r"project (\d+)")
_PLACEHOLDER = re.compile(r"\b(?:HOST_PROJECT|PROJECT|REGION|ENVIRONMENT_ACCOUNT|PREFIX(?=-))\b")
_ANY_BINDING = "any-binding"
NAMED_RIGHT: Final = "iam.generic"
"""The signature of a right that the text itself names."""
_LONG_WORD = re.compile(r"[\w.\-]{300,}")
LONGEST_TEXT = 200_000
"""Characters of a log that are looked at, from its end: errors come last."""
_PIECE, _OVERLAP = 2_000, 500
"""Characters of a line that are searched at once: some patterns take quadratic time, and a log is not ours."""


def unrecognised_text(text: str) -> Finding:
    """The verdict on a text of which `causes_of` finds no cause: unknown, with what can be read off it."""
    return unrecognised(_pieces(text))


def causes_of(text: str, case: Case | None = None) -> tuple[Cause, ...]:
    """Possible causes of an error text, the likeliest first.

    A cause whose check failed comes before all others; the rest keep the order of the table, in which the most
    specific text stands first.
    """
    pieces = list(_pieces(text))
    found: list[Cause] = []
    for place, row in enumerate((*load_table("signatures")["rows"], *load_table("wild-texts")["rows"])):
        pattern = re.compile(row["regex"], re.MULTILINE)
        matched = next(((match, piece) for piece in pieces if (match := pattern.search(piece))), None)
        if matched is None:
            continue
        match, piece = matched
        taken = [group for group in match.groups() if group and not group.rstrip().endswith(":")]
        groups = tuple(dict.fromkeys((*taken, *_named(row, piece))))
        found.append(Cause(row["id"], row["means"], place, groups, _checks(row, groups)))
    found = _with_named_rights(named_rights(pieces), found, case)
    found += _named_permissions(pieces, found)
    if case is not None:
        wrong = wrong_number(tuple(dict.fromkeys(group for cause in found for group in cause.groups)), case)
        found = [_decide(cause, case) for cause in found] + ([wrong] if wrong else [])
    found = [replace(cause, fixes=tuple(_fixes(cause, case))) for cause in found]
    return tuple(
        replace(cause, rank=rank)
        for rank, cause in enumerate(sorted(found, key=lambda c: (not c.confirmed, c.rank)), start=1)
    )


def _named(row: Mapping[str, Any], piece: str) -> Iterator[str]:
    """Whom a line names: accounts of Google's projects, numbers of projects, and the APIs that are off."""
    for match in _ACCOUNT.finditer(piece):
        yield match[0]
        if match[1]:
            yield f"project {match[1]}"
    yield from (f"project {number}" for number in _NUMBER.findall(piece))
    if row["id"].startswith("api."):
        yield from _API.findall(piece)


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


_VAGUE: Final = frozenset({"iam.generic", "caller.forbidden", "df.temp-write"})
"""Signatures that a right which the text names in full explains better."""


def _with_named_rights(rights: Iterable[NamedRight], found: list[Cause], case: Case | None) -> list[Cause]:
    """The causes, with the rights that the text names: before vague signatures, after all others."""
    vague = [cause for cause in found if cause.signature in _VAGUE]
    sure = [cause for cause in found if cause.signature not in _VAGUE]
    named = [_right_cause(right, 0, case) for right in rights]
    return [replace(cause, rank=place) for place, cause in enumerate((*sure, *named, *vague))]


def _right_cause(right: NamedRight, place: int, case: Case | None) -> Cause:
    """One right that the text names: what it says, what it does not, and the narrowest predefined role that gives it."""
    role = narrowest_role(right.permission)
    who, where = right.member or "somebody whom the text does not name", right.resource
    told = f"{who} lacks {right.permission} on {where or 'something that the text does not name'}"
    told += f"; the narrowest predefined role that holds it is {role}" if role else "; no shipped role holds it"
    groups = tuple(item for item in (right.member, right.permission, right.resource) if item)
    needs = tuple(f"{words}: the text does not say" for words in right.unsaid)
    rows = tuple(rows_for_permission(right.permission)) if right.member is None else ()
    decided = _decided_right(right, role, case) if case is not None else ()
    return Cause(NAMED_RIGHT, told, place, groups, rows, decided, needs)


def _decided_right(right: NamedRight, role: str | None, case: Case) -> tuple[Finding, ...]:
    """What the facts say about a right that the text names in full."""
    if right.member is None or right.resource is None:
        return ()
    verdict = case.evaluator.decide(right.member, right.permission, right.resource)
    status = {State.GRANTED: Status.OK, State.MISSING: Status.FAILED, State.UNKNOWN: Status.UNKNOWN}[verdict.state]
    text = grant_command(right.resource, right.member, role) if role and status is Status.FAILED else None
    return (
        Finding(
            NAMED_RIGHT,
            status,
            Severity.ERROR,
            "the error text names it",
            right.member,
            right.resource,
            () if status is Status.OK else (right.permission,),
            role or "",
            verdict.evidence,
            (command(text),) if text else (),
        ),
    )


def _fixes(cause: Cause, case: Case | None) -> Iterator[Fix]:
    """What repairs a cause, where no failed finding already says so: that of the first row which is not fine."""
    if cause.signature == NAMED_RIGHT:
        settled_by_text = cause.groups and cause.groups[0].partition(":")[0] in {"user", "serviceAccount"}
        if (
            not cause.decided
            and len(cause.groups) == 3
            and settled_by_text
            and (role := narrowest_role(cause.groups[1]))
        ):
            text = grant_command(cause.groups[2], cause.groups[0], role)
            yield from (command(text),) if text else ()
        if len(cause.groups) == 3 or any(item.id == NAMED_RIGHT for item in cause.decided):
            return
    wild = next((row for row in load_table("wild-texts")["rows"] if row["id"] == cause.signature), None)
    if wild is not None and wild["commands"]:
        yield from (command(_named_here(text, case) if case else text) for text in wild["commands"])
        return
    if cause.signature == "build.conflict":
        yield command(f"envctl deps fix {case.name if case else 'ENV'}")
        return
    if any(item.status is Status.FAILED for item in cause.decided):
        if not cause.confirmed and case is not None:  # nothing failed but what `up` has still to do
            yield command(f"envctl up {case.name}")
        return
    # Where no check concerns the environment, the table's own repair is all there is to go by.
    settled = {item.id for item in cause.decided if not cause.elsewhere}
    settled -= {item.id for item in cause.decided if item.status is Status.UNKNOWN}
    tables = {row["id"]: row for name in ("bindings", "preconditions") for row in load_table(name)["rows"]}
    project = shlex.quote(case.project) if case else "PROJECT"
    number = case.project_number if case else None
    number = number or next((found[1] for group in cause.groups if (found := _PROJECT_NUMBER.fullmatch(group))), None)
    told_as = {row: item.id for item in case.bindings for row in item.ids} if case else {}
    for row in (tables[item] for item in cause.checks if item not in settled and told_as.get(item) not in settled):
        if row.get("kind") == "api":
            yield command(f"gcloud services enable {row['subject']} --project={project}")
        elif row["id"] == "env.agent-exists":
            yield command(f"gcloud beta services identity create --service=composer.googleapis.com --project={project}")
        elif row.get("kind") == "org_policy":
            name = row["subject"].removeprefix("constraints/")
            yield command(f"gcloud org-policies describe {name} --project={project} --effective")
        elif case is not None and (known := _binding_of(row, case)):
            yield from fixes_for(known, filled(known.member), case.name, case.project)
        elif "role" in row and (text := command_of_row(row, number)):
            yield command(_named_here(text, case) if case else text)
        else:
            continue
        return
    if cause.elsewhere:
        yield command(f"envctl explain {cause.checks[0]}")


def _named_here(text: str, case: Case) -> str:
    """A command of the table with the environment's own names where it has placeholders for them."""
    names = {
        "PROJECT": case.project,
        "HOST_PROJECT": case.setting.host_project,
        "REGION": case.spec.region,
        "ENVIRONMENT_ACCOUNT": case.setting.account_email,
        "PREFIX": case.spec.secrets.prefix if case.spec.secrets else None,
    }
    return _PLACEHOLDER.sub(lambda match: shlex.quote(names[match[0]] or match[0]), text)


def _binding_of(row: Mapping[str, Any], case: Case) -> Binding | None:
    """The binding of this environment that a row of the table stands for; None where it has none, or no place yet."""
    return next((item for item in case.bindings if row["id"] in item.ids and item.resource), None)


def _decide(cause: Cause, case: Case) -> Cause:
    everywhere = replace(case, operations=tuple(load_operations()))
    # Rows that mean the same binding are one finding, under the id of the strongest.
    told_as = {row: item.id for item in everywhere.bindings for row in item.ids}
    known = set(check_ids())
    named = dict.fromkeys(told_as.get(item, item) for item in cause.checks)
    runnable = [item for item in named if item in known]
    order = {item: place for place, item in enumerate(runnable)}
    decided: list[Finding] = sorted(examine(everywhere, runnable), key=lambda item: order[item.id])
    decided += open_numbers(cause.groups, case)
    needs = tuple(dict.fromkeys(text for item in decided if item.status is Status.UNKNOWN for text in item.evidence))
    decided = [*cause.decided, *decided]
    return replace(cause, decided=tuple(decided), needs=tuple(dict.fromkeys((*cause.needs, *needs))))
