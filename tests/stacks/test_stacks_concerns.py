"""What each concern declares, on the smallest file that asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from stacks_recording import CONTEXT, GENERATION_2, load_environment, load_foundation

from envctl.errors import RefusedError
from envctl.google.names import is_service_agent
from envctl.spec.model import LifecycleRule
from envctl.stacks import StackProgram, environment_declarations, foundation_declarations
from envctl.stacks.identities import identity_of
from envctl.stacks.marks import label
from envctl.stacks.storage import lifecycle_rules


def declare(**fields: Any) -> StackProgram:
    return environment_declarations(load_environment(fields), CONTEXT)


def names(program: StackProgram, group: str) -> list[str]:
    return [resource.name for resource in program.resources if resource.parent == group]


def test_groups_without_resources_are_not_in_the_tree() -> None:
    assert [component.name for component in declare().components] == ["apis", "identities", "access", "composer"]


def test_an_existing_account_is_used_and_not_declared() -> None:
    program = declare(serviceAccount={"email": "shared@acme-data-prod.iam.gserviceaccount.com"})
    assert names(program, "identities") == []
    worker = next(name for name in names(program, "access") if "composer.worker" in name)
    assert worker == "project/composer.worker/serviceAccount-shared@acme-data-prod.iam.gserviceaccount.com"


def test_agents_exist_before_they_get_roles() -> None:
    program = declare(imageVersion=GENERATION_2)
    assert "identity-composer" in names(program, "identities")
    member = program.resource("service-account/composer.ServiceAgentV2Ext/cloudcomposer-accounts")
    assert member.options.depends_on == ("api-iam", "identity-composer")
    assert program.resource("identity-composer").options.depends_on == ("api-composer",)


@pytest.mark.parametrize(
    ("member", "agent", "identity"),
    [
        ("serviceAccount:service-1@cloudcomposer-accounts.iam.gserviceaccount.com", True, "identity-composer"),
        ("serviceAccount:service-1@gcp-sa-pubsub.iam.gserviceaccount.com", True, "identity-pubsub"),
        ("serviceAccount:service-1@gcp-sa-new.iam.gserviceaccount.com", True, None),
        ("serviceAccount:1@cloudservices.gserviceaccount.com", True, None),
        ("serviceAccount:service-1@compute-system.iam.gserviceaccount.com", True, None),
        ("serviceAccount:composer@acme-data.iam.gserviceaccount.com", False, None),
        ("user:service-1@cloudcomposer-accounts.iam.gserviceaccount.com", False, None),
        ("group:data@example.com", False, None),
    ],
)
def test_googles_agents_are_told_from_accounts_of_projects(member: str, agent: bool, identity: str | None) -> None:
    assert is_service_agent(member) is agent
    assert identity_of(member) == identity


def test_a_vpc_of_our_own_has_ranges_firewall_and_a_way_out() -> None:
    vpc = {"create": True, "subnet": "10.1.0.0/20", "pods": "10.2.0.0/16", "services": "10.3.0.0/20", "flowLogs": True}
    program = declare(network={"mode": "private", "vpc": vpc})
    assert names(program, "network") == [
        "network",
        "subnetwork",
        "firewall-internal",
        "firewall-health-checks",
        "router",
        "nat",
    ]
    subnetwork = program.resource("subnetwork").inputs
    assert subnetwork["secondaryIpRanges"] == [
        {"rangeName": "pods", "ipCidrRange": "10.2.0.0/16"},
        {"rangeName": "services", "ipCidrRange": "10.3.0.0/20"},
    ]
    assert subnetwork["privateIpGoogleAccess"] is True
    assert subnetwork["logConfig"]["flowSampling"] == 0.5
    internal = program.resource("firewall-internal").inputs
    assert internal["sourceRanges"] == ["10.1.0.0/20", "10.2.0.0/16", "10.3.0.0/20"]


def test_without_nat_there_is_no_router() -> None:
    program = declare(network={"vpc": {"create": True, "nat": False}})
    assert names(program, "network") == ["network", "subnetwork", "firewall-internal", "firewall-health-checks"]
    assert "secondaryIpRanges" not in program.resource("subnetwork").inputs


def test_a_key_of_our_own_rotates_and_stays() -> None:
    program = declare(encryption={"key": {"create": True, "rotationDays": 30, "keyRing": "data"}})
    ring, key = program.resource("key-ring"), program.resource("key")
    assert ring.inputs == {"name": "data", "project": "acme-data-prod", "location": "europe-west1"}
    assert key.inputs["rotationPeriod"] == "2592000s"
    assert ring.options.retain_on_delete
    assert key.options.retain_on_delete


def test_agents_that_may_use_the_key_follow_the_generation() -> None:
    def agents(image: str) -> set[str]:
        program = declare(imageVersion=image, encryption={"key": {"create": True}})
        return {name.rsplit("/", 1)[-1] for name in names(program, "access") if name.startswith("encryption.key/")}

    assert agents(GENERATION_2) == {
        "cloudcomposer-accounts",
        "compute-system",
        "container-engine-robot",
        "gcp-sa-artifactregistry",
        "gcp-sa-pubsub",
        "gs-project-accounts",
    }
    assert agents("composer-3-airflow-2.10.5-build.10") == {"cloudcomposer-accounts", "gs-project-accounts"}


def test_members_of_an_existing_key_are_declared_on_it() -> None:
    name = "projects/acme-data-prod/locations/europe-west1/keyRings/r/cryptoKeys/k"
    program = declare(encryption={"key": {"name": name}})
    assert names(program, "encryption") == []
    member = program.resource("encryption.key/cloudkms.cryptoKeyEncrypterDecrypter/gs-project-accounts")
    assert member.inputs["cryptoKeyId"] == name
    assert member.options.retain_on_delete


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"deleteAfterDays": 30}, [{"action": {"type": "Delete"}, "condition": {"age": 30}}]),
        (
            {"deleteAfterDays": 0},
            [{"action": {"type": "Delete"}, "condition": {"age": 0, "sendAgeIfZero": True}}],
        ),
        (
            {"keepNewerVersions": 3},
            [{"action": {"type": "Delete"}, "condition": {"numNewerVersions": 3, "withState": "ARCHIVED"}}],
        ),
        (
            {"moveAfterDays": 7, "deleteAfterDays": 90, "storageClass": "COLDLINE"},
            [
                {"action": {"type": "Delete"}, "condition": {"age": 90}},
                {"action": {"type": "SetStorageClass", "storageClass": "COLDLINE"}, "condition": {"age": 7}},
            ],
        ),
    ],
)
def test_a_lifecycle_rule_becomes_one_rule_per_action(rule: Mapping[str, Any], expected: list[Any]) -> None:
    assert lifecycle_rules(LifecycleRule.model_validate(rule)) == expected


def test_buckets_are_closed_to_the_public_and_kept_unless_the_file_lets_them_go() -> None:
    program = declare(buckets={"staging": {"location": "eu"}, "scratch": {"retain": False, "name": "acme-scratch"}})
    staging, scratch = program.resource("bucket-staging"), program.resource("bucket-scratch")
    assert staging.inputs["name"] == "acme-data-prod-prod-staging"
    assert staging.inputs["location"] == "EU"
    assert scratch.inputs["location"] == "EUROPE-WEST1"
    for bucket in (staging, scratch):
        assert bucket.inputs["publicAccessPrevention"] == "enforced"
        assert bucket.inputs["uniformBucketLevelAccess"] is True
    assert (staging.options.retain_on_delete, staging.inputs["forceDestroy"]) == (True, False)
    assert (scratch.options.retain_on_delete, scratch.inputs["forceDestroy"]) == (False, True)


def test_a_bucket_named_environment_becomes_the_environments() -> None:
    program = declare(buckets={"environment": {"versioning": True}})
    found = program.resource("environment").inputs["storageConfig"]["bucket"]
    assert (found.resource, found.output) == ("bucket-environment", "name")
    assert "storageConfig" not in declare().resource("environment").inputs


def test_secrets_are_made_empty() -> None:
    program = declare(secrets={"create": {"crm": {}, "ads": {"name": "ads-token", "readers": ["group:a@example.com"]}}})
    assert names(program, "secrets") == ["secret-ads", "secret-crm"]
    assert program.resource("secret-crm").inputs["secretId"] == "prod-crm"
    assert program.resource("secret-crm").inputs["replication"] == {"auto": {}}
    assert not [resource for resource in program.resources if "secretVersion" in resource.type]
    reader = program.resource("secrets.ads/secretmanager.secretAccessor/group-a@example.com")
    assert reader.inputs["secretId"].resource == "secret-ads"


def test_pods_get_config_maps_and_secrets_in_the_environment() -> None:
    workloads = {
        "secrets": {"crm": {"data": {"token": {"env": "CRM_TOKEN"}}}},
        "configMaps": {"settings": {"data": {"b": "2", "a": "1"}}},
    }
    program = declare(userWorkloads=workloads)
    assert names(program, "workloads") == ["config-map-settings", "workload-secret-crm"]
    assert program.resource("config-map-settings").inputs["data"] == {"a": "1", "b": "2"}
    assert program.resource("workload-secret-crm").inputs["data"]["token"].variable == "CRM_TOKEN"


def test_node_pools_scale_over_all_zones_and_keep_their_first_size() -> None:
    pools = {
        "heavy": {"machineType": "e2-standard-8", "min": 1, "max": 4, "spot": True},
        "small": {
            "machineType": "e2-small",
            "taints": [{"key": "only", "value": "small", "effect": "NO_SCHEDULE"}],
            "labels": {"size": "small"},
        },
    }
    program = declare(nodePools=pools, network={"mode": "private", "vpc": {"create": True}})
    assert names(program, "node-pools") == ["cluster", "node-pool-heavy", "node-pool-small"]
    heavy, small = program.resource("node-pool-heavy").inputs, program.resource("node-pool-small").inputs
    assert heavy["autoscaling"] == {"totalMinNodeCount": 1, "totalMaxNodeCount": 4, "locationPolicy": "ANY"}
    assert heavy["initialNodeCount"] == small["initialNodeCount"] == 0
    assert heavy["nodeConfig"]["spot"] is True
    assert heavy["nodeConfig"]["workloadMetadataConfig"] == {"mode": "GKE_METADATA"}
    assert small["nodeConfig"]["taints"] == [{"key": "only", "value": "small", "effect": "NO_SCHEDULE"}]
    cluster = program.resource("cluster").inputs
    assert cluster["workloadIdentityConfig"] == {"workloadPool": "acme-data-prod.svc.id.goog"}
    assert cluster["privateClusterConfig"]["enablePrivateNodes"] is True


def test_the_companion_cluster_uses_secondary_ranges_that_no_other_cluster_has() -> None:
    vpc = {"create": True, "pods": "10.2.0.0/16", "services": "10.3.0.0/20"}
    pools = {"small": {"machineType": "e2-small"}}
    three = declare(nodePools=pools, network={"vpc": vpc})
    assert three.resource("cluster").inputs["ipAllocationPolicy"] == {
        "clusterSecondaryRangeName": "pods",
        "servicesSecondaryRangeName": "services",
    }
    two = declare(imageVersion=GENERATION_2, nodePools=pools, network={"vpc": vpc})
    assert two.resource("cluster").inputs["ipAllocationPolicy"] == {}
    assert two.resource("environment").inputs["config"]["nodeConfig"]["ipAllocationPolicy"] == {
        "clusterSecondaryRangeName": "pods",
        "servicesSecondaryRangeName": "services",
    }


def test_log_retention_and_alerts_are_declared_on_request() -> None:
    assert names(declare(), "observability") == []
    assert names(declare(monitoring={"alerts": False}), "observability") == []
    program = declare(retention={"logDays": 90}, monitoring={"channels": ["projects/p/notificationChannels/1"]})
    assert names(program, "observability") == [
        "log-retention",
        "alert-health",
        "alert-scheduler",
        "alert-worker",
        "alert-database",
    ]
    health = program.resource("alert-health").inputs
    assert health["notificationChannels"] == ["projects/p/notificationChannels/1"]
    condition = health["conditions"][0]["conditionThreshold"]
    assert condition["filter"] == (
        'resource.type = "cloud_composer_environment" AND resource.labels.environment_name = "prod" AND '
        'resource.labels.location = "europe-west1" AND '
        'metric.type = "composer.googleapis.com/environment/healthy"'
    )


def test_channels_of_the_foundation_come_first() -> None:
    shared = load_foundation({"monitoring": {"channels": ["projects/p/notificationChannels/1"]}})
    monitoring = {"from": "foundation", "channels": ["projects/p/notificationChannels/2"]}
    program = environment_declarations(load_environment({"monitoring": monitoring}, foundation=shared), CONTEXT)
    assert program.resource("alert-health").inputs["notificationChannels"] == [
        "projects/p/notificationChannels/1",
        "projects/p/notificationChannels/2",
    ]


def test_a_foundation_grants_its_people_and_readers() -> None:
    shared = load_foundation(
        {
            "access": {"users": ["group:analysts@example.com"]},
            "repository": {"readers": ["environment", "group:data@example.com"]},
            "buckets": {"shared": {"access": {"objectViewer": ["group:data@example.com"]}}},
        }
    )
    assert names(foundation_declarations(shared, CONTEXT), "access") == [
        "buckets.shared/storage.objectViewer/group-data@example.com",
        "project/composer.user/group-analysts@example.com",
        "repository/artifactregistry.reader/group-data@example.com",
    ]


def test_a_foundation_cannot_grant_to_an_environment() -> None:
    shared = load_foundation({"buckets": {"shared": {"access": {"objectAdmin": ["environment"]}}}})
    with pytest.raises(RefusedError, match="`environment`, which it does not have"):
        foundation_declarations(shared, CONTEXT)


def test_a_foundations_buckets_wait_for_the_agents_of_its_key() -> None:
    shared = load_foundation({"encryption": {"key": {"create": True}}, "repository": {}, "buckets": {"shared": {}}})
    program = foundation_declarations(shared, CONTEXT)
    agents = {
        "encryption.key/cloudkms.cryptoKeyEncrypterDecrypter/gcp-sa-artifactregistry",
        "encryption.key/cloudkms.cryptoKeyEncrypterDecrypter/gs-project-accounts",
    }
    assert agents <= set(program.resource("bucket-shared").options.depends_on)
    assert agents <= set(program.resource("repository").options.depends_on)


@pytest.mark.parametrize(
    ("text", "expected"), [("1.2.0", "1-2-0"), ("0.1.dev3+gABC", "0-1-dev3-gabc"), ("x" * 70, "x" * 63)]
)
def test_labels_hold_only_what_labels_may_hold(text: str, expected: str) -> None:
    assert label(text) == expected
