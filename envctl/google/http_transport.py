"""The way to a cloud over HTTP: Google's APIs, endpoints named in the environment, or a served sandbox."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from envctl.errors import OutsideError
from envctl.google.identity import Caller, Identity, google_identity
from envctl.google.transport import Answer, NoAnswerError, Query, decoded, google_answer

if TYPE_CHECKING:
    import httpx

_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an API lives, and the variable that names another place for it (as the real provider reads it)."""

    address: str
    variable: str
    suffix: str = ""
    """What comes after the address: the real provider's variable of some APIs ends before the version."""


ENDPOINTS: Mapping[str, Endpoint] = {
    "artifactregistry/v1": Endpoint(
        "https://artifactregistry.googleapis.com/v1/", "GOOGLE_ARTIFACT_REGISTRY_CUSTOM_ENDPOINT"
    ),
    "bigquery/bigquery/v2": Endpoint(
        "https://bigquery.googleapis.com/bigquery/v2/", "GOOGLE_BIG_QUERY_CUSTOM_ENDPOINT"
    ),
    "composer/v1beta1": Endpoint("https://composer.googleapis.com/v1beta1/", "GOOGLE_COMPOSER_CUSTOM_ENDPOINT"),
    "compute/compute/v1": Endpoint("https://compute.googleapis.com/compute/v1/", "GOOGLE_COMPUTE_CUSTOM_ENDPOINT"),
    "container/v1beta1": Endpoint("https://container.googleapis.com/v1beta1/", "GOOGLE_CONTAINER_CUSTOM_ENDPOINT"),
    "crm/v1": Endpoint("https://cloudresourcemanager.googleapis.com/v1/", "GOOGLE_RESOURCE_MANAGER_CUSTOM_ENDPOINT"),
    "crm3/v3": Endpoint(
        "https://cloudresourcemanager.googleapis.com/v3/", "GOOGLE_RESOURCE_MANAGER_V3_CUSTOM_ENDPOINT"
    ),
    "iam/v1": Endpoint("https://iam.googleapis.com/v1/", "GOOGLE_IAM_BETA_CUSTOM_ENDPOINT"),
    "iamcredentials/v1": Endpoint(
        "https://iamcredentials.googleapis.com/v1/", "GOOGLE_IAM_CREDENTIALS_CUSTOM_ENDPOINT"
    ),
    "iam2/v2": Endpoint("https://iam.googleapis.com/v2/", "GOOGLE_IAM2_CUSTOM_ENDPOINT"),
    "kms/v1": Endpoint("https://cloudkms.googleapis.com/v1/", "GOOGLE_KMS_CUSTOM_ENDPOINT"),
    "logging/v2": Endpoint("https://logging.googleapis.com/v2/", "GOOGLE_LOGGING_CUSTOM_ENDPOINT"),
    "monitoring/v3": Endpoint("https://monitoring.googleapis.com/", "GOOGLE_MONITORING_CUSTOM_ENDPOINT", "v3/"),
    "orgpolicy/v2": Endpoint("https://orgpolicy.googleapis.com/v2/", "GOOGLE_ORG_POLICY_CUSTOM_ENDPOINT"),
    "secretmanager/v1": Endpoint("https://secretmanager.googleapis.com/v1/", "GOOGLE_SECRET_MANAGER_CUSTOM_ENDPOINT"),
    "serviceusage/v1": Endpoint("https://serviceusage.googleapis.com/v1/", "GOOGLE_SERVICE_USAGE_CUSTOM_ENDPOINT"),
    "storage/storage/v1": Endpoint("https://storage.googleapis.com/storage/v1/", "GOOGLE_STORAGE_CUSTOM_ENDPOINT"),
}
"""By prefix, as in the requests recorded from the real provider; `iam2` and `orgpolicy` serve the doctor, `bigquery` its agent,
`iamcredentials` the caller."""

_SIBLINGS: Mapping[str, tuple[str, str, str]] = {
    "serviceusage/v1beta1": ("serviceusage/v1", "/v1/", "/v1beta1/"),
    "storage/upload/storage/v1": ("storage/storage/v1", "/storage/v1/", "/upload/storage/v1/"),
}
"""Prefixes beside one that has a variable: the same address with another end."""


def google_address(service: str, environment: Mapping[str, str]) -> str:
    """Base address of a service, with a trailing slash. Raises `OutsideError` for an unknown service."""
    if service in _SIBLINGS:
        known, old, new = _SIBLINGS[service]
        base = google_address(known, environment)
        return base.removesuffix(old) + new if base.endswith(old) else base
    endpoint = ENDPOINTS.get(service)
    if endpoint is None:
        raise OutsideError("No address is known for an API", detail=service, code="unknown-endpoint")
    return environment.get(endpoint.variable, endpoint.address).rstrip("/") + "/" + endpoint.suffix


@dataclass(slots=True)
class HttpTransport:
    """Sends JSON over HTTP, each request once; safe to use from several threads.

    `address` gives the base of a service, `identity` says as whom requests are made.
    """

    address: Callable[[str], str]
    identity: Identity
    _client: httpx.Client | None = field(default=None, repr=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def for_sandbox(cls, url: str, token: str = "sandbox") -> HttpTransport:  # noqa: S107
        """To a served sandbox, where each service has its prefix."""
        base = url.rstrip("/")
        return cls(lambda service: f"{base}/{service}/", Identity(lambda: token))

    @classmethod
    def for_google(cls, environment: Mapping[str, str] | None = None, caller: Caller | None = None) -> HttpTransport:
        """To Google, or to where `GOOGLE_*_CUSTOM_ENDPOINT` points; `caller` is the machine's own when None.

        Raises `OutsideError` when there are no credentials.
        """
        variables = os.environ if environment is None else environment

        def address(service: str) -> str:
            return google_address(service, variables)

        return cls(address, google_identity(caller or Caller(), variables, address))

    def call(
        self,
        method: str,
        service: str,
        path: str,
        query: Query | None = None,
        body: Any | None = None,
    ) -> Answer:
        """The answer, whatever its status.

        Raises:
            NoAnswerError: none came, it was cut off, or it is a page and no answer of an API.
            OutsideError: there is no token to ask with.
        """
        import httpx

        url = self.address(service) + quote(path.lstrip("/"), safe="/:@%,()*!$&'+;=~")
        headers = {**self.identity.headers(), "accept": "application/json"}
        content: bytes | None = None
        if isinstance(body, bytes):
            content, headers["content-type"] = body, "application/octet-stream"
        elif body is not None:
            content, headers["content-type"] = json.dumps(body).encode(), "application/json"
        try:
            response = self._session().request(method, url, params=dict(query or {}), content=content, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _unreachable(method, url, str(error) or type(error).__name__, sent=False) from error
        except httpx.TimeoutException as error:
            raise _unreachable(method, url, f"no answer within {_TIMEOUT_SECONDS:.0f} seconds", sent=True) from error
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise _unreachable(method, url, str(error) or type(error).__name__, sent=False) from error
        except httpx.HTTPError as error:  # reset, or cut off in the middle
            raise _unreachable(method, url, str(error) or type(error).__name__, sent=True) from error
        answer = Answer(response.status_code, decoded(response.content), response.content, dict(response.headers))
        return google_answer(answer, f"{method} {url}", query)

    def close(self) -> None:
        """Lets go of open connections."""
        with self._guard:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _session(self) -> httpx.Client:
        import httpx

        with self._guard:
            if self._client is None:
                self._client = httpx.Client(timeout=_TIMEOUT_SECONDS)
            return self._client


def _unreachable(method: str, url: str, reason: str, *, sent: bool) -> NoAnswerError:
    host = url.split("/", 3)[2] if url.count("/") > 2 else url
    return NoAnswerError(
        f"{host} could not be reached",
        sent=sent,
        detail=f"{method} {url}: {reason}",
        hints=("look at the network, and at HTTPS_PROXY if there is a proxy",),
    )
