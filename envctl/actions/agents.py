"""Google's service agents that exist only after somebody has asked for them: Cloud Storage's and BigQuery's.

An allow policy takes only members that exist, so a membership of such an agent fails in a project where nobody has
asked yet. Others appear with their API, or are declared as `ServiceIdentity`; for these two there is no such
resource. Sources: the calls and the rights they need (`resourcemanager.projects.get`, `bigquery.jobs.create`) are in
Google's references of `projects.serviceAccount.get` and `projects.getServiceAccount`, read 2026-11-21; "Service agents"
says that agents come "at some point after you activate and use the API". That these calls make them: not verified.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envctl.errors import EnvctlError

if TYPE_CHECKING:
    from envctl.provider.transport import Answer, Transport
    from envctl.stacks.declaration import StackProgram

_REFUSED_FROM = 400
_SERVICES = {
    "gs-project-accounts.iam.gserviceaccount.com": ("storage/storage/v1", "Cloud Storage"),
    "bigquery-encryption.iam.gserviceaccount.com": ("bigquery/bigquery/v2", "BigQuery"),
}
"""Domain of the agent's address: prefix of the API that makes it on `GET projects/PROJECT/serviceAccount`."""


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """One agent to ask for; `project` is an id or, for the project of somebody else, a number."""

    service: str
    project: str
    title: str


def agents_to_ask(program: StackProgram, project: str, number: str, names: Iterable[str]) -> tuple[AgentRequest, ...]:
    """The agents that the memberships of these logical names give a right, each once.

    Args:
        program: the declared resources.
        project: id of the file's project.
        number: its number; agents are named after it.
        names: the memberships that are about to be created.
    """
    wanted = set(names)
    found: dict[AgentRequest, None] = {}
    for resource in program.resources:
        member = resource.inputs.get("member")
        if resource.name not in wanted or not isinstance(member, str):
            continue
        account, _, domain = member.partition(":")[2].partition("@")
        if domain in _SERVICES:
            service, title = _SERVICES[domain]
            owner = account.rpartition("-")[2]
            found[AgentRequest(service, project if owner == number else owner, title)] = None
    return tuple(found)


def ask_for(transport: Transport, requests: Iterable[AgentRequest]) -> Iterator[str]:
    """Asks for each agent, and gives a warning for each that cannot be asked for.

    An agent may exist all the same, so a refusal is no error: the membership itself fails when it does not.
    """
    for request in requests:
        try:
            answer = transport.call("GET", request.service, f"projects/{request.project}/serviceAccount")
        except EnvctlError as error:
            yield _warning(request, f"{error.summary} {error.detail}".strip())
            continue
        if answer.status >= _REFUSED_FROM:
            yield _warning(request, _message(answer))


def _warning(request: AgentRequest, reason: str) -> str:
    return f"{request.title}'s service agent of project {request.project} could not be asked for: {reason}"


def _message(answer: Answer) -> str:
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    return f"{answer.status}: {error.get('message', '') if isinstance(error, dict) else answer.body}"
