"""As whom envctl calls Google, against a loopback server that plays IAM Credentials, OAuth and a service."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from envctl.errors import OutsideError, UsageError
from envctl.google.http_transport import HttpTransport
from envctl.google.identity import Caller

ACCOUNT = "deployer@acme-data.iam.gserviceaccount.com"
OTHER = "other@acme-data.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LEND = f"/iamcredentials/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"

Answer = tuple[int, Any]


class Google(ThreadingHTTPServer):
    """Answers what `answers` says by path, 200 and `{}` otherwise, and keeps what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[dict[str, Any]] = []
        self.answers: dict[str, Callable[[], Answer]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "GOOGLE_KMS_CUSTOM_ENDPOINT": f"{self.url}/kms/v1/",
            "GOOGLE_IAM_CREDENTIALS_CUSTOM_ENDPOINT": f"{self.url}/iamcredentials/v1/",
            **more,
        }

    def paths(self) -> list[str]:
        return [item["path"] for item in self.seen]


class Handler(BaseHTTPRequestHandler):
    server: Google

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append({"path": self.path, "headers": headers, "body": body.decode()})
        status, said = self.server.answers.get(self.path, lambda: (200, {}))()
        text = said if isinstance(said, str) else json.dumps(said)
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = answer  # noqa: N815 - names of the base class

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def google() -> Iterator[Google]:
    made = Google()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def lends(token: str, lasting: timedelta = timedelta(hours=1)) -> Answer:
    return 200, {"accessToken": token, "expireTime": (datetime.now(UTC) + lasting).strftime("%Y-%m-%dT%H:%M:%SZ")}


def refusal(code: int, message: str, reason: str = "IAM_PERMISSION_DENIED") -> Answer:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]
    return code, {"error": {"code": code, "message": message, "details": details}}


DENIED = refusal(403, "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).")


def ask(transport: HttpTransport) -> None:
    assert transport.call("GET", "kms/v1", "x").status == 200


@pytest.mark.parametrize(
    ("environment", "settings", "expected"),
    [
        ({}, (None, None), Caller()),
        ({}, (ACCOUNT, None), Caller(ACCOUNT)),
        ({"GOOGLE_IMPERSONATE_SERVICE_ACCOUNT": OTHER}, (ACCOUNT, None), Caller(OTHER)),
        ({"GOOGLE_IMPERSONATE_SERVICE_ACCOUNT": ""}, (ACCOUNT, None), Caller(ACCOUNT)),
        ({}, (None, "acme-tools"), Caller(None, "acme-tools", True)),
        ({"GOOGLE_BILLING_PROJECT": "acme-other"}, (None, "acme-tools"), Caller(None, "acme-other", True)),
        ({"USER_PROJECT_OVERRIDE": "false"}, (None, "acme-tools"), Caller(None, "acme-tools", False)),
        ({"USER_PROJECT_OVERRIDE": "0"}, (None, "acme-tools"), Caller(None, "acme-tools", False)),
        ({"USER_PROJECT_OVERRIDE": "1"}, (None, None), Caller(None, None, True)),
        ({"USER_PROJECT_OVERRIDE": "TRUE"}, (None, None), Caller(None, None, True)),
        ({"USER_PROJECT_OVERRIDE": ""}, (None, None), Caller()),
    ],
)
def test_variables_of_the_provider_win_over_the_file(
    environment: dict[str, str], settings: tuple[str | None, str | None], expected: Caller
) -> None:
    assert Caller.chosen(environment, *settings) == expected


@pytest.mark.parametrize(
    "environment",
    [
        {"GOOGLE_IMPERSONATE_SERVICE_ACCOUNT": "ann@acme.example"},
        {"GOOGLE_BILLING_PROJECT": "x y"},
        {"GOOGLE_BILLING_PROJECT": "acme-tools\n"},
        {"USER_PROJECT_OVERRIDE": "yes"},
    ],
)
def test_a_variable_that_cannot_be_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        Caller.chosen(environment)
    (name,) = environment
    assert name in caught.value.summary
    assert environment[name] in caught.value.detail


def test_whose_quota_it_is() -> None:
    assert Caller(None, "acme-tools", True).quota_project("acme-data") == "acme-tools"
    assert Caller(None, None, True).quota_project("acme-data") == "acme-data"
    assert Caller(None, "acme-tools", False).quota_project("acme-data") is None


def test_a_lent_token_and_the_quota_project_are_sent(google: Google) -> None:
    google.answers[LEND] = lambda: lends("t-lent")
    transport = HttpTransport.for_google(
        google.environment(GOOGLE_OAUTH_ACCESS_TOKEN="t-own"), Caller(ACCOUNT, "acme-tools", True)
    )
    ask(transport)
    ask(transport)
    transport.close()
    assert google.paths() == [LEND, "/kms/v1/x", "/kms/v1/x"]
    lend, *calls = google.seen
    assert lend["headers"]["authorization"] == "Bearer t-own"
    asked = json.loads(lend["body"])
    assert (asked["scope"], asked["lifetime"]) == ([SCOPE], "3600s")
    for call in calls:
        assert call["headers"]["authorization"] == "Bearer t-lent"
        assert call["headers"]["x-goog-user-project"] == "acme-tools"
    assert transport.identity.member == f"serviceAccount:{ACCOUNT}"


def test_a_lent_token_that_ran_out_is_renewed(google: Google) -> None:
    given = iter(("t-1", "t-2"))
    google.answers[LEND] = lambda: lends(next(given), timedelta(seconds=-1))
    transport = HttpTransport.for_google(google.environment(GOOGLE_OAUTH_ACCESS_TOKEN="t-own"), Caller(ACCOUNT))
    ask(transport)
    ask(transport)
    transport.close()
    sent = [item["headers"]["authorization"] for item in google.seen if item["path"] == "/kms/v1/x"]
    assert sent == ["Bearer t-1", "Bearer t-2"]


@pytest.mark.parametrize("caller", [Caller(), Caller(None, "acme-tools", False), Caller(None, None, True)])
def test_no_quota_project_is_named_when_there_is_none(google: Google, caller: Caller) -> None:
    transport = HttpTransport.for_google(google.environment(GOOGLE_OAUTH_ACCESS_TOKEN="t-own"), caller)
    ask(transport)
    transport.close()
    assert "x-goog-user-project" not in google.seen[0]["headers"]
    assert google.seen[0]["headers"]["authorization"] == "Bearer t-own"
    assert transport.identity.member is None


def test_a_refused_impersonation_names_account_and_role_and_is_asked_for_once(google: Google) -> None:
    google.answers[LEND] = lambda: DENIED
    transport = HttpTransport.for_google(google.environment(GOOGLE_OAUTH_ACCESS_TOKEN="t-own"), Caller(ACCOUNT))
    for _ in range(3):
        with pytest.raises(OutsideError) as caught:
            transport.call("GET", "kms/v1", "x")
    transport.close()
    error = caught.value
    assert error.code == "impersonation-refused"
    assert error.summary == f"{ACCOUNT} cannot be impersonated"
    assert "iam.serviceAccounts.getAccessToken" in error.detail
    (hint,) = error.hints
    assert hint.startswith(f"whoever runs envctl needs roles/iam.serviceAccountTokenCreator on {ACCOUNT} itself")
    assert google.paths() == [LEND]


def test_an_api_that_is_off_is_no_missing_role(google: Google) -> None:
    google.answers[LEND] = lambda: refusal(403, "IAM Service Account Credentials API is off", "SERVICE_DISABLED")
    transport = HttpTransport.for_google(google.environment(GOOGLE_OAUTH_ACCESS_TOKEN="t-own"), Caller(ACCOUNT))
    with pytest.raises(OutsideError) as caught:
        transport.call("GET", "kms/v1", "x")
    transport.close()
    assert caught.value.code == "impersonation-refused"
    assert "gcloud services enable iamcredentials.googleapis.com" in caught.value.hints[0]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refusal(404, f"Not found; Gaia id not found for email {ACCOUNT}"), "impersonation-refused"),
        (refusal(503, "The service is currently unavailable."), "api-refused"),
        ((502, "<html>"), "api-refused"),
        ((200, {"expireTime": "2026-11-20T10:00:00Z"}), "api-refused"),
        ((403, {"error": {"code": "PERMISSION_DENIED", "message": "no"}}), "impersonation-refused"),
        ((403, {"error": {"code": [403], "message": "no"}}), "impersonation-refused"),
        ((403, {"error": {"code": "503", "message": "no"}}), "impersonation-refused"),
        ((403, {"error": {"code": True, "message": "no"}}), "impersonation-refused"),
    ],
)
def test_every_answer_of_iam_credentials_is_an_error_of_the_outside(google: Google, answer: Answer, code: str) -> None:
    google.answers[LEND] = lambda: answer
    transport = HttpTransport.for_google(google.environment(GOOGLE_OAUTH_ACCESS_TOKEN="t-own"), Caller(ACCOUNT))
    with pytest.raises(OutsideError) as caught:
        transport.call("GET", "kms/v1", "x")
    transport.close()
    assert caught.value.code == code
    assert "/kms/v1/x" not in google.paths()


def test_what_was_no_refusal_is_asked_for_again(google: Google) -> None:
    given = iter((refusal(503, "The service is currently unavailable."), lends("t-lent")))
    google.answers[LEND] = lambda: next(given)
    transport = HttpTransport.for_google(google.environment(GOOGLE_OAUTH_ACCESS_TOKEN="t-own"), Caller(ACCOUNT))
    with pytest.raises(OutsideError):
        transport.call("GET", "kms/v1", "x")
    ask(transport)
    transport.close()


def test_no_way_to_iam_credentials_is_the_network() -> None:
    environment = {
        "GOOGLE_OAUTH_ACCESS_TOKEN": "t-own",
        "GOOGLE_IAM_CREDENTIALS_CUSTOM_ENDPOINT": "http://127.0.0.1:1/v1/",
    }
    transport = HttpTransport.for_google(environment, Caller(ACCOUNT))
    with pytest.raises(OutsideError) as caught:
        transport.call("GET", "kms/v1", "x")
    transport.close()
    assert caught.value.code == "network"


@pytest.fixture
def key_of_an_account(google: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Application default credentials: the key of a service account whose tokens come from the loopback server."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    email = "ci@acme-tools.iam.gserviceaccount.com"
    key = {
        "type": "service_account",
        "project_id": "acme-tools",
        "client_email": email,
        "private_key": pem.decode(),
        "token_uri": f"{google.url}/token",
    }
    (tmp_path / "key.json").write_text(json.dumps(key))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    google.answers["/token"] = lambda: (200, {"access_token": "t-key", "expires_in": 3600, "token_type": "Bearer"})
    return email


def test_default_credentials_lend_too(google: Google, key_of_an_account: str) -> None:
    google.answers[LEND] = lambda: lends("t-lent")
    transport = HttpTransport.for_google(google.environment(), Caller(ACCOUNT))
    ask(transport)
    transport.close()
    assert google.paths() == ["/token", LEND, "/kms/v1/x"]
    assert google.seen[1]["headers"]["authorization"] == "Bearer t-key"
    assert google.seen[2]["headers"]["authorization"] == "Bearer t-lent"


def test_default_credentials_alone_tell_their_member(google: Google, key_of_an_account: str) -> None:
    transport = HttpTransport.for_google(google.environment())
    ask(transport)
    transport.close()
    assert transport.identity.member == f"serviceAccount:{key_of_an_account}"
    assert google.seen[1]["headers"]["authorization"] == "Bearer t-key"


def test_a_refusal_tells_how_to_grant_the_role_to_a_known_member(google: Google, key_of_an_account: str) -> None:
    google.answers[LEND] = lambda: DENIED
    transport = HttpTransport.for_google(google.environment(), Caller(ACCOUNT))
    with pytest.raises(OutsideError) as caught:
        transport.call("GET", "kms/v1", "x")
    transport.close()
    assert caught.value.hints[1].splitlines()[1].strip() == (
        f"gcloud iam service-accounts add-iam-policy-binding {ACCOUNT} "
        f"--member=serviceAccount:{key_of_an_account} --role=roles/iam.serviceAccountTokenCreator"
    )


def test_credentials_that_end_below_are_no_refused_impersonation(google: Google, key_of_an_account: str) -> None:
    google.answers["/token"] = lambda: (400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
    transport = HttpTransport.for_google(google.environment(), Caller(ACCOUNT))
    with pytest.raises(OutsideError) as caught:
        transport.call("GET", "kms/v1", "x")
    transport.close()
    assert caught.value.code == "credentials"
    assert LEND not in google.paths()
