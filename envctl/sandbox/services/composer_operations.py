"""Composer's long-running operations as its API shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import failed_precondition, not_found
from envctl.sandbox.operations import outcome
from envctl.sandbox.paging import page

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

PACKAGE = "type.googleapis.com/google.cloud.orchestration.airflow.service"

# The same number, 3, in both versions of OperationMetadata.State. v1 was recorded; v1beta1 after its discovery document
# (2026-11-06) and the enum of google-cloud-orchestration-airflow 1.23, which know no other word.
_SUCCESS = {"v1": "SUCCEEDED", "v1beta1": "SUCCESSFUL"}


@dataclass(frozen=True, slots=True)
class ComposerOperations:
    """The methods on operations, and the way to start one."""

    cloud: Cloud

    def start(
        self,
        call: Call,
        kind: str,
        operation_type: str,
        environment: Mapping[str, Any],
        arguments: Mapping[str, Any],
        duration: timedelta | None = None,
    ) -> Mapping[str, Any]:
        """Start an operation on an environment; the value is what Composer answers."""
        project, location, _ = environment["name"].split("/")[1::2]
        name = f"projects/{project}/locations/{location}/operations/{call.backend.new_uuid('operation')}"
        record = self.cloud.operations.start(
            kind,
            f"composer:{name}",
            {"environment": environment["name"], **arguments},
            duration=duration,
            view={
                "name": name,
                "operationType": operation_type,
                "resource": environment["name"],
                "resourceUuid": environment["uuid"],
            },
        )
        return shown(record, call.version)

    def get(self, call: Call) -> Json:
        """An operation, a poll later."""
        name = f"projects/{call['project']}/locations/{call['location']}/operations/{call['operation']}"
        record = self.cloud.operations.poll(f"composer:{name}")
        if record is None:
            raise not_found(f"Operation not found: {name}")
        return shown(record, call.version)

    def list(self, call: Call) -> Json:
        """The operations of a location, newest first."""
        prefix = f"composer:projects/{call['project']}/locations/{call['location']}/operations/"
        records = [shown(record, call.version) for record in call.store.values("operations", prefix)]
        return page(call, "operations", records[::-1])

    def delete(self, call: Call) -> Json:
        """Forget an operation that has ended."""
        name = f"projects/{call['project']}/locations/{call['location']}/operations/{call['operation']}"
        record = self.cloud.operations.get(f"composer:{name}")
        if record is None:
            raise not_found(f"Operation not found: {name}")
        if not record["done"]:
            raise failed_precondition(f"Operation {name} is not done.")
        call.store.delete("operations", f"composer:{name}")
        return {}


def shown(record: Mapping[str, Any], version: str) -> Json:
    """An operation as a version of the API shows it."""
    view = record["view"]
    done = record["done"]
    state = "PENDING" if not record["polls"] else "RUNNING"
    if done:
        state = "FAILED" if "error" in record else _SUCCESS[version]
    metadata: Json = {
        "@type": f"{PACKAGE}.{version}.OperationMetadata",
        "state": state,
        "operationType": view["operationType"],
        "resource": view["resource"],
        "resourceUuid": view["resourceUuid"],
        "createTime": record["start"],
    }
    if done:
        metadata["endTime"] = record["end"]
    answer: Json = {"name": view["name"], "metadata": metadata, **outcome(record)}
    if "response" in answer:
        kind: str = answer["response"]["@type"]
        answer["response"] = {
            **answer["response"],
            "@type": kind.replace(f"{PACKAGE}.v1.", f"{PACKAGE}.{version}."),
        }
    return answer
