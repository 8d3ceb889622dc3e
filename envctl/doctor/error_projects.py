"""Projects that an error text names, against those of the facts.

An address with the number of another project is among the mistakes seen in the wild: a policy copied between projects,
a command that ran in the wrong one. Google's tenant projects have numbers too, so a bare number proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Voice, command
from envctl.doctor.facts import Subject
from envctl.doctor.model import Cause, Finding
from envctl.doctor.observed import project_number
from envctl.google.names import composer_agent_number

CHECK_ID: Final = "policy.wrong-project-number"
_VOICE: Final = Voice(CHECK_ID, Severity.WARNING)
_NAMED: Final = re.compile(r"project (\d+)")


def open_numbers(groups: Iterable[str], case: Case) -> Iterator[Finding]:
    """What is open about numbers in an error text that the facts do not know: they may be tenant projects or wrong.

    Args:
        groups: what a signature took out of the text.
        case: nothing is said where its facts do not hold the number of the environment's own project.
    """
    agents = _agents(groups)
    for number in _unknown_numbers(groups, case):
        if number not in agents:
            yield _VOICE.unknown(
                f"the text names project {number}, and in the facts {_ours(case)}; whose it is (one of Google's tenant projects, or "
                "a wrong one) shows gcloud projects describe, which needs resourcemanager.projects.get there",
                f"whether project {number} is the right one",
                resource=f"projects/{number}",
            )


def wrong_number(groups: Iterable[str], case: Case) -> Cause | None:
    """A cause of its own for an address of Composer's agent in a project that the facts do not know.

    That agent belongs to the environment's project, so its number decides.
    """
    agents = _agents(groups)
    found = tuple(
        _VOICE.failed(
            f"The text is about project {number}, and {case.project} is {case.project_number}: it comes from another project, "
            "or the agent's address was written with a wrong number.",
            resource=f"projects/{number}",
            evidence=(f"in the facts: {_ours(case)}",),
            fixes=(command(f"gcloud projects describe {number}"),),
        )
        for number in _unknown_numbers(groups, case)
        if number in agents
    )
    means = "the text is about another project than the environment's"
    named = tuple(item.resource.replace("/", " ").replace("projects", "project") for item in found)
    return Cause(CHECK_ID, means, 0, named, (CHECK_ID,), found) if found else None


def _agents(groups: Iterable[str]) -> frozenset[str]:
    return frozenset(found for text in groups if (found := composer_agent_number(text)))


def _unknown_numbers(groups: Iterable[str], case: Case) -> Iterator[str]:
    if case.project_number is not None:
        known = _numbers(case)
        named = dict.fromkeys(match[1] for text in groups if (match := _NAMED.fullmatch(text)))
        yield from (number for number in named if number not in known)


def _numbers(case: Case) -> Mapping[str, str]:
    projects = case.facts.names(Subject.PROJECT)
    return {number: project for project in projects if (number := project_number(case.facts, project))}


def _ours(case: Case) -> str:
    return ", ".join(f"{project} is {number}" for number, project in _numbers(case).items())
