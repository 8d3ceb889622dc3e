"""What every concern of a program needs to know: whose stack it is, where it lives, and its labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from envctl.spec.names import OWNER_LABEL
from envctl.stacks.context import ProgramContext
from envctl.stacks.marks import OwnerMark, label


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
    stack: str = ""
    """The file's stem, where it differs from the name."""

    @property
    def mark(self) -> OwnerMark | None:
        """What marks an object as this stack's; None for a project without an id, and for what existed before its file."""
        if self.context.project_id is None or not self.own_labels:
            return None
        return OwnerMark(self.context.project_id, self.stack or self.name)

    @property
    def description(self) -> dict[str, str]:
        """The input `description` of what has no labels: the mark; nothing without one."""
        return {"description": self.mark.description} if self.mark else {}

    @property
    def labels(self) -> dict[str, str]:
        """Labels of everything that the stack owns."""
        return self.labels_with({})

    def labels_with(self, others: Mapping[str, str]) -> dict[str, str]:
        """Labels of one thing that the file gives more to: over the file's general ones stand its own, over all envctl's."""
        return dict(sorted({**self.user_labels, **others, **self._own()}.items()))

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
        return dict(sorted({**self.labels, **built}.items()))

    def _own(self) -> dict[str, str]:
        if not self.own_labels:
            return {}
        owner = {OWNER_LABEL: self.mark.text} if self.mark else {}
        return {"managed-by": "envctl", "envctl-stack": label(self.name), **owner}
