"""The extension role sits with the service agent, not with the environment's account.

`roles/composer.ServiceAgentV2Ext` lets the *Composer service agent* bind Kubernetes accounts to the environment's
account. Giving it to the environment's account is a frequent mistake: it helps nobody and lets every DAG rewrite the
policies of service accounts.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, command
from envctl.doctor.model import Finding
from envctl.doctor.principals import normal_member
from envctl.doctor.resources import project_resource
from envctl.doctor.world import Gap

_VOICE = Voice("policy.v2ext-on-environment-account", Severity.WARNING)
_ROLE = "roles/composer.ServiceAgentV2Ext"


def _run(case: Case) -> Iterator[Finding]:
    member = f"serviceAccount:{case.setting.account_email}"
    account = (
        f"//iam.googleapis.com/projects/{case.setting.account_project}/serviceAccounts/{case.setting.account_email}"
    )
    for resource in (project_resource(case.project), account):
        policy = case.policy(resource)
        if isinstance(policy, Gap):
            yield _VOICE.unknown(f"{policy}", "who holds the extension role", resource=resource)
        elif any(
            binding.role == _ROLE and normal_member(member) in {normal_member(item) for item in binding.members}
            for binding in policy.bindings
        ):
            place = (
                f"projects remove-iam-policy-binding {case.project}"
                if resource.endswith(f"/{case.project}")
                else (f"iam service-accounts remove-iam-policy-binding {case.setting.account_email}")
            )
            yield _VOICE.failed(
                "The environment's account holds the service agent's extension role.",
                principal=member,
                resource=resource,
                fixes=(command(f"gcloud {place} --member={member} --role={_ROLE}"),),
            )
        else:
            yield _VOICE.ok("the environment's account does not hold it", principal=member, resource=resource)


CHECK = Check((_VOICE.id,), _run)
