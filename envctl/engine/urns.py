"""URNs and provider references, built and read as Pulumi does."""

from __future__ import annotations

from envctl.engine.protocol import StackRef

STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"
UNKNOWN_ID = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands for a string that is known after apply wherever only a string fits: Pulumi's own sentinel."""


def qualified_type_of(urn: str) -> str:
    """The type with its parents' types (`Outer$Inner`)."""
    return urn.split("::", 3)[2]


def type_of(urn: str) -> str:
    """The type token alone."""
    return qualified_type_of(urn).rsplit("$", 1)[-1]


def name_of(urn: str) -> str:
    """The logical name."""
    return urn.split("::", 3)[3]


def make_urn(stack: StackRef, parent: str, type_: str, name: str) -> str:
    """The URN of a resource; children of the stack itself carry no parent type."""
    prefix = ""
    if parent:
        parent_type = qualified_type_of(parent)
        prefix = "" if parent_type == STACK_TYPE else parent_type + "$"
    return f"urn:pulumi:{stack.stack}::{stack.project}::{prefix}{type_}::{name}"


def stack_prefix(stack: StackRef) -> str:
    """What every URN of the stack begins with."""
    return f"urn:pulumi:{stack.stack}::{stack.project}::"


def is_provider(type_: str) -> bool:
    """Whether the type is that of a provider resource."""
    return type_.startswith(PROVIDER_PREFIX)


def is_default_provider(urn: str) -> bool:
    """Whether the resource is a provider that the engine made by itself."""
    return is_provider(type_of(urn)) and name_of(urn).startswith("default")


def package_of(type_: str) -> str:
    """The package of a type token (`gcp` of `gcp:storage/bucket:Bucket`)."""
    return type_.split(":", 1)[0]


def provider_urn(reference: str) -> str:
    """The URN in a provider reference (`URN::ID`)."""
    return reference.rsplit("::", 1)[0]


def provider_id(reference: str) -> str:
    """The id in a provider reference."""
    return reference.rsplit("::", 1)[1]


def default_provider_name(version: str) -> str:
    """The logical name that Pulumi gives the default provider of a package at a version (may be empty)."""
    if not version:
        return "default"
    return "default_" + version.replace("+", ".").replace("-", ".").replace(".", "_")
