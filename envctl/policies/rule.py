"""What a rule is: one function per resource type, made a policy of Pulumi's SDK."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pulumi_policy import EnforcementLevel, ReportViolation, ResourceValidationArgs, ResourceValidationPolicy

ENVIRONMENT = "gcp:composer/environment:Environment"

Check = Callable[[ResourceValidationArgs], str | None]
"""The sentence that says what is wrong, or None."""


class NotJudgedError(Exception):
    """A rule has too little to judge by; the text says what is missing."""


class Level(StrEnum):
    """What a violation does: nothing, a warning, a refusal."""

    DISABLED = "disabled"
    ADVISORY = "advisory"
    MANDATORY = "mandatory"


@dataclass(frozen=True, slots=True)
class Levels:
    """The level of one rule per profile."""

    trial: Level
    standard: Level
    critical: Level

    def of(self, profile: str) -> Level:
        """The level for a profile by its name; foundations count as standard."""
        return {"trial": self.trial, "critical": self.critical}.get(profile, self.standard)


EVERYWHERE = Levels(Level.MANDATORY, Level.MANDATORY, Level.MANDATORY)
PRODUCTION = Levels(Level.DISABLED, Level.ADVISORY, Level.MANDATORY)
ADVICE = Levels(Level.DISABLED, Level.ADVISORY, Level.ADVISORY)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its id, levels, cure, and the check per resource type (a type may end with `*`)."""

    id: str
    levels: Levels
    cure: str
    checks: Mapping[str, Check]

    @property
    def page(self) -> str:
        """What the rule demands and why, from the docstring of its first check."""
        return inspect.getdoc(next(iter(self.checks.values()))) or ""

    @property
    def summary(self) -> str:
        """The first line of the page."""
        return self.page.splitlines()[0]

    def check_for(self, type_: str) -> Check | None:
        """The check of a resource type."""
        for pattern, check in self.checks.items():
            if pattern == type_ or (pattern.endswith("*") and type_.startswith(pattern[:-1])):
                return check
        return None

    def as_policy(self, level: Level | None = None) -> ResourceValidationPolicy:
        """The rule as the SDK wants it; without a level, the one for production."""

        def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
            check = self.check_for(args.resource_type)
            try:
                message = check(args) if check is not None else None
            except NotJudgedError:
                return  # a pack has no word for it; envctl's own previews say why
            if message:
                report(message, None)

        return ResourceValidationPolicy(
            name=self.id,
            description=self.summary,
            validate=validate,
            enforcement_level=EnforcementLevel((level or self.levels.critical).value),
        )


def setting(properties: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path of inputs, None where a part is missing.

    Raises:
        UnknownValueError: a part is known only after apply.
    """
    node: Any = properties
    for part in path.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return None
        node = node[part]
    return node
