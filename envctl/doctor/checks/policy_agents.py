"""No authoritative policy has taken Google's agents away.

Terraform's and Pulumi's `iam_policy` and `iam_binding` resources replace whole policies or roles, and the members that
Google wrote go with them. The sign: APIs are on, people and accounts have roles, and several service agents have none.
envctl declares members only, so it can never cause this.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, command
from envctl.doctor.facts import Subject, texts
from envctl.doctor.model import Finding
from envctl.doctor.resources import project_resource
from envctl.doctor.world import Gap
from envctl.iam_roles import Requirement

_VOICE = Voice("policy.agents-dropped", Severity.ERROR)
_SEVERAL = 2


def _run(case: Case) -> Iterator[Finding]:
    resource = project_resource(case.project)
    policy = case.policy(resource)
    enabled = set(texts(case.facts.value(Subject.SERVICES, case.project)))
    if isinstance(policy, Gap):
        yield _VOICE.unknown(f"{policy}", "which service agents the policy names", resource=resource)
        return
    if case.project_number is None or "composer.googleapis.com" not in enabled:
        yield _VOICE.skipped("Google has not written its agents yet.", resource=resource)
        return
    named = {member for binding in policy.bindings for member in binding.members}
    agents = {
        binding.member
        for binding in case.bindings
        if binding.requirement is Requirement.GOOGLE and binding.resource == resource and "${" not in binding.member
    }
    gone = sorted(agents - named)
    if len(gone) >= min(_SEVERAL, len(agents)) and agents:
        fixes = [
            command(f"gcloud beta services identity create --service=composer.googleapis.com --project={case.project}")
        ]
        yield _VOICE.failed(
            f"{len(gone)} of {len(agents)} service agents have no role: a policy was written over theirs.",
            resource=resource,
            evidence=gone,
            fixes=fixes,
        )
    else:
        yield _VOICE.ok("the policy names Google's agents", resource=resource)


CHECK = Check((_VOICE.id,), _run)
