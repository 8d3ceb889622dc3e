"""Serves a provider to the real Pulumi CLI, which attaches by `PULUMI_DEBUG_PROVIDERS=gcp:PORT`.

One server stands for every `gcp` provider of a run, so all of them share one configuration: the last one given.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from envctl.errors import EnvctlError
from envctl.provider.protocol import WAIT_GIVEN_UP, CallContext, DiffKind, Live, OperationDetached, ProviderError
from envctl.provider.struct_values import from_struct, to_struct
from envctl.provider.translator import SandboxProvider

PLUGIN_VERSION = "10.2.0"
"""The package whose types are served."""

_WORKERS = 16
_MESSAGE_BYTES = 400 * 1024 * 1024  # as in Pulumi's own plugins
_KINDS = {
    DiffKind.ADD: provider_pb2.PropertyDiff.ADD,
    DiffKind.ADD_REPLACE: provider_pb2.PropertyDiff.ADD_REPLACE,
    DiffKind.DELETE: provider_pb2.PropertyDiff.DELETE,
    DiffKind.DELETE_REPLACE: provider_pb2.PropertyDiff.DELETE_REPLACE,
    DiffKind.UPDATE: provider_pb2.PropertyDiff.UPDATE,
    DiffKind.UPDATE_REPLACE: provider_pb2.PropertyDiff.UPDATE_REPLACE,
}
_STATUS_CODES = {
    "NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "ALREADY_EXISTS": grpc.StatusCode.ALREADY_EXISTS,
    "PERMISSION_DENIED": grpc.StatusCode.PERMISSION_DENIED,
    "INVALID_ARGUMENT": grpc.StatusCode.INVALID_ARGUMENT,
    "FAILED_PRECONDITION": grpc.StatusCode.FAILED_PRECONDITION,
    "UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
}

Note = Callable[[str, str, float], None]


def _silent(operation: str, state: str, elapsed: float) -> None:
    """Nobody listens to the progress of operations."""


Detached = Callable[[str, str], None]
"""Gets the URN and the operation of a step whose wait was given up."""


def _unheard(urn: str, operation: str) -> None:
    """Nobody asks what goes on in the cloud."""


@dataclass(slots=True)
class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """Translates each call; failures become gRPC errors that carry what exists all the same."""

    provider: SandboxProvider
    note: Note = _silent
    detached: Detached = _unheard
    cancel: threading.Event = field(default_factory=threading.Event)

    def Handshake(  # noqa: N802
        self,
        request: provider_pb2.ProviderHandshakeRequest,  # noqa: ARG002
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> provider_pb2.ProviderHandshakeResponse:
        """Accepts neither secrets, resources nor outputs: the engine unwraps and wraps them."""
        return provider_pb2.ProviderHandshakeResponse()

    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:  # noqa: ARG002, N802
        """The version of the package that this stands for."""
        return plugin_pb2.PluginInfo(version=PLUGIN_VERSION)

    def GetSchema(  # noqa: N802
        self,
        request: provider_pb2.GetSchemaRequest,  # noqa: ARG002
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> provider_pb2.GetSchemaResponse:
        """Name and version only: programs come with the SDK's types."""
        return provider_pb2.GetSchemaResponse(schema=json.dumps({"name": "gcp", "version": PLUGIN_VERSION}))

    def Attach(self, request: plugin_pb2.PluginAttach, context: grpc.ServicerContext) -> Empty:  # noqa: ARG002, N802
        """Nothing to do: the engine is not called back."""
        return Empty()

    def CheckConfig(  # noqa: N802
        self,
        request: provider_pb2.CheckRequest,
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> provider_pb2.CheckResponse:
        """The provider's own inputs as they are."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(  # noqa: N802
        self,
        request: provider_pb2.DiffRequest,
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> provider_pb2.DiffResponse:
        """Which settings differ; none replaces the provider, since default project and region reach the resources' diffs."""
        old, new = from_struct(request.old_inputs or request.olds), from_struct(request.news)
        keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
        changes = provider_pb2.DiffResponse.DIFF_SOME if keys else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=changes, diffs=keys)

    def Configure(  # noqa: N802
        self,
        request: provider_pb2.ConfigureRequest,
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> provider_pb2.ConfigureResponse:
        """Takes over default project and region."""
        given = {**_config_variables(request.variables), **from_struct(request.args)}
        names = {
            key: str(given[key]) for key in ("project", "region") if isinstance(given.get(key), str) and given[key]
        }
        self.provider = replace(self.provider, settings=replace(self.provider.settings, **names))
        self.cancel.clear()
        return provider_pb2.ConfigureResponse(
            acceptSecrets=False, supportsPreview=True, acceptResources=False, acceptOutputs=False
        )

    def Invoke(self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext) -> NoReturn:  # noqa: N802
        """Refused by name: the programs read nothing through the provider."""
        _abort(context, grpc.StatusCode.UNIMPLEMENTED, f"{request.tok} is not served by envctl's sandbox provider")

    def Call(self, request: provider_pb2.CallRequest, context: grpc.ServicerContext) -> NoReturn:  # noqa: N802
        """Refused by name."""
        _abort(context, grpc.StatusCode.UNIMPLEMENTED, f"{request.tok} is not served by envctl's sandbox provider")

    def Cancel(self, request: Empty, context: grpc.ServicerContext) -> Empty:  # noqa: ARG002, N802
        """Ends every wait; operations go on in the cloud."""
        self.cancel.set()
        return Empty()

    def Check(  # noqa: N802
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Completed inputs and failures."""
        with _translated(context):
            checked = self.provider.check(
                request.urn, _type_of(request.urn), from_struct(request.olds), from_struct(request.news)
            )
        failures = [provider_pb2.CheckFailure(property=item.property, reason=item.reason) for item in checked.failures]
        return provider_pb2.CheckResponse(inputs=to_struct(checked.inputs), failures=failures)

    def Diff(  # noqa: N802
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Property by property."""
        with _translated(context):
            diff = self.provider.diff(
                request.urn,
                _type_of(request.urn),
                request.id,
                from_struct(request.old_inputs),
                from_struct(request.olds),
                from_struct(request.news),
                tuple(request.ignoreChanges),
            )
        changes = provider_pb2.DiffResponse.DIFF_SOME if diff.changes else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=changes,
            replaces=list(diff.replaces),
            deleteBeforeReplace=diff.delete_before_replace,
            diffs=sorted({path.split(".", 1)[0].split("[", 1)[0] for path in diff.detailed}),
            detailedDiff={path: provider_pb2.PropertyDiff(kind=_KINDS[kind]) for path, kind in diff.detailed.items()},
            hasDetailedDiff=True,
        )

    def Create(  # noqa: N802
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        """Creates, or plans it."""
        type_ = _type_of(request.urn)
        with _translated(context, self.provider.sensitive_outputs(type_)), self._watched(request.urn):
            live = self.provider.create(
                request.urn, type_, from_struct(request.properties), self._context(), preview=request.preview
            )
        return provider_pb2.CreateResponse(id=live.id, properties=self._outputs(type_, live))

    def Read(  # noqa: N802
        self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        """The live resource; an empty answer when there is none."""
        type_ = _type_of(request.urn)
        with _translated(context):
            live = self.provider.read(
                request.urn,
                type_,
                request.id,
                from_struct(request.inputs),
                from_struct(request.properties),
                self._context(),
            )
        if live is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=live.id, properties=self._outputs(type_, live), inputs=to_struct(live.inputs)
        )

    def Update(  # noqa: N802
        self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        """Changes in place, or plans it."""
        type_ = _type_of(request.urn)
        with _translated(context, self.provider.sensitive_outputs(type_)), self._watched(request.urn):
            live = self.provider.update(
                request.urn,
                type_,
                request.id,
                from_struct(request.old_inputs),
                from_struct(request.olds),
                from_struct(request.news),
                self._context(),
                preview=request.preview,
                ignore_changes=tuple(request.ignoreChanges),
            )
        return provider_pb2.UpdateResponse(properties=self._outputs(type_, live))

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> Empty:  # noqa: N802
        """Deletes."""
        with _translated(context), self._watched(request.urn):
            self.provider.delete(
                request.urn,
                _type_of(request.urn),
                request.id,
                from_struct(request.old_inputs),
                from_struct(request.properties),
                self._context(),
            )
        return Empty()

    @contextmanager
    def _watched(self, urn: str) -> Generator[None]:
        """Tells of an operation that goes on without us."""
        try:
            yield
        except OperationDetached as detached:
            self.detached(urn, detached.operation)
            raise

    def _context(self) -> CallContext:
        return CallContext(note=self.note, cancel=self.cancel)

    def _outputs(self, type_: str, live: Live) -> Any:
        return to_struct(live.outputs, self.provider.sensitive_outputs(type_))


@dataclass(frozen=True, slots=True)
class Adapter:
    """A running server; `environment` makes the Pulumi CLI attach to it."""

    port: int
    server: grpc.Server

    @property
    def environment(self) -> dict[str, str]:
        """Variables for the process that runs the Pulumi CLI."""
        return {"PULUMI_DEBUG_PROVIDERS": f"gcp:{self.port}"}

    def stop(self) -> None:
        """Ends the server; running calls are cut off."""
        self.server.stop(grace=None).wait()


def serve_provider(
    provider: SandboxProvider, *, port: int = 0, note: Note = _silent, detached: Detached = _unheard
) -> Adapter:
    """Starts a server on the loopback; port 0 takes a free one. The caller stops it."""
    options = [("grpc.max_receive_message_length", _MESSAGE_BYTES), ("grpc.max_send_message_length", _MESSAGE_BYTES)]
    server = grpc.server(ThreadPoolExecutor(_WORKERS, thread_name_prefix="provider"), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(provider, note, detached), server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return Adapter(bound, server)


def _type_of(urn: str) -> str:
    """The resource's own type in a URN, whose type part names the parents' too."""
    return urn.split("::")[2].rsplit("$", 1)[-1]


def _config_variables(variables: Mapping[str, str]) -> dict[str, str]:
    return {key.rsplit(":", 1)[-1]: value for key, value in variables.items()}


@contextmanager
def _translated(context: grpc.ServicerContext, secrets: frozenset[str] = frozenset()) -> Generator[None]:
    """Failures of the provider as gRPC errors."""
    try:
        yield
    except ProviderError as error:
        if error.partial is not None:
            _abort_initialised(context, str(error), error.partial, secrets)
        _abort(context, _STATUS_CODES.get(error.status, grpc.StatusCode.UNKNOWN), str(error))
    except OperationDetached as detached:
        text = f"{WAIT_GIVEN_UP}; operation {detached.operation} goes on in the cloud"
        if detached.partial is not None:
            _abort_initialised(context, text, detached.partial, secrets)
        _abort(context, grpc.StatusCode.CANCELLED, text)
    except EnvctlError as error:
        _abort(context, grpc.StatusCode.UNAVAILABLE, f"{error.summary}: {error.detail}")


def _abort(context: grpc.ServicerContext, code: grpc.StatusCode, text: str) -> NoReturn:
    context.abort(code, text)
    raise AssertionError(text)  # abort does not return


def _abort_initialised(context: grpc.ServicerContext, text: str, partial: Live, secrets: frozenset[str]) -> NoReturn:
    """Tells the engine that the resource exists, though not in its final shape: it enters the state."""
    detail = AnyMessage()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=partial.id,
            properties=to_struct(partial.outputs, secrets),
            reasons=[text],
            inputs=to_struct(partial.inputs),
        )
    )
    code: int = grpc.StatusCode.UNKNOWN.value[0]
    context.abort_with_status(rpc_status.to_status(Status(code=code, message=text, details=[detail])))
    raise AssertionError(text)  # abort does not return
