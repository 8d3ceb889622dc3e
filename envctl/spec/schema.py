"""JSON Schema of the files, for editors and for other tools.

Made from the models: types and patterns by pydantic, descriptions from the texts beside the fields. A file may be
a part of an environment (it extends another, or is abstract), may take values away with `null`, and may hold
references instead of values; the schema allows all three.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from envctl.spec.model import Environment, Foundation
from envctl.spec.settings import ProjectSettings
from envctl.spec.shape import alternatives, list_items

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE: dict[str, Any] = {
    "type": "string",
    "pattern": r"\$\{",
    "description": "A reference to another value of the environment, such as `${buckets.staging.name}`.",
}
_FILE_KEYS: dict[str, Any] = {
    "extends": {"type": "string", "description": "A file of the same folder, by its name, that this one is laid on."},
    "abstract": {"type": "boolean", "description": "`true`: a base for other files, no environment of its own."},
}


def environment_schema() -> dict[str, Any]:
    """The schema of the files below `environments/`."""
    definitions = _definitions(Environment, Foundation, partial=True)
    for name in ("Environment", "Foundation"):
        block = definitions[name]
        required = block.pop("required")
        block["properties"] = _FILE_KEYS | block["properties"]
        block["if"] = {"not": {"anyOf": [{"required": ["extends"]}, {"required": ["abstract"]}]}}
        block["then"] = {"required": required}
    return {
        "$schema": DRAFT,
        "title": "envctl environment file",
        "description": "One Cloud Composer environment, a foundation, or a base that others extend.",
        "type": "object",
        "if": {"properties": {"kind": {"const": "foundation"}}, "required": ["kind"]},
        "then": {"$ref": "#/$defs/Foundation"},
        "else": {"$ref": "#/$defs/Environment"},
        "$defs": definitions | {"reference": _REFERENCE},
    }


def project_schema() -> dict[str, Any]:
    """The schema of `envctl.yaml`."""
    definitions = _definitions(ProjectSettings, partial=False)
    settings = definitions.pop("ProjectSettings")
    return {"$schema": DRAFT, "title": "envctl.yaml", **settings, "$defs": definitions}


@cache
def field_texts(model: type[BaseModel]) -> dict[str, str]:
    """The text beside each field of a model, by the field's name in Python."""
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)
    texts: dict[str, str] = {}
    field: str | None = None
    for statement in body.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)):
                field = name
            case ast.Expr(value=ast.Constant(value=str(text))) if field is not None:
                texts[field] = inspect.cleandoc(text)
                field = None
            case _:
                field = None
    return texts


def blocks_below(*models: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The models and every block that they hold, by class name, in the order of the fields."""
    found: dict[str, type[BaseModel]] = {}
    waiting = list(models)
    while waiting:
        model = waiting.pop(0)
        if model.__name__ not in found:
            found[model.__name__] = model
            for field in model.model_fields.values():
                waiting += _blocks_in(field.annotation)
    return found


def _blocks_in(annotation: object) -> list[type[BaseModel]]:
    found: list[type[BaseModel]] = []
    for each in alternatives(annotation):
        if isinstance(each, type) and issubclass(each, BaseModel):
            found.append(each)
        else:
            for argument in getattr(each, "__args__", ()):
                found += _blocks_in(argument)
    return found


def _definitions(*models: type[BaseModel], partial: bool) -> dict[str, Any]:
    """The blocks below the models; `partial` ones take references and `null`, and need no keys of their own."""
    schemas = models_json_schema([(model, "validation") for model in models], by_alias=True)[1]
    definitions: dict[str, Any] = schemas["$defs"]
    in_lists = {item for model in blocks_below(*models).values() for item in list_items(model)}
    for name, model in blocks_below(*models).items():
        block = definitions[name]
        block["description"] = inspect.cleandoc(model.__doc__ or "")
        required: list[str] = block.get("required", [])
        texts = field_texts(model)
        for python_name, field in model.model_fields.items():
            key = field.alias or python_name
            nullable = partial and (key not in required or name not in in_lists)
            complete = _complete(block["properties"][key], nullable=nullable, references=partial)
            block["properties"][key] = complete | {"description": texts[python_name]}
        # A block inside a mapping may get its other keys from the base; list items stand alone, for lists replace.
        if partial and name not in in_lists and model not in models:
            block.pop("required", None)
    for definition in definitions.values():
        definition.pop("title", None)
    return definitions


def _complete(schema: dict[str, Any], *, nullable: bool, references: bool) -> dict[str, Any]:
    """A property's schema that also takes references, and `null` where that means to take the value away."""
    schema = {key: value for key, value in schema.items() if key not in {"title", "description"}}
    default = {"default": schema.pop("default")} if schema.get("default") is not None else {}
    schema.pop("default", None)
    branches = [branch for branch in schema.pop("anyOf", [schema]) if branch != {"type": "null"}]
    branches = [_inside(branch, nullable=nullable, references=references) for branch in branches]
    if references and any(_closed(branch) for branch in branches):
        branches.append({"$ref": "#/$defs/reference"})
    if nullable:
        branches.append({"type": "null"})
    if len(branches) == 1:
        return branches[0] | default
    return {"anyOf": branches} | default


def _inside(schema: dict[str, Any], *, nullable: bool, references: bool) -> dict[str, Any]:
    """Lists and free mappings with completed items."""
    if isinstance(items := schema.get("items"), dict):
        return schema | {"items": _complete(items, nullable=False, references=references)}
    if isinstance(values := schema.get("additionalProperties"), dict):
        return schema | {"additionalProperties": _complete(values, nullable=nullable, references=references)}
    return schema


def _closed(schema: dict[str, Any]) -> bool:
    """Whether a reference would not fit the schema as it is: anything but plain text, lists and blocks."""
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[-1] in _ENUMS
    kind = schema.get("type")
    return kind in {"integer", "number", "boolean"} or (
        kind == "string" and bool({"pattern", "enum", "const", "maxLength", "minLength"} & set(schema))
    )


_ENUMS = {"Profile", "Size", "Resilience", "NetworkMode", "TaskLogs", "SecretsBackendKind", "Integration"}
