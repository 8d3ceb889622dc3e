"""The Composer environment as it is in the cloud, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from envctl.errors import OutsideError
from envctl.google.names import environment_name
from envctl.google.refusals import read_refusal, rpc_refusal
from envctl.ownership.live_bucket import used_bucket
from envctl.plan.model import Action, Change
from envctl.spec.model import Environment

if TYPE_CHECKING:
    from envctl.actions.workspace import Workspace
    from envctl.spec.loader import Loaded

_TYPE = "gcp:composer/environment:Environment"


@dataclass(frozen=True, slots=True)
class LiveOperation:
    """An operation on the environment that the cloud has not finished."""

    name: str
    type: str
    started: datetime | None


@dataclass(frozen=True, slots=True)
class LiveEnvironment:
    """What the Composer API says of one environment.

    `state` is the API's word, "absent" when there is no environment. `uuid` tells it from every other environment of
    the same name. `packages` are its custom packages as the API spells them (`{"pandas": "[gcp]>=2"}`). `problem` is a
    sentence when the state is ERROR: which operation failed and why, as far as the API still knows. `bucket` holds its
    DAGs.
    """

    state: str
    uuid: str = ""
    image_version: str | None = None
    packages: Mapping[str, str] = field(default_factory=dict[str, str])
    operations: tuple[LiveOperation, ...] = ()
    problem: str | None = None
    bucket: str | None = None


def read_environment(workspace: Workspace, loaded: Loaded) -> LiveEnvironment | None:
    """The live environment of a file, None for a foundation.

    Raises:
        OutsideError: the cloud did not answer, or refused.
    """
    spec = loaded.spec
    if not isinstance(spec, Environment):
        return None
    name = environment_name(spec.project, spec.region, spec.name or loaded.name)
    parent = name.partition("/environments/")[0]
    found = _get(workspace, name)
    if not found:
        return LiveEnvironment("absent")
    state = str(found.get("state", "STATE_UNSPECIFIED"))
    software: dict[str, Any] = found.get("config", {}).get("softwareConfig", {})
    all_operations: list[dict[str, Any]] = _get(workspace, f"{parent}/operations").get("operations", [])
    own = [each for each in all_operations if each.get("metadata", {}).get("resource") == name]
    return LiveEnvironment(
        state=state,
        uuid=str(found.get("uuid", "")),
        image_version=software.get("imageVersion"),
        packages=dict(software.get("pypiPackages", {})),
        operations=tuple(_running(each) for each in own if not each.get("done")),
        problem=_problem(loaded.name, own) if state == "ERROR" else None,
        bucket=used_bucket(found) or None,
    )


def warnings_of(live: LiveEnvironment | None, changes: Sequence[Change]) -> tuple[str, ...]:
    """What a preview has to say of an environment in state ERROR: why, and what an apply does about it."""
    if live is None or live.problem is None:
        return ()
    change = next((each for each in changes if each.type == _TYPE), None)
    if change is not None and change.action.replaces:
        cure = "The environment is deleted and made anew."
    elif change is not None and change.action is Action.UPDATE:
        cure = "What the file says and the environment lacks is sent again."
    else:
        cure = (
            "The environment has what the file says, so there is nothing to send. If it does not work either, "
            "Google's support may mend it; `envctl destroy` and `envctl up` make it anew."
        )
    return (f"{live.problem} {cure}",)


def _problem(name: str, operations: Sequence[dict[str, Any]]) -> str:
    said = f"The environment {name} is in state ERROR"
    failed = [each for each in operations if each.get("error")]
    if not failed:
        return f"{said}."
    last = max(failed, key=lambda each: str(each.get("metadata", {}).get("createTime", "")))
    kind = last.get("metadata", {}).get("operationType", "operation")
    message = rpc_refusal(last["error"])[1].rstrip(".")
    return f"{said}: its last {kind} failed: {message}."


def _running(operation: dict[str, Any]) -> LiveOperation:
    metadata: dict[str, Any] = operation.get("metadata", {})
    started = metadata.get("createTime")
    return LiveOperation(
        operation["name"], str(metadata.get("operationType", "")), datetime.fromisoformat(started) if started else None
    )


def _get(workspace: Workspace, path: str) -> dict[str, Any]:
    """The object, or an empty one when it does not exist (or its API is still off)."""
    answer = workspace.cloud.transport().call("GET", "composer/v1beta1", path)
    refusal = read_refusal(answer)
    if refusal is None:
        return answer.body
    if refusal.code == 404 or refusal.api_off:
        return {}
    raise OutsideError("The environment cannot be read", detail=refusal.described, code="api-refused")
