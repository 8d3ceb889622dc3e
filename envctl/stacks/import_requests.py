"""Which resources a file asks to take over, with `import: true`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from envctl.spec.loader import Loaded
from envctl.spec.model import Bucket, Encryption, Environment, Repository, Vpc
from envctl.stacks.encryption import KEY, KEY_RING
from envctl.stacks.environment import ENVIRONMENT
from envctl.stacks.identities import ACCOUNT
from envctl.stacks.network import FIREWALL_HEALTH_CHECKS, FIREWALL_INTERNAL, NAT, NETWORK, ROUTER, SUBNETWORK
from envctl.stacks.node_pools import CLUSTER, pool_resource_name
from envctl.stacks.repository import REPOSITORY
from envctl.stacks.secrets import secret_resource_name
from envctl.stacks.storage import bucket_resource_name
from envctl.stacks.workloads import config_map_resource_name, workload_secret_resource_name


def import_asked(loaded: Loaded) -> frozenset[str]:
    """Logical names of what may become this stack's as it is; whether it exists, and whose it is now, is not asked here.

    What has no block of its own goes with the block that makes it: a subnet with its network, a cluster with any of its
    node pools, Kubernetes secrets and config maps with their environment.
    """
    spec = loaded.spec
    if isinstance(spec, Environment):
        return frozenset(_of_environment(spec))
    return frozenset(_of_shared(spec.network, spec.encryption, spec.repository, spec.buckets))


def _of_environment(spec: Environment) -> Iterator[str]:
    yield from _of_shared(spec.network.vpc, spec.encryption, spec.repository, spec.buckets)
    if spec.import_:
        yield ENVIRONMENT
        yield from map(config_map_resource_name, spec.user_workloads.config_maps)
        yield from map(workload_secret_resource_name, spec.user_workloads.secrets)
    if spec.service_account.import_:
        yield ACCOUNT
    if spec.secrets is not None:
        yield from (secret_resource_name(key) for key, secret in spec.secrets.create.items() if secret.import_)
    pools = [pool_resource_name(key) for key, pool in spec.node_pools.items() if pool.import_]
    yield from (*pools, CLUSTER) if pools else ()


def _of_shared(
    vpc: Vpc | None, encryption: Encryption | None, repository: Repository | None, buckets: Mapping[str, Bucket]
) -> Iterator[str]:
    """What environments and foundations have in common."""
    if vpc is not None and vpc.import_:
        yield from (NETWORK, SUBNETWORK, FIREWALL_INTERNAL, FIREWALL_HEALTH_CHECKS)
        yield from (ROUTER, NAT) if vpc.nat else ()
    if encryption is not None and encryption.key.import_:
        yield from (KEY_RING, KEY)
    if repository is not None and repository.import_:
        yield REPOSITORY
    yield from (bucket_resource_name(key) for key, bucket in buckets.items() if bucket.import_)
