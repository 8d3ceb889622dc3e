"""Runs the checks of a case and puts what they find in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import IntEnum
from functools import cache
from typing import Final

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.model import Finding, Status
from envctl.doctor.principals import normal_member
from envctl.doctor.registry import checks
from envctl.doctor.waiting import without_waiting
from envctl.iam_roles import load_table

_STATUS = {Status.FAILED: 0, Status.UNKNOWN: 1, Status.SKIPPED: 2, Status.OK: 3}
_SEVERITY = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


def examine(case: Case, only: Iterable[str] | None = None) -> tuple[Finding, ...]:
    """What the checks find, worst first.

    Args:
        case: without facts, only the checks run that the environment file alone can decide.
        only: ids to run, whatever the operation; all that concern the operation for None.
    """
    wanted = None if only is None else frozenset(only)
    found: list[Finding] = []
    for check in checks():
        if wanted is not None:
            if wanted.isdisjoint(check.ids):
                continue
        elif not check.concerns(case):
            continue
        if case.has_facts or check.offline:
            found += [item for item in check.run(case) if wanted is None or item.id in wanted]
        elif check.rights and case.judged is not None:  # it was asked about: what nothing shows is unknown
            found += [item for item in check.run(case) if item.principal == case.judged]
    return in_order(case, (_weighed(item) for item in without_waiting(case, found)))


def _weighed(item: Finding) -> Finding:
    """A finding; what its sources do not say for certain stops nobody."""
    if item.severity is not Severity.ERROR or item.id not in _uncertain():
        return item
    return replace(item, severity=Severity.WARNING)


@cache
def _uncertain() -> frozenset[str]:
    return frozenset(row["id"] for row in load_table("preconditions")["rows"] if row["confidence"] != "high")


def in_order(case: Case, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Failed before unknown before skipped before ok; within each by severity, then in the order of their repair."""
    return tuple(
        sorted(
            findings,
            key=lambda item: (
                _STATUS[item.status],
                _SEVERITY[item.severity],
                stage_of(item, case.caller),
                item.principal,
                item.id,
                item.resource,
            ),
        )
    )


class Stage(IntEnum):
    """What has to be repaired before what: a later stage cannot be repaired while an earlier one is not."""

    CALLER = 0
    """Rights of whoever runs envctl."""
    API = 1
    """APIs: their agents exist only afterwards."""
    IDENTITY = 2
    """Accounts and agents: nothing can be granted to one that does not exist."""
    GRANT = 3
    """Rights of others."""
    REST = 4


def stage_of(finding: Finding, caller: str | None) -> Stage:
    """When a finding is to be repaired."""
    if finding.role and caller is not None and normal_member(finding.principal) == normal_member(caller):
        return Stage.CALLER
    if finding.id.startswith("api."):
        return Stage.API
    if finding.id in _IDENTITIES:
        return Stage.IDENTITY
    return Stage.GRANT if finding.role or finding.id.startswith("policy.") else Stage.REST


_IDENTITIES: Final = frozenset({"env.sa-exists", "env.agent-exists", "access.members-exist"})
