"""A loaded file as a program that an engine can run, with the facts that the program needs."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from envctl import __version__
from envctl.actions.clouds import Cloud, custom_endpoints
from envctl.diagnostics import SourceSpan
from envctl.engine.urns import name_of
from envctl.errors import OutsideError
from envctl.plan.model import Action, Change, Plan
from envctl.provider.protocol import CallContext, ProviderError
from envctl.spec.model import Environment
from envctl.stacks import (
    ProgramContext,
    ProviderArguments,
    StackProgram,
    environment_declarations,
    foundation_declarations,
    shared_bindings,
)
from envctl.stacks.adoption import adoptable
from envctl.stacks.preparation import Preparation
from envctl.stacks.provenance import spec_path

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace
    from envctl.spec.loader import Loaded

_DONE = 200
_NOT_FOUND = 404
_FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Program:
    """What one stack declares, ready to run.

    `declared` is the program as data, `run` registers it with the engine that calls it, `prepared_by` gives the same
    with something to do in between, `digest` is SHA-256 over the declarations, `project_number` names the agents of
    the file's project.
    """

    loaded: Loaded
    declared: StackProgram
    run: Callable[[], None]
    prepared_by: Callable[[Sequence[Preparation]], Callable[[], None]]
    digest: str
    project_number: str

    @property
    def environment_name(self) -> str:
        """Full name of the Composer environment."""
        spec = self.loaded.spec
        return f"projects/{spec.project}/locations/{spec.region}/environments/{spec.name or self.loaded.name}"

    def source_of(self, urn: str, path: str) -> SourceSpan | None:
        """The place in the file that a resource, or a property of it, comes from."""
        path_in_file = spec_path(self.declared, name_of(urn), path)
        while path_in_file:
            if path_in_file in self.loaded.origins:
                return self.loaded.origins[path_in_file]
            path_in_file = path_in_file[:-1]
        return None

    def in_order(self, changes: Iterable[Change]) -> tuple[Change, ...]:
        """Changes in the order of declaration, then what is no longer declared.

        An engine works on many resources at once, so its own order differs from run to run.
        """
        position = {
            each.name: index for index, each in enumerate((*self.declared.components, *self.declared.resources))
        }
        return tuple(sorted(changes, key=lambda c: (position.get(c.name, len(position)), c.urn)))

    def kept(self, plan: Plan) -> tuple[str, ...]:
        """What a destroy leaves in the cloud, each with its reason."""
        left: dict[str, list[str]] = {}
        for change in plan.changes:
            if change.action is Action.FORGET:
                left.setdefault(change.type.rsplit(":", 1)[-1], []).append(change.name)
        kept = [
            f"{kind} {', '.join(names)}: shared by the project, or kept by the file" for kind, names in left.items()
        ]
        deleted = {c.type for c in plan.changes if c.action is Action.DELETE}
        if "gcp:composer/environment:Environment" in deleted and "environment" not in _spec_buckets(self.loaded):
            kept.append("the environment's bucket with its DAGs and logs: Google never deletes it")
        if "gcp:kms/keyRing:KeyRing" in deleted:
            kept.append(
                "key rings and keys: Google cannot delete them, the versions are destroyed after their waiting time"
            )
        if "gcp:serviceaccount/account:Account" in deleted:
            kept.append("deleted service accounts: recoverable for 30 days")
        return tuple(kept)


def _spec_buckets(loaded: Loaded) -> Mapping[str, Any]:
    return loaded.spec.buckets


def build_program(workspace: Workspace, loaded: Loaded) -> Program:
    """The program of a file.

    Raises:
        OutsideError: the project cannot be read.
        RefusedError: an environment variable that the file names is not set.
    """
    context = _context(workspace, loaded)
    declared = _declare(loaded, context)
    adopted = _adopted(workspace, loaded, declared)
    if adopted:
        context = replace(context, adopted=adopted)
        declared = _declare(loaded, context)

    def run(preparations: Sequence[Preparation] = ()) -> None:
        from importlib.metadata import version

        from envctl.stacks.register import register

        register(declared, context.secrets, version("pulumi-gcp"), preparations)

    return Program(
        loaded=loaded,
        declared=declared,
        run=run,
        prepared_by=lambda preparations: partial(run, preparations),
        digest=hashlib.sha256(repr(declared).encode()).hexdigest(),
        project_number=context.project_number,
    )


def _declare(loaded: Loaded, context: ProgramContext) -> StackProgram:
    if isinstance(loaded.spec, Environment):
        return environment_declarations(loaded, context)
    return foundation_declarations(loaded, context)


def _adopted(workspace: Workspace, loaded: Loaded, declared: StackProgram) -> dict[str, str]:
    """What an earlier stack left in the cloud under the names that this one declares, and the state does not hold.

    Google keeps key rings and keys for good, envctl keeps buckets: a create would fail on them.
    """
    candidates = adoptable(declared)
    if not candidates:
        return {}
    engine = workspace.engine(loaded.name)
    known: set[str] = set()
    if engine.serial():
        known = {name_of(row["urn"]) for row in engine.export_state()["deployment"].get("resources") or []}
    provider = workspace.provider(loaded.name)
    context = CallContext(note=lambda _operation, _state, _elapsed: None, cancel=threading.Event())
    found: dict[str, str] = {}
    for name, identifier in candidates.items():
        if name in known:
            continue
        try:
            live = provider.read("", declared.resource(name).type, identifier, {}, {}, context)
        except ProviderError:
            continue  # its API is still off, or nobody may look: then the create itself says what is wrong
        if live is not None:
            found[name] = identifier
    return found


def _context(workspace: Workspace, loaded: Loaded) -> ProgramContext:
    spec = loaded.spec
    host = spec.network.host_project if isinstance(spec, Environment) else None
    context = ProgramContext(
        project_number=project_number(workspace, spec.project),
        envctl_version=__version__,
        commit=_last_commit(workspace, loaded),
        host_project_number=project_number(workspace, host) if host else None,
        provider=_provider_arguments(workspace.cloud),
        adopted={},
        foundation_outputs=_foundation_outputs(workspace, loaded),
        secrets=given_secrets(loaded),
        project_id=workspace.project.id,
    )
    return replace(context, shared_bindings=shared_bindings(loaded, context, _siblings(workspace, loaded)))


def project_number(workspace: Workspace, project: str) -> str:
    """The number of a Google project.

    Raises:
        OutsideError: there is no such project, or the caller may not see it.
    """
    answer = workspace.cloud.transport().call("GET", "crm/v1", f"projects/{project}")
    if answer.status == _DONE:
        return str(answer.body["projectNumber"])
    message = ((answer.body or {}).get("error") or {}).get("message", "")
    hints = ("the caller needs resourcemanager.projects.get (roles/browser)",)
    raise OutsideError(
        f"The project {project} cannot be read",
        detail=f"{answer.status}: {message}",
        hints=hints if answer.status in {_FORBIDDEN, _NOT_FOUND} else (),
        code="project-unreadable",
    )


def _provider_arguments(cloud: Cloud) -> ProviderArguments:
    """What the provider is told besides project and region: the same caller and addresses as envctl's own clients."""
    caller = cloud.caller
    return ProviderArguments(
        impersonate_service_account=caller.impersonate,
        user_project_override=caller.user_project_override,
        billing_project=caller.billing_project,
        endpoints=custom_endpoints(),
    )


def _last_commit(workspace: Workspace, loaded: Loaded) -> str | None:
    """The last commit that touched this environment's files; None outside a repository."""
    files = {str(span.file) for span in loaded.origins.values()}
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(workspace.root), "log", "-1", "--format=%h", "--abbrev=12", "--", *sorted(files)],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def absent_foundation(workspace: Workspace, loaded: Loaded) -> str | None:
    """The foundation that a file builds on and whose stack holds nothing; None when all is well."""
    if loaded.foundation is None or workspace.engine(loaded.foundation.name).serial():
        return None
    return loaded.foundation.name


def _foundation_outputs(workspace: Workspace, loaded: Loaded) -> Mapping[str, Any] | None:
    if loaded.foundation is None:
        return None
    engine = workspace.engine(loaded.foundation.name)
    return engine.outputs() if engine.serial() else None


def given_secrets(loaded: Loaded) -> dict[str, str]:
    """Values of the environment variables that a file names, as far as they are set."""
    spec = loaded.spec
    if not isinstance(spec, Environment):
        return {}
    names = {v.env for secret in spec.user_workloads.secrets.values() for v in secret.data.values()}
    return {name: os.environ[name] for name in names if name in os.environ}


def _siblings(workspace: Workspace, loaded: Loaded) -> list[Loaded]:
    """The other files of the same Google project; those that cannot be read declare nothing that is applied."""
    from envctl.spec.loader import load_sound

    others = load_sound(workspace.project)
    return [other for other in others if other.name != loaded.name and other.spec.project == loaded.spec.project]
