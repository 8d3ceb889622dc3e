"""From a loaded environment file to a case: libraries in the requirements, and the operation that comes next."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from envctl.doctor.case import NO_FACTS, Case
from envctl.doctor.facts import Facts, Known, field_of
from envctl.iam_conditions import Deployment
from envctl.iam_roles import operation_id

if TYPE_CHECKING:
    from envctl.spec.loader import Loaded
    from envctl.spec.model import Environment, Foundation

_NAME = re.compile(r"^\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?=[\[<>=!~;@\s#]|$)")


def case_of(
    loaded: Loaded,
    operations: Iterable[str] = (),
    facts: Facts | None = None,
    now: datetime | None = None,
    deployment: Deployment | None = None,
    judged: str | None = None,
) -> Case:
    """The case of one environment; without `operations`, of what `preview` would do.

    `judged` is the member to look at in place of whoever runs envctl.

    Raises:
        UsageError: the file is a foundation, or no operation has that name.
    """
    from envctl.stacks.naming import named_environment, named_foundation

    return make_case(
        loaded.name,
        named_environment(loaded.environment, loaded.environment.name or loaded.name),
        named_foundation(loaded.foundation),
        operations,
        facts,
        now,
        libraries_of(loaded.environment, loaded.path.parent),
        deployment,
        judged,
    )


def make_case(
    name: str,
    spec: Environment,
    foundation: Foundation | None,
    operations: Iterable[str] = (),
    facts: Facts | None = None,
    now: datetime | None = None,
    libraries: frozenset[str] | None = None,
    deployment: Deployment | None = None,
    judged: str | None = None,
) -> Case:
    """The case of an environment that is at hand as a model."""
    case = Case(
        name=name,
        spec=spec,
        foundation=foundation,
        operations=(),
        facts=facts or NO_FACTS,
        now=now or datetime.now(UTC),
        libraries=libraries,
        handed=deployment or Deployment(),
        judged=judged,
    )
    chosen = tuple(dict.fromkeys(operation_id(item) for item in operations)) or default_operations(case)
    return replace(case, operations=chosen)


def default_operations(case: Case) -> tuple[str, ...]:
    """What `preview` would find to do: create, or else update, with packages and upgrade where the file asks for them."""
    if not isinstance(case.environment, Known):
        return (operation_id("create"),)
    chosen = [operation_id("update")]
    packages = case.spec.packages
    if packages.requirements or packages.inline or packages.bundles:
        chosen.append(operation_id("packages"))
    live = field_of(case.environment.value, "config", "softwareConfig", "imageVersion")
    if isinstance(live, str) and live != case.spec.image_version:
        chosen.append(operation_id("upgrade"))
    return tuple(chosen)


def libraries_of(spec: Environment, folder: Path) -> frozenset[str] | None:
    """Normalised names of all required packages; None when a requirements file cannot be read."""
    names = {_normal(name) for name in spec.packages.inline}
    for text in (*spec.packages.requirements, *spec.packages.bundles.values()):
        try:
            lines = (folder / text).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return None
        names |= {_normal(match[1]) for line in lines if (match := _NAME.match(line))}
    return frozenset(names)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
