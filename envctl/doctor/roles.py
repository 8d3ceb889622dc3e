"""Roles as sets of permissions: the shipped predefined roles, and custom or newer ones from facts.

A permission set is an int used as a bit set: the union of a thousand bindings is a thousand `|`. Permissions
are numbered by their place in the shipped list; names that the list does not hold get numbers as they come.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from envctl.iam_roles import DATA


@cache
def _shipped() -> tuple[Mapping[str, Any], Mapping[str, int]]:
    document = json.loads(zlib.decompress((DATA / "roles.json.z").read_bytes()))
    return document, {name: number for number, name in enumerate(document["permissions"])}


def packed(bits: int) -> bytes:
    """A permission set for many look-ups: `holds` on bytes takes the same short time for any size of set."""
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def holds(table: bytes, number: int) -> bool:
    """Whether a packed permission set holds the permission of this number."""
    place = number >> 3
    return place < len(table) and bool(table[place] >> (number & 7) & 1)


@cache
def _shipped_bits(role: str) -> int | None:
    entry = _shipped()[0]["roles"].get(role)
    return None if entry is None else int(entry[2], 16)


def roles_date() -> str:
    """The day of the shipped role data (ISO date)."""
    return str(_shipped()[0]["date"])


def shipped_roles() -> tuple[tuple[str, str], ...]:
    """Name and launch stage of every shipped role."""
    return tuple((name, str(entry[1])) for name, entry in _shipped()[0]["roles"].items())


@cache
def _shipped_prefix_bits(prefixes: tuple[str, ...]) -> int:
    return sum(1 << number for number, name in enumerate(_shipped()[0]["permissions"]) if name.startswith(prefixes))


class RoleCatalogue:
    """Answers which permissions a role holds.

    Args:
        custom: roles from facts (`projects/P/roles/R`, `organizations/O/roles/R`, or predefined ones read live,
            which win over the shipped ones); None for a role that could not be read.
    """

    def __init__(self, custom: Mapping[str, Iterable[str] | None] | None = None) -> None:
        self._numbers = _shipped()[1]
        self._late: dict[str, int] = {}
        self._custom = {
            role: None if permissions is None else self.bits(permissions)
            for role, permissions in (custom or {}).items()
        }

    def bit(self, permission: str) -> int:
        """The bit of one permission."""
        return 1 << self.number(permission)

    def number(self, permission: str) -> int:
        """The number of one permission: the place of its bit."""
        number = self._numbers.get(permission)
        if number is None:
            number = self._late.setdefault(permission, len(self._numbers) + len(self._late))
        return number

    def known(self, permission: str) -> bool:
        """Whether the shipped data hold the permission at all."""
        return permission in self._numbers

    def bits(self, permissions: Iterable[str]) -> int:
        """The bits of several permissions together."""
        total = 0
        for permission in permissions:
            total |= self.bit(permission)
        return total

    def prefix_bits(self, prefixes: tuple[str, ...]) -> int:
        """The bits of all known permissions whose names begin with one of the prefixes."""
        return _shipped_prefix_bits(prefixes) | self.bits(
            name for name in tuple(self._late) if name.startswith(prefixes)
        )

    def role_bits(self, role: str) -> int | None:
        """The permissions of a role; None when neither the shipped data nor the facts know it."""
        if role in self._custom:
            return self._custom[role]
        return _shipped_bits(role)
