"""The note that states leave where they were: who comes to the old place is told the new one."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from envctl.errors import RefusedError
from envctl.provider.folders import open_folder


def _name(project: str) -> str:
    return f".envctl/moved/{project}.json"


def moved_to(backend: str, project: str) -> str | None:
    """Where the states of a project went from a backend; None when they are there."""
    folder = open_folder(backend)
    content = None if folder is None else folder.read(_name(project))
    if content is None:
        return None
    try:
        return str(json.loads(content)["to"])
    except (ValueError, KeyError, TypeError):
        return "another place; the note about it cannot be read"


def leave_note(backend: str, project: str, address: str) -> None:
    """Says at a backend that the states of a project are elsewhere."""
    folder = open_folder(backend)
    assert folder is not None
    note = {"moved": project, "to": address, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    folder.write(_name(project), json.dumps(note, indent=1).encode() + b"\n")


def states_moved(backend: str, address: str) -> RefusedError:
    """The refusal of a place that states were carried away from."""
    return RefusedError(
        "The states of this project are elsewhere",
        detail=f"They were carried from {backend} to {address}; what lies here is old.",
        hints=(f"write into envctl.yaml:\n    backend: {address}", "or take the newest envctl.yaml from git"),
        code="state-moved",
    )
