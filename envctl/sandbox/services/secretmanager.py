"""Secret Manager, v1: secrets and versions. Names in answers carry the project's number, as with Google."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from envctl.sandbox.checksums import crc32c
from envctl.sandbox.clock import parse_duration, stamp
from envctl.sandbox.failures import already_exists, failed_precondition, invalid, not_found
from envctl.sandbox.filters import selected
from envctl.sandbox.masks import masked, split_mask
from envctl.sandbox.paging import page
from envctl.sandbox.routing import Route, Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

_SECRETS = "secrets"
_VERSIONS = "secrets.versions"
_IDENTIFIER = re.compile(r"[a-zA-Z0-9_-]{1,255}")
_LARGEST_BYTES = 65_536
# Bounds of a rotation period, of the discovery document of v1 (2026-11).
_SHORTEST_ROTATION = timedelta(hours=1)
_LONGEST = timedelta(seconds=3_153_600_000)
_CHANGEABLE = (
    "labels",
    "annotations",
    "topics",
    "expireTime",
    "ttl",
    "rotation",
    "versionAliases",
    "versionDestroyTtl",
)
_INPUTS = (
    "replication",
    "labels",
    "annotations",
    "topics",
    "expireTime",
    "rotation",
    "versionAliases",
    "versionDestroyTtl",
)


@dataclass(frozen=True, slots=True)
class Secrets:
    """The methods of the API."""

    cloud: Cloud

    def create(self, call: Call) -> Json:
        """Make a secret without a version."""
        identifier = call.query("secretId")
        if not _IDENTIFIER.fullmatch(identifier):
            raise invalid(f"Secret ID '{identifier}' must match the pattern {_IDENTIFIER.pattern}.")
        key = f"{call['project']}/{identifier}"
        name = self._name(call, identifier)
        if call.store.get(_SECRETS, key) is not None:
            raise already_exists(f"Secret [{name}] already exists.")
        if not call.body.get("replication"):
            raise invalid("Field [secret.replication] is required.")
        secret: Json = {"name": name, "createTime": call.now, "etag": f'"{call.backend.unique("secret").hex()[:14]}"'}
        _check_rotation(call.body)
        secret.update({field: call.body[field] for field in _INPUTS if call.body.get(field)})
        if call.body.get("ttl"):
            secret["expireTime"] = self._after(call, call.body["ttl"])
        call.store.put(_SECRETS, key, secret)
        return secret

    def _after(self, call: Call, duration: str) -> str:
        length = parse_duration(duration)
        if not timedelta(0) < length <= _LONGEST:
            raise invalid("Field [secret.ttl] must be positive and at most 100 years.")
        return stamp(call.backend.clock.now() + length)

    def _name(self, call: Call, identifier: str) -> str:
        return f"projects/{self.cloud.projects.number(call['project'])}/secrets/{identifier}"

    def _find(self, call: Call) -> Mapping[str, Any]:
        secret = call.store.get(_SECRETS, f"{call['project']}/{call['secret']}")
        if secret is None:
            raise not_found(f"Secret [{self._name(call, call['secret'])}] not found.")
        return secret

    def get(self, call: Call) -> Json:
        """A secret, without its content."""
        return dict(self._find(call))

    def list(self, call: Call) -> Json:
        """The secrets of a project."""
        found = selected(call.store.values(_SECRETS, f"{call['project']}/"), call.query("filter"))
        found.sort(key=lambda secret: secret["name"])
        shown = page(call, "secrets", found, default_size=25_000)
        if found:
            shown["totalSize"] = len(found)
        return shown

    def patch(self, call: Call) -> Json:
        """Change labels, annotations, rotation and the like."""
        secret = self._find(call)
        paths = split_mask(call.query("updateMask"))
        unknown = [path for path in paths if path.partition(".")[0] not in _CHANGEABLE]
        if not paths or unknown:
            raise invalid(f"Invalid update mask: '{unknown[0] if unknown else ''}' cannot be updated.")
        self._check_etag(secret, call.body.get("etag", ""))
        changed = masked(secret, call.body, [path for path in paths if path != "ttl"])
        if "ttl" in paths and call.body.get("ttl"):
            changed["expireTime"] = self._after(call, call.body["ttl"])
        _check_rotation(changed)
        changed["etag"] = f'"{call.backend.unique("secret").hex()[:14]}"'
        call.store.put(_SECRETS, f"{call['project']}/{call['secret']}", changed)
        return changed

    def _check_etag(self, record: Mapping[str, Any], etag: str) -> None:
        if etag and etag != record["etag"]:
            raise failed_precondition(
                f"The provided etag does not match the current value: {etag} is not {record['etag']}."
            )

    def delete(self, call: Call) -> Json:
        """Remove a secret with all its versions."""
        secret = self._find(call)
        self._check_etag(secret, call.query("etag"))
        key = f"{call['project']}/{call['secret']}"
        call.store.delete(_SECRETS, key)
        for name, _ in call.store.items(_VERSIONS, f"{key}/"):
            call.store.delete(_VERSIONS, name)
        self.cloud.policies.forget(self._resource(call))
        return {}

    def add_version(self, call: Call) -> Json:
        """Put content into a new version."""
        secret = self._find(call)
        payload: Mapping[str, Any] = call.body.get("payload") or {}
        try:
            content = base64.b64decode(payload.get("data", ""), validate=True)
        except binascii.Error as error:
            raise invalid("Invalid value at 'payload.data' (TYPE_BYTES), Base64 decoding failed.") from error
        if not content:
            raise invalid("Field [payload.data] is required.")
        if len(content) > _LARGEST_BYTES:
            raise invalid(f"Secret payload is larger than {_LARGEST_BYTES} bytes.")
        if "dataCrc32c" in payload and int(payload["dataCrc32c"]) != crc32c(content):
            raise invalid("The CRC32C checksum of the payload does not match.")
        prefix = f"{call['project']}/{call['secret']}/"
        number = 1 + len(call.store.items(_VERSIONS, prefix))
        automatic = "automatic" in secret["replication"]
        status: Json = {"automatic": {}}
        if not automatic:
            replicas = secret["replication"]["userManaged"]["replicas"]
            status = {"userManaged": {"replicas": [{"location": entry["location"]} for entry in replicas]}}
        version: Json = {
            "name": f"{secret['name']}/versions/{number}",
            "createTime": call.now,
            "state": "ENABLED",
            "replicationStatus": status,
            "etag": f'"{call.backend.unique("version").hex()[:14]}"',
        }
        if "dataCrc32c" in payload:
            version["clientSpecifiedPayloadChecksum"] = True
        record: Json = {"version": version, "data": base64.b64encode(content).decode()}
        call.store.put(_VERSIONS, f"{prefix}{number}", record)
        return version

    def _version(self, call: Call) -> tuple[str, Mapping[str, Any]]:
        secret = self._find(call)
        prefix = f"{call['project']}/{call['secret']}/"
        wanted = call["version"]
        if wanted == "latest":
            found = call.store.items(_VERSIONS, prefix)
            usable = [entry for entry in found if entry[1]["version"]["state"] != "DESTROYED"]
            if not usable:
                raise not_found(f"Secret [{secret['name']}] not found or has no versions.")
            return usable[-1]
        wanted = str((secret.get("versionAliases") or {}).get(wanted, wanted))
        record = call.store.get(_VERSIONS, prefix + wanted)
        if record is None:
            raise not_found(f"Secret Version [{secret['name']}/versions/{wanted}] not found.")
        return prefix + wanted, record

    def get_version(self, call: Call) -> Json:
        """A version, without its content."""
        return dict(self._version(call)[1]["version"])

    def list_versions(self, call: Call) -> Json:
        """The versions of a secret, newest first."""
        self._find(call)
        records = call.store.values(_VERSIONS, f"{call['project']}/{call['secret']}/")
        found = selected([record["version"] for record in records], call.query("filter"))
        shown = page(call, "versions", found[::-1], default_size=25_000)
        if found:
            shown["totalSize"] = len(found)
        return shown

    def access(self, call: Call) -> Json:
        """The content of an enabled version."""
        version = self._version(call)[1]
        shown = version["version"]
        if shown["state"] != "ENABLED":
            raise failed_precondition(f"Secret Version [{shown['name']}] is in {shown['state']} state.")
        content = base64.b64decode(version["data"])
        return {
            "name": shown["name"],
            "payload": {"data": version["data"], "dataCrc32c": str(crc32c(content))},
        }

    def enable(self, call: Call) -> Json:
        """Let a version be read."""
        return self._change(call, "ENABLED")

    def disable(self, call: Call) -> Json:
        """Stop a version from being read."""
        return self._change(call, "DISABLED")

    def destroy(self, call: Call) -> Json:
        """Destroy the content of a version, for good."""
        return self._change(call, "DESTROYED")

    def _change(self, call: Call, state: str) -> Json:
        key, record = self._version(call)
        version = record["version"]
        self._check_etag(version, call.body.get("etag", ""))
        if version["state"] == "DESTROYED":
            raise failed_precondition(f"Secret Version [{version['name']}] is in DESTROYED state.")
        changed: Json = {**version, "state": state}
        if state != version["state"]:
            changed["etag"] = f'"{call.backend.unique("version").hex()[:14]}"'
        kept: Json = {**record, "version": changed}
        if state == "DESTROYED":
            changed["destroyTime"] = call.now
            kept["data"] = ""
        call.store.put(_VERSIONS, key, kept)
        return changed

    def get_policy(self, call: Call) -> Json:
        """Who may use a secret."""
        version = call.number("options.requestedPolicyVersion", 1)
        self._find(call)
        return self.cloud.policies.get(self._resource(call), version)

    def set_policy(self, call: Call) -> Json:
        """Replace who may use a secret."""
        self._find(call)
        mask = call.body.get("updateMask", "")
        return self.cloud.policies.set(self._resource(call), call.body.get("policy") or {}, mask=mask)

    def test_permissions(self, call: Call) -> Json:
        """Which of the permissions asked the caller has on a secret."""
        self._find(call)
        held = self.cloud.access.allowed(call.principal, call.body.get("permissions", []), self._resource(call))
        return {"permissions": held} if held else {}

    def _resource(self, call: Call) -> str:
        return f"//secretmanager.googleapis.com/projects/{call['project']}/secrets/{call['secret']}"


def _check_rotation(secret: Mapping[str, Any]) -> None:
    """Refuse a rotation that Secret Manager does not do.

    Raises:
        ApiError: the period is out of bounds or has no next time, or nobody would be told.
    """
    rotation: Mapping[str, Any] = secret.get("rotation") or {}
    if not rotation:
        return
    if not secret.get("topics"):
        raise invalid("Field [secret.topics] must be set to configure rotation.")
    if "rotationPeriod" in rotation:
        if "nextRotationTime" not in rotation:
            raise invalid("Field [rotation.next_rotation_time] must be set if rotation_period is set.")
        if not _SHORTEST_ROTATION <= parse_duration(rotation["rotationPeriod"]) <= _LONGEST:
            raise invalid("Field [rotation.rotation_period] must be at least 3600s and at most 3153600000s.")


def declare(cloud: Cloud) -> Service:
    """Secret Manager on a cloud."""
    api = Secrets(cloud)
    secrets = "projects/{project}/secrets"
    one = secrets + "/{secret}"
    versions = one + "/versions"
    version = versions + "/{version}"
    table = (
        ("create", "POST", secrets, api.create, "secrets.create", ""),
        ("list", "GET", secrets, api.list, "secrets.list", ""),
        ("get", "GET", one, api.get, "secrets.get", one),
        ("patch", "PATCH", one, api.patch, "secrets.update", one),
        ("delete", "DELETE", one, api.delete, "secrets.delete", one),
        ("addVersion", "POST", one + ":addVersion", api.add_version, "versions.add", one),
        ("getIamPolicy", "GET", one + ":getIamPolicy", api.get_policy, "secrets.getIamPolicy", one),
        ("setIamPolicy", "POST", one + ":setIamPolicy", api.set_policy, "secrets.setIamPolicy", one),
        ("testIamPermissions", "POST", one + ":testIamPermissions", api.test_permissions, "", ""),
        ("versions.list", "GET", versions, api.list_versions, "versions.list", one),
        ("versions.get", "GET", version, api.get_version, "versions.get", version),
        ("versions.access", "GET", version + ":access", api.access, "versions.access", version),
        ("versions.enable", "POST", version + ":enable", api.enable, "versions.enable", version),
        ("versions.disable", "POST", version + ":disable", api.disable, "versions.disable", version),
        ("versions.destroy", "POST", version + ":destroy", api.destroy, "versions.destroy", version),
    )
    return Service(
        name="secretmanager",
        hosts=("secretmanager.googleapis.com",),
        prefixes=("secretmanager",),
        bases={"v1": "v1"},
        api="secretmanager.googleapis.com",
        routes=tuple(
            Route(
                f"secretmanager.projects.secrets.{method}",
                verb,
                template,
                handler,
                f"secretmanager.{right}" if right else "",
                resource,
            )
            for method, verb, template, handler, right, resource in table
        ),
    )
