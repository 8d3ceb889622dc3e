"""A stack of the Pulumi CLI under another name, by the CLI's own `stack rename`; what a kill left is done again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

from envctl.engine.protocol import StackRef
from envctl.engine.pulumi_cli.engine import PulumiEngine
from envctl.engine.pulumi_cli.locks import checkpoint_name
from envctl.engine.urns import STACK_TYPE, stack_prefix, type_of
from envctl.errors import RefusedError
from envctl.provider.folders import Folder, open_folder

Reached = Callable[[str], None]


def rename_state(
    old: PulumiEngine,
    new: PulumiEngine,
    refuse: Callable[[], RefusedError],
    reached: Reached = lambda _: None,
) -> int:
    """Gives a stack's state and history another name; the answer counts its rows, 0 when there is no state.

    `refuse` makes the refusal for a name that is taken. The passphrase of the new name is the old one's already.

    Raises:
        RefusedError: the new name has a state of its own, somebody works on the old one, or the backend is
            Pulumi Cloud, which renames stacks itself.
    """
    folder = open_folder(old.settings.backend)
    if folder is None:
        raise RefusedError(
            "This backend renames its stacks itself",
            detail=old.settings.backend,
            hints=(f"use\n    pulumi stack rename {new.stack.stack} --stack {old.stack.stack}",),
            code="state-of-pulumi",
        )
    settings = old.settings.directory / f"Pulumi.{old.stack.stack}.yaml"
    target = new.settings.directory / f"Pulumi.{new.stack.stack}.yaml"
    if settings.is_file() and not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(settings, target)  # the salt, if the CLI keeps it there
    if folder.read(checkpoint_name(old.stack)) is not None:
        old.require_unlocked()
        _rename(folder, old, new, refuse)
    reached("state")
    _move_history(folder, old.stack, new.stack)
    reached("history")
    if folder.read(checkpoint_name(new.stack)) is None:
        return 0
    opened = new.opened_state()
    shutil.rmtree(old.settings.directory, ignore_errors=True)
    return len(opened["deployment"].get("resources") or [])


def _rename(folder: Folder, old: PulumiEngine, new: PulumiEngine, refuse: Callable[[], RefusedError]) -> None:
    before = old.export_state()
    expected = _renamed(before, old.stack, new.stack)
    if folder.read(checkpoint_name(new.stack)) is not None:
        present = new.export_state()["deployment"].get("resources") or []
        if present and present != expected:
            raise refuse()
        new.remove_stack()  # an empty one, or a copy that a kill left: the old one is whole still
    old.call_cli("stack", "rename", new.stack.stack)
    found = new.export_state()["deployment"].get("resources") or []
    if found != expected:
        raise RefusedError(
            "The copy of the state is not what was copied",
            detail=f"{new.stack.stack} in {folder.where}",
            code="rename-copy",
        )


def _renamed(document: dict[str, Any], old: StackRef, new: StackRef) -> list[dict[str, Any]]:
    """The rows as `edit.RenameStack` of Pulumi writes them."""
    root = f"{stack_prefix(old)}{STACK_TYPE}::{old.project}-{old.stack}"
    rows = document["deployment"].get("resources") or []
    assert all(type_of(row["urn"]) != STACK_TYPE or row["urn"] == root for row in rows)
    text = json.dumps(rows).replace(f'"{root}"', f'"{stack_prefix(new)}{STACK_TYPE}::{new.project}-{new.stack}"')
    return json.loads(text.replace(f'"{stack_prefix(old)}', f'"{stack_prefix(new)}'))


def _move_history(folder: Folder, old: StackRef, new: StackRef) -> None:
    """What a kill between the CLI's own steps left under the old name."""
    start, target = (f".pulumi/history/{ref.project}/{ref.stack}/" for ref in (old, new))
    for name in folder.names(start):
        content = folder.read(name)
        file = name.removeprefix(start)
        if content is not None and file.startswith(f"{old.stack}-"):
            folder.write(target + new.stack + file.removeprefix(old.stack), content)
        folder.remove(name)
