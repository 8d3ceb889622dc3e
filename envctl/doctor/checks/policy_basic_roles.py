"""The environment's account holds no basic role.

With Editor or Owner every DAG can change nearly everything in the project, and still cannot read bucket objects:
basic roles hold no `storage.objects.*`. composer.worker and the roles of the integrations are enough.
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

_VOICE = Voice("policy.basic-roles", Severity.WARNING)
_BASIC = ("roles/owner", "roles/editor")


def _run(case: Case) -> Iterator[Finding]:
    resource = project_resource(case.project)
    member = f"serviceAccount:{case.setting.account_email}"
    policy = case.policy(resource)
    if isinstance(policy, Gap):
        yield _VOICE.unknown(f"{policy}", "roles of the environment's account", resource=resource, principal=member)
        return
    held = [
        binding.role
        for binding in policy.bindings
        if binding.role in _BASIC and normal_member(member) in {normal_member(item) for item in binding.members}
    ]
    if held:
        fixes = [
            command(f"gcloud projects remove-iam-policy-binding {case.project} --member={member} --role={role}")
            for role in held
        ]
        yield _VOICE.failed(
            f"The environment's account holds {', '.join(held)}.", resource=resource, principal=member, fixes=fixes
        )
    else:
        yield _VOICE.ok("the environment's account holds no basic role", resource=resource, principal=member)


CHECK = Check((_VOICE.id,), _run)
