"""What every run did, one line at a time, beside the state: the memory that survives a kill.

A journal is a file of JSON lines below `.envctl/journal/`. Each line is written and flushed before the thing it
announces begins, so that the last line of a killed run says what was under way.
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
from pathlib import Path
from typing import Any

from envctl.masking import mask_document
from envctl.private_files import private, private_folder

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


class Journal:
    """The journal of one environment."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, directory: Path, environment: str) -> Journal:
        """The journal of an environment below `.envctl/`."""
        return cls(directory / "journal" / f"{environment}.jsonl")

    def open(self, command: str, *, commit: str | None, changes: Mapping[str, int]) -> RunWriter:
        """Starts a run; `changes` counts what the plan showed."""
        writer = RunWriter(self.path, uuid.uuid4().hex[:12])
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
        """Every run, oldest first. A torn last line, which a kill may leave, is passed over."""
        by_id: dict[str, list[dict[str, Any]]] = {}
        for line in self._lines():
            by_id.setdefault(line["run"], []).append(line)
        return tuple(_read_run(run, lines) for run, lines in by_id.items() if lines[0].get("event") == "opened")

    def _lines(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8") as stream:
            for text in stream:
                try:
                    line = json.loads(text)
                except ValueError:
                    continue
                if isinstance(line, dict) and "run" in line:
                    yield line


@dataclass(slots=True)
class RunWriter:
    """Appends the lines of one run."""

    path: Path
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
        """One line, on disk when this returns; secrets in it are masked."""
        said = mask_document(fields)
        line = json.dumps({"run": self.run, "at": datetime.now(UTC).isoformat(), "event": event, **said})
        private_folder(self.path.parent)
        with open(self.path, "a", encoding="utf-8", opener=private) as stream:
            stream.write(line + "\n")
            stream.flush()
            os.fsync(stream.fileno())


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
