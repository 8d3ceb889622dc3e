"""Front door to roles: every binding that an environment needs, from one table.

The table is `envctl/data/iam/bindings.json`; its predicates live in `envctl.iam_conditions`. The stacks
declare the bindings that are `managed` and `needed`; the doctor verifies all that are needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from envctl.errors import UsageError
from envctl.iam_conditions import Deployment, Setting, applies, setting_of
from envctl.iam_steps import Verb, step_permissions
from envctl.iam_targets import (
    CALLER,
    HOST_PROJECT_NUMBER,
    PROJECT_NUMBER,
    BindingCondition,
    Target,
    bucket_resource,
    members_of,
    secret_resource,
    target_named,
    targets_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envctl.spec.model import Environment, Foundation

DATA: Final = Path(__file__).parent / "data" / "iam"


class Requirement(StrEnum):
    """How much a binding is needed."""

    REQUIRED = "required"
    CONDITIONAL = "conditional"
    """Its condition holds here, so it is needed here."""
    OPTIONAL = "optional"
    ALTERNATIVE = "alternative"
    """Also satisfies a required row; not needed beside it."""
    GOOGLE = "google"
    """Needed, and written by Google itself: envctl verifies it and never declares it."""


@dataclass(frozen=True, slots=True)
class Binding:
    """One role for one member on one resource.

    `member` is an IAM member; `${projectNumber}`, `${hostProjectNumber}` and `${caller}` stand for what is not
    known. `resource` is a full resource name (`//service/...`), or None when the object gets its name only when
    it is made; `target` is the object's address in the environment file (`project`, `service-account`,
    `encryption.key`, `buckets.NAME`, `secrets.NAME`, `repository`, `subnetwork`, `host-project`, or empty for an
    object outside the file). `permissions` are those that the row stands for. `also` names rows with the same
    member, role and resource that were folded into this one.
    """

    id: str
    principal: str
    member: str
    role: str
    resource_kind: str
    resource: str | None
    target: str
    requirement: Requirement
    why: str
    when: str
    source: tuple[str, ...]
    confidence: str
    condition: BindingCondition | None = None
    managed: bool = False
    permissions: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def needed(self) -> bool:
        """True when the environment does not work without it (or an equivalent grant)."""
        return self.requirement in _NEEDED

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of all rows that this binding satisfies."""
        return (self.id, *self.also)


_NEEDED = frozenset({Requirement.REQUIRED, Requirement.CONDITIONAL, Requirement.GOOGLE})
_STRENGTH = {
    Requirement.GOOGLE: 0,
    Requirement.REQUIRED: 1,
    Requirement.CONDITIONAL: 2,
    Requirement.ALTERNATIVE: 3,
    Requirement.OPTIONAL: 4,
}


@cache
def load_table(name: str) -> Mapping[str, Any]:
    """A shipped table by file stem: `bindings`, `operations`, `preconditions` or `signatures`."""
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


@cache
def load_operations() -> Mapping[str, Mapping[str, Any]]:
    """The operations of the table by id."""
    return {item["id"]: item for item in load_table("operations")["operations"]}


OPERATION_ALIASES: Final[Mapping[str, str]] = {
    "create": "create-environment",
    "update": "update-config",
    "packages": "update-pypi-packages",
    "upgrade": "upgrade-environment",
    "delete": "delete-environment",
}
STANDING: Final = (
    "keep-alive",
    "run-dags",
    "read-secret",
    "kms-decrypt",
    "vault-login",
    "dataflow-run-pipeline",
    "save-snapshot",
    "upload-dag",
    "open-airflow-ui",
)
"""Operations that happen for as long as the environment runs: their rows belong to every change of it."""
DECLARING: Final = frozenset({"create-environment", "update-config", "update-pypi-packages", "upgrade-environment"})
"""Operations in which `up` brings the whole set of bindings about."""


def operation_id(name: str) -> str:
    """The table's id of an operation named on the command line, e.g. `create`. Raises `UsageError` for no operation."""
    found = OPERATION_ALIASES.get(name, name)
    if found not in load_operations():
        known = ", ".join(sorted({*OPERATION_ALIASES, *load_operations()} - set(OPERATION_ALIASES.values())))
        raise UsageError(f"No operation is called {name!r}", detail=f"Operations: {known}.", code="operation-unknown")
    return found


def required_bindings(
    spec: Environment,
    foundation: Foundation | None = None,
    *,
    operation: str | None = None,
    project_number: str | None = None,
    host_project_number: str | None = None,
    flags: Iterable[str] = (),
    deployment: Deployment | None = None,
) -> tuple[Binding, ...]:
    """Every binding of the environment, in table order, one per member, role and resource.

    Args:
        spec: the resolved environment.
        foundation: its foundation, when it has one.
        operation: only the rows that this operation needs; all rows for None.
        project_number: fills Google's service agents; `${projectNumber}` stays in their addresses for None.
        host_project_number: the same for the agents of the Shared VPC host project.
        flags: circumstances of `envctl.iam_conditions.FLAGS` that are known to hold.
        deployment: how envctl is run on it, when that is known.

    Raises:
        UsageError: no such operation.
    """
    setting = setting_of(spec, foundation, flags, deployment)
    chosen = None if operation is None else _ids_of_operation(operation_id(operation))
    found: dict[tuple[str, str, str, str], Binding] = {}
    numbers = {PROJECT_NUMBER: project_number, HOST_PROJECT_NUMBER: host_project_number}
    for row in load_table("bindings")["rows"]:
        if "left_out" in row or not applies(row["generations"], row["when"], setting):
            continue
        if chosen is None or row["id"] in chosen:
            for binding in _bindings_of_row(row, setting):
                _fold(found, _with_numbers(binding, numbers))
    if chosen is None or operation_id(operation or "") in DECLARING:
        for binding in _bindings_of_file(setting):
            _fold(found, _with_numbers(binding, numbers))
    return tuple(found.values())


def _ids_of_operation(name: str) -> frozenset[str]:
    operations = load_operations()
    names = (name, *STANDING) if name in DECLARING else (name,)
    return frozenset(check["binding"] for item in names for check in operations[item]["checks"])


def _fold(found: dict[tuple[str, str, str, str], Binding], binding: Binding) -> None:
    """One grant satisfies every row that asks for it: keep the strongest, name the others."""
    place = binding.resource or f"{binding.resource_kind} {binding.target}"
    key = (binding.member.lower(), binding.role, place, binding.condition.expression if binding.condition else "")
    before = found.get(key)
    if before is None:
        found[key] = binding
        return
    first, second = sorted((before, binding), key=lambda item: _STRENGTH[item.requirement])
    also = tuple(dict.fromkeys(item for item in (*first.also, *second.ids) if item != first.id))
    found[key] = replace(
        first,
        also=also,
        managed=first.managed or second.managed,
        permissions=tuple(dict.fromkeys((*first.permissions, *second.permissions))),
    )


def _with_numbers(binding: Binding, numbers: Mapping[str, str | None]) -> Binding:
    member, condition = binding.member, binding.condition
    for placeholder, number in numbers.items():
        if number is None:
            continue
        member = member.replace(placeholder, number)
        if condition is not None:
            condition = replace(condition, expression=condition.expression.replace(placeholder, number))
    return replace(binding, member=member, condition=condition)


def _bindings_of_row(row: Mapping[str, Any], setting: Setting) -> Iterator[Binding]:
    requirement = (
        Requirement.GOOGLE
        if row.get("google") and row["requirement"] != "optional"
        else Requirement(row["requirement"])
    )
    for member in members_of(row["principal"], setting):
        for target in _targets(row, setting):
            yield Binding(
                id=row["id"],
                principal=row["principal"],
                member=member,
                role=row["role"],
                resource_kind=row["resource"],
                resource=target.resource,
                target=target.address,
                requirement=requirement,
                why=row["why"],
                when=row["condition"],
                source=tuple(row["source"]),
                confidence=row["confidence"],
                condition=target.condition,
                managed=(
                    target.ours
                    and requirement in {Requirement.REQUIRED, Requirement.CONDITIONAL}
                    and row["principal"] != "doctor"
                    and member != CALLER
                ),
                permissions=tuple(row["permissions"]),
                alternatives=tuple(row.get("alternatives", ())),
            )


def _targets(row: Mapping[str, Any], setting: Setting) -> tuple[Target, ...]:
    """Where a row is granted. What makes an object is granted above it: nothing is granted on what is not there yet."""
    targets = targets_of(row["resource"], setting)
    if row["principal"] != "bootstrapper":
        return targets
    made = {"service-account": setting.spec.service_account.email is None, "encryption.key": setting.creates_key}
    project = targets_of("project", setting)
    return tuple(
        place
        for target in targets
        for place in (project if target.resource is None or made.get(target.address) else (target,))
    )


def _bindings_of_file(setting: Setting) -> Iterator[Binding]:
    """What the file grants in so many words: bucket access, secret and repository readers, extra bindings."""
    spec = setting.spec
    for name, bucket in spec.buckets.items():
        target = Target(bucket_resource(bucket.given_name), f"buckets.{name}", ours=True)
        for role, members in (
            ("roles/storage.objectAdmin", bucket.access.object_admin),
            ("roles/storage.objectViewer", bucket.access.object_viewer),
            ("roles/storage.objectCreator", bucket.access.object_creator),
        ):
            yield from _granted(
                setting, "spec.bucket-access", role, "bucket", target, members, f"buckets.{name}.access"
            )
    for name, secret in (spec.secrets.create if spec.secrets else {}).items():
        full = secret_resource(spec.project, secret.given_name)
        target = Target(full, f"secrets.{name}", ours=True)
        yield from _granted(
            setting,
            "spec.secret-reader",
            "roles/secretmanager.secretAccessor",
            "secret",
            target,
            secret.readers,
            f"secrets.create.{name}.readers",
        )
    if spec.repository:
        full = f"//artifactregistry.googleapis.com/projects/{spec.project}/locations/{spec.region}/repositories/{spec.repository.name}"
        target = Target(full, "repository", ours=True)
        yield from _granted(
            setting,
            "spec.repository-reader",
            "roles/artifactregistry.reader",
            "repository",
            target,
            spec.repository.readers,
            "repository.readers",
        )
    for extra in spec.iam.extra_bindings:
        yield from _granted(
            setting,
            "spec.extra-binding",
            extra.role,
            *target_named(extra.on, setting),
            extra.members,
            "iam.extraBindings",
        )


def _granted(
    setting: Setting, identifier: str, role: str, kind: str, target: Target, members: list[str], where: str
) -> Iterator[Binding]:
    for text in members:
        environment = text == "environment"
        yield Binding(
            id=identifier,
            principal="env_sa" if environment else "named",
            member=f"serviceAccount:{setting.account_email}" if environment else text,
            role=role,
            resource_kind=kind,
            resource=target.resource,
            target=target.address,
            requirement=Requirement.REQUIRED,
            why=f"the file grants it: {where}",
            when="always",
            source=("environment file",),
            confidence="high",
            managed=True,
        )


def required_apis(spec: Environment, foundation: Foundation | None = None) -> tuple[str, ...]:
    """The APIs of the environment's project in the order in which they are switched on; Composer comes last.

    Composer's own needs its neighbours on, and keys can be granted only to agents of APIs that are on.
    """
    setting = setting_of(spec, foundation)
    rows = [
        row
        for row in load_table("preconditions")["rows"]
        if row["kind"] == "api" and "left_out" not in row and applies(row["generations"], row["when"], setting)
    ]
    return tuple(dict.fromkeys(row["subject"] for row in sorted(rows, key=lambda row: row["order"])))


@dataclass(frozen=True, slots=True)
class CustomRole:
    """A role with nothing but the permissions that the operations of the table need from one principal."""

    id: str
    title: str
    permissions: tuple[str, ...]
    leaves_out: tuple[str, ...]
    """Needed rows of this principal that a role of the project cannot give, because they sit on other objects."""


_CUSTOM: Final[Mapping[str, frozenset[str]]] = {
    "deployer": frozenset({"deployer", "bootstrapper"}),
    **{name: frozenset({name}) for name in ("bootstrapper", "dag_author", "airflow_user", "operator", "doctor")},
}
"""Kinds of people or CI that a custom role can be made for, with the principals of the table that each one is."""


def custom_role(spec: Environment, principal: str, foundation: Foundation | None = None) -> CustomRole:
    """The custom role of one kind of people or CI, for the environment's project.

    Raises:
        UsageError: for the environment's account and Google's agents, whose full needs Google does not publish:
            the table holds samples of their roles, and a role made of samples would break the environment.
    """
    if principal not in _CUSTOM:
        raise UsageError(
            f"No custom role can be made for {principal!r}",
            detail=f"Custom roles are for {', '.join(sorted(_CUSTOM))}. What the environment's account and Google's "
            "agents need is known only as their predefined roles.",
            code="custom-role-principal",
        )
    bindings = [item for item in required_bindings(spec, foundation) if item.principal in _CUSTOM[principal]]
    bindings = [item for item in bindings if item.needed or principal == "doctor"]
    on_project = [item for item in bindings if item.target == "project"]
    by_step = step_permissions(setting_of(spec, foundation), Verb)
    return CustomRole(
        id=f"envctl_{principal}",
        title=f"envctl {principal.replace('_', ' ')}",
        permissions=tuple(
            sorted(
                {
                    permission
                    for item in on_project
                    for permission in (*item.permissions, *(p for row in item.ids for p in by_step.get(row, ())))
                }
            )
        ),
        leaves_out=tuple(sorted({item.id for item in bindings if item.target != "project"})),
    )
