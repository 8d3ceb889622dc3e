"""Certificates, trusted hosts, and tunnels through a proxy, against a TLS server on loopback."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from envctl.resolution.index.credentials import Credentials
from envctl.resolution.index.transport import Transport, TransportError, TransportSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a self-signed certificate of 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "loopback.pem"
    path.write_bytes(
        built.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.fixture
def tls_port(certificate: Path) -> Iterator[int]:
    """A server that answers every request with `secure`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = socket.create_server(("127.0.0.1", 0))

    def work() -> None:
        while True:
            try:
                plain, _ = server.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(plain, server_side=True) as connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecure")
            except OSError:
                plain.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


@pytest.fixture
def tunnel() -> Iterator[tuple[int, list[bytes]]]:
    """A proxy for one CONNECT; the requests that it saw."""
    server = socket.create_server(("127.0.0.1", 0))
    seen: list[bytes] = []

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def work() -> None:
        try:
            near, _ = server.accept()
        except OSError:
            return
        with near:
            request = near.recv(65536)
            seen.append(request)
            host, _, port = request.split()[1].decode().rpartition(":")
            with socket.create_connection((host, int(port))) as far:
                near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=pump, args=(far, near), daemon=True)
                back.start()
                pump(near, far)
                back.join(5)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield server.getsockname()[1], seen
    server.close()
    thread.join(5)


def get(port: int, **options: Any) -> bytes:
    settings = TransportSettings(**{"timeout_seconds": 5.0, "retries": 0, **options})
    with closing(Transport(settings, Credentials())) as transport:
        return transport.get(f"https://127.0.0.1:{port}/", max_bytes=100).body


def test_an_unknown_certificate_is_refused_with_its_reason(tls_port: int) -> None:
    with pytest.raises(TransportError) as caught:
        get(tls_port, retries=3)
    assert caught.value.failure.cause.startswith("its certificate is not trusted: self")


def test_a_bundle_makes_it_known(tls_port: int, certificate: Path) -> None:
    assert get(tls_port, ca_bundle=str(certificate)) == b"secure"


@pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.1:{port}"])
def test_a_trusted_host_is_not_checked(tls_port: int, entry: str) -> None:
    assert get(tls_port, trusted_hosts=(entry.format(port=tls_port),)) == b"secure"


def test_trusting_one_port_does_not_trust_another(tls_port: int) -> None:
    with pytest.raises(TransportError):
        get(tls_port, trusted_hosts=("127.0.0.1:1",))


def test_tls_goes_through_a_proxy_as_a_tunnel(
    tls_port: int, certificate: Path, tunnel: tuple[int, list[bytes]]
) -> None:
    port, seen = tunnel
    proxy = f"http://me:pw@127.0.0.1:{port}"
    environment = {"https_proxy": proxy}
    assert get(tls_port, ca_bundle=str(certificate), environment=environment) == b"secure"
    (request,) = seen
    assert request.startswith(f"CONNECT 127.0.0.1:{tls_port} ".encode())
    assert b"Proxy-Authorization: Basic bWU6cHc=" in request
