"""`state rename OLD NEW`: the file of a stack has another name, and its stack follows."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envctl.errors import EnvctlError, RefusedError, UsageError
from envctl.operations.journal import Outcome
from envctl.ownership.state import held_rows
from envctl.spec.loader import Loaded, load
from envctl.spec.model import Environment
from envctl.spec.project import ENVIRONMENTS, load_project
from envctl.spec.writing import with_key

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace

Reached = Callable[[str], None]
_ENVIRONMENT = "gcp:composer/environment:Environment"
_ACCOUNT = "gcp:serviceaccount/account:Account"


@dataclass(frozen=True, slots=True)
class Renamed:
    """A stack under its new name.

    Attributes:
        file: the file, as it is called now.
        moved_file: whether the file had its old name until now.
        wrote_name: the `name` that was written into it, so that nothing in the cloud changes its name.
        rows: rows of the state; 0 when there was none.
        mentions: other files that still speak of the old name.
    """

    file: Path
    moved_file: bool
    wrote_name: str | None
    rows: int
    mentions: tuple[str, ...]


def rename_stack(workspace: Workspace, old: str, new: str, reached: Reached = lambda _: None) -> Renamed:
    """Gives file and stack another name; neither the cloud nor any name in it is touched.

    Every part can be done again: what was killed in the middle goes on with the same command. State and journal are
    copied and compared before the old ones are taken away.

    Args:
        workspace: project, cloud and engine.
        old: the stem so far.
        new: the stem from now on; its file may be there already.
        reached: told each part that is done.

    Raises:
        UsageError: neither file is there.
        InvalidInputError: the file has problems.
        RefusedError: both files are there, the new stack holds something else, the old one is locked, or the file
            would mean something else under another name.
    """
    file, moved, wrote = _keep_file(workspace, old, new)
    reached("file")
    workspace = replace(workspace, project=load_project(workspace.root))
    lines, settings = workspace.records.journal(old), workspace.records.settings(old)
    _copy_records(workspace, old, new)
    reached("journal")
    rows = _rename_state(workspace, old, new, reached)
    if any(True for _ in lines.read()):
        run = workspace.journal(new).open(f"state rename {old} {new}", commit=workspace.commit(), changes={})
        run.close(Outcome.SUCCEEDED)
    lines.remove()
    settings.remove()
    reached("records")
    return Renamed(file, moved, wrote, rows, _mentions(workspace, old))


def renamed_from(workspace: Workspace, loaded: Loaded) -> tuple[str, ...]:
    """The stacks without a file that a file's things seem to be in.

    A file that was renamed has no stack, and says where things lie as it did before, or as it would under its old name:
    names may follow from the file's.
    """
    if held_rows(_state(workspace, loaded.name)):
        return ()
    return tuple(name for name in workspace.orphans() if _holds(workspace, name, loaded))


def _state(workspace: Workspace, stack: str) -> Mapping[str, Any]:
    engine = workspace.engine(stack)
    return engine.export_state() if engine.serial() else {}


def _holds(workspace: Workspace, stack: str, loaded: Loaded) -> bool:
    try:
        rows: list[dict[str, Any]] = workspace.engine(stack).export_state()["deployment"].get("resources") or []
    except EnvctlError:
        return False
    return _is_of(rows, loaded) or _is_of(rows, _under(workspace, stack, loaded))


def _under(workspace: Workspace, stem: str, loaded: Loaded) -> Loaded:
    """The file as it would be under another name; as it is, when it would have problems under that."""
    try:
        return _loaded_as(workspace, stem, workspace.project.files[loaded.name], {stem, loaded.name})
    except EnvctlError:
        return loaded


def _is_of(rows: list[dict[str, Any]], loaded: Loaded) -> bool:
    spec = loaded.spec
    by_type: dict[str, Mapping[str, Any]] = {row["type"]: row.get("inputs") or {} for row in rows}
    provider = by_type.get("pulumi:providers:gcp", {})
    environment = by_type.get(_ENVIRONMENT)
    if (provider.get("project"), provider.get("region")) != (spec.project, spec.region):
        return False
    if not isinstance(spec, Environment):
        return environment is None
    if environment is None:
        return False
    account = by_type.get(_ACCOUNT, {}).get("accountId")
    node = (environment.get("config") or {}).get("nodeConfig") or {}
    return (
        environment.get("name") == (spec.name or loaded.name)
        or (spec.service_account.name is not None and account == spec.service_account.name)
        or (spec.service_account.email is not None and node.get("serviceAccount") == spec.service_account.email)
    )


def _keep_file(workspace: Workspace, old: str, new: str) -> tuple[Path, bool, str | None]:
    """The file under its new name, with the name that it gave to things so far written into it."""
    files = workspace.project.files
    if old == new:
        raise UsageError("The two names are the same", detail=old)
    if old in files and new in files:
        raise RefusedError(
            "Both files are there",
            detail=f"{ENVIRONMENTS}/{old} and {ENVIRONMENTS}/{new} are two stacks.",
            hints=("remove the one that is a copy",),
            code="rename-both",
        )
    path = files.get(old) or files.get(new)
    if path is None:
        raise UsageError(
            f"There is neither {ENVIRONMENTS}/{old}.yaml nor {ENVIRONMENTS}/{new}.yaml", code="unknown-environment"
        )
    target = path.with_name(f"{new}{path.suffix}")
    before = _loaded_as(workspace, old, path, {old, new})
    wrote = old if before.written.name is None else None
    if wrote is not None:
        _write_name(workspace, path, before, old, new)
    if path != target:
        path.rename(target)
    return target, path != target, wrote


def _write_name(workspace: Workspace, path: Path, before: Loaded, old: str, new: str) -> None:
    try:
        text = with_key(path.read_text("utf-8"), "name", old)
    except ValueError as error:
        raise RefusedError(
            "The name cannot be written into the file",
            detail=f"{path}: {error}.",
            hints=(f"write `name: {old}` into it, then try again",),
            code="rename-file",
        ) from error
    draft = path.with_name(f".{new}.{os.getpid()}.draft")
    draft.write_text(text, "utf-8")
    try:
        after = _loaded_as(workspace, new, draft, {old, new})
        if _meant(after) != _meant(before):
            raise RefusedError(
                "The file would mean something else under another name",
                detail=f"{path}: {', '.join(_differing(before, after))}",
                code="rename-file",
            )
        draft.chmod(path.stat().st_mode & 0o777)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _loaded_as(workspace: Workspace, name: str, path: Path, both: Collection[str]) -> Loaded:
    """The file under one of its `both` names; under two at once it would name everything twice."""
    others = {stem: file for stem, file in workspace.project.files.items() if stem not in both}
    return load(replace(workspace.project, files={**others, name: path}, doubled={}), name)


def _meant(loaded: Loaded) -> dict[str, Any]:
    return {**loaded.spec.model_dump(mode="json"), "name": loaded.spec.name or loaded.name}


def _differing(before: Loaded, after: Loaded) -> list[str]:
    ours, theirs = _meant(before), _meant(after)
    return [key for key in ours if ours[key] != theirs.get(key)]


def _copy_records(workspace: Workspace, old: str, new: str) -> None:
    """The journal's lines that the new name has not yet, and what was set in Airflow."""
    target = workspace.records.journal(new)
    there = {line.text for line in target.read()}
    for line in workspace.records.journal(old).read():
        if line.text not in there:
            target.append(line.text)
    settings = workspace.records.settings(old).read()
    if settings is not None:
        workspace.records.settings(new).write(settings)


def _rename_state(workspace: Workspace, old: str, new: str, reached: Reached) -> int:
    from envctl.actions.workspace import EngineName
    from envctl.engine.protocol import StackRef

    match workspace.engine_name:
        case EngineName.EMBEDDED:
            from envctl.engine.embedded.renaming import rename_state

            before, after = StackRef(workspace.project.name, old), StackRef(workspace.project.name, new)
            return rename_state(workspace.directory, before, after, os.environ, reached=reached)
        case EngineName.PULUMI:
            return _rename_on_pulumi(workspace, old, new, reached)


def _rename_on_pulumi(workspace: Workspace, old: str, new: str, reached: Reached) -> int:
    from envctl.engine.embedded.renaming import name_taken
    from envctl.engine.pulumi_cli.engine import PulumiEngine
    from envctl.engine.pulumi_cli.renaming import rename_state
    from envctl.provider.folders import FileFolder

    keys = FileFolder(workspace.directory / "pulumi")
    key = keys.read(f"{old}.key")
    if key is not None:
        earlier = keys.read(f"{new}.key")
        if earlier is not None and earlier != key:
            keys.write(f"{new}.key.aside", earlier)
        keys.write(f"{new}.key", key)
    engines = [workspace.engine(name) for name in (old, new)]
    assert isinstance(engines[0], PulumiEngine)
    assert isinstance(engines[1], PulumiEngine)
    rows = rename_state(engines[0], engines[1], lambda: name_taken(old, new), reached)
    keys.remove(f"{old}.key")
    return rows


def _mentions(workspace: Workspace, old: str) -> tuple[str, ...]:
    """Files that extend the old name, or build on it."""
    from envctl.spec.source import load_source
    from envctl.spec.tree import text_at

    found: list[str] = []
    for path in workspace.project.files.values():
        shown = path.relative_to(workspace.root)
        tree = load_source(path, shown).tree
        found += [f"{shown.as_posix()}: {key}: {old}" for key in ("extends", "foundation") if text_at(tree, key) == old]
    return tuple(found)
