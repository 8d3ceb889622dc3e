"""Allow policies were read in full.

Rights are inherited from folders and the organization. A policy that could not be read, or holds parts that make no
sense, leaves absent rights open: they are unknown, not missing. `roles/iam.securityReviewer` on the organization reads
them all.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice
from envctl.doctor.model import Finding
from envctl.doctor.resources import project_resource
from envctl.doctor.world import Gap

_VOICE = Voice("facts.policies", Severity.WARNING)


def _run(case: Case) -> Iterator[Finding]:
    places, gap = case.world.chain(project_resource(case.project))
    if gap is not None:
        yield _VOICE.unknown(str(gap), "what stands above the project", resource=project_resource(case.project))
    for place in places:
        policy = case.policy(place)
        if isinstance(policy, Gap):
            yield _VOICE.unknown(
                f"{policy.cause}; reading it needs {policy.permission}", "the allow policy", resource=place
            )
        elif not policy.complete:
            yield _VOICE.failed(
                "Parts of the allow policy make no sense and prove nothing.", resource=place, evidence=policy.oddities
            )
        else:
            yield _VOICE.ok("the allow policy was read", resource=place)
    if not case.has_facts:
        yield _VOICE.skipped("There are no facts.")


CHECK = Check((_VOICE.id,), _run)
