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
from envctl.actions.claiming import absent_existing, lost_claims, mark_of_stack
from envctl.actions.gate import run_gates
from envctl.actions.letting_go import decide
from envctl.actions.live import LiveEnvironment, read_environment, warnings_of
from envctl.actions.moves import forgotten_moves, refused_moves
from envctl.actions.policy_names import unknown_policies
from envctl.actions.program import Program, absent_foundation, build_program
from envctl.actions.renaming import renamed_from
from envctl.diagnostics import SourceSpan
from envctl.engine.digests import inputs_digest
from envctl.engine.events import EngineEvent, MessageEvent, Op, Phase, StepEvent
from envctl.engine.fold import Folded, fold_events
from envctl.engine.protocol import Engine, ExpectedStep, RunOptions, RunResult
from envctl.engine.urns import name_of
from envctl.operations.airflow import SeenSettings, Settings, plan_settings
from envctl.operations.journal import damage_told
from envctl.operations.packages import plan_packages
from envctl.ownership.claims import Standing
from envctl.ownership.words import Asked, ownership_answers
from envctl.plan.hiding import without_secrets
from envctl.plan.model import Action, GateResult, Mode, OperationStep, Plan, Seal
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

    What is there now (`live_packages`, `seen`) is what the live environment says, with and without a refresh: these
    steps are none of the engine's, so its state knows nothing of them. A new environment, or one that is made anew, has
    nothing yet.
    """

    packages: Mapping[str, str]
    settings: Settings
    seen: SeenSettings
    live_packages: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan and everything that applying it takes.

    `awaits` maps URNs to operations that an earlier run left in the cloud: an apply waits for them, even when there
    is nothing else to do. `keep`, `in_use` and `undeletable` are what was decided of what the plan lets go
    (`envctl.actions.letting_go.Decided`).
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
    keep: Mapping[str, bool] = field(default_factory=dict[str, bool])
    in_use: Mapping[str, str] = field(default_factory=dict[str, str])
    undeletable: Mapping[str, str] = field(default_factory=dict[str, str])
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
    engine = workspace.engine(environment)
    looking = options.mode is Mode.APPLY
    program = build_program(workspace, loaded, looking=looking)
    result, events = _preview(engine, program, options, watch)
    folded = fold_events(events, options.mode, program.source_of)
    if replaced := _marked_replacements(program, events, folded):
        program = build_program(workspace, loaded, looking=looking, unmarked=replaced)
        result, events = _preview(engine, program, options, watch)
        folded = fold_events(events, options.mode, program.source_of)
    decided = decide(workspace, loaded, program, engine, program.in_order(folded.changes), options.mode)
    live = read_environment(workspace, loaded) if options.mode is Mode.APPLY else None
    wanted = _wanted(workspace, loaded, live, folded) if live is not None else None
    steps = _steps(loaded, wanted) if wanted else ()
    incomplete = (*folded.incomplete, *refused_moves(program.declared, folded.changes))
    if not result.ok and not incomplete:
        incomplete = ("The engine stopped before the end of the program.",)
    plan = without_secrets(
        Plan(
            environment=loaded.name,
            stack=f"{workspace.project.name}/{loaded.name}",
            project=loaded.spec.project,
            cloud=workspace.cloud.name.value,
            engine=engine.name,
            mode=options.mode,
            created=datetime.now(UTC),
            envctl_version=__version__,
            changes=tuple(program.standings.explained(change) for change in decided.changes),
            steps=steps,
            drift=folded.drift,
            gates=(
                *_ownership(workspace, loaded, program, options.mode),
                *(
                    run_gates(workspace, loaded, events, offline=options.offline)
                    if options.gates and options.mode is Mode.APPLY
                    else ()
                ),
            ),
            warnings=(
                *_foundation_warnings(workspace, loaded, options),
                *damage_told(workspace.journal(environment)),
                *warnings_of(live, folded.changes),
                *folded.warnings,
                *_taken_as_found(program),
                *(forgotten_moves(events) if options.mode is Mode.APPLY and not _doubled(program) else ()),
                *(f"{w.span}: {w.detail or w.summary}" for w in loaded.warnings),
                *_unknown_policies(workspace, loaded, options),
            ),
            incomplete=incomplete,
            refreshed=options.refresh,
            outputs=folded.outputs,
        )
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
        keep=decided.keep,
        in_use=decided.in_use,
        undeletable=decided.undeletable,
        awaits=result.awaits,
    )


def _ownership(workspace: Workspace, loaded: Loaded, program: Program, mode: Mode) -> tuple[GateResult, ...]:
    """Whose the things are that the program would create, or should destroy, and that the state does not hold."""
    claims = lost_claims(workspace, loaded, program.declared) if mode is Mode.DESTROY else program.standings.each
    asks = mode is Mode.APPLY or any(claim.standing.refused for claim in claims)
    renamed = renamed_from(workspace, loaded) if asks else ()
    asked = Asked(loaded.name, mark_of_stack(workspace, loaded.name), workspace.cloud.name.flag, renamed)
    return (
        *ownership_answers(asked, claims, program.declared, program.place_of),
        *(absent_existing(workspace, loaded) if mode is Mode.APPLY else ()),
    )


def _doubled(program: Program) -> bool:
    """Whether a name of the state was changed behind the file: that has hints of its own."""
    return any(claim.standing is Standing.DOUBLED for claim in program.standings.each)


def _taken_as_found(program: Program) -> tuple[str, ...]:
    """What enters the state and is not as the file says: the next `up` changes it."""
    return tuple(
        f"{name}: enters the state as it is; {', '.join(paths)} come with the next `up`"
        for name, paths in program.standings.differing.items()
    )


def _preview(
    engine: Engine, program: Program, options: PlanOptions, watch: Callable[[EngineEvent], None] | None
) -> tuple[RunResult, list[EngineEvent]]:
    events: list[EngineEvent] = []

    def sink(event: EngineEvent) -> None:
        events.append(event)
        if watch is not None:
            watch(event)

    run = RunOptions(refresh=options.refresh, parallel=options.parallel)
    if options.mode is Mode.DESTROY:
        return engine.destroy(program.run, run, sink, preview=True), events
    return engine.preview(program.run, run, sink), events


def _marked_replacements(program: Program, events: Sequence[EngineEvent], folded: Folded) -> set[str]:
    """Memberships that were declared as imported and would be replaced, which no engine does."""
    replaced = {change.name for change in folded.changes if change.action.replaces}
    refused = {name_of(e.urn) for e in events if isinstance(e, MessageEvent) and e.urn and e.severity == "error"}
    return (replaced | refused) & program.marked


def _foundation_warnings(workspace: Workspace, loaded: Loaded, options: PlanOptions) -> tuple[str, ...]:
    absent = None if options.mode is Mode.DESTROY else absent_foundation(workspace, loaded)
    return (f"The foundation {absent} is not applied, and comes first: envctl up {absent}",) if absent else ()


def _unknown_policies(workspace: Workspace, loaded: Loaded, options: PlanOptions) -> tuple[str, ...]:
    """Ids of policies that nothing has; said where policies are asked."""
    if not (options.gates and options.mode is Mode.APPLY):
        return ()
    found = unknown_policies(workspace.project, loaded)
    return tuple(" ".join((f"{w.span}: {w.detail}", *(f"({hint.text})" for hint in w.hints))) for w in found)


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


def _wanted(workspace: Workspace, loaded: Loaded, live: LiveEnvironment, folded: Folded) -> Wanted:
    """What the steps bring about.

    Raises:
        InvalidInputError: a requirements file is wrong, or holds what the API cannot express.
    """
    from envctl.actions.deps import sent_by

    spec = loaded.environment
    made_anew = any(
        c.type == _ENVIRONMENT_TYPE and (c.action.replaces or c.action is Action.CREATE) for c in folded.changes
    )
    live_packages = None if made_anew or live.state == "absent" else live.packages
    # An imported environment may have packages that no file can hold: then they are left alone as a whole.
    left_alone = spec.adopted is not None and PACKAGES in spec.adopted.ignore
    return Wanted(
        packages=live_packages or {} if left_alone else sent_by(loaded),
        settings=declared_settings(spec),
        seen=SeenSettings()
        if made_anew
        else SeenSettings(live.uuid, workspace.settings_record(loaded.name).read(live.uuid)),
        live_packages=live_packages,
    )


def declared_settings(spec: Environment) -> Settings:
    """Airflow's variables and pools as the file has them; what comes from a secrets backend is not set."""
    variables = {key: value for key, value in spec.airflow.variables.items() if isinstance(value, str)}
    pools = {name: pool.model_dump(mode="json", by_alias=True) for name, pool in spec.airflow.pools.items()}
    return {kind: values for kind, values in (("variables", variables), ("pools", pools)) if values}


def _steps(loaded: Loaded, wanted: Wanted) -> tuple[OperationStep, ...]:
    """What the Composer API does besides the infrastructure, in its order."""
    packages = plan_packages(wanted.packages, wanted.live_packages, _source(loaded, "packages", "requirements"))
    settings = plan_settings(wanted.settings, wanted.seen.settings, _source(loaded, "airflow", "variables"))
    return tuple(step for step in (packages, settings) if step is not None)


def _source(loaded: Loaded, *path: str) -> SourceSpan | None:
    """The place of a key, or of the block that holds it."""
    while path:
        if path in loaded.origins:
            return loaded.origins[path]
        path = path[:-1]
    return None
