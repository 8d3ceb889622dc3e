"""A served sandbox answers programs of this machine; no web page, and control calls only with its token."""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING

import httpx
import pytest
from sandbox_client import START

from envctl.loopback import Asked, refusal
from envctl.sandbox import control
from envctl.sandbox.clock import Clock
from envctl.sandbox.cloud import Cloud
from envctl.sandbox.server import RunningServer, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = "/crm/v1/projects/acme"
TOKEN = "0123456789abcdef"


# The rule


def asked(host: str | None = "127.0.0.1:8085", **headers: str) -> Asked:
    return Asked(headers.pop("method", "GET"), host, **headers)


def status(one: Asked, *, listens: str = "127.0.0.1", token: str | None = None) -> int | None:
    refused = refusal(one, listens=listens, port=8085, token=token)
    return refused.status if refused else None


@pytest.mark.parametrize("host", ["localhost:8085", "LOCALHOST:8085", "127.0.0.1:8085", "127.8.9.1:8085", "[::1]:8085"])
def test_loopback_names_with_the_port_are_answered(host: str) -> None:
    assert status(asked(host)) is None


@pytest.mark.parametrize(
    "host",
    [
        *(None, "", "localhost", "localhost:", "localhost:8086", "localhost:08085x", "127.0.0.1", "[::1]", "[::1]8085"),
        *("evil.example:8085", "127.0.0.1.evil.example:8085", "localhost.evil.example:8085", "2130706433:8085"),
        *("0x7f.1:8085", "10.0.0.1:8085", "[fe80::1]:8085", "a@127.0.0.1:8085", "composer.googleapis.com"),
    ],
)
def test_every_other_host_is_refused(host: str | None) -> None:
    assert status(asked(host)) == 403


def test_the_default_port_need_not_be_named() -> None:
    assert refusal(asked("localhost"), listens="127.0.0.1", port=80) is None


def test_a_server_on_another_address_answers_to_that_address_alone() -> None:
    assert status(asked("10.0.0.1:8085"), listens="10.0.0.1") is None
    assert status(asked("builder:8085"), listens="builder") is None
    assert status(asked("10.0.0.2:8085"), listens="10.0.0.1") == 403


def test_a_server_on_all_addresses_answers_to_numbers_which_cannot_be_rebound() -> None:
    assert status(asked("10.0.0.1:8085"), listens="0.0.0.0") is None
    assert status(asked("evil.example:8085"), listens="0.0.0.0") == 403


def test_an_own_page_may_ask() -> None:
    own = asked("localhost:8085", origin="http://localhost:8085", site="same-origin", method="POST")
    assert status(own) is None
    assert status(asked(site="none")) is None


@pytest.mark.parametrize(
    "origin",
    [
        *(
            "null",
            "",
            "https://evil.example",
            "http://localhost:3000",
            "http://localhost:8085",
            "https://127.0.0.1:8085",
        ),
        "http://127.0.0.1:8085.evil.example",
    ],
)
def test_a_page_of_another_origin_is_refused(origin: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        assert status(asked(origin=origin, method=method)) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", ""])
def test_images_scripts_and_links_of_another_page_are_refused(site: str) -> None:
    assert status(asked(site=site)) == 403


def test_nobody_is_granted_anything_across_origins() -> None:
    assert status(asked(method="OPTIONS")) == 405


@pytest.mark.parametrize("authorization", [None, "", TOKEN, "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}"])
def test_a_call_that_needs_the_token_is_refused_without_it(authorization: str | None) -> None:
    one = Asked("GET", "localhost:8085", authorization=authorization)
    assert status(one, token=TOKEN) == 401
    assert status(one) is None


def test_the_token_lets_in_but_no_page_of_another_origin() -> None:
    one = Asked("POST", "localhost:8085", authorization=f"Bearer {TOKEN}")
    assert status(one, token=TOKEN) is None
    page = Asked("POST", "localhost:8085", origin="https://evil.example", authorization=f"Bearer {TOKEN}")
    assert status(page, token=TOKEN) == 403


def test_a_token_of_other_letters_is_no_crash() -> None:
    assert status(Asked("GET", "localhost:8085", authorization="Bearer äöü€"), token=TOKEN) == 401


# Served


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    server = serve(Cloud(clock=Clock(START)))
    yield server
    server.stop()


@pytest.fixture
def server(running: RunningServer) -> RunningServer:
    control.reset(running.cloud)
    control.seed(running.cloud, {"projects": [{"id": "acme", "number": "424242", "apis": "all"}]})
    return running


def test_programs_call_the_apis_without_a_token(server: RunningServer) -> None:
    assert httpx.get(f"{server.url}{PROJECT}").json()["projectNumber"] == "424242"
    assert httpx.get(f"{server.address('cloudresourcemanager')}/v1/projects/acme").status_code == 200


@pytest.mark.parametrize("service", ["main", "storage"])
def test_a_page_can_neither_read_nor_change_anything(server: RunningServer, service: str) -> None:
    prefix = "/storage" if service == "main" else ""
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        url = f"{server.address(service)}{prefix}/storage/v1/b?project=acme"
        answer = httpx.post(url, json={"name": "acme-wiped"}, headers=headers)
        assert answer.status_code == 403
        assert answer.json()["error"]["status"] == "PERMISSION_DENIED"
        assert httpx.options(url, headers={**headers, "Access-Control-Request-Method": "PUT"}).status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert server.cloud.backend.store.items("buckets") == []


def test_a_rebound_name_is_refused_on_every_port(server: RunningServer) -> None:
    for name, port in server.ports.items():
        if name == "iam-grpc":
            continue
        for path in ("/", PROJECT, "/_control/dump"):
            headers = {"Host": f"evil.example:{port}", "Authorization": f"Bearer {server.token}"}
            assert httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers).status_code == 403, name
    elsewhere = {"Host": f"127.0.0.1:{server.ports['main']}"}
    assert httpx.get(f"{server.address('composer')}/", headers=elsewhere).status_code == 403


def test_a_large_body_of_a_page_is_not_read(server: RunningServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.ports["main"], timeout=10)
    connection.putrequest("POST", PROJECT)
    connection.putheader("Origin", "https://evil.example")
    connection.putheader("Content-Length", str(10**12))
    connection.endheaders()
    assert connection.getresponse().status == 403
    connection.close()


def test_control_calls_need_the_token(server: RunningServer) -> None:
    for verb, name in control.ENDPOINTS:
        url = f"{server.url}/_control/{name}"
        for headers in ({}, {"Authorization": "Bearer envctl-sandbox"}):
            refused = httpx.request(verb, url, headers=headers)
            assert refused.status_code == 401, name
            assert "token" in refused.json()["error"]["message"]
    assert server.cloud.projects.number("acme") == "424242"
    mine = {"Authorization": f"Bearer {server.token}"}
    for service in ("main", "composer"):
        answer = httpx.get(f"{server.address(service)}/_control/clock", headers=mine)
        assert answer.json()["running"] == []
    page = {**mine, "Origin": "https://evil.example"}
    assert httpx.post(f"{server.url}/_control/reset", headers=page).status_code == 403


def test_each_server_has_a_token_of_its_own(server: RunningServer) -> None:
    other = serve(Cloud())
    try:
        assert len(server.token) >= 32
        assert other.token != server.token
    finally:
        other.stop()


def test_an_object_that_is_a_page_has_no_origin_to_ask_with(server: RunningServer) -> None:
    base = f"{server.url}/storage"
    httpx.post(f"{base}/storage/v1/b?project=acme", json={"name": "acme-pages"})
    upload = f"{base}/upload/storage/v1/b/acme-pages/o?uploadType=media&name=page.html"
    httpx.post(upload, content=b"<script>fetch('/')</script>", headers={"Content-Type": "text/html"})
    shown = httpx.get(f"{base}/storage/v1/b/acme-pages/o/page.html?alt=media")
    assert shown.headers["content-security-policy"] == "sandbox"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert shown.headers["cross-origin-resource-policy"] == "same-origin"


def test_a_browser_gets_nothing_out_of_the_grpc_port(server: RunningServer) -> None:
    # Browsers speak HTTP/2 over TLS only; what they send without it is HTTP/1.1, which gRPC does not answer.
    with socket.create_connection(("127.0.0.1", server.ports["iam-grpc"]), timeout=5) as connection:
        body = json.dumps({"name": "projects/acme"})
        head = f"POST /google.iam.admin.v1.IAM/ListServiceAccounts HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}"
        connection.sendall(f"{head}\r\nContent-Type: text/plain\r\n\r\n{body}".encode())
        got = b""
        while chunk := connection.recv(4096):
            got += chunk
    assert b"accounts" not in got
    assert not got.startswith(b"HTTP/1.1 200")


def test_a_page_behind_a_proxy_to_grpc_is_refused(server: RunningServer) -> None:
    import grpc
    from google.cloud.iam_admin_v1 import types

    with grpc.insecure_channel(f"127.0.0.1:{server.ports['iam-grpc']}") as channel:
        call = channel.unary_unary(
            "/google.iam.admin.v1.IAM/ListServiceAccounts",
            request_serializer=types.ListServiceAccountsRequest.serialize,
            response_deserializer=types.ListServiceAccountsResponse.deserialize,
        )
        request = types.ListServiceAccountsRequest(name="projects/acme")
        assert list(call(request).accounts) == []
        with pytest.raises(grpc.RpcError) as refused:
            call(request, metadata=[("origin", "https://evil.example")])
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
