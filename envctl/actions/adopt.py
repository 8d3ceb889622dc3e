"""`import`: takes environments that exist over: their file, their state, and then nothing is left to do.

The live environment is read, written as a file, and the program of that file is held against the cloud. What is
not there, or not as the program would have it, is written into the file's `adopted` block, each with its name: so
the preview after an import is empty by construction, and every departure is a line that a person can take out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envctl.actions.adopt_neighbours import Left, live_environments, look_around
from envctl.actions.planning import PlanOptions, prepare
from envctl.actions.program import Program, build_program, given_secrets
from envctl.diagnostics import SourceSpan
from envctl.engine.events import EngineEvent, MessageEvent, Op, Phase, StepEvent
from envctl.engine.fold import name_of
from envctl.engine.protocol import ExpectedStep, RunOptions
from envctl.errors import InvalidInputError, OutsideError, RefusedError, UsageError
from envctl.plan.values import Opaque
from envctl.provider.protocol import CallContext, Live, ProviderError
from envctl.provider.session import RealSleeper
from envctl.provider.spec import Settings
from envctl.provider.translator import SandboxProvider
from envctl.spec.project import ENVIRONMENTS, load_project
from envctl.spec.source import load_source
from envctl.spec.tree import Entries, KeyPath, key_span, spans
from envctl.spec.writing import write_document
from envctl.stacks.adoption import import_id, output_at, taking_over, without
from envctl.stacks.declaration import CallerSecret, Input, Ref, Resource, StackProgram
from envctl.stacks.environment import ENVIRONMENT, PACKAGES
from envctl.stacks.reading import Document, pruned, read_environment

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace

_ENVIRONMENT = "gcp:composer/environment:Environment"
_ASKED_AGAIN = frozenset({"gcp:projects/serviceIdentity:ServiceIdentity"})
"""Google's agents cannot be imported; asking for one that exists changes nothing."""
_LOCATED = frozenset({"gcp:monitoring/alertPolicy:AlertPolicy"})
"""Types whose ids the cloud makes up: they are found by what they say."""
_FIXED = frozenset({"project", "region", "imageVersion", "serviceAccount", "name"})
_ROUNDS = 40
_HEAD = """\
Written by `envctl import` from the live environment; from here on this file is the truth.
What is not said here was left to Google, or is listed under `adopted`."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which environment to take over, and under which file name."""

    stem: str
    project: str
    region: str
    name: str


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


@dataclass(slots=True)
class Found:
    """The cloud, as far as a program declares it: ids and live values by logical name."""

    ids: dict[str, str] = field(default_factory=dict[str, str])
    live: dict[str, Live] = field(default_factory=dict[str, Live])
    absent: dict[str, str] = field(default_factory=dict[str, str])
    differing: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @property
    def outputs(self) -> Mapping[str, Mapping[str, Any]]:
        """Live outputs by logical name."""
        return {name: live.outputs for name, live in self.live.items()}


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
    if wanted.stem in workspace.project.files:
        _require_unmanaged(workspace, wanted)
        return _take_over_by_file(workspace, wanted, dry_run=dry_run, watch=watch)
    target = out or workspace.root / ENVIRONMENTS / f"{wanted.stem}.yaml"
    if target.exists():
        raise RefusedError(
            "The file is there already", detail=f"{target} is not overwritten.", code="import-file-exists"
        )
    draft = workspace.directory / "import" / f"{wanted.stem}.yaml"
    draft.parent.mkdir(parents=True, exist_ok=True)
    drafting = _Drafting(workspace, wanted, draft)
    try:
        drafted = drafting.run()
        _require_unmanaged(drafting.workspace, wanted)
        text = draft.read_text("utf-8")
    finally:
        draft.unlink(missing_ok=True)
    if dry_run or (out is not None and out.resolve().parent != workspace.root / ENVIRONMENTS):
        # Outside the project's folder the file is for reading only: there is no stack to import into.
        if not dry_run:
            _write(target, text)
        return replace(drafted, text=text, written=None if dry_run else target)
    target.parent.mkdir(exist_ok=True)
    _write(target, text)
    done = _take_over_by_file(
        replace(workspace, project=load_project(workspace.root)), wanted, dry_run=False, watch=watch
    )
    return replace(drafted, text=text, written=target, imported=done.imported, pending=done.pending, done=True)


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
    if engine.serial() and ENVIRONMENT in {
        name_of(row["urn"])
        for row in engine.export_state()["deployment"].get("resources") or []
        if row["type"] == _ENVIRONMENT
    }:
        raise RefusedError(
            f"{wanted.stem} is managed already",
            detail="The state holds its environment.",
            hints=(f"look with\n    envctl preview {wanted.stem}",),
            code="import-managed",
        )


# -- writing the file


class _Drafting:
    """Writes a file until its program and the cloud agree."""

    def __init__(self, workspace: Workspace, wanted: Wanted, draft: Path) -> None:
        files = {**workspace.project.files, wanted.stem: draft}
        self.workspace = replace(workspace, project=replace(workspace.project, files=files))
        self.wanted = wanted
        self.draft = draft
        self.dropped: list[Left] = []

    def run(self) -> Adoption:
        live = _live_environment(self.workspace, self.wanted)
        bucket = str(output_at(live.outputs, "storageConfig.bucket") or "").removeprefix("gs://")
        around = look_around(self.workspace.cloud.transport(), live.inputs, bucket)
        document = pruned({**read_environment(self.wanted.stem, live.inputs), **around.document})
        document["adopted"] = {"labels": False}
        self.write(document)
        document = self.accepted(document)
        program = build_program(self.workspace, self.workspace.load(self.wanted.stem))
        found = look_at_cloud(self.workspace, program)
        absent = [Left(name, reason) for name, reason in found.absent.items()]
        absent += [
            Left(name, f"it is there, and differs in {', '.join(paths)}")
            for name, paths in found.differing.items()
            if name != ENVIRONMENT
        ]
        ignored = _ignorable(found, program)
        if any(item.name == "packages" for item in self.dropped):
            ignored.append(Left(PACKAGES, "the file would say nothing"))
        document["adopted"] = pruned(
            {
                "labels": False,
                "without": [item.name for item in absent],
                "ignore": [item.name for item in ignored],
            }
        )
        self.write(document)
        gone = {item.name for item in absent}
        return Adoption(
            self.wanted,
            "",
            None,
            imported=tuple(name for name in found.ids if name not in gone),
            absent=tuple(absent),
            ignored=tuple(ignored),
            left=(*self.dropped, *around.left),
        )

    def write(self, document: Document) -> None:
        comments: dict[KeyPath, str] = {
            ("adopted", "without"): "Was not there, or not like this. Take a line away, and the next `up` makes it.",
            (
                "adopted",
                "ignore",
            ): "Stays as it is in the cloud. Take a line away, and this file (or its profile) counts.",
        }
        self.draft.write_text(write_document(document, comments, _HEAD), encoding="utf-8")

    def accepted(self, document: Document) -> Document:
        """The document without the values that envctl refuses, each of them named."""
        for _ in range(_ROUNDS):
            try:
                self.workspace.load(self.wanted.stem)
            except InvalidInputError as error:
                document = self.cleaned(document, error)
                self.write(document)
            else:
                return document
        raise AssertionError("a file of this size has fewer problems")

    def cleaned(self, document: Document, error: InvalidInputError) -> Document:
        source = load_source(self.draft, self.draft.relative_to(self.workspace.root))
        assert source.tree is not None
        for problem in error.diagnostics:
            if problem.severity.value != "error" or problem.span is None:
                continue
            path = _path_at(source.tree, problem.span)
            if not path or path[0] in _FIXED:
                raise error
            if path[0] == "packages":  # they are set as one whole: with one missing, envctl would uninstall it
                path = ("packages",)
            self.dropped.append(Left(".".join(map(str, path)), f"{problem.code}: {problem.summary}"))
            return pruned(_less(document, path))
        raise error


def _path_at(tree: Entries, place: SourceSpan) -> KeyPath:
    """The deepest path whose key or value begins at a place; empty when there is none."""
    start = (place.line, place.column)
    found = [
        path
        for path, span in spans(tree)
        if path and start in {(each.line, each.column) for each in (span, key_span(tree, path))}
    ]
    return max(found, key=len, default=())


def _less(value: Any, path: KeyPath) -> Any:
    """A document without the value at a path."""
    head, rest = path[0], path[1:]
    if isinstance(value, Mapping):
        kept = {key: item for key, item in value.items() if key != head or rest}
        return {key: _less(item, rest) if key == head and rest else item for key, item in kept.items()}
    items = list(value)
    assert isinstance(head, int)
    items[head : head + 1] = [_less(items[head], rest)] if rest else []
    return items


def _ignorable(found: Found, program: Program) -> list[Left]:
    """Properties of the environment that differ, as paths that exist on both sides, with what the file would say."""
    kept: dict[str, Left] = {}
    live = found.live[ENVIRONMENT].inputs if ENVIRONMENT in found.live else {}
    declared = program.declared.resource(ENVIRONMENT).inputs
    for path in found.differing.get(ENVIRONMENT, ()):
        keys = path.partition("[")[0].split(".")
        while len(keys) > 1 and not (
            isinstance(output_at(live, ".".join(keys[:-1])), Mapping)
            and isinstance(output_at(declared, ".".join(keys[:-1])), Mapping)
        ):
            keys.pop()
        name = ".".join(keys)
        kept[name] = Left(name, f"the file would say {_short(output_at(declared, name))}")
    return list(kept.values())


def _short(value: Any) -> str:
    return "nothing" if value is None else str(value)[:60]


# -- the cloud


def _live_environment(workspace: Workspace, wanted: Wanted) -> Live:
    provider = SandboxProvider(
        workspace.cloud.transport(), Settings(project=wanted.project, region=wanted.region), RealSleeper()
    )
    name = f"projects/{wanted.project}/locations/{wanted.region}/environments/{wanted.name}"
    try:
        live = provider.read("", _ENVIRONMENT, name, {}, {}, _call())
    except ProviderError as error:
        raise OutsideError(
            "The environment cannot be read", detail=f"{name}: {error}", code="import-unreadable"
        ) from error
    if live is None:
        raise OutsideError(
            "There is no such environment",
            detail=name,
            hints=(f"take over all that there are\n    envctl import --project {wanted.project}",),
            code="import-missing",
        )
    return live


def _call() -> CallContext:
    return CallContext(note=lambda _operation, _state, _elapsed: None, cancel=threading.Event())


def look_at_cloud(workspace: Workspace, program: Program) -> Found:
    """What of a program is there, and where it differs."""
    provider = workspace.provider(program.loaded.name)
    declared = program.declared
    secrets = given_secrets(program.loaded)
    found = Found()
    for resource in declared.resources:
        if resource.type in _ASKED_AGAIN:
            continue
        inputs = {key: _resolved(value, declared, found, secrets) for key, value in resource.inputs.items()}
        try:
            live = _look(provider, declared, resource, inputs, found)
        except ProviderError as error:
            found.absent[resource.name] = f"it cannot be read: {error}"
            continue
        if live is None:
            found.absent[resource.name] = "it is not there"
            continue
        found.live[resource.name] = live
        found.ids[resource.name] = (
            import_id(declared, resource.name, found.outputs) if resource.type not in _LOCATED else live.id
        ) or live.id
        checked = provider.check("", resource.type, {}, inputs)
        ignored = resource.options.ignore_changes
        diff = provider.diff("", resource.type, live.id, live.inputs, live.outputs, checked.inputs, ignored)
        if diff.changes:
            found.differing[resource.name] = tuple(diff.detailed)
    return found


def _look(
    provider: SandboxProvider, declared: StackProgram, resource: Resource, inputs: Mapping[str, Any], found: Found
) -> Live | None:
    if resource.type in _LOCATED:
        located = provider.locate("", resource.type, inputs, _call())
        return None if located is None else provider.read("", resource.type, located.id, {}, {}, _call())
    identifier = import_id(declared, resource.name, found.outputs)
    return None if identifier is None else provider.read("", resource.type, identifier, {}, {}, _call())


def _resolved(value: Input, declared: StackProgram, found: Found, secrets: Mapping[str, str]) -> Any:
    """A declared value with the cloud's own where it refers to one."""
    if isinstance(value, Ref):
        live = found.live.get(value.resource)
        if live is None:
            return Opaque.UNKNOWN
        return live.id if value.output == "id" else output_at(live.outputs, value.output)
    if isinstance(value, CallerSecret):
        return secrets.get(value.variable, Opaque.UNKNOWN)
    if isinstance(value, Mapping):
        return {key: _resolved(item, declared, found, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_resolved(item, declared, found, secrets) for item in value]
    return value


# -- the state


def _take_over_by_file(
    workspace: Workspace, wanted: Wanted, *, dry_run: bool, watch: Callable[[EngineEvent], None] | None
) -> Adoption:
    loaded = workspace.load(wanted.stem)
    spec = loaded.environment
    said = (spec.project, spec.region, spec.name or wanted.stem)
    if said != (wanted.project, wanted.region, wanted.name):
        raise RefusedError(
            f"{wanted.stem} is another environment",
            detail=f"{loaded.path} says {'/'.join(said)}, asked for was {wanted.project}/{wanted.region}/{wanted.name}.",
            code="import-other",
        )
    program = build_program(workspace, loaded)
    found = look_at_cloud(workspace, program)
    if ENVIRONMENT not in found.ids:
        raise OutsideError(
            "There is no such environment", detail=found.absent.get(ENVIRONMENT, ""), code="import-missing"
        )
    if found.differing:
        raise RefusedError(
            f"The file of {wanted.stem} and the cloud differ",
            detail="\n".join(f"{name}: {', '.join(paths)}" for name, paths in found.differing.items()),
            hints=("let the file say what is there, import, and change it afterwards",),
            code="import-differs",
        )
    if not dry_run:
        _import(workspace, program, found, watch)
    pending: tuple[str, ...] = ()
    if not dry_run:
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


def _import(workspace: Workspace, program: Program, found: Found, watch: Callable[[EngineEvent], None] | None) -> None:
    """Runs the program with nothing but what is there, every resource imported by its id."""
    declared = taking_over(without(program.declared, found.absent), found.ids)

    def run() -> None:
        from importlib.metadata import version

        from envctl.stacks.register import register

        register(declared, given_secrets(program.loaded), version("pulumi-gcp"))

    engine = workspace.engine(program.loaded.name)
    events: list[EngineEvent] = []
    planned = engine.preview(run, RunOptions(refresh=False), events.append)
    steps = [e for e in events if isinstance(e, StepEvent) and e.phase is Phase.PRE]
    wrong = [e for e in steps if not _harmless(e)]
    if wrong or not planned.ok:
        raise RefusedError(
            "The import would change something",
            detail="\n".join([f"{e.op.value} {name_of(e.urn)}" for e in wrong] or _messages(events)),
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


def _harmless(step: StepEvent) -> bool:
    """Whether a step of the import only looks, or makes what is nothing in the cloud."""
    if step.op in {Op.IMPORT, Op.SAME}:
        return True
    own = step.type.startswith(("pulumi:", "envctl:")) or step.type in _ASKED_AGAIN
    return step.op is Op.CREATE and own


def _messages(events: list[EngineEvent]) -> list[str]:
    return [e.message for e in events if isinstance(e, MessageEvent) and e.severity in {"error", "warning"}]
