"""A service perimeter around the project lets Composer work.

Inside a VPC Service Controls perimeter all services that Composer uses must be restricted together, people come in
through ingress rules, environments are private, and packages come from a repository inside. A perimeter that restricts
Storage but not Composer makes creations fail half way.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, spec_change
from envctl.doctor.facts import BUNDLE_ONLY, NOT_ASKED, Absent, Known, Subject, Unreadable, field_of, objects, texts
from envctl.doctor.model import Finding

_VOICE = Voice("net.vpcsc", Severity.ERROR)
_TOGETHER = (
    "composer.googleapis.com",
    "storage.googleapis.com",
    "artifactregistry.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
)


def _run(case: Case) -> Iterator[Finding]:
    match case.facts.ask(Subject.PERIMETERS, case.project):
        case Unreadable(permission, cause) if cause == NOT_ASKED:
            voice = Voice(_VOICE.id, Severity.NOTE)
            never = Unreadable(permission, BUNDLE_ONLY)
            yield voice.unknown(never, "whether a perimeter holds the project", resource=case.project)
        case Unreadable() as answer:
            voice = Voice(_VOICE.id, Severity.WARNING)
            yield voice.unknown(answer, "whether a perimeter holds the project", resource=case.project)
        case Absent():
            yield _VOICE.skipped("No perimeter holds the project.", resource=case.project)
        case Known(value):
            found = list(objects(value))
            if not found:
                yield _VOICE.skipped("No perimeter holds the project.", resource=case.project)
            for perimeter in found:
                yield _judge(case, perimeter)


def _judge(case: Case, perimeter: object) -> Finding:
    name = str(field_of(perimeter, "title") or field_of(perimeter, "name"))
    restricted = set(texts(field_of(perimeter, "status", "restrictedServices")))
    problems: list[str] = []
    fixes = []
    missing = [api for api in _TOGETHER if api not in restricted]
    if restricted and missing:
        problems.append(f"it restricts some services and not {', '.join(missing)}")
    if not case.setting.private:
        problems.append("the environment has public addresses")
        fixes.append(spec_change("network: {mode: private}"))
    if (
        case.setting.generation >= 3
        and not case.spec.network.private_builds_only
        and (case.spec.packages.requirements or case.spec.packages.inline)
    ):
        problems.append("builds leave the perimeter")
        fixes.append(spec_change("network: {privateBuildsOnly: true}"))
    if problems:
        return _VOICE.failed(f"The perimeter {name}: {'; '.join(problems)}.", resource=case.project, fixes=fixes)
    return _VOICE.ok(f"the perimeter {name} holds what Composer needs", resource=case.project)


CHECK = Check(("net.vpcsc",), _run, operations=("create", "update", "upgrade", "packages"))
