"""What a foundation's file grants: people's roles in the project, readers of its buckets and repository."""

from __future__ import annotations

from envctl.errors import RefusedError
from envctl.iam_roles import Binding, required_bindings
from envctl.spec.model import Environment, Foundation, Repository, ServiceAccount
from envctl.stacks.context import ProgramContext
from envctl.stacks.naming import named_environment

_PEOPLE = frozenset({"airflow_user", "operator", "dag_author", "deployer"})
_GRANTED = frozenset({"spec.bucket-access", "spec.repository-reader"})
_KEY_USERS = frozenset({"gcs.cmek", "ar.repository-cmek"})
"""Rows of Google's agents that encrypt the foundation's own buckets and repository."""
_NOBODY = "foundation"


def foundation_bindings(name: str, spec: Foundation, context: ProgramContext) -> tuple[Binding, ...]:
    """The bindings of a foundation, from the same table as an environment's.

    The table speaks about environments, so it is asked about one that has nothing but the foundation's people,
    buckets and repository; only what those ask for is kept.

    Raises:
        RefusedError: the file grants something to `environment`, which a foundation does not have.
    """
    for key, bucket in spec.buckets.items():
        access = bucket.access
        if "environment" in (*access.object_admin, *access.object_viewer, *access.object_creator):
            raise RefusedError(
                f"The foundation {name} grants access to `environment`, which it does not have",
                detail=f"buckets.{key}.access: several environments use a foundation, each with its own account.",
                hints=("name the accounts of the environments as serviceAccount:ADDRESS",),
                code="environment-in-foundation",
            )
    asked = Environment(
        project=spec.project,
        region=spec.region,
        image_version="composer-3-airflow-2",
        service_account=ServiceAccount(name=_NOBODY),
        access=spec.access,
        encryption=spec.encryption,
        buckets=spec.buckets,
        repository=_without_environment(spec.repository),
    )
    return tuple(
        binding
        for binding in required_bindings(named_environment(asked, name), project_number=context.project_number)
        if binding.managed
        and binding.needed
        and ((binding.principal in _PEOPLE and binding.target == "project") or binding.id in _GRANTED | _KEY_USERS)
    )


def _without_environment(repository: Repository | None) -> Repository | None:
    """The repository with the readers that are people or accounts: environments bring their own bindings."""
    if repository is None:
        return None
    readers = [reader for reader in repository.readers if reader != "environment"]
    return repository.model_copy(update={"readers": readers})
