"""Networks and the way to the Airflow UI."""

# Pydantic gives every instance a copy of a mutable default of its own.
# ruff: noqa: RUF012

from typing import Annotated, Literal

from pydantic import Field

from envctl.spec.blocks.base import Block, Import, NetworkMode


class Vpc(Block):
    """A VPC of our own: network, subnet, secondary ranges, router, NAT, firewall."""

    create: Literal[True] = True
    """Always `true`: says in the file that the network is created."""
    subnet: str = "10.10.0.0/20"
    """Primary range of the subnet."""
    pods: str | None = None
    """Secondary range for pods, needed in generation 2 and for node pools."""
    services: str | None = None
    """Secondary range for services, needed in generation 2 and for node pools."""
    nat: bool = True
    """Whether machines without public addresses reach the internet through Cloud NAT."""
    flow_logs: bool = False
    """Whether the subnet keeps flow logs."""
    import_: Import = None
    """`true`, once: the next `up` takes over network, subnet, firewall rules, router and NAT that exist under the names."""


class IpAllocation(Block):
    """Generation 2: ranges of pods and services, by name of a secondary range or as CIDR."""

    pods_range_name: str | None = None
    """Name of the subnet's secondary range for pods."""
    services_range_name: str | None = None
    """Name of the subnet's secondary range for services."""
    pods_cidr: str | None = None
    """Range for pods, or its length (`/14`) to let GKE choose."""
    services_cidr: str | None = None
    """Range for services, or its length (`/20`) to let GKE choose."""


class AuthorizedNetwork(Block):
    """A range that may reach the control plane of the environment's cluster (generation 2)."""

    cidr: str
    """The range."""
    description: str = ""
    """Whose range it is."""


class PrivateEnvironment(Block):
    """Generation 2, private mode: ranges and the way to the control plane."""

    connection: Literal["psc", "vpc-peering"] = "psc"
    """How the tenant project is reached: Private Service Connect, or VPC peering."""
    connection_subnetwork: str | None = None
    """Subnet of the Private Service Connect endpoint; the environment's own when left out."""
    private_endpoint: bool = False
    """Whether the cluster's control plane has no public address."""
    privately_used_public_ips: bool = False
    """Whether public addresses may be used privately for pods and services."""
    master_cidr: str | None = None
    """Range of the control plane, a /28."""
    cloud_sql_cidr: str | None = None
    """Range of the Airflow database, with VPC peering."""
    composer_network_cidr: str | None = None
    """Range of Composer's network in the tenant project."""
    authorized_networks: list[AuthorizedNetwork] | None = None
    """Ranges that may reach the control plane; not limited when left out, nobody outside the network when empty."""


class Network(Block):
    """Where the environment lives: an own VPC, names of existing ones (Shared VPC), or the foundation's."""

    mode: NetworkMode = NetworkMode.PUBLIC
    """`private`: no public addresses. Fixed at creation in generation 2."""
    vpc: Vpc | None = None
    """A network of the environment's own."""
    from_: Annotated[Literal["foundation"] | None, Field(alias="from")] = None
    """`foundation`: the foundation's network."""
    host_project: str | None = None
    """Project of `network` and `subnetwork`, when it is another one (Shared VPC)."""
    network: str | None = None
    """Name of an existing network."""
    subnetwork: str | None = None
    """Name of an existing subnet of `network`, in the environment's region."""
    attachment: str | None = None
    """Generation 3: full name of an existing network attachment, instead of a network."""
    internal_cidr: str | None = None
    """Generation 3: Composer's internal range, a /20; 100.64.128.0/20 when left out. Fixed at creation."""
    private_builds_only: bool | None = None
    """Generation 3: whether package builds reach Google's services only, not the internet."""
    cloud_run_functions_routing: Literal["internal", "vpc"] | None = None
    """Generation 3: how calls to Cloud Run functions travel, directly or through the VPC."""
    ip_allocation: IpAllocation | None = None
    """Generation 2: ranges of pods and services."""
    private_environment: PrivateEnvironment | None = None
    """Generation 2, `mode: private`: ranges and the way to the control plane."""
    tags: list[str] = []
    """Network tags of the environment's machines, for firewall rules. Fixed at creation."""
    ip_masq_agent: bool | None = None
    """Generation 2: whether the cluster masks the addresses of pods."""


class AllowedRange(Block):
    """A range that may open the Airflow UI."""

    cidr: str
    """The range, IPv4 or IPv6."""
    description: str = ""
    """Whose range it is."""


class WebServer(Block):
    """Access to the Airflow UI."""

    allowed_ranges: list[AllowedRange] | None = None
    """Who reaches the UI, besides having the rights; everybody when left out, nobody when empty."""
    plugins: bool | None = None
    """Generation 3: whether plugins are loaded into the web server."""
