"""Secrets of Secret Manager, their versions and readers."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envctl.provider.behaviours import MaskPatched
from envctl.provider.iam_member import PolicyMember
from envctl.provider.protocol import ProviderError
from envctl.provider.spec import Behaviour, Change, Rule, Run, TypeSpec
from envctl.provider.types.links import same_link

_VERSION = re.compile(r"(projects/[^/]+/secrets/[^/]+)/versions/([^/]+)")


@dataclass(frozen=True, slots=True)
class Secret(MaskPatched):
    """A secret without its values; the API names the automatic replication otherwise."""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Creates."""
        run.made(run.spec.collection, {"secretId": run.fill("{secretId}")}, dict(body))
        return self.settled(run)

    def delete(self, run: Run) -> None:
        """Deletes it with all versions, unless it is protected."""
        if run.value("deletionProtection") is True:
            raise ProviderError(
                f"cannot destroy {run.fill(run.spec.path)} without setting deletionProtection to false first",
                status="FAILED_PRECONDITION",
                method="DELETE",
            )
        Behaviour.delete(self, run)

    def outputs(self, run: Run, answer: Mapping[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        """Annotations of others stay out of sight, as with labels."""
        live = answer.get("annotations") or {}
        given = run.inputs.get("annotations") or {}
        if live:
            outputs["effectiveAnnotations"] = dict(live)
        if run.inputs and given:
            outputs["annotations"] = {key: live[key] for key in given if key in live}
        return outputs


@dataclass(frozen=True, slots=True)
class SecretVersion(Behaviour):
    """A value of a secret. It cannot be read back by the provider's request, so the output keeps what was given."""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        """Adds the version, then enables or disables it as wanted."""
        data = run.inputs.get("secretData")
        if data is None:
            data = run.inputs.get("secretDataWo", "")
        text = str(data) if run.inputs.get("isSecretDataBase64") else base64.b64encode(str(data).encode()).decode()
        made = run.made(f"{_secret(run)}:addVersion", None, {"payload": {"data": text}})
        name = str(made["name"])
        self._switch(run, name, enabled=run.inputs.get("enabled", True) is not False)
        return run.session.find_settled(run.spec.service, name)

    def read(self, run: Run) -> Mapping[str, Any] | None:
        """The version; a destroyed one counts as absent."""
        found = run.session.find(run.spec.service, _name(run))
        return None if found is None or found.get("state") == "DESTROYED" else found

    def locate(self, run: Run) -> tuple[str, Mapping[str, Any]] | None:
        """The newest version, when it holds the wanted value: an older one is not what was added last."""
        wanted = str(run.inputs.get("secretData") or "")
        listed = run.session.find(run.spec.service, f"{_secret(run)}/versions") or {}
        for version in listed.get("versions", ()):
            if version.get("state") == "DESTROYED":
                continue
            access = run.session.find(run.spec.service, f"{version['name']}:access") or {}
            data = base64.b64decode((access.get("payload") or {}).get("data", "")).decode(errors="replace")
            return (str(version["name"]), version) if data == wanted else None
        return None

    def update(self, run: Run, change: Change, body: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        """Only `enabled` can change."""
        self._switch(run, _name(run), enabled=run.inputs.get("enabled", True) is not False)
        return run.session.find_settled(run.spec.service, _name(run))

    def delete(self, run: Run) -> None:
        """Destroys the value (or disables it, by the deletion policy DISABLE)."""
        verb = "disable" if run.value("deletionPolicy") == "DISABLE" else "destroy"
        try:
            run.session.send("POST", run.spec.service, f"{_name(run)}:{verb}")
        except ProviderError as error:
            if error.status != "NOT_FOUND" and "DESTROYED" not in str(error):
                raise

    def id_of(self, run: Run, answer: Mapping[str, Any]) -> str:
        """The version's full name, as the API gave it."""
        return str(answer.get("name") or _name(run))

    def outputs(self, run: Run, answer: Mapping[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        """State and number beside the name."""
        name = str(answer.get("name") or run.id)
        match = _VERSION.fullmatch(name)
        if match is not None:
            outputs["version"] = match.group(2)
            outputs.setdefault("secret", match.group(1))
        outputs["name"] = name
        outputs["enabled"] = answer.get("state", "ENABLED") == "ENABLED"
        return outputs

    def _switch(self, run: Run, name: str, *, enabled: bool) -> None:
        run.session.send("POST", run.spec.service, f"{name}:{'enable' if enabled else 'disable'}")


def _secret(run: Run) -> str:
    secret = run.fill("{secret}")
    return secret if "/" in secret else run.fill("projects/{project}/secrets/{secret}")


def _name(run: Run) -> str:
    return run.id or str(run.outputs.get("name", ""))


TYPES = (
    TypeSpec(
        "gcp:secretmanager/secret:Secret",
        service="secretmanager/v1",
        path="projects/{project}/secrets/{secretId}",
        collection="projects/{project}/secrets",
        imports=("{project}/{secretId}", "{secretId}"),
        identity=("project", "secretId"),
        labels="labels",
        rules={
            "replication.auto": Rule(api="automatic", send_zero=True),
            "deletionProtection": Rule(skip=True),
            "deletionPolicy": Rule(skip=True),
            "ttl": Rule(keep=True),
            "tags": Rule(keep=True),
            "versionAliases": Rule(),
        },
        behaviour=Secret(),
    ),
    TypeSpec(
        "gcp:secretmanager/secretVersion:SecretVersion",
        service="secretmanager/v1",
        path="{name}",
        imports=("{secret=projects/*/secrets/*}/versions/{version}",),
        identity=("secret",),
        rules={
            "secretData": Rule(keep=True),
            "secretDataWo": Rule(keep=True),
            "secretDataWoVersion": Rule(keep=True),
            "isSecretDataBase64": Rule(keep=True),
            "project": Rule(keep=True),
            "deletionPolicy": Rule(skip=True),
        },
        behaviour=SecretVersion(),
    ),
    TypeSpec(
        "gcp:secretmanager/secretIamMember:SecretIamMember",
        service="secretmanager/v1",
        path="projects/{project}/secrets/{secretId|base}",
        id="projects/{project}/secrets/{secretId|base}/{role}/{member}",
        imports=(
            "projects/{project}/secrets/{secretId} {role} {member} {title}",
            "projects/{project}/secrets/{secretId} {role} {member}",
        ),
        identity=("project", "secretId"),
        rules={"secretId": Rule(same=same_link)},
        behaviour=PolicyMember("projects/{project}/secrets/{secretId|base}"),
    ),
)
