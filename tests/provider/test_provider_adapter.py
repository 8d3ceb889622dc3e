"""The gRPC adapter, spoken to as the engine does, without the CLI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from emulated import PROJECT, REGION, emulated_provider
from google.protobuf.empty_pb2 import Empty
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from envctl.plan.values import Opaque
from envctl.provider.grpc_adapter import serve_provider
from envctl.provider.struct_values import UNKNOWN, from_struct, to_struct
from envctl.sandbox.cloud import Cloud

BUCKET = "urn:pulumi:dev::acme::envctl:index:Group$gcp:storage/bucket:Bucket::files"
SERVICE = "urn:pulumi:dev::acme::gcp:projects/service:Service::api"
ENVIRONMENT = "urn:pulumi:dev::acme::gcp:composer/environment:Environment::env"
SECRET_MARK = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
INPUTS = {"name": "acme-files", "location": "EU", "labels": {"team": "data"}}


@pytest.fixture
def emulator() -> Cloud:
    return Cloud()


@pytest.fixture
def engine(emulator: Cloud) -> Iterator[Any]:
    adapter = serve_provider(emulated_provider(emulator))
    assert adapter.environment == {"PULUMI_DEBUG_PROVIDERS": f"gcp:{adapter.port}"}
    with grpc.insecure_channel(f"127.0.0.1:{adapter.port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        stub.Configure(
            provider_pb2.ConfigureRequest(variables={"gcp:config:project": PROJECT, "gcp:config:region": REGION})
        )
        yield stub
    adapter.stop()


def enable(engine: Any, *names: str) -> None:
    for name in names:
        properties = to_struct({"service": f"{name}.googleapis.com"})
        engine.Create(provider_pb2.CreateRequest(urn=SERVICE, properties=properties))


def environment(engine: Any) -> dict[str, Any]:
    """Inputs of an environment whose account exists."""
    enable(engine, "composer", "iam")
    account = "urn:pulumi:dev::acme::gcp:serviceaccount/account:Account::runner"
    engine.Create(provider_pb2.CreateRequest(urn=account, properties=to_struct({"accountId": "composer"})))
    return {
        "name": "dev",
        "config": {
            "nodeConfig": {"serviceAccount": f"composer@{PROJECT}.iam.gserviceaccount.com"},
            "softwareConfig": {"imageVersion": "composer-3-airflow-2.10.5-build.10"},
        },
    }


def test_a_bucket_lives_over_the_wire(engine: Any) -> None:
    enable(engine, "storage")
    checked = engine.Check(provider_pb2.CheckRequest(urn=BUCKET, news=to_struct(INPUTS)))
    assert list(checked.failures) == []
    planned = engine.Create(provider_pb2.CreateRequest(urn=BUCKET, properties=checked.inputs, preview=True))
    assert planned.id == ""
    assert from_struct(planned.properties)["selfLink"] is Opaque.UNKNOWN
    made = engine.Create(provider_pb2.CreateRequest(urn=BUCKET, properties=checked.inputs))
    assert made.id == "acme-files"

    wanted = to_struct({**from_struct(checked.inputs), "labels": {"team": "core"}})
    request = {"id": made.id, "urn": BUCKET, "olds": made.properties, "old_inputs": checked.inputs, "news": wanted}
    diff = engine.Diff(provider_pb2.DiffRequest(**request))
    assert diff.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert list(diff.diffs) == ["labels"]
    assert diff.detailedDiff["labels.team"].kind == provider_pb2.PropertyDiff.UPDATE
    updated = engine.Update(provider_pb2.UpdateRequest(**request))
    assert from_struct(updated.properties)["effectiveLabels"]["team"] == "core"

    read = engine.Read(provider_pb2.ReadRequest(id=made.id, urn=BUCKET, properties=updated.properties, inputs=wanted))
    assert read.properties == updated.properties
    assert read.inputs == wanted
    deleted = {"id": made.id, "urn": BUCKET, "properties": read.properties, "old_inputs": wanted}
    engine.Delete(provider_pb2.DeleteRequest(**deleted))
    assert engine.Read(provider_pb2.ReadRequest(id=made.id, urn=BUCKET, inputs=wanted)).id == ""


def test_failures_of_a_check_name_their_property(engine: Any) -> None:
    checked = engine.Check(provider_pb2.CheckRequest(urn=BUCKET, news=to_struct({"name": "b"})))
    assert [(item.property, item.reason) for item in checked.failures] == [("location", "is required")]


def test_errors_carry_the_apis_text(engine: Any, emulator: Cloud) -> None:
    emulator.faults.add(
        {"kind": "fail", "method": "storage.buckets.insert", "status": "PERMISSION_DENIED", "message": "not you"}
    )
    with pytest.raises(grpc.RpcError, match="not you") as caught:
        engine.Create(provider_pb2.CreateRequest(urn=BUCKET, properties=to_struct(INPUTS)))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED  # type: ignore[attr-defined]


def test_a_failed_create_carries_what_is_there(engine: Any, emulator: Cloud) -> None:
    inputs = environment(engine)
    fault = {
        "kind": "operation",
        "operation": "composer.environments.create",
        "status": "INTERNAL",
        "message": "no luck",
    }
    emulator.faults.add(fault)
    with pytest.raises(grpc.RpcError, match="no luck") as caught:
        engine.Create(provider_pb2.CreateRequest(urn=ENVIRONMENT, properties=to_struct(inputs)))
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    assert status is not None
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    assert detail.id == f"projects/{PROJECT}/locations/{REGION}/environments/dev"
    assert list(detail.reasons) == ["no luck"]
    assert from_struct(detail.inputs) == inputs


def test_a_cancelled_wait_leaves_the_operation(engine: Any, emulator: Cloud) -> None:
    inputs = environment(engine)
    engine.Cancel(Empty())
    with pytest.raises(grpc.RpcError, match="goes on in the cloud") as caught:
        engine.Create(provider_pb2.CreateRequest(urn=ENVIRONMENT, properties=to_struct(inputs)))
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    assert status is not None
    assert len(status.details) == 1
    engine.Configure(provider_pb2.ConfigureRequest())
    enable(engine, "storage")  # a new run can wait again


def test_a_dropped_connection_is_unavailable(emulator: Cloud) -> None:
    from envctl.errors import OutsideError
    from envctl.google.pauses import NoWait
    from envctl.provider.spec import Settings
    from envctl.provider.translator import SandboxProvider

    class Broken:
        def call(self, *arguments: Any) -> Any:
            raise OutsideError("storage.googleapis.com could not be reached", detail="refused")

    adapter = serve_provider(SandboxProvider(Broken(), Settings(project=PROJECT), NoWait()))
    with grpc.insecure_channel(f"127.0.0.1:{adapter.port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        with pytest.raises(grpc.RpcError, match="could not be reached: refused") as caught:
            stub.Create(provider_pb2.CreateRequest(urn=BUCKET, properties=to_struct(INPUTS)))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]
    adapter.stop()


def test_functions_are_refused_by_name(engine: Any) -> None:
    with pytest.raises(grpc.RpcError, match="getProject is not served"):
        engine.Invoke(provider_pb2.InvokeRequest(tok="gcp:organizations/getProject:getProject"))
    with pytest.raises(grpc.RpcError, match="x is not served"):
        engine.Call(provider_pb2.CallRequest(tok="x"))


def test_the_provider_introduces_itself(engine: Any) -> None:
    assert engine.GetPluginInfo(Empty()).version == "10.2.0"
    assert '"gcp"' in engine.GetSchema(provider_pb2.GetSchemaRequest()).schema
    assert engine.Handshake(provider_pb2.ProviderHandshakeRequest()).accept_secrets is False
    configured = engine.Configure(provider_pb2.ConfigureRequest(args=to_struct({"project": "other"})))
    assert (configured.acceptSecrets, configured.supportsPreview) == (False, True)
    settings = to_struct({"project": "a"})
    assert engine.CheckConfig(provider_pb2.CheckRequest(news=settings)).inputs == settings
    diff = engine.DiffConfig(provider_pb2.DiffRequest(old_inputs=settings, news=to_struct({"project": "b"})))
    assert list(diff.diffs) == ["project"]


def test_secret_outputs_are_marked(engine: Any) -> None:
    enable(engine, "secretmanager")
    secret = "urn:pulumi:dev::acme::gcp:secretmanager/secret:Secret::s"
    version = "urn:pulumi:dev::acme::gcp:secretmanager/secretVersion:SecretVersion::v"
    inputs = {"secretId": "crm", "replication": {"auto": {}}}
    engine.Create(provider_pb2.CreateRequest(urn=secret, properties=to_struct(inputs)))
    inputs = {"secret": f"projects/{PROJECT}/secrets/crm", "secretData": "hunter2"}
    made = engine.Create(provider_pb2.CreateRequest(urn=version, properties=to_struct(inputs)))
    assert dict(made.properties["secretData"]) == {**SECRET_MARK, "value": "hunter2"}


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5) | st.just(Opaque.UNKNOWN),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), values, max_size=4), st.data())
def test_properties_survive_the_wire(properties: dict[str, Any], data: st.DataObject) -> None:
    hidden = frozenset(data.draw(st.sets(st.sampled_from(sorted(properties))))) if properties else frozenset[str]()
    assert from_struct(to_struct(properties, hidden)) == properties


def test_marks_of_the_engine_are_read() -> None:
    struct = to_struct({"a": UNKNOWN, "b": {**SECRET_MARK, "value": "x"}})
    struct["c"] = {"4dabf18193072939515e22adb298388d": "d0e6a833031e9bbcd3f4e8bde6ca49a4", "value": 1.5}
    struct["d"] = {"4dabf18193072939515e22adb298388d": "d0e6a833031e9bbcd3f4e8bde6ca49a4"}
    assert from_struct(struct) == {"a": Opaque.UNKNOWN, "b": "x", "c": 1.5, "d": Opaque.UNKNOWN}
    assert from_struct(None) == {}
