"""One stack on the Pulumi CLI: an inline program in a working folder that stays.

Inline programs get a new folder and a new salt each time by default; saved plans need both to stay, so every
stack has a folder of its own below `.envctl/`, with its settings file.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envctl.engine.events import (
    EngineEvent,
    MessageEvent,
    OperationEvent,
    OutputsEvent,
    Phase,
    StepEvent,
    SummaryEvent,
)
from envctl.engine.lives import Life, held_by_living, told
from envctl.engine.protocol import EventSink, Program, RunOptions, RunResult, StackRef
from envctl.engine.pulumi_cli.failures import is_unmet_expectation, plan_violated, translated_failures
from envctl.engine.pulumi_cli.locks import PulumiLock, checkpoint_name, read_checkpoint, read_locks, read_neighbours
from envctl.engine.pulumi_cli.pending import pending_of, settle_pending, without_pending
from envctl.engine.pulumi_cli.translation import mask, translate_event
from envctl.engine.urns import STACK_TYPE, type_of
from envctl.errors import EnvctlError, RefusedError
from envctl.private_files import close_to_others, private_folder
from envctl.provider.protocol import CallContext

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent as PulumiEvent
    from pulumi.automation import Stack

    from envctl.engine.pulumi_cli.process import OwnedCommand
    from envctl.provider.protocol import Provider
    from envctl.provider.translator import SandboxProvider


@dataclass(frozen=True, slots=True)
class PulumiSettings:
    """Where and how the CLI works.

    Attributes:
        directory: the folder of the stack; kept between runs.
        backend: address of the state backend, such as `file:///path` or `gs://bucket`.
        secrets_provider: in Pulumi's words; `passphrase` needs `PULUMI_CONFIG_PASSPHRASE` or a file of it.
        environment: variables for the CLI and its plugins (custom endpoints, token, passphrase).
        provider: what the CLI attaches to in place of the plugin of pulumi-gcp; None runs the plugin.
        locator: makes what is asked about operations that a killed run left open; `provider` when None.
    """

    directory: Path
    backend: str
    secrets_provider: str = "passphrase"
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    provider: SandboxProvider | None = None
    locator: Callable[[], Provider] | None = None


class PulumiEngine:
    """The Pulumi CLI as an engine; see `envctl.engine.protocol.Engine` for what each method does."""

    name = "pulumi"

    def __init__(self, stack: StackRef, settings: PulumiSettings) -> None:
        self.stack = stack
        self.settings = settings
        self._plan_file = settings.directory / "update-plan.json"
        self._stack: Stack | None = None
        self._command: OwnedCommand | None = None
        self._exported: dict[str, Any] | None = None

    def preview(self, program: Program, options: RunOptions, sink: EventSink) -> RunResult:
        """Plans; Pulumi's own update plan is written beside it as a second lock."""
        return self._run(
            program,
            options,
            sink,
            lambda stack, on_event: stack.preview(
                refresh=options.refresh,
                parallel=options.parallel,
                plan=str(self._plan_file),
                on_event=on_event,
                suppress_progress=True,
                color="never",
            ),
            preview=True,
        )

    def up(self, program: Program, options: RunOptions, sink: EventSink) -> RunResult:
        """Applies; with `options.expected`, within Pulumi's update plan of the last preview."""
        constrained = options.expected is not None and self._plan_file.exists()
        result = self._run(
            program,
            options,
            sink,
            lambda stack, on_event: stack.up(
                refresh=options.refresh,
                parallel=options.parallel,
                message=options.message,
                plan=str(self._plan_file) if constrained else None,
                show_secrets=False,
                on_event=on_event,
                suppress_progress=True,
                color="never",
            ),
            preview=False,
        )
        self._plan_file.unlink(missing_ok=True)
        return result

    def destroy(self, program: Program, options: RunOptions, sink: EventSink, *, preview: bool) -> RunResult:
        """Deletes, or plans it."""
        if preview:
            return self._run(
                program,
                options,
                sink,
                lambda stack, on_event: stack.preview_destroy(
                    refresh=options.refresh,
                    parallel=options.parallel,
                    show_secrets=False,
                    on_event=on_event,
                    suppress_progress=True,
                    color="never",
                ),
                preview=True,
            )
        return self._run(
            program,
            options,
            sink,
            lambda stack, on_event: stack.destroy(
                refresh=options.refresh,
                parallel=options.parallel,
                message=options.message,
                show_secrets=False,
                on_event=on_event,
                suppress_progress=True,
                color="never",
            ),
            preview=False,
        )

    def refresh(self, program: Program, options: RunOptions, sink: EventSink, *, preview: bool) -> RunResult:
        """Reads every resource, and without `preview` writes what it saw."""
        return self._run(
            program,
            options,
            sink,
            lambda stack, on_event: (stack.preview_refresh if preview else stack.refresh)(
                parallel=options.parallel,
                show_secrets=False,
                on_event=on_event,
                suppress_progress=True,
                color="never",
            ),
            preview=preview,
            refreshing=True,
        )

    def export_state(self) -> dict[str, Any]:
        """The checkpoint as `pulumi stack export` writes it, secrets encrypted."""
        if self._exported is None:
            self._require_here()
            self._exported = read_checkpoint(self.settings.backend, self.stack) or self._export()
        return self._exported

    def import_state(self, document: Mapping[str, Any]) -> None:
        """Replaces the checkpoint; Pulumi checks its form, the URNs are checked here."""
        prefix = f"urn:pulumi:{self.stack.stack}::{self.stack.project}::"
        deployment = document.get("deployment")
        if not isinstance(deployment, Mapping):
            raise RefusedError("This is not an exported state", detail="It holds no deployment.", code="state-foreign")
        foreign = [r["urn"] for r in deployment.get("resources") or [] if not str(r.get("urn", "")).startswith(prefix)]
        if foreign:
            raise RefusedError(
                "The state belongs to another stack",
                detail=f"{len(foreign)} resources, such as {foreign[0]}; this is {prefix}*",
                code="state-foreign",
            )
        self.set_aside()
        self._import({"version": document.get("version", 3), "deployment": deployment})

    def set_aside(self) -> tuple[str, ...]:
        """Gives a checkpoint that is no JSON another name beside it; of `file://` and `gs://` backends."""
        from envctl.provider.folders import open_folder

        folder = open_folder(self.settings.backend)
        name = checkpoint_name(self.stack)
        content = None if folder is None else folder.read(name)
        if folder is None or content is None or _is_checkpoint(content):
            return ()
        aside = f"{name}.aside-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        folder.write(aside, content)
        folder.remove(name)
        self._exported = None
        return (f"{folder.where}/{aside}",)

    def pending(self) -> list[tuple[str, str]]:
        """Operations whose end is not known: kind and URN."""
        return pending_of(self.export_state()["deployment"])

    def drop_pending(self) -> tuple[str, ...]:
        """Forgets operations whose end is not known, and says which; the cloud is not asked."""
        document = self.opened_state()
        dropped = pending_of(document["deployment"])
        if dropped:
            self._import({**document, "deployment": without_pending(document["deployment"])})
        return tuple(f"dropped the pending operation: {kind} {urn}" for kind, urn in dropped)

    def locks(self) -> tuple[PulumiLock, ...] | None:
        """Who works on the stack; None when the backend does not show it."""
        return read_locks(self.settings.backend, self.stack)

    def require_unlocked(self) -> None:
        """Returns when nobody works on the stack; a dead process on this machine is nobody. Raises `RefusedError`."""
        from envctl.provider.folders import open_folder

        known, ref = self.locks(), self.stack
        folder = open_folder(self.settings.backend)
        held = [str(lock) for lock in known or () if not lock.is_dead]
        if known is None and folder is not None:
            held = folder.names(f".pulumi/locks/organization/{ref.project}/{ref.stack}/")
        if held:
            raise RefusedError(
                f"The stack {ref.stack} is locked",
                detail=f"Held by {', '.join(held)}.",
                hints=(f"wait, or when that run is dead:\n    envctl state unlock {ref.stack}",),
                code="stack-locked",
            )

    def opened_state(self) -> dict[str, Any]:
        """The checkpoint with its secrets in plain text; raises `RefusedError` when they do not open."""
        return self._export("--show-secrets")

    def remove_stack(self) -> None:
        """Forgets the stack and all that its state says; nothing in the cloud is touched."""
        self.call_cli("stack", "rm", "--yes", "--force", "--preserve-config")
        self._stack = self._exported = None

    def _export(self, *arguments: str) -> dict[str, Any]:
        said = self.call_cli("stack", "export", *arguments)
        exported = json.loads(said)
        return {"version": exported.get("version") or 3, "deployment": dict(exported.get("deployment") or {})}

    def _import(self, document: Mapping[str, Any]) -> None:
        """Imports by a file that only its owner can read: open secrets may be in it."""
        self._exported = None
        private_folder(self.settings.directory)
        descriptor, name = tempfile.mkstemp(suffix=".json", dir=self.settings.directory)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(document, stream)
            self.call_cli("stack", "import", "--file", name)
        finally:
            Path(name).unlink()

    def call_cli(self, *arguments: str, of_stack: bool = True) -> str:
        """What one command, on the stack unless it names another, writes to stdout."""
        stack = self._open(_nothing)
        variables = stack.workspace.env_vars
        command = [*arguments, *(("--stack", self.stack.stack) if of_stack else ())]
        return translated_failures(
            lambda: stack.workspace.pulumi_command.run(command, str(self.settings.directory), variables).stdout
        )

    def neighbours(self) -> dict[str, list[dict[str, Any]] | None]:
        """Rows of the other stacks of the backend, of whatever project; by the CLI where the backend is no folder.

        Raises:
            OutsideError: the backend does not list its stacks.
        """
        found = read_neighbours(self.settings.backend, self.stack)
        return self.ask_neighbours() if found is None else found

    def ask_neighbours(self) -> dict[str, list[dict[str, Any]] | None]:
        """The same, from any backend: one command of the CLI per stack."""
        mine = {self.stack.stack, f"{self.stack.project}/{self.stack.stack}"}
        listed = json.loads(self.call_cli("stack", "ls", "--all", "--json", of_stack=False))
        names = [str(each["name"]) for each in listed]
        others = [name for name in names if name.removeprefix("organization/") not in mine]
        return {name.removeprefix("organization/"): self._rows_of(name) for name in others}

    def _rows_of(self, name: str) -> list[dict[str, Any]] | None:
        try:
            exported = json.loads(self.call_cli("stack", "export", "--stack", name, of_stack=False))
        except (EnvctlError, ValueError):
            return None
        return list((exported.get("deployment") or {}).get("resources") or [])

    def outputs(self) -> dict[str, Any]:
        """The exports, secrets masked."""
        for row in self.export_state()["deployment"].get("resources") or []:
            if row["type"] == "pulumi:pulumi:Stack":
                return {name: mask(value) for name, value in (row.get("outputs") or {}).items()}
        return {}

    def serial(self) -> int:
        """A number drawn from the checkpoint's content, because backends number their updates differently."""
        deployment = self.export_state()["deployment"]
        if not deployment.get("resources"):
            return 0
        text = json.dumps(deployment, sort_keys=True)
        return int(hashlib.sha256(text.encode()).hexdigest()[:12], 16)

    def unlock(self, *, force: bool = False) -> str | None:
        """Takes the lock away and says in words who held it; None when nobody did.

        Raises `RefusedError` without `force` while a process of this machine that holds it lives. What a backend
        does not show is taken away unseen.
        """
        held = self.locks()
        if held == ():
            return None
        alive = [lock for lock in held or () if lock.life is Life.ALIVE]
        if alive and not force:
            raise held_by_living(self.stack.stack, "\n".join(f"{lock}: {lock.command}" for lock in alive))
        self.cancel()
        return "; ".join(told(lock, lock.life) for lock in held) if held else "somebody whom its backend does not name"

    def cancel(self) -> None:
        """Takes the lock of an update that was killed away."""
        translated_failures(self._open(_nothing).cancel)

    def _open(self, program: Program, attached: Mapping[str, str] | None = None) -> Stack:
        """The stack, selected once; `program` and `attached` hold for the next command."""
        from envctl.engine.pulumi_cli.inline import as_inline

        if self._stack is None:
            self._stack = translated_failures(self._select)
        self._stack.workspace.program = as_inline(program)
        self._stack.workspace.env_vars = self._environment(attached or {})
        return self._stack

    def _environment(self, attached: Mapping[str, str]) -> dict[str, str]:
        return {"PULUMI_SKIP_UPDATE_CHECK": "true", **self.settings.environment, **attached}

    def _select(self) -> Stack:
        from pulumi.automation import (
            LocalWorkspaceOptions,
            ProjectBackend,
            ProjectSettings,
            create_or_select_stack,
        )

        from envctl.engine.pulumi_cli.command import find_command

        self._require_here()
        directory = self.settings.directory
        command = self._command = find_command()
        command.dies_with_us = self.settings.provider is not None
        private_folder(directory)
        backend = self.settings.backend
        if backend.startswith("file://"):
            private_folder(Path(backend.removeprefix("file://")))
        stack = create_or_select_stack(
            stack_name=self.stack.stack,
            project_name=self.stack.project,
            program=_nothing,
            opts=LocalWorkspaceOptions(
                work_dir=str(directory),
                pulumi_command=command,
                secrets_provider=self.settings.secrets_provider,
                env_vars=self._environment({}),
                project_settings=ProjectSettings(
                    name=self.stack.project,
                    runtime="python",
                    main=str(directory),
                    backend=ProjectBackend(url=backend),
                ),
            ),
        )
        close_to_others(directory)  # the Automation API writes settings as anybody's to read
        return stack

    def _require_here(self) -> None:
        """Refuses a place that says that the project's states were carried away from it."""
        from envctl.engine.pulumi_cli.moved import moved_to, states_moved

        if (address := moved_to(self.settings.backend, self.stack.project)) is not None:
            raise states_moved(self.settings.backend, address)

    @contextmanager
    def _attached(self, sink: EventSink, detached: Callable[[str, str], None]) -> Generator[Mapping[str, str]]:
        """Variables with which the CLI finds envctl's own provider, served meanwhile; none for the real plugin."""
        if self.settings.provider is None:
            from envctl.engine.pulumi_cli.install import check_plugin

            check_plugin()
            yield {}
            return
        from envctl.provider.grpc_adapter import serve_provider

        def note(operation: str, state: str, elapsed: float) -> None:
            sink(OperationEvent("", operation, elapsed, state))

        adapter = serve_provider(self.settings.provider, note=note, detached=detached)
        try:
            yield {"PULUMI_DEBUG_PROVIDERS": f"gcp:{adapter.port}"}
        finally:
            adapter.stop()

    def _run(
        self,
        program: Program,
        options: RunOptions,
        sink: EventSink,
        act: Callable[[Stack, Callable[[PulumiEvent], None]], Any],
        *,
        preview: bool,
        refreshing: bool = False,
    ) -> RunResult:
        """Runs one CLI command, sends every event on, and makes the result from events, never from text."""
        events: list[EngineEvent] = []
        unmet: list[MessageEvent] = []
        detached: dict[str, str] = {}
        failure: EnvctlError | None = None

        def on_event(event: PulumiEvent) -> None:
            for translated in translate_event(event, preview=preview, refreshing=refreshing):
                if isinstance(translated, MessageEvent) and is_unmet_expectation(translated.message):
                    unmet.append(translated)
                    continue
                events.append(translated)
                sink(translated)

        self._settle(options, sink, preview=preview)
        if not preview:
            self._retain(options.keep)
        try:
            with self._attached(sink, detached.__setitem__) as attached:
                stack = self._open(program, attached)
                translated_failures(lambda: self._watched(options.cancel, lambda: act(stack, on_event)))
        except EnvctlError as error:
            failure = error
        if not preview:
            self._exported = None
        interrupted = options.cancel.is_set()
        alone = failure is None or failure.code == "pulumi-failed"
        if unmet and alone and not interrupted and not detached and not _failed_in(events):
            failure = plan_violated(unmet[0].message)
        failed = tuple(urn for urn in _failed_in(events) if urn not in detached)
        if failure is not None and not interrupted:
            ended = bool(failed or detached) or any(isinstance(e, SummaryEvent) for e in events)
            if failure.code in _ALWAYS_RAISED or not ended:
                raise failure
        outputs = outputs_of(events)
        if outputs is not None:
            sink(OutputsEvent(outputs))
        return RunResult(
            ok=failure is None,
            interrupted=interrupted,
            failed=failed,
            detached=detached,
            state_serial=self.serial(),
        )

    def _watched(self, cancel: threading.Event, act: Callable[[], Any]) -> Any:
        """Acts, and interrupts the CLI once when `cancel` is set meanwhile."""
        assert self._command is not None
        self._command.cancel = cancel
        try:
            return act()
        finally:
            self._command.cancel = None

    def _retain(self, keep: Mapping[str, bool]) -> None:
        """Writes into the state which rows are let go instead of deleted: the CLI reads it there, and nowhere else."""
        if not keep:
            return
        self._exported = None  # what was read for the preview may be old by now
        document = self.export_state()
        rows = document["deployment"].get("resources") or []
        if all(
            bool(row.get("retainOnDelete")) is keep.get(row["urn"], bool(row.get("retainOnDelete"))) for row in rows
        ):
            return
        decided = [{**row, "retainOnDelete": keep[row["urn"]]} if row["urn"] in keep else row for row in rows]
        self._import({**document, "deployment": {**document["deployment"], "resources": decided}})

    def _settle(self, options: RunOptions, sink: EventSink, *, preview: bool) -> None:
        """Removes the lock of a dead run, and settles what it left open.

        A preview does it, too: the CLI cannot plan with open operations, and only the state is written, with what
        the cloud holds already. While a living run holds the stack, its open operations are none of ours.

        Raises:
            RefusedError: somebody else works on the stack, or it is not known what became of an operation.
        """
        held = self.locks()
        dead = [lock for lock in held or () if lock.is_dead]
        alive = [lock for lock in held or () if not lock.is_dead]
        if alive and preview:
            return
        if alive:
            raise RefusedError(
                f"The stack {self.stack.stack} is locked",
                detail=f"Held by {', '.join(map(str, alive))}.",
                hints=(f"wait, or when that run is dead:\n    envctl state unlock {self.stack.stack}",),
                code="stack-locked",
            )
        if dead:
            self.cancel()
            for lock in dead:
                lock.end_leftovers()
            told = f"The lock of {', '.join(map(str, dead))} was removed: that process is gone."
            sink(MessageEvent("warning", told))
        if not self.pending():
            return

        def note(operation: str, state: str, elapsed: float) -> None:
            sink(OperationEvent("", operation, elapsed, state))

        document = self.opened_state()
        settled = settle_pending(
            document["deployment"],
            self.settings.provider or (self.settings.locator() if self.settings.locator else None),
            CallContext(note=note, cancel=options.cancel),
            datetime.now(UTC),
        )
        self._import({**document, "deployment": settled.deployment})
        for urn, text in settled.told:
            sink(MessageEvent("warning", text, urn))


_ALWAYS_RAISED = frozenset({"plan-violated", "passphrase-wrong", "stack-locked", "plugin-missing"})


def _failed_in(events: list[EngineEvent]) -> tuple[str, ...]:
    """Resources whose step failed, or was refused before it began (protected, invalid)."""
    found: list[str] = []
    for event in events:
        match event:
            case StepEvent(phase=Phase.FAILED, urn=urn) | MessageEvent(severity="error", urn=str(urn)):
                if urn and type_of(urn) != STACK_TYPE:
                    found.append(urn)
            case _:
                pass
    return tuple(dict.fromkeys(found))


def outputs_of(events: list[EngineEvent]) -> dict[str, Any] | None:
    """The stack's exports, as its last event shows them."""
    for event in reversed(events):
        if isinstance(event, StepEvent) and event.type == STACK_TYPE and event.phase is Phase.DONE and event.new:
            return dict(event.new.outputs)
    return None


def _is_checkpoint(content: bytes) -> bool:
    try:
        return isinstance(json.loads(content)["checkpoint"], dict)
    except (ValueError, KeyError, TypeError):
        return False


def _nothing() -> None:
    """The program of commands that run none."""
