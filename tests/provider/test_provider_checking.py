from __future__ import annotations

from typing import Any

import pytest

from envctl.plan.values import Opaque
from envctl.provider.translator import SandboxProvider

ENVIRONMENT = "gcp:composer/environment:Environment"
BUCKET = "gcp:storage/bucket:Bucket"


def failures(provider: SandboxProvider, token: str, inputs: dict[str, Any]) -> dict[str, str]:
    return {item.property: item.reason for item in provider.check("urn", token, {}, inputs).failures}


def environment(**config: Any) -> dict[str, Any]:
    return {"name": "dev", "region": "europe-west1", "config": config}


def test_every_failure_comes_at_once(provider: SandboxProvider) -> None:
    found = failures(provider, BUCKET, {"locaton": "EU", "versioning": {"enabled": "perhaps"}, "url": "gs://x"})
    assert found == {
        "locaton": "unknown property; did you mean `location`?",
        "versioning.enabled": 'must be a boolean, not the text "perhaps"',
        "url": "is an output: it cannot be set",
        "location": "is required",
        "name": "is required",
    }


def test_values_take_the_types_of_the_schema(provider: SandboxProvider) -> None:
    inputs = environment(workloadsConfig={"scheduler": {"count": "2", "cpu": "0.5", "memoryGb": 4.0}})
    checked = provider.check("urn", ENVIRONMENT, {}, inputs)
    assert checked.failures == ()
    assert checked.inputs["config"]["workloadsConfig"]["scheduler"] == {"count": 2, "cpu": 0.5, "memoryGb": 4}


def test_defaults_are_filled_in_where_a_block_is_given(provider: SandboxProvider) -> None:
    checked = provider.check(
        "urn", "gcp:compute/subnetwork:Subnetwork", {}, {"name": "s", "network": "n", "logConfig": {}}
    )
    assert checked.inputs["logConfig"]["flowSampling"] == 0.5
    assert provider.check("urn", BUCKET, {}, {"name": "b", "location": "EU"}).inputs["storageClass"] == "STANDARD"


def test_bookkeeping_and_nulls_are_dropped(provider: SandboxProvider) -> None:
    checked = provider.check("urn", BUCKET, {}, {"name": "b", "location": "EU", "labels": None, "__defaults": ["name"]})
    assert checked.failures == ()
    assert "labels" not in checked.inputs
    assert "__defaults" not in checked.inputs


def test_a_type_outside_the_tables_is_refused_by_name(provider: SandboxProvider) -> None:
    assert failures(provider, "gcp:sql/databaseInstance:DatabaseInstance", {}) == {
        "": "gcp:sql/databaseInstance:DatabaseInstance is not a type that envctl's sandbox provider knows"
    }


@pytest.mark.parametrize(
    ("inputs", "path", "reason"),
    [
        (
            {"name": "f", "network": "n", "allows": [{"protocol": "tcp"}], "denies": [{"protocol": "udp"}]},
            "allows",
            "exactly one of allows, denies must be given; allows and denies are",
        ),
        ({"name": "f", "network": "n"}, "allows", "exactly one of allows, denies must be given; none is"),
        (
            {"name": "f", "network": "n", "allows": [], "sourceTags": ["a"], "sourceServiceAccounts": ["b"]},
            "sourceTags",
            "conflicts with sourceServiceAccounts",
        ),
    ],
)
def test_fields_exclude_each_other(provider: SandboxProvider, inputs: dict[str, Any], path: str, reason: str) -> None:
    assert failures(provider, "gcp:compute/firewall:Firewall", inputs)[path] == reason


@pytest.mark.parametrize(
    ("config", "path", "part"),
    [
        (
            {"softwareConfig": {"envVariables": {"A": "1"}}},
            "config.softwareConfig.envVariables",
            'variable "A" must match',
        ),
        (
            {"softwareConfig": {"envVariables": {"GCS_BUCKET": "1"}}},
            "config.softwareConfig.envVariables",
            "reserved name",
        ),
        (
            {"softwareConfig": {"envVariables": {"AIRFLOW__CORE__X": "1"}}},
            "config.softwareConfig.envVariables",
            "reserved name of Airflow",
        ),
        ({"softwareConfig": {"pypiPackages": {"NumPy": ""}}}, "config.softwareConfig.pypiPackages", "lowercase"),
        ({"softwareConfig": {"imageVersion": "latest"}}, "config.softwareConfig.imageVersion", "not an image version"),
        ({"environmentSize": "HUGE"}, "config.environmentSize", "must be one of"),
        ({"nodeCount": 2}, "config.nodeCount", "range 3 to"),
        (
            {"nodeConfig": {"composerInternalIpv4CidrBlock": "10.0.0.0/24"}},
            "config.nodeConfig.composerInternalIpv4CidrBlock",
            "size /20",
        ),
        (
            {"softwareConfig": {"imageVersion": "composer-3-airflow-2.10.5-build.4"}, "privateEnvironmentConfig": {}},
            "",
            "",
        ),
        (
            {
                "softwareConfig": {"imageVersion": "composer-3-airflow-2.10.5-build.4"},
                "nodeConfig": {"maxPodsPerNode": 32},
            },
            "config.nodeConfig.maxPodsPerNode",
            "should not be used in Composer 3",
        ),
        (
            {"softwareConfig": {"imageVersion": "composer-2.13.8-airflow-2.10.5"}, "enablePrivateEnvironment": True},
            "config.enablePrivateEnvironment",
            "should only be used in Composer 3",
        ),
    ],
)
def test_composers_own_rules(provider: SandboxProvider, config: dict[str, Any], path: str, part: str) -> None:
    found = failures(provider, ENVIRONMENT, environment(**config))
    if path:
        assert part in found[path]
    else:
        # The default of `enablePrivateEndpoint` makes the block count as given, as in the real provider.
        assert list(found) == ["config.privateEnvironmentConfig"]


def test_unknown_values_pass(provider: SandboxProvider) -> None:
    inputs = environment(softwareConfig={"imageVersion": Opaque.UNKNOWN, "envVariables": {"AA": Opaque.UNKNOWN}})
    assert failures(provider, ENVIRONMENT, inputs | {"storageConfig": {"bucket": Opaque.UNKNOWN}}) == {}


@pytest.mark.parametrize("period", ["1d", "86399s"])
def test_a_rotation_period_is_seconds_and_at_least_a_day(provider: SandboxProvider, period: str) -> None:
    inputs = {"name": "k", "keyRing": "projects/p/locations/l/keyRings/r", "rotationPeriod": period}
    assert "rotationPeriod" in failures(provider, "gcp:kms/cryptoKey:CryptoKey", inputs)


def test_cluster_fields_outside_the_table_are_refused_by_name(provider: SandboxProvider) -> None:
    inputs = {"name": "c", "location": "l", "meshCertificates": {"enableCertificates": True}}
    assert failures(provider, "gcp:container/cluster:Cluster", inputs) == {
        "meshCertificates": "is not mapped by envctl's sandbox provider"
    }
