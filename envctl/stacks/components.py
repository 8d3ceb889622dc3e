"""The groups of the resource tree, in the order in which a reviewer reads them."""

from __future__ import annotations

from enum import StrEnum

from envctl.stacks.declaration import Component


class Group(StrEnum):
    """One group per concern; the value is its logical name and must never change: it is part of every URN."""

    APIS = "apis"
    IDENTITIES = "identities"
    NETWORK = "network"
    ENCRYPTION = "encryption"
    STORAGE = "storage"
    SECRETS = "secrets"
    REPOSITORY = "repository"
    ACCESS = "access"
    COMPOSER = "composer"
    WORKLOADS = "workloads"
    NODE_POOLS = "node-pools"
    OBSERVABILITY = "observability"


def component(group: Group) -> Component:
    """The tree node of a group, for example `envctl:group:NodePools`."""
    return Component(group.value, f"envctl:group:{group.value.title().replace('-', '')}")


def components_for(used: frozenset[str]) -> tuple[Component, ...]:
    """Nodes of the groups that hold at least one resource, in reading order."""
    return tuple(component(group) for group in Group if group.value in used)
