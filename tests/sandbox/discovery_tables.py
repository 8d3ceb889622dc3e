"""Builds the two tables that the emulator ships, from discovery documents and the official clients.

Run as a script it writes them; `test_sandbox_tables.py` compares them with what is shipped.
"""

from __future__ import annotations

import importlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import googleapiclient

DATA = Path(__file__).parents[2] / "envctl" / "data" / "sandbox"
DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"

# service -> discovery documents, later ones win
APIS = {
    "composer": ("composer.v1", "composer.v1beta1"),
    "storage": ("storage.v1",),
    "iam": ("iam.v1", "iam.v2"),
    "cloudresourcemanager": ("cloudresourcemanager.v1", "cloudresourcemanager.v3"),
    "serviceusage": ("serviceusage.v1", "serviceusage.v1beta1"),
    "cloudkms": ("cloudkms.v1",),
    "compute": ("compute.v1",),
    "container": ("container.v1", "container.v1beta1"),
    "secretmanager": ("secretmanager.v1",),
    "artifactregistry": ("artifactregistry.v1",),
    "logging": ("logging.v2",),
    "monitoring": ("monitoring.v3",),
    "orgpolicy": ("orgpolicy.v2",),
    "bigquery": ("bigquery.v2",),
    "iamcredentials": ("iamcredentials.v1",),
    "cloudbilling": ("cloudbilling.v1",),
}
# service -> modules of the official clients that know the numbers of enum values
CLIENTS = {
    "composer": (
        "google.cloud.orchestration.airflow.service_v1.types",
        "google.cloud.orchestration.airflow.service_v1beta1.types",
    ),
    "cloudresourcemanager": ("google.cloud.resourcemanager_v3.types",),
    "serviceusage": ("google.cloud.service_usage_v1.types",),
    "cloudkms": ("google.cloud.kms_v1.types",),
    "secretmanager": ("google.cloud.secretmanager_v1.types",),
    "artifactregistry": ("google.cloud.artifactregistry_v1.types",),
}


@cache
def document(name: str) -> dict[str, Any]:
    return json.loads((DOCUMENTS / f"{name}.json").read_text())


def methods_of(node: dict[str, Any]) -> list[dict[str, Any]]:
    found = list(node.get("methods", {}).values())
    for resource in node.get("resources", {}).values():
        found.extend(methods_of(resource))
    return found


def path_of(document_: dict[str, Any], method: dict[str, Any]) -> str:
    return (document_.get("servicePath", "") + method.get("flatPath", method["path"])).strip("/")


def build_methods() -> dict[str, Any]:
    services: dict[str, list[list[str]]] = {}
    for service, names in APIS.items():
        rows = []
        for name in names:
            doc = document(name)
            rows.extend(
                [method["id"], method["httpMethod"], re.sub(r"\{\+?\w+\}", "{}", path_of(doc, method))]
                for method in methods_of(doc)
            )
        services[service] = sorted(rows)
    return {
        "source": "Google API discovery documents, from the package google-api-python-client",
        "services": services,
    }


def _protobuf_messages(service: str) -> dict[str, Any]:
    """Message descriptors by short name."""
    found: dict[str, Any] = {}
    for module_name in CLIENTS[service]:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            value = getattr(module, name)
            if hasattr(value, "pb"):
                _collect(value.pb().DESCRIPTOR, found)
    return found


def _collect(descriptor: Any, found: dict[str, Any]) -> None:
    found[descriptor.name] = descriptor
    for nested in descriptor.nested_types:
        _collect(nested, found)
    for field in descriptor.fields:
        kind = field.message_type
        if kind is not None and kind.name not in found:
            _collect(kind, found)


def build_enums() -> dict[str, Any]:
    services = {}
    for service in CLIENTS:
        descriptors = _protobuf_messages(service)
        messages: dict[str, dict[str, str]] = {}
        enums: dict[str, dict[str, int]] = {}
        methods: dict[str, list[str]] = {}
        for name in APIS[service]:
            doc = document(name)
            for schema_name, schema in doc["schemas"].items():
                fields = messages.setdefault(schema_name, {})
                for field, spec in schema.get("properties", {}).items():
                    fields.update(_field(schema_name, field, spec, descriptors, enums))
            for method in methods_of(doc):
                request = method.get("request", {}).get("$ref", "")
                methods[method["id"]] = [request, method.get("response", {}).get("$ref", "")]
        _prune(messages)
        services[service] = {
            "messages": {key: dict(sorted(value.items())) for key, value in sorted(messages.items()) if value},
            "enums": dict(sorted(enums.items())),
            "methods": dict(sorted(methods.items())),
        }
    return {
        "source": "Discovery documents (google-api-python-client) and descriptors of the official clients",
        "services": services,
    }


def _field(
    schema: str, field: str, spec: dict[str, Any], descriptors: dict[str, Any], enums: dict[str, Any]
) -> dict[str, str]:
    prefix = ""
    if spec.get("type") == "array":
        spec = spec["items"]
    elif "additionalProperties" in spec and "$ref" in spec["additionalProperties"]:
        spec, prefix = spec["additionalProperties"], "*"
    if "$ref" in spec:
        return {field: prefix + spec["$ref"]}
    if schema == "Operation" and field in {"metadata", "response"}:
        return {field: "Any"}
    if "enum" not in spec:
        return {}
    key = f"{schema}.{field}"
    # Discovery documents list the values mostly in the order of their numbers; that is good enough only for
    # enums that the client does not know yet.
    numbers = {name: number for number, name in enumerate(spec["enum"])}
    descriptor = descriptors.get(schema)
    known = next((entry for entry in descriptor.fields if entry.json_name == field), None) if descriptor else None
    if known is not None and known.enum_type is not None:
        numbers = {value.name: value.number for value in known.enum_type.values}
    enums[key] = numbers
    if key == "OperationMetadata.state" and "SUCCESSFUL" in enums[key]:
        # v1 says SUCCEEDED, v1beta1 SUCCESSFUL; both are 3.
        enums[key] = {"SUCCEEDED": 3, **enums[key]}
    return {field: f"={key}"}


def _prune(messages: dict[str, dict[str, str]]) -> None:
    """Drop references to messages in which no enum can be found."""
    while True:
        changed = False
        for fields in messages.values():
            for field, kind in list(fields.items()):
                target = kind.removeprefix("*")
                if not kind.startswith("=") and target != "Any" and not messages.get(target):
                    del fields[field]
                    changed = True
        if not changed:
            return


def render(table: dict[str, Any]) -> str:
    return json.dumps(table, separators=(",", ":")).replace('},"', '},\n"') + "\n"


def build_requests() -> dict[str, Any]:
    """What the requests of all implemented methods are made of, by document: message or query -> field -> type."""
    from envctl.sandbox.cloud import Cloud

    documents = {}
    standard: set[str] = set()
    for service in Cloud().router.services:
        implemented = {route.method for route in service.routes}
        for name in APIS[service.name]:
            doc = document(name)
            standard |= set(doc["parameters"])
            methods: dict[str, list[Any]] = {}
            messages: dict[str, dict[str, str]] = {}
            for method in methods_of(doc):
                if method["id"] not in implemented:
                    continue
                query = {
                    parameter: ("[" if spec.get("repeated") else "") + _type(spec, method["id"], parameter)
                    for parameter, spec in sorted(method.get("parameters", {}).items())
                    if spec["location"] == "query"
                }
                request = method.get("request", {}).get("$ref", "")
                methods[method["id"]] = [request, query]
                if request:
                    _reach(doc["schemas"], request, messages, set())
            documents[name] = {
                "methods": dict(sorted(methods.items())),
                "messages": {key: dict(sorted(value.items())) for key, value in sorted(messages.items())},
            }
    return {
        "source": "Google API discovery documents, from the package google-api-python-client",
        "standardParameters": sorted(standard),
        "documents": documents,
    }


def _reach(schemas: dict[str, Any], name: str, messages: dict[str, dict[str, str]], seen: set[str]) -> None:
    if name in seen:
        return
    seen.add(name)
    fields = messages.setdefault(name, {})
    for field, spec in schemas[name].get("properties", {}).items():
        fields[field] = _type(spec, name, field)
        for kind in re.findall(r"\$([\w.]+)", fields[field]):
            if kind in schemas:
                _reach(schemas, kind, messages, seen)
            else:
                # A message that the document writes out where it is used.
                inline = spec.get("items", spec)
                schemas = {**schemas, kind: inline}
                _reach(schemas, kind, messages, seen)


def _type(spec: dict[str, Any], owner: str, field: str) -> str:
    if "$ref" in spec:
        return "$" + spec["$ref"]
    match spec.get("type"):
        case "array":
            return "[" + _type(spec["items"], owner, field)
        case "object" if "additionalProperties" in spec:
            return "{" + _type(spec["additionalProperties"], owner, field)
        case "object" if "properties" in spec:
            return f"${owner}.{field}"
        case "string":
            if "enum" in spec:
                return "=" + "|".join(spec["enum"])
            formats = {"int64": "l", "uint64": "L", "google-duration": "D", "google-datetime": "T", "date-time": "T"}
            return formats.get(spec.get("format", ""), "s")
        case "integer":
            return "u" if spec.get("format") == "uint32" else "i"
        case "number":
            return "n"
        case "boolean":
            return "b"
        case _:
            return "o"


if __name__ == "__main__":
    (DATA / "methods.json").write_text(render(build_methods()))
    (DATA / "enums.json").write_text(render(build_enums()))
    (DATA / "requests.json").write_text(render(build_requests()))
