"""`explain ID`: the page of any error, diagnostic, check, policy or package clash."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from envctl.errors import UsageError

_GATES = {
    "packages.conflict": "package-conflict",
    "packages.invalid": "requirement-invalid",
    "packages.ok": "image-basis",
    "packages.override": "package-override",
    "packages.timeout-risk": "package-timeout-risk",
    "packages.unknown": "package-verdict-unknown",
}
"""Ids under which a plan shows the answers of the clash check; each stands for a code."""

_OWNERSHIP = tuple(f"ownership.{word}" for word in ("absent", "doubled", "foreign", "renamed", "state-lost", "unread"))
"""Ids under which a plan says whose things are; `exists-already` explains them all."""

_PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
"""Names of packages (PyPA specifications, "Names and normalization")."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is known about one id."""

    id: str
    kind: str
    title: str
    text: str


def explain(identifier: str) -> Page:
    """The page of an id.

    Raises:
        UsageError: nothing has that id; the nearest ones are in the hints.
    """
    if identifier in _OWNERSHIP:
        return explain("exists-already")
    for look in (_error, _diagnostic, _package, _policy, _check):
        page = look(identifier)
        if page is not None:
            return page
    from envctl.spec.nearest import nearest

    near = nearest(identifier, known_ids())
    hints: list[str] = []
    if near:
        hints.append(f"did you mean `{near}`?")
    elif _PACKAGE.fullmatch(identifier):
        hints.append(
            f"a package is explained for a list, such as that of dev\n    envctl deps explain {identifier} dev"
        )
    raise UsageError(f"Nothing is called {identifier}", hints=hints, code="usage")


def known_ids() -> tuple[str, ...]:
    """Every id that has a page."""
    from envctl.doctor.registry import check_ids
    from envctl.policies.catalogue import SHIPPED
    from envctl.spec.codes import CODES

    return (
        *error_pages(),
        *CODES,
        *package_pages(),
        *_GATES,
        *_OWNERSHIP,
        *(f"policy.{rule.id}" for rule in SHIPPED),
        *check_ids(),
    )


@cache
def error_pages() -> dict[str, str]:
    """What ends a command: meaning and cure by code."""
    return tomllib.loads(resources.files("envctl.data").joinpath("errors.toml").read_text("utf-8"))


def _error(identifier: str) -> Page | None:
    text = error_pages().get(identifier)
    return Page(identifier, "error", identifier, text) if text else None


def _diagnostic(identifier: str) -> Page | None:
    from envctl.spec.codes import CODES

    code = CODES.get(identifier)
    return Page(identifier, f"{code.severity.value} in a file", code.summary, code.explanation) if code else None


@cache
def package_pages() -> dict[str, dict[str, str]]:
    """What the clash check says about packages: title and text by code."""
    return tomllib.loads(resources.files("envctl.data").joinpath("package-codes.toml").read_text("utf-8"))


def _package(identifier: str) -> Page | None:
    found = package_pages().get(_GATES.get(identifier, identifier))
    return Page(identifier, "package clash check", found["title"], found["text"]) if found else None


def _policy(identifier: str) -> Page | None:
    from envctl.policies.catalogue import SHIPPED

    rule = next((each for each in SHIPPED if identifier in {each.id, f"policy.{each.id}"}), None)
    if rule is None:
        return None
    levels = f"trial {rule.levels.trial}, standard {rule.levels.standard}, critical {rule.levels.critical}"
    body = "\n".join(rule.page.splitlines()[1:]).strip()
    return Page(f"policy.{rule.id}", "policy", rule.summary, f"{body}\n\nLevels: {levels}.\nCure: {rule.cure}.".strip())


def _check(identifier: str) -> Page | None:
    from envctl.doctor.registry import page_of

    found = page_of(identifier)
    return Page(identifier, "check", found.title, found.text) if found else None
