"""A loaded file as a program that an engine can run, with the facts that the program needs."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from envctl import __version__
from envctl.actions.claiming import Standings, find_standings
from envctl.actions.clouds import Cloud, custom_endpoints
from envctl.diagnostics import SourceSpan
from envctl.engine.urns import name_of
from envctl.errors import OutsideError
from envctl.google.names import environment_name
from envctl.google.refusals import read_refusal
from envctl.masking import learn
from envctl.ownership.members import found_before
from envctl.plan.model import Action, Change, Kept, Plan
from envctl.spec.loader import load_sound
from envctl.spec.model import Environment
from envctl.stacks import (
    ProgramContext,
    ProviderArguments,
    StackProgram,
    environment_declarations,
    foundation_declarations,
)
from envctl.stacks.context import BindingTarget
from envctl.stacks.declaration import SpecPath
from envctl.stacks.memberships import declared_targets
from envctl.stacks.preparation import Preparation
from envctl.stacks.provenance import spec_path

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace
    from envctl.spec.loader import Loaded

_NOT_FOUND = 404
_FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Program:
    """What one stack declares, ready to run.

    `declared` is the program as data, `run` registers it with the engine that calls it, `prepared_by` gives the same
    with something to do in between, `digest` is SHA-256 over the declarations, `project_number` names the agents of
    the file's project. `standings` tell what it would create and is there already. `marked` are the memberships that
    go on being declared as imported.
    """

    loaded: Loaded
    declared: StackProgram
    run: Callable[[], None]
    prepared_by: Callable[[Sequence[Preparation]], Callable[[], None]]
    digest: str
    project_number: str
    standings: Standings = field(default_factory=Standings)
    marked: frozenset[str] = frozenset()

    @property
    def environment_name(self) -> str:
        """Full name of the Composer environment."""
        spec = self.loaded.spec
        return environment_name(spec.project, spec.region, spec.name or self.loaded.name)

    def source_of(self, urn: str, path: str) -> SourceSpan | None:
        """The place in the file that a resource, or a property of it, comes from."""
        return self._nearest(spec_path(self.declared, name_of(urn), path))

    def place_of(self, name: str) -> SourceSpan | None:
        """The place in the file that asks for a resource, by its logical name."""
        return self._nearest(spec_path(self.declared, name))

    def _nearest(self, path: SpecPath | None) -> SourceSpan | None:
        """The place of a path, or of the block that holds it."""
        while path:
            if path in self.loaded.origins:
                return self.loaded.origins[path]
            path = path[:-1]
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
        from envctl.report.plan_text import describe_kept

        left: dict[tuple[str, Kept | None], list[str]] = {}
        for change in plan.changes:
            if change.action is Action.FORGET:
                left.setdefault((change.type.rsplit(":", 1)[-1], change.kept), []).append(change.name)
        kept: list[str] = []
        for (kind, why), names in left.items():
            reason = "shared by the project, or kept by the file" if why is None else describe_kept(why)
            kept.append(f"{kind} {', '.join(names)}: {reason}")
            if why is not None and why.command:
                kept.append(f"  whoever wants it gone: {why.command}")
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


def build_program(
    workspace: Workspace, loaded: Loaded, *, looking: bool = False, unmarked: Collection[str] = ()
) -> Program:
    """The program of a file.

    With `looking`, everything that it would create is looked up first, and what is this stack's enters the state.
    `unmarked` are memberships that are not declared as imported though they are: an imported resource that is to be
    replaced must not say so any more.

    Raises:
        OutsideError: the project cannot be read.
        RefusedError: an environment variable that the file names is not set.
    """
    context = _context(workspace, loaded)
    declared = _declare(loaded, context)
    state = _state(workspace, loaded)
    rows = (state.get("deployment") or {}).get("resources") or []
    marks = {name: id_ for name, id_ in found_before(declared, rows).items() if name not in unmarked}
    standings = find_standings(workspace, loaded, declared, context.secrets, state) if looking else Standings()
    if adopted := {**marks, **standings.import_ids}:
        context = replace(context, adopted=adopted, left_as_found=standings.differing)
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
        standings=standings,
        marked=frozenset(marks),
    )


def _declare(loaded: Loaded, context: ProgramContext) -> StackProgram:
    if isinstance(loaded.spec, Environment):
        return environment_declarations(loaded, context)
    return foundation_declarations(loaded, context)


def _state(workspace: Workspace, loaded: Loaded) -> Mapping[str, Any]:
    """The stack's exported state; empty when it has none."""
    engine = workspace.engine(loaded.name)
    return engine.export_state() if engine.serial() else {}


def declared_elsewhere(workspace: Workspace, loaded: Loaded, number: str) -> dict[str, frozenset[BindingTarget]]:
    """The memberships that the other files of the project declare, by the files' names.

    `number` is of the file's own Google project; agents of Google's in other projects are not told rightly: nobody takes
    their roles away.
    """
    context = ProgramContext(number, __version__, host_project_number=number)
    return {
        other.name: frozenset(declared_targets(_declare(other, context)).values())
        for other in load_sound(workspace.project)
        if other.name != loaded.name
    }


def _context(workspace: Workspace, loaded: Loaded) -> ProgramContext:
    spec = loaded.spec
    host = spec.network.host_project if isinstance(spec, Environment) else None
    return ProgramContext(
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


def project_number(workspace: Workspace, project: str) -> str:
    """The number of a Google project.

    Raises:
        OutsideError: there is no such project, or the caller may not see it.
    """
    answer = workspace.cloud.transport().call("GET", "crm/v1", f"projects/{project}")
    refusal = read_refusal(answer)
    if refusal is None:
        return str(answer.body["projectNumber"])
    hints = ("the caller needs resourcemanager.projects.get (roles/browser)",)
    raise OutsideError(
        f"The project {project} cannot be read",
        detail=refusal.described,
        hints=hints if refusal.code in {_FORBIDDEN, _NOT_FOUND} else (),
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
    """Values of the environment variables that a file names, as far as they are set; no text shows them from here on."""
    spec = loaded.spec
    if not isinstance(spec, Environment):
        return {}
    names = {v.env for secret in spec.user_workloads.secrets.values() for v in secret.data.values()}
    found = {name: os.environ[name] for name in names if name in os.environ}
    learn(found)
    return found
