"""The emulator without a transport: a request goes in, an answer comes out."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from envctl.sandbox import encoding, payloads
from envctl.sandbox.access import Access
from envctl.sandbox.backend import Backend, Call, parse_body
from envctl.sandbox.catalogue import load_services, method_named
from envctl.sandbox.clock import Clock
from envctl.sandbox.failures import (
    ApiError,
    ConnectionDroppedError,
    Envelope,
    Status,
    error_body,
)
from envctl.sandbox.faults import Faults, Names
from envctl.sandbox.messages import Request, Response
from envctl.sandbox.operations import Operations
from envctl.sandbox.parameters import checked_query
from envctl.sandbox.policies import Policies
from envctl.sandbox.projects import Projects, full_name
from envctl.sandbox.repeats import Repeats
from envctl.sandbox.routing import Match, Router, Service
from envctl.sandbox.services import storage_batch
from envctl.sandbox.services.storage_buckets import Buckets
from envctl.sandbox.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from envctl.sandbox.messages import Json

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]", "::1", "testserver", ""})
_LOG_LIMIT = 5_000
_LOGGED_BODY_BYTES = 16_384


class Cloud:
    """An emulated Google Cloud.

    Args:
        store_path: file that keeps the cloud; None for one that lives as long as the object.
        clock: its time; a remembered time in the file wins. Left out: wall time at first start.
        sleep: how a delay fault waits, given seconds.

    Raises:
        SandboxStoreError: the file cannot be kept there. Whether it is a sandbox shows at first use.
    """

    def __init__(
        self,
        store_path: Path | None = None,
        clock: Clock | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._lock = threading.RLock()
        self._sleep = sleep
        self.backend = Backend(Store(store_path), clock or Clock())
        self.faults = Faults(self.backend.store, self._names)
        self.policies = Policies(self.backend)
        self.projects = Projects(self.backend, self.policies)
        self.access = Access(self.backend, self.policies, self.faults)
        self.repeats = Repeats(self.backend.store)
        self.buckets = Buckets(self)
        services = load_services(self)
        self.router = Router(services)
        kinds = [kind for service in services for kind in service.operations]
        self.operations = Operations(self.backend, self.faults, kinds)
        self._requests: deque[tuple[Request, str, int]] = deque(maxlen=_LOG_LIMIT)

    @classmethod
    def load(cls, store_path: Path) -> Cloud:
        """The cloud of a file, new when there is none."""
        return cls(store_path)

    def save(self) -> None:
        """Fold the journal into the file; nothing is lost without it, the file is just tidier."""
        with self._lock:
            self.backend.store.fold()

    @contextlib.contextmanager
    def exclusive(self) -> Generator[None]:
        """The cloud for oneself: up to date with its file on entry, written to it on exit.

        Raises:
            SandboxStoreError: the file is there and is not a sandbox.
        """
        with self._lock, self.backend.store.transaction():
            self.backend.load_clock()
            try:
                yield
            finally:
                self.backend.save_clock()

    def handle(self, request: Request, service: str = "") -> Response:
        """The answer to a request.

        Args:
            request: the exchange as it came.
            service: name of the service, when the transport knows it (one port per service).

        Raises:
            SandboxStoreError: the file of the cloud is not a sandbox.
            ConnectionDroppedError: a fault wants the connection cut.
        """
        try:
            found, path = self._service(request, service)
        except ApiError as error:
            return self._refused(None, request, error)
        if found.name == "storage" and path == storage_batch.PATH and request.method == "POST":
            try:
                return storage_batch.answer_batch(request, lambda inner: self.handle(inner, "storage"))
            except ApiError as error:
                return self._refused(found, request, error)
        with self.exclusive():
            match = self._route(found, request, path)
            delay = self.faults.delay(match.route.method) if match else 0.0
            if not delay:
                return self._perform(found, match, request, path)
        self._sleep(delay)
        with self.exclusive():
            return self._perform(found, match, request, path)

    def _perform(self, service: Service, match: Match | None, request: Request, path: str) -> Response:
        name = match.route.method if match else ""
        drop = self.faults.drop(name) if match else ""
        if drop == "before":
            raise ConnectionDroppedError(name)
        response = self._answer(service, match, request, path)
        small = request if len(request.body) <= _LOGGED_BODY_BYTES else replace(request, body=b"")
        self._requests.append((small, name, response.status))
        if drop:
            raise ConnectionDroppedError(name)
        return response

    def _names(self) -> Names:
        services = self.router.services
        return Names(
            frozenset(route.method for service in services for route in service.routes),
            frozenset(kind.name for service in services for kind in service.operations),
        )

    def _service(self, request: Request, service: str) -> tuple[Service, str]:
        if service:
            found = next(entry for entry in self.router.services if entry.name == service)
            return found, request.path
        by_host = self.router.service_of_host(request.host)
        if by_host is not None:
            return by_host, request.path
        if request.host.rpartition(":")[0] in _LOOPBACK or request.host in _LOOPBACK:
            by_prefix = self.router.service_of_prefix(request.path)
            if by_prefix is not None:
                return by_prefix
        raise ApiError(
            Status.UNIMPLEMENTED,
            f"The sandbox has no service at {request.host}{request.path}.",
        )

    def _route(self, service: Service, request: Request, path: str) -> Match | None:
        based = self.router.base(service, path)
        return self.router.match(service, based[0], request.method, based[1]) if based else None

    def _answer(self, service: Service, match: Match | None, request: Request, path: str) -> Response:
        try:
            if match is None:
                return self._refused(service, request, _unimplemented(service, request, path))
            if match.route.changes:
                self.backend.tick()
            self.operations.settle()
            self.faults.raise_failure(match.route.method)
            call = self._call(match, request)
            before = self.repeats.answer(call)
            if before is not None:
                return self._accepted(match, request, before)
            value = match.route.handler(call)
            if not isinstance(value, Response):
                self.repeats.remember(call, value)
            self.faults.raise_failure(match.route.method, "after")
        except ApiError as error:
            return self._refused(service, request, error)
        if isinstance(value, Response):
            return value
        return self._accepted(match, request, value)

    def _call(self, match: Match, request: Request) -> Call:
        service, route = match.service, match.route
        principal = self.access.principal(request)
        parameters = dict(match.parameters)
        if "project" in parameters and parameters["project"] not in {"_", "-"}:
            project = self.projects.resolve(parameters["project"], principal)["projectId"]
            parameters["project"] = project
            if service.api:
                self.projects.require_api(project, service.api)
        if route.permission:
            resource = f"//{service.hosts[0]}/{route.resource.format(**parameters)}"
            if not route.resource:
                resource = full_name(parameters["project"])
            self.access.require(service.name, principal, route.permission, resource)
        request = checked_query(match, request)
        is_json = not request.header("content-type").lower().startswith("multipart/")
        body: Mapping[str, Any] = {}
        if is_json and not _is_upload(match):
            named = encoding.names_of_enums(service.name, route.method, parse_body(request.body))
            keeps_nulls = service.envelope is not Envelope.ESF
            body = payloads.checked(service.name, match.version, route.method, named, keeps_nulls=keeps_nulls)
        return Call(
            backend=self.backend,
            request=request,
            service=service.name,
            version=match.version,
            method=route.method,
            parameters=parameters,
            principal=principal,
            body=body,
        )

    def _accepted(self, match: Match, request: Request, value: Mapping[str, Any]) -> Response:
        answer: Any = value
        if encoding.wants_numbers(request):
            answer = encoding.numbers_of_enums(match.service.name, match.route.method, answer)
        fields = request.parameter("fields") or request.parameter("$fields")
        if fields:
            answer = encoding.only_fields(answer, fields)
        return Response(200, _headers(match.service), json.dumps(answer).encode())

    def _refused(self, service: Service | None, request: Request, error: ApiError) -> Response:
        envelope = service.envelope if service else Envelope.ESF
        if error.page is not None:
            return Response(error.http, {"Content-Type": "text/html", **error.headers}, error.page.encode())
        listed = request.parameter("prettyPrint") == "false"
        if error.http == 304:
            return Response(304, {"Server": service.server if service else "ESF"}, b"")
        body = error_body(error, envelope, listed=listed)
        return Response(error.http, {**_headers(service), **error.headers}, json.dumps(body).encode())

    @property
    def requests(self) -> list[Json]:
        """The last requests, oldest first: verb, host, path, query, method, status, and body if it was small."""
        return [_entry(*logged) for logged in self._requests]

    def forget_requests(self) -> None:
        """Empty the log of requests."""
        self._requests.clear()


def _entry(request: Request, method: str, status: int) -> Json:
    entry: Json = {
        "verb": request.method,
        "host": request.host,
        "path": request.path,
        "query": {key: list(values) for key, values in request.query.items()},
        "method": method,
        "status": status,
    }
    content_type = request.header("content-type")
    if request.body and (not content_type or "json" in content_type):
        try:
            entry["body"] = json.loads(request.body)
        except ValueError:
            entry["body"] = request.body.decode(errors="replace")
    return entry


def _unimplemented(service: Service, request: Request, path: str) -> ApiError:
    named = method_named(service.name, request.method, path) or f"{request.method} {path} of {service.name}"
    return ApiError(Status.UNIMPLEMENTED, f"The sandbox does not implement {named}.")


def _is_upload(match: Match) -> bool:
    return match.route.template.startswith("upload/") or match.route.method == "storage.objects.insert"


def _headers(service: Service | None) -> dict[str, str]:
    server = service.server if service else "ESF"
    return {"Content-Type": "application/json; charset=UTF-8", "Server": server}
