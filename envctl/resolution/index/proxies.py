"""Which proxy leads to a host, by the environment variables that curl, pip and uv read."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping


class ProxyError(Exception):
    """A proxy is configured that cannot be used; the text is one sentence without a full stop."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where to connect, and the headers that open a tunnel there (may hold credentials: never shown)."""

    host: str
    port: int
    headers: dict[str, str] = field(default_factory=dict[str, str], repr=False)


def proxy_for(
    scheme: str, host: str, port: int, environment: Mapping[str, str], override: str | None = None
) -> Proxy | None:
    """The proxy for a host, or None for a direct connection.

    Raises:
        ProxyError: the configured proxy is not an HTTP proxy.
    """
    address = override or _variable(environment, f"{scheme}_proxy") or _variable(environment, "all_proxy")
    if not address or (override is None and _is_exempt(host, port, _variable(environment, "no_proxy") or "")):
        return None
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        proxy_host, proxy_port = parts.hostname, parts.port or 80
    except ValueError as error:
        raise ProxyError("the proxy's address is not valid") from error
    if parts.scheme != "http" or not proxy_host:
        raise ProxyError(f"proxies of the kind {parts.scheme!r} are not supported, only http")
    headers: dict[str, str] = {}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + b64encode(pair.encode()).decode("ascii")
    return Proxy(proxy_host, proxy_port, headers)


def _variable(environment: Mapping[str, str], name: str) -> str | None:
    """Lower case first, as curl does; `HTTP_PROXY` is what a web server sets from a request header."""
    value = environment.get(name)
    if value is None and not (name == "http_proxy" and "REQUEST_METHOD" in environment):
        value = environment.get(name.upper())
    return value


def _is_exempt(host: str, port: int, no_proxy: str) -> bool:
    for entry in (part.strip().lower() for part in no_proxy.split(",")):
        if entry == "*":
            return True
        name = entry.lstrip(".")
        if name and (host in {name, f"[{name}]"} or host.endswith(f".{name}") or f"{host}:{port}" == name):
            return True
    return False
