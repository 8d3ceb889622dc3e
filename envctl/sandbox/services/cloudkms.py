"""Cloud KMS, v1: key rings, keys, versions. Rings and keys cannot be deleted, as with Google."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from envctl.sandbox.clock import parse_duration, parse_stamp, stamp
from envctl.sandbox.failures import already_exists, failed_precondition, invalid, not_found
from envctl.sandbox.filters import selected
from envctl.sandbox.masks import masked, split_mask, without_zeros
from envctl.sandbox.paging import page
from envctl.sandbox.routing import Route, Service
from envctl.sandbox.services.cloudkms_crypt import Crypt, forget_material, keep_material

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

_RINGS = "kms.keyRings"
_KEYS = "kms.cryptoKeys"
_VERSIONS = "kms.cryptoKeyVersions"
_IDENTIFIER = re.compile(r"[a-zA-Z0-9_-]{1,63}")
_DESTROY_AFTER = timedelta(days=30)
_SHORTEST_ROTATION = timedelta(hours=24)
_LONGEST_ROTATION = timedelta(hours=876_000)
_CHANGEABLE = frozenset(
    {"labels", "rotationPeriod", "nextRotationTime", "versionTemplate", "keyAccessJustificationsPolicy"}
)


@dataclass(frozen=True, slots=True)
class Kms:
    """The methods of the API."""

    cloud: Cloud

    # -- rings ----------------------------------------------------------------------------------------

    def create_ring(self, call: Call) -> Json:
        """Make a key ring."""
        name = f"{_location(call)}/keyRings/{_identifier(call, 'keyRingId')}"
        if call.store.get(_RINGS, name) is not None:
            raise already_exists(f"KeyRing {name} already exists.")
        ring: Json = {"name": name, "createTime": call.now}
        call.store.put(_RINGS, name, ring)
        return ring

    def get_ring(self, call: Call) -> Json:
        """A key ring."""
        return dict(self._ring(call))

    def list_rings(self, call: Call) -> Json:
        """The key rings of a location."""
        return _listed(call, "keyRings", call.store.values(_RINGS, f"{_location(call)}/keyRings/"))

    def _ring(self, call: Call) -> Mapping[str, Any]:
        name = _ring_name(call)
        ring = call.store.get(_RINGS, name)
        if ring is None:
            raise not_found(f"KeyRing {name} not found.")
        return ring

    # -- keys -----------------------------------------------------------------------------------------

    def create_key(self, call: Call) -> Json:
        """Make a key, with its first version unless the client does not want one."""
        ring = self._ring(call)["name"]
        name = f"{ring}/cryptoKeys/{_identifier(call, 'cryptoKeyId')}"
        if call.store.get(_KEYS, name) is not None:
            raise already_exists(f"CryptoKey {name} already exists.")
        purpose = call.body.get("purpose")
        if not purpose:
            raise invalid("The request must specify a CryptoKey purpose.")
        template: Json = {"protectionLevel": "SOFTWARE", **(call.body.get("versionTemplate") or {})}
        if purpose == "ENCRYPT_DECRYPT":
            template.setdefault("algorithm", "GOOGLE_SYMMETRIC_ENCRYPTION")
        elif "algorithm" not in template:
            raise invalid(f"A key of purpose {purpose} needs versionTemplate.algorithm.")
        _check_rotation(call.body)
        key: Json = {
            "destroyScheduledDuration": f"{int(_DESTROY_AFTER.total_seconds())}s",
            **{name: value for name, value in call.body.items() if name not in {"primary", "name"}},
            "name": name,
            "createTime": call.now,
            "versionTemplate": template,
        }
        call.store.put(_KEYS, name, without_zeros(key))
        if call.query("skipInitialVersionCreation") != "true":
            self._add_version(call, name)
        return self._shown(call, name)

    def _add_version(self, call: Call, key_name: str) -> Json:
        key = call.store.get(_KEYS, key_name)
        assert key is not None, "callers found the key before"
        number = 1 + len(call.store.items(_VERSIONS, f"{key_name}/cryptoKeyVersions/"))
        name = f"{key_name}/cryptoKeyVersions/{number}"
        version: Json = {
            "name": name,
            "state": "ENABLED",
            "createTime": call.now,
            "generateTime": call.now,
            "protectionLevel": key["versionTemplate"]["protectionLevel"],
            "algorithm": key["versionTemplate"]["algorithm"],
        }
        call.store.put(_VERSIONS, name, version)
        if key["purpose"] == "ENCRYPT_DECRYPT":
            keep_material(call.backend, name)
        if key["purpose"] == "ENCRYPT_DECRYPT" and "primaryVersion" not in key:
            call.store.put(_KEYS, key_name, {**key, "primaryVersion": name})
        return version

    def _shown(self, call: Call, name: str) -> Json:
        record = call.store.get(_KEYS, name)
        if record is None:
            raise not_found(f"CryptoKey {name} not found.")
        shown = {field: value for field, value in record.items() if field != "primaryVersion"}
        if "primaryVersion" in record:
            shown["primary"] = self._version(call, record["primaryVersion"])
        return shown

    def get_key(self, call: Call) -> Json:
        """A key with its primary version."""
        return self._shown(call, _key_name(call))

    def list_keys(self, call: Call) -> Json:
        """The keys of a ring."""
        ring = self._ring(call)["name"]
        names = [name for name, _ in call.store.items(_KEYS, f"{ring}/cryptoKeys/")]
        return _listed(call, "cryptoKeys", [self._shown(call, name) for name in names])

    def patch_key(self, call: Call) -> Json:
        """Change labels, rotation or template."""
        name = _key_name(call)
        self._shown(call, name)
        paths = split_mask(call.query("updateMask"))
        unknown = [path for path in paths if path.partition(".")[0] not in _CHANGEABLE]
        if not paths or unknown:
            raise invalid(f"Field '{unknown[0] if unknown else ''}' of a CryptoKey cannot be updated.")
        record = call.store.get(_KEYS, name)
        assert record is not None, "shown above"
        changed = masked(record, call.body, paths)
        _check_rotation(changed)
        call.store.put(_KEYS, name, changed)
        return self._shown(call, name)

    def update_primary(self, call: Call) -> Json:
        """Choose the version that encrypts."""
        name = _key_name(call)
        self._shown(call, name)
        version = f"{name}/cryptoKeyVersions/{call.body.get('cryptoKeyVersionId', '')}"
        if self._version(call, version)["state"] != "ENABLED":
            raise failed_precondition(f"CryptoKeyVersion {version} is not ENABLED.")
        record = call.store.get(_KEYS, name)
        assert record is not None, "shown above"
        call.store.put(_KEYS, name, {**record, "primaryVersion": version})
        return self._shown(call, name)

    # -- versions -------------------------------------------------------------------------------------

    def _version(self, call: Call, name: str) -> Json:
        version = call.store.get(_VERSIONS, name)
        if version is None:
            raise not_found(f"CryptoKeyVersion {name} not found.")
        scheduled = version["state"] == "DESTROY_SCHEDULED"
        if scheduled and parse_stamp(version["destroyTime"]) <= call.backend.clock.now():
            forget_material(call.backend, name)
            destroyed: Json = {**version, "state": "DESTROYED", "destroyEventTime": version["destroyTime"]}
            del destroyed["destroyTime"]
            call.store.put(_VERSIONS, name, destroyed)
            return destroyed
        return dict(version)

    def create_version(self, call: Call) -> Json:
        """Make another version of a key."""
        name = _key_name(call)
        self._shown(call, name)
        return self._add_version(call, name)

    def get_version(self, call: Call) -> Json:
        """A version."""
        return self._version(call, _version_name(call))

    def list_versions(self, call: Call) -> Json:
        """The versions of a key."""
        name = _key_name(call)
        self._shown(call, name)
        found = call.store.items(_VERSIONS, f"{name}/cryptoKeyVersions/")
        versions = [self._version(call, version) for version, _ in found]
        return _listed(call, "cryptoKeyVersions", versions)

    def patch_version(self, call: Call) -> Json:
        """Enable or disable a version."""
        version = self._version(call, _version_name(call))
        state = call.body.get("state")
        if split_mask(call.query("updateMask")) != ["state"] or state not in {"ENABLED", "DISABLED"}:
            raise invalid("Only the state of a CryptoKeyVersion can be updated, to ENABLED or DISABLED.")
        if version["state"] not in {"ENABLED", "DISABLED"}:
            raise failed_precondition(f"{version['name']} is not enabled or disabled, it is {version['state']}.")
        return self._keep(call, {**version, "state": state})

    def destroy_version(self, call: Call) -> Json:
        """Schedule the destruction of a version, 30 days on."""
        version = self._version(call, _version_name(call))
        if version["state"] not in {"ENABLED", "DISABLED"}:
            raise failed_precondition(f"{version['name']} is not in a state that can be destroyed: {version['state']}.")
        key = call.store.get(_KEYS, _key_name(call))
        assert key is not None, "it has a version"
        end = stamp(call.backend.clock.now() + parse_duration(key["destroyScheduledDuration"]))
        return self._keep(call, {**version, "state": "DESTROY_SCHEDULED", "destroyTime": end})

    def restore_version(self, call: Call) -> Json:
        """Take the destruction of a version back; it is disabled then."""
        version = self._version(call, _version_name(call))
        if version["state"] != "DESTROY_SCHEDULED":
            raise failed_precondition(f"{version['name']} is not scheduled for destruction.")
        kept = {field: value for field, value in version.items() if field != "destroyTime"}
        return self._keep(call, {**kept, "state": "DISABLED"})

    def _keep(self, call: Call, version: Json) -> Json:
        call.store.put(_VERSIONS, version["name"], version)
        return version

    def version_of(self, call: Call, number: str = "") -> tuple[Json, Json]:
        """The key of a call and one of its versions, the primary when no number is given.

        Raises:
            ApiError: one of them is not there, or the key has no primary version.
        """
        key = self._shown(call, _key_name(call))
        if number:
            return key, self._version(call, f"{key['name']}/cryptoKeyVersions/{number}")
        if "primary" not in key:
            raise failed_precondition(f"CryptoKey {key['name']} has no primary version that can encrypt.")
        return key, key["primary"]

    # -- policies -------------------------------------------------------------------------------------

    def get_policy(self, call: Call) -> Json:
        """Who may use a ring or a key."""
        version = call.number("options.requestedPolicyVersion", 1)
        return self.cloud.policies.get(self._resource(call), version)

    def set_policy(self, call: Call) -> Json:
        """Replace who may use a ring or a key."""
        mask = call.body.get("updateMask", "")
        return self.cloud.policies.set(self._resource(call), call.body.get("policy") or {}, mask=mask)

    def test_permissions(self, call: Call) -> Json:
        """Which of the permissions asked the caller has."""
        asked = call.body.get("permissions", [])
        held = self.cloud.access.allowed(call.principal, asked, self._resource(call))
        return {"permissions": held} if held else {}

    def _resource(self, call: Call) -> str:
        if "key" in call.parameters:
            name = _key_name(call)
            self._shown(call, name)
        else:
            name = self._ring(call)["name"]
        return f"//cloudkms.googleapis.com/{name}"


def _check_rotation(key: Mapping[str, Any]) -> None:
    """Refuse a rotation that KMS does not do (bounds of the discovery document of v1, 2026-11).

    Raises:
        ApiError: the period is out of bounds, has no next time, or the key's purpose has no rotation.
    """
    if not key.get("rotationPeriod"):
        return
    if key.get("purpose") != "ENCRYPT_DECRYPT":
        raise invalid(f"Keys of purpose {key.get('purpose')} do not support automatic rotation.")
    if not key.get("nextRotationTime"):
        raise invalid("A rotation period needs a next rotation time.")
    if not _SHORTEST_ROTATION <= parse_duration(key["rotationPeriod"]) <= _LONGEST_ROTATION:
        raise invalid("The rotation period must be at least 24 hours and at most 876,000 hours.")


def _location(call: Call) -> str:
    return f"projects/{call['project']}/locations/{call['location']}"


def _ring_name(call: Call) -> str:
    return f"{_location(call)}/keyRings/{call['ring']}"


def _key_name(call: Call) -> str:
    return f"{_ring_name(call)}/cryptoKeys/{call['key']}"


def _version_name(call: Call) -> str:
    return f"{_key_name(call)}/cryptoKeyVersions/{call['version']}"


def _identifier(call: Call, parameter: str) -> str:
    value = call.query(parameter)
    if not _IDENTIFIER.fullmatch(value):
        raise invalid(f"Resource id '{value}' does not match the pattern: {_IDENTIFIER.pattern}.")
    return value


def _key_routes(api: Kms, key: str) -> tuple[Route, ...]:
    crypt = Crypt(api.version_of)
    name = "cloudkms.projects.locations.keyRings.cryptoKeys"
    encrypt, decrypt = "cloudkms.cryptoKeyVersions.useToEncrypt", "cloudkms.cryptoKeyVersions.useToDecrypt"
    return (
        Route(f"{name}.encrypt", "POST", f"{key}:encrypt", crypt.encrypt, encrypt, key),
        Route(
            f"{name}.encrypt",
            "POST",
            key + "/cryptoKeyVersions/{version}:encrypt",
            crypt.encrypt,
            encrypt,
            key,
        ),
        Route(f"{name}.decrypt", "POST", f"{key}:decrypt", crypt.decrypt, decrypt, key),
    )


def _listed(call: Call, key: str, items: list[Any]) -> Json:
    found = selected(items, call.query("filter"))
    shown = page(call, key, sorted(found, key=lambda item: item["name"]), default_size=100)
    if found:
        shown["totalSize"] = len(found)
    return shown


def declare(cloud: Cloud) -> Service:
    """Cloud KMS on a cloud."""
    api = Kms(cloud)
    rings = "projects/{project}/locations/{location}/keyRings"
    ring = rings + "/{ring}"
    keys = ring + "/cryptoKeys"
    key = keys + "/{key}"
    versions = key + "/cryptoKeyVersions"
    version = versions + "/{version}"
    table = (
        ("keyRings.create", "POST", rings, api.create_ring, "keyRings.create"),
        ("keyRings.list", "GET", rings, api.list_rings, "keyRings.list"),
        ("keyRings.get", "GET", ring, api.get_ring, "keyRings.get"),
        ("keyRings.cryptoKeys.create", "POST", keys, api.create_key, "cryptoKeys.create"),
        ("keyRings.cryptoKeys.list", "GET", keys, api.list_keys, "cryptoKeys.list"),
        ("keyRings.cryptoKeys.get", "GET", key, api.get_key, "cryptoKeys.get"),
        ("keyRings.cryptoKeys.patch", "PATCH", key, api.patch_key, "cryptoKeys.update"),
        (
            "keyRings.cryptoKeys.updatePrimaryVersion",
            "POST",
            key + ":updatePrimaryVersion",
            api.update_primary,
            "cryptoKeys.update",
        ),
        (
            "keyRings.cryptoKeys.cryptoKeyVersions.create",
            "POST",
            versions,
            api.create_version,
            "cryptoKeyVersions.create",
        ),
        (
            "keyRings.cryptoKeys.cryptoKeyVersions.list",
            "GET",
            versions,
            api.list_versions,
            "cryptoKeyVersions.list",
        ),
        ("keyRings.cryptoKeys.cryptoKeyVersions.get", "GET", version, api.get_version, "cryptoKeyVersions.get"),
        (
            "keyRings.cryptoKeys.cryptoKeyVersions.patch",
            "PATCH",
            version,
            api.patch_version,
            "cryptoKeyVersions.update",
        ),
        (
            "keyRings.cryptoKeys.cryptoKeyVersions.destroy",
            "POST",
            version + ":destroy",
            api.destroy_version,
            "cryptoKeyVersions.destroy",
        ),
        (
            "keyRings.cryptoKeys.cryptoKeyVersions.restore",
            "POST",
            version + ":restore",
            api.restore_version,
            "cryptoKeyVersions.restore",
        ),
    )
    policies = tuple(
        Route(
            f"cloudkms.projects.locations.{kind}.{method}",
            verb,
            f"{template}:{method}",
            handler,
            "" if method == "testIamPermissions" else f"cloudkms.{kind.rpartition('.')[2]}.{method}",
            template,
        )
        for kind, template in (("keyRings", ring), ("keyRings.cryptoKeys", key))
        for method, verb, handler in (
            ("getIamPolicy", "GET", api.get_policy),
            ("setIamPolicy", "POST", api.set_policy),
            ("testIamPermissions", "POST", api.test_permissions),
        )
    )
    return Service(
        name="cloudkms",
        hosts=("cloudkms.googleapis.com",),
        prefixes=("kms",),
        bases={"v1": "v1"},
        api="cloudkms.googleapis.com",
        routes=(
            *policies,
            *_key_routes(api, key),
            *(
                Route(
                    f"cloudkms.projects.locations.{method}",
                    verb,
                    template,
                    handler,
                    f"cloudkms.{right}",
                    template.partition(":")[0] if verb != "POST" or ":" in template else template.rpartition("/")[0],
                )
                for method, verb, template, handler, right in table
            ),
        ),
    )
