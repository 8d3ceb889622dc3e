"""GKE's API is on in the Shared VPC host project.

Generation 2 places its cluster on the host's network with the help of the host project's own GKE agent, and that one
exists only where the Kubernetes Engine API is on.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, command
from envctl.doctor.facts import Known, Subject, Unreadable, texts
from envctl.doctor.model import Finding

_VOICE = Voice("api.container-host", Severity.ERROR)


def _run(case: Case) -> Iterator[Finding]:
    host = case.setting.host_project
    if host is None or case.setting.generation >= 3:
        yield _VOICE.skipped("Only Shared VPC environments of generation 2 depend on it.")
        return
    answer = case.facts.ask(Subject.SERVICES, host)
    if isinstance(answer, Unreadable):
        yield _VOICE.unknown(answer, f"whether container.googleapis.com is on in {host}", resource=host)
    elif isinstance(answer, Known) and "container.googleapis.com" in set(texts(answer.value)):
        yield _VOICE.ok("the API is on in the host project", resource=host)
    else:
        fix = command(f"gcloud services enable container.googleapis.com --project={host}")
        yield _VOICE.failed("The Kubernetes Engine API is off in the host project.", resource=host, fixes=(fix,))


CHECK = Check(("api.container-host",), _run, operations=("create", "upgrade"))
