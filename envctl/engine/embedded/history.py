"""What was done to a stack: one entry per run, and the state that each run left."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from envctl.engine.embedded.disk import StatePaths, write_whole
from envctl.masking import mask_document
from envctl.private_files import private_folder

KEPT_STATES = 50
"""How many earlier states stay; entries stay all."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One run. Times are ISO 8601 with zone; `outcome` is succeeded, failed, interrupted, detached or refused."""

    serial: int
    kind: str
    outcome: str
    began: str
    ended: str
    user: str
    host: str
    message: str = ""
    git_commit: str = ""
    changes: Mapping[str, int] = field(default_factory=dict)
    resources: int = 0
    failed: Sequence[str] = ()
    state: str = ""
    """File of the state that the run left, beside the entry; "" when the run changed nothing."""


def record(paths: StatePaths, entry: HistoryEntry, *, changed: bool) -> HistoryEntry:
    """Writes an entry and, when the state changed, keeps that state; gives the entry as written."""
    directory = paths.history
    private_folder(directory)
    number = 1 + max((int(path.name[:6]) for path in directory.glob("*.entry.json")), default=0)
    if changed and paths.checkpoint.exists():
        name = f"{number:06}.state.json"
        _keep(paths.checkpoint, directory / name)
        entry = replace(entry, state=name)
    write_whole(
        directory / f"{number:06}.entry.json", json.dumps(mask_document(asdict(entry)), indent=1).encode() + b"\n"
    )
    for old in sorted(directory.glob("*.state.json"))[:-KEPT_STATES]:
        with suppress(OSError):
            old.unlink()
    return entry


def _keep(source: Path, target: Path) -> None:
    """Keeps a file under a second name; checkpoints are replaced, never rewritten, so a link is a copy."""
    with suppress(FileNotFoundError):
        target.unlink()
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def last_whole_state(paths: StatePaths) -> Path | None:
    """The newest kept state that can be read; None when there is none."""
    for path in sorted(paths.history.glob("*.state.json"), reverse=True):
        with suppress(OSError, ValueError, TypeError, KeyError):
            if isinstance(json.loads(path.read_bytes())["deployment"], dict):
                return path
    return None


def read_history(paths: StatePaths) -> list[HistoryEntry]:
    """Every entry, the oldest first; entries that cannot be read are left out."""
    entries: list[HistoryEntry] = []
    for path in sorted(paths.history.glob("*.entry.json")):
        with suppress(OSError, ValueError, TypeError):
            entries.append(HistoryEntry(**json.loads(path.read_text(encoding="utf-8"))))
    return entries
