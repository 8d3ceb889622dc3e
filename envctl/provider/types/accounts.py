"""Service accounts and who may use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envctl.plan.values import Opaque
from envctl.provider.iam_member import PolicyMember
from envctl.provider.protocol import ProviderError
from envctl.provider.session import suppress_missing
from envctl.provider.spec import Behaviour, Change, Rule, Run, TypeSpec

_POLLS_AFTER_CREATE = 3
"""The real provider waits for three sightings in a row: a new account flaps between 200 and 404 for seconds."""


@dataclass(frozen=True, slots=True)
class ServiceAccount(Behaviour):
    """A service account; its address follows from `accountId` and project and is known before it exists."""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Creates it and waits until it stays visible. `createIgnoreAlreadyExists` adopts an existing one."""
        account = {key: body[key] for key in ("displayName", "description") if key in body}
        sent = {"accountId": run.inputs["accountId"], "serviceAccount": account}
        try:
            run.made("projects/{project}/serviceAccounts", None, sent)
        except ProviderError as error:
            if not (error.status == "ALREADY_EXISTS" and run.inputs.get("createIgnoreAlreadyExists")):
                raise
        found = self._stable(run)
        if run.inputs.get("disabled") is True:
            run.call("POST", f"{_path(run)}:disable", None, {})
            found = self.settled(run)
        return found

    def settled(self, run: Run) -> Mapping[str, Any]:
        """The account by its address."""
        return run.session.find_settled(run.spec.service, _path(run))

    def read(self, run: Run) -> Mapping[str, Any] | None:
        """The account by its address, or None."""
        return run.session.find(run.spec.service, _path(run))

    def update(self, run: Run, change: Change, body: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        """Texts go by PATCH with the etag, `disabled` by methods of its own."""
        now = self.settled(run)
        if change.touches("disabled"):
            verb = "disable" if run.inputs.get("disabled") else "enable"
            run.call("POST", f"{_path(run)}:{verb}", None, {})
        mask = [
            api
            for name, api in (("description", "description"), ("displayName", "display_name"))
            if change.touches(name)
        ]
        if mask:
            account = {key: run.inputs[key] for key in ("displayName", "description") if run.inputs.get(key)}
            if now.get("etag"):
                account["etag"] = now["etag"]
            run.call("PATCH", _path(run), None, {"serviceAccount": account, "updateMask": ",".join(mask)})
        return self.settled(run)

    def delete(self, run: Run) -> None:
        """Deletes; it can be brought back for thirty days, but only by its number."""
        with suppress_missing():
            run.call("DELETE", _path(run))

    def id_of(self, run: Run, answer: Mapping[str, Any]) -> str:
        """The full name that the API gave."""
        return str(answer.get("name") or _path(run))

    def outputs(self, run: Run, answer: Mapping[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
        """Address, member text and number."""
        email = str(answer.get("email") or _address(run))
        outputs.setdefault("accountId", email.split("@", 1)[0])
        project = answer.get("projectId") or run.value("project")
        return {**outputs, "email": email, "member": f"serviceAccount:{email}", "project": project}

    def known(self, run: Run) -> Mapping[str, Any]:
        """The real provider plans the address too (`ServiceAccountCustomDiff`)."""
        if run.inputs.get("accountId") is Opaque.UNKNOWN or run.value("project") is Opaque.UNKNOWN:
            return {}
        email = run.fill("{accountId}@{project}.iam.gserviceaccount.com")
        return {"email": email, "member": f"serviceAccount:{email}"}

    def _stable(self, run: Run) -> Mapping[str, Any]:
        found: Mapping[str, Any] = {}
        for _ in range(_POLLS_AFTER_CREATE):
            found = self.settled(run)
        return found


def _address(run: Run) -> str:
    if run.id:
        return run.id.rsplit("/", 1)[-1]
    return run.fill("{accountId}@{project}.iam.gserviceaccount.com")


def _path(run: Run) -> str:
    if run.id.startswith("projects/"):
        return run.id
    return run.fill("projects/{project}/serviceAccounts/") + _address(run)


TYPES = (
    TypeSpec(
        "gcp:serviceaccount/account:Account",
        service="iam/v1",
        path="projects/{project}/serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com",
        imports=("projects/{project}/serviceAccounts/{email}",),
        identity=("project", "accountId"),
        rules={
            "createIgnoreAlreadyExists": Rule(skip=True),
            "deletionPolicy": Rule(skip=True),
        },
        behaviour=ServiceAccount(),
    ),
    TypeSpec(
        "gcp:serviceaccount/iAMMember:IAMMember",
        service="iam/v1",
        path="{serviceAccountId}",
        id="{serviceAccountId}/{role}/{member}",
        imports=("{serviceAccountId} {role} {member} {title}", "{serviceAccountId} {role} {member}"),
        identity=("serviceAccountId",),
        behaviour=PolicyMember("{serviceAccountId}", read_method="POST"),
    ),
)
