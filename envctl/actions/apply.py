"""`up` and `destroy`: exactly what the plan shows, written down as it happens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from envctl.actions.agents import agent_preparations, agents_to_ask
from envctl.actions.planning import PlanOptions, Prepared, prepare
from envctl.actions.program import absent_foundation
from envctl.engine.events import EngineEvent, MessageEvent, Op, OperationEvent, Phase, StepEvent
from envctl.engine.protocol import RunOptions, RunResult
from envctl.engine.urns import name_of, type_of
from envctl.errors import DetachedError, EnvctlError, NegativeVerdictError, RefusedError
from envctl.operations.composer_api import Waiter
from envctl.operations.journal import Outcome, RunWriter
from envctl.ownership.claims import Standing
from envctl.ownership.looking import SHARED
from envctl.ownership.words import GATE as OWNERSHIP
from envctl.plan.model import Action, Change, GateStatus, Mode, OperationStep, Plan
from envctl.plan.wire import digest_changes, parse_plan
from envctl.spec.model import Environment, Profile
from envctl.stacks.memberships import is_membership

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace
    from envctl.spec.loader import Loaded
    from envctl.stacks.preparation import Preparation

_BUCKET = "gcp:storage/bucket:Bucket"

Watch = Callable[[EngineEvent], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """A resource or step that failed, with the API's own message."""

    name: str
    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did and did not do.

    `done` and `not_done` are parts of the plan's pending changes; `kept` names what a destroy leaves in the
    cloud; `detached` maps names to operations that go on.
    """

    plan: Plan
    outcome: Outcome
    done: tuple[Change, ...]
    not_done: tuple[Change, ...]
    failures: tuple[Failure, ...] = ()
    steps_done: tuple[str, ...] = ()
    steps_not_done: tuple[str, ...] = ()
    detached: dict[str, str] = field(default_factory=dict[str, str])
    kept: tuple[str, ...] = ()
    error: EnvctlError | None = None


def check_applicable(prepared: Prepared, *, allow_unknown: bool = False) -> None:
    """Returns when the plan may be applied.

    Raises:
        RefusedError: the plan is incomplete, deletes or replaces something protected, or a gate could not be
            answered and the profile is critical.
        NegativeVerdictError: a gate said no.
    """
    plan = prepared.plan
    refusal = refused_whatever_the_flags(prepared)
    if refusal is not None:
        raise _unchanged(refusal)
    if plan.incomplete:
        raise RefusedError(
            "The plan is incomplete; nothing was changed", detail="\n".join(plan.incomplete), code="plan-incomplete"
        )
    failed = [gate for gate in plan.gates if gate.status is GateStatus.FAILED]
    if failed and plan.mode is Mode.APPLY:
        raise NegativeVerdictError(
            "A check refuses this plan; nothing was changed",
            detail="\n".join(f"{gate.id}: {gate.summary}" for gate in failed),
            hints=tuple(dict.fromkeys(hint for gate in failed for hint in gate.hints)),
        )
    absent = absent_foundation(prepared.workspace, prepared.loaded)
    if absent and plan.mode is Mode.APPLY and not allow_unknown:
        raise RefusedError(
            f"The foundation {absent} is not applied; nothing was changed",
            detail="What the environment builds on (network, key, repository) would be missing half-way.",
            hints=(
                f"apply it first with\n    envctl up {absent}",
                "go on with `--allow-unknown` if another state has it",
            ),
            code="foundation-absent",
        )
    unknown = [gate for gate in plan.gates if gate.status is GateStatus.UNKNOWN]
    spec = prepared.loaded.spec
    critical = isinstance(spec, Environment) and spec.profile is Profile.CRITICAL
    if unknown and critical and plan.mode is Mode.APPLY and not allow_unknown:
        raise RefusedError(
            "A check could not be answered, and the profile is critical; nothing was changed",
            detail="\n".join(f"{gate.id}: {gate.summary}" for gate in unknown),
            hints=("answer it, or go on all the same with `--allow-unknown`; the run records it",),
            code="gate-unknown",
        )


def check_destroyable(loaded: Loaded) -> None:
    """Returns when the file lets its environment be destroyed.

    Raises:
        RefusedError: it says `protect: true`, or its profile does.
    """
    refusal = _refused_by_file(loaded)
    if refusal is not None:
        raise _unchanged(refusal)


def _unchanged(refusal: RefusedError) -> RefusedError:
    """The refusal of a command that would have changed something; a preview changes nothing in any case."""
    summary = f"{refusal.summary}; nothing was changed"
    return RefusedError(summary, detail=refusal.detail, hints=refusal.hints, code=refusal.code)


def refused_whatever_the_flags(prepared: Prepared) -> RefusedError | None:
    """Why a plan is never applied as it is, the same for a preview and for what applies it; None when it may be."""
    return _refused_by_protection(prepared) or refused_by_owner(prepared.plan) or _refused_by_cloud(prepared)


def _refused_by_cloud(prepared: Prepared) -> RefusedError | None:
    """What the plan would delete and the cloud would not: the words that a deletion needs enter the state with an `up`."""
    if not prepared.undeletable:
        return None
    plan = prepared.plan
    names = prepared.undeletable
    changes = [change for change in plan.pending if change.name in names]
    return RefusedError(
        f"{plan.environment} holds what the cloud will not delete",
        detail="\n".join(f"{change.type} {change.name} ({change.id}): {names[change.name]}" for change in changes),
        hints=tuple(dict.fromkeys(way for change in changes for way in _ways_to_end(prepared, change))),
        code="delete-refused",
    )


def _ways_to_end(prepared: Prepared, change: Change) -> Iterable[str]:
    name, flag = prepared.loaded.name, prepared.workspace.cloud.name.flag
    again = "destroy again" if prepared.plan.mode is Mode.DESTROY else "make this edit again"
    then = f"apply that, then {again}:\n    envctl up {name}{flag}"
    if change.type == _BUCKET:
        entry = f"`buckets.{change.name.removeprefix('bucket-')}`"
        yield f"to delete it with its objects: let the file have {entry} as it was, with `retain: false`, {then}"
        yield f"to leave it in the cloud: the same with `retain: true`; `existing: {change.id}` can refer to it then"
    else:
        yield f"let the file have what declares it as it was, with `protect: false`, {then}"


def refused_by_owner(plan: Plan) -> RefusedError | None:
    """What the program would create, or destroy, belongs to somebody else, or to a state that is not here."""
    found = [gate for gate in plan.gates if gate.gate == OWNERSHIP and gate.status is GateStatus.FAILED]
    if not found:
        return None
    detail = "\n".join(gate.summary for gate in found)
    if all(gate.id == "ownership.absent" for gate in found):
        return RefusedError(
            f"{plan.environment} refers to what does not exist",
            detail=detail,
            hints=tuple(dict.fromkeys(hint for gate in found for hint in gate.hints)),
            code="existing-absent",
        )
    if plan.mode is Mode.DESTROY:
        return RefusedError(
            f"{plan.environment} runs, and nothing here knows what to destroy",
            detail=detail,
            hints=tuple(hint for gate in found for hint in gate.hints),
            code="exists-already",
        )
    return RefusedError(
        f"{plan.environment} would create what exists already",
        detail=detail,
        hints=("the plan names the ways out, one by one",),
        code="exists-already",
    )


def _refused_by_protection(prepared: Prepared) -> RefusedError | None:
    """Why protection forbids the plan; None when it does not. A bucket under a live environment is protected whatever the file says."""
    for name, environment in prepared.in_use.items():
        return _bucket_in_use(prepared, name, environment)
    if prepared.plan.mode is Mode.DESTROY and (refusal := _refused_by_file(prepared.loaded)) is not None:
        return refusal
    losing = [c for c in prepared.plan.pending if c.action is Action.DELETE or c.action.replaces]
    protected = [f"{c.action.value} {c.type} {c.name}" for c in losing if c.protected]
    return _protected(prepared.loaded, "\n".join(protected)) if protected else None


def _bucket_in_use(prepared: Prepared, name: str, environment: str) -> RefusedError:
    """The refusal, with the line of the entry, or of the one that came in its place."""
    key = name.removeprefix("bucket-")
    buckets = [change for change in prepared.plan.changes if change.type == _BUCKET]
    gone = next(change for change in buckets if change.name == name)
    new = [change.name.removeprefix("bucket-") for change in buckets if change.action is Action.CREATE]
    paths = (("buckets", key), *(("buckets", each) for each in new), ("buckets",), ())
    place = next((prepared.loaded.origins[path] for path in paths if path in prepared.loaded.origins), None)
    verb = "delete" if gone.action is Action.DELETE else "replace"
    instead = f" `buckets.{new[0]}` is another bucket." if new else ""
    return RefusedError(
        f"The bucket {gone.id} holds the DAGs of {environment}, which stays",
        detail=f"{place}: the plan would {verb} `buckets.{key}`.{instead}",
        hints=(
            f"bring the entry `buckets.{key}` back as it was",
            f"an environment and its bucket go together:\n    envctl destroy {prepared.loaded.name}",
        ),
        code="bucket-in-use",
    )


def _refused_by_file(loaded: Loaded) -> RefusedError | None:
    return _protected(loaded, "The file says so.") if loaded.spec.protect else None


def _protected(loaded: Loaded, detail: str) -> RefusedError:
    place = loaded.origins.get(("protect",))
    cure = f"write `protect: false` in the file{f' ({place})' if place else ''}, apply that, then try again"
    return RefusedError(f"{loaded.name} is protected", detail=detail, hints=(cure,), code="protected")


def read_saved(path: Path) -> Plan:
    """The plan in a file.

    Raises:
        RefusedError: the file cannot be read, or holds no plan of this format.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise RefusedError(
            "The plan cannot be read", detail=f"{path}: {error.strerror}", code="plan-unreadable"
        ) from error
    except UnicodeDecodeError as error:
        raise RefusedError("The plan cannot be read", detail=f"{path} is no text", code="plan-unreadable") from error
    return parse_plan(text, str(path))


def load_saved(workspace: Workspace, path: Path, options: PlanOptions, watch: Watch | None = None) -> Prepared:
    """A saved plan, ready to apply: made again, and equal to what was saved.

    Raises:
        RefusedError: the file is no plan of this stack, cloud and engine, or anything it was made from changed;
            the detail names what.
    """
    saved = read_saved(path)
    here = (workspace.cloud.name.value, workspace.project.name)
    there = (saved.cloud, saved.stack.partition("/")[0])
    if here != there:
        raise RefusedError(
            "The plan belongs elsewhere",
            detail=f"{path} is for stack {saved.stack} on cloud {saved.cloud}; this is project {here[1]} on cloud {here[0]}.",
            code="plan-foreign",
        )
    prepared = prepare(
        workspace,
        saved.environment,
        PlanOptions(mode=saved.mode, refresh=saved.refreshed, parallel=options.parallel, gates=options.gates),
        watch,
    )
    reasons = _differences(saved, prepared.plan)
    if reasons:
        raise RefusedError(
            "The plan is stale; nothing was changed",
            detail="\n".join(reasons),
            hints=(f"make a new one with\n    envctl preview {saved.environment} --out {path}",),
            code="plan-stale",
        )
    return prepared


def _differences(saved: Plan, now: Plan) -> list[str]:
    """What changed since a plan was saved, one sentence each."""
    if saved.seal is None or now.seal is None:
        return ["The saved plan carries no seal."]
    reasons: list[str] = []
    if saved.engine != now.engine:
        reasons.append(f"It was made by the {saved.engine} engine; this is the {now.engine} engine.")
    if saved.seal.spec != now.seal.spec:
        reasons.append(f"The file of {saved.environment}, or one it builds on, changed.")
    elif saved.seal.program != now.seal.program:
        reasons.append("The resources that the file declares changed (another envctl, or facts of the project).")
    if saved.seal.state_serial != now.seal.state_serial:
        reasons.append(f"The state was written since (serial {saved.seal.state_serial}, now {now.seal.state_serial}).")
    if digest_changes(saved) != now.seal.changes:  # what the file shows, not what it says of itself
        before = {c.urn: c for c in saved.pending}
        after = {c.urn: c for c in now.pending}
        for urn in dict.fromkeys([*before, *after]):
            old, new = before.get(urn), after.get(urn)
            if old != new and (old is None or new is None or _shape(old) != _shape(new)):
                reasons.append(f"{type_of(urn)} {name_of(urn)}: {_difference(old, new)}")
        if saved.drift != now.drift:
            names = {d.name for d in now.drift} ^ {d.name for d in saved.drift} or {d.name for d in now.drift}
            reasons.append(f"The live cloud changed: {', '.join(sorted(names))}.")
        if saved.steps != now.steps:
            reasons.append("The steps through the Composer API changed.")
        if not reasons:
            reasons.append("What would be done differs from what was shown.")
    return reasons


def _difference(old: Change | None, new: Change | None) -> str:
    was = old.action.value if old else "nothing"
    will = new.action.value if new else "nothing"
    if old is None or new is None or was != will:
        return f"the plan said {was}, now it would be {will}."
    before = {p.path: (repr(p.before), repr(p.after)) for p in old.properties}
    after = {p.path: (repr(p.before), repr(p.after)) for p in new.properties}
    paths = [path for path in dict.fromkeys([*before, *after]) if before.get(path) != after.get(path)]
    return f"{was} as the plan said, with other values of {', '.join(paths)}."


def _shape(change: Change) -> tuple[object, ...]:
    return (change.action, tuple((p.path, repr(p.before), repr(p.after)) for p in change.properties))


def apply(prepared: Prepared, watch: Watch, cancel: threading.Event, *, allow_unknown: bool = False) -> Applied:
    """Applies a plan that `check_applicable` let through, and says what was done.

    A failed resource or operation is in the answer, not an exception; so is an interruption.

    Raises:
        RefusedError: the stack is locked, or the engine met a step that the plan does not hold.
        OutsideError: the engine could not run at all.
    """
    check_applicable(prepared, allow_unknown=allow_unknown)
    plan, workspace = prepared.plan, prepared.workspace
    verb = "destroy" if plan.mode is Mode.DESTROY else "up"
    counts = {action.value: count for action, count in plan.counts().items() if action is not Action.NO_OP}
    run = workspace.journal(plan.environment).open(
        f"{verb} {plan.environment}", commit=workspace.commit(), changes=counts
    )
    _note_kept(run, plan)
    if allow_unknown and any(gate.status is GateStatus.UNKNOWN for gate in plan.gates):
        run.step("allow-unknown", ", ".join(g.id for g in plan.gates if g.status is GateStatus.UNKNOWN))
    try:
        applied = _apply(prepared, watch, cancel, run)
    except EnvctlError as error:
        run.close(Outcome.REFUSED if isinstance(error, RefusedError) else Outcome.FAILED, error.summary)
        raise
    _note_taken(run, prepared, applied.done)
    done: dict[str, int] = {}
    for change in applied.done:
        done[change.action.value] = done.get(change.action.value, 0) + 1
    run.close(applied.outcome, "; ".join(f"{f.name}: {f.message}" for f in applied.failures), done)
    return applied


def _note_kept(run: RunWriter, plan: Plan) -> None:
    """Writes down what leaves the state and stays in the cloud, before it happens.

    After a kill nothing else would say that it was this stack's. What the state still holds is not looked for, so one
    line too many does no harm.
    """
    kept = [
        {"type": change.type, "name": change.name, "id": change.id or ""}
        for change in plan.pending
        if change.action is Action.FORGET and change.type not in SHARED and not is_membership(change.type)
    ]
    if kept:
        run.write("kept", resources=kept)


def _note_taken(run: RunWriter, prepared: Prepared, done: Iterable[Change]) -> None:
    """Writes down what came back into the state."""
    names = {change.name for change in done}
    taken = [
        {"type": claim.type, "name": claim.name, "id": claim.id}
        for claim in prepared.program.standings.each
        if claim.standing is Standing.KEPT and claim.name in names
    ]
    if taken:
        run.write("taken", resources=taken)


def _apply(prepared: Prepared, watch: Watch, cancel: threading.Event, run: RunWriter) -> Applied:
    events: list[EngineEvent] = []

    def sink(event: EngineEvent) -> None:
        events.append(event)
        if isinstance(event, OperationEvent) and event.operation:
            run.operation(event.urn, event.operation, event.state)
        watch(event)

    plan = prepared.plan
    options = RunOptions(
        refresh=prepared.options.refresh,
        parallel=prepared.options.parallel,
        expected=prepared.expected,
        keep=prepared.keep,
        cancel=cancel,
        message=f"envctl {plan.mode.value}",
    )
    if not plan.pending and not prepared.awaits:
        result = RunResult(ok=True)
    elif plan.mode is Mode.DESTROY:
        result = prepared.engine.destroy(prepared.program.run, options, sink, preview=False)
    else:
        program = prepared.program.prepared_by(_agent_preparations(prepared, cancel))
        result = prepared.engine.up(program, options, sink)
    steps_done: list[str] = []
    error: EnvctlError | None = None
    if result.ok and not cancel.is_set():
        error = _run_steps(prepared, sink, cancel, run, steps_done)
    return _summarise(prepared, result, events, steps_done, error)


def _agent_preparations(prepared: Prepared, cancel: threading.Event) -> tuple[Preparation, ...]:
    """Asking for the agents that the memberships of this plan name."""
    program = prepared.program
    created = [c.name for c in prepared.plan.pending if c.action is Action.CREATE or c.action.replaces]
    wanted = agents_to_ask(program.declared, program.loaded.spec.project, program.project_number, created)
    cloud = prepared.workspace.cloud
    return agent_preparations(cloud.transport(), wanted, partial(cancel.wait, cloud.poll_seconds))


def _run_steps(
    prepared: Prepared, sink: Watch, cancel: threading.Event, run: RunWriter, done: list[str]
) -> EnvctlError | None:
    """The operations after the infrastructure; the first that fails ends them."""
    for step in prepared.plan.steps:
        run.step(step.id, "started")

        def note(operation: str, state: str, elapsed: float, *, step_id: str = step.id) -> None:
            sink(OperationEvent(step_id, operation, elapsed, state))

        waiter = Waiter(prepared.workspace.cloud.sleeper, note, cancel)
        try:
            _run_step(prepared, step, waiter)
        except EnvctlError as error:
            run.step(step.id, "failed")
            return error
        run.step(step.id, "done")
        done.append(step.id)
    return None


def _run_step(prepared: Prepared, step: OperationStep, waiter: Waiter) -> None:
    from envctl.operations.airflow import apply_settings
    from envctl.operations.packages import STEP_ID, apply_packages

    assert prepared.wanted is not None, "a plan with steps was made from an environment"
    transport = prepared.workspace.cloud.transport()
    environment = prepared.program.environment_name
    if step.id == STEP_ID:
        apply_packages(transport, environment, prepared.wanted.packages, waiter)
        return
    waiter.note("", "RUNNING", 0.0)
    record = prepared.workspace.settings_record(prepared.plan.environment)
    apply_settings(transport, environment, prepared.wanted.settings, prepared.wanted.seen, record, waiter)
    waiter.note("", "SUCCEEDED", 0.0)


def _summarise(
    prepared: Prepared,
    result: RunResult,
    events: list[EngineEvent],
    steps_done: list[str],
    error: EnvctlError | None,
) -> Applied:
    plan = prepared.plan
    finished = {e.urn for e in events if isinstance(e, StepEvent) and e.phase is Phase.DONE and e.op is not Op.REFRESH}
    failed = set(result.failed)
    done = tuple(c for c in plan.pending if c.urn in finished and c.urn not in failed and c.urn not in result.detached)
    messages: dict[str, str] = {}
    for event in events:
        if isinstance(event, MessageEvent) and event.severity == "error" and event.urn:
            messages[event.urn] = event.message
    failures = [Failure(name_of(urn), type_of(urn), messages.get(urn, "the provider gave no reason")) for urn in failed]
    outcome = Outcome.SUCCEEDED
    if result.detached or isinstance(error, DetachedError):
        outcome = Outcome.DETACHED
    elif failures or error is not None:
        outcome = Outcome.FAILED
    elif result.interrupted:
        outcome = Outcome.INTERRUPTED
    elif not result.ok:
        outcome = Outcome.FAILED
        failures += [
            Failure("engine", "", e.message) for e in events if isinstance(e, MessageEvent) and e.severity == "error"
        ]
    return Applied(
        plan=plan,
        outcome=outcome,
        done=done,
        not_done=tuple(c for c in plan.pending if c not in done),
        failures=tuple(failures),
        steps_done=tuple(steps_done),
        steps_not_done=tuple(s.id for s in plan.steps if s.id not in steps_done),
        detached={name_of(urn): name for urn, name in result.detached.items()},
        kept=prepared.program.kept(plan) if plan.mode is Mode.DESTROY else (),
        error=error,
    )
