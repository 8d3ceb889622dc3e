"""What every concern of a program needs to know: whose stack it is, where it lives, and its labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from envctl.stacks.context import ProgramContext

LABEL_LENGTH = 63
"""Labels hold up to 63 of a-z, 0-9, _ and - ("Labels overview", cloud.google.com/resource-manager/docs, read 2026-11)."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One stack: `name` of the environment or foundation, its project, region, labels and protection."""

    name: str
    project: str
    region: str
    protect: bool
    user_labels: Mapping[str, str]
    context: ProgramContext
    own_labels: bool = True
    """False for what existed before its file: then only the file's labels count."""

    @property
    def labels(self) -> dict[str, str]:
        """Labels of everything that the stack owns; the file's own win."""
        if not self.own_labels:
            return dict(sorted(self.user_labels.items()))
        return dict(sorted({"managed-by": "envctl", "envctl-stack": label(self.name), **self.user_labels}.items()))

    @property
    def environment_labels(self) -> dict[str, str]:
        """Labels of the Composer environment: who built it, from which commit.

        Only there: each label that changes costs every resource that wears it an update.
        """
        if not self.own_labels:
            return self.labels
        built = {"envctl-version": label(self.context.envctl_version)}
        if self.context.commit:
            built["envctl-commit"] = label(self.context.commit[:12])
        return dict(sorted({**self.labels, **built, **self.user_labels}.items()))


def label(text: str) -> str:
    """`text` as a label value: lower case, what is not allowed becomes a hyphen, at most 63 characters."""
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[:LABEL_LENGTH]
