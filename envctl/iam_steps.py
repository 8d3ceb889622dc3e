"""What each step of a plan takes from whoever runs it: permissions by row of the bindings table.

The table is `envctl/data/iam/steps.json`: a resource type and what is done to it name the permissions, and the row of
`bindings.json` that gives them. The doctor's checks of the caller, `envctl iam` and custom roles all read it here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

from envctl.iam_conditions import Setting, holds

_TABLE: Final = Path(__file__).parent / "data" / "iam" / "steps.json"


class Verb(StrEnum):
    """What a step does to a resource; every preview reads all of them."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"


VERBS: Final[Mapping[str, tuple[Verb, ...]]] = {
    "create-environment": (Verb.READ, Verb.CREATE),
    "update-config": (Verb.READ, Verb.UPDATE),
    "update-pypi-packages": (Verb.READ, Verb.UPDATE),
    "upgrade-environment": (Verb.READ, Verb.UPDATE),
    "delete-environment": (Verb.READ, Verb.DELETE),
}
"""What the operations of a stack do to its resources, by id of the operations table."""


@cache
def load_steps() -> Mapping[str, Any]:
    """The shipped table."""
    return json.loads(_TABLE.read_text(encoding="utf-8"))


def step_permissions(
    setting: Setting, verbs: Iterable[Verb], *, kinds: Iterable[str] | None = None
) -> dict[str, tuple[str, ...]]:
    """The permissions of steps, by id of the row that gives them.

    Whether the environment has such a resource at all is the row's own question.

    Args:
        setting: the environment.
        verbs: what is done.
        kinds: resource types, without the package (`projects/service:Service`); every type for None.
    """
    wanted = tuple(verbs)
    ends = None if kinds is None else tuple(f":{kind}" for kind in kinds)
    found: dict[str, tuple[str, ...]] = {}
    for step in load_steps()["steps"]:
        if ends is not None and not step["type"].endswith(ends):
            continue
        permissions = [name for verb in wanted for name in step[verb.value]]
        if permissions and all(holds(predicate, setting) for predicate in step["when"]):
            found[step["binding"]] = tuple(dict.fromkeys((*found.get(step["binding"], ()), *permissions)))
    return found
