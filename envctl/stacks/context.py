"""What a program must know besides the file: who the caller is to the cloud, and what exists already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ProviderArguments:
    """Explicit arguments of the Google Cloud provider; project and region come from the spec.

    `endpoints` maps provider argument names (`composerCustomEndpoint`) to addresses; empty for Google itself.
    """

    impersonate_service_account: str | None = None
    user_project_override: bool = False
    billing_project: str | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BindingTarget:
    """One membership of an allow policy: two stacks that declare the same one share it."""

    resource: str
    role: str
    member: str
    condition: str = ""


@dataclass(frozen=True, slots=True)
class ProgramContext:
    """Facts that the caller finds out before a program runs.

    `project_number` (and `host_project_number` for a Shared VPC) name Google's service agents. `commit` is the
    last Git commit that touched the files of this environment, not the one checked out: labels must not change
    when nothing else does. `adopted` maps logical names to import ids of objects that exist and are to be taken
    over (`envctl.stacks.adoption` says which can be), `left_as_found` maps some of them to the inputs in which they
    differ: those are taken as they are. `foundation_outputs` are the exports of the foundation's
    stack, if it was applied. `secrets` holds values of environment variables that the spec names.
    `project_id` is the `id` of `envctl.yaml`, which marks what the stack makes as its own; None while the project has
    none.
    """

    project_number: str
    envctl_version: str
    commit: str | None = None
    host_project_number: str | None = None
    provider: ProviderArguments = ProviderArguments()
    adopted: Mapping[str, str] = field(default_factory=dict)
    left_as_found: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    foundation_outputs: Mapping[str, Any] | None = None
    secrets: Mapping[str, str] = field(default_factory=dict)
    project_id: str | None = None
