"""What of a program is in the cloud already, under which ids, and where it differs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from envctl.actions.program import Program, given_secrets
from envctl.errors import OutsideError
from envctl.google.names import environment_name
from envctl.google.pauses import RealSleeper
from envctl.ownership.looking import ReadingOnce, differences, look
from envctl.plan.hiding import learn_literals
from envctl.provider.protocol import CallContext, Live, ProviderError
from envctl.provider.spec import Settings
from envctl.provider.translator import SandboxProvider

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace

ENVIRONMENT_TYPE = "gcp:composer/environment:Environment"
ASKED_AGAIN = frozenset({"gcp:projects/serviceIdentity:ServiceIdentity"})
"""Google's agents cannot be imported; asking for one that exists changes nothing."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which environment to take over, and under which file name."""

    stem: str
    project: str
    region: str
    name: str


@dataclass(slots=True)
class Compared:
    """The cloud, as far as a program declares it, and where it differs; all by logical name.

    Attributes:
        ids: import ids of what is there.
        live: what is there.
        absent: what is not there, or cannot be read, with the reason.
        differing: the properties in which the cloud differs.
    """

    ids: Mapping[str, str]
    live: Mapping[str, Live]
    absent: Mapping[str, str]
    differing: Mapping[str, tuple[str, ...]]


def live_environment(workspace: Workspace, wanted: Wanted) -> Live:
    """The environment as the provider reads it.

    Raises:
        OutsideError: it cannot be read, or is not there.
    """
    provider = SandboxProvider(
        workspace.cloud.transport(), Settings(project=wanted.project, region=wanted.region), RealSleeper()
    )
    name = environment_name(wanted.project, wanted.region, wanted.name)
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


def look_at_cloud(workspace: Workspace, program: Program) -> Compared:
    """What of a program is there, and where it differs."""
    provider = workspace.provider(program.loaded.name)
    declared, secrets = program.declared, given_secrets(program.loaded)
    names = {resource.name for resource in declared.resources if resource.type not in ASKED_AGAIN}
    reading = replace(provider, transport=ReadingOnce(provider.transport))
    found = look(declared, names, reading, secrets, shared=True)
    differing: dict[str, tuple[str, ...]] = {}
    for name, live in found.live.items():
        learn_literals(live.inputs)
        paths = differences(provider, declared.resource(name), live, found.live, secrets)
        if paths:
            differing[name] = paths
    absent = dict.fromkeys(found.absent, "it is not there")
    absent |= {name: f"it cannot be read: {error}" for name, error in found.unread.items()}
    in_order = [resource.name for resource in declared.resources]
    return Compared(
        ids={name: found.ids[name] for name in in_order if name in found.ids},
        live=found.live,
        absent={name: absent[name] for name in in_order if name in absent},
        differing=differing,
    )
