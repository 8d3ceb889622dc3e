"""Google's service agents that exist only after somebody has asked for them: Cloud Storage's and BigQuery's.

An allow policy takes only members that exist, so a membership of such an agent fails in a project where nobody has
asked yet. Others appear with their API, or are declared as `ServiceIdentity`; for these two there is no such
resource. Sources: the calls and the rights they need (`resourcemanager.projects.get`, `bigquery.jobs.create`) are in
Google's references of `projects.serviceAccount.get` and `projects.getServiceAccount`, read 2026-11-21; "Service agents"
says that agents come "at some point after you activate and use the API". That these calls make them: not verified.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from envctl.errors import EnvctlError
from envctl.google.refusals import read_refusal
from envctl.stacks.identities import asked_api_of
from envctl.stacks.preparation import Preparation

if TYPE_CHECKING:
    from envctl.google.transport import Answer, Transport
    from envctl.stacks.declaration import StackProgram

_TRIES = 12
"""How often an agent is asked for while its API, just enabled, is still said to be off: Google says "a few minutes"."""
_SERVICES = {
    "api-storage": ("storage/storage/v1", "Cloud Storage"),
    "api-bigquery": ("bigquery/bigquery/v2", "BigQuery"),
}
"""Logical name of the API: its prefix, whose `GET projects/PROJECT/serviceAccount` makes the agent, and its title."""


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """One agent to ask for; `project` is an id or, for the project of somebody else, a number.

    `after` holds the stack's own resource that enables the API, if there is one.
    """

    service: str
    project: str
    title: str
    after: tuple[str, ...] = ()


def agents_to_ask(
    program: StackProgram, project: str, number: str, names: Iterable[str]
) -> dict[AgentRequest, tuple[str, ...]]:
    """The agents that the memberships of these logical names give a right, each with its memberships.

    Args:
        program: the declared resources.
        project: id of the file's project.
        number: its number; agents are named after it.
        names: the memberships that are about to be created.
    """
    wanted = set(names)
    declared = {resource.name for resource in program.resources}
    found: dict[AgentRequest, tuple[str, ...]] = {}
    for resource in program.resources:
        member = resource.inputs.get("member")
        if resource.name not in wanted or not isinstance(member, str):
            continue
        api = asked_api_of(member)
        if api is None:
            continue
        service, title = _SERVICES[api]
        owner = member.partition("@")[0].rpartition("-")[2]
        after = (api,) if owner == number and api in declared else ()
        request = AgentRequest(service, project if owner == number else owner, title, after)
        found[request] = (*found.get(request, ()), resource.name)
    return found


def agent_preparations(
    transport: Transport, wanted: Mapping[AgentRequest, tuple[str, ...]], pause: Callable[[], bool]
) -> tuple[Preparation, ...]:
    """Each agent asked for when its API is on, before the first membership that names it.

    `pause` waits between two tries, and says whether to give up.
    """
    return tuple(
        Preparation(request.after, frozenset(memberships), partial(ask_for, transport, request, pause))
        for request, memberships in wanted.items()
    )


def ask_for(transport: Transport, request: AgentRequest, pause: Callable[[], bool]) -> Iterator[str]:
    """Asks for an agent, and gives a warning when it cannot be asked for.

    An agent may exist all the same, so a refusal is no error: the membership itself fails when it does not.
    """
    try:
        answer = _answer(transport, request)
        tries = _TRIES if request.after else 1
        while _still_off(answer) and (tries := tries - 1) and not pause():
            answer = _answer(transport, request)
    except EnvctlError as error:
        yield _warning(request, f"{error.summary} {error.detail}".strip())
        return
    if refusal := read_refusal(answer):
        yield _warning(request, refusal.described)


def _answer(transport: Transport, request: AgentRequest) -> Answer:
    return transport.call("GET", request.service, f"projects/{request.project}/serviceAccount")


def _still_off(answer: Answer) -> bool:
    """Whether Google says that the API is not enabled."""
    refusal = read_refusal(answer)
    return refusal is not None and refusal.api_off is not None


def _warning(request: AgentRequest, reason: str) -> str:
    return f"{request.title}'s service agent of project {request.project} could not be asked for: {reason}"
