"""The Composer service agent exists before somebody grants it a role.

The agent appears when the API is first used. A binding made earlier fails with "Service account
service-NUMBER@cloudcomposer-accounts.iam.gserviceaccount.com does not exist".
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, by_up, command
from envctl.doctor.evaluate import State
from envctl.doctor.facts import Subject, Unreadable, texts
from envctl.doctor.model import Finding
from envctl.doctor.resources import project_resource
from envctl.doctor.world import Gap
from envctl.google.names import composer_agent

_VOICE = Voice("env.agent-exists", Severity.ERROR)


def _run(case: Case) -> Iterator[Finding]:
    if case.exists:
        yield _VOICE.skipped("The environment exists, so the agent does.")
        return
    if case.project_number is None:
        yield _VOICE.unknown(
            "the project number is not in the facts; reading it needs resourcemanager.projects.get",
            "the agent's address",
        )
        return
    agent = composer_agent(case.project_number)
    policy = case.policy(project_resource(case.project))
    services = case.facts.ask(Subject.SERVICES, case.project)
    if not isinstance(policy, Gap) and any(agent in binding.members for binding in policy.bindings):
        yield _VOICE.ok("the project's policy names the agent", principal=agent)
    elif isinstance(services, Unreadable):
        yield _VOICE.unknown(services, "whether the Composer API was ever switched on", principal=agent)
    elif "composer.googleapis.com" not in set(texts(case.facts.value(Subject.SERVICES, case.project))):
        fixes = (
            by_up(f"+ composer.googleapis.com and its agent   (envctl up {case.name})"),
            command(f"gcloud beta services identity create --service=composer.googleapis.com --project={case.project}"),
        )
        yield _VOICE.failed(
            "The Composer API is off, so its agent does not exist yet.",
            principal=agent,
            fixes=fixes,
            severity=Severity.NOTE,
        )
    else:
        verdict = case.evaluator.decide(agent, "composer.environments.get", project_resource(case.project))
        if verdict.state is State.GRANTED:
            yield _VOICE.ok("the agent holds rights", principal=agent)
            return
        yield _VOICE.failed(
            "The API is on and no binding names the agent: it was never made, or its role was removed.",
            principal=agent,
            fixes=(
                command(
                    f"gcloud beta services identity create --service=composer.googleapis.com --project={case.project}"
                ),
            ),
        )


CHECK = Check(("env.agent-exists",), _run, operations=("create",))
