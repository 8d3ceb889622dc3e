"""No needed right hangs on a deleted account.

When an account is deleted and made again under the same address, the old bindings stay as `deleted:...?uid=` and do not
count for the new one. Everything looks granted and nothing works.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, command
from envctl.doctor.facts import Subject
from envctl.doctor.model import Finding
from envctl.doctor.principals import deleted_member, normal_member
from envctl.doctor.repair import again_command
from envctl.doctor.world import Gap

_VOICE = Voice("policy.deleted-members", Severity.WARNING)


def _run(case: Case) -> Iterator[Finding]:
    wanted = {normal_member(binding.member): binding.member for binding in case.bindings if binding.needed}
    resources = case.facts.names(Subject.POLICY)
    if not resources:
        yield _VOICE.unknown(
            "no policy is in the facts; reading one needs resourcemanager.projects.getIamPolicy", "members of policies"
        )
        return
    found = False
    unread = [policy for policy in map(case.policy, resources) if isinstance(policy, Gap)]
    for resource in resources:
        policy = case.policy(resource)
        if isinstance(policy, Gap):
            continue
        for binding in policy.bindings:
            for text in binding.members:
                gone = deleted_member(text)
                if gone in wanted:
                    found = True
                    again = again_command(resource, wanted[gone], binding)
                    yield _VOICE.failed(
                        f"{binding.role} belongs to a deleted account of the same address.",
                        principal=wanted[gone],
                        resource=resource,
                        evidence=(text,),
                        fixes=(command(again),) if again else (),
                    )
    if len(unread) == len(resources):
        yield _VOICE.unknown(f"{unread[0].cause}; reading it needs {unread[0].permission}", unread[0].subject)
    elif not found:
        yield _VOICE.ok("no needed right hangs on a deleted account")


CHECK = Check((_VOICE.id,), _run)
