"""`status`: where an environment stands, without changing anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.actions.live import LiveOperation, read_environment
from envctl.operations.journal import Outcome, Run
from envctl.spec.model import Environment

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Status:
    """One environment or foundation.

    `live` is the Composer API's state (`RUNNING`, `UPDATING`, `ERROR`...), "absent" before the first apply, or
    None for a foundation; `problem` says what is wrong when it is ERROR.
    """

    environment: str
    kind: str
    project: str
    image_version: str | None
    resources: int
    state_serial: int
    live: str | None
    operations: tuple[LiveOperation, ...]
    problem: str | None
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
    live = read_environment(workspace, loaded)
    image = (live and live.image_version) or (spec.image_version if isinstance(spec, Environment) else None)
    return Status(
        environment=loaded.name,
        kind=spec.kind,
        project=spec.project,
        image_version=image,
        resources=sum(1 for r in resources if r.get("custom") and not r["type"].startswith("pulumi:")),
        state_serial=serial,
        live=live.state if live else None,
        operations=live.operations if live else (),
        problem=live.problem if live else None,
        last_run=next((run for run in reversed(runs) if run.outcome is not Outcome.REFUSED), None),
        outputs=engine.outputs() if serial else {},
    )
