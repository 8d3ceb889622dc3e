"""A program as Python source that needs nothing but Pulumi: what `envctl eject` writes into `__main__.py`.

Types are named by their tokens, as envctl's own programs name them: same URNs, same inputs, so a state goes from one
to the other unchanged. The text depends on the program alone and is the same on every run.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from envctl.stacks.declaration import (
    CallerSecret,
    Input,
    Options,
    Ref,
    Resource,
    StackProgram,
    Timeouts,
    needed_outputs,
    references,
)

_WIDTH = 100
_ENOUGH = 3
"""From how many on alike resources are a table."""
_TAKEN = frozenset({"base64", "config", "google", "group", "inside", "made", "pulumi", "resource", "secret"})

_HEAD = '''\
"""{title}: a plain Pulumi program. Written once by `envctl eject`; yours from here on."""

from __future__ import annotations
{imports}
import pulumi

PROJECT = {project}
REGION = {region}

google = pulumi.ProviderResource(
    "gcp",
    "google",
    {provider},
    pulumi.ResourceOptions(version={version}),
)
made: list[pulumi.Resource] = []  # so far, in order


def group(name, kind):
    """A node of the tree; nothing in the cloud."""
    return pulumi.ComponentResource(kind, name)


def resource(kind, name, parent, inputs, outputs=(), **options):
    """One resource. `outputs` are those that others refer to and that are no inputs."""
    given = {{**inputs, **dict.fromkeys(outputs)}}
    found = pulumi.CustomResource(
        kind, name, given, pulumi.ResourceOptions(parent=parent, provider=google, **options)
    )
    made.append(found)
    return found
'''

_WITH_INSIDE = '''

def inside(output, *keys):
    """A value below an output; None where the cloud has not filled it."""

    def look(value):
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    return output.apply(look)
'''

_WITH_SECRETS = '''

def secret(name, encoded):
    """A value of the stack's settings (`pulumi config set --secret NAME`), in base64 where Kubernetes wants it."""
    value = pulumi.Config().require_secret(name)
    return value.apply(lambda text: base64.b64encode(text.encode()).decode()) if encoded else value
'''


@dataclass(frozen=True, slots=True)
class Code:
    """A piece of source among values."""

    text: str


@dataclass(frozen=True, slots=True)
class _Run:
    """Resources one after the other that are alike, written as one statement with a table when there are several.

    `before` are the logical names of all that the program declared ahead of the first one.
    """

    members: tuple[Resource, ...]
    before: tuple[str, ...]

    @property
    def first(self) -> Resource:
        return self.members[0]

    def varying(self) -> list[str]:
        """Inputs in which the members differ."""
        return [k for k, value in self.first.inputs.items() if any(m.inputs[k] != value for m in self.members)]

    def waits_differ(self) -> bool:
        return len({member.options.depends_on for member in self.members}) > 1


def _runs(program: StackProgram) -> list[_Run]:
    found: list[_Run] = []
    outputs = needed_outputs(program)
    declared: list[str] = []

    def shape(resource: Resource) -> tuple[Any, ...]:
        options = replace(resource.options, depends_on=())
        wanted = outputs.get(resource.name, frozenset()) - resource.inputs.keys() - {"id", "urn"}
        return (resource.parent, resource.type, tuple(resource.inputs), options, wanted)

    for _, group in groupby(program.resources, key=shape):
        members = tuple(group)
        everything = any(len(m.options.depends_on) > 1 and set(m.options.depends_on) == set(declared) for m in members)
        inside = {member.name for member in members}
        tangled = any(inside & set(m.options.depends_on) for m in members) or any(
            ref.resource in inside for m in members for ref in references(m.inputs)
        )
        if len(members) < _ENOUGH or everything or tangled:
            for member in members:
                found.append(_Run((member,), tuple(declared)))
                declared.append(member.name)
        else:
            found.append(_Run(members, tuple(declared)))
            declared += [member.name for member in members]
    return found


@dataclass(slots=True)
class _Writer:
    program: StackProgram
    names: dict[str, str] = field(default_factory=dict[str, str])
    tables: dict[str, str] = field(default_factory=dict[str, str])
    runs: list[_Run] = field(default_factory=list[_Run])

    def __post_init__(self) -> None:
        used = set(_TAKEN)
        self.runs = _runs(self.program)
        for component in self.program.components:
            self.names[f"group {component.name}"] = _free(f"{_slug(component.name)}_group", used)
        for run in self.runs:
            if len(run.members) == 1:
                self.names[run.first.name] = _free(_slug(run.first.name), used)
                continue
            module, _, kind = run.first.type.split(":")[1].partition("/")
            table = _free(_slug(f"{module}_{_snake(kind[:1].upper() + kind[1:])}"), used)
            for member in run.members:
                self.names[member.name] = f"{table}[{_text(member.name)}]"
                self.tables[member.name] = table

    def resources(self) -> Iterator[str]:
        """One statement per resource, or per run of those that are alike, with a heading where a group begins."""
        wanted = self.referred_to()
        heading = ""
        for run in self.runs:
            if run.first.parent != heading:
                heading = run.first.parent
                yield f"\n# {heading.replace('-', ' ')}\n"
            if len(run.members) > 1:
                yield self.table(run, wanted)
                continue
            target = f"{self.names[run.first.name]} = " if run.first.name in wanted else ""
            given = self.value(run.first.inputs)
            yield _call(f"{target}resource", self.arguments(run.first, run.before, _text(run.first.name), given))

    def arguments(
        self, resource: Resource, before: tuple[str, ...], name: str, inputs: Any, waits: str | None = None
    ) -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = [
            ("", resource.type),
            ("", Code(name)),
            ("", Code(self.names[f"group {resource.parent}"])),
            ("", inputs),
        ]
        outputs = needed_outputs(self.program).get(resource.name, frozenset())
        if announced := sorted(outputs - resource.inputs.keys() - {"id", "urn"}):
            found.append(("outputs", announced))
        for option, value in self.options(resource, before):
            found.append((option, Code(waits) if option == "depends_on" and waits else value))
        if waits and not resource.options.depends_on:
            found.append(("depends_on", Code(waits)))
        return found

    def table(self, run: _Run, wanted: set[str]) -> str:
        """Alike resources as a loop over a table; a dictionary by logical name when others refer to them."""
        columns = {key: self.column(_snake(key)) for key in run.varying()}
        key = self.column("logical")
        waits = self.column("waits") if run.waits_differ() else None
        variables = [key, *columns.values(), *([waits] if waits else [])]
        inputs = {
            name: Code(columns[name]) if name in columns else self.value(value)
            for name, value in run.first.inputs.items()
        }
        body = _call("resource", self.arguments(run.first, run.before, key, inputs, waits))
        rows: list[str] = []
        for member in run.members:
            values = [_text(member.name), *(_line(self.value(member.inputs[name])) for name in columns)]
            if waits:
                values.append(_line([Code(self.names[name]) for name in member.options.depends_on]))
            short = f"({', '.join(values)})," if len(values) > 1 else f"{values[0]},"
            fits = len(short) + 8 <= _WIDTH or len(values) == 1
            rows += [short] if fits else ["(", *(f"    {value}," for value in values), "),"]
        head = f"for {', '.join(variables)} in ("
        if any(member.name in wanted for member in run.members):
            lines = [f"{self.tables[run.first.name]} = {{", *_shifted(f"{key}: {body}", 1), f"    {head}"]
            return "\n".join([*lines, *(f"        {row}" for row in rows), "    )", "}"])
        return "\n".join([head, *(f"    {row}" for row in rows), "):", *_shifted(body, 1)])

    def column(self, name: str) -> str:
        """A loop variable that hides nothing of the program."""
        taken = name in _TAKEN or name in {*self.names.values(), *self.tables.values()} or keyword.iskeyword(name)
        return f"{name}_" if taken else name

    def referred_to(self) -> set[str]:
        """Resources that need a variable."""
        found = {ref.resource for value in self.program.exports.values() for ref in references(value)}
        before: list[str] = []
        for resource in self.program.resources:
            found |= {ref.resource for ref in references(resource.inputs)}
            waits = set(resource.options.depends_on)
            if len(waits) <= 1 or waits != set(before):
                found |= waits
            before.append(resource.name)
        return found

    def options(self, resource: Resource, before: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        options: Options = resource.options
        if options.depends_on:
            waits = [Code(self.names[name]) for name in options.depends_on]
            everything = len(waits) > 1 and set(options.depends_on) == set(before)
            yield "depends_on", Code("list(made)") if everything else waits
        for name in ("protect", "retain_on_delete", "delete_before_replace"):
            if getattr(options, name):
                yield name, True
        if options.ignore_changes:
            yield "ignore_changes", list(options.ignore_changes)
        if options.aliases:
            yield "aliases", [Code(f"pulumi.Alias(name={_text(name)})") for name in options.aliases]
        if options.timeouts is not None:
            yield "custom_timeouts", Code(_timeouts(options.timeouts))

    def value(self, value: Input) -> Any:
        """The value with references and secrets as source."""
        match value:
            case Ref():
                variable, keys = self.names[value.resource], value.output.split(".")[1:]
                output = f"{variable}.{value.top}"
                return Code(f"inside({output}, {', '.join(map(_text, keys))})" if keys else output)
            case CallerSecret():
                return Code(f"secret({_text(value.variable)}, {value.base64})")
            case str() if value == self.program.provider["project"]:
                return Code("PROJECT")
            case str() if value == self.program.provider["region"]:
                return Code("REGION")
            case Mapping():
                return {key: self.value(item) for key, item in value.items()}
            case list() | tuple():
                return [self.value(item) for item in value]
            case _:
                return value


def program_source(program: StackProgram, title: str, provider_version: str) -> str:
    """The source of a program's `__main__.py`.

    Args:
        program: what it declares.
        title: for its first line.
        provider_version: of the Google Cloud provider plugin.
    """
    writer = _Writer(program)
    body = [*writer.resources()]
    exports = [f"pulumi.export({_text(name)}, {_python(writer.value(v), 0)})" for name, v in program.exports.items()]
    statements = "\n".join(body) + "\n\n# exports\n\n" + "\n".join(exports) + "\n"
    secrets = "secret(" in statements
    parts = [
        _HEAD.format(
            title=title,
            imports="\nimport base64\n" if secrets else "",
            project=_text(program.provider["project"]),
            region=_text(program.provider["region"]),
            provider=_python({key: _provider(writer.value(item)) for key, item in program.provider.items()}, 1),
            version=_text(provider_version),
        ),
        _WITH_INSIDE if "inside(" in statements else "",
        _WITH_SECRETS if secrets else "",
        "\n\n",
        "\n".join(
            f"{writer.names[f'group {each.name}']} = group({_text(each.name)}, {_text(each.type)})"
            for each in program.components
        ),
        "\n",
        statements,
    ]
    return "".join(parts)


def caller_secrets(program: StackProgram) -> tuple[str, ...]:
    """Names of the values that the stack's settings must hold as secrets, sorted."""

    def inside(value: Input) -> Iterator[str]:
        if isinstance(value, CallerSecret):
            yield value.variable
        elif isinstance(value, Mapping):
            for item in value.values():
                yield from inside(item)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from inside(item)

    return tuple(sorted({name for resource in program.resources for name in inside(resource.inputs)}))


def _provider(value: Any) -> Any:
    """Provider inputs travel as texts."""
    return value if isinstance(value, str | Code) else json.dumps(value)


def _timeouts(timeouts: Timeouts) -> str:
    given = {"create": timeouts.create, "update": timeouts.update, "delete": timeouts.delete}
    inner = ", ".join(f'{name}="{minutes}m"' for name, minutes in given.items() if minutes is not None)
    return f"pulumi.CustomTimeouts({inner})"


def _call(start: str, arguments: Iterable[tuple[str, Any]]) -> str:
    written = [(f"{name}=" if name else "", value) for name, value in arguments]
    short = f"{start}({', '.join(name + _python(value, 0) for name, value in written)})"
    if len(short) <= _WIDTH and "\n" not in short:
        return short
    lines = [f"    {name}{_python(value, 1, len(name) + 1)}," for name, value in written]
    return "\n".join([f"{start}(", *lines, ")"])


def _python(value: Any, depth: int, taken: int = 0) -> str:
    """A value as source, on one line where it fits."""
    short = _line(value)
    indent = "    " * depth
    if len(indent) + taken + len(short) <= _WIDTH or not isinstance(value, Mapping | list) or not value:
        return short
    inner = "    " * (depth + 1)
    if isinstance(value, Mapping):
        rows = [f"{inner}{_text(key)}: {_python(item, depth + 1, len(key) + 5)}," for key, item in value.items()]
        return "\n".join(["{", *rows, f"{indent}}}"])
    rows = [f"{inner}{_python(item, depth + 1, 1)}," for item in value]
    return "\n".join(["[", *rows, f"{indent}]"])


def _line(value: Any) -> str:
    match value:
        case Code():
            return value.text
        case Mapping():
            return "{" + ", ".join(f"{_text(key)}: {_line(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(_line(item) for item in value) + "]"
        case str():
            return _text(value)
        case _:
            return repr(value)


def _text(text: str) -> str:
    """A text in double quotes; JSON's escapes are Python's, too."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _shifted(text: str, depth: int) -> list[str]:
    return ["    " * depth + line for line in text.splitlines()]


def _snake(name: str) -> str:
    """`crypto_key_iam_member` of `CryptoKeyIAMMember`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _slug(name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return f"r_{slug}" if not slug[:1].isalpha() or keyword.iskeyword(slug) else slug


def _free(name: str, used: set[str]) -> str:
    chosen, count = name, 2
    while chosen in used:
        chosen, count = f"{name}_{count}", count + 1
    used.add(chosen)
    return chosen
