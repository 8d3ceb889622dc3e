"""Operations that a killed run left open in a Pulumi state, settled with the live objects.

Pulumi itself would send a pending creation again. Here the provider is asked what these inputs would have made: what
exists enters the state, what does not is forgotten, and where the cloud does not say, nothing is done.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from envctl.engine.urns import type_of
from envctl.errors import DetachedError, RefusedError
from envctl.provider.protocol import (
    WAIT_GIVEN_UP,
    CallContext,
    Live,
    Locator,
    OperationDetached,
    Provider,
    ProviderError,
)

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  (Pulumi's mark of a secret)

_DROP = "    envctl state repair ENV --drop-pending"


@dataclass(frozen=True, slots=True)
class Settled:
    """A deployment without pending operations; `told` are URNs, each with what was found out."""

    deployment: dict[str, Any]
    told: tuple[tuple[str, str], ...]


def pending_of(deployment: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Kind and URN of every operation whose end is not known."""
    operations = deployment.get("pending_operations") or []
    return [
        *((each["type"], each["resource"]["urn"]) for each in operations),
        *(("creating", row["urn"]) for row in deployment.get("resources") or [] if _is_given_up(row)),
    ]


def _is_given_up(row: Mapping[str, Any]) -> bool:
    """Whether nobody waited for the end of the resource's creation or change.

    Pulumi keeps such a resource as one that failed to initialise, with what was known of it; compared with that,
    the finished resource would look like another one.
    """
    return any(WAIT_GIVEN_UP in error for error in row.get("initErrors") or [])


def _taken_out(deployment: dict[str, Any]) -> list[dict[str, Any]]:
    """Every open operation, taken out of the deployment."""
    found: list[dict[str, Any]] = deployment.pop("pending_operations", None) or []
    rows: list[dict[str, Any]] = deployment.get("resources") or []
    for row in [each for each in rows if _is_given_up(each)]:
        rows.remove(row)
        unmade = {key: value for key, value in row.items() if key not in ("id", "outputs", "initErrors")}
        found.append({"type": "creating", "resource": unmade})
    return found


def without_pending(deployment: Mapping[str, Any]) -> dict[str, Any]:
    """The deployment without its open operations."""
    result = copy.deepcopy(dict(deployment))
    _taken_out(result)
    return result


def settle_pending(
    deployment: Mapping[str, Any], provider: Provider | None, context: CallContext, now: datetime
) -> Settled:
    """The deployment with every pending operation settled.

    Args:
        deployment: of an export with open secrets.
        provider: asked for live objects; None when there is none to ask.
        context: for its calls.
        now: stamp of adopted resources.

    Raises:
        RefusedError: it cannot be found out what became of an operation.
        DetachedError: the operation still runs, and the wait for it was given up.
    """
    result = copy.deepcopy(dict(deployment))
    told: list[tuple[str, str]] = []
    for entry in _taken_out(result):
        row, kind = entry["resource"], entry["type"]
        try:
            text = _settle(result["resources"], row, kind, _Cloud(provider, context), now)
        except ProviderError as error:
            raise _unclear(kind, row["urn"], f"The cloud answers: {error}") from error
        except OperationDetached as error:
            raise DetachedError(
                "An operation of an earlier run still goes on",
                detail=f"{row['urn']}: {error.operation}",
                hints=("run the same command again to wait for it",),
            ) from error
        told.append((row["urn"], text))
    return Settled(result, tuple(told))


@dataclass(frozen=True, slots=True)
class _Cloud:
    provider: Provider | None
    context: CallContext

    def locate(self, row: Mapping[str, Any]) -> Live | None:
        if not isinstance(self.provider, Locator):
            raise _unclear("creating", row["urn"], "There is no provider that could look for it.")
        return self.provider.locate(row["urn"], type_of(row["urn"]), _plain(row.get("inputs") or {}), self.context)

    def read(self, row: Mapping[str, Any]) -> Live | None:
        if self.provider is None:
            raise _unclear("changing", row["urn"], "There is no provider that could look for it.")
        inputs, outputs = _plain(row.get("inputs") or {}), _plain(row.get("outputs") or {})
        return self.provider.read(row["urn"], type_of(row["urn"]), row["id"], inputs, outputs, self.context)

    def secret_outputs(self, row: Mapping[str, Any]) -> set[str]:
        sensitive = self.provider.sensitive_outputs(type_of(row["urn"])) if self.provider else frozenset[str]()
        own = {key for key, value in (row.get("inputs") or {}).items() if _is_secret(value)}
        return {*sensitive, *own, *(row.get("additionalSecretOutputs") or [])}


def _settle(rows: list[dict[str, Any]], row: dict[str, Any], kind: str, cloud: _Cloud, now: datetime) -> str:
    match kind:
        case "creating" | "importing":
            return _settle_creation(rows, row, cloud, now)
        case "updating" | "deleting":
            return _settle_row(rows, row, kind, cloud)
        case "reading":
            return "a read of an earlier run was cut off; nothing depends on it"
        case _:
            raise _unclear(kind, row["urn"], f"`{kind}` is not an operation that envctl knows.")


def _settle_creation(rows: list[dict[str, Any]], row: dict[str, Any], cloud: _Cloud, now: datetime) -> str:
    if not row.get("custom") or row["type"].startswith("pulumi:providers:"):
        return "its registration was cut off; it is registered again"
    live = cloud.locate(row)
    others = [each for each in rows if each["urn"] == row["urn"] and not each.get("delete")]
    if live is None or any(each.get("id") == live.id and not each.get("pendingReplacement") for each in others):
        # nothing is there, or what is there is the resource that was to be replaced
        return "its creation was begun by an earlier run and did not take place"
    stamp = now.isoformat().replace("+00:00", "Z")
    adopted = {**row, "id": live.id, "outputs": _marked(live.outputs, cloud.secret_outputs(row))}
    adopted |= {"created": stamp, "modified": stamp}
    adopted.pop("pendingReplacement", None)
    for each in others:
        if each.get("pendingReplacement"):
            rows.remove(each)  # its deletion was done before the creation began
        else:
            each["delete"] = True
    rows.append(adopted)
    return f"its creation was begun by an earlier run and took place: adopted as {live.id}"


def _settle_row(rows: list[dict[str, Any]], row: dict[str, Any], kind: str, cloud: _Cloud) -> str:
    current = next((each for each in rows if each["urn"] == row["urn"] and each.get("id") == row.get("id")), None)
    if current is None:
        return f"an earlier run was cut off while {kind} it; the state does not hold it any more"
    live = cloud.read(current)
    if live is None and kind == "deleting":
        rows.remove(current)
        return "its deletion was begun by an earlier run and took place"
    if live is None:
        return "it was being changed by an earlier run and is gone; a refresh will say so"
    current["outputs"] = _marked(live.outputs, cloud.secret_outputs(current))
    return f"an earlier run was cut off while {kind} it; its state was read again"


def _is_secret(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get(_SIGNATURE) == _SECRET


def _plain(value: Any) -> Any:
    """A value of an export with open secrets, without their marks."""
    if _is_secret(value):
        return _plain(json.loads(value["plaintext"]))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _marked(outputs: Mapping[str, Any], secrets: set[str]) -> dict[str, Any]:
    return {
        key: {_SIGNATURE: _SECRET, "plaintext": json.dumps(value)} if key in secrets and value is not None else value
        for key, value in outputs.items()
    }


def _unclear(kind: str, urn: str, why: str) -> RefusedError:
    return RefusedError(
        "It is not known what became of an operation of an earlier run",
        detail=f"{kind} {urn}\n{why}",
        hints=(f"look into the cloud; when it is known that nothing is there, drop the operation:\n{_DROP}",),
        code="state-pending",
    )
