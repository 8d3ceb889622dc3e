"""The shipped schemas against the types of the installed pulumi-gcp: an upgrade that changes an input shows here."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

from envctl.provider.registry import all_specs
from envctl.provider.schema import Kind, ResourceSchema, field_at, known_types, load_schema, walk_fields

DIFFERENCES: dict[str, tuple[set[str], set[str]]] = {
    "gcp:container/nodePool:NodePool": ({"bestEffortProvisioning"}, set()),
    "gcp:secretmanager/secret:Secret": ({"secretType"}, set()),
}
"""Per type: inputs that only the package (10.2.0) has, inputs that only the shipped schema has."""

PACKAGE = Path(next(iter(importlib.util.find_spec("pulumi_gcp").submodule_search_locations)))  # type: ignore[union-attr,arg-type]


def package_inputs(token: str) -> set[str]:
    """Names of the inputs that the package's own resource class takes, in lower case; read, not imported: that is slow."""
    module, name = token.removeprefix("gcp:").split("/")[0], token.rsplit(":", 1)[1]
    for file in (PACKAGE / module).glob("*.py"):
        text = file.read_text()
        if f"class {name}(pulumi.CustomResource)" not in text:
            continue
        tree = ast.parse(text)
        (class_,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
        (init,) = (node for node in class_.body if isinstance(node, ast.FunctionDef) and node.name == "_internal_init")
        arguments = {item.arg for item in (*init.args.args, *init.args.kwonlyargs)}
        bookkeeping = {"self", "__self__", "resource_name", "opts", "__props__"}
        return {item.replace("_", "").lower() for item in arguments - bookkeeping}
    raise LookupError(token)


@pytest.mark.parametrize("token", known_types())
def test_inputs_are_those_of_the_package(token: str) -> None:
    ours = {name.lower(): name for name, item in load_schema(token).fields.items() if item.settable}
    theirs = package_inputs(token)
    new, gone = DIFFERENCES.get(token, (set(), set()))
    assert theirs - ours.keys() == {name.lower() for name in new}
    assert {ours[name] for name in ours.keys() - theirs} == gone


@pytest.mark.parametrize("token", known_types())
def test_rules_of_the_table_name_fields_of_the_schema(token: str) -> None:
    schema, spec = load_schema(token), all_specs()[token]
    assert [path for path in spec.rules if field_at(schema, path) is None] == []
    assert [name for name in spec.identity if name not in schema.fields] == []
    if spec.labels:
        assert {spec.labels, "pulumiLabels", "effectiveLabels"} <= set(schema.fields)


@pytest.mark.parametrize("token", known_types())
def test_references_between_fields_lead_somewhere(token: str) -> None:
    schema = load_schema(token)
    for _, item in walk_fields(schema.fields):
        for path in (*item.conflicts, *item.one_of):
            assert field_at(schema, path) is not None


def test_codes_are_read() -> None:
    schema = load_schema("gcp:composer/environment:Environment")
    assert isinstance(schema, ResourceSchema)
    account = field_at(schema, "config.nodeConfig.serviceAccount")
    assert account is not None
    assert (account.kind, account.optional, account.computed, account.force_new) == (Kind.STRING, True, True, True)
    config = schema.fields["config"]
    assert (config.single, config.kind, config.settable) == (True, Kind.LIST, True)


@pytest.mark.parametrize(
    ("token", "names"),
    [
        ("gcp:secretmanager/secretVersion:SecretVersion", {"secretData"}),
        ("gcp:composer/userWorkloadsSecret:UserWorkloadsSecret", {"data"}),
        ("gcp:container/cluster:Cluster", {"masterAuth"}),
        ("gcp:composer/environment:Environment", set[str]()),
    ],
)
def test_sensitive_outputs(token: str, names: set[str]) -> None:
    assert load_schema(token).sensitive == names


def test_only_types_with_labels_get_the_mark() -> None:
    assert {token for token, spec in all_specs().items() if spec.labels} == {
        token for token in known_types() if "effectiveLabels" in load_schema(token).fields
    }
