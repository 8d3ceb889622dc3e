"""`status`: where an environment stands, without changing anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from envctl.errors import OutsideError
from envctl.operations.journal import Run
from envctl.spec.model import Environment

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace


@dataclass(frozen=True, slots=True)
class LiveOperation:
    """An operation on the environment that the cloud has not finished."""

    name: str
    type: str
    started: datetime | None


@dataclass(frozen=True, slots=True)
class Status:
    """One environment or foundation.

    `live` is the Composer API's state (`RUNNING`, `UPDATING`, `ERROR`...), "absent" before the first apply, or
    None for a foundation.
    """

    environment: str
    kind: str
    project: str
    image_version: str | None
    resources: int
    state_serial: int
    live: str | None
    operations: tuple[LiveOperation, ...]
    last_run: Run | None
    outputs: Mapping[str, Any]


def read_status(workspace: Workspace, environment: str) -> Status:
    """What state, journal and cloud say about one environment.

    Raises:
        OutsideError: the cloud did not answer, or refused.
    """
    loaded = workspace.load(environment)
    spec = loaded.spec
    engine = workspace.engine(environment)
    serial = engine.serial()
    resources = engine.export_state()["deployment"].get("resources", []) if serial else []
    runs = workspace.journal(environment).runs()
    live: str | None = None
    operations: tuple[LiveOperation, ...] = ()
    image: str | None = None
    if isinstance(spec, Environment):
        parent = f"projects/{spec.project}/locations/{spec.region}"
        found = _get(workspace, f"{parent}/environments/{spec.name or loaded.name}")
        live = found.get("state", "STATE_UNSPECIFIED") if found else "absent"
        config = found.get("config", {}) if found else {}
        image = config.get("softwareConfig", {}).get("imageVersion") or spec.image_version
        operations = _operations(workspace, parent, spec.name or loaded.name) if found else ()
    return Status(
        environment=loaded.name,
        kind=spec.kind,
        project=spec.project,
        image_version=image,
        resources=sum(1 for r in resources if r.get("custom") and not r["type"].startswith("pulumi:")),
        state_serial=serial,
        live=live,
        operations=operations,
        last_run=runs[-1] if runs else None,
        outputs=engine.outputs() if serial else {},
    )


def _get(workspace: Workspace, path: str) -> dict[str, Any]:
    """The object, or an empty one when it does not exist (or its API is still off)."""
    answer = workspace.cloud.transport().call("GET", "composer/v1beta1", path)
    if answer.status == 200:
        return answer.body
    error = (answer.body or {}).get("error", {})
    if answer.status == 404 or "SERVICE_DISABLED" in str(error.get("details", "")):
        return {}
    raise OutsideError(
        "The environment cannot be read",
        detail=f"{answer.status}: {error.get('message', answer.body)}",
        code="api-refused",
    )


def _operations(workspace: Workspace, parent: str, name: str) -> tuple[LiveOperation, ...]:
    body = _get(workspace, f"{parent}/operations")
    result: list[LiveOperation] = []
    for operation in body.get("operations", []):
        metadata = operation.get("metadata", {})
        if operation.get("done") or not str(metadata.get("resource", "")).endswith(f"/environments/{name}"):
            continue
        started = metadata.get("createTime")
        result.append(
            LiveOperation(
                operation["name"],
                str(metadata.get("operationType", "")),
                datetime.fromisoformat(started) if started else None,
            )
        )
    return tuple(result)
