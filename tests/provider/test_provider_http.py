"""The HTTP transport against a small server on the loopback."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import envctl
from envctl.errors import OutsideError
from envctl.google.http_transport import ENDPOINTS, HttpTransport, google_address
from envctl.provider.registry import all_specs


class Handler(BaseHTTPRequestHandler):
    seen: list[dict[str, Any]]

    def answer(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        self.server.seen.append(  # type: ignore[attr-defined]
            {
                "method": self.command,
                "path": self.path,
                "type": self.headers.get("content-type"),
                "token": self.headers.get("authorization"),
                "body": body.decode(),
            }
        )
        code, text = {
            "/kms/v1/gone": (404, '{"error": {"code": 404, "message": "no"}}'),
            "/kms/v1/html": (502, "<html>"),
            "/kms/v1/nothing": (204, ""),
        }.get(self.path.split("?")[0], (200, '{"ok": true}'))
        self.send_response(code)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = answer  # noqa: N815 - names of the base class

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.seen = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def transport(server: ThreadingHTTPServer) -> Iterator[HttpTransport]:
    made = HttpTransport.for_sandbox(f"http://127.0.0.1:{server.server_port}/")
    yield made
    made.close()


def test_requests_go_to_the_prefix_of_the_service(server: Any, transport: HttpTransport) -> None:
    answer = transport.call("POST", "kms/v1", "projects/p/x:setIamPolicy", {"a.b": "1,2"}, {"policy": {}})
    assert (answer.status, answer.body) == (200, {"ok": True})
    (seen,) = server.seen
    assert seen == {
        "method": "POST",
        "path": "/kms/v1/projects/p/x:setIamPolicy?a.b=1%2C2",
        "type": "application/json",
        "token": "Bearer sandbox",
        "body": json.dumps({"policy": {}}),
    }


def test_escaped_names_and_raw_bodies_stay_as_they_are(server: Any, transport: HttpTransport) -> None:
    transport.call("POST", "storage/upload/storage/v1", "b/x/o", {"name": "a/b"}, b"print(1)\n")
    transport.call("DELETE", "storage/storage/v1", "b/x/o/dags%2Fa.py")
    assert [item["path"] for item in server.seen] == [
        "/storage/upload/storage/v1/b/x/o?name=a%2Fb",
        "/storage/storage/v1/b/x/o/dags%2Fa.py",
    ]
    assert (server.seen[0]["type"], server.seen[0]["body"]) == ("application/octet-stream", "print(1)\n")


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [("gone", 404, {"error": {"code": 404, "message": "no"}}), ("html", 502, "<html>"), ("nothing", 204, None)],
)
def test_every_answer_is_an_answer(transport: HttpTransport, path: str, status: int, body: Any) -> None:
    answer = transport.call("GET", "kms/v1", path)
    assert (answer.status, answer.body) == (status, body)


def test_no_answer_is_an_error_of_the_outside() -> None:
    transport = HttpTransport.for_sandbox("http://127.0.0.1:1")
    with pytest.raises(OutsideError, match=r"127\.0\.0\.1:1 could not be reached") as caught:
        transport.call("GET", "kms/v1", "x")
    assert "GET http://127.0.0.1:1/kms/v1/x" in caught.value.detail
    transport.close()


def test_endpoints_of_the_real_provider_are_read() -> None:
    environment = {
        "GOOGLE_COMPOSER_CUSTOM_ENDPOINT": "http://127.0.0.1:8080/composer/v1beta1/",
        "GOOGLE_STORAGE_CUSTOM_ENDPOINT": "http://127.0.0.1:8080/storage/storage/v1/",
        "GOOGLE_SERVICE_USAGE_CUSTOM_ENDPOINT": "http://127.0.0.1:8080/serviceusage/v1/",
    }
    assert google_address("composer/v1beta1", environment) == "http://127.0.0.1:8080/composer/v1beta1/"
    assert google_address("kms/v1", environment) == "https://cloudkms.googleapis.com/v1/"
    assert (
        google_address("storage/upload/storage/v1", environment) == "http://127.0.0.1:8080/storage/upload/storage/v1/"
    )
    assert google_address("serviceusage/v1beta1", environment) == "http://127.0.0.1:8080/serviceusage/v1beta1/"
    with pytest.raises(OutsideError):
        google_address("sqladmin/v1", environment)


def test_every_service_of_the_tables_has_an_address() -> None:
    services = {spec.service for spec in all_specs().values()}
    assert {service for service in services if not google_address(service, {}).startswith("https://")} == set()
    assert len({endpoint.variable for endpoint in ENDPOINTS.values()}) == len(ENDPOINTS)


def test_every_service_that_the_source_names_has_an_address() -> None:
    """The emulator answers more prefixes than Google has addresses here: a name that only it knows fails on Google."""
    prefixes = sorted({name.partition("/")[0] for name in ENDPOINTS}, key=len, reverse=True)
    named = re.compile(rf'"((?:{"|".join(prefixes)})(?:/[a-z0-9]+)*/v[0-9][a-z0-9]*)"')
    source = Path(envctl.__file__).parent
    rooms = [path for path in source.rglob("*.py") if path.relative_to(source).parts[0] != "sandbox"]
    found = {name for path in rooms for name in named.findall(path.read_text(encoding="utf-8"))}
    assert found >= {"composer/v1beta1", "crm3/v3", "storage/upload/storage/v1"}
    assert {name for name in found if not google_address(name, {}).startswith("https://")} == set()


def test_a_token_of_the_environment_needs_no_credentials(server: Any) -> None:
    base = f"http://127.0.0.1:{server.server_port}/kms/v1"
    environment = {"GOOGLE_OAUTH_ACCESS_TOKEN": "t0", "GOOGLE_KMS_CUSTOM_ENDPOINT": base}
    transport = HttpTransport.for_google(environment)
    transport.call("GET", "kms/v1", "x")
    transport.close()
    assert server.seen[0]["token"] == "Bearer t0"
