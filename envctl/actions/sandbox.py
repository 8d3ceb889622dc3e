"""The emulated cloud of a project: opened, served, described to other tools."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from envctl.actions.clouds import CloudName, SandboxCloud, open_cloud
from envctl.errors import OutsideError
from envctl.spec.project import find_root


def open_sandbox(directory: Path) -> SandboxCloud:
    """The sandbox of the project at or above `directory`; the served one when `ENVCTL_SANDBOX_URL` names it.

    Raises:
        UsageError: there is no project.
    """
    root = Path() if os.environ.get("ENVCTL_SANDBOX_URL") else find_root(directory)
    cloud = open_cloud(CloudName.SANDBOX, root)
    assert isinstance(cloud, SandboxCloud)
    return cloud


def serve_sandbox(cloud: SandboxCloud, host: str, port: int, stop: threading.Event) -> Iterator[str]:
    """Serves until `stop` is set; yields lines that say where.

    Raises:
        OutsideError: the port is taken, or the token for control calls cannot be kept.
    """
    from envctl.sandbox.control_token import kept_token
    from envctl.sandbox.environment import client_environment
    from envctl.sandbox.server import MAIN, serve

    running = serve(cloud.emulator(), host, port)
    try:
        with kept_token(running.ports[MAIN], running.token) as file:
            yield f"Serving on {running.url} (state in {cloud.store_path}); Ctrl-C ends it."
            yield f"Calls that reset, seed or break it need a token; `envctl sandbox` reads it in {file}."
            yield 'For other terminals, `eval "$(envctl sandbox env)"` sets:'
            yield from (f"  export {name}={value}" for name, value in client_environment(running).items())
            stop.wait()
    finally:
        running.stop()


def environment_of(url: str) -> Mapping[str, str]:
    """Variables that point clients at a sandbox served at `url`.

    Raises:
        OutsideError: nothing answers there.
    """
    import httpx

    from envctl.sandbox.control_token import find_token
    from envctl.sandbox.environment import variables_at

    url = url.rstrip("/")
    try:
        told = httpx.get(f"{url}/", timeout=5).json()
        return variables_at(url, told["ports"], find_token(url))
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise OutsideError(
            "No sandbox answers there",
            detail=f"{url}: {error}",
            hints=("serve one with\n    envctl sandbox serve",),
            code="sandbox-unreachable",
        ) from error
