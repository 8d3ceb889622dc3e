"""Resource Manager, v1 and v3: projects, what is above them, and their policies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import ApiError, Status, invalid
from envctl.sandbox.filters import selected
from envctl.sandbox.paging import page
from envctl.sandbox.projects import full_name
from envctl.sandbox.routing import Route, Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json


@dataclass(frozen=True, slots=True)
class ResourceManager:
    """The methods of the API."""

    cloud: Cloud

    def get_project(self, call: Call) -> Json:
        """A project, in the form of the version asked."""
        return _shown(self.cloud.projects.resolve(call["project"], call.principal), call.version)

    def list_projects(self, call: Call) -> Json:
        """The projects that the caller may see, by a filter."""
        found = self._visible(call)
        return page(call, "projects", [shown for shown, _ in _selected(found, call.query("filter"))])

    def search_projects(self, call: Call) -> Json:
        """The projects that the caller may see, by a query."""
        found = self._visible(call)
        return page(call, "projects", [shown for shown, _ in _selected(found, call.query("query"))])

    def children(self, call: Call) -> Json:
        """The projects directly below a folder or an organization."""
        parent = call.query("parent")
        if not re.fullmatch(r"(folders|organizations)/\d+", parent):
            raise invalid("The parent must be of the form folders/ID or organizations/ID.")
        found = [shown for shown, _ in self._visible(call) if shown.get("parent") == parent]
        return page(call, "projects", found)

    def _visible(self, call: Call) -> list[tuple[Json, Json]]:
        """Projects as they are shown, and with the names by which they are searched."""
        found: list[tuple[Json, Json]] = []
        for name, project in sorted(call.store.items("projects")):
            if not self.cloud.access.allows(call.principal, "resourcemanager.projects.get", full_name(name)):
                continue
            shown = _shown(project, call.version)
            parent = project.get("parent") or {}
            named: Json = {**shown, "id": name, "name": project["name"], "displayName": project["name"]}
            if call.version == "v1":
                named["parent"] = {"type": parent.get("type", ""), "id": parent.get("id", "")}
            found.append((shown, named))
        return found

    def ancestry(self, call: Call) -> Json:
        """The project and its folders up to the organization, nearest first."""
        project = self.cloud.projects.resolve(call["project"], call.principal)
        chain = [{"resourceId": {"type": "project", "id": project["projectId"]}}]
        parent = project.get("parent")
        while parent:
            chain.append({"resourceId": {"type": parent["type"], "id": parent["id"]}})
            container = call.store.get("containers", f"{parent['type']}s/{parent['id']}") or {}
            parent = container.get("parent")
        return {"ancestor": chain}

    def container(self, call: Call) -> Json:
        """A folder or an organization that was seeded."""
        kind = "folder" if "folder" in call.parameters else "organization"
        identifier = call[kind]
        record = call.store.get("containers", f"{kind}s/{identifier}")
        if record is None:
            raise ApiError(Status.PERMISSION_DENIED, "The caller does not have permission")
        shown: Json = {
            "name": f"{kind}s/{identifier}",
            "displayName": record.get("displayName", identifier),
            "state": "ACTIVE",
            "createTime": record["createTime"],
            "updateTime": record["createTime"],
            "etag": f'W/"{identifier}"',
        }
        parent = record.get("parent")
        if parent:
            shown["parent"] = f"{parent['type']}s/{parent['id']}"
        if kind == "organization":
            shown["directoryCustomerId"] = record.get("directoryCustomerId", "C00000000")
        return shown

    def get_policy(self, call: Call) -> Json:
        """The allow policy of a project, folder or organization."""
        options = call.body.get("options") or {}
        return self.cloud.policies.get(_resource(call), int(options.get("requestedPolicyVersion", 1)))

    def set_policy(self, call: Call) -> Json:
        """Replace an allow policy."""
        policy: Mapping[str, Any] = call.body.get("policy") or {}
        mask = call.body.get("updateMask", "bindings,etag")
        return self.cloud.policies.set(_resource(call), policy, mask=mask)

    def test_permissions(self, call: Call) -> Json:
        """Which of the permissions asked the caller has."""
        asked = call.body.get("permissions", [])
        held = self.cloud.access.allowed(call.principal, asked, _resource(call))
        return {"permissions": held} if held else {}


def _selected(found: list[tuple[Json, Json]], text: str) -> list[tuple[Json, Json]]:
    kept = {id(named) for named in selected([named for _, named in found], text)}
    return [entry for entry in found if id(entry[1]) in kept]


def _shown(project: Mapping[str, Any], version: str) -> Json:
    """A project in the form of a version."""
    parent = project.get("parent")
    if version == "v1":
        shown: Json = {
            "projectNumber": project["projectNumber"],
            "projectId": project["projectId"],
            "lifecycleState": "ACTIVE",
            "name": project["name"],
            "createTime": project["createTime"],
        }
        if parent:
            shown["parent"] = dict(parent)
    else:
        shown = {
            "name": f"projects/{project['projectNumber']}",
            "projectId": project["projectId"],
            "state": "ACTIVE",
            "displayName": project["name"],
            "createTime": project["createTime"],
            "updateTime": project["createTime"],
            "etag": 'W/"' + project["projectNumber"][:12] + '"',
        }
        if parent:
            shown["parent"] = f"{parent['type']}s/{parent['id']}"
    if project.get("labels"):
        shown["labels"] = project["labels"]
    return shown


def _resource(call: Call) -> str:
    if "project" in call.parameters:
        return full_name(call["project"])
    kind = "folder" if "folder" in call.parameters else "organization"
    return f"//cloudresourcemanager.googleapis.com/{kind}s/{call[kind]}"


def declare(cloud: Cloud) -> Service:
    """Resource Manager on a cloud."""
    api = ResourceManager(cloud)
    v3 = ("v3",)
    route = "cloudresourcemanager"
    policies = [
        Route(f"{route}.{kind}s.{verb}", "POST", f"{kind}s/{{{kind}}}:{verb}", handler, versions=versions)
        for kind, versions in (("project", ()), ("folder", v3), ("organization", ()))
        for verb, handler in (
            ("getIamPolicy", api.get_policy),
            ("setIamPolicy", api.set_policy),
            ("testIamPermissions", api.test_permissions),
        )
    ]
    rights = {
        "getIamPolicy": "resourcemanager.projects.getIamPolicy",
        "setIamPolicy": "resourcemanager.projects.setIamPolicy",
    }
    guarded = [
        Route(
            entry.method,
            entry.verb,
            entry.template,
            entry.handler,
            permission=rights.get(entry.method.rpartition(".")[2], "") if ".projects." in entry.method else "",
            versions=entry.versions,
        )
        for entry in policies
    ]
    return Service(
        name="cloudresourcemanager",
        hosts=("cloudresourcemanager.googleapis.com",),
        prefixes=("crm", "crm3"),
        bases={"v1": "v1", "v3": "v3"},
        api="cloudresourcemanager.googleapis.com",
        routes=(
            *guarded,
            Route(
                f"{route}.projects.get",
                "GET",
                "projects/{project}",
                api.get_project,
                permission="resourcemanager.projects.get",
            ),
            Route(f"{route}.projects.list", "GET", "projects", api.list_projects, versions=("v1",)),
            Route(f"{route}.projects.list", "GET", "projects", api.children, versions=v3),
            Route(f"{route}.projects.search", "GET", "projects:search", api.search_projects, versions=v3),
            Route(
                f"{route}.projects.getAncestry",
                "POST",
                "projects/{project}:getAncestry",
                api.ancestry,
                permission="resourcemanager.projects.get",
                versions=("v1",),
            ),
            Route(f"{route}.folders.get", "GET", "folders/{folder}", api.container, versions=v3),
            Route(f"{route}.organizations.get", "GET", "organizations/{organization}", api.container, versions=v3),
        ),
    )
