"""Enabled APIs, project-wide role members and custom roles, service agents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envctl.google.operations import OperationStyle
from envctl.provider.behaviours import MaskPatched
from envctl.provider.iam_member import PolicyMember
from envctl.provider.protocol import ProviderError
from envctl.provider.session import suppress_missing
from envctl.provider.spec import Behaviour, Change, Rule, Run, TypeSpec
from envctl.provider.values import basename

_LISTED = {"fields": "services/name,nextPageToken", "filter": "state:ENABLED", "pageSize": "200"}


@dataclass(frozen=True, slots=True)
class EnabledService(Behaviour):
    """An API of a project. One already enabled is taken as it is."""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        """Enables the API and looks whether it is in the list then."""
        name = str(run.inputs["service"])
        if name in self._enabled(run):
            return {"service": name}
        run.finish(run.call("POST", "projects/{project|base}/services/{service}:enable", None, {}))
        delay = 1.0
        while name not in self._enabled(run):
            if delay > 60 or run.session.context.cancel.is_set():
                raise ProviderError(f"{name} was enabled but is not in the list of enabled APIs", status="ABORTED")
            run.session.sleeper.sleep(delay, run.session.context.cancel)
            delay *= 2
        return self.read(run) or {"service": name}

    def read(self, run: Run) -> Mapping[str, Any] | None:
        """The API when its project exists and lists it."""
        project = run.session.find("crm/v1", run.fill("projects/{project|base}"))
        if project is None or project.get("lifecycleState") == "DELETE_REQUESTED":
            return None
        name = str(run.value("service"))
        return {"service": name} if name in self._enabled(run) else None

    def update(self, run: Run, change: Change, body: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        """Only switches of the provider can change; nothing is sent."""
        return {"service": run.value("service")}

    def delete(self, run: Run) -> None:
        """Disables the API if, and only if, the resource asks for that."""
        if run.value("disableOnDestroy") is not True:
            return
        check = run.value("checkIfServiceHasUsageOnDestroy") is True
        body: dict[str, Any] = {"checkIfServiceHasUsage": "CHECK" if check else "SKIP"}
        if run.value("disableDependentServices") is True:
            body["disableDependentServices"] = True
        with suppress_missing():
            run.finish(run.call("POST", "projects/{project|base}/services/{service}:disable", None, body))

    def id_of(self, run: Run, answer: Mapping[str, Any]) -> str:  # noqa: ARG002
        """Project and API."""
        return run.fill("{project|base}/{service}")

    def _enabled(self, run: Run) -> set[str]:
        names: set[str] = set()
        query = dict(_LISTED)
        while True:
            page = run.call("GET", "projects/{project|base}/services", query)
            names.update(str(basename(item.get("name", ""))) for item in page.get("services", ()))
            token = page.get("nextPageToken")
            if not token:
                return names
            query["pageToken"] = token


@dataclass(frozen=True, slots=True)
class ServiceIdentity(Behaviour):
    """Google's own agent of an API in a project; it can be made, not deleted."""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        """Asks for the agent; the answer names it when the API has one."""
        path = "projects/{project|base}/services/{service}:generateServiceIdentity"
        return run.finish(run.call("POST", path, None, None))

    def read(self, run: Run) -> Mapping[str, Any]:
        """There is no request that reads it: what is known stays."""
        return {key: run.outputs[key] for key in ("email",) if key in run.outputs}

    def locate(self, run: Run) -> tuple[str, Mapping[str, Any]] | None:
        """Asking for it again is harmless and names it."""
        answer = self.create(run, {})
        return self.id_of(run, answer), answer

    def delete(self, run: Run) -> None:
        """Forgets it: the cloud has no way to delete it."""

    def outputs(self, run: Run, answer: Mapping[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """The member text beside the address."""
        if outputs.get("email"):
            outputs["member"] = f"serviceAccount:{outputs['email']}"
        return outputs


@dataclass(frozen=True, slots=True)
class CustomRole(MaskPatched):
    """A role of a project. A deleted one comes back by `undelete` for seven days, so its name stays taken."""

    def create(self, run: Run, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Creates, or brings a deleted role back and gives it the wanted content."""
        before = run.session.find(run.spec.service, run.fill(run.spec.path))
        if before is None:
            sent = {"role": dict(body), "roleId": run.inputs["roleId"]}
            run.made("projects/{project|base}/roles", None, sent)
        elif before.get("deleted"):
            run.call("POST", f"{run.spec.path}:undelete", None, {})
            mask = ",".join(sorted(body))
            run.call("PATCH", run.spec.path, {"updateMask": mask}, dict(body))
        else:
            raise ProviderError(
                f"Custom project role {run.fill(run.spec.path)} already exists", status="ALREADY_EXISTS"
            )
        return self.settled(run)

    def delete(self, run: Run) -> None:
        """Deletes; it can be brought back for seven days."""
        if self.read(run) is not None:
            run.call("DELETE", run.spec.path)

    def read(self, run: Run) -> Mapping[str, Any] | None:
        """The role; a deleted one counts as absent."""
        found = run.session.find(run.spec.service, run.fill(run.spec.path))
        return None if found is None or found.get("deleted") else found


TYPES = (
    TypeSpec(
        "gcp:projects/service:Service",
        service="serviceusage/v1",
        path="projects/{project}/services/{service}",
        id="{project}/{service}",
        identity=("project", "service"),
        style=OperationStyle.GOOGLE,
        rules={
            "disableOnDestroy": Rule(skip=True),
            "disableDependentServices": Rule(skip=True),
            "checkIfServiceHasUsageOnDestroy": Rule(skip=True),
            "deletionPolicy": Rule(skip=True),
        },
        behaviour=EnabledService(),
    ),
    TypeSpec(
        "gcp:projects/serviceIdentity:ServiceIdentity",
        service="serviceusage/v1beta1",
        path="projects/{project}/services/{service}",
        identity=("project", "service"),
        style=OperationStyle.GOOGLE,
        behaviour=ServiceIdentity(),
    ),
    TypeSpec(
        "gcp:projects/iAMMember:IAMMember",
        service="crm/v1",
        path="projects/{project}",
        id="{project}/{role}/{member}",
        imports=(
            "{project} {role} {member} {title}",
            "{project} {role} {member}",
        ),
        identity=("project",),
        behaviour=PolicyMember(
            "projects/{project|base}",
            read_method="POST",
            read_body={"options": {"requestedPolicyVersion": 3}},
            write_mask="bindings,etag,auditConfigs",
        ),
    ),
    TypeSpec(
        "gcp:projects/iAMCustomRole:IAMCustomRole",
        service="iam/v1",
        path="projects/{project}/roles/{roleId}",
        imports=("{project}/{roleId}", "{roleId}"),
        identity=("project", "roleId"),
        rules={"permissions": Rule(api="includedPermissions"), "deletionPolicy": Rule(skip=True)},
        behaviour=CustomRole(),
    ),
)
