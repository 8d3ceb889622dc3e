"""The emulator on HTTP ports: one that serves everything by prefix, and one for each service.

Google's clients take an endpoint without a path, so each service has a port of its own beside the main one. Programs
call the APIs as they like; no web page may (`envctl/loopback.py`), and the emulator's own endpoints want a token.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from envctl.errors import OutsideError
from envctl.loopback import Asked, Refusal, refusal
from envctl.sandbox import control
from envctl.sandbox.failures import ApiError, ConnectionDroppedError, Envelope, error_body, status_of_http
from envctl.sandbox.messages import Request, Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    import uvicorn

    from envctl.sandbox.cloud import Cloud

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAIN = "main"
IAM_GRPC = "iam-grpc"
_START_SECONDS = 10
# Objects of a bucket may be pages: shown in a browser they get no origin, so they may not ask this server either.
_NO_PAGES = {
    "Content-Security-Policy": "sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Application:
    """The ASGI application; the port a request came in on tells the service.

    Args:
        cloud: what is served.
        services: service of each port but the main one.
        listens: address that the server was told to listen on.
        token: what control calls must bring.
    """

    cloud: Cloud
    services: Mapping[int, str]
    listens: str
    token: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one exchange."""
        if scope["type"] != "http":
            return
        port: int = scope["server"][1]
        refused = self._refusal(scope, port)
        if refused is not None:
            # Before the body is read: it may be of any length.
            await _send(send, _refused(refused))
            return
        request = await _request(scope, receive)
        try:
            response = await asyncio.to_thread(self._answer, request, self.services.get(port, ""))
        except ConnectionDroppedError:
            _abort(send)
            return
        await _send(send, response)

    def _refusal(self, scope: Scope, port: int) -> Refusal | None:
        headers = _headers(scope)
        asked = Asked(
            method=scope["method"],
            host=headers.get("host"),
            origin=headers.get("origin"),
            site=headers.get("sec-fetch-site"),
            authorization=headers.get("authorization"),
        )
        path = scope["raw_path"].decode("latin-1")
        token = self.token if path.startswith(control.PREFIX) else None
        return refusal(asked, listens=self.listens, port=port, token=token)

    def _answer(self, request: Request, service: str) -> Response:
        if request.path.startswith(control.PREFIX):
            return control.handle(self.cloud, request)
        if request.path == "/" and not service:
            body = {"service": "envctl sandbox", "ports": {name: port for port, name in self.services.items()}}
            return Response(200, {"Content-Type": "application/json"}, json.dumps(body).encode())
        return self.cloud.handle(request, service)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _refused(refused: Refusal) -> Response:
    error = ApiError(status_of_http(refused.status), refused.reason, http=refused.status)
    body = json.dumps(error_body(error, Envelope.ESF, listed=False)).encode()
    return Response(refused.status, {"Content-Type": "application/json", "Connection": "close"}, body)


async def _send(send: Send, response: Response) -> None:
    headers = {**_NO_PAGES, **response.headers, "Content-Length": str(len(response.body))}
    if response.status in {204, 304}:
        del headers["Content-Length"]
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": response.body})


async def _request(scope: Scope, receive: Receive) -> Request:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    headers = _headers(scope)
    return Request(
        method=scope["method"],
        host=headers.get("host", ""),
        path=scope["raw_path"].decode("latin-1"),
        query=parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True),
        headers=headers,
        body=b"".join(chunks),
    )


def _abort(send: Send) -> None:
    """Cut the connection without an answer.

    ASGI has no word for it; the cycle of uvicorn, whose method `send` is, holds the transport.
    """
    cycle: Any = getattr(send, "__self__", None)
    cycle.disconnected = True
    cycle.transport.abort()


@dataclass(slots=True)
class RunningServer:
    """A served cloud.

    Args:
        cloud: what is served.
        host: address it listens on.
        ports: port of each service, of the one that serves all under `main`, and of IAM's gRPC under `iam-grpc`.
        token: what control calls must bring.
    """

    cloud: Cloud
    host: str
    ports: Mapping[str, int]
    token: str = field(repr=False)
    _server: uvicorn.Server = field(repr=False)
    _thread: threading.Thread = field(repr=False)
    _grpc: Any = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Address of the port that serves all, without a slash at the end."""
        return f"http://{self.host}:{self.ports[MAIN]}"

    def address(self, service: str) -> str:
        """Address of the port of a service (`composer`, `cloudkms`...)."""
        return f"http://{self.host}:{self.ports[service]}"

    def stop(self) -> None:
        """Stop listening and fold the cloud's journal into its file."""
        self._server.should_exit = True
        self._thread.join()
        if self._grpc is not None:
            self._grpc.stop(grace=None).wait()
        self.cloud.save()

    def wait(self) -> None:
        """Return when the server has stopped."""
        self._thread.join()


def serve(cloud: Cloud, host: str = "127.0.0.1", port: int = 0) -> RunningServer:
    """Serve a cloud in a thread.

    Args:
        cloud: what to serve.
        host: address to listen on; the APIs ask for no credentials, so leave it at loopback.
        port: of the port that serves all; 0 takes a free one. The ports of the services are always free ones.

    Raises:
        OutsideError: a port cannot be had, or the server does not start.
    """
    import uvicorn

    from envctl.sandbox.grpc_iam import serve_iam

    names = [MAIN, *(service.name for service in cloud.router.services)]
    sockets: list[socket.socket] = []
    try:
        for name in names:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sockets.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port if name == MAIN else 0))
    except OSError as error:
        for listener in sockets:
            listener.close()
        raise OutsideError(
            f"The sandbox cannot listen on {host}:{port}", detail=str(error), code="sandbox-port"
        ) from error
    ports = {name: listener.getsockname()[1] for name, listener in zip(names, sockets, strict=True)}
    token = secrets.token_urlsafe(32)
    services = {number: name for name, number in ports.items() if name != MAIN}
    application = Application(cloud, services, host, token)
    config = uvicorn.Config(
        application,
        http="h11",
        lifespan="off",
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": sockets}, name="envctl-sandbox", daemon=True)
    thread.start()
    _wait_for_start(server, thread)
    grpc_server, grpc_port = serve_iam(cloud, host)
    return RunningServer(cloud, host, {**ports, IAM_GRPC: grpc_port}, token, server, thread, grpc_server)


def _wait_for_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    thread_died = threading.Event()
    for _ in range(_START_SECONDS * 200):
        if server.started:
            return
        if not thread.is_alive():
            break
        thread_died.wait(0.005)
    raise OutsideError("The server of the sandbox did not start", code="sandbox-port")
