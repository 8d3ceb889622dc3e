"""What of a program is in the cloud already, under which ids, and where it differs. Reads only."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from envctl.google.refusals import SWITCHED_OFF, read_refusal
from envctl.google.repeating import once
from envctl.google.transport import Answer, Query, Transport
from envctl.plan.values import Opaque
from envctl.provider.protocol import CallContext, Live, Locator, Provider, ProviderError
from envctl.stacks.adoption import identifying, import_id, output_at
from envctl.stacks.declaration import CallerSecret, Input, Ref, Resource, StackProgram

SHARED = frozenset(
    {
        "gcp:logging/projectBucketConfig:ProjectBucketConfig",
        "gcp:projects/service:Service",
        "gcp:projects/serviceIdentity:ServiceIdentity",
    }
)
"""The project's own, with or without any stack: making one that is there changes nothing, and none is ever deleted."""

_LOCATED = frozenset({"gcp:monitoring/alertPolicy:AlertPolicy"})
"""Types whose ids the cloud makes up: they are found by what they say."""

_AT_ONCE = 8


class Looker(Provider, Locator, Protocol):
    """A provider that can also find what it was about to create."""


@dataclass(slots=True)
class Found:
    """The cloud, as far as a program declares it, by logical name.

    Attributes:
        ids: under which id the provider imports what is there.
        live: what is there.
        absent: what is not there.
        unread: what nobody may look at, with the refusal.
    """

    ids: dict[str, str] = field(default_factory=dict[str, str])
    live: dict[str, Live] = field(default_factory=dict[str, Live])
    absent: list[str] = field(default_factory=list[str])
    unread: dict[str, ProviderError] = field(default_factory=dict[str, ProviderError])


class ReadingOnce:
    """A transport that answers the same question from the first answer, and that cannot write; who uses it repeats.

    Forty members of one project are forty resources and one policy.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = once(transport)
        self._answers: dict[str, Answer] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def call(self, method: str, service: str, path: str, query: Query | None = None, body: Any | None = None) -> Answer:
        """The answer, asked for once. Raises `AssertionError` for what is not a read."""
        asks = path.rpartition(":")[2]
        assert method == "GET" or (method == "POST" and asks.startswith("getIamPolicy")), f"{method} {path} is no read"
        key = repr((method, service, path, sorted((query or {}).items()), body))
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if (known := self._answers.get(key)) is not None:
                return known
            answer = self._transport.call(method, service, path, query, body)
            refusal = read_refusal(answer)
            if refusal is None or not refusal.passing:  # else the question is still open
                self._answers[key] = answer
            return answer


def look(
    program: StackProgram,
    names: Collection[str],
    provider: Looker,
    secrets: Mapping[str, str],
    known: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    shared: bool = False,
) -> Found:
    """Which of the named resources are there.

    A resource is looked at after those that its id names; when one of them is not there, it is not there either. An
    API that is switched off holds nothing.

    Args:
        program: what is declared.
        names: logical names of what to look at.
        provider: reads.
        secrets: values of environment variables that the program names.
        known: outputs of resources that are not looked at, by logical name: those that the state holds.
        shared: look at what is the project's own, too.
    """
    looking = _Looking(program, provider, secrets, dict(known or {}))
    waiting = {r.name: r for r in program.resources if r.name in names and (shared or r.type not in SHARED)}
    while waiting:
        ready = [r for r in waiting.values() if not any(ref.resource in waiting for ref in identifying(r))]
        assert ready, "a program has no circles"
        for resource in ready:
            del waiting[resource.name]
        looking.at(ready)
    return looking.found


def resolved(value: Input, live: Mapping[str, Live], secrets: Mapping[str, str]) -> Any:
    """A declared value with the cloud's own where it refers to one; unknown where that is not there."""
    if isinstance(value, Ref):
        seen = live.get(value.resource)
        if seen is None:
            return Opaque.UNKNOWN
        return seen.id if value.output == "id" else output_at(seen.outputs, value.output)
    if isinstance(value, CallerSecret):
        return secrets.get(value.variable, Opaque.UNKNOWN)
    if isinstance(value, Mapping):
        return {key: resolved(item, live, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [resolved(item, live, secrets) for item in value]
    return value


def differences(
    provider: Provider, resource: Resource, live: Live, around: Mapping[str, Live], secrets: Mapping[str, str]
) -> tuple[str, ...]:
    """Paths of the inputs in which a live resource is not as it is declared; `around` holds what it refers to."""
    inputs = {key: resolved(value, around, secrets) for key, value in resource.inputs.items()}
    checked = provider.check("", resource.type, {}, inputs)
    diff = provider.diff(
        "", resource.type, live.id, live.inputs, live.outputs, checked.inputs, resource.options.ignore_changes
    )
    return tuple(diff.detailed) if diff.changes else ()


@dataclass(slots=True)
class _Looking:
    program: StackProgram
    provider: Looker
    secrets: Mapping[str, str]
    outputs: dict[str, Mapping[str, Any]]
    found: Found = field(default_factory=Found)

    def at(self, resources: Collection[Resource]) -> None:
        """Reads resources side by side, and notes what came of it."""
        there: list[Resource] = []
        for resource in resources:
            gone = any(ref.resource in self.found.absent for ref in identifying(resource))
            (self.found.absent.append(resource.name) if gone else there.append(resource))
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="envctl-look") as workers:
            answers = list(workers.map(self._read, there))
        for resource, answer in zip(there, answers, strict=True):
            self._note(resource, answer)

    def _note(self, resource: Resource, answer: Live | ProviderError | None) -> None:
        match answer:
            case None:
                self.found.absent.append(resource.name)
            case ProviderError():
                self.found.unread[resource.name] = answer
            case Live():
                self.found.live[resource.name] = answer
                self.outputs[resource.name] = answer.outputs
                self.found.ids[resource.name] = self._id(resource, answer)

    def _id(self, resource: Resource, live: Live) -> str:
        if resource.type in _LOCATED:
            return live.id
        return import_id(self.program, resource.name, self.outputs) or live.id

    def _read(self, resource: Resource) -> Live | ProviderError | None:
        context = CallContext(note=lambda _operation, _state, _elapsed: None, cancel=threading.Event())
        try:
            if resource.type in _LOCATED:
                inputs = {key: resolved(item, self.found.live, self.secrets) for key, item in resource.inputs.items()}
                located = self.provider.locate("", resource.type, inputs, context)
                return None if located is None else self.provider.read("", resource.type, located.id, {}, {}, context)
            identifier = import_id(self.program, resource.name, self.outputs)
            return None if identifier is None else self.provider.read("", resource.type, identifier, {}, {}, context)
        except ProviderError as error:
            return None if error.reason in SWITCHED_OFF else error
