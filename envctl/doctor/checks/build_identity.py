"""Package builds of generation 2 run as an account that may push images.

Composer passes the environment's account to Cloud Build. Where a constraint makes Cloud Build fall back to the Compute
Engine default account or to its legacy account, that account may hold no rights: since 2024 new projects give it none.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, command
from envctl.doctor.evaluate import State
from envctl.doctor.facts import Unreadable
from envctl.doctor.model import Finding
from envctl.doctor.org_policy import constraint_answer, enforced
from envctl.doctor.repair import grant_command
from envctl.doctor.resources import project_resource
from envctl.google.names import agent_address

_VOICE = Voice("build.identity", Severity.WARNING)
_NEEDED = ("artifactregistry.repositories.uploadArtifacts", "logging.logEntries.create")


def _run(case: Case) -> Iterator[Finding]:
    packages = case.spec.packages
    if case.setting.generation >= 3 or not (packages.requirements or packages.inline or packages.bundles):
        yield _VOICE.skipped("No image is built by Cloud Build in this project.", resource=case.project)
        return
    compute = enforced(case.facts, case.project, "cloudbuild.useComputeServiceAccount")
    legacy = enforced(case.facts, case.project, "cloudbuild.useBuildServiceAccount")
    if compute is None or legacy is None:
        open_one = "cloudbuild.useComputeServiceAccount" if compute is None else "cloudbuild.useBuildServiceAccount"
        answer = constraint_answer(case.facts, case.project, open_one)
        cause = answer if isinstance(answer, Unreadable) else "the policy depends on tags"
        yield _VOICE.unknown(cause, "which account Cloud Build falls back to", resource=case.project)
        return
    if not compute and not legacy:
        yield _VOICE.skipped(
            "No constraint names the account: Composer passes the environment's own to Cloud Build.",
            resource=case.project,
        )
        return
    if case.project_number is None:
        yield _VOICE.unknown(
            "the project number is not in the facts; reading it needs resourcemanager.projects.get", "the build account"
        )
        return
    number = case.project_number
    email = agent_address("compute_default" if compute else "cloudbuild_legacy", number)
    member, resource = f"serviceAccount:{email}", project_resource(case.project)
    states = {permission: case.evaluator.decide(member, permission, resource).state for permission in _NEEDED}
    missing = [permission for permission, state in states.items() if state is State.MISSING]
    if missing:
        text = grant_command(resource, member, "roles/cloudbuild.builds.builder")
        yield _VOICE.failed(
            f"The account that builds fall back to lacks {', '.join(missing)}.",
            principal=member,
            resource=resource,
            fixes=(command(text),) if text else (),
        )
    elif State.UNKNOWN in states.values():
        yield _VOICE.unknown(
            "its rights could not be decided", f"rights of {email}", principal=member, resource=resource
        )
    else:
        yield _VOICE.ok("the fallback account may build", principal=member, resource=resource)


CHECK = Check((_VOICE.id,), _run, operations=("create", "packages", "upgrade"))
