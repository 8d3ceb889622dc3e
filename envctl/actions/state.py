"""`state`: what envctl remembers of a stack, to look at and to mend."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envctl.engine.urns import name_of
from envctl.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace
    from envctl.engine.embedded.engine import EmbeddedEngine


@dataclass(frozen=True, slots=True)
class StateRow:
    """One resource of a state."""

    name: str
    type: str
    urn: str
    id: str
    protected: bool


def list_state(workspace: Workspace, environment: str) -> tuple[StateRow, ...]:
    """Every resource, in the order of the state; components and providers left out.

    Raises:
        RefusedError: there is no state, or it is unreadable.
    """
    return tuple(
        StateRow(name_of(row["urn"]), row["type"], row["urn"], row.get("id", ""), bool(row.get("protect")))
        for row in _resources(workspace, environment)
        if row.get("custom") and not row["type"].startswith("pulumi:")
    )


def show_state(workspace: Workspace, environment: str, name: str) -> Mapping[str, Any]:
    """One resource as the state holds it, secrets still encrypted. `name` is a logical name or a URN.

    Raises:
        UsageError: there is none, or several of that name.
    """
    found = [row for row in _resources(workspace, environment) if name in {row["urn"], name_of(row["urn"])}]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{len(found)} resources are called {name}",
            hints=tuple(row["urn"] for row in found),
            code="state-ambiguous",
        )
    names = [name_of(row["urn"]) for row in _resources(workspace, environment)]
    raise UsageError(f"The state holds no {name}", detail=f"It holds: {', '.join(sorted(names))}", code="state-missing")


def export_state(workspace: Workspace, environment: str) -> Mapping[str, Any]:
    """The whole state, as `pulumi stack export` writes it."""
    return workspace.engine(environment).export_state()


def import_state(workspace: Workspace, environment: str, file: Path) -> int:
    """Replaces the state by an exported one; the answer counts its resources.

    Raises:
        UsageError: the file is no JSON.
        RefusedError: it is no state of this stack.
    """
    try:
        document: Any = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError("The file is no exported state", detail=f"{file}: {error}", code="state-foreign") from error
    if not isinstance(document, dict):
        raise UsageError("The file is no exported state", detail=f"{file} holds no object.", code="state-foreign")
    if "checkpoint" in document:  # a file of Pulumi's backend, such as its `.bak`
        latest = (document["checkpoint"] or {}).get("latest")
        document = {"version": document.get("version"), "deployment": latest or {}}
    workspace.engine(environment).import_state(document)
    return len((document.get("deployment") or {}).get("resources") or [])


def unlock_state(workspace: Workspace, environment: str, *, force: bool = False) -> str | None:
    """Takes the lock away; says who held it, None when nobody did.

    Raises:
        RefusedError: the process that holds it lives on this machine, and `force` is not set.
    """
    from envctl.engine.embedded.engine import EmbeddedEngine
    from envctl.engine.pulumi_cli.engine import PulumiEngine

    engine = workspace.engine(environment)
    if isinstance(engine, EmbeddedEngine):
        return engine.unlock(force=force)
    assert isinstance(engine, PulumiEngine)
    return engine.unlock(force=force)


def repair_state(workspace: Workspace, environment: str, *, drop_pending: bool, drop_secrets: bool) -> tuple[str, ...]:
    """Mends what Pulumi would refuse, and gives up secrets that no key opens; the answer says what was done, a sentence each.

    Raises:
        RefusedError: on the Pulumi engine, which has its own command for it; dropping what is pending works there, too.
    """
    return _editable(workspace, environment, "pulumi state repair").repair(
        drop_pending=drop_pending, drop_secrets=drop_secrets
    )


def forget_resource(workspace: Workspace, environment: str, name: str) -> str:
    """Takes a resource out of the state; it stays in the cloud. The answer is its URN.

    Raises:
        UsageError: there is no such resource.
        RefusedError: others depend on it.
    """
    engine = _editable(workspace, environment, "pulumi state delete URN")
    urn = str(show_state(workspace, environment, name)["urn"])
    engine.forget(urn)
    return urn


def move_resource(workspace: Workspace, environment: str, name: str, new_name: str) -> str:
    """Gives a resource another logical name (or URN) in the state. The answer is its new URN.

    Raises:
        UsageError: there is no such resource.
        RefusedError: the new URN is taken, or does not fit.
    """
    engine = _editable(workspace, environment, "pulumi state rename URN NAME")
    urn = str(show_state(workspace, environment, name)["urn"])
    new_urn = new_name if new_name.startswith("urn:") else f"{urn.removesuffix(name_of(urn))}{new_name}"
    engine.move(urn, new_urn)
    return new_urn


def _resources(workspace: Workspace, environment: str) -> list[dict[str, Any]]:
    return workspace.engine(environment).export_state()["deployment"].get("resources") or []


def _editable(workspace: Workspace, environment: str, instead: str) -> EmbeddedEngine:
    from envctl.engine.embedded.engine import EmbeddedEngine

    engine = workspace.engine(environment)
    if not isinstance(engine, EmbeddedEngine):
        raise RefusedError(
            "Pulumi edits its own states",
            detail=f"The state of {environment} belongs to the Pulumi CLI.",
            hints=(f"use\n    {instead}",),
            code="state-of-pulumi",
        )
    return engine
