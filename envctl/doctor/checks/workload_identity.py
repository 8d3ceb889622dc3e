"""Composer's Kubernetes accounts may act as the environment's account.

In generation 2 the Composer agent binds the cluster's Kubernetes accounts to the environment's account with
`roles/iam.workloadIdentityUser`. An authoritative policy on the account removes the binding, and pods get no tokens any
more: "Some of the GKE pods failed to become healthy".
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, command
from envctl.doctor.model import Finding
from envctl.doctor.principals import normal_member
from envctl.doctor.world import Gap

_VOICE = Voice("wi.auto", Severity.ERROR)
_ROLE = "roles/iam.workloadIdentityUser"


def _run(case: Case) -> Iterator[Finding]:
    email = case.setting.account_email
    resource = f"//iam.googleapis.com/projects/{case.setting.account_project}/serviceAccounts/{email}"
    prefix = normal_member(f"serviceAccount:{case.project}.svc.id.goog[")
    if case.setting.generation != 2:
        yield _VOICE.skipped("Only generation 2 binds Kubernetes accounts.", resource=resource)
        return
    if case.exists is not True:
        yield _VOICE.skipped("The agent writes the binding when the environment is created.", resource=resource)
        return
    policy = case.policy(resource)
    if isinstance(policy, Gap):
        yield _VOICE.unknown(f"{policy}", "bindings of Kubernetes accounts", resource=resource)
        return
    members = [
        member
        for binding in policy.bindings
        if binding.role == _ROLE
        for member in binding.members
        if normal_member(member).startswith(prefix)
    ]
    if members:
        yield _VOICE.ok("Kubernetes accounts of the cluster are bound", resource=resource, evidence=members[:3])
    else:
        fix = command(
            f"gcloud iam service-accounts add-iam-policy-binding {email} --role={_ROLE} "
            f"--member='serviceAccount:{case.project}.svc.id.goog[NAMESPACE/default]'"
        )
        yield _VOICE.failed(
            "No Kubernetes account of the cluster may act as the environment's account.",
            resource=resource,
            fixes=(fix,),
        )


CHECK = Check((_VOICE.id,), _run)
