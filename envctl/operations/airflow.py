"""Airflow's own settings: variables and pools, set by commands of the Airflow CLI inside the environment.

Only what the file declares is set; what somebody made in the UI stays. The commands are repeatable: setting a
variable to the value it has changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from envctl.diagnostics import SourceSpan
from envctl.errors import DetachedError, OutsideError
from envctl.google.transport import Transport
from envctl.operations.composer_api import SERVICE, Waiter, refused
from envctl.operations.records import Document
from envctl.plan.model import Impact, OperationStep, StepMoment
from envctl.plan.property_diff import diff_properties

STEP_ID = "airflow-settings"

_PAUSE = 10.0
"""Seconds between two looks at a running command."""

_KINDS = ("variables", "pools")

Settings = Mapping[str, Mapping[str, Any]]
"""`{"variables": {key: value}, "pools": {name: {"slots": 4, "description": ""}}}`."""


@dataclass(frozen=True, slots=True)
class SeenSettings:
    """What a plan was made from: the environment that it saw ("" for none), and what envctl had set there."""

    uuid: str = ""
    settings: Settings = field(default_factory=dict[str, Mapping[str, Any]])


@dataclass(frozen=True, slots=True)
class SettingsRecord:
    """What envctl has set in one environment, kept beside the journal.

    Reading it from Airflow would take a command, and so about ten seconds, for each name at every preview. The record
    names the environment that it was made for by the API's `uuid`: another one of the same name (replaced, destroyed
    and made again, made anew by somebody else) starts with an empty database, and the record is not believed.
    """

    document: Document

    def read(self, uuid: str) -> Settings:
        """What was set in this environment; nothing when the record is of another one, of none, or unreadable.

        Then all is set again, which changes nothing where it is so already.
        """
        try:
            found = json.loads(self.document.read() or "{}")
        except ValueError:
            return {}
        if not uuid or not isinstance(found, dict) or found.get("environment") != uuid:
            return {}
        settings = found.get("settings")
        return settings if isinstance(settings, dict) else {}

    def write(self, uuid: str, settings: Settings) -> None:
        """Remembers what is set in the environment now."""
        document = {"environment": uuid, "settings": settings}
        self.document.write(json.dumps(document, indent=1, sort_keys=True))


def plan_settings(desired: Settings, recorded: Settings, source: SourceSpan | None) -> OperationStep | None:
    """The step that brings Airflow to the declared settings, or None when the last apply set just these."""
    changes = diff_properties(recorded, desired)
    if not changes:
        return None
    return OperationStep(
        id=STEP_ID,
        title="set Airflow variables and pools",
        moment=StepMoment.AFTER,
        properties=changes,
        impact=Impact(
            minutes=(0.0, 1.0), source="Google documentation: Update Cloud Composer environments (2026-11-20)"
        ),
        source=source,
    )


def apply_settings(
    transport: Transport,
    environment: str,
    desired: Settings,
    seen: SeenSettings,
    record: SettingsRecord,
    waiter: Waiter,
) -> None:
    """Sets what differs from what was seen, and removes what the file no longer declares.

    The record is written after every command, so that a failure in the middle leaves it true.

    Raises:
        OutsideError: a command failed; its output is in the detail.
        DetachedError: `waiter.cancel` was set; what is left is set by the next run.
    """
    answer = transport.call("GET", SERVICE, environment)
    refused(answer, "The environment cannot be read")
    uuid = str(answer.body.get("uuid", ""))
    known = {kind: dict(seen.settings.get(kind, {})) if uuid == seen.uuid else {} for kind in _KINDS}
    for kind, name in _differences(desired, known):
        if waiter.cancel.is_set():
            raise DetachedError("Not all Airflow settings were made", hints=("the same command again makes the rest",))
        value = desired.get(kind, {}).get(name)
        _run(transport, environment, _command(kind, name, value), waiter)
        known[kind].pop(name, None)
        if value is not None:
            known[kind][name] = value
        record.write(uuid, {each: values for each, values in known.items() if values})


def read_settings(transport: Transport, environment: str, names: Settings, waiter: Waiter) -> SeenSettings:
    """What Airflow itself has under the names of `names`, for a record that was lost; a command for each.

    A variable that Airflow hides in its answer (its name sounds like a secret) is left out: it is set again.

    Raises:
        OutsideError: the environment, or a command, cannot be read.
    """
    answer = transport.call("GET", SERVICE, environment)
    refused(answer, "The environment cannot be read")
    found: dict[str, dict[str, Any]] = {}
    for kind in _KINDS:
        for name, wanted in names.get(kind, {}).items():
            value = _there(transport, environment, kind, name, wanted, waiter)
            if value is not None:
                found.setdefault(kind, {})[name] = value
    return SeenSettings(str(answer.body.get("uuid", "")), found)


def _there(transport: Transport, environment: str, kind: str, name: str, wanted: Any, waiter: Waiter) -> Any:
    """The value of one setting in the words of the file; None where there is none, or one that cannot be told."""
    if kind == "variables":
        lines = _ask(transport, environment, ["variables", "get", name], waiter)
        value = None if lines is None else "\n".join(lines)
        return None if value is None or _HIDDEN.fullmatch(value) else value
    lines = _ask(transport, environment, ["pools", "get", name, "--output", "json"], waiter)
    try:
        pool = json.loads("\n".join(lines or ()))[0]
        told: dict[str, Any] = {"slots": int(pool["slots"]), "description": str(pool.get("description") or "")}
    except (ValueError, LookupError, TypeError):
        return None
    # Airflow before 2.7 does not tell: then the file is believed.
    deferred = pool.get("include_deferred", wanted.get("includeDeferred"))
    return {**told, "includeDeferred": str(deferred).lower() == "true"}


_HIDDEN = re.compile(r"\*{3,}")
"""What Airflow prints in place of a value whose name sounds like a secret."""


def _differences(desired: Settings, known: Settings) -> list[tuple[str, str]]:
    """Kind and name of what must be set, then of what must go."""
    found: list[tuple[str, str]] = []
    for kind in _KINDS:
        wanted, there = desired.get(kind, {}), known.get(kind, {})
        found += [(kind, name) for name, value in wanted.items() if there.get(name) != value]
        found += [(kind, name) for name in there if name not in wanted]
    return found


def _command(kind: str, name: str, value: Any) -> list[str]:
    if value is None:
        return [kind, "delete", name]
    if kind == "variables":
        return [kind, "set", name, str(value)]
    command = [kind, "set", name, str(value["slots"]), str(value.get("description", ""))]
    return [*command, "--include-deferred"] if value.get("includeDeferred") else command


def _run(transport: Transport, environment: str, command: list[str], waiter: Waiter) -> None:
    """Runs one Airflow command and waits for its end. Raises `OutsideError` when it failed."""
    ended = airflow_command(transport, environment, command, waiter)
    if ended.code and not (command[1] == "delete" and _is_gone(ended.lines)):
        shown = f"airflow {' '.join(command[:3])}"
        detail = "\n".join([*ended.lines[-10:], ended.error]).strip()
        raise OutsideError(f"`{shown}` failed", detail=detail, code="airflow-command-failed")


def _ask(transport: Transport, environment: str, command: list[str], waiter: Waiter) -> list[str] | None:
    """What one Airflow command prints; None when it says that there is nothing of the name."""
    ended = airflow_command(transport, environment, command, waiter)
    return None if ended.code else ended.lines


@dataclass(frozen=True, slots=True)
class CommandEnd:
    """What a command printed, and how it ended."""

    lines: list[str]
    code: int
    error: str


def airflow_command(transport: Transport, environment: str, command: list[str], waiter: Waiter) -> CommandEnd:
    """Runs one Airflow command (name, subcommand, parameters) to its end, whatever that is.

    Raises:
        OutsideError: the API refused it.
    """
    name, subcommand, *parameters = command
    shown = f"airflow {name} {subcommand} {parameters[0]}"
    body = {"command": name, "subcommand": subcommand, "parameters": parameters}
    answer = transport.call("POST", SERVICE, f"{environment}:executeAirflowCommand", None, body)
    refused(answer, f"`{shown}` was refused")
    started: dict[str, Any] = answer.body
    where = {key: started[key] for key in ("executionId", "pod", "podNamespace") if key in started}
    lines: list[str] = []
    next_line = 1
    while True:
        answer = transport.call(
            "POST", SERVICE, f"{environment}:pollAirflowCommand", None, {**where, "nextLineNumber": next_line}
        )
        refused(answer, f"`{shown}` cannot be followed")
        told: dict[str, Any] = answer.body
        for line in told.get("output", []):
            lines.append(str(line.get("content", "")))
            next_line = int(line.get("lineNumber", next_line)) + 1
        if told.get("outputEnd"):
            ended: dict[str, Any] = told.get("exitInfo", {})
            return CommandEnd(lines, int(ended.get("exitCode") or 0), str(ended.get("error", "")))
        waiter.sleeper.sleep(_PAUSE, waiter.cancel)


def _is_gone(lines: list[str]) -> bool:
    """Whether a deletion failed because somebody was faster: `Pool NAME does not exist` ends with 1."""
    return bool(lines) and lines[-1].rstrip(".").endswith("does not exist")
