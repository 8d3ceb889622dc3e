"""`state migrate`: every state, journal and history of a project, carried to a backend that a team shares."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envctl.actions.workspace import EngineName
from envctl.engine.protocol import StackRef
from envctl.engine.pulumi_cli.engine import PulumiEngine
from envctl.engine.pulumi_cli.locks import checkpoint_name
from envctl.engine.pulumi_cli.moved import leave_note, moved_to, states_moved
from envctl.errors import RefusedError, UsageError
from envctl.operations.records import LocalRecords, Records, SharedRecords
from envctl.provider.folders import Folder, open_folder
from envctl.spec.project import PROJECT_FILE, load_project
from envctl.spec.writing import with_key

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace

Reached = Callable[[str], None]
_ADDRESS = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](/[^?#\s]*)?|file:///[^?#\s]+")


@dataclass(frozen=True, slots=True)
class Migrated:
    """Where states are now.

    Attributes:
        source: address so far.
        target: address from now on, as `envctl.yaml` has it.
        stacks: each stack with the rows of its state.
        keys: key files whose passphrases others need, by stack; empty when none is on this machine.
        secrets_provider: how secrets are encrypted.
    """

    source: str
    target: str
    stacks: dict[str, int]
    keys: dict[str, Path]
    secrets_provider: str


def migrate_state(workspace: Workspace, address: str, reached: Reached = lambda _: None) -> Migrated:
    """Carries everything over, compares it, and leaves a note at the old place.

    Nothing is taken away there. Every part can be done again after a kill.

    Raises:
        UsageError: the address is neither `gs://BUCKET[/PREFIX]` nor `file:///FOLDER`.
        RefusedError: on the embedded engine; a stack is locked; the target holds other stacks of these names; the
            states are elsewhere already; `envctl.yaml` cannot take the line.
        OutsideError: one of the two places does not answer.
    """
    address = address.rstrip("/")
    if not _ADDRESS.fullmatch(address):
        raise UsageError(
            "States cannot be carried there",
            detail=f"`{address}` is neither gs://BUCKET, gs://BUCKET/PREFIX nor file:///FOLDER.",
        )
    if workspace.engine_name is EngineName.EMBEDDED:
        raise RefusedError(
            "The sandbox's states stay on this machine",
            detail="What they describe is an emulated cloud below .envctl/: nobody else could see it.",
            hints=(f"carry the states of the real cloud\n    envctl state migrate --to {address} --cloud gcp",),
            code="migrate-sandbox",
        )
    target = open_folder(address)
    assert target is not None
    project, source = workspace.project.name, workspace.backend
    moved = moved_to(source, project)
    if moved not in {None, address}:
        raise states_moved(source, str(moved))
    if (elsewhere := moved_to(address, project)) is not None:
        raise states_moved(address, elsewhere)
    stacks = _carry(workspace, source, target, address, reached) if moved is None and source != address else {}
    if source == address:  # what earlier versions kept here beside a shared backend
        _carry_records(LocalRecords(workspace.directory), SharedRecords(target, project), _local_journals(workspace))
    elif moved is None:
        leave_note(source, project, address)
        reached("note")
    _write_backend(workspace, address)
    reached("file")
    found = stacks or dict.fromkeys(_stacks(target, project), 0)
    return Migrated(source, address, found, _keys(workspace, found), workspace.project.secrets_provider)


def _stacks(folder: Folder, project: str) -> list[str]:
    start = checkpoint_name(StackRef(project, "")).removesuffix(".json")
    names = (name.removeprefix(start) for name in folder.names(start))
    return [name.removesuffix(".json") for name in names if name.endswith(".json") and "/" not in name]


def _carry(workspace: Workspace, source: str, target: Folder, address: str, reached: Reached) -> dict[str, int]:
    origin = open_folder(source)
    if origin is None:
        raise RefusedError(
            "States of this backend are carried by Pulumi",
            detail=source,
            hints=(
                "export each with `envctl state export ENV`, change `backend`, import it with `envctl state import`",
            ),
            code="state-of-pulumi",
        )
    project = workspace.project.name
    stacks = _stacks(origin, project)
    pairs = {name: _engines(workspace, name, address) for name in stacks}
    for name, (old, new) in pairs.items():  # everything is asked before anything is written
        old.require_unlocked()
        if target.read(checkpoint_name(new.stack)) is not None:
            _require_same(name, old, new, address)
    rows: dict[str, int] = {}
    for name, (old, new) in pairs.items():
        if target.read(checkpoint_name(new.stack)) is None or not _rows(new):
            new.import_state(old.export_state())
        reached(f"state {name}")
        opened = old.opened_state()["deployment"].get("resources") or []
        if (new.opened_state()["deployment"].get("resources") or []) != opened:
            raise RefusedError("The copy of the state is not what was copied", detail=name, code="rename-copy")
        _copy(origin, target, f".pulumi/history/{project}/{name}/")
        reached(f"history {name}")
        rows[name] = len(opened)
    journals = {*stacks, *_journals(workspace, origin)}
    _carry_records(workspace.records, SharedRecords(target, project), sorted(journals))
    reached("journals")
    shutil.rmtree(_scratch(workspace), ignore_errors=True)
    return rows


def _engines(workspace: Workspace, name: str, address: str) -> tuple[PulumiEngine, PulumiEngine]:
    """The stack where it is, and where it is to be; the second with the salt of the first."""
    old = workspace.engine(name)
    assert isinstance(old, PulumiEngine)
    directory = _scratch(workspace) / name
    settings = old.settings.directory / f"Pulumi.{name}.yaml"
    directory.mkdir(parents=True, exist_ok=True)
    if settings.is_file():
        shutil.copyfile(settings, directory / settings.name)
    return old, PulumiEngine(old.stack, replace(old.settings, backend=address, directory=directory))


def _scratch(workspace: Workspace) -> Path:
    return workspace.directory / "migration"


def _rows(engine: PulumiEngine) -> list[dict[str, Any]]:
    return engine.export_state()["deployment"].get("resources") or []


def _require_same(name: str, old: PulumiEngine, new: PulumiEngine, address: str) -> None:
    """Returns when the target's stack is empty, or what an earlier try brought there."""
    there, here = _rows(new), _rows(old)
    if there and [(row["urn"], row.get("id")) for row in there] != [(row["urn"], row.get("id")) for row in here]:
        raise RefusedError(
            f"{address} holds another stack {name}",
            detail=f"{len(there)} rows there, {len(here)} here, and they are not the same. Nothing was carried.",
            hints=("take a prefix of your own, as gs://BUCKET/PROJECT",),
            code="migrate-taken",
        )


def _copy(origin: Folder, target: Folder, start: str) -> None:
    for name in origin.names(start):
        content = origin.read(name)
        if content is not None and not name.endswith(".attrs"):  # what gocloud notes beside files
            target.write(name, content, new=True)


def _local_journals(workspace: Workspace) -> list[str]:
    return sorted(path.stem for path in (workspace.directory / "journal").glob("*.jsonl"))


def _journals(workspace: Workspace, origin: Folder) -> list[str]:
    if not workspace.project.backend:
        return _local_journals(workspace)
    start = f".envctl/journal/{workspace.project.name}/"
    return sorted({name.removeprefix(start).partition("/")[0] for name in origin.names(start)})


def _carry_records(origin: Records, target: Records, stacks: list[str]) -> None:
    for name in stacks:
        lines = target.journal(name)
        there = {line.text for line in lines.read()}
        for line in origin.journal(name).read():
            if line.text not in there:
                lines.append(line.text)
        settings = origin.settings(name).read()
        if settings is not None and target.settings(name).read() is None:
            target.settings(name).write(settings)


def _write_backend(workspace: Workspace, address: str) -> None:
    path = workspace.root / PROJECT_FILE
    if load_project(workspace.root).backend == address:
        return
    try:
        text = with_key(path.read_text("utf-8"), "backend", address)
    except ValueError as error:
        raise RefusedError(
            "The address cannot be written into envctl.yaml",
            detail=f"{path}: {error}. The states are carried over; the old place refers to the new one.",
            hints=(f"write `backend: {address}` into it",),
            code="rename-file",
        ) from error
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, "utf-8")
    draft.chmod(path.stat().st_mode & 0o777)
    draft.replace(path)


def _keys(workspace: Workspace, stacks: dict[str, int]) -> dict[str, Path]:
    files = {name: workspace.directory / "pulumi" / f"{name}.key" for name in stacks}
    return {name: path for name, path in files.items() if path.is_file()}
