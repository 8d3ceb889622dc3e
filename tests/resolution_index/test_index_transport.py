"""Indexes that fail, move, want a password, or stand behind a proxy."""

from __future__ import annotations

import base64
import gzip
import os
import socket
import sys
import threading
from contextlib import ExitStack, closing
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from fake_index import Answer, FakeIndex

from envctl.errors import ExitCode, UsageError
from envctl.resolution.index.credentials import Credentials, without_credentials
from envctl.resolution.index.proxies import ProxyError, proxy_for
from envctl.resolution.index.settings import IndexOptions
from envctl.resolution.index.source import open_index_source, outside_error
from envctl.resolution.index.transport import Transport, TransportError, TransportSettings
from envctl.resolution.names import package_name
from envctl.resolution.protocol import FailureKind, IndexFailure, Listing, Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import OpenSource

DEMO = package_name("demo")
PAGE = "/simple/demo/"


class OpenTransport(Protocol):
    def __call__(self, **options: Any) -> Transport: ...


@pytest.fixture
def transport() -> Iterator[OpenTransport]:
    """Makes transports with short pauses; closes them."""
    with ExitStack() as stack:

        def open_transport(**options: Any) -> Transport:
            fields = {"timeout_seconds": 5.0, "retries": 2, "first_pause_seconds": 0.001, **options}
            return stack.enter_context(closing(Transport(TransportSettings(**fields), Credentials())))

        yield open_transport


def failure_of(transport: Transport, url: str) -> IndexFailure:
    with pytest.raises(TransportError) as caught:
        transport.get(url, max_bytes=1000)
    return caught.value.failure


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_hiccup_is_asked_again(index: FakeIndex, status: int, transport: OpenTransport) -> None:
    index.answer("/x", Answer(status, headers={"Retry-After": "0"}), Answer(drop=True), Answer(200, b"fine"))
    assert transport().get(f"http://127.0.0.1:{index.port}/x", max_bytes=10).body == b"fine"
    assert index.counts()["/x"] == 3


def test_a_lasting_error_ends_after_the_retries(index: FakeIndex, transport: OpenTransport) -> None:
    index.answer("/x", Answer(503))
    failure = failure_of(transport(), f"http://127.0.0.1:{index.port}/x")
    assert failure == IndexFailure("127.0.0.1", FailureKind.UNREACHABLE, "it answers with status 503")
    assert index.counts()["/x"] == 3


def test_an_answer_that_ends_early_is_asked_again(index: FakeIndex, transport: OpenTransport) -> None:
    index.answer("/x", Answer(200, b"0123456789", cut=4), Answer(200, b"0123456789"))
    assert transport().get(f"http://127.0.0.1:{index.port}/x", max_bytes=10).body == b"0123456789"
    index.answer("/y", Answer(200, b"0123456789", cut=4))
    assert failure_of(transport(), f"http://127.0.0.1:{index.port}/y").cause == "the answer ended early"


def test_nobody_listening_is_found_out_once(index: FakeIndex, transport: OpenTransport) -> None:
    index.close()
    client = transport()
    failure = failure_of(client, f"http://127.0.0.1:{index.port}/x")
    assert failure == IndexFailure("127.0.0.1", FailureKind.UNREACHABLE, "the connection was refused")
    assert failure_of(client, f"http://127.0.0.1:{index.port}/y") is failure


@pytest.fixture
def mute_port() -> Iterator[int]:
    """A port that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_silence_is_a_timeout(mute_port: int, transport: OpenTransport) -> None:
    failure = failure_of(transport(timeout_seconds=0.05, retries=0), f"http://127.0.0.1:{mute_port}/")
    assert failure == IndexFailure("127.0.0.1", FailureKind.TIMEOUT, "no answer within 0.05 seconds")


def serve_raw(content: bytes) -> tuple[int, threading.Thread]:
    server = socket.create_server(("127.0.0.1", 0))

    def work() -> None:
        with server:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(content)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return server.getsockname()[1], thread


@pytest.mark.parametrize(
    "content",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_garbage(content: bytes, transport: OpenTransport) -> None:
    port, thread = serve_raw(content)
    failure = failure_of(transport(retries=0), f"http://127.0.0.1:{port}/")
    thread.join(5)
    assert failure.kind in {FailureKind.GARBAGE, FailureKind.UNREACHABLE}
    assert failure.cause in {"the answer is not valid HTTP", "the answer ended early"}


def test_tls_to_a_server_without_it_is_said(index: FakeIndex, transport: OpenTransport) -> None:
    failure = failure_of(transport(retries=0), f"https://127.0.0.1:{index.port}/")
    assert failure.kind is FailureKind.UNREACHABLE


def test_certificates_that_cannot_be_read_are_said(index: FakeIndex, tmp_path: Path, transport: OpenTransport) -> None:
    client = transport(ca_bundle=str(tmp_path / "missing.pem"))
    assert "certificates cannot be read" in failure_of(client, f"https://127.0.0.1:{index.port}/").cause


def test_large_answers_are_cut_at_the_limit(index: FakeIndex, transport: OpenTransport) -> None:
    index.answer("/plain", Answer(200, b"x" * 2000))
    bomb = gzip.compress(bytes(50_000_000))
    index.answer("/bomb", Answer(200, bomb, {"Content-Encoding": "gzip"}))
    for path in ("/plain", "/bomb"):
        response = transport().get(f"http://127.0.0.1:{index.port}{path}", max_bytes=1000)
        assert response.cut
        assert len(response.body) <= 1000


def test_redirects_are_followed_to_a_bound(
    index: FakeIndex, open_source: OpenSource, target: Target, transport: OpenTransport
) -> None:
    index.add_wheel("demo", "1.0", ["a"])
    index.answer("/old/simple/demo/", Answer(301, headers={"Location": "../../../simple/demo/"}))
    source = open_source(f"http://127.0.0.1:{index.port}/old/simple")
    listing = source.listing(DEMO, target)
    assert isinstance(listing, Listing)
    assert listing.candidates[0].url.endswith(f"{index.port}/files/demo-1.0-py3-none-any.whl")
    index.answer("/loop", Answer(302, headers={"Location": "/loop"}))
    assert "redirects" in failure_of(transport(), f"http://127.0.0.1:{index.port}/loop").cause
    index.answer("/out", Answer(302, headers={"Location": "file:///etc/passwd"}))
    assert "neither http" in failure_of(transport(), f"http://127.0.0.1:{index.port}/out").cause


def test_compressed_pages_are_read(index: FakeIndex, open_source: OpenSource, target: Target) -> None:
    index.gzip = True
    index.add_wheel("demo", "1.0")
    listing = open_source(index).listing(DEMO, target)
    assert isinstance(listing, Listing)
    assert len(listing.candidates) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "cause"),
    [
        (Answer(200, b"garbage"), FailureKind.GARBAGE, "neither HTML nor JSON"),
        (Answer(200, b"{]"), FailureKind.GARBAGE, "cannot be read as JSON"),
        (Answer(200, b'<a href="/login">Sign in</a>'), FailureKind.GARBAGE, "a web page"),
        (Answer(403), FailureKind.REFUSED, "status 403"),
        (Answer(418), FailureKind.GARBAGE, "status 418"),
        (Answer(500), FailureKind.UNREACHABLE, "status 500"),
    ],
)
def test_a_page_that_is_none_is_a_failure_with_exit_code_four(
    index: FakeIndex, open_source: OpenSource, target: Target, answer: Answer, kind: FailureKind, cause: str
) -> None:
    index.answer(PAGE, answer)
    failure = open_source(index).listing(DEMO, target)
    assert isinstance(failure, IndexFailure)
    assert failure.kind is kind
    assert cause in failure.cause
    error = outside_error(failure)
    assert error.exit_code is ExitCode.OUTSIDE
    assert "127.0.0.1" in error.detail


def test_a_dead_index_ends_with_host_and_cause(index: FakeIndex, open_source: OpenSource, target: Target) -> None:
    index.close()
    failure = open_source(index.url_with("me", "s3cret")).listing(DEMO, target)
    assert isinstance(failure, IndexFailure)
    error = outside_error(failure)
    assert error.detail == "127.0.0.1: the connection was refused."
    assert "s3cret" not in repr(failure) + repr(error.__dict__)


def listed(options: IndexOptions, environment: dict[str, str], target: Target) -> object:
    environment = {"PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0", **environment}
    with open_index_source(options, environment=environment) as source:
        found = source.listing(DEMO, target)
        if isinstance(found, Listing):
            return source.metadata(found.candidates[0])
        return found


def test_a_password_in_the_address_opens_pages_and_files(index: FakeIndex, target: Target, tmp_path: Path) -> None:
    index.password = ("me", "p@ss/word")
    index.add_wheel("demo", "1.0", ["a"])
    environment = {"ENVCTL_CACHE_DIR": str(tmp_path / "cache"), "PIP_INDEX_URL": index.url_with("me", "p%40ss%2Fword")}
    assert getattr(listed(IndexOptions(), environment, target), "requires_dist", None) == ("a",)
    written = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    names = " ".join(str(path) for path in tmp_path.rglob("*"))
    for secret in ("p@ss", "p%40ss", base64.b64encode(b"me:p@ss/word").decode()):
        assert secret not in names
        assert secret.encode() not in written


def test_netrc_is_read(index: FakeIndex, target: Target, tmp_path: Path) -> None:
    index.password = ("me", "secret")
    index.add_wheel("demo", "1.0", ["a"])
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    environment = {"ENVCTL_CACHE_DIR": str(tmp_path / "cache"), "NETRC": str(netrc)}
    found = listed(IndexOptions(index_url=index.url), environment, target)
    assert getattr(found, "requires_dist", None) == ("a",)
    netrc.write_text("machine machine machine\n")
    refused = listed(IndexOptions(index_url=index.url), environment, target)
    assert isinstance(refused, IndexFailure)
    assert refused.kind is FailureKind.REFUSED


def test_the_keyring_is_asked_after_a_refusal(
    index: FakeIndex, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.password = ("me", "secret")
    index.add_wheel("demo", "1.0", ["a"])
    asked: list[tuple[str, str | None]] = []
    keyring = ModuleType("keyring")

    def get_credential(service: str, user: str | None) -> SimpleNamespace | None:
        asked.append((service, user))
        return SimpleNamespace(username="me", password="secret") if "://" not in service else None

    keyring.get_credential = get_credential  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    environment = {"ENVCTL_CACHE_DIR": str(tmp_path / "cache")}
    found = listed(IndexOptions(index_url=f"http://me@127.0.0.1:{index.port}/simple"), environment, target)
    assert getattr(found, "requires_dist", None) == ("a",)
    assert asked == [(f"http://127.0.0.1:{index.port}", "me"), (f"127.0.0.1:{index.port}", "me")]


def test_a_keyring_that_is_switched_off_is_not_asked(
    index: FakeIndex, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.password = ("me", "secret")
    keyring = ModuleType("keyring")
    keyring.get_credential = lambda *_: SimpleNamespace(username="me", password="secret")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    environment = {"ENVCTL_CACHE_DIR": str(tmp_path / "cache"), "PIP_KEYRING_PROVIDER": "disabled"}
    assert isinstance(listed(IndexOptions(index_url=index.url), environment, target), IndexFailure)


def test_a_keyring_that_breaks_knows_nothing(
    index: FakeIndex, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.password = ("me", "secret")
    monkeypatch.setitem(sys.modules, "keyring", ModuleType("keyring"))
    environment = {"ENVCTL_CACHE_DIR": str(tmp_path / "cache")}
    found = listed(IndexOptions(index_url=index.url), environment, target)
    assert found == IndexFailure("127.0.0.1", FailureKind.REFUSED, "it refuses with status 401")


def test_a_password_stays_with_its_host(
    index: FakeIndex, second_index: FakeIndex, target: Target, tmp_path: Path
) -> None:
    index.add_wheel("demo", "1.0", ["a"])
    index.password = ("me", "secret")
    second_index.answer(PAGE, Answer(302, headers={"Location": f"{index.url}/demo/"}))
    environment = {"ENVCTL_CACHE_DIR": str(tmp_path / "cache")}
    found = listed(IndexOptions(index_url=second_index.url_with("me", "secret")), environment, target)
    assert isinstance(found, IndexFailure), "another port is another host: the password is not sent there"
    assert "authorization" not in index.requests[-1].headers
    assert "authorization" in second_index.requests[-1].headers


def test_a_proxy_gets_whole_addresses(index: FakeIndex, target: Target, tmp_path: Path) -> None:
    body = b'<a href="demo-1.0.tar.gz">x</a>'
    index.answer("http://pypi.invalid:80/simple/demo/", Answer(200, body))
    environment = {"ENVCTL_CACHE_DIR": str(tmp_path), "http_proxy": f"http://127.0.0.1:{index.port}"}
    with open_index_source(
        IndexOptions(index_url="http://pypi.invalid/simple"), environment={"PIP_CONFIG_FILE": os.devnull, **environment}
    ) as source:
        listing = source.listing(DEMO, target)
    assert isinstance(listing, Listing)
    assert [candidate.version for candidate in listing.candidates] == ["1.0"]


@pytest.mark.parametrize(
    ("scheme", "host", "environment", "proxy"),
    [
        ("https", "a.example", {}, None),
        ("https", "a.example", {"https_proxy": "http://p:3128"}, ("p", 3128)),
        ("https", "a.example", {"HTTPS_PROXY": "p:3128"}, ("p", 3128)),
        ("https", "a.example", {"http_proxy": "http://p:3128"}, None),
        ("https", "a.example", {"ALL_PROXY": "http://p"}, ("p", 80)),
        ("https", "a.example", {"https_proxy": "http://p:1", "no_proxy": "b.example,.example"}, None),
        ("https", "a.example", {"https_proxy": "http://p:1", "NO_PROXY": "*"}, None),
        ("https", "a.example", {"https_proxy": "http://p:1", "no_proxy": "xa.example"}, ("p", 1)),
        ("https", "a.example", {"https_proxy": "http://p:1", "no_proxy": "a.example:443"}, None),
        ("http", "a.example", {"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, None),
    ],
)
def test_proxies_by_environment(scheme: str, host: str, environment: dict[str, str], proxy: object) -> None:
    found = proxy_for(scheme, host, 443 if scheme == "https" else 80, environment)
    assert (found and (found.host, found.port)) == proxy


def test_a_proxy_with_password_and_one_that_is_not_supported() -> None:
    found = proxy_for("https", "a", 443, {}, "http://me:p%40ss@p:1")
    assert found is not None
    assert found.headers == {"Proxy-Authorization": "Basic " + base64.b64encode(b"me:p@ss").decode()}
    assert "Basic" not in repr(found)
    with pytest.raises(ProxyError, match="socks5"):
        proxy_for("https", "a", 443, {"all_proxy": "socks5://me:secret@p:1"})


def test_credentials_leave_every_address_of_a_text() -> None:
    text = "https://me:pass@host/simple and http://token@other:8080/x but mail@host stays"
    assert without_credentials(text) == "https://host/simple and http://other:8080/x but mail@host stays"


@pytest.mark.parametrize(
    "address",
    ["http://[", "http://a..b/x", f"http://{'a' * 70}.example/x", "http://h:port/x", "http:///x", "http://\u2100/"],
)
def test_addresses_that_nobody_could_ask_are_failures_or_left_out(
    index: FakeIndex, open_source: OpenSource, target: Target, address: str, tmp_path: Path
) -> None:
    index.answer(PAGE, Answer(200, f'<a href="{address}/demo-1.0-py3-none-any.whl">x</a>'.encode()))
    source = open_source(index)
    listing = source.listing(DEMO, target)
    assert isinstance(listing, Listing)
    for candidate in listing.candidates:
        failure = source.metadata(candidate)
        assert isinstance(failure, IndexFailure)
        assert failure.kind is FailureKind.GARBAGE
    try:
        found = listed(IndexOptions(index_url=f"{address}/simple"), {"ENVCTL_CACHE_DIR": str(tmp_path)}, target)
    except UsageError:
        return
    assert isinstance(found, IndexFailure)


def test_an_endless_file_is_named_and_asked_for_once(transport: OpenTransport) -> None:
    import socket
    import threading

    asked: list[bytes] = []
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                try:
                    while not over.wait(0.01):
                        connection.sendall(b"x" * 10)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        port = listener.getsockname()[1]
        failure = failure_of(transport(timeout_seconds=0.05, retries=3), f"http://127.0.0.1:{port}/demo-1.0.whl")
    finally:
        over.set()
        listener.close()
        thread.join(5)
    assert (failure.kind, failure.cause) == (FailureKind.TIMEOUT, "demo-1.0.whl did not end within 0.5 seconds")
    assert len(asked) == 1
