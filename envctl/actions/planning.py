"""`preview`: from a file to a plan.

The way of one plan: file -> gates -> program -> engine preview -> events, folded -> steps through the Composer
API -> plan, sealed. `apply` goes on from the value that `prepare` returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from envctl import __version__
from envctl.actions.gate import run_gates
from envctl.actions.live import read_environment, warnings_of
from envctl.actions.moves import forgotten_moves, refused_moves
from envctl.actions.policy_names import unknown_policies
from envctl.actions.program import Program, absent_foundation, build_program
from envctl.actions.renaming import renamed_from
from envctl.diagnostics import SourceSpan
from envctl.engine.digests import inputs_digest
from envctl.engine.events import EngineEvent, Op, Phase, StepEvent
from envctl.engine.fold import Folded, fold_events
from envctl.engine.protocol import Engine, ExpectedStep, RunOptions
from envctl.operations.airflow import Settings, plan_settings
from envctl.operations.journal import damage_told
from envctl.operations.packages import plan_packages
from envctl.plan.model import Action, Mode, OperationStep, Plan, Seal
from envctl.plan.wire import digest, digest_changes
from envctl.spec.model import Environment
from envctl.stacks.environment import PACKAGES

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
class Wanted:
    """What the steps through the Composer API bring about: the package map, Airflow's variables and pools.

    `recorded` are the settings of the last apply, nothing when the environment is new or made anew.
    """

    packages: Mapping[str, str]
    settings: Settings
    recorded: Settings
    live_packages: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan and everything that applying it takes.

    `awaits` maps URNs to operations that an earlier run left in the cloud: an apply waits for them, even when there
    is nothing else to do.
    """

    plan: Plan
    workspace: Workspace
    loaded: Loaded
    program: Program
    engine: Engine
    options: PlanOptions
    expected: tuple[ExpectedStep, ...]
    wanted: Wanted | None = None
    events: list[EngineEvent] = field(default_factory=list[EngineEvent])
    awaits: Mapping[str, str] = field(default_factory=dict[str, str])


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
    wanted = _wanted(workspace, loaded, events, folded) if options.mode is Mode.APPLY else None
    steps = _steps(loaded, wanted) if wanted else ()
    incomplete = (*folded.incomplete, *refused_moves(program.declared, folded.changes))
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
        gates=run_gates(workspace, loaded, events, offline=options.offline)
        if options.gates and options.mode is Mode.APPLY
        else (),
        warnings=(
            *_foundation_warnings(workspace, loaded, options),
            *damage_told(workspace.journal(environment)),
            *_renamed_file(workspace, loaded, options),
            *_live_warnings(workspace, loaded, options, folded),
            *folded.warnings,
            *(forgotten_moves(events) if options.mode is Mode.APPLY else ()),
            *(f"{w.span}: {w.detail or w.summary}" for w in loaded.warnings),
            *_unknown_policies(workspace, loaded, options),
        ),
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
        wanted=wanted,
        events=events,
        awaits=result.awaits,
    )


def _foundation_warnings(workspace: Workspace, loaded: Loaded, options: PlanOptions) -> tuple[str, ...]:
    absent = None if options.mode is Mode.DESTROY else absent_foundation(workspace, loaded)
    return (f"The foundation {absent} is not applied, and comes first: envctl up {absent}",) if absent else ()


def _renamed_file(workspace: Workspace, loaded: Loaded, options: PlanOptions) -> tuple[str, ...]:
    earlier = None if options.mode is Mode.DESTROY else renamed_from(workspace, loaded)
    if earlier is None:
        return ()
    command = f"envctl state rename {earlier} {loaded.name} --cloud {workspace.cloud.name.value}"
    gone = f"The stack {earlier} has no file any more and holds what this file seems to say."
    return (f"{gone} Was {earlier}.yaml renamed? Then nothing need be made: {command}",)


def _unknown_policies(workspace: Workspace, loaded: Loaded, options: PlanOptions) -> tuple[str, ...]:
    """Ids of policies that nothing has; said where policies are asked."""
    if not (options.gates and options.mode is Mode.APPLY):
        return ()
    found = unknown_policies(workspace.project, loaded)
    return tuple(" ".join((f"{w.span}: {w.detail}", *(f"({hint.text})" for hint in w.hints))) for w in found)


def _live_warnings(workspace: Workspace, loaded: Loaded, options: PlanOptions, folded: Folded) -> tuple[str, ...]:
    """What is wrong with the live environment, unless it is to go, or nobody may look."""
    if options.mode is Mode.DESTROY or not options.refresh:
        return ()
    return warnings_of(read_environment(workspace, loaded), folded.changes)


def expected_steps(events: Sequence[EngineEvent]) -> tuple[ExpectedStep, ...]:
    """What an apply of the shown plan may do, down to the inputs; everything else stops it."""
    return tuple(
        ExpectedStep(
            event.urn,
            event.op,
            inputs_digest=inputs_digest(event.new.inputs) if event.new is not None else None,
            changed_keys=event.diffs,
        )
        for event in events
        if isinstance(event, StepEvent) and event.phase is Phase.PRE and event.op is not Op.REFRESH
    )


def _wanted(workspace: Workspace, loaded: Loaded, events: list[EngineEvent], folded: Folded) -> Wanted | None:
    """What the steps bring about, None for a foundation.

    Raises:
        InvalidInputError: a requirements file is wrong, or holds what the API cannot express.
    """
    spec = loaded.spec
    if not isinstance(spec, Environment):
        return None
    from envctl.actions.deps import sent_by

    made_anew = any(
        c.type == _ENVIRONMENT_TYPE and (c.action.replaces or c.action is Action.CREATE) for c in folded.changes
    )
    variables = {key: value for key, value in spec.airflow.variables.items() if isinstance(value, str)}
    pools = {name: pool.model_dump(mode="json", by_alias=True) for name, pool in spec.airflow.pools.items()}
    live_packages = None if made_anew else _live_packages(events)
    # An imported environment may have packages that no file can hold: then they are left alone as a whole.
    left_alone = spec.adopted is not None and PACKAGES in spec.adopted.ignore
    return Wanted(
        packages=live_packages or {} if left_alone else sent_by(loaded),
        settings={kind: values for kind, values in (("variables", variables), ("pools", pools)) if values},
        recorded={} if made_anew else workspace.settings_record(loaded.name).read(),
        live_packages=live_packages,
    )


def _steps(loaded: Loaded, wanted: Wanted) -> tuple[OperationStep, ...]:
    """What the Composer API does besides the infrastructure, in its order."""
    packages = plan_packages(wanted.packages, wanted.live_packages, _source(loaded, "packages", "requirements"))
    settings = plan_settings(wanted.settings, wanted.recorded, _source(loaded, "airflow", "variables"))
    return tuple(step for step in (packages, settings) if step is not None)


def _live_packages(events: list[EngineEvent]) -> dict[str, str] | None:
    """The packages that the environment has now, as the refreshed state says; None before it exists."""
    for event in reversed(events):
        if isinstance(event, StepEvent) and event.type == _ENVIRONMENT_TYPE and event.old is not None:
            state = event.new if event.op is Op.REFRESH and event.new is not None else event.old
            config = state.outputs.get("config") or {}
            software = config.get("softwareConfig") or {}
            return dict(software.get("pypiPackages") or {})
    return None


def _source(loaded: Loaded, *path: str) -> SourceSpan | None:
    """The place of a key, or of the block that holds it."""
    while path:
        if path in loaded.origins:
            return loaded.origins[path]
        path = path[:-1]
    return None
