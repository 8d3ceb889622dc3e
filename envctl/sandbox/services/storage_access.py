"""Access control lists of buckets and objects, which uniform bucket-level access switches off.

https://cloud.google.com/storage/docs/access-control/lists, read 2026-11. They decide nothing here: who may do what follows
from policies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.sandbox.failures import ApiError, Status, invalid
from envctl.sandbox.messages import Response
from envctl.sandbox.routing import Route
from envctl.sandbox.services.storage_buckets import ACCESS
from envctl.sandbox.services.storage_versions import version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envctl.sandbox.backend import Call
    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Json

_ENTITY = re.compile(r"(?:user|group|domain)-\S+|project-(?:owners|editors|viewers)-\S+|allUsers|allAuthenticatedUsers")
_TEAMS = (("owners", "OWNER"), ("editors", "OWNER"), ("viewers", "READER"))
# Predefined lists: who besides the project's owners, by role; `projectPrivate` is the list that everything has at first.
_PREDEFINED: Mapping[str, Sequence[tuple[str, str]]] = {
    "private": (),
    "bucketOwnerFullControl": (),
    "bucketOwnerRead": (),
    "publicRead": (("allUsers", "READER"),),
    "publicReadWrite": (("allUsers", "WRITER"),),
    "authenticatedRead": (("allAuthenticatedUsers", "READER"),),
}


@dataclass(frozen=True, slots=True)
class ListKind:
    """A sort of list.

    Args:
        api: name in method ids, after `storage.`.
        word: as in `kind`, after `storage#`.
        field: of the resource that the list belongs to.
        template: path of the list.
        owner: what is switched off, in a refusal.
        roles: what an entry may grant.
        right: what a call needs, before `getIamPolicy` or `setIamPolicy`.
    """

    api: str
    word: str
    field: str
    template: str
    owner: str
    roles: tuple[str, ...]
    right: str


_BUCKET = ListKind(
    "bucketAccessControls",
    "bucketAccessControl",
    "acl",
    "b/{bucket}/acl",
    "a bucket",
    ("OWNER", "READER", "WRITER"),
    "storage.buckets",
)
_DEFAULT = ListKind(
    "defaultObjectAccessControls",
    "objectAccessControl",
    "defaultObjectAcl",
    "b/{bucket}/defaultObjectAcl",
    "a bucket",
    ("OWNER", "READER"),
    "storage.buckets",
)
_OBJECT = ListKind(
    "objectAccessControls",
    "objectAccessControl",
    "acl",
    "b/{bucket}/o/{object}/acl",
    "an object",
    ("OWNER", "READER"),
    "storage.objects",
)


@dataclass(frozen=True, slots=True)
class AccessLists:
    """The methods on one sort of list."""

    cloud: Cloud
    kind: ListKind

    # -- methods --------------------------------------------------------------------------------------

    def list(self, call: Call) -> Json:
        """All entries."""
        entries = self._entries(call)
        return {"kind": f"storage#{self.kind.word}s", "items": [self._shown(call, *entry) for entry in entries.items()]}

    def get(self, call: Call) -> Json:
        """One entry."""
        entity = call["entity"]
        entries = self._entries(call)
        if entity not in entries:
            raise ApiError(Status.NOT_FOUND, "The specified ACL entry was not found.")
        return self._shown(call, entity, entries[entity])

    def insert(self, call: Call) -> Json:
        """Add an entry, or change the one of the same entity."""
        return self._put(call, call.body.get("entity", ""))

    def change(self, call: Call) -> Json:
        """Change the role of an entry."""
        self.get(call)
        return self._put(call, call["entity"])

    def delete(self, call: Call) -> Response:
        """Remove an entry."""
        self.get(call)
        self._keep(call, {entity: role for entity, role in self._entries(call).items() if entity != call["entity"]})
        return Response(204, {"Server": "UploadServer", "Content-Type": "application/json"}, b"")

    def _put(self, call: Call, entity: str) -> Json:
        role = call.body.get("role", "")
        check_entry(self.kind, entity, role)
        self._keep(call, {**self._entries(call), entity: role})
        return self._shown(call, entity, role)

    # -- lists ----------------------------------------------------------------------------------------

    def _key(self, call: Call) -> str:
        bucket = self.cloud.buckets.find(call["bucket"])["resource"]
        if bucket["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"]:
            verb = "get" if call.request.method == "GET" else "update"
            raise invalid(
                f"Cannot {verb} legacy ACL for {self.kind.owner} when uniform bucket-level access is enabled. "
                "Read more at https://cloud.google.com/storage/docs/uniform-bucket-level-access"
            )
        if self.kind is not _OBJECT:
            return f"{self.kind.field}/{bucket['name']}"
        resource = version(self.cloud, bucket["name"], call["object"], call.query("generation"))["resource"]
        return object_key(resource)

    def _entries(self, call: Call) -> dict[str, str]:
        return entries_of(self.cloud, self._key(call), call["bucket"])

    def _keep(self, call: Call, entries: Mapping[str, str]) -> None:
        call.store.put(ACCESS, self._key(call), {"entries": dict(entries)})

    def _shown(self, call: Call, entity: str, role: str) -> Json:
        return shown_entry(self.cloud, self.kind, call["bucket"], call.parameters.get("object", ""), entity, role)


def object_key(resource: Mapping[str, Any]) -> str:
    """Where the list of a version of an object is kept."""
    return f"o/{resource['bucket']}/{resource['name']}#{resource['generation']}"


def check_entry(kind: ListKind, entity: str, role: str) -> None:
    """Refuse an entry that no list may have.

    Raises:
        ApiError: 400.
    """
    if not _ENTITY.fullmatch(entity):
        raise invalid(f"Invalid argument: unknown entity '{entity}'.")
    if role not in kind.roles:
        raise invalid(f"Invalid argument: role '{role}' is none of {', '.join(kind.roles)}.")


def entries_of(cloud: Cloud, key: str, bucket: str) -> dict[str, str]:
    """Entity -> role of a list; what a list has at first are the teams of the bucket's project."""
    stored = cloud.backend.store.get(ACCESS, key)
    if stored is None and key.startswith("o/"):
        stored = cloud.backend.store.get(ACCESS, f"defaultObjectAcl/{bucket}")
    if stored is not None:
        return dict(stored["entries"])
    number = cloud.buckets.find(bucket)["resource"]["projectNumber"]
    return {f"project-{team}-{number}": role for team, role in _TEAMS}


def predefined(cloud: Cloud, bucket: str, name: str) -> dict[str, str] | None:
    """Entity -> role of a predefined list; None for that of new things."""
    if not name or name == "projectPrivate":
        return None
    number = cloud.buckets.find(bucket)["resource"]["projectNumber"]
    own = "READER" if name == "bucketOwnerRead" else "OWNER"
    return {f"project-owners-{number}": own, **dict(_PREDEFINED[name])}


def shown_entry(cloud: Cloud, kind: ListKind, bucket: str, name: str, entity: str, role: str) -> Json:
    """An entry as the API shows it."""
    resource = cloud.buckets.find(bucket)["resource"]
    head: Json = {"kind": f"storage#{kind.word}", "entity": entity, "role": role, "etag": resource["etag"]}
    kind_of, _, rest = entity.partition("-")
    match kind_of:
        case "user" | "group":
            head["email"] = rest
        case "domain":
            head["domain"] = rest
        case "project":
            team, _, number = rest.partition("-")
            head["projectTeam"] = {"projectNumber": number, "team": team}
        case _:
            pass
    if kind is _DEFAULT:
        return head
    where = f"{bucket}/{name}" if name else bucket
    path = f"o/{name}/acl" if name else "acl"
    head |= {"id": f"{where}/{entity}", "bucket": bucket, "selfLink": f"{resource['selfLink']}/{path}/{entity}"}
    if name:
        head["object"] = name
        head["generation"] = version(cloud, bucket, name)["resource"]["generation"]
    return head


@dataclass(frozen=True, slots=True)
class BucketLists:
    """The two lists of buckets: what a request sets, and what the full projection shows."""

    cloud: Cloud

    def taken(self, call: Call, body: Mapping[str, Any], bucket: str) -> None:
        """Keep the lists that a request for a bucket names, in full or by a predefined name."""
        for kind, parameter in ((_BUCKET, "predefinedAcl"), (_DEFAULT, "predefinedDefaultObjectAcl")):
            _take(self.cloud, call, kind, f"{kind.field}/{bucket}", bucket, body.get(kind.field), parameter)

    def shown(self, bucket: str) -> Json:
        """The fields that the full projection adds to a bucket without uniform access."""
        number = self.cloud.buckets.find(bucket)["resource"]["projectNumber"]
        fields: Json = {"owner": {"entity": f"project-owners-{number}"}}
        for kind in (_BUCKET, _DEFAULT):
            entries = entries_of(self.cloud, f"{kind.field}/{bucket}", bucket)
            fields[kind.field] = [shown_entry(self.cloud, kind, bucket, "", *entry) for entry in entries.items()]
        return fields


@dataclass(frozen=True, slots=True)
class ObjectLists:
    """The list of objects: what a request sets, and what the full projection shows."""

    cloud: Cloud

    def taken(
        self, call: Call, body: Mapping[str, Any], resource: Mapping[str, Any], parameter: str = "predefinedAcl"
    ) -> None:
        """Keep the list that a request for an object names, in full or by a predefined name."""
        key, bucket = object_key(resource), resource["bucket"]
        _take(self.cloud, call, _OBJECT, key, bucket, body.get("acl"), parameter)

    def shown(self, call: Call, resource: Mapping[str, Any]) -> Json:
        """An object as a client sees it, with its list in the full projection of a bucket without uniform access."""
        resource = {**resource, "mediaLink": _media_link(call, resource["mediaLink"])}
        bucket = self.cloud.buckets.find(resource["bucket"])["resource"]
        uniform = bucket["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"]
        if call.query("projection") != "full" or uniform:
            return resource
        entries = entries_of(self.cloud, object_key(resource), resource["bucket"])
        acl = [shown_entry(self.cloud, _OBJECT, bucket["name"], resource["name"], *entry) for entry in entries.items()]
        return {**resource, "acl": acl, "owner": {"entity": f"project-owners-{bucket['projectNumber']}"}}


def _media_link(call: Call, link: str) -> str:
    """Where a client downloads an object: clients of a served sandbox use what is told, so it leads there."""
    host, path = call.request.host, call.request.path
    if ":" not in host:
        return link
    prefix = "/storage" if path.startswith(("/storage/storage/", "/storage/upload/")) else ""
    return f"http://{host}{prefix}{link.removeprefix('https://storage.googleapis.com')}"


def _take(
    cloud: Cloud,
    call: Call,
    kind: ListKind,
    key: str,
    bucket: str,
    given: Iterable[Mapping[str, Any]] | None,
    parameter: str,
) -> None:
    entries = predefined(cloud, bucket, call.query(parameter))
    if given:
        entries = {entry.get("entity", ""): entry.get("role", "") for entry in given}
        for entity, role in entries.items():
            check_entry(kind, entity, role)
    if entries is None:
        return
    uniform = cloud.buckets.find(bucket)["resource"]["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"]
    if uniform:
        raise invalid(f"Cannot insert legacy ACL for {kind.owner} when uniform bucket-level access is enabled.")
    call.store.put(ACCESS, key, {"entries": entries})


def access_routes(cloud: Cloud) -> tuple[Route, ...]:
    """Routes of the three sorts of lists."""
    routes: list[Route] = []
    for kind in (_BUCKET, _DEFAULT, _OBJECT):
        api = AccessLists(cloud, kind)
        one = kind.template + "/{entity}"
        for method, verb, template, handler in (
            ("list", "GET", kind.template, api.list),
            ("get", "GET", one, api.get),
            ("insert", "POST", kind.template, api.insert),
            ("patch", "PATCH", one, api.change),
            ("update", "PUT", one, api.change),
            ("delete", "DELETE", one, api.delete),
        ):
            right = f"{kind.right}.{'getIamPolicy' if verb == 'GET' else 'setIamPolicy'}"
            name = f"storage.{kind.api}.{method}"
            routes.append(Route(name, verb, template, handler, right, "b/{bucket}", ("v1",)))
    return tuple(routes)
