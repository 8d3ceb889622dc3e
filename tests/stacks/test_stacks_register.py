from __future__ import annotations

from dataclasses import replace

import pytest
from stacks_recording import CONTEXT, load_environment, run_program

from envctl.errors import RefusedError
from envctl.stacks import environment_declarations, environment_program
from envctl.stacks.preparation import Preparation

THIN = {"buckets": {"staging": {"access": {"objectAdmin": ["environment"]}}}}


def test_account_binding_bucket_and_environment_are_registered_in_the_tree() -> None:
    recording = run_program(environment_program(load_environment(THIN), CONTEXT))
    account = recording.named("service-account")
    assert account.urn == (
        "urn:pulumi:prod::acme::pulumi:pulumi:Stack$envctl:group:Identities$gcp:serviceaccount/account:Account"
        "::service-account"
    )
    assert account.inputs == {
        "accountId": "composer-prod",
        "project": "acme-data-prod",
        "displayName": "Cloud Composer environment prod",
    }
    member = recording.named("buckets.staging/storage.objectAdmin/environment")
    assert member.inputs["bucket"] == "acme-data-prod-prod-staging"
    assert member.inputs["member"] == "serviceAccount:composer-prod@acme-data-prod.iam.gserviceaccount.com"
    assert recording.named("environment").inputs["config"]["nodeConfig"]["serviceAccount"] == (
        "composer-prod@acme-data-prod.iam.gserviceaccount.com"
    )


def test_the_engine_sees_that_the_environment_needs_every_api_and_binding_first() -> None:
    recording = run_program(environment_program(load_environment(THIN), CONTEXT))
    dependencies = recording.named("environment").dependencies
    needed = {
        urn
        for urn, resource in recording.resources.items()
        if resource.name.startswith(("api-", "project/", "identity-"))
    }
    assert needed
    assert needed <= dependencies


def test_packages_are_not_compared_and_timeouts_are_longer_than_the_providers() -> None:
    request = run_program(environment_program(load_environment(THIN), CONTEXT)).named("environment").request
    assert list(request.ignoreChanges) == [
        "config.softwareConfig.pypiPackages",
        "labels.envctl-version",
        "labels.envctl-commit",
        "labels.envctl-owner",
    ]
    assert (request.customTimeouts.create, request.customTimeouts.update, request.customTimeouts.delete) == (
        "150m",
        "180m",
        "90m",
    )


def test_exports_come_from_the_environment_that_was_made() -> None:
    recording = run_program(environment_program(load_environment(THIN), CONTEXT))
    assert recording.exports == {
        "environment": "prod",
        "project": "acme-data-prod",
        "region": "europe-west1",
        "imageVersion": "composer-3-airflow-2.10.5-build.10",
        "airflowUri": "https://airflow.example",
        "dagGcsPrefix": "gs://b/dags",
        "bucket": "b",
        "serviceAccount": "composer-prod@acme-data-prod.iam.gserviceaccount.com",
        "buckets": {"staging": "acme-data-prod-prod-staging"},
    }


def test_every_declaration_is_registered_once_with_the_explicit_provider() -> None:
    loaded = load_environment(THIN)
    recording = run_program(environment_program(loaded, CONTEXT))
    declared = environment_declarations(loaded, CONTEXT)
    provider = next(resource for resource in recording.resources.values() if resource.type == "pulumi:providers:gcp")
    assert provider.inputs == {"project": "acme-data-prod", "region": "europe-west1"}
    custom = [resource for resource in recording.resources.values() if resource.type.startswith("gcp:")]
    assert sorted(resource.name for resource in custom) == sorted(resource.name for resource in declared.resources)
    assert {resource.request.provider.rsplit("::", 1)[0] for resource in custom} == {provider.urn}


def test_a_workload_secret_is_sent_as_a_secret_in_base64() -> None:
    loaded = load_environment({"userWorkloads": {"secrets": {"crm": {"data": {"token": {"env": "CRM_TOKEN"}}}}}})
    with_value = replace(CONTEXT, secrets={"CRM_TOKEN": "s3cret"})
    raw = run_program(environment_program(loaded, with_value)).named("workload-secret-crm").request.object
    marked = raw.fields["data"].struct_value
    token = marked.fields["value"].struct_value.fields["token"] if "value" in marked.fields else marked.fields["token"]
    assert "czNjcmV0" in str(token)
    assert "4dabf18193072939515e22adb298388d" in str(raw)


def test_a_workload_secret_without_its_variable_is_refused_by_name() -> None:
    loaded = load_environment({"userWorkloads": {"secrets": {"crm": {"data": {"token": {"env": "CRM_TOKEN"}}}}}})
    with pytest.raises(RefusedError, match="CRM_TOKEN is not set"):
        run_program(environment_program(loaded, CONTEXT))


def test_a_preparation_is_done_once_between_what_it_names_and_never_in_a_preview() -> None:
    from envctl.stacks.register import register

    declared = environment_declarations(load_environment(THIN), CONTEXT)
    members = frozenset({"project/composer.worker/environment", "buckets.staging/storage.objectAdmin/environment"})
    done: list[str] = []

    def act() -> list[str]:
        done.append("asked")
        return ["mind the gap"]

    preparation = Preparation(("api-storage",), members, act)
    recording = run_program(lambda: register(declared, {}, "9.9.9", [preparation]))
    assert done == ["asked"]
    storage = recording.named("api-storage").urn
    assert all(storage in recording.named(name).dependencies for name in members)
    run_program(lambda: register(declared, {}, "9.9.9", [preparation]), preview=True)
    assert done == ["asked"]


def test_a_preparation_without_predecessors_is_done_too() -> None:
    from envctl.stacks.register import register

    declared = environment_declarations(load_environment(THIN), CONTEXT)
    done: list[str] = []
    register_now = Preparation((), frozenset({"environment"}), lambda: done.append("asked") or ())
    run_program(lambda: register(declared, {}, "9.9.9", [register_now]))
    assert done == ["asked"]
