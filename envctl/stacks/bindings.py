"""Role bindings, as members only: an authoritative binding would take other people's rights away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from envctl.errors import EnvctlError
from envctl.google.names import is_service_agent
from envctl.iam_roles import Binding, load_table
from envctl.stacks.components import Group
from envctl.stacks.declaration import Input, Options, Ref, Resource, SpecPath
from envctl.stacks.identities import ACCOUNT, identity_of

_SLUG = re.compile(r"[^A-Za-z0-9._@-]+")


@dataclass(frozen=True, slots=True)
class Holder:
    """The resource type of a membership, and the inputs that say whose allow policy it belongs to."""

    type: str
    inputs: Mapping[str, Input]


@dataclass(frozen=True, slots=True)
class Holders:
    """Where bindings go: holders by their address in the file, and the member that the stack itself creates."""

    by_address: Mapping[str, Holder] = field(default_factory=dict)
    account_member: str | None = None


def binding_resources(bindings: Iterable[Binding], holders: Holders) -> list[Resource]:
    """One membership per binding, in order of their logical names.

    Names come from the membership (where, role, who), not from the table: a row that is renamed or folded into
    another leaves its membership alone.

    Those of Google's agents outlive the stack. Of the others, what may go is asked when it would go
    (`envctl.ownership.members`).
    """
    resources: dict[str, Resource] = {}
    for binding in bindings:
        resource = _membership(binding, holders)
        if resource.name in resources:
            raise EnvctlError(
                "Two role bindings have one name", detail=f"{resource.name}: {binding.id} and another row."
            )
        resources[resource.name] = resource
    return [resources[name] for name in sorted(resources)]


def _holder(binding: Binding, holders: Holders) -> Holder:
    return holders.by_address.get(binding.target) or _foreign_holder(binding)


def _membership(binding: Binding, holders: Holders) -> Resource:
    if "${" in binding.member:
        raise EnvctlError("A role binding has no member", detail=f"{binding.id}: {binding.member} is not known.")
    holder = _holder(binding, holders)
    place = binding.target or _last_segments(binding.resource or "")
    role = binding.role.removeprefix("roles/")
    name = f"{place}/{role}/{_who(binding.member, holders.account_member)}"
    inputs: dict[str, Input] = {**holder.inputs, "role": binding.role, "member": binding.member}
    if binding.condition is not None:
        name = f"{name}/{_SLUG.sub('-', binding.condition.title)}"
        inputs["condition"] = {"title": binding.condition.title, "expression": binding.condition.expression}
    depends_on = [identity] if (identity := identity_of(binding.member)) else []
    if binding.member == holders.account_member:
        depends_on.append(ACCOUNT)
    return Resource(
        name=name,
        type=holder.type,
        parent=Group.ACCESS,
        inputs=inputs,
        origin=_origin(binding),
        options=Options(depends_on=tuple(depends_on), retain_on_delete=is_service_agent(binding.member)),
    )


def _who(member: str, account_member: str | None) -> str:
    """A short, stable word for a member."""
    if member == account_member:
        return "environment"
    address = member.partition(":")[2]
    if is_service_agent(member):
        return address.partition("@")[2].removesuffix(".gserviceaccount.com").removesuffix(".iam")
    return _SLUG.sub("-", member.replace(":", "-", 1))


def _last_segments(resource: str) -> str:
    """`secrets/crm` of `//secretmanager.googleapis.com/projects/p/secrets/crm`."""
    return "/".join(resource.rsplit("/", 2)[-2:])


def _origin(binding: Binding) -> SpecPath:
    """The place in the file that asks for the binding, as near as the table tells."""
    match binding.principal:
        case "airflow_user":
            return ("access", "users")
        case "operator":
            return ("access", "operators")
        case "dag_author":
            return ("access", "dagAuthors")
        case "deployer":
            return ("access", "deployers")
        case _:
            pass
    match binding.id, binding.target.split("."):
        case "spec.extra-binding", _:
            return ("iam", "extraBindings")
        case "spec.bucket-access", ["buckets", key]:
            return ("buckets", key, "access")
        case "spec.secret-reader", ["secrets", key]:
            return ("secrets", "create", key, "readers")
        case "spec.repository-reader", _:
            return ("repository", "readers")
        case _, ["encryption", "key"]:
            return ("encryption", "key")
        case _, ["buckets", key]:
            return ("buckets", key)
        case _:
            return _origin_of_row(binding)


_PREDICATES: Mapping[str, SpecPath] = {
    "bigquery": ("integrations",),
    "builds-as-itself": ("packages", "index"),
    "custom-bucket": ("buckets", "environment"),
    "dataflow": ("integrations",),
    "dataproc": ("integrations",),
    "kms-backend": ("secrets",),
    "node-pools": ("nodePools",),
    "private-index-repository": ("packages", "index"),
    "pubsub": ("integrations",),
    "reads-secrets": ("secrets",),
    "snapshots-elsewhere": ("snapshots",),
}
"""Which block of the file makes a predicate of the table hold."""


def _origin_of_row(binding: Binding) -> SpecPath:
    """The block that makes the row of the table apply; the account or the project for rows that always do."""
    row = next((row for row in load_table("bindings")["rows"] if row["id"] == binding.id), None)
    for predicate in row["when"] if row else ():
        if predicate in _PREDICATES:
            return _PREDICATES[predicate]
    return ("serviceAccount",) if binding.principal == "env_sa" else ("project",)


_FULL_NAMES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"//cloudresourcemanager\.googleapis\.com/projects/(?P<project>[^/]+)"),
        "gcp:projects/iAMMember:IAMMember",
    ),
    (
        re.compile(r"//iam\.googleapis\.com/(?P<serviceAccountId>projects/[^/]+/serviceAccounts/[^/]+)"),
        "gcp:serviceaccount/iAMMember:IAMMember",
    ),
    (
        re.compile(r"//cloudkms\.googleapis\.com/(?P<cryptoKeyId>projects/.+/cryptoKeys/[^/]+)"),
        "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
    ),
    (
        re.compile(r"//storage\.googleapis\.com/projects/_/buckets/(?P<bucket>[^/]+)"),
        "gcp:storage/bucketIAMMember:BucketIAMMember",
    ),
    (
        re.compile(r"//secretmanager\.googleapis\.com/projects/(?P<project>[^/]+)/secrets/(?P<secretId>[^/]+)"),
        "gcp:secretmanager/secretIamMember:SecretIamMember",
    ),
    (
        re.compile(
            r"//artifactregistry\.googleapis\.com/projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)"
            r"/repositories/(?P<repository>[^/]+)"
        ),
        "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
    ),
    (
        re.compile(
            r"//compute\.googleapis\.com/projects/(?P<project>[^/]+)/regions/(?P<region>[^/]+)"
            r"/subnetworks/(?P<subnetwork>[^/]+)"
        ),
        "gcp:compute/subnetworkIAMMember:SubnetworkIAMMember",
    ),
)


def _foreign_holder(binding: Binding) -> Holder:
    """The holder of a binding on something that the stack does not declare, from its full resource name."""
    for pattern, type_ in _FULL_NAMES:
        match = pattern.fullmatch(binding.resource or "")
        if match is not None:
            return Holder(type_, match.groupdict())
    raise EnvctlError(
        "A role binding has no place", detail=f"{binding.id}: {binding.target or binding.resource or 'no resource'}"
    )


def bucket_holder(name: Input) -> Holder:
    """Memberships of a bucket's allow policy."""
    return Holder("gcp:storage/bucketIAMMember:BucketIAMMember", {"bucket": name})


def key_holder(key: Input) -> Holder:
    """Memberships of a key's allow policy."""
    return Holder("gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember", {"cryptoKeyId": key})


def account_holder() -> Holder:
    """Memberships of the allow policy of the account that the stack creates."""
    return Holder("gcp:serviceaccount/iAMMember:IAMMember", {"serviceAccountId": Ref(ACCOUNT, "name")})


def secret_holder(project: str, secret: Input) -> Holder:
    """Memberships of a secret's allow policy."""
    return Holder("gcp:secretmanager/secretIamMember:SecretIamMember", {"project": project, "secretId": secret})


def repository_holder(project: str, location: str, owner: str) -> Holder:
    """Memberships of a repository's allow policy; `owner` is the repository's logical name."""
    return Holder(
        "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
        {"project": project, "location": location, "repository": Ref(owner, "name")},
    )
