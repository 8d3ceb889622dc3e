"""The APIs that the environment uses are switched on.

`envctl up` switches them on, in the order in which they need each other. An API that is off under a running
environment breaks it, some of them for good.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, by_up, command
from envctl.doctor.facts import Known, Subject, Unreadable, texts
from envctl.doctor.model import Finding
from envctl.iam_conditions import applies
from envctl.iam_roles import load_table

_ROWS = {
    row["id"]: row for row in load_table("preconditions")["rows"] if row["kind"] == "api" and "left_out" not in row
}


def _run(case: Case) -> Iterator[Finding]:
    answer = case.facts.ask(Subject.SERVICES, case.project)
    seen: set[str] = set()
    for row in sorted(_ROWS.values(), key=lambda item: item["order"]):
        api = row["subject"]
        severity = Severity.ERROR if case.exists else Severity.NOTE
        voice = Voice(row["id"], severity)
        if not applies(row["generations"], row["when"], case.setting) or api in seen:
            continue
        seen.add(api)
        if isinstance(answer, Unreadable):
            yield voice.unknown(answer, f"whether {api} is switched on", resource=case.project)
        elif isinstance(answer, Known) and api in set(texts(answer.value)):
            yield voice.ok(f"{api} is switched on", resource=case.project)
        else:
            yield voice.failed(
                f"{api} is off. It serves: {row['breaks']}",
                resource=case.project,
                fixes=(
                    by_up(f"+ {api}   (envctl up {case.name})"),
                    command(f"gcloud services enable {api} --project={case.project}"),
                ),
            )
    for row_id, row in _ROWS.items():
        if not applies(row["generations"], row["when"], case.setting):
            yield Voice(row_id).skipped("This environment does not use it.", resource=case.project)


CHECK = Check(ids=tuple(_ROWS), run=_run)
