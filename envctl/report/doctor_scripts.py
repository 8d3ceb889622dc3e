"""Repairs as shell scripts: one per person who has to run it, in the order in which they work, fit to be run again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from envctl.doctor.model import FixKind

if TYPE_CHECKING:
    from envctl.doctor.model import DoctorReport, Finding

_ENABLE: Final = re.compile(r"gcloud services enable (?P<apis>\S+(?: [^-\s]\S*)*) --project=(?P<project>\S+)")
_CREATE: Final = re.compile(r"gcloud iam service-accounts create (?P<name>\S+) --project=(?P<project>\S+)")
_SPREADS: Final = "add-iam-policy-binding"
_WAIT: Final = "sleep 60  # what was switched on or made is not known everywhere at once"


def fix_scripts(report: DoctorReport, project: str) -> Mapping[str, str]:
    """The scripts by file name; empty when no command repairs anything.

    Args:
        report: of an environment; what `envctl up` will do by itself is left to it.
        project: the environment's.
    """
    people: dict[tuple[str, str], list[str]] = {}
    for item in report.failed:
        commands = [fix.text for fix in item.fixes if fix.kind is FixKind.COMMAND and fix.text.startswith("gcloud ")]
        if commands:
            people.setdefault(_person(item, project), []).extend(commands)
    return {
        f"{place}-{who.replace(' ', '-')}-{where}.sh": _script(report.environment, who, where, commands)
        for place, ((who, where), commands) in enumerate(people.items(), start=1)
    }


def joined(commands: Iterable[str]) -> tuple[str, ...]:
    """The commands, each once; all APIs of a project in the first command that switches one on."""
    found: dict[str, list[str]] = {}
    for text in commands:
        match = _ENABLE.fullmatch(text)
        key = f"enable {match['project']}" if match else text
        found.setdefault(key, [])
        if match:
            found[key] += [api for api in match["apis"].split() if api not in found[key]]
    return tuple(
        f"gcloud services enable {' '.join(apis)} --project={key.removeprefix('enable ')}" if apis else key
        for key, apis in found.items()
    )


def _person(item: Finding, project: str) -> tuple[str, str]:
    """Who has to run the repairs of a finding: an administrator of the project that the object belongs to."""
    match = re.search(r"(?:projects/|@)(?P<project>[a-z][a-z0-9-]+[a-z0-9])(?:/|\.iam\.|$)", item.resource)
    where = match["project"] if match else project
    if item.resource.startswith("//cloudkms."):
        return "key admin", where
    return ("project admin" if where == project else "host project admin" if _is_network(item) else "admin"), where


def _is_network(item: Finding) -> bool:
    return (
        item.resource.startswith("//compute.")
        or "compute." in item.role
        or "shared" in item.role.lower()
        or "host" in item.id
    )


def _script(environment: str, who: str, where: str, commands: list[str]) -> str:
    lines = [
        "#!/bin/sh",
        f"# What {who} of {where} has to run before `envctl up {environment}`; may be run again.",
        "set -eu",
        "",
        *_steps(joined(commands)),
    ]
    if any(_SPREADS in text for text in commands):
        lines += ["", "echo 'Changes of policies may take 7 minutes to spread.'"]
    return "\n".join(lines) + "\n"


def _steps(commands: tuple[str, ...]) -> Iterator[str]:
    waiting = False
    for text in commands:
        if waiting and _SPREADS in text:
            yield _WAIT
            waiting = False
        waiting = waiting or _SPREADS not in text
        if match := _CREATE.fullmatch(text):  # the one command that fails when its work is done
            email = shlex.quote(f"{match['name']}@{match['project']}.iam.gserviceaccount.com")
            yield f"gcloud iam service-accounts describe {email} --project={match['project']} >/dev/null 2>&1 || {text}"
        else:
            yield text
