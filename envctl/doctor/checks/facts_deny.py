"""Deny policies and access boundaries were read.

A deny policy takes rights away whatever roles say. Where they could not be read, the doctor takes them as absent and
says so here, once, instead of leaving every answer open. `roles/iam.denyReviewer` on the organization reads them.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, command
from envctl.doctor.facts import BUNDLE_ONLY, NOT_ASKED, Subject, Unreadable
from envctl.doctor.model import Finding
from envctl.doctor.observed import deny_rules
from envctl.doctor.resources import project_resource

_VOICE = Voice("facts.deny", Severity.WARNING)


def _run(case: Case) -> Iterator[Finding]:
    places, _ = case.world.chain(project_resource(case.project))
    for place in places:
        found = deny_rules(case.facts, place)
        if isinstance(found, Unreadable):
            yield _VOICE.unknown(found, "deny policies; answers assume that there are none", resource=place)
        elif found.oddities:
            yield _VOICE.failed(
                "A deny policy could not be understood; its rules are not counted.",
                resource=place,
                evidence=found.oddities,
                fixes=(
                    command(
                        f"gcloud iam policies list --kind=denypolicies --attachment-point={place.removeprefix('//').replace('/', '%2F')}"
                    ),
                ),
            )
        elif not found.rules:
            yield _VOICE.ok("no deny policy", resource=place)
        else:
            yield _VOICE.ok(f"{len(found.rules)} deny rules, counted", resource=place)
    if isinstance(answer := case.facts.ask(Subject.BOUNDARIES, case.project), Unreadable):
        voice = Voice(_VOICE.id, Severity.NOTE)
        yield voice.unknown(
            Unreadable(answer.permission, BUNDLE_ONLY) if answer.cause == NOT_ASKED else answer,
            "principal access boundaries; answers assume that there are none",
            resource=f"boundaries of {case.project}",
        )
    if not case.has_facts:
        yield _VOICE.skipped("There are no facts.")


CHECK = Check((_VOICE.id,), _run)
