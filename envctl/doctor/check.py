"""What a check is, and the words in which it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.facts import Unreadable, off_api
from envctl.doctor.model import Finding, Fix, FixKind, Status


@dataclass(frozen=True, slots=True)
class Voice:
    """Makes the findings of one check. `severity` is how much a failure weighs."""

    id: str
    severity: Severity = Severity.ERROR

    def ok(self, why: str, *, resource: str = "", principal: str = "", evidence: Iterable[str] = ()) -> Finding:
        """The check holds."""
        return Finding(self.id, Status.OK, self.severity, why, principal, resource, evidence=tuple(evidence))

    def failed(
        self,
        why: str,
        *,
        resource: str = "",
        principal: str = "",
        evidence: Iterable[str] = (),
        fixes: Iterable[Fix] = (),
        severity: Severity | None = None,
    ) -> Finding:
        """The check does not hold."""
        return Finding(
            self.id,
            Status.FAILED,
            severity or self.severity,
            why,
            principal,
            resource,
            evidence=tuple(evidence),
            fixes=tuple(fixes),
        )

    def unknown(
        self,
        answer: Unreadable | str,
        why: str,
        *,
        resource: str = "",
        principal: str = "",
        severity: Severity | None = None,
    ) -> Finding:
        """The check cannot be decided; `why` says what would have been looked at."""
        if isinstance(answer, str):
            text = answer
        else:
            first = "that API on and " if off_api(answer.cause) else ""
            text = f"{answer.cause}; reading it needs {first}{answer.permission}"
        return Finding(self.id, Status.UNKNOWN, severity or self.severity, why, principal, resource, evidence=(text,))

    def skipped(self, why: str, *, resource: str = "", principal: str = "") -> Finding:
        """The check does not concern this case; `why` says the reason."""
        return Finding(self.id, Status.SKIPPED, self.severity, why, principal, resource)


@dataclass(frozen=True, slots=True)
class Check:
    """One check: the ids it answers for, and the function that answers.

    `operations` are command-line names (`create`, `packages`, ...) before which it matters; empty for all.
    `offline` is True when the environment file alone can decide it; `rights` when it looks at rights of members. `ids` has several entries only for families
    whose pages come from a table.
    """

    ids: tuple[str, ...]
    run: Callable[[Case], Iterable[Finding]]
    operations: tuple[str, ...] = ()
    offline: bool = False
    rights: bool = False

    def concerns(self, case: Case) -> bool:
        """Whether the check matters before the operation at hand."""
        return not self.operations or case.doing(*self.operations)


def command(text: str) -> Fix:
    """A fix that is a shell command."""
    return Fix(FixKind.COMMAND, text)


def spec_change(text: str) -> Fix:
    """A fix that is YAML for the environment file."""
    return Fix(FixKind.SPEC, text)


def by_up(text: str) -> Fix:
    """A fix that `envctl up` makes."""
    return Fix(FixKind.UP, text)
