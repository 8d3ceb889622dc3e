"""The one place that hands declarations to the Pulumi SDK.

Resources are declared by type token: the SDK's generated classes would cost 2.5 seconds of import for anything of
`compute` alone and add nothing that the engine sees. A test compares tokens and property names with those classes.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from envctl.errors import RefusedError
from envctl.stacks.declaration import CallerSecret, Input, Ref, Resource, StackProgram, needed_outputs
from envctl.stacks.preparation import Preparation

PROVIDER = "google"
"""Logical name of the explicit provider resource."""


def register(
    program: StackProgram,
    secrets: Mapping[str, str],
    provider_version: str,
    preparations: Sequence[Preparation] = (),
) -> None:
    """Registers every resource of a program with the engine that runs it.

    Args:
        program: what to declare.
        secrets: values of the environment variables that the declarations name.
        provider_version: of the Google Cloud provider plugin.
        preparations: what to do in between; a preview leaves it out.

    Raises:
        RefusedError: a named environment variable has no value.
    """
    _Registration(program, secrets, provider_version, preparations).run()


class _Registration:
    def __init__(
        self,
        program: StackProgram,
        secrets: Mapping[str, str],
        provider_version: str,
        preparations: Sequence[Preparation],
    ) -> None:
        self.program = program
        self.secrets = secrets
        self.provider_version = provider_version
        self.preparations = () if pulumi.runtime.is_dry_run() else preparations
        self.prepared: dict[int, pulumi.Output[None]] = {}
        self.outputs = needed_outputs(program)
        # Two name spaces: a component and the resource it is named after may share a name.
        self.components: dict[str, pulumi.ComponentResource] = {}
        self.resources: dict[str, pulumi.Resource] = {}

    def run(self) -> None:
        provider = pulumi.ProviderResource(
            "gcp",
            PROVIDER,
            {name: _provider_input(value) for name, value in self.program.provider.items()},
            pulumi.ResourceOptions(version=self.provider_version),
        )
        for component in self.program.components:
            self.components[component.name] = pulumi.ComponentResource(component.type, component.name)
        for resource in self.program.resources:
            self.resources[resource.name] = self.register(resource, provider)
        for component in self.program.components:
            self.components[component.name].register_outputs({})
        for name, value in self.program.exports.items():
            pulumi.export(name, self.resolve(value))

    def register(self, resource: Resource, provider: pulumi.ProviderResource) -> pulumi.Resource:
        inputs: dict[str, Any] = {name: self.resolve(value) for name, value in resource.inputs.items()}
        # The SDK keeps the outputs that it knows by name: an input without value announces one.
        outputs = self.outputs.get(resource.name, frozenset())
        announced = dict.fromkeys(sorted(outputs - inputs.keys() - {"id", "urn"}))
        options = self.options(resource, provider)
        return pulumi.CustomResource(resource.type, resource.name, {**inputs, **announced}, options)

    def options(self, resource: Resource, provider: pulumi.ProviderResource) -> pulumi.ResourceOptions:
        options, timeouts = resource.options, resource.options.timeouts
        return pulumi.ResourceOptions(
            parent=self.components[resource.parent],
            provider=provider,
            depends_on=[*(self.resources[name] for name in options.depends_on), *self.preparing(resource.name)],
            protect=options.protect or None,
            retain_on_delete=options.retain_on_delete or None,
            delete_before_replace=options.delete_before_replace or None,
            ignore_changes=list(options.ignore_changes) or None,
            import_=options.import_id,
            aliases=[pulumi.Alias(name=name) for name in options.aliases] or None,
            custom_timeouts=None
            if timeouts is None
            else pulumi.CustomTimeouts(
                create=_minutes(timeouts.create), update=_minutes(timeouts.update), delete=_minutes(timeouts.delete)
            ),
        )

    def preparing(self, name: str) -> list[Any]:
        """Outputs without a value, to be waited for: what must be done before the resource begins.

        Waiting happens in the program, so the order holds on every engine; an engine's events come too late for it.
        """
        waiting: list[Any] = []
        for index, preparation in enumerate(self.preparations):
            if name in preparation.before:
                if index not in self.prepared:
                    self.prepared[index] = self.prepare(preparation)
                waiting.append(self.prepared[index])
        return waiting

    def prepare(self, preparation: Preparation) -> pulumi.Output[None]:
        async def act(_: object) -> None:
            for warning in await asyncio.to_thread(lambda: tuple(preparation.act())):
                pulumi.log.warn(warning)

        return pulumi.Output.all(*(self.resources[name].urn for name in preparation.after)).apply(act)

    def resolve(self, value: Input) -> Any:
        """The value as the SDK takes it: references become outputs."""
        if isinstance(value, Ref):
            return self.output(value)
        if isinstance(value, CallerSecret):
            return pulumi.Output.secret(self.secret(value))
        if isinstance(value, Mapping):
            return {key: self.resolve(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.resolve(item) for item in value]
        return value

    def output(self, ref: Ref) -> pulumi.Output[Any]:
        output: pulumi.Output[Any] = getattr(self.resources[ref.resource], ref.top)
        keys = ref.output.split(".")[1:]
        return output.apply(lambda value: _inside(value, keys)) if keys else output

    def secret(self, wanted: CallerSecret) -> str:
        value = self.secrets.get(wanted.variable)
        if value is None:
            raise RefusedError(
                f"The environment variable {wanted.variable} is not set",
                detail="A workload secret takes its value from it.",
                hints=(f"set it and run the command again:\n\n    export {wanted.variable}=...",),
                code="secret-variable-missing",
            )
        return base64.b64encode(value.encode()).decode() if wanted.base64 else value


def _inside(value: Any, keys: list[str]) -> Any:
    """The value below `keys`; None where the provider has not filled it."""
    for key in keys:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def _minutes(count: int | None) -> str | None:
    return None if count is None else f"{count}m"


def _provider_input(value: Input) -> Input:
    """Provider inputs travel as texts: anything else is JSON inside a text."""
    return value if isinstance(value, str) else json.dumps(value)
