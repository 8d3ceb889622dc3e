"""What of a program is in the cloud already, under which ids, and where it differs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from envctl.actions.program import Program, given_secrets
from envctl.errors import OutsideError
from envctl.plan.hiding import learn_literals
from envctl.plan.values import Opaque
from envctl.provider.protocol import CallContext, Live, ProviderError
from envctl.provider.session import RealSleeper
from envctl.provider.spec import Settings
from envctl.provider.translator import SandboxProvider
from envctl.stacks.adoption import import_id, output_at
from envctl.stacks.declaration import CallerSecret, Input, Ref, Resource, StackProgram

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace

ENVIRONMENT_TYPE = "gcp:composer/environment:Environment"
ASKED_AGAIN = frozenset({"gcp:projects/serviceIdentity:ServiceIdentity"})
"""Google's agents cannot be imported; asking for one that exists changes nothing."""
_LOCATED = frozenset({"gcp:monitoring/alertPolicy:AlertPolicy"})
"""Types whose ids the cloud makes up: they are found by what they say."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which environment to take over, and under which file name."""

    stem: str
    project: str
    region: str
    name: str


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


def live_environment(workspace: Workspace, wanted: Wanted) -> Live:
    """The environment as the provider reads it.

    Raises:
        OutsideError: it cannot be read, or is not there.
    """
    provider = SandboxProvider(
        workspace.cloud.transport(), Settings(project=wanted.project, region=wanted.region), RealSleeper()
    )
    name = f"projects/{wanted.project}/locations/{wanted.region}/environments/{wanted.name}"
    try:
        live = provider.read("", ENVIRONMENT_TYPE, name, {}, {}, _call())
    except ProviderError as error:
        raise OutsideError(
            "The environment cannot be read", detail=f"{name}: {error}", code="import-unreadable"
        ) from error
    if live is not None:
        learn_literals(live.inputs)
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
        if resource.type in ASKED_AGAIN:
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
        learn_literals(live.inputs)
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
