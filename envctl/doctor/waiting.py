"""Facts that cannot be read yet because `envctl up` has still to switch on the API that would tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.facts import Subject, off_api, texts
from envctl.doctor.model import Finding, Status
from envctl.iam_roles import required_apis

LATER: Final = "known after `envctl up` has switched the APIs on"
_PROJECT = re.compile(r"projects/([^/\s]+)")


def without_waiting(case: Case, findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings; those that only wait for an API which `up` switches on are notes, and name no permission.

    Once the environment exists an API that is off is a fault, and what it hides stays unknown. The same holds for
    APIs of other projects: `up` switches nothing on there.
    """
    if case.exists or not case.has_facts:
        yield from findings
        return
    on = set(texts(case.facts.value(Subject.SERVICES, case.project)))
    coming = set(required_apis(case.spec, case.foundation)) - on
    for item in findings:
        if (
            item.status is Status.UNKNOWN
            and item.evidence
            and all(_waits(case, item, t, coming) for t in item.evidence)
        ):
            yield replace(item, severity=Severity.NOTE, missing=(), evidence=(LATER,))
        else:
            yield item


def _waits(case: Case, item: Finding, text: str, coming: set[str]) -> bool:
    named = off_api(text)
    own = {case.project, case.project_number, "_", "-"}
    places = item.resource if _PROJECT.search(item.resource) else f"projects/{item.resource}" if item.resource else ""
    return (
        named is not None
        and named in coming
        and own.issuperset(_PROJECT.findall(f"{places.rpartition('//')[2]} {text}"))
    )
