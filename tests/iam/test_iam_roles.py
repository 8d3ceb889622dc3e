from __future__ import annotations

from collections.abc import Callable

import pytest

from envctl.errors import UsageError
from envctl.iam_roles import Binding, Requirement, custom_role, required_apis, required_bindings
from envctl.spec.model import Environment

Build = Callable[..., Environment]
GEN2 = "composer-2.13.8-airflow-2.10.5"
KEY = "projects/acme-data/locations/europe-west1/keyRings/r/cryptoKeys/k"


def needed(spec: Environment, **options: str) -> dict[str, Binding]:
    return {name: item for item in required_bindings(spec, **options) if item.needed for name in item.ids}


def test_the_smallest_environment_needs_the_worker_role_and_google_writes_the_agents_role(environment: Build) -> None:
    found = needed(environment(), project_number="123")
    assert found["env.worker"].member == "serviceAccount:composer-prod@acme-data.iam.gserviceaccount.com"
    assert found["env.worker"].role == "roles/composer.worker"
    assert found["env.worker"].managed
    agent = found["agent.base"]
    assert agent.requirement is Requirement.GOOGLE
    assert not agent.managed
    assert agent.member == "serviceAccount:service-123@cloudcomposer-accounts.iam.gserviceaccount.com"


def test_unknown_project_numbers_stay_placeholders(environment: Build) -> None:
    agent = needed(environment())["agent.base"]
    assert agent.member == "serviceAccount:service-${projectNumber}@cloudcomposer-accounts.iam.gserviceaccount.com"


def test_act_as_is_granted_on_the_account_and_not_on_the_project(environment: Build) -> None:
    found = needed(environment(access={"deployers": ["user:a@example.com"]}))
    binding = found["caller.act-as-env-sa"]
    assert binding.resource == (
        "//iam.googleapis.com/projects/acme-data/serviceAccounts/composer-prod@acme-data.iam.gserviceaccount.com"
    )
    assert binding.target == "service-account"
    everywhere = [b for b in required_bindings(environment()) if b.role == "roles/iam.serviceAccountUser"]
    assert everywhere
    assert all(b.resource_kind != "project" for b in everywhere)


@pytest.mark.parametrize(("image", "expected"), [(GEN2, True), ("composer-3-airflow-2.10.5-build.10", False)])
def test_the_extension_role_belongs_to_generation_two_and_sits_on_the_account(
    environment: Build, image: str, expected: bool
) -> None:
    found = needed(environment(imageVersion=image))
    assert ("agent.v2ext-env-sa" in found) is expected
    assert "agent.v2ext-project" not in found
    if expected:
        assert found["agent.v2ext-env-sa"].managed


def test_a_foreign_account_brings_the_cross_project_rows_and_envctl_does_not_grant_on_it(environment: Build) -> None:
    found = needed(
        environment(imageVersion=GEN2, serviceAccount={"email": "runner@other-project.iam.gserviceaccount.com"})
    )
    for name in ("agent.xproj-use", "agent.xproj-v2ext", "gapis.xproj-use", "gke.xproj-use", "gce.xproj-token"):
        assert not found[name].managed
        assert (found[name].resource or "").startswith("//iam.googleapis.com/projects/other-project/")
    assert "agent.v2ext-env-sa" not in found


SHARED = {"mode": "private", "hostProject": "acme-net", "network": "shared", "subnetwork": "eu"}


def test_shared_vpc_differs_by_generation(environment: Build) -> None:
    third = needed(environment(network=SHARED))
    second = needed(environment(imageVersion=GEN2, network=SHARED))
    public = needed(environment(imageVersion=GEN2, network={**SHARED, "mode": "public"}))
    assert {"agent.shared-vpc"} <= third.keys()
    assert not {"gke.host-user", "gapis.network-user"} & third.keys()
    assert {
        "agent.shared-vpc",
        "gke.host-user",
        "gke.network-user",
        "gapis.network-user",
        "gke.host-base",
    } <= second.keys()
    assert "agent.shared-vpc" not in public
    assert "agent.network-user" in public
    assert second["agent.shared-vpc"].resource == "//cloudresourcemanager.googleapis.com/projects/acme-net"
    assert second["gke.network-user"].resource == (
        "//compute.googleapis.com/projects/acme-net/regions/europe-west1/subnetworks/eu"
    )
    assert not any(item.managed for item in second.values() if "acme-net" in (item.resource or ""))
    assert "${hostProjectNumber}" in second["gke.host-base"].member


def test_a_customer_key_asks_for_two_agents_in_generation_three_and_six_in_two(environment: Build) -> None:
    def agents(image: str) -> set[str]:
        found = needed(environment(imageVersion=image, encryption={"key": {"name": KEY}}))
        return {b.principal for b in found.values() if b.resource == f"//cloudkms.googleapis.com/{KEY}"} - {
            "bootstrapper"
        }

    assert agents("composer-3-airflow-2.10.5-build.10") == {"composer_agent", "storage_agent"}
    assert agents(GEN2) == {"composer_agent", "storage_agent", "ar_agent", "gke_agent", "pubsub_agent", "compute_agent"}


def test_a_key_that_is_yet_to_be_made_has_no_name_but_a_place_in_the_file(environment: Build) -> None:
    binding = needed(environment(encryption={"key": {"create": True}}))["gcs.cmek"]
    assert (binding.resource, binding.target, binding.managed) == (None, "encryption.key", True)


def test_a_key_of_another_project_is_verified_only(environment: Build) -> None:
    name = "projects/keys-prj/locations/europe-west1/keyRings/r/cryptoKeys/k"
    assert not needed(environment(encryption={"key": {"name": name}}))["gcs.cmek"].managed


@pytest.mark.parametrize(
    ("integration", "rows", "api"),
    [
        ("dataflow", {"env.dataflow-dev", "env.dataflow-actas", "df.worker", "df.agent"}, "dataflow.googleapis.com"),
        ("dataproc", {"env.dataproc", "env.dataproc-actas"}, "dataproc.googleapis.com"),
        ("bigquery", {"env.bq-job", "env.bq-data"}, "bigquery.googleapis.com"),
    ],
)
def test_an_engine_brings_its_rows_and_its_api(environment: Build, integration: str, rows: set[str], api: str) -> None:
    with_it = environment(integrations=[integration])
    assert rows <= needed(with_it).keys()
    assert not rows & needed(environment()).keys()
    assert api in required_apis(with_it)


def test_rows_with_the_same_grant_are_one_binding(environment: Build) -> None:
    spec = environment(
        imageVersion=GEN2, integrations=["dataflow", "dataproc"], packages={"index": {"repository": "py"}}
    )
    grants = [
        (b.member, b.role, b.resource or (b.resource_kind, b.target), b.condition) for b in required_bindings(spec)
    ]
    assert len(grants) == len(set(grants))
    self_use = needed(spec)["env.self-user"]
    assert {"env.dataflow-actas", "env.dataproc-actas", "env.self-user"} == set(self_use.ids)


def test_the_backend_reads_its_own_prefix_and_named_secrets_one_by_one(environment: Build) -> None:
    spec = environment(
        secrets={"backend": "secret-manager", "prefix": "airflow", "create": {"crm": {"name": "crm"}}},
        airflow={
            "connections": {
                "a": {"secret": "projects/acme-data/secrets/airflow-connections-a"},
                "b": {"secret": "projects/other-project/secrets/b/versions/3"},
            }
        },
    )
    found = required_bindings(spec, project_number="42")
    readers = [b for b in found if b.role == "roles/secretmanager.secretAccessor"]
    by_place = {b.resource: b for b in readers}
    project = by_place["//cloudresourcemanager.googleapis.com/projects/acme-data"]
    assert project.condition is not None
    assert project.condition.expression == 'resource.name.startsWith("projects/42/secrets/airflow-")'
    foreign = by_place["//secretmanager.googleapis.com/projects/other-project/secrets/b"]
    assert not foreign.managed
    assert by_place["//secretmanager.googleapis.com/projects/acme-data/secrets/crm"].id == "spec.secret-reader"
    assert len(readers) == 3


def test_vault_signs_with_the_account_itself(environment: Build) -> None:
    binding = needed(environment(secrets={"backend": "vault"}))["env.vault-sign"]
    assert binding.target == "service-account"
    assert binding.managed


def test_an_index_in_another_project_needs_a_reader_there(environment: Build) -> None:
    other = "projects/libs-prj/locations/europe/repositories/py"
    assert "env.ar-reader" not in needed(environment(packages={"index": {"repository": "py"}}))
    row = needed(environment(packages={"index": {"repository": other}}))["env.ar-reader"]
    assert row.resource == f"//artifactregistry.googleapis.com/{other}"
    assert not row.managed


def test_snapshots_in_a_bucket_outside_the_file_need_rights_there(environment: Build) -> None:
    def rows(location: str) -> set[str]:
        return set(
            needed(
                environment(
                    snapshots={"schedule": "0 3 * * *", "location": location}, buckets={"s": {"name": "acme-snapshots"}}
                )
            )
        )

    assert "env.snapshot-bucket" in rows("gs://elsewhere/x")
    assert "env.snapshot-bucket" not in rows("gs://acme-snapshots/x")


def test_people_get_what_their_block_says(environment: Build) -> None:
    spec = environment(
        access={
            "users": ["group:analysts@example.com"],
            "operators": ["group:ops@example.com"],
            "dagAuthors": ["group:data@example.com"],
            "deployers": [
                "serviceAccount:ci@acme-data.iam.gserviceaccount.com",
                "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/gh/*",
            ],
        }
    )
    found = needed(spec)
    assert found["caller.composer-user"].member == "group:analysts@example.com"
    assert found["operator.logs"].member == "group:ops@example.com"
    assert found["caller.bucket-admin"].target == "buckets.environment"
    assert found["caller.wif-for-ci"].resource == (
        "//iam.googleapis.com/projects/acme-data/serviceAccounts/ci@acme-data.iam.gserviceaccount.com"
    )
    admins = [b for b in required_bindings(spec) if b.id == "caller.composer-admin"]
    assert len(admins) == 2
    assert all(b.managed for b in admins)


def test_without_named_deployers_the_caller_is_checked_and_never_granted(environment: Build) -> None:
    row = needed(environment())["caller.composer-admin"]
    assert row.member == "${caller}"
    assert not row.managed


def test_the_files_own_grants_are_part_of_the_set(environment: Build) -> None:
    spec = environment(
        buckets={"staging": {"access": {"objectAdmin": ["environment"]}}},
        repository={"name": "python"},
        iam={
            "extraBindings": [
                {"role": "roles/pubsub.publisher", "on": "projects/acme-data", "members": ["environment"]}
            ]
        },
    )
    found = {b.id: b for b in required_bindings(spec) if b.id.startswith("spec.")}
    assert found.keys() == {"spec.bucket-access", "spec.repository-reader", "spec.extra-binding"}
    assert found["spec.bucket-access"].target == "buckets.staging"
    assert all(b.managed and b.needed for b in found.values())


def test_node_pools_bring_the_cluster_agents_in_generation_three(environment: Build) -> None:
    found = needed(environment(nodePools={"heavy": {"machineType": "e2-standard-8"}}))
    assert {"boot.container-admin", "pools.node-account", "pools.gke-agent", "pools.compute-agent"} <= found.keys()
    assert "pools.gke-agent" not in needed(environment())


def test_an_operation_narrows_the_set(environment: Build) -> None:
    spec = environment()
    everything = set(needed(spec))
    delete = set(needed(spec, operation="delete"))
    assert delete == {"caller.composer-admin", "agent.base"}
    assert delete < everything
    with pytest.raises(UsageError, match="No operation is called 'fly'"):
        required_bindings(spec, operation="fly")


def test_apis_come_in_an_order_that_ends_with_composer(environment: Build) -> None:
    apis = required_apis(environment(encryption={"key": {"create": True}}))
    assert apis[-1] == "composer.googleapis.com"
    assert apis.index("artifactregistry.googleapis.com") < apis.index("cloudkms.googleapis.com")
    assert len(apis) == len(set(apis))
    assert "cloudkms.googleapis.com" not in required_apis(environment())
    assert "cloudbuild.googleapis.com" in required_apis(environment(imageVersion=GEN2))
    assert "cloudbuild.googleapis.com" not in apis


def test_a_custom_role_holds_only_what_the_operations_ask_for(environment: Build) -> None:
    role = custom_role(environment(), "deployer")
    assert {"composer.environments.create", "serviceusage.services.enable"} <= set(role.permissions)
    assert {"resourcemanager.projects.setIamPolicy", "iam.serviceAccounts.setIamPolicy"} <= set(role.permissions)
    assert not any(p.startswith(("secretmanager", "cloudkms", "compute")) for p in role.permissions)
    assert role.leaves_out == ("caller.act-as-env-sa",)
    with pytest.raises(UsageError, match="No custom role"):
        custom_role(environment(), "env_sa")
