"""Values as a plan may show them: JSON, plus two marks that stand for a payload that is not there."""

from __future__ import annotations

from enum import Enum
from typing import Any


class Opaque(Enum):
    """A value whose payload is kept out of the plan."""

    SECRET = "secret"  # noqa: S105
    """Known, but sensitive."""
    UNKNOWN = "unknown"
    """Known after apply."""


JsonValue = Any
"""None, bool, int, float, str, list, dict with str keys, or an `Opaque` anywhere inside."""
