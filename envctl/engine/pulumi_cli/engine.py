"""One stack on the Pulumi CLI: an inline program in a working folder that stays.

Inline programs get a new folder and a new salt each time by default; saved plans need both to stay, so every
stack has a folder of its own below `.envctl/`, with its settings file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envctl.engine.events import EngineEvent, OperationEvent, OutputsEvent, Phase, StepEvent, SummaryEvent
from envctl.engine.protocol import EventSink, Program, RunOptions, RunResult, StackRef
from envctl.engine.pulumi_cli.failures import translated_failures
from envctl.engine.pulumi_cli.translation import mask, translate_event
from envctl.errors import EnvctlError, RefusedError

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent as PulumiEvent
    from pulumi.automation import Stack

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
    """

    directory: Path
    backend: str
    secrets_provider: str = "passphrase"
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    provider: SandboxProvider | None = None


class PulumiEngine:
    """The Pulumi CLI as an engine; see `envctl.engine.protocol.Engine` for what each method does."""

    name = "pulumi"

    def __init__(self, stack: StackRef, settings: PulumiSettings) -> None:
        self.stack = stack
        self.settings = settings
        self._plan_file = settings.directory / "update-plan.json"
        self._stack: Stack | None = None
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
        )

    def export_state(self) -> dict[str, Any]:
        """The checkpoint; read once, and again after each run."""
        if self._exported is None:
            deployment = translated_failures(self._open(_nothing).export_stack)
            self._exported = {"version": deployment.version or 3, "deployment": dict(deployment.deployment or {})}
        return self._exported

    def import_state(self, document: Mapping[str, Any]) -> None:
        """Replaces the checkpoint; Pulumi checks its form, the URNs are checked here."""
        from pulumi.automation import Deployment

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
        stack = self._open(_nothing)
        self._exported = None
        translated_failures(
            lambda: stack.import_stack(Deployment(version=document.get("version", 3), deployment=dict(deployment)))
        )

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

    def cancel(self) -> None:
        """Takes the lock of an update that was killed away."""
        translated_failures(self._open(_nothing).cancel)

    def _open(self, program: Program, attached: Mapping[str, str] | None = None) -> Stack:
        """The stack, selected once; `program` and `attached` hold for the next command."""
        if self._stack is None:
            self._stack = translated_failures(self._select)
        self._stack.workspace.program = program
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

        directory = self.settings.directory
        command = find_command()
        directory.mkdir(parents=True, exist_ok=True)
        backend = self.settings.backend
        if backend.startswith("file://"):
            Path(backend.removeprefix("file://")).mkdir(parents=True, exist_ok=True)
        return create_or_select_stack(
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

    @contextmanager
    def _attached(self, sink: EventSink) -> Generator[Mapping[str, str]]:
        """Variables with which the CLI finds envctl's own provider, served meanwhile; none for the real plugin."""
        if self.settings.provider is None:
            yield {}
            return
        from envctl.provider.grpc_adapter import serve_provider

        def note(operation: str, state: str, elapsed: float) -> None:
            sink(OperationEvent("", operation, elapsed, state))

        adapter = serve_provider(self.settings.provider, note=note)
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
    ) -> RunResult:
        """Runs one CLI command, sends every event on, and makes the result from events, never from text."""
        events: list[EngineEvent] = []
        failure: EnvctlError | None = None

        def on_event(event: PulumiEvent) -> None:
            for translated in translate_event(event, preview=preview):
                events.append(translated)
                sink(translated)

        try:
            with self._attached(sink) as attached:
                stack = self._open(program, attached)
                result = translated_failures(lambda: act(stack, on_event))
        except EnvctlError as error:
            failure, result = error, None
        if not preview:
            self._exported = None
        failed = tuple(e.urn for e in events if isinstance(e, StepEvent) and e.phase is Phase.FAILED)
        if failure is not None and not failed and not any(isinstance(e, SummaryEvent) for e in events):
            raise failure
        if result is not None and getattr(result, "outputs", None):
            sink(OutputsEvent({k: mask("[secret]" if v.secret else v.value) for k, v in result.outputs.items()}))
        return RunResult(
            ok=failure is None,
            interrupted=options.cancel.is_set(),
            failed=failed,
            state_serial=self.serial(),
        )


def _nothing() -> None:
    """The program of commands that run none."""
