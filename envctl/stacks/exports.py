"""What a stack tells others: addresses and names, nothing secret."""

from __future__ import annotations

from envctl.spec.model import Environment
from envctl.stacks.declaration import Input, Ref
from envctl.stacks.environment import ENVIRONMENT
from envctl.stacks.network import NetworkLinks
from envctl.stacks.scope import Scope
from envctl.stacks.storage import bucket_resource_name


def environment_exports(scope: Scope, spec: Environment, account: str) -> dict[str, Input]:
    """Where the environment answers and what it runs as."""
    exports: dict[str, Input] = {
        "environment": Ref(ENVIRONMENT, "name"),
        "project": scope.project,
        "region": scope.region,
        "imageVersion": spec.image_version,
        "airflowUri": Ref(ENVIRONMENT, "config.airflowUri"),
        "dagGcsPrefix": Ref(ENVIRONMENT, "config.dagGcsPrefix"),
        "bucket": Ref(ENVIRONMENT, "storageConfig.bucket"),
        "serviceAccount": account,
    }
    if spec.buckets:
        exports["buckets"] = {
            key: bucket.existing or Ref(bucket_resource_name(key), "name")
            for key, bucket in sorted(spec.buckets.items())
        }
    if spec.node_pools:
        exports["cluster"] = Ref("cluster", "name")
    return exports


def foundation_exports(
    scope: Scope, links: NetworkLinks, key: Input, repository: Input, channels: tuple[str, ...]
) -> dict[str, Input]:
    """What environments refer to: network, key, repository and notification channels."""
    exports: dict[str, Input] = {"project": scope.project, "region": scope.region}
    found: dict[str, Input] = {
        "network": links.network,
        "subnetwork": links.subnetwork,
        "podsRange": links.pods_range,
        "servicesRange": links.services_range,
        "key": key,
        "repository": repository,
        "notificationChannels": list(channels) or None,
    }
    return {**exports, **{name: value for name, value in found.items() if value is not None}}
