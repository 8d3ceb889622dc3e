"""The two clouds behind one interface: Google's, and envctl's own emulator.

A cloud is named on the command line or by `ENVCTL_CLOUD`, never by a file: a demo cannot reach a real project.
"""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs

from envctl.errors import UsageError
from envctl.google.identity import Caller, Identity
from envctl.google.pauses import NoWait, RealSleeper, Sleeper
from envctl.google.refusals import read_refusal
from envctl.google.repeating import Repeating
from envctl.google.transport import Answer, NoAnswerError, Query, Transport, decoded, google_answer
from envctl.private_files import STATE_FOLDER, private_folder

if TYPE_CHECKING:
    from envctl.google.http_transport import HttpTransport
    from envctl.sandbox.cloud import Cloud as Emulator


class CloudName(StrEnum):
    """Where resources live."""

    GCP = "gcp"
    SANDBOX = "sandbox"

    @property
    def flag(self) -> str:
        """What a command that is shown needs so that it means this cloud; "" for the default."""
        return "" if self is CloudName.GCP else f" --cloud {self.value}"


class Cloud(Protocol):
    """What a command needs of a cloud."""

    name: CloudName
    poll_seconds: float
    """Between two looks at a long-running operation."""
    sleeper: Sleeper
    """How time passes between two calls."""
    caller: Caller
    """Who is to call, beyond the credentials of the machine."""

    def transport(self) -> Transport:
        """Sends requests of envctl's own clients, and outlives hiccups."""
        ...


class SandboxCloud:
    """The emulator: in this process, its store below `.envctl/sandbox/`, or a served one at an address."""

    name = CloudName.SANDBOX
    poll_seconds = 0.0  # the emulator's clock moves with each poll
    sleeper: Sleeper = NoWait()

    def __init__(self, directory: Path, address: str | None = None) -> None:
        self.directory = directory
        self.address = address
        self.caller = Caller()  # no account is acted as, and quota is nobody's
        self._emulator: Emulator | None = None
        self._transport: Transport | None = None

    @property
    def store_path(self) -> Path:
        """The file that keeps the cloud between commands."""
        return self.directory / "sandbox.json"

    def emulator(self) -> Emulator:
        """The emulator of this process, loaded once."""
        if self._emulator is None:
            from envctl.sandbox.cloud import Cloud as EmulatorClass

            private_folder(self.directory)
            self._emulator = EmulatorClass.load(self.store_path)
        return self._emulator

    def transport(self) -> Transport:
        """By call into the emulator, or over HTTP when an address was given."""
        if self._transport is None:
            if self.address is None:
                self._transport = Repeating(InProcessTransport(self.emulator()), self.sleeper)
            else:
                from envctl.google.http_transport import HttpTransport

                self._transport = Repeating(HttpTransport.for_sandbox(self.address), self.sleeper)
        return self._transport

    def control(self, method: str, name: str, body: Any = None) -> Any:
        """The answer of one of the emulator's own endpoints (`reset`, `seed`, `fault`, `clock`, ...).

        Raises:
            UsageError: the emulator does not understand what was asked.
        """
        asked = f"{method} {name}"
        if self.address is not None:
            from envctl.google.http_transport import HttpTransport

            transport = HttpTransport.for_sandbox(self.address, _token(self.address))
            try:
                return _accepted(transport.call(method, "_control", name, None, body), asked)
            finally:
                transport.close()
        from envctl.sandbox import control
        from envctl.sandbox.messages import Request

        response = control.handle(self.emulator(), Request.to(method, f"http://localhost/_control/{name}", body=body))
        return _accepted(Answer(response.status, response.json()), asked)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of one request behind envctl's back; `path` starts with a service's prefix and may have a query.

        Raises:
            UsageError: the emulator refused.
        """
        bare, _, text = path.partition("?")
        service, _, rest = bare.strip("/").partition("/")
        query = {name: tuple(values) for name, values in parse_qs(text, keep_blank_values=True).items()}
        answer = self.transport().call(method, service, rest, query, body)
        return _accepted(answer, f"{method} {path}")


def _token(address: str) -> str:
    """What control calls of the sandbox served at an address must bring."""
    from envctl.sandbox.control_token import find_token

    token = find_token(address)
    if not token:
        raise UsageError(
            "The token of this sandbox is not known",
            detail=f"Nothing is kept for {address}, and ENVCTL_SANDBOX_TOKEN is not set.",
            hints=("give it the one that `envctl sandbox serve` printed\n    export ENVCTL_SANDBOX_TOKEN=TOKEN",),
            code="sandbox-token-unknown",
        )
    return token


def _accepted(answer: Answer, asked: str) -> Any:
    """The body of an answer that is no refusal."""
    refusal = read_refusal(answer)
    if refusal is None:
        return answer.body
    told: dict[str, Any] = answer.body if isinstance(answer.body, dict) else {}
    raise UsageError(
        f"The sandbox refused {asked}",
        detail="\n".join(part for part in (refusal.described, told.get("detail", "")) if part),
        hints=tuple(told.get("hints", ())),
        code="sandbox-refused",
    )


class GoogleCloud:
    """Google's APIs, with application default credentials or an access token from the environment.

    `caller` is the account to act as and the project that pays; the machine's own when None.
    """

    name = CloudName.GCP
    poll_seconds = 10.0
    sleeper: Sleeper = RealSleeper()

    def __init__(self, caller: Caller | None = None) -> None:
        self.caller = caller or Caller()
        self._http: HttpTransport | None = None

    def transport(self) -> Transport:
        """Over HTTPS, or to `GOOGLE_*_CUSTOM_ENDPOINT`.

        Raises:
            OutsideError: there are no credentials.
        """
        return Repeating(self._connection(), self.sleeper)

    def identity(self) -> Identity:
        """As whom requests are made.

        Raises:
            OutsideError: there are no credentials.
        """
        return self._connection().identity

    def _connection(self) -> HttpTransport:
        if self._http is None:
            from envctl.google.http_transport import HttpTransport

            self._http = HttpTransport.for_google(caller=self.caller)
        return self._http


class InProcessTransport:
    """Calls the emulator directly: no socket, no serving, no port."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def call(
        self,
        method: str,
        service: str,
        path: str,
        query: Query | None = None,
        body: Any | None = None,
    ) -> Answer:
        """One exchange. Raises `NoAnswerError` when the emulator drops the connection (a fault that was asked for)."""
        from envctl.sandbox.failures import ConnectionDroppedError
        from envctl.sandbox.messages import Request

        request = Request(
            method=method,
            host="localhost",
            path=f"/{service}/{path.lstrip('/')}",
            query={key: [value] if isinstance(value, str) else list(value) for key, value in (query or {}).items()},
            headers={"content-type": _content_type(body), "authorization": "Bearer sandbox"},
            body=b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode(),
        )
        try:
            response = self._emulator.handle(request)
        except ConnectionDroppedError as error:
            raise NoAnswerError(
                "The connection was dropped",
                sent=True,
                detail=f"{method} {service}/{path}: {error}",
                code="connection-dropped",
            ) from error
        answer = Answer(response.status, decoded(response.body), response.body, response.headers)
        return google_answer(answer, f"{method} {service}/{path}", query)


def _content_type(body: Any) -> str:
    return "application/octet-stream" if isinstance(body, bytes) else "application/json"


def custom_endpoints() -> dict[str, str]:
    """Provider arguments for every `GOOGLE_*_CUSTOM_ENDPOINT` that is set (`composerCustomEndpoint`...)."""
    found: dict[str, str] = {}
    for name, value in sorted(os.environ.items()):
        if name.startswith("GOOGLE_") and name.endswith("_CUSTOM_ENDPOINT") and value:
            head, *tail = name.removeprefix("GOOGLE_").lower().split("_")
            found[head + "".join(word.capitalize() for word in tail)] = value
    return found


def open_cloud(
    name: CloudName, root: Path, *, impersonate: str | None = None, billing_project: str | None = None
) -> Cloud:
    """The cloud of a command; the sandbox at `ENVCTL_SANDBOX_URL` when that is set.

    `impersonate` and `billing_project` are what `envctl.yaml` says; the sandbox knows no credentials and ignores them.

    Raises:
        UsageError: a variable that says who calls Google cannot be understood.
    """
    match name:
        case CloudName.SANDBOX:
            return SandboxCloud(root / STATE_FOLDER / "sandbox", os.environ.get("ENVCTL_SANDBOX_URL"))
        case CloudName.GCP:
            return GoogleCloud(Caller.chosen(os.environ, impersonate, billing_project))
