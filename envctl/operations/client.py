"""Google's own client of the Composer API, pointed at Google, at a custom endpoint, or into the emulator."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import requests
from google.api_core import operations_v1
from google.auth.credentials import AnonymousCredentials, Credentials
from google.cloud.orchestration.airflow.service_v1 import EnvironmentsClient
from google.cloud.orchestration.airflow.service_v1.services.environments.transports.rest import (
    EnvironmentsRestTransport,
)
from requests.adapters import BaseAdapter, HTTPAdapter

from envctl.errors import OutsideError

if TYPE_CHECKING:
    from requests import PreparedRequest

_HOST = "composer.googleapis.com"

Exchange = Callable[[str, str, Mapping[str, list[str]], Mapping[str, str], bytes], tuple[int, Mapping[str, str], bytes]]
"""Method, URL without query, query, headers, body -> status, headers, body."""


def composer_client(
    *, endpoint: str | None = None, exchange: Exchange | None = None, token: str | None = None
) -> EnvironmentsClient:
    """A client of the Composer API.

    Args:
        endpoint: a custom endpoint such as `http://127.0.0.1:8080/composer/v1beta1/`; its version segment is
            left out, the client adds its own.
        exchange: answers every request in this process; nothing is sent then.
        token: an access token; without one, `GOOGLE_OAUTH_ACCESS_TOKEN`, else application default credentials.

    Raises:
        OutsideError: there are no credentials.
    """
    adapter: BaseAdapter | None = None
    if exchange is not None:
        adapter = _ExchangeAdapter(exchange)
    elif endpoint is not None:
        adapter = _EndpointAdapter(_without_version(endpoint))
    credentials = AnonymousCredentials() if exchange is not None else _credentials(token)
    return EnvironmentsClient(transport=_Transport(credentials, adapter))


def _credentials(token: str | None) -> Credentials:
    token = token or os.environ.get("GOOGLE_OAUTH_ACCESS_TOKEN")
    if token:
        from google.oauth2.credentials import Credentials as TokenCredentials

        return TokenCredentials(token)
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    except DefaultCredentialsError as error:
        raise OutsideError(
            "There are no Google Cloud credentials",
            detail=str(error).splitlines()[0],
            hints=(
                "log in with\n    gcloud auth application-default login",
                "or try everything without a cloud: add `--cloud sandbox`",
            ),
            code="no-credentials",
        ) from error
    return credentials


def _without_version(endpoint: str) -> str:
    trimmed = endpoint.rstrip("/")
    head, _, tail = trimmed.rpartition("/")
    return head if tail in {"v1", "v1beta1"} else trimmed


class _Transport(EnvironmentsRestTransport):
    """The REST transport, every session of which goes through our adapter."""

    def __init__(self, credentials: Credentials, adapter: BaseAdapter | None) -> None:
        super().__init__(credentials=credentials, host=_HOST)
        self._adapter = adapter
        if adapter is not None:
            self._session.mount("https://", adapter)

    @property
    def operations_client(self) -> operations_v1.AbstractOperationsClient:
        client = super().operations_client
        if self._adapter is not None:
            transport = client.transport
            assert isinstance(transport, operations_v1.OperationsRestTransport)
            # The library offers no other way to reach the session of its own operations client.
            transport._session.mount("https://", self._adapter)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return client


class _EndpointAdapter(HTTPAdapter):
    """Sends what is meant for Google to a custom endpoint."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """The endpoint's answer."""
        parts = urlsplit(request.url or "")
        query = f"?{parts.query}" if parts.query else ""
        request.url = f"{self._base}{parts.path}{query}"
        return super().send(request, *args, **kwargs)


class _ExchangeAdapter(BaseAdapter):
    """Answers in this process."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self._exchange = exchange

    def send(self, request: PreparedRequest, *_args: Any, **_kwargs: Any) -> requests.Response:
        """What the exchange answers."""
        parts = urlsplit(request.url or "")
        body = request.body or b""
        assert isinstance(body, bytes | str), "Google's client sends whole bodies"
        status, headers, content = self._exchange(
            request.method or "GET",
            f"{parts.scheme}://{parts.netloc}{parts.path}",
            parse_qs(parts.query, keep_blank_values=True),
            {key: str(value) for key, value in request.headers.items()},
            body.encode() if isinstance(body, str) else body,
        )
        response = requests.Response()
        response.status_code = status
        response.headers.update(headers)
        response.raw = io.BytesIO(content)
        response.url = request.url or ""
        response.request = request
        return response

    def close(self) -> None:
        """Holds nothing open."""
