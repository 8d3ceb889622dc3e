"""For every check that is no family of rights: one patient each that is fine, failed and not concerned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from doctor_patients import AIRFLOW_MEMBER, CRM, GEN2, GEN3, KEY, ME, MINIMAL, RICH, Answers, live_environment

from envctl.doctor.facts import Absent, Known, Subject
from envctl.spec.model import Environment

ENVIRONMENT = "projects/acme-data/locations/europe-west1/environments/prod"
ACCOUNT = "composer-prod@acme-data.iam.gserviceaccount.com"
ACCOUNT_RESOURCE = f"//iam.googleapis.com/projects/acme-data/serviceAccounts/{ACCOUNT}"
PROJECT = f"{CRM}/projects/acme-data"
SUBNET = "projects/acme-net/regions/europe-west1/subnetworks/eu"
REGION = "projects/acme-data/regions/europe-west1"
HOST_REGION = "projects/acme-net/regions/europe-west1"
DEFAULT = "123-compute@developer.gserviceaccount.com"
PUBLIC2: Mapping[str, Any] = {"imageVersion": GEN2, "network": {"mode": "public"}}


@dataclass(frozen=True)
class Situation:
    """Blocks that change the file, facts that change, and what is about to happen."""

    blocks: Mapping[str, Any] = field(default_factory=dict)
    operations: tuple[str, ...] = ("create",)
    change: Mapping[tuple[Subject, str], Any] = field(default_factory=dict)
    edit: Callable[[Answers, Environment], None] | None = None
    base: Mapping[str, Any] = field(default_factory=lambda: MINIMAL)
    libraries: tuple[str, ...] | None = ()
    exists: bool = False


def fact(subject: Subject, name: str, value: Any) -> dict[tuple[Subject, str], Any]:
    return {(subject, name): value if isinstance(value, Absent) else Known(value)}


def kept_at(backend: str, provider: str) -> dict[tuple[Subject, str], Any]:
    """State and secrets as a bundle records them."""
    return fact(Subject.CALLER, "-", {"member": ME, "stateBackend": backend, "secretsProvider": provider})


def constraint(name: str, *rules: Mapping[str, Any], project: str = "acme-data") -> dict[tuple[Subject, str], Any]:
    return fact(Subject.CONSTRAINT, f"{project}/constraints/{name}", {"name": name, "spec": {"rules": list(rules)}})


def bind(resource: str, role: str, member: str) -> Callable[[Answers, Environment], None]:
    """One more binding on a resource."""

    def edit(answers: Answers, _: Environment) -> None:
        before = answers.get((Subject.POLICY, resource))
        policy = dict(before.value) if isinstance(before, Known) else {"etag": "x"}
        policy["bindings"] = [*policy.get("bindings", []), {"role": role, "members": [member]}]
        answers[Subject.POLICY, resource] = Known(policy)

    return edit


def unbind(resource: str, *members: str) -> Callable[[Answers, Environment], None]:
    """All bindings of the members gone from a resource."""

    def edit(answers: Answers, _: Environment) -> None:
        before = answers[Subject.POLICY, resource]
        assert isinstance(before, Known)
        kept = [
            {**item, "members": [member for member in item["members"] if not member.startswith(members)]}
            for item in before.value.get("bindings", [])
        ]
        answers[Subject.POLICY, resource] = Known({**before.value, "bindings": kept})

    return edit


def respell(resource: str, old: str, new: str) -> Callable[[Answers, Environment], None]:
    def edit(answers: Answers, _: Environment) -> None:
        before = answers[Subject.POLICY, resource]
        assert isinstance(before, Known)
        kept = [
            {**item, "members": [member.replace(old, new) for member in item["members"]]}
            for item in before.value.get("bindings", [])
        ]
        answers[Subject.POLICY, resource] = Known({**before.value, "bindings": kept})

    return edit


def off(api: str, project: str = "acme-data") -> Callable[[Answers, Environment], None]:
    def edit(answers: Answers, _: Environment) -> None:
        before = answers[Subject.SERVICES, project]
        assert isinstance(before, Known)
        answers[Subject.SERVICES, project] = Known([name for name in before.value if name != api])

    return edit


CMEK = {"encryption": {"key": {"name": KEY}}}
SHARED2 = {
    "imageVersion": GEN2,
    "network": {"mode": "private", "hostProject": "acme-net", "network": "n", "subnetwork": "eu"},
}
PRIVATE2 = {"imageVersion": GEN2, "network": {"mode": "private", "network": "n", "subnetwork": "eu"}}
PACKAGES = {"packages": {"inline": {"rich": ""}}}
FOREIGN = {"serviceAccount": {"email": "runner@other-project.iam.gserviceaccount.com"}}
STATE = (Subject.ENVIRONMENT, ENVIRONMENT)
DENIED = {"denyAll": True}
ENFORCED = {"enforce": True}
WORKERS = {"worker": {"minCount": 1, "maxCount": 3, "cpu": 2, "memoryGb": 7.5}}
CI = "ci@acme-data.iam.gserviceaccount.com"
COMPUTE_BUILDS = fact(
    Subject.CONSTRAINT, "acme-data/constraints/cloudbuild.useComputeServiceAccount", {"spec": {"rules": [ENFORCED]}}
)

# id -> (fine, failed, not concerned)
SITUATIONS: Mapping[str, tuple[Situation, Situation, Situation]] = {
    "kms.location": (
        Situation(CMEK),
        Situation({"encryption": {"key": {"name": KEY.replace("europe-west1", "global")}}}),
        Situation(),
    ),
    "kms.state": (
        Situation(CMEK),
        Situation(CMEK, change=fact(Subject.KEY, KEY, {"primary": {"state": "DISABLED"}})),
        Situation({"encryption": {"key": {"create": True}}}),
    ),
    "env.sa-exists": (
        Situation(exists=True),
        Situation(FOREIGN, change=fact(Subject.ACCOUNT, FOREIGN["serviceAccount"]["email"], Absent())),
        Situation(),
    ),
    "env.explicit-sa": (
        Situation(),
        Situation({"serviceAccount": {"email": DEFAULT}}),
        Situation(exists=True),
    ),
    "env.reserved-vars": (
        Situation({"airflow": {"env": {"STAGE": "prod"}}}),
        Situation({"airflow": {"env": {"GCS_BUCKET": "x"}}}),
        Situation(),
    ),
    "airflow.debug-log": (
        Situation({"airflow": {"config": {"logging-logging_level": "INFO"}}}),
        Situation({"airflow": {"config": {"logging-logging_level": "debug"}}}),
        Situation(),
    ),
    "airflow.parallelism": (
        Situation({"airflow": {"config": {"core-parallelism": "72"}}, "workloads": WORKERS}),
        Situation({"airflow": {"config": {"core-parallelism": "71"}}, "workloads": WORKERS}),
        Situation({"airflow": {"config": {"core-parallelism": "8"}}}),
    ),
    "airflow.statsd": (
        Situation({"airflow": {"config": {"core-parallelism": "8"}}}),
        Situation({"airflow": {"config": {"metrics-statsd_host": "elsewhere"}}}),
        Situation(),
    ),
    "airflow.schedulers": (
        Situation({"workloads": {"scheduler": {"count": 2}}}),
        Situation({"workloads": {"scheduler": {"count": 3}}}),
        Situation(),
    ),
    "env.image-eol": (
        Situation(),
        Situation({"imageVersion": "composer-2.0.31-airflow-2.3.3"}),
        Situation({"imageVersion": "something-else"}),
    ),
    "env.state": (
        Situation(operations=("update",), exists=True),
        Situation(operations=("update",), exists=True, change={STATE: Known({"state": "UPDATING", "config": {}})}),
        Situation(operations=("create",)),
    ),
    "env.db-size": (
        Situation(operations=("upgrade",), exists=True),
        Situation(operations=("upgrade",), exists=True, change=fact(Subject.DATABASE, ENVIRONMENT, {"sizeGb": 17})),
        Situation(operations=("upgrade",)),
    ),
    "env.agent-exists": (
        Situation(),
        Situation(edit=unbind(PROJECT, "serviceAccount:service-123@cloudcomposer")),
        Situation(exists=True),
    ),
    "net.pga": (
        Situation(SHARED2),
        Situation(SHARED2, change=fact(Subject.SUBNETWORK, SUBNET, {"privateIpGoogleAccess": False})),
        Situation(),
    ),
    "net.ranges": (
        Situation({"network": {"mode": "private", "vpc": {"subnet": "10.10.0.0/20"}}}),
        Situation(
            {"network": {"mode": "private", "vpc": {"subnet": "10.10.0.0/20"}}},
            change=fact(Subject.SUBNETWORKS, REGION, [{"name": "taken", "ipCidrRange": "10.10.4.0/22"}]),
        ),
        Situation(),
    ),
    "net.index-reachable": (
        Situation({**PRIVATE2, **PACKAGES}),
        Situation(
            {**PRIVATE2, **PACKAGES},
            change=fact(Subject.ROUTERS, REGION, [{"name": "r", "nats": []}]),
        ),
        Situation(),
    ),
    "net.nat-delete": (
        Situation(PUBLIC2, ("delete",)),
        Situation(
            PUBLIC2,
            ("delete",),
            change=fact(
                Subject.ROUTERS,
                REGION,
                [{"name": "r", "nats": [{"name": "n", "subnetworks": [{"secondaryIpRangeNames": ["pods"]}]}]}],
            ),
        ),
        Situation(operations=("delete",)),
    ),
    "net.dataflow-fw": (
        Situation({"integrations": ["dataflow"]}),
        Situation(
            {"integrations": ["dataflow"]},
            change=fact(Subject.FIREWALLS, "acme-data", [{"allowed": [{"IPProtocol": "tcp", "ports": ["12345"]}]}]),
        ),
        Situation(),
    ),
    "net.vpcsc": (
        Situation(
            {"network": {"mode": "private"}},
            change=fact(Subject.PERIMETERS, "acme-data", [{"title": "p", "status": {"restrictedServices": []}}]),
        ),
        Situation(
            {"network": {"mode": "private"}},
            change=fact(
                Subject.PERIMETERS,
                "acme-data",
                [{"title": "p", "status": {"restrictedServices": ["storage.googleapis.com"]}}],
            ),
        ),
        Situation(),
    ),
    **{
        name: (
            Situation(PUBLIC2),
            Situation(PUBLIC2, change=fact(Subject.QUOTAS, REGION, [{"metric": metric, "limit": 1, "usage": 0}])),
            Situation(),
        )
        for name, metric in (("quota.cpu", "CPUS"), ("quota.addresses", "IN_USE_ADDRESSES"))
    },
    "quota.disk": (
        Situation(PUBLIC2),
        Situation(
            PUBLIC2,
            change=fact(
                Subject.QUOTAS,
                REGION,
                [{"metric": metric, "limit": 100, "usage": 90} for metric in ("SSD_TOTAL_GB", "DISKS_TOTAL_GB")],
            ),
        ),
        Situation(),
    ),
    "quota.dataflow": (
        Situation({"integrations": ["dataflow"]}),
        Situation(
            {"integrations": ["dataflow"]},
            change=fact(
                Subject.QUOTAS,
                REGION,
                [
                    {"metric": metric, "limit": 1, "usage": 1}
                    for metric in ("CPUS", "IN_USE_ADDRESSES", "DISKS_TOTAL_GB")
                ],
            ),
        ),
        Situation(),
    ),
    "api.container-host": (
        Situation(SHARED2),
        Situation(SHARED2, edit=off("container.googleapis.com", "acme-net")),
        Situation(),
    ),
    "bucket.location": (
        Situation({"buckets": {"environment": {"name": "acme-composer"}}}),
        Situation(
            {"buckets": {"environment": {"name": "acme-composer"}}},
            change=fact(Subject.BUCKET, "acme-composer", {"location": "US", "projectNumber": "123"}),
        ),
        Situation(),
    ),
    "bucket.access": (
        Situation(exists=True),
        Situation(
            exists=True,
            edit=bind(
                "//storage.googleapis.com/projects/_/buckets/acme-composer", "roles/storage.objectViewer", "allUsers"
            ),
        ),
        Situation(),
    ),
    "policy.v2ext-on-environment-account": (
        Situation(),
        Situation(edit=bind(PROJECT, "roles/composer.ServiceAgentV2Ext", f"serviceAccount:{ACCOUNT}")),
        Situation(),
    ),
    "policy.agents-dropped": (
        Situation({"imageVersion": GEN2}),
        Situation({"imageVersion": GEN2}, edit=unbind(PROJECT, "serviceAccount:service-", "serviceAccount:123@")),
        Situation(edit=off("composer.googleapis.com")),
    ),
    "policy.wrong-project-number": (
        Situation(),
        Situation(edit=respell(PROJECT, "service-123@cloudcomposer", "service-999@cloudcomposer")),
        Situation(),
    ),
    "policy.deleted-members": (
        Situation(),
        Situation(edit=bind(PROJECT, "roles/composer.worker", f"deleted:serviceAccount:{ACCOUNT}?uid=1")),
        Situation(),
    ),
    "policy.basic-roles": (
        Situation(),
        Situation(edit=bind(PROJECT, "roles/editor", f"serviceAccount:{ACCOUNT}")),
        Situation(),
    ),
    "grants.default-account": (
        Situation({"serviceAccount": {"email": DEFAULT}}),
        Situation({"serviceAccount": {"email": DEFAULT}}, edit=unbind(PROJECT, f"serviceAccount:{DEFAULT}")),
        Situation(),
    ),
    "access.members-exist": (
        Situation({"access": {"deployers": [f"serviceAccount:{CI}"]}}),
        Situation({"access": {"deployers": [f"serviceAccount:{CI}"]}}, change=fact(Subject.ACCOUNT, CI, Absent())),
        Situation(),
    ),
    "build.identity": (
        Situation({"imageVersion": GEN2, **PACKAGES}, ("packages",), exists=True, change=COMPUTE_BUILDS),
        Situation(
            {"imageVersion": GEN2, **PACKAGES},
            ("packages",),
            exists=True,
            change=COMPUTE_BUILDS,
            edit=unbind(PROJECT, f"serviceAccount:{DEFAULT}"),
        ),
        Situation(),
    ),
    "wi.auto": (
        Situation({"imageVersion": GEN2}, ("update",), exists=True),
        Situation({"imageVersion": GEN2}, ("update",), exists=True, edit=unbind(ACCOUNT_RESOURCE, AIRFLOW_MEMBER)),
        Situation(),
    ),
    "hint.library-without-right": (
        Situation({"integrations": ["bigquery"]}, libraries=("google-cloud-bigquery",)),
        Situation(libraries=("google-cloud-kms", "rich")),
        Situation(libraries=("rich",)),
    ),
    "hint.right-without-library": (
        Situation(),
        Situation(edit=bind(PROJECT, "roles/secretmanager.secretAccessor", f"serviceAccount:{ACCOUNT}")),
        Situation(libraries=None),
    ),
    "pulumi.addresses": (
        Situation(change=kept_at("gs://acme-state", "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k")),
        Situation(change=kept_at("gs:///envctl", "gcpkms://projects/p/locations/l/keyRings/r")),
        Situation(change=kept_at("file:///state", "passphrase")),
    ),
    "facts.policies": (
        Situation(),
        Situation(change=fact(Subject.POLICY, PROJECT, {"bindings": [{"members": []}]})),
        Situation(),
    ),
    "facts.deny": (
        Situation(),
        Situation(change=fact(Subject.DENY, PROJECT, [{"name": "policies/x/denypolicies/d"}])),
        Situation(),
    ),
    "constraint.custom": (
        Situation(
            change=fact(
                Subject.CUSTOM_CONSTRAINTS,
                "acme-data",
                [{"name": "custom.a", "condition": "resource.name != ''", "actionType": "ALLOW"}],
            )
        ),
        Situation(
            change=fact(
                Subject.CUSTOM_CONSTRAINTS,
                "acme-data",
                [
                    {
                        "name": "custom.a",
                        "condition": "resource.config.softwareConfig.imageVersion.startsWith('composer-3')",
                        "actionType": "DENY",
                        "methodTypes": ["CREATE"],
                    }
                ],
            )
        ),
        Situation(),
    ),
    "constraint.compute.disableSerialPortLogging": (
        Situation(PUBLIC2),
        Situation(PUBLIC2, change=constraint("compute.disableSerialPortLogging", ENFORCED)),
        Situation(),
    ),
    "constraint.compute.vmExternalIpAccess": (
        Situation(PUBLIC2),
        Situation(PUBLIC2, change=constraint("compute.vmExternalIpAccess", DENIED)),
        Situation(),
    ),
    "constraint.compute.restrictVpcPeering": (
        Situation({**PRIVATE2, "network": {"mode": "private", "privateEnvironment": {"connection": "vpc-peering"}}}),
        Situation(
            {**PRIVATE2, "network": {"mode": "private", "privateEnvironment": {"connection": "vpc-peering"}}},
            change=constraint("compute.restrictVpcPeering", DENIED),
        ),
        Situation(),
    ),
    "constraint.compute.disablePrivateServiceConnectCreationForConsumers": (
        Situation({"network": {"mode": "private"}}),
        Situation(
            {"network": {"mode": "private"}},
            change=constraint(
                "compute.disablePrivateServiceConnectCreationForConsumers",
                {"values": {"deniedValues": ["SERVICE_PRODUCERS"]}},
            ),
        ),
        Situation(),
    ),
    "constraint.compute.restrictPrivateServiceConnectProducer": (
        Situation({"network": {"mode": "private"}}),
        Situation(
            {"network": {"mode": "private"}}, change=constraint("compute.restrictPrivateServiceConnectProducer", DENIED)
        ),
        Situation(),
    ),
    "constraint.compute.restrictSharedVpcSubnetworks": (
        Situation(SHARED2),
        Situation(
            SHARED2,
            change=constraint("compute.restrictSharedVpcSubnetworks", {"values": {"allowedValues": ["projects/x"]}}),
        ),
        Situation(),
    ),
    "constraint.compute.restrictSharedVpcHostProjects": (
        Situation(SHARED2),
        Situation(SHARED2, change=constraint("compute.restrictSharedVpcHostProjects", DENIED)),
        Situation(),
    ),
    "constraint.compute.skipDefaultNetworkCreation": (
        Situation(PUBLIC2),
        Situation(PUBLIC2, change=constraint("compute.skipDefaultNetworkCreation", ENFORCED)),
        Situation(),
    ),
    "constraint.gcp.resourceLocations": (
        Situation(change=constraint("gcp.resourceLocations", {"values": {"allowedValues": ["in:europe-locations"]}})),
        Situation(change=constraint("gcp.resourceLocations", {"values": {"allowedValues": ["in:us-locations"]}})),
        Situation(operations=("delete",)),
    ),
    "constraint.gcp.restrictServiceUsage": (
        Situation(),
        Situation(
            change=constraint("gcp.restrictServiceUsage", {"values": {"deniedValues": ["composer.googleapis.com"]}})
        ),
        Situation(operations=("delete",)),
    ),
    "constraint.gcp.restrictNonCmekServices": (
        Situation(),
        Situation(
            change=constraint("gcp.restrictNonCmekServices", {"values": {"deniedValues": ["storage.googleapis.com"]}})
        ),
        Situation(operations=("delete",)),
    ),
    "constraint.gcp.restrictCmekCryptoKeyProjects": (
        Situation(CMEK),
        Situation(
            CMEK, change=constraint("gcp.restrictCmekCryptoKeyProjects", {"values": {"allowedValues": ["projects/x"]}})
        ),
        Situation(),
    ),
    "constraint.iam.allowedPolicyMemberDomains": (
        Situation(),
        Situation(change=constraint("iam.allowedPolicyMemberDomains", {"values": {"allowedValues": ["C0abc"]}})),
        Situation(operations=("delete",)),
    ),
    "constraint.iam.automaticIamGrantsForDefaultServiceAccounts": (
        Situation(),
        Situation(
            {"serviceAccount": {"email": DEFAULT}},
            change=constraint("iam.automaticIamGrantsForDefaultServiceAccounts", ENFORCED),
        ),
        Situation(operations=("delete",)),
    ),
    "constraint.iam.disableCrossProjectServiceAccountUsage": (
        Situation(FOREIGN),
        Situation(
            FOREIGN, change=constraint("iam.disableCrossProjectServiceAccountUsage", ENFORCED, project="other-project")
        ),
        Situation(),
    ),
    "constraint.iam.disableServiceAccountCreation": (
        Situation(),
        Situation(change=constraint("iam.disableServiceAccountCreation", ENFORCED)),
        Situation(FOREIGN),
    ),
}

ALWAYS_CONCERNED: Mapping[str, str] = {
    "policy.v2ext-on-environment-account": "every project has a policy",
    "policy.wrong-project-number": "every project has a number",
    "policy.deleted-members": "every policy can hold deleted members",
    "policy.basic-roles": "every environment has an account",
    "facts.policies": "every run rests on policies",
    "facts.deny": "every run rests on deny policies",
}
"""Checks that are skipped only without facts."""
INFORMATION: Mapping[str, str] = dict.fromkeys(
    (
        "constraint.cloudbuild.useComputeServiceAccount",
        "constraint.cloudbuild.useBuildServiceAccount",
        "constraint.cloudbuild.disableCreateDefaultServiceAccount",
    ),
    "a known value, whatever it is, is what build.identity needs",
)
"""Rows whose value decides another check and cannot be wrong by itself."""

__all__ = ["ALWAYS_CONCERNED", "GEN3", "INFORMATION", "RICH", "SITUATIONS", "Situation", "live_environment"]
