"""`schema`: the JSON Schema of the files that people write."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, assert_never


class SchemaKind(StrEnum):
    """Which file."""

    ENVIRONMENT = "environment"
    PROJECT = "project"


def schema(kind: SchemaKind = SchemaKind.ENVIRONMENT) -> dict[str, Any]:
    """The schema of one kind of file, ready for `json.dumps`."""
    from envctl.spec.schema import environment_schema, project_schema

    match kind:
        case SchemaKind.ENVIRONMENT:
            return environment_schema()
        case SchemaKind.PROJECT:
            return project_schema()
        case _:
            assert_never(kind)
