"""What may be reached from outside."""

from __future__ import annotations

from pulumi_policy import ResourceValidationArgs

from envctl.policies.rule import ENVIRONMENT, PRODUCTION, Rule, setting


def _private_environment(args: ResourceValidationArgs) -> str | None:
    """An environment's components have no public addresses.

    Workers, schedulers and the database of a private environment talk inside a network only. Composer 3 says so
    with `enablePrivateEnvironment`, Composer 2 with a private configuration.
    """
    config = setting(args.props, "config") or {}
    image = setting(config, "softwareConfig.imageVersion") or ""
    if str(image).startswith("composer-2"):
        if setting(config, "privateEnvironmentConfig") is None:
            return "The environment has public addresses: it has no privateEnvironmentConfig."
        return None
    if setting(config, "enablePrivateEnvironment") is not True:
        return "The environment has public addresses: enablePrivateEnvironment is not true."
    return None


def _private_nodes(args: ResourceValidationArgs) -> str | None:
    """Nodes of clusters have no public addresses.

    Pods of operators run there, with the rights of the environment's account.
    """
    if setting(args.props, "privateClusterConfig.enablePrivateNodes") is not True:
        return "The cluster's nodes have public addresses: privateClusterConfig.enablePrivateNodes is not true."
    return None


def _restricted_web_server(args: ResourceValidationArgs) -> str | None:
    """The Airflow UI is not open to every address.

    IAM guards it all the same; a list of ranges takes the login page off the whole internet.
    """
    ranges = setting(args.props, "config.webServerNetworkAccessControl.allowedIpRanges")
    if not ranges:
        return "Every address may reach the Airflow UI: there is no list of allowed ranges."
    open_ = [r["value"] for r in ranges if r["value"] in {"0.0.0.0/0", "::/0", "::0/0"}]
    return f"Every address may reach the Airflow UI: {', '.join(open_)} is allowed." if open_ else None


RULES = (
    Rule(
        "private-environment",
        PRODUCTION,
        "write `network: {mode: private, ...}`",
        {ENVIRONMENT: _private_environment},
    ),
    Rule(
        "no-public-ip",
        PRODUCTION,
        "give the cluster private nodes",
        {"gcp:container/cluster:Cluster": _private_nodes},
    ),
    Rule(
        "web-server-restricted",
        PRODUCTION,
        "write `webServer: {allowedRanges: [{cidr: ..., description: ...}]}`",
        {ENVIRONMENT: _restricted_web_server},
    ),
)
