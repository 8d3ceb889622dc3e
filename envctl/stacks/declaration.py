"""A program as data: the resources it declares, before any of them is registered.

Every module of this room returns these values; `envctl.stacks.register` alone hands them to the Pulumi SDK. So a
program can be tested, compared and written out again without an engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

SpecPath = tuple[str | int, ...]
"""Where a value stands in the environment file: keys as written (camelCase) and list positions."""

Input = Any
"""A JSON value that may hold a `Ref` or a `CallerSecret` anywhere inside."""


@dataclass(frozen=True, slots=True)
class Ref:
    """An output of a declared resource: `output` is a property path such as `email` or `config.airflowUri`."""

    resource: str
    output: str = "id"

    @property
    def top(self) -> str:
        """Name of the top-level output that holds the value."""
        return self.output.split(".", 1)[0]


@dataclass(frozen=True, slots=True)
class CallerSecret:
    """The value of an environment variable of the process that runs envctl; never part of a declaration.

    `base64` asks for the value in base64, as Kubernetes secrets want it.
    """

    variable: str
    base64: bool = False


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Minutes that the provider may wait; None leaves the provider's own limit."""

    create: int | None = None
    update: int | None = None
    delete: int | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """Pulumi's resource options, as far as the programs use them; `depends_on` and `aliases` hold logical names."""

    depends_on: tuple[str, ...] = ()
    protect: bool = False
    retain_on_delete: bool = False
    delete_before_replace: bool = False
    ignore_changes: tuple[str, ...] = ()
    import_id: str | None = None
    aliases: tuple[str, ...] = ()
    """What the resource was called before, in states of an earlier file."""
    timeouts: Timeouts | None = None


@dataclass(frozen=True, slots=True)
class Component:
    """A node of the tree that holds other resources and is nothing in the cloud."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource: Pulumi type token, logical name (unique in its stack), inputs by camelCase name.

    `origin` is the spec path that asks for it; `fields` maps property paths of the inputs to the spec path each
    comes from, for those that come from a path of their own.
    """

    name: str
    type: str
    parent: str
    inputs: Mapping[str, Input]
    origin: SpecPath
    fields: Mapping[str, SpecPath] = field(default_factory=dict)
    options: Options = Options()

    @property
    def names(self) -> tuple[str, ...]:
        """What the resource may be called in a state: its logical name, and those that it had."""
        return (self.name, *self.options.aliases)


@dataclass(frozen=True, slots=True)
class StackProgram:
    """Everything one stack declares, parents and referenced resources first."""

    provider: Mapping[str, Input]
    components: tuple[Component, ...]
    resources: tuple[Resource, ...]
    exports: Mapping[str, Input]

    def resource(self, name: str) -> Resource:
        """The resource of that logical name; `KeyError` when there is none."""
        for resource in self.resources:
            if resource.name == name:
                return resource
        raise KeyError(name)


def references(value: Input) -> Iterator[Ref]:
    """Every reference inside a value, in order of appearance."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from references(item)


def needed_outputs(program: StackProgram) -> dict[str, frozenset[str]]:
    """Top-level outputs that references ask of each resource, by logical name."""
    found: dict[str, set[str]] = {}
    for value in (*(resource.inputs for resource in program.resources), program.exports):
        for ref in references(value):
            found.setdefault(ref.resource, set()).add(ref.top)
    return {name: frozenset(outputs) for name, outputs in found.items()}
