"""`moved: {from: KEY}`: entries whose key was another one keep the name that follows from it.

Names of things in the cloud follow from keys where the file gives none, and none of them can change in place. So an
entry that says where it comes from is called as its old key says, until the file gives it a `name`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from envctl.spec.model import Bucket, ConfigMap, Environment, ManagedSecret, NodePool, Spec, WorkloadSecret
from envctl.spec.names import bucket_name, secret_name
from envctl.spec.tree import KeyPath

Entry = Bucket | ManagedSecret | NodePool | WorkloadSecret | ConfigMap
E = TypeVar("E", Bucket, ManagedSecret, NodePool, WorkloadSecret, ConfigMap)


def keyed_entries(spec: Spec) -> Iterator[tuple[KeyPath, Mapping[str, Entry]]]:
    """Every block whose keys become names, with its path."""
    yield ("buckets",), spec.buckets
    if isinstance(spec, Environment):
        if spec.secrets is not None:
            yield ("secrets", "create"), spec.secrets.create
        yield ("nodePools",), spec.node_pools
        yield ("userWorkloads", "configMaps"), spec.user_workloads.config_maps
        yield ("userWorkloads", "secrets"), spec.user_workloads.secrets


def movable(block: KeyPath, key: str) -> bool:
    """Whether an entry can be called otherwise; the bucket that Composer works on is fixed at creation."""
    return (block, key) != (("buckets",), "environment")


def moves(spec: Spec) -> dict[KeyPath, str]:
    """The key that each moved entry had, by the path of the entry."""
    return {
        (*path, key): entry.moved.from_
        for path, entries in keyed_entries(spec)
        for key, entry in entries.items()
        if entry.moved is not None
    }


def keep_names(spec: Spec, stem: str) -> Spec:
    """The spec in which moved entries without a name have the one that their old key gives; `stem` is the file's."""
    if not moves(spec):
        return spec
    name = spec.name or stem
    buckets = _named(spec.buckets, lambda key: bucket_name(spec.project, name, key))
    if not isinstance(spec, Environment):
        return spec.model_copy(update={"buckets": buckets})
    secrets = spec.secrets
    if secrets is not None:
        secrets = secrets.model_copy(update={"create": _named(secrets.create, lambda key: secret_name(name, key))})
    workloads = spec.user_workloads.model_copy(
        update={
            "config_maps": _named(spec.user_workloads.config_maps, str),
            "secrets": _named(spec.user_workloads.secrets, str),
        }
    )
    pools = _named(spec.node_pools, str)
    return spec.model_copy(
        update={"buckets": buckets, "secrets": secrets, "node_pools": pools, "user_workloads": workloads}
    )


def kept_names(spec: Spec) -> dict[KeyPath, str]:
    """Which names `keep_names` fills, by path, and what supplies each: `moved from lake`."""
    blocks = dict(keyed_entries(spec))
    return {
        (*path, "name"): f"moved from {earlier}"
        for path, earlier in moves(spec).items()
        if blocks[path[:-1]][str(path[-1])].name is None
    }


def _named(entries: Mapping[str, E], name: Callable[[str], str]) -> dict[str, E]:
    return {
        key: entry.model_copy(update={"name": name(entry.moved.from_)})
        if entry.moved is not None and entry.name is None
        else entry
        for key, entry in entries.items()
    }
