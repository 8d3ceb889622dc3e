"""What every run did, one line at a time, beside the state: the memory that survives a kill.

A journal is JSON lines: a file below `.envctl/journal/`, or objects beside a state in a bucket. Each line is kept for
good before the thing it announces begins, so that the last line of a killed run says what was under way.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from envctl.masking import mask_document
from envctl.operations.records import Line, Lines

FORMAT = "envctl.journal/v1"


class Outcome(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    """Nothing was begun: locked, or the cloud changed since the plan was shown."""
    INTERRUPTED = "interrupted"
    DETACHED = "detached"
    KILLED = "killed"
    """No closing line was written: the process ended without warning, or is still running."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run as the journal tells it."""

    id: str
    command: str
    who: str
    started: datetime
    ended: datetime | None
    commit: str | None
    outcome: Outcome
    message: str
    changes: Mapping[str, int]
    """What was changed, by action; nothing is known of a killed run."""
    planned: Mapping[str, int]
    """What the plan showed."""
    operations: tuple[str, ...]
    """Operations that were started and whose end the journal does not know."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An object that a recorded run left in the cloud, on purpose: this stack may take it back.

    Attributes:
        type: the resource's type, such as `gcp:secretmanager/secret:Secret`.
        name: its logical name in the program of that run.
        id: its id, as the state held it.
        run: the run that left it.
        since: when.
    """

    type: str
    name: str
    id: str
    run: str
    since: datetime


class Journal:
    """The journal of one environment."""

    def __init__(self, lines: Lines) -> None:
        self._stored = lines

    @property
    def where(self) -> str:
        """The file, or the folder of objects."""
        return self._stored.where

    def open(self, command: str, *, commit: str | None, changes: Mapping[str, int]) -> RunWriter:
        """Starts a run; `changes` counts what the plan showed."""
        writer = RunWriter(self._stored, uuid.uuid4().hex[:12])
        writer.write(
            "opened",
            format=FORMAT,
            command=command,
            who=f"{_user()}@{socket.gethostname()}",
            pid=os.getpid(),
            commit=commit,
            changes=dict(changes),
        )
        return writer

    def runs(self) -> tuple[Run, ...]:
        """Every run, oldest first; lines that cannot be understood are passed over, see `damage`."""
        by_id: dict[str, list[dict[str, Any]]] = {}
        for entry in self._entries():
            by_id.setdefault(entry["run"], []).append(entry)
        return tuple(_read_run(run, lines) for run, lines in by_id.items() if lines[0]["event"] == "opened")

    def kept(self) -> tuple[Kept, ...]:
        """What recorded runs of this stack left in the cloud and none has taken back since, oldest first.

        A run notes both with `write("kept", resources=[{"type": ..., "name": ..., "id": ...}])` and
        `write("taken", ...)` of the same form; an object is known by type and id.
        """
        found: dict[tuple[str, str], Kept] = {}
        for entry in self._entries():
            if entry["event"] not in {"kept", "taken"}:
                continue
            since = datetime.fromisoformat(entry["at"])
            for each in entry["resources"]:
                found.pop((each["type"], each["id"]), None)
                if entry["event"] == "kept":
                    kept = Kept(each["type"], each["name"], each["id"], entry["run"], since)
                    found[kept.type, kept.id] = kept
        return tuple(found.values())

    def damage(self) -> tuple[str, ...]:
        """Lines that are no entries of a journal, by their places.

        The last line may be cut short by a kill, which is no damage: it is left out, and the next run takes it away.
        """
        return tuple(line.place for line, entry in self._lines() if entry is None)

    def _entries(self) -> Iterator[dict[str, Any]]:
        return (entry for _, entry in self._lines() if entry is not None)

    def _lines(self) -> Iterator[tuple[Line, dict[str, Any] | None]]:
        return ((line, _parse_entry(line.text)) for line in self._stored.read())


@dataclass(slots=True)
class RunWriter:
    """Appends the lines of one run."""

    lines: Lines
    run: str
    _operations: set[str] = field(default_factory=set[str])

    def operation(self, resource: str, name: str, state: str) -> None:
        """A long-running operation: written when it is first seen and when it ends."""
        if state in {"SUCCEEDED", "DONE", "FAILED"}:
            if name in self._operations:
                self._operations.discard(name)
                self.write("operation", resource=resource, name=name, state=state)
        elif name not in self._operations:
            self._operations.add(name)
            self.write("operation", resource=resource, name=name, state=state)

    def step(self, name: str, state: str) -> None:
        """A step of envctl's own, such as the packages."""
        self.write("step", name=name, state=state)

    def close(self, outcome: Outcome, message: str = "", done: Mapping[str, int] | None = None) -> None:
        """Ends the run; `done` counts what was really changed."""
        self.write("closed", outcome=outcome.value, message=message, done=dict(done or {}))

    def write(self, event: str, **fields: Any) -> None:
        """One line, kept for good when this returns, secrets masked; `kept` and `taken` are read by `Journal.kept`."""
        at = datetime.now(UTC).isoformat()
        self.lines.append(json.dumps({"run": self.run, "at": at, "event": event, **mask_document(fields)}))


def damage_told(journal: Journal) -> tuple[str, ...]:
    """A sentence for each line of a journal that cannot be read: what it said is not counted."""
    return tuple(f"{place} is no entry of a journal: what it said of a run is lost." for place in journal.damage())


def _parse_entry(text: str) -> dict[str, Any] | None:
    """One entry; None when the text is none that this envctl can read."""
    try:
        entry: dict[str, Any] = json.loads(text)
        datetime.fromisoformat(entry["at"])
        match (str(entry["run"]), entry["event"]):
            case _, "opened":
                _ = entry["command"] + entry["who"]
            case _, "closed":
                Outcome(entry["outcome"])
            case _, "operation":
                _ = entry["name"] + entry["state"]
            case _, "kept" | "taken":
                _ = ["".join((each["type"], each["name"], each["id"])) for each in entry["resources"]]
            case _, str():
                pass  # a step, or an event of a newer envctl
            case _:
                return None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return entry


def _read_run(run: str, lines: list[dict[str, Any]]) -> Run:
    opened = lines[0]
    closed = next((line for line in lines if line["event"] == "closed"), None)
    states: dict[str, str] = {}
    for line in lines:
        if line["event"] == "operation":
            states[line["name"]] = line["state"]
    return Run(
        id=run,
        command=opened["command"],
        who=opened["who"],
        started=datetime.fromisoformat(opened["at"]),
        ended=datetime.fromisoformat(closed["at"]) if closed else None,
        commit=opened.get("commit"),
        outcome=Outcome(closed["outcome"]) if closed else Outcome.KILLED,
        message=closed.get("message", "") if closed else "",
        changes=closed.get("done", {}) if closed else {},
        planned=opened.get("changes", {}),
        operations=tuple(name for name, state in states.items() if state not in {"SUCCEEDED", "DONE", "FAILED"}),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no entry in the user database, as in some containers
        return f"uid-{os.getuid()}"
