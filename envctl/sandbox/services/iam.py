"""Identity and Access Management, v1: service accounts, their keys and policies, roles."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from envctl.sandbox.clock import parse_stamp
from envctl.sandbox.failures import ApiError, Status, already_exists, invalid, not_found
from envctl.sandbox.paging import page
from envctl.sandbox.routing import Route, Service
from envctl.sandbox.services.iam_roles import deny_operations, role_routes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

COLLECTION = "serviceAccounts"
_DELETED = "serviceAccounts.deleted"
_FLAPS = "serviceAccounts.flaps"
_IDENTIFIER = re.compile(r"[a-z](?:[-a-z0-9]{4,28}[a-z0-9])")
_UNDELETE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ServiceAccounts:
    """The methods on service accounts."""

    cloud: Cloud

    def create(self, call: Call) -> Json:
        """Make an account, at once."""
        project = call["project"]
        identifier = call.body.get("accountId", "")
        if not _IDENTIFIER.fullmatch(identifier):
            raise invalid(
                "The account ID "
                f'"{identifier}" does not have a length between 6 and 30 or has characters outside [-a-z0-9].'
            )
        email = f"{identifier}@{project}.iam.gserviceaccount.com"
        if call.store.get(COLLECTION, email) is not None:
            raise already_exists(f"Service account {identifier} already exists within project projects/{project}.")
        given: Mapping[str, Any] = call.body.get("serviceAccount") or {}
        account: Json = {
            "name": f"projects/{project}/serviceAccounts/{email}",
            "projectId": project,
            "uniqueId": call.backend.new_account_id("account"),
            "email": email,
            "etag": call.backend.new_etag(),
            "oauth2ClientId": call.backend.new_account_id("client"),
        }
        for field in ("displayName", "description"):
            if given.get(field):
                account[field] = given[field]
        call.store.put(COLLECTION, email, account)
        flaps = call.backend.settings.flapping_reads
        if flaps:
            call.store.put(_FLAPS, email, {"left": flaps})
        return account

    def get(self, call: Call) -> Json:
        """An account by address or unique id; one just made may be missed."""
        account = self._find(call)
        flap = call.store.get(_FLAPS, account["email"])
        if flap is not None:
            left = flap["left"] - 1
            if left > 0:
                call.store.put(_FLAPS, account["email"], {"left": left})
            else:
                call.store.delete(_FLAPS, account["email"])
            if left % 2 == 0:
                raise not_found(f"Service account {account['name']} does not exist.")
        return dict(account)

    def list(self, call: Call) -> Json:
        """The accounts of a project."""
        found = [entry for entry in call.store.values(COLLECTION) if entry["projectId"] == call["project"]]
        return page(call, "accounts", sorted(found, key=lambda entry: entry["email"]), default_size=20)

    def patch(self, call: Call) -> Json:
        """Change name or description; the answer holds only what was changed."""
        account = self._find(call)
        given: Mapping[str, Any] = call.body.get("serviceAccount") or {}
        changed: Json = {}
        for path in call.body.get("updateMask", "").replace("display_name", "displayName").split(","):
            field = path.strip()
            if field not in {"displayName", "description"}:
                raise invalid(f"Field '{field}' of a service account cannot be updated.")
            changed[field] = given.get(field, "")
        updated: Json = {**account, **changed, "etag": call.backend.new_etag()}
        kept = {key: value for key, value in updated.items() if value != ""}
        call.store.put(COLLECTION, account["email"], kept)
        shown = {key: value for key, value in changed.items() if value != ""}
        return {"name": account["name"], **shown}

    def delete(self, call: Call) -> Json:
        """Delete an account; it can come back for 30 days, bindings keep it under another name."""
        account = self._find(call)
        email, unique = account["email"], account["uniqueId"]
        call.store.delete(COLLECTION, email)
        call.store.delete(_FLAPS, email)
        call.store.put(_DELETED, unique, {"account": dict(account), "time": call.now})
        self.cloud.policies.forget(full_name(account))
        self.cloud.policies.rename_member(f"serviceAccount:{email}", f"deleted:serviceAccount:{email}?uid={unique}")
        return {}

    def undelete(self, call: Call) -> Json:
        """Bring an account back by its unique id."""
        unique = call["account"]
        deleted = call.store.get(_DELETED, unique)
        if deleted is None or call.backend.clock.now() - parse_stamp(deleted["time"]) > _UNDELETE:
            raise not_found(f"Service account {unique} does not exist or can no longer be undeleted.")
        account = deleted["account"]
        if call.store.get(COLLECTION, account["email"]) is not None:
            raise already_exists(f"A service account with the email {account['email']} already exists.")
        call.store.delete(_DELETED, unique)
        call.store.put(COLLECTION, account["email"], account)
        member = f"serviceAccount:{account['email']}"
        self.cloud.policies.rename_member(f"deleted:{member}?uid={unique}", member)
        return {"restoredAccount": account}

    def enable(self, call: Call) -> Json:
        """Let an account be used again."""
        account = {key: value for key, value in self._find(call).items() if key != "disabled"}
        call.store.put(COLLECTION, account["email"], account)
        return {}

    def disable(self, call: Call) -> Json:
        """Stop an account from being used."""
        account = self._find(call)
        call.store.put(COLLECTION, account["email"], {**account, "disabled": True})
        return {}

    def keys(self, call: Call) -> Json:
        """The keys of an account: the one that Google manages."""
        account = self._find(call)
        if "USER_MANAGED" in call.request.query.get("keyTypes", ()):
            return {}
        key: Json = {
            "name": f"{account['name']}/keys/{account['uniqueId'][:16]}",
            "keyAlgorithm": "KEY_ALG_RSA_2048",
            "keyOrigin": "GOOGLE_PROVIDED",
            "keyType": "SYSTEM_MANAGED",
        }
        return {"keys": [key]}

    def get_policy(self, call: Call) -> Json:
        """Who may use an account."""
        version = call.number("options.requestedPolicyVersion", 1)
        return self.cloud.policies.get(full_name(self._find(call)), version)

    def set_policy(self, call: Call) -> Json:
        """Replace who may use an account."""
        resource = full_name(self._find(call))
        mask = call.body.get("updateMask", "")
        return self.cloud.policies.set(resource, call.body.get("policy") or {}, mask=mask)

    def test_permissions(self, call: Call) -> Json:
        """Which of the permissions asked the caller has on an account."""
        asked = call.body.get("permissions", [])
        held = self.cloud.access.allowed(call.principal, asked, full_name(self._find(call)))
        return {"permissions": held} if held else {}

    def _find(self, call: Call) -> Mapping[str, Any]:
        name = call["account"]
        account = call.store.get(COLLECTION, name)
        if account is None:
            account = next((entry for entry in call.store.values(COLLECTION) if entry["uniqueId"] == name), None)
        if account is None:
            raise not_found("Unknown service account")
        if call["project"] not in {"-", account["projectId"]}:
            raise ApiError(
                Status.NOT_FOUND,
                f"Service account projects/{call['project']}/serviceAccounts/{name} does not exist.",
            )
        return account


def full_name(account: Mapping[str, Any]) -> str:
    """The full resource name of an account."""
    return f"//iam.googleapis.com/{account['name']}"


def declare(cloud: Cloud) -> Service:
    """IAM on a cloud."""
    api = ServiceAccounts(cloud)
    accounts = "projects/{project}/serviceAccounts"
    one = accounts + "/{account}"
    name = "iam.projects.serviceAccounts"
    right = "iam.serviceAccounts"
    v1 = ("v1",)
    table = (
        ("create", "POST", accounts, api.create, "create", ""),
        ("list", "GET", accounts, api.list, "list", ""),
        ("get", "GET", one, api.get, "get", one),
        ("patch", "PATCH", one, api.patch, "update", one),
        ("delete", "DELETE", one, api.delete, "delete", one),
        ("undelete", "POST", one + ":undelete", api.undelete, "undelete", one),
        ("enable", "POST", one + ":enable", api.enable, "enable", one),
        ("disable", "POST", one + ":disable", api.disable, "disable", one),
        ("getIamPolicy", "POST", one + ":getIamPolicy", api.get_policy, "getIamPolicy", one),
        ("setIamPolicy", "POST", one + ":setIamPolicy", api.set_policy, "setIamPolicy", one),
        ("testIamPermissions", "POST", one + ":testIamPermissions", api.test_permissions, "", ""),
    )
    return Service(
        name="iam",
        hosts=("iam.googleapis.com",),
        prefixes=("iam", "iam2"),
        bases={"v1": "v1", "v2": "v2"},
        api="iam.googleapis.com",
        operations=deny_operations(cloud),
        routes=(
            *(
                Route(f"{name}.{method}", verb, template, handler, f"{right}.{needed}" if needed else "", on, v1)
                for method, verb, template, handler, needed, on in table
            ),
            *role_routes(cloud),
            Route(f"{name}.keys.list", "GET", one + "/keys", api.keys, "iam.serviceAccountKeys.list", one, v1),
        ),
    )
