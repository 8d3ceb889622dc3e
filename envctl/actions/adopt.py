"""`import`: takes environments that exist over: their file, their state, and then nothing is left to do.

The live environment is read, written as a file, and the program of that file is held against the cloud. What is
not there, or not as the program would have it, is written into the file's `adopted` block, each with its name: so
the preview after an import is empty by construction, and every departure is a line that a person can take out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from envctl.actions.adopt_drafting import Drafting
from envctl.actions.adopt_looking import ASKED_AGAIN, ENVIRONMENT_TYPE, Compared, Wanted, look_at_cloud
from envctl.actions.adopt_neighbours import Left, live_environments
from envctl.actions.planning import PlanOptions, declared_settings, prepare
from envctl.actions.program import Program, build_program, given_secrets
from envctl.engine.events import EngineEvent, MessageEvent, Op, Phase, StepEvent
from envctl.engine.protocol import ExpectedStep, RunOptions
from envctl.engine.urns import name_of
from envctl.errors import OutsideError, RefusedError, UsageError
from envctl.operations.airflow import read_settings
from envctl.operations.composer_api import Waiter
from envctl.ownership.state import held_rows
from envctl.plan.property_diff import split_path
from envctl.private_files import private_folder
from envctl.spec.model import Environment, Foundation
from envctl.spec.project import ENVIRONMENTS, load_project
from envctl.stacks.adoption import taking_over, without
from envctl.stacks.declaration import StackProgram
from envctl.stacks.environment import ENVIRONMENT
from envctl.stacks.marks import OWNER_LABEL, mark_of

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Adoption:
    """What an import did, or would do.

    `text` is the file; `written` is None when it was there before or nothing was to be written. `imported` are
    logical names that the state holds now, `absent` those that the program would make and that were not there.
    `pending` are changes that a preview still shows: none, unless the file was there before.
    """

    wanted: Wanted
    text: str
    written: Path | None
    imported: tuple[str, ...]
    absent: tuple[Left, ...]
    ignored: tuple[Left, ...]
    left: tuple[Left, ...]
    pending: tuple[str, ...] = ()
    done: bool = False


def wanted_of(workspace: Workspace, project: str, region: str | None) -> list[Wanted]:
    """Every Composer environment of a Google project, each with a file name of its own.

    Raises:
        OutsideError: they cannot be listed.
        UsageError: there is none.
    """
    found = live_environments(workspace.cloud.transport(), project, region)
    if not found:
        raise UsageError(f"The project {project} has no Composer environment", code="import-nothing")
    names = [name for _, name in found]
    return [
        Wanted(name if names.count(name) == 1 else f"{name}-{place}", project, place, name) for place, name in found
    ]


def adopt(
    workspace: Workspace,
    wanted: Wanted,
    *,
    out: Path | None = None,
    dry_run: bool = False,
    watch: Callable[[EngineEvent], None] | None = None,
) -> Adoption:
    """Takes one environment over. With `dry_run` neither file nor state is written.

    A file of that name that is there already is not touched: then it says what is taken over.

    Raises:
        OutsideError: the cloud cannot be read, or there is no such environment.
        RefusedError: the state holds it already, or an existing file says something else than the cloud.
        InvalidInputError: what a file must say is nothing that envctl accepts (an image version that ended).
    """
    if not dry_run:
        workspace.engine(wanted.stem).set_aside()  # a broken state holds nothing: what runs is taken over anew
    if wanted.stem in workspace.project.files:
        _require_unmanaged(workspace, wanted)
        return _take_over_by_file(workspace, wanted, dry_run=dry_run, watch=watch)
    target = out or workspace.root / ENVIRONMENTS / f"{wanted.stem}.yaml"
    if target.exists():
        raise RefusedError(
            "The file is there already", detail=f"{target} is not overwritten.", code="import-file-exists"
        )
    draft = workspace.directory / "import" / f"{wanted.stem}.yaml"
    private_folder(draft.parent)
    drafting = Drafting(workspace, wanted, draft)
    try:
        drafted = drafting.run()
        _require_unmanaged(drafting.workspace, wanted)
    finally:
        draft.unlink(missing_ok=True)
    result = Adoption(wanted, drafted.text, target, drafted.imported, drafted.absent, drafted.ignored, drafted.left)
    if dry_run:
        return replace(result, written=None)
    if out is not None and out.resolve().parent != workspace.root / ENVIRONMENTS:
        # Outside the project's folder the file is for reading only: there is no stack to import into.
        _write(target, drafted.text)
        return result
    target.parent.mkdir(exist_ok=True)
    _write(target, drafted.text)
    done = _take_over_by_file(
        replace(workspace, project=load_project(workspace.root)), wanted, dry_run=False, watch=watch
    )
    return replace(result, imported=done.imported, pending=done.pending, done=True)


def _write(target: Path, text: str) -> None:
    try:
        with target.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise OutsideError(
            "The file cannot be written", detail=f"{target}: {error.strerror}", code="file-unwritable"
        ) from error


def _require_unmanaged(workspace: Workspace, wanted: Wanted) -> None:
    engine = workspace.engine(wanted.stem)
    held = held_rows(engine.export_state()) if engine.serial() else ()
    foundation = wanted.stem in workspace.project.files and isinstance(workspace.load(wanted.stem).spec, Foundation)
    if (held and foundation) or any(row.type == ENVIRONMENT_TYPE for row in held):
        raise RefusedError(
            f"{wanted.stem} is managed already",
            detail="The state holds what it declares." if foundation else "The state holds its environment.",
            hints=(f"look with\n    envctl preview {wanted.stem}",),
            code="import-managed",
        )


def _take_over_by_file(
    workspace: Workspace, wanted: Wanted, *, dry_run: bool, watch: Callable[[EngineEvent], None] | None
) -> Adoption:
    loaded = workspace.load(wanted.stem)
    spec = loaded.spec
    said = (spec.project, spec.region, spec.name or wanted.stem)
    if said != (wanted.project, wanted.region, wanted.name):
        raise RefusedError(
            f"{wanted.stem} is something else",
            detail=f"{loaded.path} says {'/'.join(said)}, asked for was {wanted.project}/{wanted.region}/{wanted.name}.",
            code="import-other",
        )
    program = build_program(workspace, loaded)
    found = look_at_cloud(workspace, program)
    if isinstance(spec, Environment) and ENVIRONMENT not in found.ids:
        raise OutsideError(
            "There is no such environment",
            detail=f"{wanted.name} in project {wanted.project}, region {wanted.region}: {found.absent.get(ENVIRONMENT, '')}",
            code="import-missing",
        )
    if not found.ids:
        raise OutsideError(
            "Nothing of it exists", detail=f"{loaded.path} declares what is not there.", code="import-missing"
        )
    if not (isinstance(spec, Environment) and spec.adopted is not None):
        _require_own(workspace, wanted, found)
    stale = _stale_marks(found)
    differing = {name: left for name, paths in found.differing.items() if (left := _besides(paths, stale.get(name)))}
    if differing:
        raise RefusedError(
            f"The file of {wanted.stem} and the cloud differ",
            detail="\n".join(f"{name}: {', '.join(paths)}" for name, paths in differing.items()),
            hints=("let the file say what is there, import, and change it afterwards",),
            code="import-differs",
        )
    pending: tuple[str, ...] = ()
    if not dry_run:
        _import(workspace, program, found, stale, watch)
        _declare(workspace, _leaving(without(program.declared, found.absent), stale), program)
        if isinstance(spec, Environment):
            _remember_settings(workspace, spec, program)
        plan = prepare(workspace, wanted.stem, PlanOptions(gates=False)).plan
        pending = (*(change.name for change in plan.pending), *(step.title for step in plan.steps))
    return Adoption(
        wanted,
        loaded.path.read_text("utf-8"),
        None,
        imported=tuple(found.ids),
        absent=tuple(Left(name, reason) for name, reason in found.absent.items()),
        ignored=(),
        left=(),
        pending=pending,
        done=not dry_run,
    )


def _require_own(workspace: Workspace, wanted: Wanted, found: Compared) -> None:
    """Returns when nothing of what is there carries the mark of another project.

    Raises:
        RefusedError: something does; a file that is there takes over only what nobody else claims.
    """
    marks = {name: mark_of(live.outputs) for name, live in found.live.items()}
    theirs = {name: mark for name, mark in marks.items() if mark and mark.project_id != workspace.project.id}
    if theirs:
        raise RefusedError(
            f"{wanted.stem} belongs to another envctl project",
            detail="\n".join(
                f"{name}: made by the stack {mark.stack} of the project {mark.project_id}"
                for name, mark in theirs.items()
            ),
            hints=(
                "if that project is this one under an earlier id, write that `id` into envctl.yaml again",
                "to take over for good what somebody else made, write `import: true` beside it, then `envctl up`",
            ),
            code="import-foreign",
        )


def _stale_marks(found: Compared) -> Mapping[str, str]:
    """Inputs in which what is there carries our mark under an earlier file name; the next `up` writes the new one."""
    stale: dict[str, str] = {}
    for name, paths in found.differing.items():
        for path in paths:
            keys = [str(key) for key in split_path(path)]
            if mark_of(found.live[name].outputs) and (keys[-1] == OWNER_LABEL or keys == ["description"]):
                stale[name] = keys[0]
    return stale


def _besides(paths: tuple[str, ...], stale: str | None) -> tuple[str, ...]:
    """Differences that are none of a mark."""
    return tuple(path for path in paths if stale is None or not (path == stale or OWNER_LABEL in path))


def _leaving(program: StackProgram, stale: Mapping[str, str]) -> StackProgram:
    """The program that leaves the named input of each resource as it is found."""
    return replace(
        program,
        resources=tuple(
            replace(
                each, options=replace(each.options, ignore_changes=(*each.options.ignore_changes, stale[each.name]))
            )
            if each.name in stale
            else each
            for each in program.resources
        ),
    )


def _shown(step: StepEvent) -> str:
    """A step with the properties that it would change."""
    changed = [path for path in (step.detailed_diff or step.diffs) if not path.startswith("__")]
    about = f": {', '.join(changed)}" if changed else ""
    return f"{step.op.value} {name_of(step.urn)}{about}"


def _import(
    workspace: Workspace,
    program: Program,
    found: Compared,
    stale: Mapping[str, str],
    watch: Callable[[EngineEvent], None] | None,
) -> None:
    """Runs the program with nothing but what is there, every resource imported by its id."""
    declared = _leaving(without(program.declared, found.absent), stale)
    run = _running(taking_over(declared, found.ids), program)
    engine = workspace.engine(program.loaded.name)
    events: list[EngineEvent] = []
    planned = engine.preview(run, RunOptions(refresh=False), events.append)
    steps = [e for e in events if isinstance(e, StepEvent) and e.phase is Phase.PRE]
    wrong = [e for e in steps if not _harmless(e)]
    if wrong or not planned.ok:
        raise RefusedError(
            "The import would change something",
            detail="\n".join([_shown(e) for e in wrong] or _messages(events)),
            code="import-changes",
        )
    expected = tuple(ExpectedStep(e.urn, e.op, changed_keys=e.diffs) for e in steps)
    done: list[EngineEvent] = []

    def sink(event: EngineEvent) -> None:
        done.append(event)
        if watch is not None:
            watch(event)

    result = engine.up(run, RunOptions(refresh=False, expected=expected, message="import"), sink)
    if not result.ok:
        raise OutsideError(
            "The import stopped",
            detail="\n".join(_messages(done)),
            hints=("the state is true; the same command goes on",),
            code="import-stopped",
        )


def _running(declared: StackProgram, program: Program) -> Callable[[], None]:
    def run() -> None:
        from importlib.metadata import version

        from envctl.stacks.register import register

        register(declared, given_secrets(program.loaded), version("pulumi-gcp"))

    return run


def _declare(workspace: Workspace, declared: StackProgram, program: Program) -> None:
    """Lets the state say what the file declares, where an import can only say what is there.

    An import keeps every value that the cloud has, those that nobody declared too, and cannot know what no API holds
    (`forceDestroy`). A run that leaves everything as it is writes that down; one that would do more is not begun.
    """
    engine, run = workspace.engine(program.loaded.name), _running(declared, program)
    events: list[EngineEvent] = []
    planned = engine.preview(run, RunOptions(refresh=False), events.append)
    steps = [e for e in events if isinstance(e, StepEvent) and e.phase is Phase.PRE]
    if planned.ok and all(_of_the_state(step) for step in steps):
        expected = tuple(ExpectedStep(e.urn, e.op, changed_keys=e.diffs) for e in steps)
        engine.up(run, RunOptions(refresh=False, expected=expected, message="import"), lambda _event: None)


def _remember_settings(workspace: Workspace, spec: Environment, program: Program) -> None:
    """Reads what Airflow has of the declared variables and pools: the record of earlier runs may be lost as well."""
    declared = declared_settings(spec)
    if not declared:
        return
    waiter = Waiter(workspace.cloud.sleeper, lambda _name, _state, _elapsed: None, threading.Event())
    seen = read_settings(workspace.cloud.transport(), program.environment_name, declared, waiter)
    workspace.settings_record(program.loaded.name).write(seen.uuid, seen.settings)


_OF_THE_PROVIDER = frozenset({"forceDestroy", "deletionPolicy", "deletionProtection"})
"""Inputs that no API holds."""


def _of_the_state(step: StepEvent) -> bool:
    """Whether a step changes what the state says and nothing in the cloud."""
    if step.op is Op.UPDATE:
        return all(split_path(path)[0] in _OF_THE_PROVIDER for path in (step.detailed_diff or step.diffs))
    return step.op is Op.SAME


_DECLARED_LABELS = frozenset({"labels", "resourceLabels", "pulumiLabels"})


def _harmless(step: StepEvent) -> bool:
    """Whether a step of the import only looks, or makes what is nothing in the cloud.

    The real provider reads labels back as nobody's, then "updates" the resource to declare them. It compares all
    labels that the resource would have (`effectiveLabels`) and sends nothing while these stay.
    """
    if step.op in {Op.IMPORT, Op.SAME}:
        return True
    if step.op is Op.UPDATE and step.detailed_diff:
        return all(split_path(path)[0] in _DECLARED_LABELS for path in step.detailed_diff)
    own = step.type.startswith(("pulumi:", "envctl:")) or step.type in ASKED_AGAIN
    return step.op is Op.CREATE and own


def _messages(events: list[EngineEvent]) -> list[str]:
    return [e.message for e in events if isinstance(e, MessageEvent) and e.severity in {"error", "warning"}]
