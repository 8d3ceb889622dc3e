"""Cloud Storage, JSON API v1: buckets, objects, policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from envctl.sandbox.failures import Envelope, invalid
from envctl.sandbox.messages import Response
from envctl.sandbox.paging import page
from envctl.sandbox.routing import Route, Service
from envctl.sandbox.services.storage_access import BucketLists, access_routes
from envctl.sandbox.services.storage_buckets import COLLECTION, full_name
from envctl.sandbox.services.storage_conditions import precondition_failed, require_conditions
from envctl.sandbox.services.storage_copies import Copies
from envctl.sandbox.services.storage_objects import Objects

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json


@dataclass(frozen=True, slots=True)
class Storage:
    """The methods on buckets."""

    cloud: Cloud

    def insert(self, call: Call) -> Json:
        """Make a bucket."""
        project = self._project(call)
        self.cloud.access.require(
            "storage", call.principal, "storage.buckets.create", f"//storage.googleapis.com/projects/{project}"
        )
        record = self.cloud.buckets.create(project, call.body)
        self.lists.taken(call, call.body, record["resource"]["name"])
        return self._shown(call, record["resource"])

    @property
    def lists(self) -> BucketLists:
        """Who may use buckets without uniform access."""
        return BucketLists(self.cloud)

    def _project(self, call: Call) -> str:
        if not call.query("project"):
            raise invalid("Required parameter: project")
        return self.cloud.projects.resolve(call.query("project"), call.principal)["projectId"]

    def list(self, call: Call) -> Json:
        """The buckets of a project."""
        project = self._project(call)
        prefix = call.query("prefix")
        items = [
            record["resource"]
            for name, record in sorted(call.store.items(COLLECTION, prefix))
            if record["project"] == project and name.startswith(prefix)
        ]
        shown = page(call, "items", items, default_size=1000, size_parameter="maxResults")
        if "items" in shown:
            shown["items"] = [self._shown(call, resource) for resource in shown["items"]]
        return {"kind": "storage#buckets", **shown}

    def get(self, call: Call) -> Json:
        """A bucket."""
        resource = self.cloud.buckets.find(call["bucket"])["resource"]
        require_conditions(call, resource)
        return self._shown(call, resource)

    def patch(self, call: Call) -> Json:
        """Change some fields of a bucket; null removes, objects are merged, lists replaced."""
        old = self.cloud.buckets.find(call["bucket"])["resource"]
        require_conditions(call, old)
        changed = self.cloud.buckets.change(call["bucket"], _patched(old, call.body))
        self.lists.taken(call, call.body, call["bucket"])
        return self._full(call, changed)

    def update(self, call: Call) -> Json:
        """Replace what a client may set of a bucket."""
        old = self.cloud.buckets.find(call["bucket"])["resource"]
        require_conditions(call, old)
        kept = {key: old[key] for key in _SERVER_SIDE if key in old}
        changed = self.cloud.buckets.change(call["bucket"], {**call.body, **kept})
        self.lists.taken(call, call.body, call["bucket"])
        return self._full(call, changed)

    def delete(self, call: Call) -> Response:
        """Remove an empty bucket."""
        require_conditions(call, self.cloud.buckets.find(call["bucket"])["resource"])
        self.cloud.buckets.delete(call["bucket"])
        return Response(204, {"Server": "UploadServer", "Content-Type": "application/json"}, b"")

    def caches(self, call: Call) -> Json:
        """The anywhere caches of a bucket: none, the emulator makes none."""
        self.cloud.buckets.find(call["bucket"])
        return {"kind": "storage#anywhereCaches"}

    def get_policy(self, call: Call) -> Json:
        """The allow policy of a bucket."""
        bucket = call["bucket"]
        self.cloud.buckets.find(bucket)
        version = call.number("optionsRequestedPolicyVersion", 1)
        return self._policy(bucket, self.cloud.policies.get(full_name(bucket), version))

    def set_policy(self, call: Call) -> Json:
        """Replace the allow policy of a bucket."""
        bucket = call["bucket"]
        self.cloud.buckets.find(bucket)
        return self._policy(bucket, self.cloud.policies.set(full_name(bucket), call.body, conflict=precondition_failed))

    def _policy(self, bucket: str, policy: Json) -> Json:
        head: Json = {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{bucket}"}
        return {**head, "version": 1, **policy}

    def test_permissions(self, call: Call) -> Json:
        """Which of the permissions asked the caller has on a bucket."""
        self.cloud.buckets.find(call["bucket"])
        asked = call.request.query.get("permissions", ())
        held = self.cloud.access.allowed(call.principal, asked, full_name(call["bucket"]))
        shown: Json = {"kind": "storage#testIamPermissionsResponse"}
        if held:
            shown["permissions"] = held
        return shown

    def service_account(self, call: Call) -> Json:
        """The address of a project's storage agent."""
        email = self.cloud.projects.provision_agent(call["project"], "storage.googleapis.com")
        return {"kind": "storage#serviceAccount", "email_address": email}

    def _shown(self, call: Call, resource: Mapping[str, Any]) -> Json:
        if call.query("projection") == "full":
            return self._full(call, resource)
        return dict(resource)

    def _full(self, call: Call, resource: Mapping[str, Any]) -> Json:
        """A bucket with its access lists, unless uniform access hides them or the client does not want them."""
        uniform = resource["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"]
        if uniform or call.query("projection") == "noAcl":
            return dict(resource)
        return {**resource, **self.lists.shown(resource["name"])}


_SERVER_SIDE = (
    "kind",
    "id",
    "selfLink",
    "projectNumber",
    "name",
    "generation",
    "metageneration",
    "timeCreated",
    "location",
    "locationType",
    "rpo",
    "storageClass",
    "satisfiesPZI",
    "etag",
)


def _patched(old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
    """JSON merge patch (RFC 7396)."""
    result: Json = dict(old)
    for key, value in new.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = _patched(result[key], value)
        elif isinstance(value, dict):
            result[key] = _patched({}, value)
        else:
            result[key] = value
    return result


def declare(cloud: Cloud) -> Service:
    """Cloud Storage on a cloud."""
    api = Storage(cloud)
    objects = Objects(cloud)
    bucket = "b/{bucket}"
    one = "b/{bucket}/o/{object}"
    copies = Copies(cloud)
    to = "b/{source}/o/{object}/{verb}/b/{target}/o/{name}"
    return Service(
        name="storage",
        hosts=("storage.googleapis.com",),
        prefixes=("storage",),
        bases={"storage/v1": "v1", "upload/storage/v1": "upload", "download/storage/v1": "download", "": "xml"},
        envelope=Envelope.STORAGE,
        server="UploadServer",
        routes=access_routes(cloud)
        + tuple(
            Route(f"storage.{method}", verb, template, handler, right, resource, versions)
            for method, verb, template, handler, right, resource, versions in (
                ("buckets.insert", "POST", "b", api.insert, "", "", ("v1",)),
                ("buckets.list", "GET", "b", api.list, "", "", ("v1",)),
                ("buckets.get", "GET", bucket, api.get, "storage.buckets.get", bucket, ("v1",)),
                ("buckets.patch", "PATCH", bucket, api.patch, "storage.buckets.update", bucket, ("v1",)),
                ("buckets.update", "PUT", bucket, api.update, "storage.buckets.update", bucket, ("v1",)),
                ("buckets.delete", "DELETE", bucket, api.delete, "storage.buckets.delete", bucket, ("v1",)),
                (
                    "buckets.getIamPolicy",
                    "GET",
                    f"{bucket}/iam",
                    api.get_policy,
                    "storage.buckets.getIamPolicy",
                    bucket,
                    ("v1",),
                ),
                (
                    "buckets.setIamPolicy",
                    "PUT",
                    f"{bucket}/iam",
                    api.set_policy,
                    "storage.buckets.setIamPolicy",
                    bucket,
                    ("v1",),
                ),
                (
                    "buckets.testIamPermissions",
                    "GET",
                    f"{bucket}/iam/testPermissions",
                    api.test_permissions,
                    "",
                    "",
                    ("v1",),
                ),
                ("anywhereCaches.list", "GET", f"{bucket}/anywhereCaches", api.caches, "", "", ("v1",)),
                (
                    "projects.serviceAccount.get",
                    "GET",
                    "projects/{project}/serviceAccount",
                    api.service_account,
                    "",
                    "",
                    ("v1",),
                ),
                (
                    "objects.insert",
                    "POST",
                    f"{bucket}/o",
                    objects.insert,
                    "storage.objects.create",
                    bucket,
                    ("v1", "upload"),
                ),
                (
                    "objects.insert",
                    "PUT",
                    f"{bucket}/o",
                    objects.resume,
                    "storage.objects.create",
                    bucket,
                    ("upload",),
                ),
                ("objects.list", "GET", f"{bucket}/o", objects.list, "storage.objects.list", bucket, ("v1",)),
                ("objects.get", "GET", one, objects.get, "storage.objects.get", bucket, ("v1",)),
                ("objects.get", "GET", one, objects.download, "storage.objects.get", bucket, ("download",)),
                ("objects.get", "GET", "{bucket}/{object}", objects.download, "storage.objects.get", bucket, ("xml",)),
                ("objects.get", "HEAD", "{bucket}/{object}", objects.download, "storage.objects.get", bucket, ("xml",)),
                ("objects.patch", "PATCH", one, objects.patch, "storage.objects.update", bucket, ("v1",)),
                ("objects.update", "PUT", one, objects.update, "storage.objects.update", bucket, ("v1",)),
                (
                    "objects.copy",
                    "POST",
                    to.replace("{verb}", "copyTo"),
                    copies.copy,
                    "storage.objects.get",
                    "b/{source}",
                    ("v1",),
                ),
                (
                    "objects.rewrite",
                    "POST",
                    to.replace("{verb}", "rewriteTo"),
                    copies.rewrite,
                    "storage.objects.get",
                    "b/{source}",
                    ("v1",),
                ),
                (
                    "objects.compose",
                    "POST",
                    f"{one}/compose",
                    copies.compose,
                    "storage.objects.create",
                    bucket,
                    ("v1",),
                ),
                ("objects.delete", "DELETE", one, objects.delete, "storage.objects.delete", bucket, ("v1",)),
            )
        ),
    )
