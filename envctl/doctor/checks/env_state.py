"""The environment is running before it is changed.

Composer refuses updates, upgrades and package changes of an environment that is not RUNNING. An environment in
ERROR usually needs its cause removed first; one that is UPDATING needs only time.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, command
from envctl.doctor.facts import Absent, Known, Unreadable, field_of
from envctl.doctor.model import Finding

_VOICE = Voice("env.state", Severity.ERROR)


def _run(case: Case) -> Iterator[Finding]:
    name = case.environment_name
    match case.environment:
        case Unreadable() as answer:
            yield _VOICE.unknown(answer, "the state of the environment", resource=name)
        case Absent():
            yield _VOICE.failed("The environment does not exist; it can only be created.", resource=name)
        case Known(value):
            state = field_of(value, "state")
            if state == "RUNNING":
                yield _VOICE.ok("the environment is running", resource=name)
            else:
                wait = command(f"envctl operations wait {case.name}")
                fixes = (wait,) if str(state) in {"CREATING", "UPDATING"} else ()
                yield _VOICE.failed(f"The environment is {state}, not RUNNING.", resource=name, fixes=fixes)


CHECK = Check(("env.state",), _run, operations=("update", "upgrade", "packages", "save-snapshot", "load-snapshot"))
