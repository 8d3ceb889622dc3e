"""Plays recorded traffic against a cloud and lists where the answers differ."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from envctl.sandbox import control
from envctl.sandbox.clock import Clock
from envctl.sandbox.cloud import Cloud
from envctl.sandbox.messages import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDINGS = Path(__file__).parent / "recordings"
PROJECT = "example-project"
UNIQUE = "18282361c5abcdef"
_VOLATILE = frozenset(
    {
        "etag",
        "fingerprint",
        "labelFingerprint",
        "uniqueId",
        "oauth2ClientId",
        "id",
        "generation",
        "targetId",
        "clusterCaCertificate",
        "resourceVersion",
        "internalIpv6Range",
        "endpoint",
        "publicEndpoint",
        "privateEndpoint",
        "user",
        "selfLinkWithId",
        "gatewayAddress",
        "executionId",
    }
)
_PATTERNS = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"), "<time>"),
    (re.compile(r"operations/[^/]+$"), "operations/<operation>"),
    (re.compile(r"operation-\d+-[0-9a-f-]+|\$\{operationID\}"), "<operation>"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"https://(\{uuid\}|[0-9a-f]{32})-dot-(\{location\}|[a-z0-9-]+)\.composer"), "https://<host>.composer"),
    (re.compile(r"-[0-9a-f]{8}-(bucket|gke)\b"), r"-<hash>-\1"),
    (re.compile(r"-pods-[0-9a-f]{8}"), "-pods-<hash>"),
    (re.compile(r"gke-[0-9a-f]{36}-"), "gke-<hash>-"),
    (re.compile(r"zones/([a-z0-9-]+)/instanceGroupManagers/gke-.*"), r"zones/\1/<group>"),
)


@dataclass
class Replay:
    """One recording played against a cloud of its own."""

    name: str
    seed: dict[str, Any] = field(default_factory=dict)
    unique: str = UNIQUE

    def __post_init__(self) -> None:
        self.cloud = Cloud(clock=Clock())
        project = {"id": PROJECT, "apis": "all"}
        control.seed(self.cloud, {"projects": [project], **self.seed})
        self.number = self.cloud.projects.number(PROJECT)
        self.operations: dict[str, str] = {}
        self.etags: dict[str, str] = {}

    def exchanges(self) -> Iterator[tuple[str, str, Any, int, Any]]:
        for line in (RECORDINGS / f"{self.name}.jsonl").read_text().splitlines():
            text = line.replace("${projectId}", PROJECT).replace("${projectNumber}", self.number)
            text = text.replace("${uniqueId}", self.unique)
            text = re.sub(r"\$\{(networkID|subnetworkID)\}", f"net-{self.unique}", text)
            yield tuple(json.loads(text))

    def differences(self) -> list[str]:
        found: list[str] = []
        for number, (method, url, body, status, recorded) in enumerate(self.exchanges(), 1):
            got_status, got = self._send(method, url, body)
            where = f"{number} {method} {urlsplit(url).path.rpartition('/')[2]}"
            if got_status != status:
                found.append(f"{where}: status {status} -> {got_status} {got}")
                continue
            self._remember(url, recorded, got)
            found += [f"{where}: {text}" for text in compare(normal(recorded), normal(got))]
        return found

    def _send(self, method: str, url: str, body: Any) -> tuple[int, Any]:
        for recorded, ours in self.operations.items():
            url = url.replace(recorded, ours)
        if "${operationID}" in url:
            url = url.replace("${operationID}", self.operations["latest"])
        request = Request.to(method, url, body=self._with_etags(url, body))
        response = self.cloud.handle(request)
        for _ in range(20):
            # The recorder dropped the polls of operations that were not done.
            answer = response.json()
            running = isinstance(answer, dict) and not (answer.get("done") or answer.get("status") == "DONE")
            if "/operations/" not in url or method != "GET" or not running:
                break
            response = self.cloud.handle(request)
        return response.status, response.json()

    def _with_etags(self, url: str, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        current = self.etags.get(_resource(url))
        result = {key: self._with_etags(url, value) for key, value in body.items()}
        if "etag" in result and current:
            result["etag"] = current
        return result

    def _remember(self, url: str, recorded: Any, got: Any) -> None:
        if not isinstance(got, dict):
            return
        if "etag" in got:
            self.etags[_resource(url)] = got["etag"]
        name = got.get("name", "")
        if "operation" in name and isinstance(recorded, dict):
            self.operations["latest"] = name.rpartition("/")[2]
            tail = recorded["name"].rpartition("/")[2]
            if "$" not in tail:
                self.operations[tail] = name.rpartition("/")[2]


def _resource(url: str) -> str:
    return re.sub(r":[a-zA-Z]+$", "", urlsplit(url).path)


def normal(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: normal(item, name) for name, item in value.items()}
    if isinstance(value, list):
        # Members are sorted by the server, but the names in the recording were replaced afterwards.
        return sorted(value) if key == "members" else [normal(item) for item in value]
    if key in _VOLATILE and value:
        return "<volatile>"
    if isinstance(value, str):
        for pattern, replacement in _PATTERNS:
            value = pattern.sub(replacement, value)
    return value


def compare(recorded: Any, got: Any, path: str = "") -> Iterator[str]:
    if isinstance(recorded, dict) and isinstance(got, dict):
        for key in sorted({*recorded, *got}):
            if key not in got:
                yield f"{path}.{key} is missing"
            elif key not in recorded:
                yield f"{path}.{key} is not in the recording"
            else:
                yield from compare(recorded[key], got[key], f"{path}.{key}")
    elif isinstance(recorded, list) and isinstance(got, list) and len(recorded) == len(got):
        for index, (left, right) in enumerate(zip(recorded, got, strict=True)):
            yield from compare(left, right, f"{path}[{index}]")
    elif recorded != got:
        yield f"{path}: {json.dumps(recorded)} -> {json.dumps(got)}"
