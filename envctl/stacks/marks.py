"""The mark of an owner: which project and which stack an object in the cloud belongs to.

A mark informs people and envctl's messages; what a stack owns stands in its state alone (`docs/ownership.md`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envctl.spec.names import OWNER_LABEL, bounded

LABEL_LENGTH = 63
"""Labels hold up to 63 of a-z, 0-9, _ and - ("Labels overview", cloud.google.com/resource-manager/docs, read 2026-11)."""

_ID_LENGTH = 12
_STACK_LENGTH = LABEL_LENGTH - _ID_LENGTH - 1
_MARK = re.compile(rf"(?P<id>[a-z][a-z0-9]{{{_ID_LENGTH - 1}}})_(?P<stack>[a-z0-9_-]{{1,{_STACK_LENGTH}}})")
_IN_TEXT = re.compile(rf"\b{OWNER_LABEL}: (?P<mark>[a-z0-9_-]+)")
# What providers call an object's labels: of clusters `resourceLabels`, of alert policies `userLabels`.
_LABELS = ("effectiveLabels", "labels", "resourceLabels", "userLabels")


@dataclass(frozen=True, slots=True)
class OwnerMark:
    """A project's id and the file's stem, as far as a label can hold it; two marks are equal when their texts are."""

    project_id: str
    stack: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "stack", bounded(_allowed(self.stack), _STACK_LENGTH))

    @property
    def text(self) -> str:
        """`ID_STACK`: a value that labels can hold."""
        return f"{self.project_id}_{self.stack}"

    @property
    def description(self) -> str:
        """The mark as the description of what has no labels."""
        return f"Managed by envctl. {OWNER_LABEL}: {self.text}"


def parse_mark(text: str) -> OwnerMark | None:
    """The mark that a label's value is; None when it is none."""
    found = _MARK.fullmatch(text)
    return OwnerMark(found["id"], found["stack"]) if found else None


def mark_of(outputs: Mapping[str, Any]) -> OwnerMark | None:
    """The mark that a live object carries in its labels or its description; None when it carries none."""
    for name in _LABELS:
        labels = outputs.get(name)
        value = labels.get(OWNER_LABEL) if isinstance(labels, Mapping) else None
        if isinstance(value, str):
            return parse_mark(value)
    description = outputs.get("description")
    found = _IN_TEXT.search(description) if isinstance(description, str) else None
    return parse_mark(found["mark"]) if found else None


def label(text: str) -> str:
    """`text` as a label value: lower case, what is not allowed becomes a hyphen, at most 63 characters."""
    return _allowed(text)[:LABEL_LENGTH]


def _allowed(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())
