"""`envctl iam`: the complete role set of an environment, and custom roles made of what is really needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from envctl.iam_roles import Binding, CustomRole, custom_role, operation_id, required_apis, required_bindings

if TYPE_CHECKING:
    from envctl.iam_conditions import Deployment
    from envctl.spec.loader import Loaded
    from envctl.spec.model import Foundation


@dataclass(frozen=True, slots=True)
class RoleSetRequest:
    """Which environment, for which operation (all for None), and how envctl is run on it."""

    loaded: Loaded
    operation: str | None = None
    project_number: str | None = None
    with_optional: bool = True
    deployment: Deployment | None = None


@dataclass(frozen=True, slots=True)
class RoleSet:
    """Every binding of an environment, and the APIs in the order in which they are switched on."""

    environment: str
    operation: str | None
    bindings: tuple[Binding, ...]
    apis: tuple[str, ...]


def role_set(request: RoleSetRequest) -> RoleSet:
    """The role set of one environment.

    Raises:
        UsageError: the file is a foundation, or no operation has that name.
    """
    spec, foundation = request.loaded.environment, _foundation(request.loaded)
    found = required_bindings(
        spec,
        foundation,
        operation=request.operation,
        project_number=request.project_number,
        deployment=request.deployment,
    )
    return RoleSet(
        environment=request.loaded.name,
        operation=operation_id(request.operation) if request.operation else None,
        bindings=found if request.with_optional else tuple(item for item in found if item.needed),
        apis=required_apis(spec, foundation),
    )


def role_of(loaded: Loaded, principal: str) -> CustomRole:
    """The custom role of one kind of principal (`deployer`, `bootstrapper`, `dag_author`, ...).

    Raises:
        UsageError: the file is a foundation, or no custom role can be made for the principal.
    """
    return custom_role(loaded.environment, principal.replace("-", "_"), _foundation(loaded))


def _foundation(loaded: Loaded) -> Foundation | None:
    spec = loaded.foundation.spec if loaded.foundation else None
    return spec if spec is not None and spec.kind == "foundation" else None
