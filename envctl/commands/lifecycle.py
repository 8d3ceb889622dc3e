"""preview, up, destroy: what happens to environments."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from envctl.commands.console import CONSOLE, write_whole
from envctl.commands.options import (
    AllowUnknown,
    Cloud,
    CloudChoice,
    Confirm,
    EngineOption,
    EnvironmentName,
    EnvironmentNames,
    Output,
    Parallel,
    PlanFormat,
    Refresh,
    Yes,
)
from envctl.commands.selection import ask_each, name_orphans, names_of, open_workspace_of, show_error_of
from envctl.errors import EnvctlError, ExitCode, RefusedError, UsageError, gravest

if TYPE_CHECKING:
    from envctl.actions.planning import PlanOptions, Prepared
    from envctl.actions.workspace import Workspace
    from envctl.plan.model import Plan


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    for verb in (preview, up, destroy):
        app.command()(verb)


def preview(
    environments: EnvironmentNames = None,
    all_: Annotated[bool, typer.Option("--all", help="Every environment and foundation, foundations first.")] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Save the plan for `up --plan`.")] = None,
    destroy_: Annotated[bool, typer.Option("--destroy", help="Plan a destroy.")] = False,
    expect_no_changes: Annotated[
        bool, typer.Option("--expect-no-changes", help="Exit 10 when changes are pending.")
    ] = False,
    refresh: Refresh = True,
    parallel: Parallel = 8,
    cloud: Cloud = CloudChoice.GCP,
    engine: EngineOption = None,
    format_: Annotated[PlanFormat, typer.Option("--format", help="How to write the plan.")] = PlanFormat.TEXT,
    output: Output = None,
) -> int:
    """Show what `up` would do. Changes nothing."""
    from envctl.plan.model import GateStatus, Mode

    workspace = open_workspace_of(cloud, engine)
    names = names_of(workspace, environments, all_=all_)
    if out is not None and len(names) != 1:
        raise UsageError("--out saves the plan of one environment", detail=f"asked for: {', '.join(names)}")
    options = _options(refresh=refresh, parallel=parallel, destroying=destroy_)
    looked, codes = ask_each(names, lambda name: _look(_prepare(workspace, name, options)))
    plans = [plan for plan, _ in looked]
    for plan, refusal in looked:
        if refusal is not None:
            codes.append(refusal.exit_code)
        elif plan.incomplete:
            codes.append(ExitCode.OUTSIDE)
        elif plan.mode is Mode.APPLY and any(gate.status is GateStatus.FAILED for gate in plan.gates):
            codes.append(ExitCode.NEGATIVE)
        elif expect_no_changes and not plan.empty:
            codes.append(ExitCode.PENDING)
    _write_plans(plans, format_, output, several=len(names) > 1)
    for plan, refusal in looked:
        if refusal is not None:
            show_error_of(plan.environment, refusal)
    if all_ or not environments:
        name_orphans(workspace)
    if out is not None and plans:
        if plans[0].incomplete:
            CONSOLE.warn(f"{out} was not written: an incomplete plan cannot be applied.")
        else:
            from envctl.plan.wire import dump_plan

            _save(out, dump_plan(plans[0]))
    return gravest(codes)


def up(
    environment: Annotated[
        str | None, typer.Argument(metavar="[ENV]", help="Stem of a file below environments/.")
    ] = None,
    plan_file: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help="Apply exactly this saved plan.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every environment and foundation, foundations first.")] = False,
    yes: Yes = False,
    refresh: Refresh = True,
    parallel: Parallel = 8,
    confirm: Confirm = None,
    allow_unknown: AllowUnknown = False,
    cloud: Cloud = CloudChoice.GCP,
    engine: EngineOption = None,
) -> int:
    """Show the plan, ask, and apply exactly that."""
    workspace = open_workspace_of(cloud, engine)
    options = _options(refresh=refresh, parallel=parallel)
    if plan_file is not None:
        from envctl.actions.apply import load_saved

        if environment is not None or all_:
            raise UsageError("A saved plan names its environment itself", hints=("leave ENV out",))
        prepared = load_saved(workspace, plan_file, options)
        return _apply(prepared, yes=True, confirm=confirm, allow_unknown=allow_unknown)
    if not environment and not all_:
        raise UsageError("Which environment?", hints=("envctl up ENV", "envctl up --all"))
    names = names_of(workspace, [environment] if environment else None, all_=all_)
    workspace = _with_id(workspace)
    if len(names) == 1:
        return _apply(_prepare(workspace, names[0], options), yes=yes, confirm=confirm, allow_unknown=allow_unknown)
    return _up_all(workspace, names, options, yes=yes, confirm=confirm, allow_unknown=allow_unknown)


def _with_id(workspace: Workspace) -> Workspace:
    """The workspace whose project has an id; one without gets it now, before anything is made that should carry it."""
    if workspace.project.id is not None:
        return workspace
    from dataclasses import replace

    from envctl.spec.project_id import write_project_id

    project = write_project_id(workspace.project)
    CONSOLE.warn(
        f"Wrote `id: {project.id}` into envctl.yaml: it marks what this project owns in the cloud. Keep it, and commit it."
    )
    return replace(workspace, project=project)


def _up_all(
    workspace: Workspace,
    names: list[str],
    options: PlanOptions,
    *,
    yes: bool,
    confirm: str | None,
    allow_unknown: bool,
) -> ExitCode:
    """One after the other, foundations first; ends with a table. What builds on a failed foundation is not tried."""
    from envctl.commands.applied import render_summary

    ended: dict[str, ExitCode | None] = dict.fromkeys(names)
    for name in names:
        try:
            named = confirm if confirm == name else None  # the others lose nothing under this name
            code = _apply(_prepare(workspace, name, options), yes=yes, confirm=named, allow_unknown=allow_unknown)
        except EnvctlError as error:
            show_error_of(name, error)
            code = error.exit_code
        ended[name] = code
        if code in {ExitCode.INTERRUPTED, ExitCode.TERMINATED, ExitCode.DETACHED}:
            break
        if code is not ExitCode.DONE and _is_foundation(workspace, name):
            break
    CONSOLE.emit(render_summary(ended, CONSOLE.style()))
    return gravest(code for code in ended.values() if code is not None)


def destroy(
    environment: EnvironmentName,
    yes: Yes = False,
    confirm: Confirm = None,
    refresh: Refresh = True,
    parallel: Parallel = 8,
    cloud: Cloud = CloudChoice.GCP,
    engine: EngineOption = None,
) -> int:
    """Delete everything that the stack owns, and name what stays."""
    from envctl.actions.apply import check_destroyable

    workspace = open_workspace_of(cloud, engine)
    check_destroyable(workspace.load(environment))
    options = _options(refresh=refresh, parallel=parallel, destroying=True)
    return _apply(_prepare(workspace, environment, options), yes=yes, confirm=confirm, allow_unknown=True)


def _options(*, refresh: bool, parallel: int, destroying: bool = False) -> PlanOptions:
    from envctl.actions.planning import PlanOptions
    from envctl.plan.model import Mode

    return PlanOptions(mode=Mode.DESTROY if destroying else Mode.APPLY, refresh=refresh, parallel=parallel)


def _is_foundation(workspace: Workspace, name: str) -> bool:
    from envctl.spec.model import Foundation

    return isinstance(workspace.load(name).spec, Foundation)


def _prepare(workspace: Workspace, name: str, options: PlanOptions) -> Prepared:
    from envctl.actions.planning import prepare

    if sys.stderr.isatty():
        CONSOLE.say(CONSOLE.style(error=True)(f"Planning {name} ...", "dim"))
    return prepare(workspace, name, options)


def _look(prepared: Prepared) -> tuple[Plan, RefusedError | None]:
    """What a preview keeps: the plan, and the refusal that waits for whoever applies it."""
    from envctl.actions.apply import refused_whatever_the_flags

    return prepared.plan, refused_whatever_the_flags(prepared)


def _write_plans(plans: list[Plan], format_: PlanFormat, output: Path | None, *, several: bool) -> None:
    match format_:
        case PlanFormat.TEXT:
            from envctl.report.plan_text import render_plan

            style = CONSOLE.style()
            CONSOLE.emit("\n".join(render_plan(plan, style, verbose=CONSOLE.verbose) for plan in plans), output)
        case PlanFormat.MARKDOWN:
            from envctl.report.plan_markdown import render_plan_markdown

            CONSOLE.emit("\n".join(render_plan_markdown(plan) for plan in plans), output)
        case PlanFormat.JSON:
            from envctl.plan.wire import dump_plan

            if several:
                document = {"format": "envctl.plans/v1", "plans": [dump_plan(plan) for plan in plans]}
                CONSOLE.emit_json(document, output, private=True)
            else:
                CONSOLE.emit_json(dump_plan(plans[0]), output, private=True)


def _save(path: Path, document: dict[str, object]) -> None:
    import json

    write_whole(path, json.dumps(document, indent=1) + "\n", private=True)
    CONSOLE.say(f"Saved the plan in {path}. Apply it with\n    envctl up --plan {path}")


def _apply(prepared: Prepared, *, yes: bool, confirm: str | None, allow_unknown: bool) -> ExitCode:
    from envctl.actions.apply import apply, check_applicable, refused_by_owner
    from envctl.commands.applied import exit_code, render_applied
    from envctl.plan.model import Mode
    from envctl.report.plan_text import render_plan
    from envctl.report.progress import Progress

    plan = prepared.plan
    style = CONSOLE.style()
    CONSOLE.emit(render_plan(plan, style, verbose=CONSOLE.verbose))
    if plan.empty and not plan.incomplete and not prepared.awaits and refused_by_owner(plan) is None:
        return ExitCode.DONE
    check_applicable(prepared, allow_unknown=allow_unknown)
    if not plan.empty:
        _confirm(plan, yes=yes, named=confirm)
    verb = "Destroying" if plan.mode is Mode.DESTROY else "Applying"
    CONSOLE.say(f"{verb} {plan.environment} ...")
    with (
        interruptible() as cancel,
        Progress(sys.stderr, CONSOLE.style(error=True), plan, quiet=CONSOLE.quiet) as progress,
    ):
        applied = apply(prepared, progress, cancel, allow_unknown=allow_unknown)
    CONSOLE.emit(render_applied(applied, style))
    return exit_code(applied)


def _confirm(plan: Plan, *, yes: bool, named: str | None) -> None:
    """A plan that deletes data wants the environment's name, every other one a `yes`."""
    from envctl.plan.model import Mode
    from envctl.report.plan_text import describe_loss, short_type

    question = f"Apply this to {plan.environment} (project {plan.project}, cloud {plan.cloud})?"
    if named is not None and named != plan.environment:
        raise UsageError(f"--confirm names {named}, and the plan is for {plan.environment}")
    if not plan.losses and (yes or plan.mode is not Mode.DESTROY):
        if not yes:
            CONSOLE.confirm(question)
        return
    if yes and named is None and not sys.stdin.isatty():
        lost = (f"{short_type(c.type)} {c.name}: {describe_loss(c.loss)}" for c in plan.losses if c.loss is not None)
        raise RefusedError(
            f"The plan deletes data of {plan.environment}; nothing was changed",
            detail="\n".join(lost),
            hints=(f"when that is meant, add `--confirm {plan.environment}`; `--yes` is not enough for it",),
            code="confirmation-name",
        )
    if not (yes and named):
        CONSOLE.confirm(f"{question} It deletes what is running there.", expected=plan.environment)


@contextmanager
def interruptible(told: str = "Stopping: no new step starts.") -> Generator[threading.Event]:
    """Ctrl-C (or SIGTERM) once sets the event, and `told` is said. Twice ends the process at once; the state is true at any moment."""
    cancel = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if cancel.is_set():
            previous = before[signal.Signals(number)]
            if callable(previous):
                previous(number, frame)
            raise KeyboardInterrupt
        cancel.set()
        CONSOLE.warn(f"\n{told} Once more to leave at once.")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancel
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
