"""Google's discovery documents as judge of what the emulator accepts and answers."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from discovery_tables import APIS, document, methods_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envctl.sandbox.cloud import Cloud
    from envctl.sandbox.messages import Request, Response

DOCUMENT_OF_VERSION = {
    ("compute", "beta"): "compute.v1",
    ("storage", "upload"): "storage.v1",
    ("storage", "download"): "storage.v1",
    ("storage", "xml"): "storage.v1",
}


RANGES = {
    "int32": range(-(2**31), 2**31),
    "uint32": range(2**32),
    "int64": range(-(2**63), 2**63),
    # Ids are unsigned in the documents; the real plugin reads them as signed numbers, and Google's are.
    "uint64": range(2**63),
}


def document_name(service: str, version: str) -> str:
    name = DOCUMENT_OF_VERSION.get((service, version), f"{service}.{version}")
    assert name in APIS[service], name
    return name


@cache
def _index(name: str) -> dict[str, dict[str, Any]]:
    return {entry["id"]: entry for entry in methods_of(document(name))}


def method(service: str, version: str, identifier: str) -> tuple[str, dict[str, Any]] | None:
    name = document_name(service, version)
    entry = _index(name).get(identifier)
    return (name, entry) if entry else None


def judge(cloud: Cloud, request: Request, response: Response, *, requests: bool = True) -> list[str]:
    """What the documents have against an exchange; nothing for refusals and content that is not JSON."""
    if response.status >= 400 or "enum-encoding=int" in str(request.query):
        return []
    service, path = cloud._service(request, "")
    based = cloud.router.base(service, path)
    match = cloud.router.match(service, based[0], request.method, based[1]) if based else None
    assert match is not None, path
    found = method(service.name, match.version, match.route.method)
    assert found is not None, match.route.method
    name, entry = found
    complaints: list[str] = []
    if requests and "request" in entry and request.body and "json" in (request.header("content-type") or "json"):
        # The provider sends null for what is not set.
        sent = {key: value for key, value in json.loads(request.body).items() if value is not None}
        complaints += [f"request {text}" for text in problems(name, entry["request"]["$ref"], sent)]
    if "response" in entry and response.body and "json" in response.headers["Content-Type"]:
        complaints += [f"answer {text}" for text in problems(name, entry["response"]["$ref"], response.json())]
    return complaints


def problems(name: str, schema: str, value: Any) -> list[str]:
    return list(_object(document(name)["schemas"], schema, value, schema))


def _object(schemas: dict[str, Any], schema: str, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: not an object: {value!r}"
        return
    known = schemas[schema]
    properties = known.get("properties", {})
    rest = known.get("additionalProperties")
    for key, item in value.items():
        if key == "@type":
            continue
        if key in properties:
            yield from _value(schemas, properties[key], item, f"{path}.{key}")
        elif rest is not None:
            yield from _value(schemas, rest, item, f"{path}.{key}")
        else:
            yield f"{path}.{key}: unknown field"


def _value(schemas: dict[str, Any], spec: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    if "$ref" in spec:
        yield from _object(schemas, spec["$ref"], value, path)
        return
    match spec.get("type"):
        case "array":
            if not isinstance(value, list):
                yield f"{path}: not a list: {value!r}"
                return
            for index, item in enumerate(value):
                yield from _value(schemas, spec["items"], item, f"{path}[{index}]")
        case "object":
            if not isinstance(value, dict):
                yield f"{path}: not an object: {value!r}"
                return
            yield from _map(schemas, spec, value, path)
        case "string":
            if not isinstance(value, str):
                yield f"{path}: not a string: {value!r}"
            elif spec.get("format") in RANGES:
                yield from _number_in_text(spec["format"], value, path)
            elif "enum" in spec and value not in spec["enum"]:
                yield f"{path}: not one of {spec['enum']}: {value!r}"
        case "integer":
            if isinstance(value, bool) or not isinstance(value, int):
                yield f"{path}: not an integer: {value!r}"
            elif spec.get("format", "int32") in RANGES and value not in RANGES[spec.get("format", "int32")]:
                yield f"{path}: not in the range of {spec.get('format', 'int32')}: {value!r}"
        case "number":
            if isinstance(value, bool) or not isinstance(value, int | float):
                yield f"{path}: not a number: {value!r}"
        case "boolean":
            if not isinstance(value, bool):
                yield f"{path}: not a boolean: {value!r}"
        case _:
            return


def _number_in_text(form: str, value: str, path: str) -> Iterator[str]:
    if not re.fullmatch(r"-?\d+", value):
        yield f"{path}: not a number in a string: {value!r}"
    elif int(value) not in RANGES[form]:
        yield f"{path}: not in the range of {form}: {value!r}"


def _map(schemas: dict[str, Any], spec: dict[str, Any], value: dict[str, Any], path: str) -> Iterator[str]:
    inner = spec.get("additionalProperties")
    if inner is None:
        for key, item in value.items():
            if key in spec.get("properties", {}):
                yield from _value(schemas, spec["properties"][key], item, f"{path}.{key}")
            else:
                yield f"{path}.{key}: unknown field"
        return
    for key, item in value.items():
        if key != "@type":
            yield from _value(schemas, inner, item, f"{path}.{key}")
    kind = str(value.get("@type", "")).rpartition(".")[2]
    if kind in schemas and kind != "Empty":
        yield from _object(schemas, kind, value, path)
