"""What moved entries are called in states of an earlier file: `moved: {from: lake}` as aliases of resources.

A key gives its resource a logical name, and every membership of that resource's allow policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from envctl.spec.model import Spec
from envctl.spec.moved import moves
from envctl.spec.tree import KeyPath
from envctl.stacks.declaration import Resource
from envctl.stacks.node_pools import pool_resource_name
from envctl.stacks.secrets import secret_resource_name
from envctl.stacks.storage import bucket_resource_name
from envctl.stacks.workloads import config_map_resource_name, workload_secret_resource_name

_NAMES: Mapping[KeyPath, Callable[[str], str]] = {
    ("buckets",): bucket_resource_name,
    ("secrets", "create"): secret_resource_name,
    ("nodePools",): pool_resource_name,
    ("userWorkloads", "configMaps"): config_map_resource_name,
    ("userWorkloads", "secrets"): workload_secret_resource_name,
}
_MEMBERS: Mapping[KeyPath, str] = {("buckets",): "buckets", ("secrets", "create"): "secrets"}
"""How names of memberships begin (`envctl.stacks.bindings`), of blocks whose entries have an allow policy."""


def with_aliases(spec: Spec, resources: Iterable[Resource]) -> list[Resource]:
    """The resources, each with the name that it had under the key that the file moved it from."""
    whole: dict[str, str] = {}
    beginnings: list[tuple[str, str]] = []
    for path, earlier in moves(spec).items():
        block, key = path[:-1], str(path[-1])
        whole[_NAMES[block](key)] = _NAMES[block](earlier)
        if block in _MEMBERS:
            beginnings.append((f"{_MEMBERS[block]}.{key}/", f"{_MEMBERS[block]}.{earlier}/"))

    def aliased(resource: Resource) -> Resource:
        earlier = whole.get(resource.name)
        for now, before in beginnings:
            if resource.name.startswith(now):
                earlier = before + resource.name.removeprefix(now)
        if earlier is None:
            return resource
        return replace(resource, options=replace(resource.options, aliases=(earlier,)))

    return [aliased(resource) for resource in resources] if whole else list(resources)


def entry_of(name: str) -> tuple[KeyPath, str] | None:
    """The block and the key that a logical name is made of; None when it is made of none."""
    for block, named in _NAMES.items():
        start = named("")
        if name.startswith(start):
            return block, name.removeprefix(start)
    return None
