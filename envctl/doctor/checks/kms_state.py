"""The key's primary version is enabled.

A key whose primary version is disabled or scheduled for destruction stops everything that it protects: the
environment dies with it. The key must also be made for encryption and decryption.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, command
from envctl.doctor.facts import Absent, Known, Subject, Unreadable, field_of
from envctl.doctor.model import Finding

_VOICE = Voice("kms.state", Severity.ERROR)


def _run(case: Case) -> Iterator[Finding]:
    name = case.setting.key_name
    if not case.setting.uses_key or name is None:
        yield _VOICE.skipped("No existing key is used.")
        return
    match case.facts.ask(Subject.KEY, name):
        case Unreadable() if case.setting.creates_key and not case.exists:
            yield _VOICE.skipped("The key is made by envctl.", resource=name)
        case Unreadable() as answer:
            yield _VOICE.unknown(answer, "the state of the key's primary version", resource=name)
        case Absent() if case.setting.creates_key:
            yield _VOICE.skipped("The key is made by envctl.", resource=name)
        case Absent():
            yield _VOICE.failed("The key does not exist.", resource=name)
        case Known(value):
            state, purpose = field_of(value, "primary", "state"), field_of(value, "purpose")
            if state != "ENABLED":
                version = str(field_of(value, "primary", "name") or f"{name}/cryptoKeyVersions/1")
                yield _VOICE.failed(
                    f"The key's primary version is {state or 'absent'}, not ENABLED.",
                    resource=name,
                    fixes=(command(f"gcloud kms keys versions enable {version}"),),
                )
            elif str(purpose or "ENCRYPT_DECRYPT") != "ENCRYPT_DECRYPT":
                yield _VOICE.failed(f"The key is made for {purpose}, not for ENCRYPT_DECRYPT.", resource=name)
            else:
                yield _VOICE.ok("the key's primary version is enabled", resource=name)


CHECK = Check(("kms.state",), _run)
