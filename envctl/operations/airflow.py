"""Airflow's own settings: variables and pools, set by commands of the Airflow CLI inside the environment.

Only what the file declares is set; what somebody made in the UI stays. The commands are repeatable: setting a
variable to the value it has changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envctl.diagnostics import SourceSpan
from envctl.errors import DetachedError, OutsideError
from envctl.operations.composer_api import SERVICE, Waiter, refused
from envctl.plan.model import Impact, OperationStep, StepMoment
from envctl.plan.property_diff import diff_properties
from envctl.private_files import private_folder, write_private
from envctl.provider.transport import Transport

STEP_ID = "airflow-settings"

Settings = Mapping[str, Mapping[str, Any]]
"""`{"variables": {key: value}, "pools": {name: {"slots": 4, "description": ""}}}`."""


@dataclass(frozen=True, slots=True)
class SettingsRecord:
    """What was set by the last apply, kept beside the journal.

    Reading it from Airflow would take a command, and so about ten seconds, for each name at every preview.
    """

    path: Path

    @classmethod
    def of(cls, directory: Path, environment: str) -> SettingsRecord:
        """The record of an environment below `.envctl/`."""
        return cls(directory / "airflow" / f"{environment}.json")

    def read(self) -> Settings:
        """What was set last; nothing when there is no record, or an unreadable one: then all is set again."""
        try:
            found = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, settings: Settings) -> None:
        """Remembers what was set."""
        private_folder(self.path.parent)
        write_private(self.path, json.dumps(settings, indent=1, sort_keys=True).encode())


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
    transport: Transport, environment: str, desired: Settings, recorded: Settings, waiter: Waiter
) -> None:
    """Sets what changed since the record, and removes what the file no longer declares.

    Raises:
        OutsideError: a command failed; its output is in the detail.
        DetachedError: `waiter.cancel` was set; what is left is set by the next run.
    """
    for command in _commands(desired, recorded):
        if waiter.cancel.is_set():
            raise DetachedError("Not all Airflow settings were made", hints=("the same command again makes the rest",))
        _run(transport, environment, command, waiter)


def _commands(desired: Settings, recorded: Settings) -> list[list[str]]:
    found: list[list[str]] = []
    for kind in ("variables", "pools"):
        wanted, known = desired.get(kind, {}), recorded.get(kind, {})
        for name, value in wanted.items():
            if known.get(name) == value:
                continue
            if kind == "variables":
                found.append(["variables", "set", name, str(value)])
            else:
                command = ["pools", "set", name, str(value["slots"]), str(value.get("description", ""))]
                found.append([*command, "--include-deferred"] if value.get("includeDeferred") else command)
        found += [[kind, "delete", name] for name in known if name not in wanted]
    return found


def _run(transport: Transport, environment: str, command: list[str], waiter: Waiter) -> None:
    """Runs one Airflow command and waits for its end."""
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
            if ended.get("exitCode"):
                detail = "\n".join([*lines[-10:], ended.get("error", "")]).strip()
                raise OutsideError(f"`{shown}` failed", detail=detail, code="airflow-command-failed")
            return
        waiter.cancel.wait(waiter.seconds)
