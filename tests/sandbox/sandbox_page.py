"""What the page about the sandbox says of each service, read off the code and the tests."""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from replay import RECORDINGS, Replay

from envctl.sandbox.cloud import Cloud
from envctl.sandbox.routing import Service

HERE = Path(__file__).parent
ROUTER = Cloud().router


def methods(service: Service) -> str:
    """Methods by resource: `environments.{create, get}, operations.get`."""
    found: dict[str, set[str]] = {}
    for route in service.routes:
        path, _, name = route.method.partition(".")[2].rpartition(".")
        kept = [part for part in path.split(".") if part not in {"projects", "locations"}]
        found.setdefault(".".join(kept) or "projects", set()).add(name)
    shown = []
    for resource, names in found.items():
        listed = ", ".join(sorted(names))
        shown.append(f"{resource}.{{{listed}}}" if len(names) > 1 else f"{resource}.{listed}")
    return "; ".join(sorted(shown))


def judges(service: Service) -> str:
    """Who judges a service: documents, recordings, Google's clients, requests of the real provider."""
    judged = ["documents"]
    if service.name in _recorded():
        judged.append("recordings")
    if service.name in _driven():
        judged.append("client")
    if service.name in _asked_by_the_provider():
        judged.append("provider")
    return ", ".join(judged)


@cache
def _recorded() -> set[str]:
    found: set[str] = set()
    for recording in RECORDINGS.glob("*.jsonl"):
        for _, url, *_ in Replay(recording.stem).exchanges():
            service = ROUTER.service_of_host(urlsplit(url).netloc)
            assert service is not None, url
            found.add(service.name)
    return found


@cache
def _driven() -> set[str]:
    text = (HERE / "test_sandbox_clients.py").read_text()
    found = set(re.findall(r'options\(server, "(\w+)"\)|api_endpoint=server\.address\("(\w+)"\)', text))
    return {name for pair in found for name in pair if name} | ({"iam"} if "IAMGrpcTransport" in text else set())


@cache
def _asked_by_the_provider() -> set[str]:
    lines = (HERE.parent / "provider" / "cases" / "requests.jsonl").read_text().splitlines()
    found = (ROUTER.service_of_prefix(json.loads(line)["path"]) for line in lines)
    return {match[0].name for match in found if match}


@cache
def rows() -> dict[str, tuple[str, str]]:
    """Service -> methods and judges."""
    return {service.name: (methods(service), judges(service)) for service in ROUTER.services}


if __name__ == "__main__":
    sys.stdout.writelines(f"| `{name}` | {listed} | {judged} |\n" for name, (listed, judged) in rows().items())
