"""Principals and members: whether a member of a policy stands for a principal.

Member forms: IAM documentation, "Principal identifiers" (2026-08), allow and deny form. Addresses are compared
without regard to case, as IAM does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from envctl.doctor.conditions import Truth
from envctl.google.names import is_service_agent

_POOL_PRINCIPAL = re.compile(
    r"^principal://iam\.googleapis\.com/(?P<pool>(?:projects/\d+/)?locations/global/(?:workloadIdentityPools|workforcePools)/[^/]+)/subject/(?P<subject>.+)$"
)
_POOL_SET = re.compile(
    r"^principalSet://iam\.googleapis\.com/(?P<pool>(?:projects/\d+/)?locations/global/(?:workloadIdentityPools|workforcePools)/[^/]+)/(?P<rest>.+)$"
)
_RESOURCE_SET = re.compile(
    r"^(?:principalSet:)?//cloudresourcemanager\.googleapis\.com/(?P<kind>projects|folders|organizations)/(?P<id>[^/]+)(?:/type/(?P<type>\w+))?$"
)
_POOL_BOUNDARY_SET = re.compile(
    r"^//iam\.googleapis\.com/(?P<pool>(?:projects/\d+/)?locations/global/(?:workloadIdentityPools|workforcePools)/[^/]+)$"
)
_DELETED = re.compile(r"^deleted:(?P<member>[^?]+)\?uid=(?P<uid>.*)$", re.IGNORECASE)
_USER_ACCOUNT = re.compile(r"^serviceaccount:[^@]+@(?P<project>[a-z0-9.:-]+)\.iam\.gserviceaccount\.com$")


@dataclass(frozen=True, slots=True)
class Group:
    """Members of a group as facts give them; `complete` False when some could not be read."""

    members: frozenset[str]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Directory:
    """Who belongs to what, as far as facts say.

    `sets` gives, for federated principals, the principal sets they are known to be in (and no others);
    `customers` the domains of a Cloud Identity customer; `projects` project ids by number; `ancestors` the
    full names of a project's folders and organization by project id.
    """

    groups: Mapping[str, Group] = field(default_factory=dict[str, Group])
    sets: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    customers: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    projects: Mapping[str, str] = field(default_factory=dict[str, str])
    ancestors: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


def normal_member(text: str) -> str:
    """The member in the form in which two spellings of one principal are equal; deny forms become allow forms."""
    text = text.strip()
    for prefix, kind in (
        ("principal://goog/subject/", "user:"),
        ("principalSet://goog/group/", "group:"),
        ("principal://iam.googleapis.com/projects/-/serviceAccounts/", "serviceAccount:"),
    ):
        if text.startswith(prefix):
            text = kind + text.removeprefix(prefix)
    if text == "principalSet://goog/public:all":
        return "allUsers"
    if text.startswith(("principal:", "principalSet:", "//")) or text in {"allUsers", "allAuthenticatedUsers"}:
        return text
    kind, colon, rest = text.partition(":")
    if not colon:
        return text
    # Kubernetes names are lower case already; addresses and domains ignore case.
    return f"{kind.lower()}:{rest.lower()}"


def deleted_member(text: str) -> str | None:
    """The normal form of the principal that a `deleted:` member was; None for a live member."""
    match = _DELETED.match(text)
    return normal_member(match["member"]) if match else None


def project_of_principal(principal: str) -> str | None:
    """The project that a user-managed service account lives in; None for all others."""
    match = _USER_ACCOUNT.match(normal_member(principal))
    return match["project"] if match and not is_service_agent(principal) else None


def stands_for(member: str, principal: str, directory: Directory) -> Truth:
    """Whether a member of an allow or deny policy stands for the principal (both in normal form).

    Convenience members (`projectEditor:P`) are not decided here: they need the project's policy.
    """
    if member in {principal, "allUsers"}:
        return Truth.YES
    kind = principal.partition(":")[0]
    match member.partition(":")[0]:
        case "allAuthenticatedUsers":
            return Truth.YES if kind in {"user", "serviceaccount", "group"} else Truth.NO
        case "domain":
            return _in_domain(member.partition(":")[2], principal, kind)
        case "group":
            return group_holds(member, principal, directory)
        case "principalSet":
            return _in_set(member, principal, kind, directory)
        case _:
            # Principal access boundaries name their sets without a scheme: //service/...
            return _in_set(member, principal, kind, directory) if member.startswith("//") else Truth.NO


def _in_domain(domain: str, principal: str, kind: str) -> Truth:
    if kind == "user":
        return Truth.YES if principal.endswith("@" + domain) else Truth.NO
    # A group of the domain may hold outsiders, so the binding reaches some of its members at most.
    return Truth.UNKNOWN if kind == "group" and principal.endswith("@" + domain) else Truth.NO


def group_closure(group: str, directory: Directory) -> tuple[frozenset[str], bool]:
    """Everybody in the group, directly or through groups inside it, and whether that is everybody."""
    members: set[str] = set()
    seen: set[str] = set()
    waiting = [group]
    certain = True
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        known = directory.groups.get(name)
        if known is None:
            certain = False
            continue
        certain = certain and known.complete
        inside = {normal_member(member) for member in known.members}
        members |= inside
        waiting += [member for member in inside if member.startswith("group:")]
    return frozenset(members), certain


def group_holds(group: str, principal: str, directory: Directory) -> Truth:
    """Whether the principal is in the group, directly or through groups inside it."""
    members, certain = group_closure(group, directory)
    if principal in members:
        return Truth.YES
    return Truth.NO if certain else Truth.UNKNOWN


def _in_set(member: str, principal: str, kind: str, directory: Directory) -> Truth:
    pool_set = _POOL_SET.match(member)
    if pool_set or (pool_set := _POOL_BOUNDARY_SET.match(member)):
        own = _POOL_PRINCIPAL.match(principal) or _POOL_SET.match(principal)
        if own is None or own["pool"] != pool_set["pool"]:
            return Truth.NO
        if pool_set.re is _POOL_BOUNDARY_SET or pool_set["rest"] == "*":
            return Truth.YES
        known = directory.sets.get(principal)
        if known is None:
            return Truth.UNKNOWN
        return Truth.YES if member in known else Truth.NO
    if match := _RESOURCE_SET.match(member):
        return _in_resource_set(match, principal, kind, directory)
    if member.startswith("principalSet://goog/cloudIdentityCustomerId/"):
        if kind != "user":
            return Truth.NO if kind == "serviceaccount" else Truth.UNKNOWN
        domains = directory.customers.get(member.rpartition("/")[2])
        if domains is None:
            return Truth.UNKNOWN
        return Truth.YES if principal.partition("@")[2] in domains else Truth.NO
    return Truth.UNKNOWN


def _in_resource_set(match: re.Match[str], principal: str, kind: str, directory: Directory) -> Truth:
    wanted = match["type"]
    if kind == "serviceaccount":
        agent = is_service_agent(principal)
        if (wanted == "ServiceAgent") != agent and wanted is not None:
            return Truth.NO
        if agent:  # a service agent's set is that of the project it works for, which its address names by number
            number = re.search(r"(?:service-|^serviceaccount:|bq-)(\d+)", principal)
            project = directory.projects.get(number[1]) if number and wanted else None
            if not wanted:
                return Truth.NO
        else:
            project = project_of_principal(principal)
    elif own := _POOL_PRINCIPAL.match(principal):
        number = re.match(r"projects/(\d+)/", own["pool"])
        project = directory.projects.get(number[1]) if number else None
        if wanted in {"ServiceAccount", "ServiceAgent"}:
            return Truth.NO
    else:
        if match["kind"] != "organizations" or wanted in {"ServiceAccount", "ServiceAgent"}:
            return Truth.NO
        return Truth.UNKNOWN  # whether a person belongs to an organization is not in any policy
    if project is None:
        return Truth.UNKNOWN
    if match["kind"] == "projects":
        return Truth.YES if directory.projects.get(match["id"], match["id"]) == project else Truth.NO
    ancestors = directory.ancestors.get(project)
    if ancestors is None:
        return Truth.UNKNOWN
    return (
        Truth.YES if f"//cloudresourcemanager.googleapis.com/{match['kind']}/{match['id']}" in ancestors else Truth.NO
    )
