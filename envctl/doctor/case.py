"""One patient: an environment, the operation at hand, the facts, and the world that the evaluator sees in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

from envctl.doctor.evaluate import Evaluator, policy_reader
from envctl.doctor.facts import Absent, Answer, Facts, Known, Subject, Unreadable, field_of, texts
from envctl.doctor.observed import build_world, project_number
from envctl.doctor.org_policy import constraint_rules, enforced
from envctl.doctor.policies import AllowPolicy, PolicyBinding
from envctl.doctor.world import Gap, World
from envctl.google.names import environment_name
from envctl.iam_conditions import Deployment, Setting, setting_of
from envctl.iam_roles import Binding, operation_id, required_bindings

if TYPE_CHECKING:
    from envctl.spec.model import Environment, Foundation

NEW_BUCKET: Final = "envctl-doctor-new-bucket"
NO_FACTS = Facts({}, datetime.fromtimestamp(0, UTC), "")


@dataclass(frozen=True)
class Case:
    """Everything that checks may look at.

    `libraries` are the normalised names of the packages in the requirements; None when they were not read. `handed` is
    what is known beside the facts of how envctl is run; it wins over what they recorded of that. `judged` is the member
    to look at in place of whoever runs envctl: what others tested about themselves says nothing about it.
    """

    name: str
    spec: Environment
    foundation: Foundation | None
    operations: tuple[str, ...]
    facts: Facts
    now: datetime
    libraries: frozenset[str] | None = None
    handed: Deployment = field(default_factory=Deployment)
    judged: str | None = None

    @property
    def has_facts(self) -> bool:
        """False when the case rests on the environment file alone."""
        return bool(self.facts.answers)

    @cached_property
    def setting(self) -> Setting:
        """What the tables may ask, circumstances from facts included."""
        return setting_of(self.spec, self.foundation, self._flags(), self.deployment)

    @property
    def project(self) -> str:
        """The environment's project."""
        return self.spec.project

    @cached_property
    def project_number(self) -> str | None:
        """The number of the project; None when the facts do not hold it."""
        return project_number(self.facts, self.project)

    @cached_property
    def host_number(self) -> str | None:
        """The number of the Shared VPC host project."""
        host = self.setting.host_project
        return project_number(self.facts, host) if host else None

    @cached_property
    def caller(self) -> str | None:
        """The member that runs envctl, or is looked at in its place; None when the facts do not say."""
        if self.judged is not None:
            return self.judged
        member = field_of(self.facts.value(Subject.CALLER, "-"), "member")
        return member if isinstance(member, str) and member else None

    @cached_property
    def deployment(self) -> Deployment:
        """How envctl is run: as handed, the rest as the facts recorded it."""
        recorded = self.facts.value(Subject.CALLER, "-")
        return Deployment(
            backend=self.handed.backend or _text(recorded, "stateBackend"),
            secrets_provider=self.handed.secrets_provider or _text(recorded, "secretsProvider"),
            quota_project=self.handed.quota_project or _text(recorded, "quotaProject"),
            signed_in=None if self.judged else self.handed.signed_in or _text(recorded, "signedIn"),
        )

    @property
    def environment_name(self) -> str:
        """Full name of the environment in the API."""
        name = self.spec.name or self.name
        return environment_name(self.project, self.spec.region, name)

    @property
    def environment(self) -> Answer:
        """The live environment."""
        return self.facts.ask(Subject.ENVIRONMENT, self.environment_name)

    @property
    def exists(self) -> bool | None:
        """Whether the environment exists; None when the facts do not say."""
        match self.environment:
            case Known():
                return True
            case Absent():
                return False
            case Unreadable():
                return None

    def doing(self, *operations: str) -> bool:
        """Whether one of these operations is about to happen."""
        return any(operation_id(name) in self.operations for name in operations)

    @cached_property
    def bindings(self) -> tuple[Binding, ...]:
        """Every binding of the environment, with the numbers that are known."""
        return required_bindings(
            self.spec,
            self.foundation,
            project_number=self.project_number,
            host_project_number=self.host_number,
            flags=self.setting.flags,
            deployment=self.deployment,
        )

    @cached_property
    def world(self) -> World:
        """What the evaluator sees."""
        return build_world(self.facts, self.now, {**self._buckets(), NEW_BUCKET: self.project}, self.imagined)

    @cached_property
    def evaluator(self) -> Evaluator:
        """Answers questions about rights. Deny policies that could not be read count as none; `facts.deny` says so."""
        return Evaluator(self.world)

    @cached_property
    def evaluator_of_policies(self) -> Evaluator:
        """The same without the caller's own tests: what the policies alone say."""
        world = self.world
        return Evaluator(
            World(world.policies, world.roles, world.now, world.parents, world.directory, world.deny, world.boundaries)
        )

    def policy(self, resource: str) -> AllowPolicy | Gap:
        """The allow policy of a resource."""
        found = self.world.policies.get(self.world.canonical(resource))
        return found or Gap(f"the allow policy of {resource}", policy_reader(resource), "not in the facts")

    @property
    def any_secrets(self) -> tuple[str, ...]:
        """Secrets that stand for all those whose names begin with the backend's prefix: one per kind that Airflow reads."""
        prefix = self.spec.secrets.prefix if self.spec.secrets else "airflow"
        start = f"//secretmanager.googleapis.com/projects/{self.project}/secrets/{prefix}"
        return tuple(f"{start}-{kind}-envctl-doctor" for kind in ("variables", "connections"))

    @property
    def new_bucket(self) -> str:
        """A bucket that stands for those that the stack makes in its project."""
        return f"//storage.googleapis.com/projects/_/buckets/{NEW_BUCKET}"

    @property
    def imagined(self) -> Mapping[str, AllowPolicy]:
        """Resources that stand for any of their kind, with the policies that new ones have."""
        members = dict.fromkeys(("Bucket", "Object"), (f"projectOwner:{self.project}", f"projectEditor:{self.project}"))
        defaults = tuple(PolicyBinding(f"roles/storage.legacy{kind}Owner", who) for kind, who in members.items())
        # "Access control lists and uniform access": the convenience values of a new bucket (Cloud Storage, 2026-08).
        return {**{name: AllowPolicy(()) for name in self.any_secrets}, self.new_bucket: AllowPolicy(defaults)}

    def _buckets(self) -> Mapping[str, str]:
        names = {bucket.given_name for bucket in self.spec.buckets.values() if bucket.given_name}
        if bucket := self.environment_bucket:
            names.add(bucket)
        return dict.fromkeys(names, self.project)

    @property
    def environment_bucket(self) -> str | None:
        """The environment's bucket: that of the live environment, else the one the file names."""
        live = (
            field_of(self.environment.value, "storageConfig", "bucket") if isinstance(self.environment, Known) else None
        )
        prefix = (
            field_of(self.environment.value, "config", "dagGcsPrefix") if isinstance(self.environment, Known) else None
        )
        if isinstance(live, str) and live:
            return live
        if isinstance(prefix, str) and prefix.startswith("gs://"):
            return prefix.removeprefix("gs://").split("/", 1)[0]
        bucket = self.spec.buckets.get("environment")
        return bucket.given_name if bucket else None

    def _flags(self) -> Iterable[str]:
        if enforced(self.facts, self.project, "cloudbuild.useComputeServiceAccount"):
            yield "compute-build-account"
        if enforced(self.facts, self.project, "cloudbuild.useBuildServiceAccount"):
            yield "legacy-build-account"
        locations = constraint_rules(self.facts, self.project, "gcp.resourceLocations")
        if locations and not any(rule.get("allowAll") for rule in locations):
            values = [text for rule in locations for text in texts(field_of(rule, "values", "allowedValues"))]
            if not any(re.search(r"(^|:)(us|us-locations)$", text) for text in values):
                yield "location-restricted"


def _text(value: object, key: str) -> str | None:
    found = field_of(value, key)
    return found if isinstance(found, str) and found else None
