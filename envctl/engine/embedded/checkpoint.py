"""Pulumi's deployment version 3 as a value: reading, writing and judging it, without any file.

Source of the form: `DeploymentV3` in Pulumi 3.256 (`sdk/go/common/apitype/core.go`), and what its
`VerifyIntegrity` asks of a snapshot (`pkg/resource/deploy/snapshot.go`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from envctl.engine.embedded.resource import Resource, from_json, to_json
from envctl.engine.embedded.secret_box import SIGNATURE, SecretBox
from envctl.engine.protocol import StackRef
from envctl.engine.urns import is_provider, provider_urn, stack_prefix
from envctl.errors import RefusedError

FORMAT_VERSION = "v3.256.0"
"""The Pulumi release whose deployment format this is; the manifest's magic is its SHA-256."""


class StateInvalidError(RefusedError):
    """The state is damaged or is not one."""

    code = "state-invalid"


class StateUnreadableError(StateInvalidError):
    """There is a file where the state should be, and nothing of it can be read."""

    code = "state-unreadable"


@dataclass(frozen=True, slots=True)
class Pending:
    """An operation that was begun and whose end is not in the state; `operation` is its name in the cloud, if known."""

    kind: str
    row: Resource
    operation: str = ""


@dataclass(slots=True)
class Checkpoint:
    """A whole state. `serial` counts its changes; `salt` opens its secrets, "" while there are none."""

    resources: list[Resource] = field(default_factory=list[Resource])
    pending: list[Pending] = field(default_factory=list[Pending])
    serial: int = 0
    salt: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


def salt_of(deployment: Mapping[str, Any]) -> str:
    """The salt in `secrets_providers`; raises `RefusedError` for a provider of secrets that is not `passphrase`."""
    provider = deployment.get("secrets_providers") or {}
    kind = provider.get("type", "")
    if kind in ("", "passphrase"):
        return (provider.get("state") or {}).get("salt", "")
    raise RefusedError(
        "The secrets of this state are not encrypted with a passphrase",
        detail=f"Its secrets provider is `{kind}`; the embedded engine reads `passphrase` only.",
        hints=[
            "change the provider first:\n    pulumi stack change-secrets-provider passphrase",
            "or use the Pulumi CLI with `--engine pulumi`",
        ],
        code="state-secrets-provider",
    )


def _read_plain(document: Mapping[str, Any]) -> Resource:
    """The resource of a JSON object in which no mark occurs."""
    return from_json(document, lambda value: value)


def parse_deployment(
    document: Mapping[str, Any], box: SecretBox, stack: StackRef, origin: str, *, strict: bool = True
) -> Checkpoint:
    """The state in a `{"version": 3, "deployment": {...}}` document; `origin` names it in errors.

    Raises:
        StateInvalidError: it cannot be read, or (with `strict`) is inconsistent or of another stack.
    """
    version = document.get("version")
    deployment = document.get("deployment")
    if version != 3 or not isinstance(deployment, dict):
        raise StateInvalidError(
            "The state is not a Pulumi deployment of version 3",
            detail=f"{origin}: version is {version!r}.",
            hints=["newer versions use features that the embedded engine does not have: use `--engine pulumi`"],
        )
    read = box.row if SIGNATURE in json.dumps(deployment) else _read_plain
    try:
        resources = [read(row) for row in deployment.get("resources") or []]
        pending = [
            Pending(entry["type"], read(entry["resource"]), entry.get("operation", ""))
            for entry in deployment.get("pending_operations") or []
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise StateInvalidError("The state cannot be read", detail=f"{origin}: a resource lacks {error}.") from error
    for name in ("snippets", "extensions"):
        if deployment.get(name):
            raise StateInvalidError(
                "The state uses a feature that the embedded engine does not have",
                detail=f"{origin} holds `{name}`.",
                hints=["use the Pulumi CLI with `--engine pulumi`"],
            )
    if strict and (problems := problems_of(resources, stack)):
        raise StateInvalidError(
            "The state is inconsistent",
            detail=f"{origin}:\n" + "\n".join(problems[:20]),
            hints=["nothing was changed; see what can be mended:\n    envctl state repair"],
        )
    return Checkpoint(resources, pending, salt=box.salt, metadata=deployment.get("metadata") or {})


def problems_of(resources: Sequence[Resource], stack: StackRef | None = None) -> list[str]:
    """What Pulumi would refuse in these rows, each as a sentence; with `stack` also rows of another stack."""
    problems: list[str] = []
    seen: set[str] = set()
    live: set[str] = set()
    providers: set[str] = set()
    prefix = stack_prefix(stack) if stack else ""
    for row in resources:
        if not row.urn.startswith(prefix or "urn:pulumi:") or row.urn.count("::") < 3:
            problems.append(
                f"{row.urn} does not belong to stack {stack.stack} of project {stack.project}"
                if stack
                else f"{row.urn} is not a URN"
            )
            continue
        if not row.custom and row.id:
            problems.append(f"{row.urn} is a component and has an id")
        if row.urn in live and not row.delete:
            problems.append(f"{row.urn} occurs twice")
        if row.provider and row.provider not in providers and not row.pending_replacement:
            problems.append(f"{row.urn} refers to the provider {row.provider}, which does not stand before it")
        needed = row.needs() - ({provider_urn(row.provider)} if row.provider else set())
        problems.extend(f"{row.urn} depends on {urn}, which does not stand before it" for urn in sorted(needed - seen))
        seen.add(row.urn)
        if not row.delete:
            live.add(row.urn)
        if is_provider(row.type):
            providers.add(f"{row.urn}::{row.id}")
    return problems


def render_deployment(checkpoint: Checkpoint, box: SecretBox, now: datetime) -> dict[str, Any]:
    """The `deployment` object of a state."""
    rows = [to_json(row, box.encode) for row in checkpoint.resources]
    pending = [render_pending(entry, box) for entry in checkpoint.pending]
    deployment: dict[str, Any] = {
        "manifest": {
            "time": now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "magic": hashlib.sha256(FORMAT_VERSION.encode()).hexdigest(),
            "version": FORMAT_VERSION,
        }
    }
    if box.salt:  # after the rows: encoding the first secret makes the salt
        deployment["secrets_providers"] = {"type": "passphrase", "state": {"salt": box.salt}}
    if rows:
        deployment["resources"] = rows
    if pending:
        deployment["pending_operations"] = pending
    deployment["metadata"] = dict(checkpoint.metadata)
    return deployment


def render_pending(entry: Pending, box: SecretBox) -> dict[str, Any]:
    """A pending operation as JSON; `operation` is ours, Pulumi passes over it."""
    document: dict[str, Any] = {"resource": to_json(entry.row, box.encode), "type": entry.kind}
    if entry.operation:
        document["operation"] = entry.operation
    return document
