"""What a stack's state holds, whichever engine keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from envctl.engine.urns import name_of


@dataclass(frozen=True, slots=True)
class HeldRow:
    """One resource of a cloud in a state."""

    name: str
    type: str
    id: str
    outputs: Mapping[str, Any]


def pending_names(document: Mapping[str, Any]) -> frozenset[str]:
    """Logical names of what an earlier run may have been making or changing when it ended."""
    operations = (document.get("deployment") or {}).get("pending_operations") or ()
    return frozenset(name_of(operation["resource"]["urn"]) for operation in operations)


def held_rows(document: Mapping[str, Any]) -> tuple[HeldRow, ...]:
    """Every resource of an exported state that stands for something in the cloud; secrets stay encrypted."""
    return tuple(_rows((document.get("deployment") or {}).get("resources") or ()))


def _rows(resources: Iterable[Mapping[str, Any]]) -> Iterable[HeldRow]:
    for row in resources:
        if not row.get("custom") or row["type"].startswith("pulumi:") or row.get("external") or row.get("delete"):
            continue
        yield HeldRow(
            name=name_of(row["urn"]),
            type=row["type"],
            id=row.get("id", ""),
            outputs=row.get("outputs") or {},
        )
