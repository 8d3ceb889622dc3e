"""Pieces of programs, by type token: quicker to import than the generated classes, and the same to an engine."""

from __future__ import annotations

from typing import Any

import pulumi

BUCKET = "gcp:storage/bucket:Bucket"
ACCOUNT = "gcp:serviceaccount/account:Account"
SECRET = "gcp:secretmanager/secret:Secret"
VERSION = "gcp:secretmanager/secretVersion:SecretVersion"
MEMBER = "gcp:projects/iAMMember:IAMMember"
ENVIRONMENT = "gcp:composer/environment:Environment"


def options(**given: Any) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(version="10.2.0", **given)


class Declared(pulumi.CustomResource):
    """A resource of any type; `announced` outputs can be read as attributes."""

    def __init__(
        self, type_: str, logical: str, inputs: dict[str, Any], announced: tuple[str, ...] = (), **given: Any
    ) -> None:
        super().__init__(type_, logical, {**dict.fromkeys(announced), **inputs}, options(**given))


def bucket(logical: str, /, *, labels: dict[str, Any] | None = None, location: str = "EU", **given: Any) -> Any:
    inputs = {
        "name": given.pop("name", f"acme-{logical}"),
        "location": location,
        "uniformBucketLevelAccess": True,
        "forceDestroy": True,
        **({"labels": labels} if labels else {}),
        **given.pop("more", {}),
    }
    return Declared(BUCKET, logical, inputs, ("url", "selfLink"), **given)


def account(logical: str, /, *, account_id: str | None = None, title: Any = None, **given: Any) -> Any:
    inputs = {"accountId": account_id or f"acme-{logical}", **({"displayName": title} if title else {})}
    return Declared(ACCOUNT, logical, inputs, ("email", "member", "name", "uniqueId"), **given)


def secret(logical: str, /, value: Any, **given: Any) -> Any:
    """A secret with one version."""
    made = Declared(SECRET, logical, {"secretId": f"acme-{logical}", "replication": {"auto": {}}}, ("name",), **given)
    return Declared(VERSION, f"{logical}-1", {"secret": made.id, "secretData": value}, ("version",), parent=made)


def member(logical: str, /, who: Any, role: str = "roles/composer.worker", **given: Any) -> Any:
    return Declared(MEMBER, logical, {"project": "acme-data-dev", "role": role, "member": who}, ("etag",), **given)


class Group(pulumi.ComponentResource):
    """A component."""

    def __init__(self, name: str, **given: Any) -> None:
        super().__init__("acme:index:Group", name, None, pulumi.ResourceOptions(**given))
        self.register_outputs({})
