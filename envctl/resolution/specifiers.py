"""Version specifiers as the pip of an image reads them.

pip before 24.1 carries packaging 21.3 and older. Three of its habits decide verdicts and are gone from today's
packaging: a clause that PEP 440 does not allow (`>=2.*`, `>dev`) is compared the way setuptools once did; a
set of clauses accepts pre-releases only when one of its clauses names one; and a set without clauses accepts
them only when there is nothing else. Everything PEP 440 defines is compared as PEP 440 says, on
`packaging.version.Version`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Iterable

_CLAUSE = re.compile(r"\s*(===|==|!=|~=|<=|>=|<|>)\s*([^\s,;)<>=!~][^\s,;)]*)\s*")
_RELEASE_ONLY = re.compile(r"v?(?:\d+!)?\d+(?:\.\d+)*", re.IGNORECASE)
_LEGACY_PART = re.compile(r"(\d+|[a-z]+|\.|-)")
_LEGACY_WORDS = {"pre": "c", "preview": "c", "-": "final-", "rc": "c", "dev": "@"}


class InvalidSpecifierError(ValueError):
    """The text is no specifier, not even to an old pip."""


class Clause(NamedTuple):
    """One comparison. `version` is None where the text is only comparable the old way."""

    operator: str
    text: str
    version: Version | None
    wildcard: bool


class Specifiers:
    """Clauses that must all hold. Compared by identity of text: `specifiers` returns one object per text."""

    __slots__ = ("_known", "allows_prereleases", "clauses", "has_equals", "is_pinned", "text")

    def __init__(self, text: str, clauses: tuple[Clause, ...]) -> None:
        self.text = text
        self.clauses = clauses
        self.allows_prereleases = any(_names_prerelease(clause) for clause in clauses)
        self.is_pinned = any(c.operator in ("==", "===") and not c.wildcard for c in clauses)
        self.has_equals = any(c.operator in ("==", "===") for c in clauses)
        self._known: dict[str, bool] = {}

    def contains(self, version: str) -> bool:
        """Whether the version satisfies every clause; pre-releases are judged like any other version."""
        known = self._known.get(version)
        if known is None:
            known = self._known[version] = all(_holds(clause, version) for clause in self.clauses)
        return known

    def __bool__(self) -> bool:
        return bool(self.clauses)

    def __repr__(self) -> str:
        return f"Specifiers({self.text!r})"


@cache
def version_of(text: str) -> Version:
    """The parsed version; raises `packaging.version.InvalidVersion`."""
    return Version(text)


@cache
def specifiers(text: str) -> Specifiers:
    """The clauses of a text such as `>=1.0,<2`.

    Raises:
        InvalidSpecifierError: a clause has no operator or no version.
    """
    clauses: list[Clause] = []
    for part in text.split(","):
        if not part.strip():
            continue
        match = _CLAUSE.fullmatch(part)
        if match is None:
            raise InvalidSpecifierError(part.strip())
        clauses.append(_clause(match[1], match[2]))
    return Specifiers(text, tuple(clauses))


def is_prerelease(version: str) -> bool:
    """Whether a version in PEP 440's normal form is a pre-release; reads the text, which is all it takes."""
    public = version.partition("+")[0]
    return "a" in public or "b" in public or "rc" in public or "dev" in public


def any_allows_prereleases(sets: Iterable[Specifiers]) -> bool | None:
    """Whether pre-releases are candidates: None when there is no clause at all (then only as a last resort)."""
    allowed: bool | None = None
    for one in sets:
        if one.allows_prereleases:
            return True
        if one.clauses:
            allowed = False
    return allowed


def _clause(operator: str, text: str) -> Clause:
    if operator == "===":
        return Clause(operator, text, None, wildcard=False)
    wildcard = text.endswith(".*")
    bare = text[:-2] if wildcard else text
    try:
        version = version_of(bare)
    except InvalidVersion:
        version = None
    if version is not None:
        ordered = operator in ("<", ">", "<=", ">=")
        if wildcard and (operator not in ("==", "!=") or not _RELEASE_ONLY.fullmatch(bare)):
            version = None
        elif operator == "~=" and len(version.release) < 2:
            raise InvalidSpecifierError(operator + text)
        elif version.local is not None and (ordered or operator == "~="):
            version = None
    if version is None and operator == "~=":
        raise InvalidSpecifierError(operator + text)
    return Clause(operator, text, version, wildcard)


def _names_prerelease(clause: Clause) -> bool:
    if clause.operator == "===":
        try:
            return version_of(clause.text).is_prerelease
        except InvalidVersion:
            return False
    return clause.version is not None and clause.operator in ("==", ">=", "<=", "~=") and clause.version.is_prerelease


def _holds(clause: Clause, text: str) -> bool:
    operator, wanted = clause.operator, clause.version
    if operator == "===":
        return text.lower() == clause.text.lower()
    if wanted is None:
        return _holds_legacy(clause, text)
    version = version_of(text)
    public = version if version.local is None else version_of(version.public)
    if operator == "==":
        if clause.wildcard:
            return _has_prefix(public, wanted.epoch, wanted.release)
        return (version if wanted.local is not None else public) == wanted
    if operator == "!=":
        if clause.wildcard:
            return not _has_prefix(public, wanted.epoch, wanted.release)
        return (version if wanted.local is not None else public) != wanted
    if operator == ">=":
        return public >= wanted
    if operator == "<=":
        return public <= wanted
    if operator == "~=":
        return public >= wanted and _has_prefix(public, wanted.epoch, wanted.release[:-1])
    same_base = _base(version) == _base(wanted)
    if operator == "<":
        return version < wanted and not (version.is_prerelease and not wanted.is_prerelease and same_base)
    if version <= wanted:
        return False
    return not (same_base and ((version.is_postrelease and not wanted.is_postrelease) or version.local))


def _has_prefix(version: Version, epoch: int, prefix: tuple[int, ...]) -> bool:
    release = version.release
    padded = release + (0,) * (len(prefix) - len(release))
    return version.epoch == epoch and padded[: len(prefix)] == prefix


def _base(version: Version) -> tuple[int, tuple[int, ...]]:
    release = version.release
    end = len(release)
    while end > 1 and release[end - 1] == 0:
        end -= 1
    return version.epoch, release[:end]


def _holds_legacy(clause: Clause, text: str) -> bool:
    left, right = _legacy_key(text), _legacy_key(clause.text)
    match clause.operator:
        case "==":
            return left == right
        case "!=":
            return left != right
        case "<=":
            return left <= right
        case ">=":
            return left >= right
        case "<":
            return left < right
        case _:
            return left > right


def _legacy_key(text: str) -> tuple[str, ...]:
    """The order of versions before PEP 440, as setuptools defined it and packaging 21.3 kept it."""
    parts: list[str] = []
    for found in _LEGACY_PART.split(text.lower()):
        word = _LEGACY_WORDS.get(found, found)
        if not word or word == ".":
            continue
        part = word.zfill(8) if word[0].isdigit() else f"*{word}"
        if part.startswith("*"):
            if part < "*final":
                while parts and parts[-1] == "*final-":
                    parts.pop()
            while parts and parts[-1] == "00000000":
                parts.pop()
        parts.append(part)
    while parts and parts[-1] == "00000000":
        parts.pop()
    return (*parts, "*final")
