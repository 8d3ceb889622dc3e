from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from stacks_recording import (
    CONTEXT,
    EVERYTHING_2,
    EVERYTHING_3,
    FOUNDATION,
    load_environment,
    load_foundation,
    run_program,
)

from envctl.errors import UsageError
from envctl.stacks import (
    ProviderArguments,
    environment_declarations,
    environment_program,
    foundation_declarations,
    foundation_program,
)
from envctl.stacks.declaration import Ref, Resource, StackProgram, references
from envctl.stacks.memberships import declared_targets, is_membership

SECRETS = replace(CONTEXT, secrets={"CRM_TOKEN": "s3cret"})


def shuffled(value: Any, source: random.Random) -> Any:
    """The same document with the keys of every mapping in another order."""
    if isinstance(value, Mapping):
        keys = list(value)
        source.shuffle(keys)
        return {key: shuffled(value[key], source) for key in keys}
    return [shuffled(item, source) for item in value] if isinstance(value, list) else value


def before(program: StackProgram, name: str) -> set[str]:
    """Everything that must be done before a resource is, by dependency or reference."""
    found: set[str] = set()
    open_names = [name]
    while open_names:
        resource = program.resource(open_names.pop())
        needed = {*resource.options.depends_on, *(ref.resource for ref in references(resource.inputs))}
        open_names += needed - found
        found |= needed
    return found


def concrete(program: StackProgram, value: Any) -> Any:
    """The value with the inputs of a referenced resource in the place of each reference."""
    if isinstance(value, Ref):
        return concrete(program, program.resource(value.resource).inputs), value.output
    if isinstance(value, Mapping):
        return sorted((key, str(concrete(program, item))) for key, item in value.items())
    return [concrete(program, item) for item in value] if isinstance(value, list) else value


def of_group(program: StackProgram, group: str) -> list[Resource]:
    return [resource for resource in program.resources if resource.parent == group]


@pytest.mark.parametrize("fields", [EVERYTHING_3, EVERYTHING_2], ids=["generation 3", "generation 2"])
def test_the_order_of_keys_in_the_file_changes_nothing(fields: Mapping[str, Any]) -> None:
    expected = environment_declarations(load_environment(fields), CONTEXT)
    for seed in range(5):
        again = environment_declarations(load_environment(shuffled(fields, random.Random(seed))), CONTEXT)
        assert again == expected


def test_the_order_of_keys_changes_no_urn_and_no_input_that_an_engine_sees() -> None:
    first = run_program(environment_program(load_environment(EVERYTHING_3), SECRETS))
    other = shuffled(EVERYTHING_3, random.Random(7))
    second = run_program(environment_program(load_environment(other), SECRETS))
    assert {urn: resource.inputs for urn, resource in first.resources.items()} == {
        urn: resource.inputs for urn, resource in second.resources.items()
    }


@pytest.mark.parametrize("fields", [EVERYTHING_3, EVERYTHING_2], ids=["generation 3", "generation 2"])
def test_apis_bindings_and_key_members_come_before_the_environment(fields: Mapping[str, Any]) -> None:
    program = environment_declarations(load_environment(fields), CONTEXT)
    done = before(program, "environment")
    for group in ("apis", "identities", "network", "encryption", "storage", "secrets", "repository"):
        assert {resource.name for resource in of_group(program, group)} <= done, group
    bindings = {resource.name for resource in of_group(program, "access")}
    assert bindings <= done
    assert {name for name in bindings if name.startswith("encryption.key/")}


def test_every_resource_comes_after_its_own_api() -> None:
    program = environment_declarations(load_environment(EVERYTHING_3), CONTEXT)
    first = {"composer": "api-composer", "compute": "api-compute", "kms": "api-cloudkms", "storage": "api-storage"}
    for resource in program.resources:
        module = resource.type.split(":")[1].split("/")[0]
        if module in first:
            assert first[module] in before(program, resource.name), resource.name
        if resource.parent != "apis":
            assert any(name.startswith("api-") for name in before(program, resource.name)), resource.name


def test_buckets_and_repository_wait_until_the_key_may_be_used() -> None:
    program = environment_declarations(load_environment(EVERYTHING_3), CONTEXT)
    members = {resource.name for resource in program.resources if resource.name.startswith("encryption.key/")}
    assert len(members) > 1
    for name in ("bucket-environment", "bucket-scratch", "repository"):
        assert members <= before(program, name), name
    assert not members & before(program, "bucket-staging"), "a bucket elsewhere cannot use the key"


def test_rights_on_the_bucket_that_composer_makes_come_after_the_environment() -> None:
    program = environment_declarations(
        load_environment({"access": {"dagAuthors": ["group:data@example.com"]}}), CONTEXT
    )
    member = program.resource("buckets.environment/storage.objectAdmin/group-data@example.com")
    assert "environment" in before(program, member.name)
    assert member.name not in before(program, "environment")


def test_apis_are_never_disabled() -> None:
    program = environment_declarations(load_environment(EVERYTHING_3), CONTEXT)
    apis = of_group(program, "apis")
    assert len(apis) > 10
    for resource in apis:
        assert resource.options.retain_on_delete
        assert resource.inputs["disableOnDestroy"] is False
        assert resource.inputs["disableDependentServices"] is False


def test_bindings_are_members_and_never_whole_policies() -> None:
    kinds = {
        resource.type.rsplit(":", 1)[-1]
        for fields in (EVERYTHING_3, EVERYTHING_2)
        for resource in of_group(environment_declarations(load_environment(fields), CONTEXT), "access")
    }
    assert kinds == {"IAMMember", "BucketIAMMember", "CryptoKeyIAMMember", "SecretIamMember", "RepositoryIamMember"}


def survivors(program: StackProgram) -> set[str]:
    return {resource.name for resource in program.resources if resource.options.retain_on_delete}


def test_what_survives_a_destroy_is_what_cannot_or_must_not_go() -> None:
    program = environment_declarations(load_environment(EVERYTHING_3), CONTEXT)
    assert {name for name in survivors(program) if not name.startswith(("api-", "identity-"))} == {
        "key-ring",
        "key",
        "bucket-environment",
        "bucket-staging",
        "log-retention",
        "encryption.key/cloudkms.cryptoKeyEncrypterDecrypter/bigquery-encryption",
        "encryption.key/cloudkms.cryptoKeyEncrypterDecrypter/cloudcomposer-accounts",
        "encryption.key/cloudkms.cryptoKeyEncrypterDecrypter/compute-system",
        "encryption.key/cloudkms.cryptoKeyEncrypterDecrypter/dataflow-service-producer-prod",
        "encryption.key/cloudkms.cryptoKeyEncrypterDecrypter/gcp-sa-artifactregistry",
        "encryption.key/cloudkms.cryptoKeyEncrypterDecrypter/gs-project-accounts",
    }


def test_an_agent_that_must_be_asked_for_gets_its_role_after_its_api() -> None:
    program = environment_declarations(load_environment(EVERYTHING_3), CONTEXT)
    row = "encryption.key/cloudkms.cryptoKeyEncrypterDecrypter/{}"
    assert "api-storage" in program.resource(row.format("gs-project-accounts")).options.depends_on
    assert "api-bigquery" in program.resource(row.format("bigquery-encryption")).options.depends_on
    assert "api-storage" not in program.resource(row.format("compute-system")).options.depends_on


def test_two_environments_of_one_project_share_no_object_that_a_destroy_takes() -> None:
    shared = load_foundation(FOUNDATION)
    people = {
        "users": ["group:analysts@example.com"],
        "deployers": ["serviceAccount:ci@acme-data-prod.iam.gserviceaccount.com"],
    }
    common = {"network": {"from": "foundation"}, "encryption": {"key": {"from": "foundation"}}, "access": people}
    blue = load_environment({**common, "serviceAccount": {"name": "composer-blue"}}, name="blue", foundation=shared)
    green = load_environment({**common, "serviceAccount": {"name": "composer-green"}}, name="green", foundation=shared)

    def program(one: Any) -> StackProgram:
        return environment_declarations(one, CONTEXT)

    def objects(one: StackProgram, *, taken: bool) -> set[str]:
        return {
            f"{resource.type} {concrete(one, resource.inputs)}"
            for resource in one.resources
            if not is_membership(resource.type) and not (taken and resource.options.retain_on_delete)
        }

    first, second = program(blue), program(green)
    assert objects(first, taken=True).isdisjoint(objects(second, taken=False))
    assert objects(second, taken=True).isdisjoint(objects(first, taken=False))
    both = declared_targets(first).keys() & declared_targets(second).keys()
    shared = {name for name in both if declared_targets(first)[name] == declared_targets(second)[name]}
    assert "project/composer.user/group-analysts@example.com" in shared
    assert "project/composer.worker/environment" in both - shared, "each has an account of its own"


def test_equal_names_of_buckets_in_two_files_are_not_one_bucket() -> None:
    access = {"buckets": {"staging": {"access": {"objectViewer": ["group:data@example.com"]}}}}
    mine = load_environment({**access, "serviceAccount": {"name": "composer-mine"}}, name="mine")
    other = load_environment({**access, "serviceAccount": {"name": "composer-other"}}, name="other")
    one, two = (declared_targets(environment_declarations(each, CONTEXT)) for each in (mine, other))
    name = "buckets.staging/storage.objectViewer/group-data@example.com"
    assert one[name] != two[name]


def test_protection_covers_what_holds_data_and_nothing_else() -> None:
    program = environment_declarations(load_environment(EVERYTHING_3), CONTEXT)
    protected = {resource.name for resource in program.resources if resource.options.protect}
    assert protected == {
        "environment",
        "key-ring",
        "key",
        "bucket-environment",
        "bucket-staging",
        "bucket-scratch",
        "secret-crm",
        "secret-ads",
        "repository",
        "network",
        "subnetwork",
        "cluster",
    }
    free = environment_declarations(load_environment({**EVERYTHING_3, "protect": False}), CONTEXT)
    assert not [resource.name for resource in free.resources if resource.options.protect]


def test_network_and_key_of_a_foundation_are_known_before_it_is_applied() -> None:
    shared = load_foundation(FOUNDATION)
    fields = {"network": {"from": "foundation"}, "encryption": {"key": {"from": "foundation"}}}
    loaded = load_environment(fields, foundation=shared)
    config = environment_declarations(loaded, CONTEXT).resource("environment").inputs["config"]
    assert config["nodeConfig"]["network"] == "projects/acme-data-prod/global/networks/acme-network"
    assert config["nodeConfig"]["subnetwork"] == "projects/acme-data-prod/regions/europe-west1/subnetworks/acme-subnet"
    assert config["encryptionConfig"]["kmsKeyName"] == (
        "projects/acme-data-prod/locations/europe-west1/keyRings/acme/cryptoKeys/acme"
    )
    outputs = {
        "network": "projects/other/global/networks/n",
        "key": "projects/other/locations/l/keyRings/r/cryptoKeys/k",
    }
    applied = environment_declarations(loaded, replace(CONTEXT, foundation_outputs=outputs))
    config = applied.resource("environment").inputs["config"]
    assert config["nodeConfig"]["network"] == "projects/other/global/networks/n"
    assert config["encryptionConfig"]["kmsKeyName"] == "projects/other/locations/l/keyRings/r/cryptoKeys/k"


def test_names_in_a_shared_vpc_are_completed_with_the_host_project() -> None:
    network = {"hostProject": "acme-net", "network": "shared", "subnetwork": "data"}
    declared = environment_declarations(load_environment({"network": network}), CONTEXT)
    assert declared.resource("environment").inputs["config"]["nodeConfig"] == {
        "serviceAccount": "composer-prod@acme-data-prod.iam.gserviceaccount.com",
        "network": "projects/acme-net/global/networks/shared",
        "subnetwork": "projects/acme-net/regions/europe-west1/subnetworks/data",
    }
    full = {"network": "projects/x/global/networks/n", "subnetwork": "projects/x/regions/r/subnetworks/s"}
    node = environment_declarations(load_environment({"network": full}), CONTEXT).resource("environment").inputs
    assert node["config"]["nodeConfig"]["network"] == "projects/x/global/networks/n"


def test_labels_name_version_and_commit_on_the_environment_alone() -> None:
    program = environment_declarations(load_environment({**EVERYTHING_3, "labels": {"team": "data"}}), CONTEXT)
    assert program.resource("environment").inputs["labels"] == {
        "envctl-commit": "0f3c9a1b2d4e",
        "envctl-stack": "prod",
        "envctl-version": "1-2-0",
        "managed-by": "envctl",
        "team": "data",
    }
    assert program.resource("bucket-staging").inputs["labels"] == {
        "content": "temporary",
        "envctl-stack": "prod",
        "managed-by": "envctl",
        "team": "data",
    }


def test_what_exists_already_is_imported() -> None:
    ring = "projects/acme-data-prod/locations/europe-west1/keyRings/data"
    program = environment_declarations(load_environment(EVERYTHING_3), replace(CONTEXT, adopted={"key-ring": ring}))
    assert program.resource("key-ring").options.import_id == ring
    assert program.resource("key").options.import_id is None
    recorded = run_program(
        environment_program(load_environment(EVERYTHING_3), replace(SECRETS, adopted={"key-ring": ring}))
    )
    assert recorded.named("key-ring").request.importId == ring


def test_provider_arguments_are_explicit() -> None:
    arguments = ProviderArguments(
        impersonate_service_account="deployer@acme.iam.gserviceaccount.com",
        user_project_override=True,
        billing_project="acme-billing",
        endpoints={"composerCustomEndpoint": "http://127.0.0.1:1/composer/v1beta1/"},
    )
    recorded = run_program(environment_program(load_environment({}), replace(CONTEXT, provider=arguments)))
    provider = next(each for each in recorded.resources.values() if each.type == "pulumi:providers:gcp")
    assert provider.inputs == {
        "project": "acme-data-prod",
        "region": "europe-west1",
        "impersonateServiceAccount": "deployer@acme.iam.gserviceaccount.com",
        "userProjectOverride": "true",
        "billingProject": "acme-billing",
        "composerCustomEndpoint": "http://127.0.0.1:1/composer/v1beta1/",
    }


@pytest.mark.parametrize("fields", [EVERYTHING_3, EVERYTHING_2], ids=["generation 3", "generation 2"])
def test_an_engine_gets_everything_that_is_declared(fields: Mapping[str, Any]) -> None:
    loaded = load_environment(fields)
    recorded = run_program(environment_program(loaded, SECRETS))
    declared = environment_declarations(loaded, SECRETS)
    custom = {each.name for each in recorded.resources.values() if each.type.startswith("gcp:")}
    assert custom == {resource.name for resource in declared.resources}
    for resource in declared.resources:
        request = recorded.named(resource.name).request if resource.name not in {"network", "repository"} else None
        if request is not None:
            assert request.protect == resource.options.protect, resource.name
            assert request.retainOnDelete == resource.options.retain_on_delete, resource.name


def test_a_preview_with_unknown_outputs_runs_to_its_end() -> None:
    recorded = run_program(environment_program(load_environment(EVERYTHING_3), SECRETS), preview=True)
    assert "environment" in {each.name for each in recorded.resources.values()}


def test_a_foundation_registers_and_exports_what_environments_need() -> None:
    recorded = run_program(foundation_program(load_foundation(FOUNDATION), CONTEXT), stack="acme")
    assert recorded.exports == {
        "project": "acme-data-prod",
        "region": "europe-west1",
        "network": "network-id",
        "subnetwork": "subnetwork-id",
        "podsRange": "pods",
        "servicesRange": "services",
        "key": "key-id",
        "repository": "repository-id",
        "notificationChannels": ["projects/acme-data-prod/notificationChannels/1"],
    }


def test_programs_refuse_files_of_the_other_kind() -> None:
    with pytest.raises(UsageError, match="is a foundation, not an environment"):
        environment_declarations(load_foundation(FOUNDATION), CONTEXT)
    with pytest.raises(UsageError, match="is an environment, not a foundation"):
        foundation_declarations(load_environment({}), CONTEXT)
