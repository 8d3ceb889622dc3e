from __future__ import annotations
from dataclasses import dataclass
from collections.abc import Mapping
from typing import Any


@dataclass(frozen=True, slots=True)
class OwnerMark:
    project_id: str
    stack: str

    @property
    def text(self) -> str:
        return f"{self.project_id}_{self.stack}"


def mark_of(outputs: Mapping[str, Any]) -> OwnerMark | None:
    return None
