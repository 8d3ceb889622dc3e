"""What the doctor says: findings with their fixes, and the report that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from envctl.diagnostics import Severity

UNRECOGNISED: Final = "text.unrecognised"
"""Id of the verdict on an error text that no signature knows."""


class Status(StrEnum):
    """The outcome of a check for one principal and resource."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


class FixKind(StrEnum):
    """How a fix is put to work."""

    COMMAND = "command"
    """A shell command for somebody with the rights to run it."""
    SPEC = "spec"
    """YAML for the environment file."""
    UP = "up"
    """`envctl up` does it by itself; the text is the change it will make."""


@dataclass(frozen=True, slots=True)
class Fix:
    """One way to repair a finding."""

    kind: FixKind
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict. `why` says what breaks, or why the check was skipped; `missing` holds permissions.

    `id` is that of a check and knows a page (`envctl explain ID`). `accepted` marks a finding of the baseline.
    """

    id: str
    status: Status
    severity: Severity
    why: str
    principal: str = ""
    resource: str = ""
    missing: tuple[str, ...] = ()
    role: str = ""
    evidence: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()
    accepted: bool = False

    @property
    def fingerprint(self) -> str:
        """What makes this finding the same finding in the next run; baselines hold these."""
        return " ".join((self.id, self.principal or "-", self.resource or "-"))

    @property
    def coming(self) -> bool:
        """Whether it does not hold yet and the next `envctl up` makes it so: no failure, nothing to repair by hand."""
        return (
            self.status is Status.FAILED
            and not self.accepted
            and self.severity is Severity.NOTE
            and any(fix.kind is FixKind.UP for fix in self.fixes)
        )


@dataclass(frozen=True, slots=True)
class Cause:
    """One possible cause of an error text: the signature that matched and the findings that decide it."""

    signature: str
    means: str
    rank: int
    groups: tuple[str, ...]
    """Texts that the signature took out of the error: permissions, APIs, resources."""
    checks: tuple[str, ...]
    """Ids of checks that would decide it, in the order to test."""
    decided: tuple[Finding, ...] = ()
    needs: tuple[str, ...] = ()
    """Facts that would decide what is still open."""
    fixes: tuple[Fix, ...] = ()
    """What repairs it where no failed finding says so: placeholders in capitals where no environment was named."""

    @property
    def confirmed(self) -> bool:
        """True when a check of this cause failed; what `up` has still to do proves nothing."""
        return any(item.status is Status.FAILED and not item.coming for item in self.decided)

    @property
    def elsewhere(self) -> bool:
        """True when checks were run and none of them concerns the environment."""
        return bool(self.decided) and all(item.status is Status.SKIPPED for item in self.decided)


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """Everything that one run of the doctor found, worst first."""

    environment: str
    operations: tuple[str, ...]
    findings: tuple[Finding, ...]
    causes: tuple[Cause, ...] = ()
    facts: str = ""
    """Where the facts come from and of when they are; empty when there were none."""
    roles_date: str = ""
    lines: Mapping[str, int] = field(default_factory=dict[str, int])
    """The line of the environment file that a finding is about, by fingerprint; where none is named, the first."""

    @property
    def summary(self) -> Mapping[str, int]:
        """Findings by status, `coming` apart; accepted ones are not counted as failed."""
        counts: dict[str, int] = dict.fromkeys(("failed", "coming", "ok", "unknown", "skipped"), 0)
        for finding in self.findings:
            if finding.coming:
                counts["coming"] += 1
            elif not (finding.accepted and finding.status is Status.FAILED):
                counts[finding.status.value] += 1
        return counts

    @property
    def failed(self) -> tuple[Finding, ...]:
        """Findings that somebody has to look at, worst first: failed, not accepted, and not what `up` will do."""
        return tuple(
            item for item in self.findings if item.status is Status.FAILED and not item.accepted and not item.coming
        )

    @property
    def coming(self) -> tuple[Finding, ...]:
        """What the next `envctl up` will do by itself."""
        return tuple(item for item in self.findings if item.coming)

    def failing(self, at: Severity) -> tuple[Finding, ...]:
        """Findings that failed with at least this severity and are not accepted."""
        weights = {Severity.NOTE: 0, Severity.WARNING: 1, Severity.ERROR: 2}
        return tuple(item for item in self.failed if weights[item.severity] >= weights[at])

    @property
    def unrecognised(self) -> bool:
        """Whether there was an error text that no signature knows."""
        return any(item.id == UNRECOGNISED for item in self.findings)

    @property
    def unknown(self) -> tuple[Finding, ...]:
        """Findings that would be errors but could not be decided."""
        return tuple(
            item for item in self.findings if item.status is Status.UNKNOWN and item.severity is Severity.ERROR
        )


@dataclass(frozen=True, slots=True)
class Page:
    """The documentation of one id."""

    id: str
    title: str
    text: str
    related: tuple[str, ...] = field(default=())
