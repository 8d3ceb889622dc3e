"""Version specifiers as the pip of an image reads them.

pip before 24.1 carries packaging 21.3 and older. Some of its habits decide verdicts and are gone from today's
packaging: a clause that PEP 440 does not allow (`>=2.*`, `>dev`) is compared the way setuptools once did; a
set of clauses accepts pre-releases only when one of its clauses names one; a set without clauses accepts
them only when there is nothing else; prefixes are compared as texts (`==1.0.*` refuses `1.post1`); and `>1a1`
refuses `1+local`. Everything else is compared as PEP 440 says, on `packaging.version.Version`.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Iterable

_CLAUSE = re.compile(r"\s*(===|==|!=|~=|<=|>=|<|>)\s*([^\s,;)<>=!~][^\s,;)]*)\s*")
_RELEASE_ONLY = re.compile(r"v?(?:\d+!)?\d+(?:\.\d+)*", re.IGNORECASE)
_PRE_RELEASE = re.compile(r"^([0-9]+)((?:a|b|c|rc)[0-9]+)$")
_SUFFIXES = ("dev", "a", "b", "rc", "post")
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
    """Clauses that must all hold. One object per text: `specifiers` and `known_specifiers` make them.

    Clauses are taken apart when a version is first compared: of an image's thousands most never are.
    """

    __slots__ = ("_clauses", "_known", "has_equals", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.has_equals = "==" in text
        self._clauses: tuple[Clause, ...] | None = None
        self._known: dict[str, bool] = {}

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """The comparisons.

        Raises:
            InvalidSpecifierError: a clause has no operator or no version.
        """
        if self._clauses is None:
            self._clauses = _clauses_of(self.text)
        return self._clauses

    @property
    def allows_prereleases(self) -> bool:
        """Whether a clause names a pre-release."""
        return any(_names_prerelease(clause) for clause in self.clauses)

    @property
    def is_legacy(self) -> bool:
        """Whether there are clauses, and all of them are only comparable the old way."""
        return bool(self.text) and all(c.version is None and c.operator != "===" for c in self.clauses)

    @property
    def is_pinned(self) -> bool:
        """Whether a clause allows one version only."""
        return self.has_equals and any(c.operator in ("==", "===") and not c.wildcard for c in self.clauses)

    def contains(self, version: str) -> bool:
        """Whether the version satisfies every clause; pre-releases are judged like any other version."""
        known = self._known.get(version)
        if known is None:
            known = self._known[version] = all(_holds(clause, version) for clause in self.clauses)
        return known

    def remember(self, version: str) -> None:
        """Takes it as known that the version satisfies every clause."""
        self._known[version] = True

    def __bool__(self) -> bool:
        return bool(self.text)

    def __repr__(self) -> str:
        return f"Specifiers({self.text!r})"


@cache
def version_of(text: str) -> Version:
    """The parsed version; raises `packaging.version.InvalidVersion`."""
    return Version(text)


_BY_TEXT: dict[str, Specifiers] = {}


def specifiers(text: str) -> Specifiers:
    """The clauses of a text such as `>=1.0,<2`.

    Raises:
        InvalidSpecifierError: a clause has no operator or no version.
    """
    made = known_specifiers(text)
    _ = made.clauses
    return made


def known_specifiers(text: str) -> Specifiers:
    """The clauses of a text that is known to be valid: it is not read before it is needed."""
    made = _BY_TEXT.get(text)
    if made is None:
        made = _BY_TEXT[text] = Specifiers(text)
    return made


def _clauses_of(text: str) -> tuple[Clause, ...]:
    clauses: list[Clause] = []
    for part in text.split(","):
        if not part.strip():
            continue
        match = _CLAUSE.fullmatch(part)
        if match is None:
            raise InvalidSpecifierError(part.strip())
        clauses.append(_clause(match[1], match[2]))
    return tuple(clauses)


def is_prerelease(version: str) -> bool:
    """Whether a version in PEP 440's normal form is a pre-release; reads the text, which is all it takes."""
    public = version.partition("+")[0]
    return "a" in public or "b" in public or "rc" in public or "dev" in public


def any_allows_prereleases(sets: Iterable[Specifiers]) -> bool | None:
    """Whether pre-releases are candidates: None when there is no clause at all (then only as a last resort).

    A clause of the old form (`<0.20.*`) reads every version the old way, in which nothing is a pre-release, so
    it drops none; pre-releases go only when a clause of PEP 440's form stands beside it.
    """
    present = [one for one in sets if one]
    if not present:
        return None
    return any(one.allows_prereleases for one in present) or all(one.is_legacy for one in present)


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
            return _has_prefix(public, _segments(clause.text[:-2]))
        return (version if wanted.local is not None else public) == wanted
    if operator == "!=":
        if clause.wildcard:
            return not _has_prefix(public, _segments(clause.text[:-2]))
        return (version if wanted.local is not None else public) != wanted
    if operator == ">=":
        return public >= wanted
    if operator == "<=":
        return public <= wanted
    if operator == "~=":
        release = list(takewhile(lambda one: not one.startswith(_SUFFIXES), _segments(clause.text)))
        return public >= wanted and _has_prefix(public, release[:-1])
    same_base = _base(version) == _base(wanted)
    if operator == "<":
        return version < wanted and not (version.is_prerelease and not wanted.is_prerelease and same_base)
    if version <= wanted:
        return False
    return not (same_base and ((version.is_postrelease and not wanted.is_postrelease) or version.local))


def _has_prefix(version: Version, prefix: list[str]) -> bool:
    """Whether the version's segments begin with those of the prefix, as texts: `==1.0.*` refuses `1.post1`."""
    segments = _segments(str(version))[: len(prefix)]
    missing = _digits(prefix) - _digits(segments)
    if missing > 0:
        segments[_digits(segments) : _digits(segments)] = ["0"] * missing
    elif missing < 0:
        prefix = [*prefix[: _digits(prefix)], *["0"] * -missing, *prefix[_digits(prefix) :]]
    return segments == prefix


def _segments(text: str) -> list[str]:
    """`1!2.3rc1.post4` as `1!2`, `3`, `rc1`, `post4`."""
    return [part for item in text.split(".") for part in _PRE_RELEASE.sub(r"\1 \2", item).split(" ")]


def _digits(segments: list[str]) -> int:
    """How many segments at the beginning are plain numbers; none where an epoch stands."""
    return sum(1 for _ in takewhile(str.isdigit, segments))


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
