"""Service agents in the project's policy are those of this project.

A binding for `service-123@cloudcomposer-accounts...` helps project 123 only. Policies copied between projects carry
the other project's number, and the agent of this one stays without the role although the policy "has" it.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, command
from envctl.doctor.model import Finding
from envctl.doctor.repair import again_command
from envctl.doctor.resources import project_resource
from envctl.doctor.world import Gap
from envctl.google.names import composer_agent, composer_agent_number, is_service_agent

_VOICE = Voice("policy.wrong-project-number", Severity.WARNING)


def _run(case: Case) -> Iterator[Finding]:
    resource = project_resource(case.project)
    policy = case.policy(resource)
    number = case.project_number
    if isinstance(policy, Gap):
        yield _VOICE.unknown(f"{policy}", "whose agents the policy names", resource=resource)
        return
    if number is None:
        yield _VOICE.unknown(
            "the project number is not in the facts; reading it needs resourcemanager.projects.get",
            "the project's number",
        )
        return
    members = {member for binding in policy.bindings for member in binding.members if is_service_agent(member)}
    numbers = {found for member in members if (found := composer_agent_number(member.partition(":")[2]))}
    foreign = sorted(numbers - {number})
    if foreign and number not in numbers:
        wrong = composer_agent(foreign[0])
        agent = composer_agent(number)
        wanted = {again_command(resource, agent, binding) for binding in policy.bindings if wrong in binding.members}
        fixes = [command(text) for text in sorted(text for text in wanted if text)]
        yield _VOICE.failed(
            f"The policy names the Composer agent of project {', '.join(foreign)}; this project's number is {number}.",
            resource=resource,
            fixes=fixes,
        )
    else:
        yield _VOICE.ok("the Composer agent in the policy is this project's", resource=resource)


CHECK = Check((_VOICE.id,), _run)
