"""`preview`: from a file to a plan.

The way of one plan: file -> gates -> program -> engine preview -> events, folded -> steps through the Composer
API -> plan, sealed. `apply` goes on from the value that `prepare` returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from envctl import __version__
from envctl.actions.gate import run_gates
from envctl.actions.program import Program, build_program
from envctl.diagnostics import SourceSpan
from envctl.engine.events import EngineEvent, Op, Phase, StepEvent
from envctl.engine.fold import Folded, fold_events
from envctl.engine.protocol import Engine, ExpectedStep, RunOptions
from envctl.operations.packages import plan_packages
from envctl.plan.model import Mode, OperationStep, Plan, Seal
from envctl.plan.wire import digest, digest_changes
from envctl.spec.model import Environment

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace
    from envctl.spec.loader import Loaded

_ENVIRONMENT_TYPE = "gcp:composer/environment:Environment"


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What the caller asked of a preview."""

    mode: Mode = Mode.APPLY
    refresh: bool = True
    parallel: int = 8
    gates: bool = True
    offline: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan and everything that applying it takes."""

    plan: Plan
    workspace: Workspace
    loaded: Loaded
    program: Program
    engine: Engine
    options: PlanOptions
    expected: tuple[ExpectedStep, ...]
    packages: Mapping[str, str] | None = None
    events: list[EngineEvent] = field(default_factory=list[EngineEvent])


def prepare(
    workspace: Workspace,
    environment: str,
    options: PlanOptions | None = None,
    watch: Callable[[EngineEvent], None] | None = None,
) -> Prepared:
    """The plan of one environment or foundation. Nothing is changed.

    Args:
        workspace: project, cloud and engine.
        environment: the file's stem.
        options: what was asked.
        watch: gets every event as it comes, for progress.

    Raises:
        InvalidInputError: the file has problems.
        OutsideError: the cloud or the engine failed.
        RefusedError: the state is locked or unreadable.
    """
    options = options or PlanOptions()
    loaded = workspace.load(environment)
    program = build_program(workspace, loaded)
    engine = workspace.engine(environment)
    events: list[EngineEvent] = []

    def sink(event: EngineEvent) -> None:
        events.append(event)
        if watch is not None:
            watch(event)

    run = RunOptions(refresh=options.refresh, parallel=options.parallel)
    if options.mode is Mode.DESTROY:
        result = engine.destroy(program.run, run, sink, preview=True)
    else:
        result = engine.preview(program.run, run, sink)
    folded = fold_events(events, options.mode, program.source_of)
    desired = _desired_packages(loaded) if options.mode is Mode.APPLY else None
    steps = _package_steps(loaded, desired, events, folded)
    incomplete = folded.incomplete
    if not result.ok and not incomplete:
        incomplete = ("The engine stopped before the end of the program.",)
    plan = Plan(
        environment=loaded.name,
        stack=f"{workspace.project.name}/{loaded.name}",
        project=loaded.spec.project,
        cloud=workspace.cloud.name.value,
        engine=engine.name,
        mode=options.mode,
        created=datetime.now(UTC),
        envctl_version=__version__,
        changes=program.in_order(folded.changes),
        steps=steps,
        drift=folded.drift,
        gates=run_gates(workspace, loaded, events, options) if options.gates else (),
        warnings=(*folded.warnings, *(f"{w.span}: {w.detail or w.summary}" for w in loaded.warnings)),
        incomplete=incomplete,
        refreshed=options.refresh,
        outputs=folded.outputs,
    )
    seal = Seal(
        spec=digest(loaded.spec.model_dump(mode="json")),
        program=program.digest,
        state_serial=result.state_serial,
        changes=digest_changes(plan),
    )
    return Prepared(
        plan=replace(plan, seal=seal),
        workspace=workspace,
        loaded=loaded,
        program=program,
        engine=engine,
        options=options,
        expected=expected_steps(events),
        packages=desired if steps else None,
        events=events,
    )


def expected_steps(events: list[EngineEvent]) -> tuple[ExpectedStep, ...]:
    """What an apply of the shown plan may do; everything else stops it."""
    return tuple(
        ExpectedStep(event.urn, event.op, changed_keys=event.diffs)
        for event in events
        if isinstance(event, StepEvent) and event.phase is Phase.PRE and event.op is not Op.REFRESH
    )


def _desired_packages(loaded: Loaded) -> dict[str, str] | None:
    """The map that the API will get, None for a foundation or when no file speaks of packages."""
    spec = loaded.spec
    if not isinstance(spec, Environment):
        return None
    from envctl.actions.deps import sent_by

    return sent_by(loaded)


def _package_steps(
    loaded: Loaded, desired: Mapping[str, str] | None, events: list[EngineEvent], folded: Folded
) -> tuple[OperationStep, ...]:
    if desired is None:
        return ()
    replaced = any(c.type == _ENVIRONMENT_TYPE and c.action.replaces for c in folded.changes)
    live = None if replaced else _live_packages(events)
    step = plan_packages(desired, live, _packages_source(loaded))
    return (step,) if step is not None else ()


def _live_packages(events: list[EngineEvent]) -> dict[str, str] | None:
    """The packages that the environment has now, as the refreshed state says; None before it exists."""
    for event in reversed(events):
        if isinstance(event, StepEvent) and event.type == _ENVIRONMENT_TYPE and event.old is not None:
            state = event.new if event.op is Op.REFRESH and event.new is not None else event.old
            config = state.outputs.get("config") or {}
            software = config.get("softwareConfig") or {}
            return dict(software.get("pypiPackages") or {})
    return None


def _packages_source(loaded: Loaded) -> SourceSpan | None:
    for path in (("packages", "requirements"), ("packages", "inline"), ("packages",)):
        if path in loaded.origins:
            return loaded.origins[path]
    return None
