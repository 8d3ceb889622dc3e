"""The doctor's report as JSON: `envctl.doctor/v1` (docs/schemas/doctor-v1.json)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from envctl.doctor.model import Cause, DoctorReport, Finding


def doctor_document(report: DoctorReport) -> dict[str, Any]:
    """The document of one environment."""
    return {
        "format": "envctl.doctor/v1",
        "environment": report.environment,
        "operation": report.operations[0] if len(report.operations) == 1 else None,
        "operations": list(report.operations),
        "facts": report.facts or None,
        "rolesDate": report.roles_date or None,
        "summary": dict(report.summary),
        "findings": [finding_document(item) for item in report.findings],
        "causes": [_cause(item) for item in report.causes],
    }


def finding_document(finding: Finding) -> dict[str, Any]:
    """One finding; texts that do not apply are null."""
    return {
        "id": finding.id,
        "status": "coming" if finding.coming else finding.status.value,
        "severity": finding.severity.value,
        "principal": finding.principal or None,
        "resource": finding.resource or None,
        "missing": list(finding.missing),
        "role": finding.role or None,
        "why": finding.why,
        "evidence": list(finding.evidence),
        "fixes": [{"kind": fix.kind.value, "text": fix.text} for fix in finding.fixes],
        "accepted": finding.accepted,
    }


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "rank": cause.rank,
        "signature": cause.signature,
        "means": cause.means,
        "confirmed": cause.confirmed,
        "extracted": list(cause.groups),
        "checks": list(cause.checks),
        "decided": [finding_document(item) for item in cause.decided],
        "needs": list(cause.needs),
        "fixes": [{"kind": fix.kind.value, "text": fix.text} for fix in cause.fixes],
    }
