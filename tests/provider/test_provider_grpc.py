"""The real Pulumi CLI drives the sandbox provider through the gRPC adapter."""

from __future__ import annotations

import gc
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from emulated import PROJECT, REGION, emulated_provider
from provider_fakes import Notes

from envctl.provider.grpc_adapter import Adapter, serve_provider
from envctl.sandbox.cloud import Cloud

BUCKET = "gcp:storage/bucket:Bucket"


def find_cli() -> Path | None:
    root = Path(__file__).parents[2]
    named = os.environ.get("ENVCTL_TEST_PULUMI")
    on_path = shutil.which("pulumi")
    for candidate in (named, root / ".cache/pulumi/bin/pulumi", on_path):
        if candidate and Path(candidate).is_file():
            return Path(candidate)
    return None


pytestmark = [
    pytest.mark.filterwarnings("ignore:gcp.* has been deprecated in favor of:DeprecationWarning"),
    # The SDK leaves event loops of its language server open; `stack` collects them before the next test.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.pulumi,
    pytest.mark.skipif(
        find_cli() is None, reason="no Pulumi CLI: set ENVCTL_TEST_PULUMI or build it into .cache/pulumi"
    ),
]


@pytest.fixture
def emulator() -> Cloud:
    return Cloud()


@pytest.fixture
def adapter(emulator: Cloud) -> Iterator[Adapter]:
    running = serve_provider(emulated_provider(emulator))
    yield running
    running.stop()


def program(size: str = "ENVIRONMENT_SIZE_SMALL", region: str = REGION) -> Callable[[], None]:
    def declare() -> None:
        import pulumi
        import pulumi_gcp as gcp

        apis = [
            gcp.projects.Service(name, service=f"{name}.googleapis.com", disable_on_destroy=False)
            for name in ("composer", "iam", "storage", "secretmanager")
        ]
        after = pulumi.ResourceOptions(depends_on=apis)
        account = gcp.serviceaccount.Account("runner", account_id="composer", display_name="Composer", opts=after)
        bucket = gcp.storage.Bucket(
            "files",
            name="acme-composer-dev",
            location=region,
            uniform_bucket_level_access=True,
            force_destroy=True,
            opts=after,
        )
        worker = gcp.projects.IAMMember(
            "worker", project=PROJECT, role="roles/composer.worker", member=account.member, opts=after
        )
        secret = gcp.secretmanager.Secret("crm", secret_id="crm", replication={"auto": {}}, opts=after)
        gcp.secretmanager.SecretVersion("crm-1", secret=secret.id, secret_data="hunter2")
        environment = gcp.composer.Environment(
            "environment",
            name="dev",
            region=region,
            storage_config={"bucket": bucket.name},
            config={
                "environment_size": size,
                "node_config": {"service_account": account.email},
                "software_config": {"image_version": "composer-3-airflow-2.10.5-build.10"},
            },
            opts=pulumi.ResourceOptions(depends_on=[worker]),
        )
        pulumi.export("airflow", environment.config.airflow_uri)

    return declare


@pytest.fixture
def stack(
    adapter: Adapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Callable[[], None]], Any]]:
    from pulumi import automation as auto
    from semver import VersionInfo

    cli = find_cli()
    assert cli is not None
    variables = {
        **adapter.environment,
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": f"file://{tmp_path}",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    home = tmp_path / "cli"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "pulumi").symlink_to(cli)
    command = auto.PulumiCommand(str(home), skip_version_check=True)
    if command.version is None:  # a CLI built from its Go module does not know its version
        command.version = VersionInfo(3, 256, 0)

    def select(declare: Callable[[], None]) -> Any:
        made = auto.create_or_select_stack(
            "dev",
            project_name="acme",
            program=declare,
            opts=auto.LocalWorkspaceOptions(env_vars=variables, pulumi_command=command),
        )
        made.set_config("gcp:project", auto.ConfigValue(PROJECT))
        made.set_config("gcp:region", auto.ConfigValue(REGION))
        return made

    yield select
    gc.collect()


def test_a_stack_lives_through_the_real_cli(stack: Callable[[Callable[[], None]], Any], emulator: Cloud) -> None:
    first = stack(program())
    made = first.up()
    assert made.summary.resource_changes == {"create": 11}
    assert made.summary.result == "succeeded"
    assert str(made.outputs["airflow"].value).startswith("https://")
    assert first.preview().change_summary == {"same": 11}
    refreshed = first.refresh()
    assert refreshed.summary.resource_changes == {"same": 11}

    larger = stack(program(size="ENVIRONMENT_SIZE_MEDIUM"))
    assert larger.up().summary.resource_changes == {"update": 1, "same": 10}

    moved = stack(program(region="europe-west3"))
    assert moved.preview().change_summary == {"replace": 2, "same": 9}

    state = first.export_stack().deployment
    (version,) = (item for item in state["resources"] if item["type"].endswith("SecretVersion"))
    for side in ("inputs", "outputs"):  # the export shows secrets, but as such
        assert version[side]["secretData"]["plaintext"] == json.dumps("hunter2")
    assert first.destroy().summary.result == "succeeded"
    buckets = [item for item in emulator.requests if item["method"].endswith("buckets.delete")]
    assert len(buckets) == 1


def test_a_refused_input_names_its_property(stack: Callable[[Callable[[], None]], Any]) -> None:
    def declare() -> None:
        import pulumi_gcp as gcp

        gcp.composer.Environment(
            "environment",
            name="dev",
            region=REGION,
            config={
                "software_config": {"image_version": "composer-3-airflow-2.10.5-build.10", "env_variables": {"A": "1"}}
            },
        )

    from pulumi import automation as auto

    with pytest.raises(auto.CommandError, match=r'variable "A" must match'):
        stack(declare).preview()


def test_a_failed_environment_enters_the_state(stack: Callable[[Callable[[], None]], Any], emulator: Cloud) -> None:
    from pulumi import automation as auto

    def declare() -> None:
        import pulumi
        import pulumi_gcp as gcp

        apis = [
            gcp.projects.Service(name, service=f"{name}.googleapis.com", disable_on_destroy=False)
            for name in ("composer", "iam")
        ]
        account = gcp.serviceaccount.Account(
            "runner", account_id="composer", opts=pulumi.ResourceOptions(depends_on=apis)
        )
        gcp.composer.Environment(
            "environment",
            name="dev",
            region=REGION,
            config={
                "node_config": {"service_account": account.email},
                "software_config": {"image_version": "composer-3-airflow-2.10.5-build.10"},
            },
            opts=pulumi.ResourceOptions(depends_on=apis),
        )

    emulator.faults.add(
        {
            "kind": "operation",
            "operation": "composer.environments.create",
            "status": "INTERNAL",
            "message": "CREATE operation failed.",
        }
    )
    made = stack(declare)
    with pytest.raises(auto.CommandError, match="CREATE operation failed"):
        made.up()
    resources = made.export_stack().deployment["resources"]
    (environment,) = (item for item in resources if item["type"] == "gcp:composer/environment:Environment")
    assert environment["id"] == f"projects/{PROJECT}/locations/{REGION}/environments/dev"
    assert environment["initErrors"] == ["CREATE operation failed."]


def test_an_existing_bucket_is_imported_without_a_change(
    stack: Callable[[Callable[[], None]], Any], emulator: Cloud
) -> None:
    provider, context = emulated_provider(emulator), Notes().context()
    wanted = {"name": "acme-old", "location": "EU", "labels": {"team": "data"}, "uniformBucketLevelAccess": True}
    for token, inputs in (("gcp:projects/service:Service", {"service": "storage.googleapis.com"}), (BUCKET, wanted)):
        provider.create("urn", token, provider.check("urn", token, {}, inputs).inputs, context, preview=False)

    def declare() -> None:
        import pulumi
        import pulumi_gcp as gcp

        gcp.storage.Bucket(
            "old",
            name="acme-old",
            location="EU",
            labels={"team": "data"},
            uniform_bucket_level_access=True,
            force_destroy=True,
            opts=pulumi.ResourceOptions(import_="acme-old"),
        )

    start = len(emulator.requests)
    made = stack(declare)
    assert made.up().summary.resource_changes == {"create": 1, "import": 1}
    assert made.preview().change_summary == {"same": 2}
    changing = {"POST", "PUT", "PATCH", "DELETE"}
    assert [item for item in emulator.requests[start:] if item["verb"] in changing] == []
