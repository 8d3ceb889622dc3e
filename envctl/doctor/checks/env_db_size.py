"""The Airflow database is small enough.

Composer refuses an upgrade above 16 GB and a snapshot above 20 GB. `airflow db clean` shrinks it, or
`retention.metadataDays` in generation 3.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, spec_change
from envctl.doctor.facts import Absent, Known, Subject, Unreadable, field_of
from envctl.doctor.model import Finding

_VOICE = Voice("env.db-size", Severity.ERROR)
_LIMIT_GB = {"upgrade": 16, "snapshot": 20}


def _run(case: Case) -> Iterator[Finding]:
    limit = _LIMIT_GB["upgrade" if case.doing("upgrade") else "snapshot"]
    if case.exists is False:
        yield _VOICE.skipped("There is no environment yet.", resource=case.environment_name)
        return
    match case.facts.ask(Subject.DATABASE, case.environment_name):
        case Unreadable() as answer:
            yield _VOICE.unknown(answer, "the size of the Airflow database", resource=case.environment_name)
        case Absent():
            yield _VOICE.skipped("The environment has no database yet.", resource=case.environment_name)
        case Known(value):
            size = field_of(value, "sizeGb")
            if not isinstance(size, int | float):
                yield _VOICE.unknown(
                    "the facts give no size", "the size of the Airflow database", resource=case.environment_name
                )
            elif size >= limit:
                fix = spec_change("retention: {metadataDays: 60}")
                yield _VOICE.failed(
                    f"The Airflow database holds {size:g} GB, the limit is {limit} GB.",
                    resource=case.environment_name,
                    fixes=(fix,),
                )
            else:
                yield _VOICE.ok(f"the Airflow database holds {size:g} GB of {limit} GB", resource=case.environment_name)


CHECK = Check(("env.db-size",), _run, operations=("upgrade", "save-snapshot"))
