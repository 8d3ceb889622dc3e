"""Calls on a cloud with as little ceremony as a client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from discovery_judge import judge

from envctl.sandbox.messages import Request, Response

if TYPE_CHECKING:
    from envctl.sandbox.cloud import Cloud

START = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
PARENT = "projects/acme/locations/europe-west1"


@dataclass
class Client:
    cloud: Cloud
    token: str = ""
    judges_requests: bool = True

    def call(self, method: str, url: str, body: object = None, **options: Any) -> Response:
        headers = dict(options.pop("headers", {}))
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = Request.to(method, url, body=body, headers=headers, **options)
        response = self.cloud.handle(request)
        complaints = judge(self.cloud, request, response, requests=self.judges_requests)
        assert not complaints, complaints
        return response

    def ok(self, method: str, url: str, body: object = None, **options: Any) -> Any:
        response = self.call(method, url, body, **options)
        assert response.status in {200, 204}, response.body
        return response.json()

    def refused(self, status: int, method: str, url: str, body: object = None, **options: Any) -> Any:
        response = self.call(method, url, body, **options)
        assert response.status == status, response.body
        return response.json()["error"]

    def wait(self, operation: dict[str, Any], base: str) -> dict[str, Any]:
        for _ in range(20):
            if operation.get("done"):
                return operation
            operation = self.ok("GET", f"{base}/{operation['name']}")
        raise AssertionError(f"still running: {operation}")

    def enable(self, *apis: str, project: str = "acme") -> None:
        names = [f"{api}.googleapis.com" for api in apis]
        base = "https://serviceusage.googleapis.com/v1"
        self.wait(self.ok("POST", f"{base}/projects/{project}/services:batchEnable", {"serviceIds": names}), base)

    def account(self, name: str = "runner", project: str = "acme") -> str:
        base = f"https://iam.googleapis.com/v1/projects/{project}/serviceAccounts"
        return self.ok("POST", base, {"accountId": name})["email"]

    def environment(self, name: str = "dev", **config: Any) -> dict[str, Any]:
        config.setdefault("nodeConfig", {"serviceAccount": "runner@acme.iam.gserviceaccount.com"})
        body = {"name": f"{PARENT}/environments/{name}", "config": config}
        base = "https://composer.googleapis.com/v1"
        done = self.wait(self.ok("POST", f"{base}/{PARENT}/environments", body), base)
        assert "error" not in done
        return self.ok("GET", f"{base}/{PARENT}/environments/{name}")
