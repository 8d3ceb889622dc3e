"""Google's own clients drive the served emulator."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from sandbox_client import PARENT, START

from envctl.errors import OutsideError
from envctl.sandbox import control
from envctl.sandbox.clock import Clock
from envctl.sandbox.cloud import Cloud
from envctl.sandbox.environment import client_environment, variables_at
from envctl.sandbox.server import RunningServer, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

DEV = f"{PARENT}/environments/dev"


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    server = serve(Cloud(clock=Clock(START)))
    yield server
    server.stop()


@pytest.fixture
def server(running: RunningServer) -> RunningServer:
    control.reset(running.cloud)
    control.seed(running.cloud, {"projects": [{"id": "acme", "number": "424242", "apis": "all"}]})
    account = "https://iam.googleapis.com/v1/projects/acme/serviceAccounts"
    control.seed(running.cloud, {"requests": [{"method": "POST", "url": account, "body": {"accountId": "runner"}}]})
    return running


def options(server: RunningServer, service: str) -> dict[str, Any]:
    return {
        "client_options": ClientOptions(api_endpoint=server.address(service)),
        "credentials": AnonymousCredentials(),
        "transport": "rest",
    }


def test_composer_creates_updates_and_deletes(server: RunningServer) -> None:
    from google.cloud.orchestration.airflow import service_v1

    client = service_v1.EnvironmentsClient(**options(server, "composer"))
    with pytest.raises(exceptions.NotFound, match="No such environment found"):
        client.get_environment(name=DEV)
    # The newest client does not know the fields that environments of 2026 images have from the start, and its
    # REST transport refuses what it does not know.
    software = service_v1.SoftwareConfig(image_version="composer-3-airflow-2.10.5-build.19")
    config = service_v1.EnvironmentConfig(
        software_config=software,
        environment_size=service_v1.EnvironmentConfig.EnvironmentSize.ENVIRONMENT_SIZE_MEDIUM,
        node_config=service_v1.NodeConfig(service_account="runner@acme.iam.gserviceaccount.com"),
    )
    operation = client.create_environment(parent=PARENT, environment=service_v1.Environment(name=DEV, config=config))
    assert operation.metadata.state.name == "PENDING"
    created = _result(operation)
    assert created.config.environment_size.name == "ENVIRONMENT_SIZE_MEDIUM"
    environment = client.get_environment(name=DEV)
    assert environment.state.name == "RUNNING"
    assert environment.config.workloads_config.worker.max_count == 3
    updated = _result(
        client.update_environment(
            name=DEV,
            environment=service_v1.Environment(labels={"a": "b"}),
            update_mask={"paths": ["labels"]},
        )
    )
    assert dict(updated.labels) == {"a": "b"}
    assert [entry.name for entry in client.list_environments(parent=PARENT)] == [DEV]
    command = client.execute_airflow_command(
        request={"environment": DEV, "command": "pools", "subcommand": "set", "parameters": ["crm", "4", "API"]}
    )
    polled = client.poll_airflow_command(
        request={
            "environment": DEV,
            "execution_id": command.execution_id,
            "pod": command.pod,
            "pod_namespace": command.pod_namespace,
            "next_line_number": 1,
        }
    )
    assert polled.output_end
    assert [line.content for line in polled.output] == ["Pool crm created"]
    _result(client.delete_environment(name=DEV))
    assert list(client.list_environments(parent=PARENT)) == []


def _result(operation: Any) -> Any:
    """The result of an operation, polled without the client's waits of several seconds."""
    from google.api_core.retry import Retry

    return operation.result(retry=None, polling=Retry(predicate=_not_done, initial=0.001, maximum=0.002, timeout=30))


def _not_done(error: Exception) -> bool:
    return type(error).__name__ == "_OperationNotComplete"


def test_composer_lists_image_versions(server: RunningServer) -> None:
    from google.cloud.orchestration.airflow import service_v1

    client = service_v1.ImageVersionsClient(**options(server, "composer"))
    versions = list(client.list_image_versions(parent=PARENT))
    assert [entry.image_version_id for entry in versions if entry.is_default] == ["composer-3-airflow-2.11.1-build.19"]


def test_storage_keeps_buckets_objects_and_policies(server: RunningServer) -> None:
    from google.cloud import storage

    client = storage.Client(
        project="acme",
        credentials=AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=server.address("storage")),
    )
    bucket = client.create_bucket("acme-files", location="EU")
    assert bucket.location == "EU"
    blob = bucket.blob("dags/a dag.py")
    blob.upload_from_string(b"line\r\nline\n\x00\xff", content_type="text/x-python")
    assert [found.name for found in client.list_blobs("acme-files", prefix="dags/")] == ["dags/a dag.py"]
    assert bucket.blob("dags/a dag.py").download_as_bytes() == b"line\r\nline\n\x00\xff"
    large = bytes(range(256)) * 2048
    chunked = bucket.blob("data/large.bin", chunk_size=256 * 1024)
    chunked.upload_from_file(io.BytesIO(large), content_type="application/octet-stream")
    assert bucket.blob("data/large.bin").download_as_bytes() == large
    chunked.delete()
    policy = bucket.get_iam_policy(requested_policy_version=3)
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {"user:a@example.com"}})
    bucket.set_iam_policy(policy)
    roles = {binding["role"] for binding in bucket.get_iam_policy(requested_policy_version=3).bindings}
    assert "roles/storage.objectViewer" in roles
    with pytest.raises(exceptions.Conflict, match="not empty"):
        bucket.delete()
    blob.delete()
    bucket.delete()
    with pytest.raises(exceptions.NotFound):
        client.get_bucket("acme-files")


def test_storage_writes_only_over_the_generation_that_was_meant(server: RunningServer) -> None:
    from google.cloud import storage

    client = storage.Client(
        project="acme",
        credentials=AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=server.address("storage")),
    )
    bucket = client.create_bucket("acme-state", location="EU")
    blob = bucket.blob("team/state.json")
    blob.upload_from_string("one", if_generation_match=0)
    first = blob.generation
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("team/state.json").upload_from_string("two", if_generation_match=0)
    resumed = bucket.blob("team/state.json", chunk_size=256 * 1024)
    with pytest.raises(exceptions.PreconditionFailed):
        resumed.upload_from_file(io.BytesIO(b"two"), if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.delete(if_generation_match=first + 1)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("team/state.json").rewrite(blob, if_generation_match=0)
    bucket.blob("team/state.json.bak").rewrite(blob, if_generation_match=0)
    assert bucket.blob("team/state.json.bak").download_as_bytes() == b"one"
    blob.upload_from_string("two", if_generation_match=first)
    xml = f"{server.address('storage')}/acme-state/team%2Fstate.json"
    assert httpx.get(xml).content == b"two"
    assert httpx.get(f"{xml}.gone").status_code == 404


def test_storage_copies_composes_and_deletes_in_a_batch(server: RunningServer) -> None:
    from google.cloud import storage

    for endpoint in (server.address("storage"), f"{server.url}/storage"):
        client = storage.Client(
            project="acme",
            credentials=AnonymousCredentials(),
            client_options=ClientOptions(api_endpoint=endpoint),
        )
        bucket = client.create_bucket("acme-copies", location="EU")
        bucket.versioning_enabled = True
        bucket.patch()
        one, two = bucket.blob("one"), bucket.blob("two")
        one.upload_from_string(b"1")
        two.upload_from_string(b"2")
        assert bucket.copy_blob(one, bucket, "copy").download_as_bytes() == b"1"
        assert bucket.rename_blob(two, "three").name == "three"
        whole = bucket.blob("whole")
        whole.compose([one, bucket.blob("three")])
        assert whole.download_as_bytes() == b"12"
        one.acl.user("ann@example.com").grant_read()
        one.acl.save()
        assert {"entity": "user-ann@example.com", "role": "READER"} in list(one.acl)
        with client.batch():
            for name in ("one", "copy", "three", "whole"):
                bucket.delete_blob(name)
        assert list(client.list_blobs("acme-copies")) == []
        older = list(client.list_blobs("acme-copies", versions=True))
        assert {blob.name for blob in older} == {"one", "copy", "three", "whole"}
        for blob in older:
            blob.delete()
        bucket.delete()


def test_resource_manager_changes_policies(server: RunningServer) -> None:
    from google.cloud import resourcemanager_v3

    client = resourcemanager_v3.ProjectsClient(**options(server, "cloudresourcemanager"))
    assert client.get_project(name="projects/acme").name == "projects/424242"
    found = client.search_projects(query="id:acme")
    assert [project.project_id for project in found] == ["acme"]
    policy = client.get_iam_policy(resource="projects/acme")
    policy.bindings.add(role="roles/viewer", members=["user:a@example.com"])
    changed = client.set_iam_policy(request={"resource": "projects/acme", "policy": policy})
    assert "roles/viewer" in {binding.role for binding in changed.bindings}
    with pytest.raises(exceptions.Conflict, match="concurrent policy changes"):
        client.set_iam_policy(request={"resource": "projects/acme", "policy": policy})
    held = client.test_iam_permissions(resource="projects/acme", permissions=["composer.environments.create"])
    assert list(held.permissions) == ["composer.environments.create"]


def test_service_usage_switches_apis_on(server: RunningServer) -> None:
    from google.cloud import service_usage_v1

    client = service_usage_v1.ServiceUsageClient(**options(server, "serviceusage"))
    name = "projects/acme/services/bigqueryreservation.googleapis.com"
    assert client.get_service(request={"name": name}).state.name == "DISABLED"
    _result(client.enable_service(request={"name": name}))
    assert client.get_service(request={"name": name}).state.name == "ENABLED"


def test_kms_makes_keys(server: RunningServer) -> None:
    from google.cloud import kms_v1

    client = kms_v1.KeyManagementServiceClient(**options(server, "cloudkms"))
    ring = client.create_key_ring(parent=PARENT, key_ring_id="ring", key_ring={})
    purpose = kms_v1.CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT
    key = client.create_crypto_key(parent=ring.name, crypto_key_id="key", crypto_key={"purpose": purpose})
    assert key.primary.state.name == "ENABLED"
    assert key.destroy_scheduled_duration.days == 30
    sealed = client.encrypt(request={"name": key.name, "plaintext": b"hunter2"})
    assert client.decrypt(request={"name": key.name, "ciphertext": sealed.ciphertext}).plaintext == b"hunter2"
    destroyed = client.destroy_crypto_key_version(name=key.primary.name)
    assert destroyed.state.name == "DESTROY_SCHEDULED"
    with pytest.raises(exceptions.Conflict, match="already exists"):
        client.create_key_ring(parent=PARENT, key_ring_id="ring", key_ring={})


def test_secret_manager_gives_secrets_back(server: RunningServer) -> None:
    from google.cloud import secretmanager_v1

    client = secretmanager_v1.SecretManagerServiceClient(**options(server, "secretmanager"))
    secret = client.create_secret(parent="projects/acme", secret_id="s", secret={"replication": {"automatic": {}}})
    assert secret.name == "projects/424242/secrets/s"
    version = client.add_secret_version(parent="projects/acme/secrets/s", payload={"data": b"hunter2"})
    assert client.access_secret_version(name=version.name).payload.data == b"hunter2"
    client.destroy_secret_version(name=version.name)
    with pytest.raises(exceptions.BadRequest, match="DESTROYED state"):
        client.access_secret_version(name=version.name)


def test_artifact_registry_makes_repositories(server: RunningServer) -> None:
    from google.cloud import artifactregistry_v1

    client = artifactregistry_v1.ArtifactRegistryClient(**options(server, "artifactregistry"))
    made = _result(
        client.create_repository(
            parent=PARENT,
            repository_id="py",
            repository=artifactregistry_v1.Repository(format_=artifactregistry_v1.Repository.Format.PYTHON),
        )
    )
    assert made.format_.name == "PYTHON"
    assert [entry.name for entry in client.list_repositories(parent=PARENT)] == [f"{PARENT}/repositories/py"]


def test_iam_speaks_grpc(server: RunningServer) -> None:
    import grpc
    from google.cloud import iam_admin_v1
    from google.cloud.iam_admin_v1.services.iam.transports import IAMGrpcTransport

    channel = grpc.insecure_channel(f"127.0.0.1:{server.ports['iam-grpc']}")
    client = iam_admin_v1.IAMClient(transport=IAMGrpcTransport(channel=channel))
    made = client.create_service_account(
        name="projects/acme", account_id="another", service_account={"display_name": "d"}
    )
    assert made.email == "another@acme.iam.gserviceaccount.com"
    assert client.get_service_account(name=made.name).display_name == "d"
    emails = {entry.email for entry in client.list_service_accounts(name="projects/acme")}
    assert emails == {"runner@acme.iam.gserviceaccount.com", made.email}
    policy = client.get_iam_policy(resource=made.name)
    policy.bindings.add(role="roles/iam.serviceAccountUser", members=["user:a@example.com"])
    changed = client.set_iam_policy(request={"resource": made.name, "policy": policy})
    assert changed.bindings[0].role == "roles/iam.serviceAccountUser"
    assert "composer.environments.get" in client.get_role(request={"name": "roles/composer.admin"}).included_permissions
    client.delete_service_account(name=made.name)
    with pytest.raises(exceptions.NotFound):
        client.get_service_account(name=made.name)
    with pytest.raises(exceptions.MethodNotImplemented, match="CreateServiceAccountKey"):
        client.create_service_account_key(name=made.name)
    channel.close()


def test_the_main_port_serves_all_by_prefix(server: RunningServer) -> None:
    answer = httpx.get(f"{server.url}/crm/v1/projects/acme")
    assert answer.json()["projectNumber"] == "424242"
    assert answer.headers["server"] == "ESF"
    expected = {name: port for name, port in server.ports.items() if name not in {"main", "iam-grpc"}}
    assert httpx.get(f"{server.url}/").json()["ports"] == expected


def test_a_dropped_connection_is_dropped(server: RunningServer) -> None:
    fault = {"kind": "drop", "method": "cloudresourcemanager.projects.get"}
    token = {"Authorization": f"Bearer {server.token}"}
    assert httpx.post(f"{server.url}/_control/fault", json=fault, headers=token).status_code == 200
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{server.url}/crm/v1/projects/acme")
    assert httpx.get(f"{server.url}/crm/v1/projects/acme").status_code == 200


def test_the_environment_names_every_endpoint_and_they_answer(server: RunningServer) -> None:
    variables = client_environment(server)
    told = httpx.get(f"{server.url}/").json()
    assert variables_at(server.url, told["ports"], server.token) == variables
    assert variables["ENVCTL_SANDBOX_TOKEN"] == server.token
    assert "ENVCTL_SANDBOX_TOKEN" not in variables_at(server.url, told["ports"], "")
    assert variables["ENVCTL_SANDBOX_URL"] == server.url
    assert variables["GOOGLE_COMPOSER_CUSTOM_ENDPOINT"] == f"{server.url}/composer/v1beta1/"
    listing = httpx.get(variables["GOOGLE_COMPOSER_CUSTOM_ENDPOINT"] + f"{PARENT}/environments")
    assert listing.json() == {}
    listing = httpx.get(variables["CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPOSER"] + f"v1/{PARENT}/environments")
    assert listing.json() == {}
    compute = httpx.get(variables["CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"] + "projects/acme")
    assert compute.json()["kind"] == "compute#project"


def test_a_port_that_is_taken_is_an_error_of_the_outside(server: RunningServer) -> None:
    with pytest.raises(OutsideError, match="cannot listen"):
        serve(Cloud(), port=server.ports["main"])
