"""Facts: questions about a cloud with recorded or live answers. Checks ask facts and never call APIs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final


class Subject(StrEnum):
    """What a question is about. The comment says what names the object, and the shape of the answer."""

    CALLER = "caller"  # "-": {"member": "user:...", "quotaProject", "stateBackend", "secretsProvider", "signedIn": text or null}
    PROJECT = "project"  # project id: {"projectId", "projectNumber", "lifecycleState", "ancestors": [full names, nearest first]}
    POLICY = "policy"  # full resource name: the answer of getIamPolicy
    DENY = "deny"  # full name of a project, folder or organization: list of deny policies with rules
    BOUNDARIES = "boundaries"  # project id: list of {"policy", "principalSet", "rules", "blockedPermissions"?}
    SERVICES = "services"  # project id: list of enabled API names
    CONSTRAINT = "constraint"  # project id/constraints/NAME: effective policy {"spec": {"rules": [...]}}
    SET_CONSTRAINTS = (
        "set-constraints"  # full name of a project, folder or organization: list of the policies set there
    )
    CUSTOM_CONSTRAINTS = "custom-constraints"  # project id: those of its organization, {"name", "condition", "actionType", "methodTypes", "resourceTypes"}
    ACCOUNT = "service-account"  # address: {"email", "disabled", "uniqueId"}
    KEY = "key"  # projects/P/locations/L/keyRings/R/cryptoKeys/K: the CryptoKey
    BUCKET = "bucket"  # bucket name: the Bucket, "projectNumber" included
    SUBNETWORK = "subnetwork"  # projects/P/regions/R/subnetworks/S: the Subnetwork
    SUBNETWORKS = "subnetworks"  # projects/P/regions/R: list of Subnetworks
    ROUTERS = "routers"  # projects/P/regions/R: list of Routers with "nats"
    FIREWALLS = "firewalls"  # project id: list of Firewalls
    QUOTAS = "quotas"  # projects/P/regions/R: list of {"metric", "limit", "usage"}
    PERIMETERS = "perimeters"  # project id: list of service perimeters that hold the project
    ENVIRONMENT = "environment"  # projects/P/locations/L/environments/E: the Environment
    DATABASE = "database"  # the same name: {"sizeGb": number}
    GROUP = "group"  # address: {"members": [members], "complete": bool}
    ROLE = "role"  # projects/P/roles/R or roles/R: the Role
    TEST = "test"  # full resource name: {"member", "asked": [...], "granted": [...]} of testIamPermissions
    CHANGES = "policy-changes"  # full resource name: list of {"time", "action", "role", "member"}


@dataclass(frozen=True, slots=True)
class Known:
    """An answer: decoded JSON."""

    value: Any


@dataclass(frozen=True, slots=True)
class Absent:
    """The object does not exist; the cloud said so."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """No answer: the permission that would give one, and why there is none."""

    permission: str
    cause: str


Answer = Known | Absent | Unreadable

READERS: Final[Mapping[Subject, str]] = {
    Subject.CALLER: "none; sign in with gcloud auth application-default login",
    Subject.PROJECT: "resourcemanager.projects.get",
    Subject.POLICY: "getIamPolicy on the resource",
    Subject.DENY: "iam.denypolicies.list",
    # IAM documentation, "View principal access boundary policies" (2026-08): bindings by target, then the policies.
    Subject.BOUNDARIES: "resourcemanager.projects.searchPolicyBindings and iam.principalaccessboundarypolicies.get",
    Subject.SERVICES: "serviceusage.services.list",
    Subject.CONSTRAINT: "orgpolicy.policy.get",
    Subject.SET_CONSTRAINTS: "orgpolicy.policies.list",
    Subject.CUSTOM_CONSTRAINTS: "orgpolicy.customConstraints.list",
    Subject.ACCOUNT: "iam.serviceAccounts.get",
    Subject.KEY: "cloudkms.cryptoKeys.get",
    Subject.BUCKET: "storage.buckets.get",
    Subject.SUBNETWORK: "compute.subnetworks.get",
    Subject.SUBNETWORKS: "compute.subnetworks.list",
    Subject.ROUTERS: "compute.routers.list",
    Subject.FIREWALLS: "compute.firewalls.list",
    Subject.QUOTAS: "compute.regions.get",
    Subject.PERIMETERS: "accesscontextmanager.policies.list and accesscontextmanager.servicePerimeters.list",
    Subject.ENVIRONMENT: "composer.environments.get",
    Subject.DATABASE: "monitoring.timeSeries.list",
    Subject.GROUP: "leave to view the group's members (Cloud Identity groups.memberships.list)",
    Subject.ROLE: "iam.roles.get",
    Subject.TEST: "none; the caller tests its own rights",
    Subject.CHANGES: "logging.logEntries.list",
}
"""The permission that answers a question."""

NOT_ASKED: Final = "not in the facts"
API_OFF: Final = "the API API_NAME is off in the project that is asked"
"""Why an answer could not be read, where the cloud said that the API is not switched on."""
_API_OFF: Final = re.compile(re.escape(API_OFF).replace("API_NAME", r"([\w.-]+)"))
BUNDLE_ONLY: Final = "envctl does not read it live; add it to a bundle"
"""Why there is no answer to a question that only a bundle answers."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Recorded answers. `origin` says where they come from, `collected_at` of when they are."""

    answers: Mapping[tuple[Subject, str], Answer]
    collected_at: datetime
    origin: str

    def ask(self, subject: Subject, name: str) -> Answer:
        """The answer to a question; `Unreadable` when it was never asked."""
        return self.answers.get((subject, name), Unreadable(READERS[subject], NOT_ASKED))

    def value(self, subject: Subject, name: str) -> Any | None:
        """The answer's JSON; None when it is absent or unreadable."""
        answer = self.ask(subject, name)
        return answer.value if isinstance(answer, Known) else None

    def names(self, subject: Subject) -> tuple[str, ...]:
        """The objects of which something was asked, sorted."""
        return tuple(sorted(name for kind, name in self.answers if kind is subject))


def off_api(text: str) -> str | None:
    """The API that a cause names as switched off; None for any other cause."""
    found = _API_OFF.search(text)
    return found[1] if found else None


def texts(value: Any) -> Iterable[str]:
    """The texts in a list of an answer; nothing for any other shape."""
    return (item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def field_of(value: Any, *path: str) -> Any:
    """A nested field of an answer; None wherever the shape is another."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def objects(value: Any) -> Iterable[Mapping[str, Any]]:
    """The objects in a list of an answer; nothing for any other shape."""
    return (item for item in value if isinstance(item, Mapping)) if isinstance(value, list) else ()
