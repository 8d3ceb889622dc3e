"""The key lies in the environment's region.

Composer takes keys of its own region only: no global and no multi-regional keys. The key is fixed when the
environment is created, so a wrong one costs a rebuild.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, spec_change
from envctl.doctor.model import Finding

_VOICE = Voice("kms.location", Severity.ERROR)


def _run(case: Case) -> Iterator[Finding]:
    name = case.setting.key_name
    if not case.setting.uses_key:
        yield _VOICE.skipped("Google's own keys encrypt the environment.")
    elif name is None:
        yield _VOICE.skipped("The key is made by envctl, in the environment's region.")
    elif (parts := name.split("/")) and len(parts) == 8 and parts[3] == case.spec.region:
        yield _VOICE.ok(f"the key lies in {case.spec.region}", resource=name)
    else:
        place = parts[3] if len(parts) == 8 else "no place that its name shows"
        yield _VOICE.failed(
            f"The key lies in {place}, the environment in {case.spec.region}: creation will fail.",
            resource=name,
            fixes=(spec_change("encryption: {key: {create: true}}"),),
        )


CHECK = Check(("kms.location",), _run, operations=("create",), offline=True)
