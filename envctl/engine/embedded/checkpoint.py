"""Pulumi's deployment version 3 as a value: reading, writing and judging it, without any file.

Source of the form: `DeploymentV3` in Pulumi 3.256 (`sdk/go/common/apitype/core.go`), and what its
`VerifyIntegrity` asks of a snapshot (`pkg/resource/deploy/snapshot.go`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from envctl.engine.embedded.resource import Resource, from_json, to_json
from envctl.engine.embedded.secrets import PassphraseManager
from envctl.engine.embedded.values import Reference, Secret, Value, rewrite
from envctl.engine.protocol import StackRef
from envctl.engine.urns import is_provider, provider_urn, stack_prefix
from envctl.errors import RefusedError

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105
REFERENCE = "5cf8f73096256a8f31e491e813e4eb8e"
"""How Pulumi marks secrets and resources inside JSON (`sdk/go/common/resource/sig`)."""

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


class SecretBox:
    """Opens and closes secrets, asking for the passphrase only when the first one comes by.

    Args:
        salt: the state of Pulumi's passphrase provider, "" when there is none yet.
        passphrase: gives the passphrase; its argument says whether a new one may be made.
        created: told the salt once a new one was made, before anything is encrypted with it.
    """

    def __init__(self, salt: str, passphrase: Callable[[bool], str], created: Callable[[str], None]) -> None:
        self.salt = salt
        self._passphrase = passphrase
        self._created = created
        self._manager: PassphraseManager | None = None

    def _open(self) -> PassphraseManager:
        if self._manager is None:
            if self.salt:
                self._manager = PassphraseManager.open(self._passphrase(False), self.salt)
            else:
                self._manager = PassphraseManager.create(self._passphrase(True))
                self.salt = self._manager.state
                self._created(self.salt)
        return self._manager

    def encode(self, value: Value) -> Value:
        """The value as plain JSON, secrets encrypted; raises `ValueError` for a value known only after apply."""
        return rewrite(value, self._encode_leaf)

    def _encode_leaf(self, leaf: Value) -> Value:
        if isinstance(leaf, Secret):
            text = json.dumps(self.encode(leaf.value), separators=(",", ":"), ensure_ascii=False)
            return {SIGNATURE: SECRET, "ciphertext": self._open().encrypt(text)}
        if isinstance(leaf, Reference):
            known = {} if leaf.id is None else {"id": leaf.id}
            return {SIGNATURE: REFERENCE, "urn": leaf.urn, **known, "packageVersion": ""}
        return leaf

    def decode(self, value: Value) -> Value:
        """The value of plain JSON, secrets decrypted and marked."""
        if isinstance(value, dict):
            match value.get(SIGNATURE):
                case None:
                    return {key: self.decode(item) for key, item in value.items()}
                case signature if signature == SECRET:
                    text = value["plaintext"] if "plaintext" in value else self._open().decrypt(value["ciphertext"])
                    return Secret(self.decode(json.loads(text)))
                case signature if signature == REFERENCE:
                    return Reference(value["urn"], value.get("id"))
                case _:
                    return value
        if isinstance(value, list):
            return [self.decode(item) for item in cast("list[Value]", value)]
        return value


def identity(value: Value) -> Value:
    """The value itself: decodes a document in which no mark occurs."""
    return value


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
    decode = box.decode if SIGNATURE in json.dumps(deployment) else identity
    try:
        resources = [from_json(row, decode) for row in deployment.get("resources") or []]
        pending = [
            Pending(entry["type"], from_json(entry["resource"], decode), entry.get("operation", ""))
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
