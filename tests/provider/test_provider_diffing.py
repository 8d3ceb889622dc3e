from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from provider_fakes import CountingSleeper, FakeCloud

from envctl.plan.values import Opaque
from envctl.provider.protocol import Diff, DiffKind, ProviderError
from envctl.provider.spec import Settings
from envctl.provider.translator import SandboxProvider
from envctl.provider.types.composer_rules import downgrade, same_image
from envctl.provider.types.links import same_link

ENVIRONMENT = "gcp:composer/environment:Environment"
BUCKET = "gcp:storage/bucket:Bucket"
FIREWALL = "gcp:compute/firewall:Firewall"


def diff(
    provider: SandboxProvider, token: str, live: dict[str, Any], wanted: dict[str, Any], *ignored: str, id_: str = "x"
) -> Diff:
    return provider.diff("urn", token, id_, {}, live, wanted, ignored)


def environment(image: str = "composer-3-airflow-2.10.5-build.4", **config: Any) -> dict[str, Any]:
    return {"name": "dev", "region": "europe-west1", "config": {"softwareConfig": {"imageVersion": image}, **config}}


def test_what_the_server_fills_is_no_difference(provider: SandboxProvider) -> None:
    live = environment(
        gkeCluster="x", environmentSize="ENVIRONMENT_SIZE_SMALL", nodeConfig={"network": "n", "serviceAccount": "a"}
    )
    assert not diff(provider, ENVIRONMENT, live, {"name": "dev", "region": "europe-west1"}).changes
    assert not diff(provider, ENVIRONMENT, live, environment(nodeConfig={"serviceAccount": "a"})).changes


def test_a_setting_that_was_taken_out_of_the_program_is_removed(provider: SandboxProvider) -> None:
    live = environment()
    live["config"]["softwareConfig"]["envVariables"] = {"AA": "1", "BB": "2"}
    wanted = environment()
    assert diff(provider, ENVIRONMENT, live, wanted).detailed == {"config.softwareConfig.envVariables": DiffKind.DELETE}
    wanted["config"]["softwareConfig"]["envVariables"] = {"AA": "3"}
    assert diff(provider, ENVIRONMENT, live, wanted).detailed == {
        "config.softwareConfig.envVariables.AA": DiffKind.UPDATE,
        "config.softwareConfig.envVariables.BB": DiffKind.DELETE,
    }


def test_immutable_fields_replace_with_their_path(provider: SandboxProvider) -> None:
    live = environment(nodeConfig={"serviceAccount": "a@p.iam.gserviceaccount.com", "tags": ["x"]})
    wanted = environment(nodeConfig={"serviceAccount": "b@p.iam.gserviceaccount.com", "tags": ["y"]})
    found = diff(provider, ENVIRONMENT, live, wanted)
    assert found.replaces == ("config.nodeConfig.serviceAccount", "config.nodeConfig.tags[0]")
    assert found.detailed["config.nodeConfig.serviceAccount"] is DiffKind.UPDATE_REPLACE
    assert found.delete_before_replace


def test_a_block_with_an_immutable_leaf_replaces_when_it_is_added(provider: SandboxProvider) -> None:
    found = diff(provider, ENVIRONMENT, environment(), environment(encryptionConfig={"kmsKeyName": "k"}))
    assert found.detailed == {"config.encryptionConfig": DiffKind.ADD_REPLACE}


@pytest.mark.parametrize("field", ["network", "subnetwork"])
def test_networks_move_in_place_in_generation_3_only(provider: SandboxProvider, field: str) -> None:
    for image, replaces in (("composer-3-airflow-2.10.5-build.4", False), ("composer-2.13.8-airflow-2.10.5", True)):
        live = environment(image, nodeConfig={field: "projects/p/global/networks/a"})
        wanted = environment(image, nodeConfig={field: "projects/p/global/networks/b"})
        assert bool(diff(provider, ENVIRONMENT, live, wanted).replaces) is replaces


def test_size_image_and_workloads_change_in_place(provider: SandboxProvider) -> None:
    live = environment(environmentSize="ENVIRONMENT_SIZE_SMALL", workloadsConfig={"scheduler": {"count": 1}})
    wanted = environment(
        "composer-3-airflow-2.10.5-build.10",
        environmentSize="ENVIRONMENT_SIZE_LARGE",
        workloadsConfig={"scheduler": {"count": 2}},
    )
    found = diff(provider, ENVIRONMENT, live, wanted)
    assert found.replaces == ()
    assert set(found.detailed) == {
        "config.environmentSize",
        "config.softwareConfig.imageVersion",
        "config.workloadsConfig.scheduler.count",
    }


def test_a_downgrade_is_refused_at_preview(provider: SandboxProvider) -> None:
    live = environment("composer-3-airflow-2.10.5-build.10")
    with pytest.raises(ProviderError, match="downgrade of Airflow"):
        diff(provider, ENVIRONMENT, live, environment("composer-3-airflow-2.9.3-build.20"))
    replaced = {**environment("composer-3-airflow-2.9.3-build.20"), "name": "other"}
    assert diff(provider, ENVIRONMENT, live, replaced).replaces == ("name",), "a new environment may be older"


@pytest.mark.parametrize(
    ("live", "wanted", "same"),
    [
        ("composer-3-airflow-2.10.5-build.4", "composer-3-airflow-2", True),
        ("composer-3-airflow-2.10.5-build.4", "composer-3-airflow-2.10", True),
        ("composer-3-airflow-2.10.5-build.4", "composer-3-airflow-2.10.5", True),
        ("composer-3-airflow-2.10.5-build.4", "composer-3-airflow-2.10.5-build.5", False),
        ("composer-3-airflow-2.10.5-build.4", "composer-3-airflow-3", False),
        ("composer-2.13.8-airflow-2.10.5", "composer-2-airflow-2.10.5", True),
        ("composer-2.13.8-airflow-2.10.5", "composer-latest-airflow-2.10.5", True),
        ("composer-2.13.8-airflow-2.10.5", "composer-2.13.7-airflow-2.10.5", False),
        ("composer-2.13.8-airflow-2.10.5", "composer-3-airflow-2.10.5", False),
    ],
)
def test_image_aliases(live: str, wanted: str, *, same: bool) -> None:
    assert same_image(live, wanted) is same


@pytest.mark.parametrize(
    ("live", "wanted", "part"),
    [
        ("composer-2.13.8-airflow-2.10.5", "composer-3-airflow-2.10.5", "upgrade to composer 3"),
        ("composer-3-airflow-2.10.5-build.4", "composer-2.13.8-airflow-2.10.5", "earlier generation"),
        ("composer-3-airflow-2.10.5-build.4", "composer-3-airflow-2.10.5-build.3", "downgrade of Airflow"),
        ("composer-2.13.8-airflow-2.10.5", "composer-2.13.7-airflow-2.10.5", "downgrade of Composer"),
        ("composer-3-airflow-2.10.5-build.4", "composer-3-airflow-3.0.1", ""),
        ("composer-3-airflow-2.10.5-build.4", "composer-3-airflow-2", ""),
    ],
)
def test_downgrades(live: str, wanted: str, part: str) -> None:
    reason = downgrade(live, wanted)
    assert part in reason
    assert bool(part) is bool(reason)


def test_sets_compare_without_order(provider: SandboxProvider) -> None:
    live = {
        "name": "f",
        "network": "n",
        "direction": "INGRESS",
        "priority": 1000,
        "allows": [{"protocol": "tcp", "ports": ["443"]}, {"protocol": "icmp", "ports": []}],
        "sourceRanges": ["10.0.0.0/8", "10.1.0.0/16"],
    }
    wanted = {
        "name": "f",
        "network": "n",
        "allows": [{"protocol": "icmp"}, {"protocol": "tcp", "ports": ["443"]}],
        "sourceRanges": ["10.1.0.0/16", "10.0.0.0/8"],
    }
    assert not diff(provider, FIREWALL, live, wanted).changes
    wanted["sourceRanges"] = ["10.1.0.0/16", "10.2.0.0/16"]
    assert diff(provider, FIREWALL, live, wanted).detailed == {
        "sourceRanges[1]": DiffKind.ADD,
        "sourceRanges[0]": DiffKind.DELETE,
    }


@given(st.permutations(["a", "b", "c", "d"]), st.permutations(["a", "b", "c", "d"]))
def test_no_order_of_a_set_is_a_difference(left: list[str], right: list[str]) -> None:
    provider = SandboxProvider(FakeCloud(), Settings(), CountingSleeper())
    live = {"name": "f", "network": "n", "priority": 1000, "sourceRanges": left}
    assert not diff(provider, FIREWALL, live, {"name": "f", "network": "n", "sourceRanges": right}).changes


def test_lists_compare_by_position(provider: SandboxProvider) -> None:
    rule = {"action": {"type": "Delete"}, "condition": {"age": 30, "withState": "ANY"}}
    other = {"action": {"type": "Delete"}, "condition": {"age": 60, "withState": "ANY"}}
    live = {"name": "b", "location": "EU", "storageClass": "STANDARD", "lifecycleRules": [rule, other]}
    wanted = {
        "name": "b",
        "location": "eu",
        "lifecycleRules": [{"action": {"type": "Delete"}, "condition": {"age": 31}}],
    }
    assert diff(provider, BUCKET, live, wanted).detailed == {
        "lifecycleRules[0].condition.age": DiffKind.UPDATE,
        "lifecycleRules[1]": DiffKind.DELETE,
    }


def test_labels_of_others_are_left_alone(provider: SandboxProvider) -> None:
    live = {
        "name": "b",
        "location": "EU",
        "storageClass": "STANDARD",
        "labels": {"team": "data"},
        "pulumiLabels": {"team": "data", "goog-pulumi-provisioned": "true"},
        "effectiveLabels": {"team": "data", "goog-pulumi-provisioned": "true", "billing": "7"},
    }
    wanted = {"name": "b", "location": "EU", "labels": {"team": "data"}}
    assert not diff(provider, BUCKET, live, wanted).changes
    assert diff(provider, BUCKET, live, {**wanted, "labels": {"team": "core"}}).detailed == {
        "labels.team": DiffKind.UPDATE
    }
    assert diff(provider, BUCKET, live, {"name": "b", "location": "EU"}).detailed == {"labels.team": DiffKind.DELETE}


def test_ignored_changes_are_no_changes(provider: SandboxProvider) -> None:
    live, wanted = environment(), environment()
    live["config"]["softwareConfig"]["pypiPackages"] = {"a": "==1"}
    assert diff(provider, ENVIRONMENT, live, wanted).changes
    assert not diff(provider, ENVIRONMENT, live, wanted, "config.softwareConfig.pypiPackages").changes
    assert not diff(provider, ENVIRONMENT, live, wanted, "config").changes


def test_unknown_inputs_differ(provider: SandboxProvider) -> None:
    live = environment(nodeConfig={"serviceAccount": "a"})
    found = diff(provider, ENVIRONMENT, live, environment(nodeConfig={"serviceAccount": Opaque.UNKNOWN}))
    assert found.replaces == ("config.nodeConfig.serviceAccount",)


def test_another_default_project_replaces_what_has_none(provider: SandboxProvider) -> None:
    live = {"name": "b", "location": "EU", "project": "p2"}
    assert diff(provider, BUCKET, live, {"name": "b", "location": "EU"}).replaces == ("project",)


def test_a_new_name_can_be_created_before_the_old_one_goes(provider: SandboxProvider) -> None:
    live = {"name": "b", "location": "EU"}
    assert not diff(provider, BUCKET, live, {"name": "c", "location": "EU"}, id_="b").delete_before_replace
    assert diff(provider, BUCKET, live, {"name": "b", "location": "US"}, id_="b").delete_before_replace


def test_a_subnet_grows_in_place_and_shrinks_by_replacement(provider: SandboxProvider) -> None:
    token = "gcp:compute/subnetwork:Subnetwork"
    live = {"name": "s", "network": "n", "ipCidrRange": "10.10.0.0/20"}
    assert diff(provider, token, live, {**live, "ipCidrRange": "10.10.0.0/19"}).replaces == ()
    assert diff(provider, token, live, {**live, "ipCidrRange": "10.10.0.0/21"}).replaces == ("ipCidrRange",)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("https://www.googleapis.com/compute/v1/projects/p/global/networks/n", "projects/p/global/networks/n", True),
        ("projects/p/global/networks/n", "n", True),
        ("projects/1234/global/networks/n", "projects/p/global/networks/n", True),
        ("projects/q/global/networks/n", "projects/p/global/networks/n", False),
        ("projects/p/global/networks/m", "n", False),
    ],
)
def test_links(left: str, right: str, *, same: bool) -> None:
    assert same_link(left, right) is same
