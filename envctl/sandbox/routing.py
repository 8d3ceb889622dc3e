"""Which method a request means: services, their base paths, and their declared routes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from envctl.sandbox.failures import Envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from envctl.sandbox.backend import Call
    from envctl.sandbox.messages import Response
    from envctl.sandbox.operations import OperationKind

    Handler = Callable[[Call], "Mapping[str, Any] | Response"]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of an API.

    Args:
        method: id in Google's discovery documents.
        verb: HTTP verb.
        template: path below the version, `{name}` for a variable part of a segment.
        handler: makes the answer.
        permission: what the caller needs; empty when the method asks for none.
        resource: template of the resource named in a refusal; the path itself when empty.
        versions: versions that have the method; all of the service's when empty.
    """

    method: str
    verb: str
    template: str
    handler: Handler
    permission: str = ""
    resource: str = ""
    versions: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether a call may change anything."""
        return self.verb != "GET"


@dataclass(frozen=True, slots=True)
class Service:
    """One of Google's APIs.

    Args:
        name: as in method ids.
        hosts: host names it answers on; `*-` stands for a region in front.
        prefixes: first path segments that mean this service when one port serves all.
        bases: path in front of the routes, mapped to the version it means.
        routes: what is implemented.
        operations: the long-running operations it starts.
        api: name in Service Usage; empty when it needs no switching on.
        title: name in refusals of Service Usage.
        envelope: form of its errors.
        server: value of the `Server` header.
    """

    name: str
    hosts: tuple[str, ...]
    prefixes: tuple[str, ...]
    bases: Mapping[str, str]
    routes: tuple[Route, ...]
    operations: tuple[OperationKind, ...] = ()
    api: str = ""
    title: str = ""
    envelope: Envelope = Envelope.ESF
    server: str = "ESF"


@dataclass(frozen=True, slots=True)
class _Variable:
    """A segment `{name}` or `{name}:verb` of a template."""

    name: str
    verb: str


_Compiled = tuple["str | _Variable", ...]


def _compiled(template: str) -> _Compiled:
    segments: list[str | _Variable] = []
    for segment in template.split("/"):
        if segment.startswith("{"):
            name, _, verb = segment[1:].partition("}")
            segments.append(_Variable(name, verb))
        else:
            segments.append(segment)
    return tuple(segments)


@dataclass(frozen=True, slots=True)
class Match:
    """A route and what the path says about its variables."""

    service: Service
    version: str
    route: Route
    parameters: Mapping[str, str]


@dataclass(slots=True)
class Router:
    """Finds services and routes."""

    services: Sequence[Service]
    _routes: dict[tuple[str, str, str, int], list[tuple[_Compiled, Route]]] = field(
        default_factory=dict[tuple[str, str, str, int], list[tuple[_Compiled, Route]]], init=False
    )

    def __post_init__(self) -> None:
        for service in self.services:
            for route in _custom_verbs_first(service.routes):
                compiled = _compiled(route.template)
                for version in route.versions or set(service.bases.values()):
                    key = (service.name, version, route.verb, len(compiled))
                    self._routes.setdefault(key, []).append((compiled, route))

    def service_of_host(self, host: str) -> Service | None:
        """The service that answers on a host name, also with a region in front (`europe-west1-composer...`)."""
        name = host.partition(":")[0].lower()
        for service in self.services:
            for candidate in service.hosts:
                if name == candidate or name.endswith(f"-{candidate}"):
                    return service
        return None

    def service_of_prefix(self, path: str) -> tuple[Service, str] | None:
        """The service of the first path segment, and the path without it."""
        prefix, _, rest = path.lstrip("/").partition("/")
        for service in self.services:
            if prefix in service.prefixes:
                return service, "/" + rest
        return None

    def base(self, service: Service, path: str) -> tuple[str, list[str]] | None:
        """The version a path belongs to, and its decoded segments below the version."""
        bare = path.strip("/")
        for prefix in sorted(service.bases, key=len, reverse=True):
            start = f"{prefix}/" if prefix else ""  # the XML API of Cloud Storage begins with the bucket
            if bare.startswith(start):
                rest = bare.removeprefix(start).rstrip("/")
                return service.bases[prefix], [unquote(segment) for segment in rest.split("/")]
        return None

    def match(self, service: Service, version: str, verb: str, segments: Sequence[str]) -> Match | None:
        """The route of a request."""
        for compiled, route in self._routes.get((service.name, version, verb, len(segments)), ()):
            parameters = _parameters(compiled, segments)
            if parameters is not None:
                return Match(service, version, route, parameters)
        return None


def _custom_verbs_first(routes: Iterable[Route]) -> list[Route]:
    """Routes so that `{name}:verb` and fixed words are tried before `{name}`, which fits everything."""
    return sorted(routes, key=lambda route: (":" not in route.template, route.template.count("{")))


def _parameters(compiled: _Compiled, segments: Sequence[str]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for part, segment in zip(compiled, segments, strict=True):
        if isinstance(part, str):
            if part != segment:
                return None
        elif not segment.endswith(part.verb) or len(segment) == len(part.verb):
            return None
        else:
            found[part.name] = segment.removesuffix(part.verb)
    return found
