"""Key rings, keys and their members. Google keeps rings and keys for ever: deleting forgets them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from envctl.provider.behaviours import top_keys
from envctl.provider.iam_member import PolicyMember
from envctl.provider.protocol import CheckFailure
from envctl.provider.session import suppress_missing
from envctl.provider.spec import Behaviour, Change, Rule, Run, TypeSpec

_SHORTEST_ROTATION = 86400
_DEAD = frozenset({"DESTROYED", "DESTROY_SCHEDULED"})


@dataclass(frozen=True, slots=True)
class KeyRing(Behaviour):
    """A key ring: made once, never deleted."""

    def delete(self, run: Run) -> None:
        """Forgets it: the cloud has no way to delete a key ring."""


@dataclass(frozen=True, slots=True)
class CryptoKey(Behaviour):
    """A key: deleting destroys its versions and ends its rotation, the key itself stays."""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Creates it; a rotation period needs the time of the first rotation."""
        skip = "true" if run.inputs.get("skipInitialVersionCreation") else "false"
        query = {"cryptoKeyId": run.fill("{name}"), "skipInitialVersionCreation": skip}
        run.made(run.spec.collection, query, _with_rotation(run, body))
        return self.settled(run)

    def update(self, run: Run, change: Change, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """One PATCH with a mask."""
        mask: list[str] = []
        for name, key in top_keys(run, change).items():
            if name == "rotationPeriod":
                mask += ["rotationPeriod", "nextRotationTime"]
            else:
                mask.append("versionTemplate.algorithm" if name == "versionTemplate" else key)
        sent = _with_rotation(run, body) if "rotationPeriod" in mask else dict(body)
        keys = {item.split(".", 1)[0] for item in mask}
        wanted = {key: value for key, value in sent.items() if key in keys}
        run.call("PATCH", run.spec.path, {"updateMask": ",".join(mask)}, wanted)
        return self.settled(run)

    def delete(self, run: Run) -> None:
        """Schedules every version for destruction, then ends the rotation that would make new ones."""
        with suppress_missing():
            for version in self._versions(run):
                if version.get("state") not in _DEAD:
                    run.session.send("POST", run.spec.service, f"{version['name']}:destroy", None, {})
            if run.value("rotationPeriod"):
                run.call("PATCH", run.spec.path, {"updateMask": "rotationPeriod,nextRotationTime"}, {})

    def check(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        """A rotation period is in seconds, at least a day."""
        period = inputs.get("rotationPeriod")
        if not isinstance(period, str) or not period:
            return []
        match = re.fullmatch(r"(\d+(?:\.\d+)?)s", period)
        if match is None:
            return [CheckFailure("rotationPeriod", f'"{period}" is not a number of seconds such as 7776000s')]
        if float(match.group(1)) < _SHORTEST_ROTATION:
            return [CheckFailure("rotationPeriod", f"must be at least {_SHORTEST_ROTATION}s (one day), not {period}")]
        return []

    def _versions(self, run: Run) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        query: dict[str, str] = {}
        while True:
            page = run.call("GET", f"{run.spec.path}/cryptoKeyVersions", query)
            found.extend(page.get("cryptoKeyVersions", ()))
            token = page.get("nextPageToken")
            if not token:
                return found
            query = {"pageToken": token}


def _with_rotation(run: Run, body: Mapping[str, Any]) -> dict[str, Any]:
    period = body.get("rotationPeriod")
    if not period:
        return dict(body)
    seconds = float(str(period).removesuffix("s"))
    first = datetime.fromtimestamp(run.session.clock(), UTC) + timedelta(seconds=seconds)
    return {**body, "nextRotationTime": first.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}


TYPES = (
    TypeSpec(
        "gcp:kms/keyRing:KeyRing",
        service="kms/v1",
        path="projects/{project}/locations/{location}/keyRings/{name}",
        collection="projects/{project}/locations/{location}/keyRings",
        create_query={"keyRingId": "{name}"},
        imports=("{project}/{location}/{name}", "{location}/{name}"),
        identity=("project", "location", "name"),
        behaviour=KeyRing(),
    ),
    TypeSpec(
        "gcp:kms/cryptoKey:CryptoKey",
        service="kms/v1",
        path="{keyRing}/cryptoKeys/{name}",
        collection="{keyRing}/cryptoKeys",
        imports=("{keyRing=projects/*/locations/*/keyRings/*}/cryptoKeys/{name}",),
        identity=("keyRing", "name"),
        labels="labels",
        rules={
            "skipInitialVersionCreation": Rule(skip=True),
            "deletionPolicy": Rule(skip=True),
            "primaries": Rule(api="primary", first=True),
        },
        behaviour=CryptoKey(),
    ),
    TypeSpec(
        "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
        service="kms/v1",
        path="{cryptoKeyId}",
        id="{cryptoKeyId}/{role}/{member}",
        imports=("{cryptoKeyId} {role} {member} {title}", "{cryptoKeyId} {role} {member}"),
        identity=("cryptoKeyId",),
        behaviour=PolicyMember("{cryptoKeyId}"),
    ),
)
