"""HTTP for package indexes: keep-alive connections, retries, redirects, proxies, bounded answers.

Built on `http.client`: importing it with `ssl` costs a tenth of what `httpx` costs, which is a large share of a
check that takes a second (figures: `docs/decisions`). Offline runs import nothing of this module.
"""

from __future__ import annotations

import http.client
import random
import socket
import ssl
import threading
import time
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from envctl import __version__
from envctl.resolution.index.proxies import ProxyError, proxy_for
from envctl.resolution.protocol import FailureKind, IndexFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import IO

    from envctl.resolution.index.credentials import Credentials

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRY_AGAIN = frozenset({429, 500, 502, 503, 504})
_MAX_REDIRECTS = 10
_CHUNK = 1 << 18
_IDLE_PER_HOST = 16

Origin = tuple[str, str, int]


class TransportError(Exception):
    """A request got no usable answer."""

    def __init__(self, failure: IndexFailure) -> None:
        super().__init__(failure.cause)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Response:
    """An answer whose body was read completely, unless `cut` says that it was larger than asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    cut: bool = False


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """How to reach hosts.

    Attributes:
        timeout_seconds: for connecting and for every read; a whole answer may take ten times as long.
        retries: further attempts after the first.
        first_pause_seconds: before the first retry; triples each time.
        ca_bundle: file or folder of certificates, or None for the platform's.
        client_certificate: PEM file with certificate and key, or None.
        trusted_hosts: hosts (`name` or `name:port`) whose certificates are not checked, as pip's `trusted-host`.
        proxy: overrides the environment's proxies when set.
    """

    timeout_seconds: float = 15.0
    retries: int = 3
    first_pause_seconds: float = 0.2
    ca_bundle: str | None = None
    client_certificate: str | None = None
    trusted_hosts: tuple[str, ...] = ()
    proxy: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


class Transport:
    """Requests over a pool of connections; safe to use from many threads."""

    def __init__(self, settings: TransportSettings, credentials: Credentials) -> None:
        self._settings = settings
        self._credentials = credentials
        self._lock = threading.Lock()
        self._idle: dict[Origin, list[http.client.HTTPConnection]] = {}
        self._dead: dict[Origin, IndexFailure] = {}
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._closed = threading.Event()

    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        max_bytes: int,
        into: IO[bytes] | None = None,
    ) -> Response:
        """The answer to a GET, redirects followed; any status but those worth a retry is an answer.

        Args:
            url: absolute, http or https.
            headers: sent beside the usual ones.
            max_bytes: of the decoded body; a longer one is cut and the connection given up.
            into: where the body is written instead of into memory.

        Raises:
            TransportError: no answer, or none but 5xx and 429 after all retries.
        """
        attempt = 0
        while True:
            try:
                response = self._follow(url, dict(headers or {}), max_bytes, into)
            except _RetryableError as error:
                if attempt >= self._settings.retries or self._closed.is_set():
                    self._remember_dead(error)
                    raise TransportError(error.failure) from error
                pause = None
            else:
                if response.status not in _TRY_AGAIN:
                    return response
                if attempt >= self._settings.retries:
                    raise TransportError(_status_failure(response))
                pause = _retry_after(response.headers.get("retry-after"))
            if into is not None:
                into.seek(0)
                into.truncate()
            self._closed.wait(self._pause(attempt) if pause is None else pause)
            attempt += 1

    def close(self) -> None:
        """Gives up all connections; requests in flight are not retried."""
        self._closed.set()
        with self._lock:
            connections = [connection for idle in self._idle.values() for connection in idle]
            self._idle.clear()
        for connection in connections:
            connection.close()

    def _pause(self, attempt: int) -> float:
        return self._settings.first_pause_seconds * 3**attempt * random.uniform(0.75, 1.25)  # noqa: S311

    def _remember_dead(self, error: _RetryableError) -> None:
        """The next sixty packages need not find out again that nobody listens there."""
        if not error.connected:
            with self._lock:
                self._dead[error.origin] = error.failure

    def _follow(self, url: str, headers: dict[str, str], max_bytes: int, into: IO[bytes] | None) -> Response:
        for _ in range(_MAX_REDIRECTS):
            response = self._once(url, headers, max_bytes, into)
            location = response.headers.get("location")
            if response.status not in _REDIRECTS or not location:
                return response
            if into is not None:
                into.seek(0)
                into.truncate()
            try:
                url = urljoin(url, location)
            except ValueError as error:
                raise TransportError(
                    IndexFailure(_host(url), FailureKind.GARBAGE, "it redirects to no valid address")
                ) from error
        raise TransportError(IndexFailure(_host(url), FailureKind.GARBAGE, f"more than {_MAX_REDIRECTS} redirects"))

    def _once(self, url: str, headers: dict[str, str], max_bytes: int, into: IO[bytes] | None) -> Response:
        origin, path = _split(url)
        dead = self._dead.get(origin)
        if dead is not None:
            raise TransportError(dead)
        authorization = self._credentials.authorization(url)
        sent = _with_authorization(headers, authorization)
        response = self._exchange(origin, path, url, sent, max_bytes, into)
        if response.status in {401, 403} and authorization is None:
            found = self._credentials.ask_keyring(url)
            if found is not None:
                if into is not None:
                    into.seek(0)
                    into.truncate()
                return self._exchange(origin, path, url, _with_authorization(headers, found), max_bytes, into)
        return response

    def _exchange(
        self,
        origin: Origin,
        path: str,
        url: str,
        headers: dict[str, str],
        max_bytes: int,
        into: IO[bytes] | None,
    ) -> Response:
        """One request and its answer; a kept connection that the server closed meanwhile is replaced."""
        while True:
            connection, kept = self._connection(origin)
            connected = kept
            try:
                if not kept:
                    connection.connect()
                    connected = True
                connection.request("GET", self._target(origin, path), headers=headers)
                answer = connection.getresponse()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
                connection.close()
                if kept:
                    continue
                raise _RetryableError(origin, self._failure(origin, error), connected=connected) from error
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                raise self._translated(origin, error, connected=connected) from error
            except ValueError as error:  # a host name that DNS cannot hold
                connection.close()
                raise TransportError(
                    IndexFailure(origin[1], FailureKind.GARBAGE, "the address is not valid")
                ) from error
            break
        try:
            response = self._read(answer, url, max_bytes, into)
        except _EndlessError as error:
            connection.close()
            # another try would take as long and end as little
            what = url.partition("?")[0].rpartition("/")[2] or "the answer"
            cause = f"{what} did not end within {10 * self._settings.timeout_seconds:g} seconds"
            raise TransportError(IndexFailure(origin[1], FailureKind.TIMEOUT, cause)) from error
        except (OSError, http.client.HTTPException, zlib.error) as error:
            connection.close()
            raise self._translated(origin, error, connected=True) from error
        finally:
            answer.close()  # its view of the socket, which `read1` leaves open
        if response.cut or answer.will_close:
            connection.close()
        else:
            self._keep(origin, connection)
        return response

    def _read(self, answer: http.client.HTTPResponse, url: str, max_bytes: int, into: IO[bytes] | None) -> Response:
        headers = {name.lower(): value for name, value in answer.getheaders()}
        inflate = _inflater(headers.get("content-encoding", ""))
        deadline = time.monotonic() + 10 * self._settings.timeout_seconds
        parts: list[bytes] = []
        received, cut = 0, False
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > max_bytes:
            return Response(answer.status, headers, b"", url, cut=True)
        while chunk := answer.read1(_CHUNK):
            decoded = inflate(chunk, max_bytes - received + 1) if inflate else chunk
            received += len(decoded)
            if received > max_bytes:
                cut = True
                break
            if into is None:
                parts.append(decoded)
            else:
                into.write(decoded)
            if time.monotonic() > deadline:
                raise _EndlessError
        if not cut and answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
        return Response(answer.status, headers, b"".join(parts), url, cut)

    def _connection(self, origin: Origin) -> tuple[http.client.HTTPConnection, bool]:
        with self._lock:
            idle = self._idle.get(origin)
            if idle:
                return idle.pop(), True
        return self._new_connection(origin), False

    def _keep(self, origin: Origin, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            idle = self._idle.setdefault(origin, [])
            if len(idle) < _IDLE_PER_HOST and not self._closed.is_set():
                idle.append(connection)
                return
        connection.close()

    def _new_connection(self, origin: Origin) -> http.client.HTTPConnection:
        scheme, host, port = origin
        timeout = self._settings.timeout_seconds
        try:
            proxy = proxy_for(scheme, host, port, self._settings.environment, self._settings.proxy)
        except ProxyError as error:
            raise TransportError(IndexFailure(host, FailureKind.UNREACHABLE, str(error))) from error
        if proxy is None:
            if scheme == "http":
                return http.client.HTTPConnection(host, port, timeout=timeout)
            return http.client.HTTPSConnection(host, port, timeout=timeout, context=self._context(origin))
        if scheme == "http":
            return http.client.HTTPConnection(proxy.host, proxy.port, timeout=timeout)
        connection = http.client.HTTPSConnection(proxy.host, proxy.port, timeout=timeout, context=self._context(origin))
        connection.set_tunnel(host, port, headers=proxy.headers)
        return connection

    def _target(self, origin: Origin, path: str) -> str:
        """Proxies of plain HTTP want the whole address."""
        scheme, host, port = origin
        if scheme == "http" and proxy_for(scheme, host, port, self._settings.environment, self._settings.proxy):
            return f"http://{_bracketed(host)}:{port}{path}"
        return path

    def _context(self, origin: Origin) -> ssl.SSLContext:
        _, host, port = origin
        trusted = any(entry in {host, f"{host}:{port}"} for entry in self._settings.trusted_hosts)
        with self._lock:
            context = self._contexts.get(trusted)
            if context is None:
                context = self._make_context(host, trusted=trusted)
                self._contexts[trusted] = context
            return context

    def _make_context(self, host: str, *, trusted: bool) -> ssl.SSLContext:
        bundle = self._settings.ca_bundle
        try:
            if bundle is None:
                context = ssl.create_default_context()
            else:
                from pathlib import Path

                folder = Path(bundle).is_dir()
                context = ssl.create_default_context(
                    cafile=None if folder else bundle, capath=bundle if folder else None
                )
            if self._settings.client_certificate:
                context.load_cert_chain(self._settings.client_certificate)
        except (OSError, ssl.SSLError) as error:
            raise TransportError(
                IndexFailure(host, FailureKind.UNREACHABLE, f"the certificates cannot be read: {_reason(error)}")
            ) from error
        if trusted:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _translated(self, origin: Origin, error: Exception, *, connected: bool) -> Exception:
        failure = self._failure(origin, error)
        if isinstance(error, ssl.SSLCertVerificationError | http.client.InvalidURL):
            return TransportError(failure)
        return _RetryableError(origin, failure, connected=connected)

    def _failure(self, origin: Origin, error: Exception) -> IndexFailure:
        host = origin[1]
        if isinstance(error, TimeoutError):
            return IndexFailure(
                host, FailureKind.TIMEOUT, f"no answer within {self._settings.timeout_seconds:g} seconds"
            )
        if isinstance(error, socket.gaierror):
            return IndexFailure(host, FailureKind.UNREACHABLE, "its name cannot be resolved")
        if isinstance(error, ConnectionRefusedError):
            return IndexFailure(host, FailureKind.UNREACHABLE, "the connection was refused")
        if isinstance(error, ssl.SSLCertVerificationError):
            return IndexFailure(
                host, FailureKind.UNREACHABLE, f"its certificate is not trusted: {error.verify_message}"
            )
        if isinstance(error, http.client.IncompleteRead):
            return IndexFailure(host, FailureKind.UNREACHABLE, "the answer ended early")
        if isinstance(error, http.client.HTTPException | zlib.error):
            return IndexFailure(host, FailureKind.GARBAGE, "the answer is not valid HTTP")
        return IndexFailure(host, FailureKind.UNREACHABLE, _reason(error))


class _EndlessError(Exception):
    """An answer that goes on for longer than a whole answer may take."""


class _RetryableError(Exception):
    """A failed attempt that may succeed when repeated."""

    def __init__(self, origin: Origin, failure: IndexFailure, *, connected: bool) -> None:
        super().__init__(failure.cause)
        self.origin = origin
        self.failure = failure
        self.connected = connected


def _status_failure(response: Response) -> IndexFailure:
    return IndexFailure(_host(response.url), FailureKind.UNREACHABLE, f"it answers with status {response.status}")


def _with_authorization(headers: dict[str, str], authorization: str | None) -> dict[str, str]:
    usual = {"User-Agent": f"envctl/{__version__}", "Accept-Encoding": "identity", "Connection": "keep-alive"}
    if authorization is not None:
        usual["Authorization"] = authorization
    return usual | headers


def _split(url: str) -> tuple[Origin, str]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise TransportError(IndexFailure("", FailureKind.GARBAGE, "the address is not valid")) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise TransportError(
            IndexFailure(parts.hostname or "", FailureKind.GARBAGE, "the address is neither http nor https")
        )
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else ""
    return (parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80)), path + query


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return type(error).__name__


def _retry_after(value: str | None) -> float | None:
    return min(float(value), 30.0) if value is not None and value.isdecimal() else None


def _inflater(encoding: str) -> Callable[[bytes, int], bytes] | None:
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return None
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise http.client.HTTPException
    stream = zlib.decompressobj(zlib.MAX_WBITS | 32)

    def inflate(chunk: bytes, max_length: int) -> bytes:
        return stream.decompress(chunk, max(1, max_length))

    return inflate
